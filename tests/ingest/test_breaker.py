"""A host that fails again and again is left alone, then tried once; others go on."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from fake import Seen, add_connector, documents, make_instance, reply, serving

from ingest import breaker
from ingest.breaker import Breakers, at_work
from ingest.collect import sync
from ingest.errors import LoginError, SourceBusy
from ops.instance import Instance, InstanceConfig, SourceConfig

STREAM = """
[[stream]]
name = "things"
path = "things"
records = "items"
id = "id"
"""
NOW = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)


@pytest.fixture
def at(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Sets the clock to so many seconds after NOW."""

    def move(seconds: float) -> None:
        monkeypatch.setenv("C360_NOW", (NOW + timedelta(seconds=seconds)).isoformat())

    move(0)
    return move


def rows(_seen: Seen) -> dict[str, Any]:
    return {"items": [{"id": 1, "v": 1}]}


def _always(answer: Any, _seen: Seen) -> Any:
    return answer


def test_a_dead_host_is_asked_no_more_and_one_probe_brings_it_back(tmp_path: Path, waits: list[float], at: Any) -> None:
    dead = True
    with serving(lambda seen: reply(503) if dead else rows(seen)) as fake, serving(rows) as other:
        instance = make_instance(tmp_path / "i", fake.url, STREAM)
        add_connector(instance.home, "good", STREAM)
        instance.config.sources.append(
            SourceConfig(name="two", connector="good", role="crm", settings={"base_url": other.url})
        )
        for second in range(breaker.FAILURES):
            at(second)
            (result,) = sync(instance, "src")
            assert "503" in str(result.error)
        asked = len(fake.seen)
        assert asked == 3 * breaker.FAILURES  # the attempts of each call

        (closed_door,) = sync(instance, "src")
        assert "left alone until 2026-11-22T09:01:02Z" in str(closed_door.error)
        assert "503" in str(closed_door.error)
        assert len(fake.seen) == asked
        (good,) = sync(instance, "two")
        assert good.error is None
        assert [one["state"] for one in at_work(instance.store)] == ["open"]

        at(breaker.FAILURES + breaker.PAUSE_S)
        sync(instance, "src")
        assert len(fake.seen) == asked + 1, "a probe is one request, without attempts"
        sync(instance, "src")
        assert len(fake.seen) == asked + 1

        dead = False
        at(breaker.FAILURES + breaker.PAUSE_S * 2.9)  # the pause has doubled
        sync(instance, "src")
        assert len(fake.seen) == asked + 1
        at(breaker.FAILURES + breaker.PAUSE_S * 3.1)
        (back,) = sync(instance, "src")
        assert back.error is None
        assert documents(instance, "things") == {"1": {"id": 1, "v": 1}}
        assert at_work(instance.store) == []


def test_what_is_answered_is_no_failure(tmp_path: Path, waits: list[float], at: Any) -> None:
    """A limit, a refused login or a broken body come from a host that is there."""
    for answer in (reply(429), reply(401), reply(200, "{"), reply(404), reply(400, {"message": "no"})):
        with serving(partial(_always, answer)) as fake:
            instance = make_instance(tmp_path / fake.url[-5:], fake.url, STREAM)
            for _ in range(breaker.FAILURES + 2):
                (result,) = sync(instance, "src")
                assert "left alone" not in str(result.error)


def test_a_success_between_failures_begins_the_count_anew(tmp_path: Path, waits: list[float], at: Any) -> None:
    good = False
    with serving(lambda seen: rows(seen) if good else reply(500)) as fake:
        instance = make_instance(tmp_path, fake.url, STREAM)
        for _ in range(3):
            for _ in range(breaker.FAILURES - 1):
                good = False
                assert "500" in str(sync(instance, "src")[0].error)
            good = True
            assert sync(instance, "src")[0].error is None
        assert at_work(instance.store) == []


def test_only_one_of_many_may_probe(tmp_path: Path, at: Any) -> None:
    instance = Instance.create(tmp_path / "i", InstanceConfig())
    first, second = Breakers(instance.store), Breakers(instance.store)
    for _ in range(breaker.FAILURES):
        with pytest.raises(SourceBusy), first.guard("h:1"):
            raise SourceBusy("nobody there", is_down=True)
    with pytest.raises(SourceBusy, match="left alone") as refused:
        second.enter("h:1")
    assert refused.value.retry_after == breaker.PAUSE_S
    assert second.enter("h:2") is False
    at(breaker.PAUSE_S + 1)
    assert second.enter("h:1") is True
    with pytest.raises(SourceBusy, match="left alone"):
        first.enter("h:1")
    at(breaker.PAUSE_S + breaker.PROBE_S + 2)  # the first probe's process was killed
    assert first.enter("h:1") is True
    with pytest.raises(LoginError), first.guard("h:3"):
        raise LoginError("an answer")
    first.succeeded("h:1")
    assert Breakers(instance.store).enter("h:1") is False
