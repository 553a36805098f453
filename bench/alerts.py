"""Alert campaign: a simulated quarter of random payments, outages and kills, against an independent truth.

Everything is real but time: the product's process judges and sends over sockets to a mail sink and to the simulated
robots; it is killed (SIGKILL) after the other side took a message and before it could record that. `due` counts the
tellings the rules ask for (one alert to one reader on one day), `missed` those that never arrived, `duplicates` those
that arrived twice outside sends of unknown fate, `uncertain` these sends, `unexpected` tellings nobody was due.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import re
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from email import message_from_bytes
from email.policy import default
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import duckdb
from aiosmtpd.controller import Controller
from sqlalchemy import insert, select, update

from bench import alert_build
from bench.alert_company import END, START, Quarter, make
from bench.alert_truth import Due, Truth
from bench.measure import ROOT
from data.demo.simulators.robots import Robot, RobotServer, Taken
from model.alerts.rule import load
from ops import secrets
from ops.instance import ChannelConfig, Instance, InstanceConfig, MailConfig, PersonConfig
from ops.store import stamp
from ops.tables import deliveries, disputes, notes, outbox, promises

CUSTOMERS = 2_000
SEED = 20260701
ZONE = ZoneInfo("Asia/Shanghai")
JUDGED = (0, 33)
TICKS = ((8, 13), (8, 15), (12, 7), (12, 9), (17, 33))
ROBOTS = ("wecom", "dingtalk", "feishu")
KEYS = {"dingtalk": "SECbench", "feishu": "bench"}


class Sink:
    """A mail server that takes, refuses, hangs up after taking, or lets the sender be killed after taking."""

    def __init__(self) -> None:
        self.mode = "take"
        self.taken: list[bytes] = []
        self.kill: Any = None

    async def handle_DATA(self, server: Any, _session: Any, envelope: Any) -> str:  # noqa: N802 - aiosmtpd's name
        if self.mode == "refuse":
            return "451 try later"
        self.taken.append(bytes(envelope.content))
        if self.mode == "hang_up":
            self.mode = "take"
            server.transport.close()
        if self.mode == "kill":
            self.mode = "take"
            self.kill()
        return "250 taken"


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


class Campaign:
    """One quarter: the instance, the other sides, the process under test and the simulated time."""

    def __init__(self, home: Path, customers: int) -> None:
        self.quarter: Quarter = make(customers, SEED)
        self.chance = random.Random(SEED + 1)
        self.now = datetime.combine(START, datetime.min.time(), ZONE)
        self.path = home / "wh.duckdb"
        self.sink = Sink()
        self.mails = Controller(self.sink, hostname="127.0.0.1", port=_free_port())
        self.robots = RobotServer(
            *(Robot(kind, f"bench-{kind}", KEYS.get(kind)) for kind in ROBOTS), clock=self._seconds
        )
        self.sink.kill = self._kill
        self.kills = 0
        self.timings: dict[str, list[float]] = defaultdict(list)
        self._kill_robot = False
        self.robots.on_taken = self._on_taken
        self._home = home / "i"
        self._process: subprocess.Popen[str] | None = None

    @contextmanager
    def prepared(self) -> Iterator[None]:
        """The build made, the other sides listening, the instance configured."""
        con = alert_build.connect(self.path)
        alert_build.stage(con, self.quarter.rows())
        alert_build.run_models(con)
        con.close()
        self.mails.start()
        with self.robots:
            self.instance = Instance.create(self._home, self._config(self.mails.port))
            for kind in ROBOTS:
                secrets.write(f"{kind}_url", self.robots.url(f"bench-{kind}"), self.instance.secrets)
            for kind, key in KEYS.items():
                secrets.write(f"{kind}_key", key, self.instance.secrets)
            try:
                yield
            finally:
                self._stop()
                self.mails.stop()
                self.instance.store.close()

    def _seconds(self) -> float:
        return self.now.timestamp()

    def _config(self, port: int) -> InstanceConfig:
        sellers = sorted(self.quarter.leads)
        channels = [
            ChannelConfig(
                name=kind, type=kind, address=f"file:{kind}_url",  # type: ignore[arg-type]
                secret=f"file:{kind}_key" if kind in KEYS else None, who=[seller],
            )
            for kind, seller in zip(ROBOTS, sellers[1:], strict=False)
        ]  # fmt: skip
        people = [
            PersonConfig(who=seller, deputy=self.quarter.deputies.get(seller), language="en" if number % 3 else None)
            for number, seller in enumerate(sellers)
        ]
        mail = MailConfig(host="127.0.0.1", port=port, security="none", sender="c360@bench.example")
        config = InstanceConfig(company="示例", mail=mail, channel=channels, person=people)
        config.alerts.lines = 1_000_000
        return config

    def run(self) -> None:
        """Day by day: judge after midnight, deliver at the ticks, record at ten."""
        day, rough = START, 0
        while day <= END + timedelta(days=3):
            if day <= END:
                self._hand_over(day)
                self._order("evaluate", day, JUDGED)
            rough = rough - 1 if rough else self.chance.choice((0,) * 12 + (1, 2)) if day < END else 0
            for tick in TICKS:
                self._weather(day, tick, bad=bool(rough))
                self._order("deliver", day, tick)
                if tick == TICKS[1] and day <= END:
                    self._record(day)
            day += timedelta(days=1)

    def _weather(self, day: date, tick: tuple[int, int], *, bad: bool) -> None:
        """What the other sides do at this tick; robots always recover within the day."""
        calm = day > END
        self.sink.mode = (
            "refuse" if bad else self.chance.choice(("take",) * 20 + ("refuse", "refuse", "hang_up", "kill"))
        )
        self._kill_robot = not calm and self.chance.random() < 0.03
        for kind in ROBOTS:
            modes = ("ok",) * 14 + ("busy", "broken", "mute")
            self.robots.mode[kind] = "ok" if calm or tick >= TICKS[2] else self.chance.choice(modes)
        if calm:
            self.sink.mode = "take"

    def _order(self, what: str, day: date, at: tuple[int, int]) -> None:
        self.now = datetime(day.year, day.month, day.day, *at, tzinfo=ZONE)
        order = {"now": self.now.astimezone(UTC).isoformat(), "do": what, "version": f"v{(day - START).days + 1}"}
        while True:
            process = self._running()
            if process.stdin is None or process.stdout is None:
                raise RuntimeError("the worker has no pipes")
            process.stdin.write(json.dumps(order) + "\n")
            process.stdin.flush()
            line = process.stdout.readline()
            if line:
                answer = json.loads(line)
                self.timings[what].append(answer["cpu"])
                return
            if process.wait() != -9:
                raise RuntimeError(f"the worker ended with {process.returncode} at {order}")
            self.kills += 1
            self._process = None

    def _running(self) -> subprocess.Popen[str]:
        if self._process is None:
            arguments = [sys.executable, "-m", "bench.alert_worker", str(self._home), str(self.path)]
            self._process = subprocess.Popen(
                arguments, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
            )
        return self._process

    def _stop(self) -> None:
        if self._process is not None and self._process.stdin is not None:
            self._process.stdin.close()
            self._process.wait()

    def _kill(self) -> None:
        if self._process is not None:
            self._process.kill()

    def _on_taken(self, _: Taken) -> None:
        if self._kill_robot:
            self._kill_robot = False
            self._kill()

    def _hand_over(self, day: date) -> None:
        changed = [(owner, customer) for on, customer, owner in self.quarter.handovers if on == day]
        if changed:
            con = duckdb.connect(str(self.path))
            con.executemany("update core.dim_customer set owner_key = ? where customer_key = ?", changed)
            con.close()

    def _record(self, day: date) -> None:
        """People write at ten o'clock."""
        at = stamp(datetime(day.year, day.month, day.day, 10, tzinfo=ZONE))
        with self.instance.store.begin() as connection:
            for one in self.quarter.recorded:
                key = f"erp:{one.item}#1"
                if one.kind == "dispute" and one.until == day:
                    connection.execute(
                        update(disputes).where(disputes.c.item_key == key, disputes.c.closed_at.is_(None))
                        .values(closed_at=at)
                    )  # fmt: skip
                if one.on != day:
                    continue
                if one.kind == "promise":
                    connection.execute(
                        insert(promises).values(item_key=key, amount=str(one.amount), currency="CNY", made_by="bench",
                                                promised_on=str(one.until), made_at=at)
                    )  # fmt: skip
                elif one.kind == "dispute":
                    connection.execute(
                        insert(disputes).values(item_key=key, amount=str(one.amount), currency="CNY",
                                                reason="quality", opened_by="bench", opened_at=at)
                    )  # fmt: skip
                else:
                    until = str(one.until) if one.kind == "snooze" else None
                    connection.execute(
                        insert(notes).values(anchor=key, kind=one.kind, until=until, made_by="bench", made_at=at)
                    )


