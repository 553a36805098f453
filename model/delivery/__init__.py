"""Delivery: at most one digest per person and day, from an outbox that is committed before anything is sent.

people.py   who is told, in which language, with which masks
digest.py   alerts → one mail with a text and an HTML part
outbox.py   composing digests into the outbox, at most one per person and day
smtp.py     one mail over one connection, failures told apart
sender.py   deliver: drain the outbox with retries, dead letters and a ledger; preview
"""

from model.delivery.sender import Delivered, deliver, demo_recipient, preview

__all__ = ["Delivered", "deliver", "demo_recipient", "preview"]
