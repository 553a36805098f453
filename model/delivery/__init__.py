"""Delivery: urgent alerts at once, all others in at most one digest per person and day, from an outbox that is
committed before anything is sent.

people.py     who is told, who stands in, in which language, with which masks
pending.py    what has to be told now
digest.py     alerts → a message; mail.py and chat.py render it
outbox.py     messages into the outbox, their alerts marked as told
carriers.py   the configured channels: smtp.py, robots.py (WeCom, DingTalk, Feishu), webhooks.py (Slack, Teams, others)
sender.py     deliver: drain the outbox with retries, dead letters and a ledger; preview
faults.py     how a hand-over fails
letters.py    letters to customers by mail
report.py     the monthly integration health report
holding.py    nothing leaves after a restore until a person releases it
health.py     what `c360 doctor` says about alerts and channels
"""

from model.delivery.health import calendar_gap, ledger, notes, problems
from model.delivery.holding import Held, held, hold, release
from model.delivery.sender import Delivered, deliver, demo_recipient, is_configured, preview

__all__ = [
    "Delivered",
    "Held",
    "calendar_gap",
    "deliver",
    "demo_recipient",
    "held",
    "hold",
    "is_configured",
    "ledger",
    "notes",
    "preview",
    "problems",
    "release",
]
