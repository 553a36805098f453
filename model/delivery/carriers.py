"""How each channel hands a message over, and how fast it may."""

from __future__ import annotations

from datetime import datetime, timedelta
from email import message_from_string
from email.message import EmailMessage
from email.policy import SMTP
from typing import Protocol

from sqlalchemy import select

from model.delivery import robots, smtp, webhooks
from ops import clock
from ops.instance import ChannelConfig, Instance, MailConfig
from ops.secrets import resolve
from ops.store import Store, stamp, unstamp
from ops.tables import deliveries, outbox

_MINUTE = timedelta(minutes=1)


class Carrier(Protocol):
    """One channel. `send` raises Refused, Throttled, Uncertain or FatalError (faults.py)."""

    def send(self, body: str) -> str:
        """Hand over what the outbox holds; returns the other side's word for success."""
        ...

    def wait_until(self, store: Store) -> datetime | None:
        """When the next message may go, None for now."""
        ...


def carriers(instance: Instance) -> dict[str, Carrier]:
    """Channel name → carrier, for everything that is configured."""
    found: dict[str, Carrier] = {}
    if instance.config.mail is not None:
        found["mail"] = Mail(instance, instance.config.mail)
    for channel in instance.config.channels:
        is_robot = channel.type in robots.KINDS
        found[channel.name] = Robot(instance, channel) if is_robot else Webhook(instance, channel)
    return found


class Mail:
    """The mail server."""

    def __init__(self, instance: Instance, config: MailConfig) -> None:
        self._instance, self._config = instance, config

    def send(self, body: str) -> str:
        """One mail over one connection."""
        with smtp.connection(self._config, self._instance.secrets) as server:
            message: EmailMessage = message_from_string(body, policy=SMTP)
            return smtp.send(server, message)

    def wait_until(self, store: Store) -> datetime | None:
        """A mail server has no rate of ours."""
        _ = store
        return None


class Robot:
    """A group robot with its vendor's rate: attempts of the last minute are counted in the ledger, so that a restart
    does not forget them. Channels that share a robot share its rate."""

    def __init__(self, instance: Instance, channel: ChannelConfig) -> None:
        self._instance, self._channel = instance, channel
        self._kind = robots.KINDS[channel.type]
        self._shared = [one.name for one in instance.config.channels if one.address == channel.address]

    def send(self, body: str) -> str:
        """Sign and post one payload."""
        channel, folder = self._channel, self._instance.secrets
        address = resolve(channel.address, folder)
        secret = resolve(channel.secret, folder) if channel.secret else None
        clock.sleep(self._kind.pause_s)
        return robots.send(channel.type, channel.name, address, secret, body)

    def wait_until(self, store: Store) -> datetime | None:
        """The end of the minute that is full, or of the minute the vendor asks to avoid."""
        now = clock.now()
        if robots.is_rush(self._channel.type, now):
            return now.replace(second=0, microsecond=0) + _MINUTE
        query = (
            select(deliveries.c.at)
            .join(outbox, outbox.c.message_id == deliveries.c.message_id)
            .where(outbox.c.channel.in_(self._shared), deliveries.c.at > stamp(now - _MINUTE))
            .order_by(deliveries.c.at.desc())
        )
        with store.read() as connection:
            recent = connection.execute(query.limit(self._kind.per_minute)).scalars().all()
        return unstamp(recent[-1]) + _MINUTE if len(recent) >= self._kind.per_minute else None


class Webhook:
    """Slack, Teams or a generic webhook."""

    def __init__(self, instance: Instance, channel: ChannelConfig) -> None:
        self._instance, self._channel = instance, channel

    def send(self, body: str) -> str:
        """Hand one message to apprise."""
        address = resolve(self._channel.address, self._instance.secrets)
        return webhooks.send(self._channel.type, self._channel.name, address, body)

    def wait_until(self, store: Store) -> datetime | None:
        """These services answer HTTP 429, which is waited for."""
        _ = store
        return None