_HEAD = re.compile(r"^(?:\*\*)?(.+?) \((\d+)\)")
_ENTRY = re.compile(r"^(?:- |[🔴🟠⚪🟢] \[)")
_CUSTOMER = re.compile(r"(C\d{6})")
_DOCUMENT = re.compile(r"\b(?:I|R)\d+[ab]?\b")
_DIGEST = re.compile(r"c360\.digest\.(\d{8})\.")
_ROBOT_DAY = re.compile(r"(\d{4})年(\d+)月(\d+)日：|(\d+) (\w+) (\d{4}):")


class Received:
    """What arrived, read back from the messages themselves."""

    def __init__(self, labels: dict[str, str], readers: dict[str, str]) -> None:
        self._labels, self._readers = labels, readers
        self.told: Counter[Due] = Counter()
        self.copies: Counter[str] = Counter()

    def mail(self, raw: bytes) -> None:
        """One mail the sink took; copies of one Message-ID tell once."""
        message: Any = message_from_bytes(raw, policy=default)
        identifier = str(message["Message-ID"])
        self.copies[identifier] += 1
        if self.copies[identifier] > 1:
            return
        digest = _DIGEST.search(identifier)
        composed = message["Date"].datetime.astimezone(ZONE).date()
        day = datetime.strptime(digest[1], "%Y%m%d").replace(tzinfo=ZONE).date() if digest else composed
        reader = str(message["To"].addresses[0].addr_spec).partition("@")[0].upper()
        self._lines(message.get_body(("plain",)).get_content(), day, reader, "digest" if digest else "urgent")

    def robot(self, taken: Taken, identifier: str) -> None:
        """One part a robot took."""
        self.copies[identifier] += 1
        if self.copies[identifier] == 1:
            kind = "urgent" if ".urgent." in identifier else "digest"
            day = datetime.fromtimestamp(taken.at, ZONE).date()
            self._lines(taken.text, day, self._readers[taken.kind], kind)

    def _lines(self, text: str, day: date, reader: str, kind: str) -> None:
        rule = ""
        for line in text.splitlines():
            head = _HEAD.match(line)
            if _ENTRY.match(line):
                found = _CUSTOMER.search(line) if rule == "large_overdue" else _DOCUMENT.search(line)
                self.told[day, reader, kind, rule, found[0] if found else line] += 1
            elif head and head[1] in self._labels:
                rule = self._labels[head[1]]


def compare(campaign: Campaign, due: list[Due]) -> dict[str, Any]:
    """The figures: what was due against what arrived."""
    sellers = sorted(campaign.quarter.leads)
    labels = {label: rule.id for rule in load() for label in (rule.label.zh, rule.label.en)}
    received = Received(labels, dict(zip(ROBOTS, sellers[1:], strict=False)))
    with campaign.instance.store.read() as connection:
        ledger = connection.execute(select(deliveries.c.message_id, deliveries.c.outcome)).all()
        rows = connection.execute(select(outbox.c.message_id, outbox.c.body, outbox.c.state, outbox.c.channel)).all()
    for raw in campaign.sink.taken:
        received.mail(raw)
    parts = {_robot_text(row.channel, row.body): row.message_id for row in rows if row.channel != "mail"}
    for taken in campaign.robots.taken:
        received.robot(taken, parts[taken.kind, taken.text])
    uncertain = Counter(row.message_id for row in ledger if row.outcome == "uncertain")
    again = sum(max(0, count - 1 - uncertain[key]) for key, count in received.copies.items())
    wanted = Counter(due)
    missed, extra = wanted - received.told, received.told - wanted
    twice = sum(count for key, count in extra.items() if key in wanted)
    return {
        "due": sum(wanted.values()),
        "missed": sum(missed.values()),
        "duplicates": again + twice,
        "uncertain": sum(uncertain.values()),
        "unexpected": sum(extra.values()) - twice,
        "messages": len(received.copies),
        "undelivered": sum(row.state != "sent" for row in rows),
        "attempts": len(ledger),
        "kills": campaign.kills,
        "due_by_rule": dict(Counter(key[3] for key in due)),
        "differences": [[str(part) for part in key] for key in [*missed, *extra][:10]],
    }


def _robot_text(channel: str, body: str) -> tuple[str, str]:
    made = json.loads(body)
    if channel == "feishu":
        return channel, made["card"]["elements"][0]["content"]
    return channel, made["markdown"].get("content") or made["markdown"]["text"]


def run(arguments: argparse.Namespace) -> dict[str, object]:
    """Figures: due, missed, duplicates, uncertain, unexpected; evaluate_cpu_ms (median and worst day)."""
    work = Path(tempfile.mkdtemp(prefix="bench-alerts-"))
    before = os.environ.get("C360_NOW")
    started = time.perf_counter()
    try:
        campaign = Campaign(work, arguments.customers)
        with campaign.prepared():
            campaign.run()
            figures = compare(campaign, Truth(campaign.quarter).run())
        judged = sorted(seconds * 1000 for seconds in campaign.timings["evaluate"])
        return {
            "customers": arguments.customers, "days": (END - START).days + 1, **figures,
            "evaluate_cpu_ms": round(statistics.median(judged), 1), "evaluate_cpu_ms_worst": round(judged[-1], 1),
            "seconds": round(time.perf_counter() - started, 1),
        }  # fmt: skip
    finally:
        if before is not None:
            os.environ["C360_NOW"] = before
        shutil.rmtree(work, ignore_errors=True)
