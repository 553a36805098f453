"""The demo: a fictional company's four systems as local servers, collected, built and published like real ones."""

from __future__ import annotations

import json
import os
import select
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from model import renewal
from ops import clock, secrets
from ops.errors import C360Error, FatalError
from ops.instance import Instance, InstanceConfig, Role, SourceConfig
from ops.progress import Progress, quiet
from run import chain

SOURCES: tuple[tuple[str, str, Role], ...] = (
    ("crm", "salesforce", "crm"),
    ("erp", "kingdee", "erp"),
    ("service", "zendesk", "tickets"),
    ("projects", "jira", "projects"),
)
# The simulator grants the larger plan; the connector's default is the smaller one.
EXTRA = {"zendesk": {"exports_per_minute": 600}}
START_TIMEOUT_S = 120
# bank account and contact that the demo company's letters print
LETTERS = Path(__file__).parent.parent / "data" / "demo" / "letters.toml"


@dataclass
class Simulators:
    """The four vendor simulators in a process of their own."""

    process: subprocess.Popen[bytes]
    urls: dict[str, str]
    credentials: dict[str, dict[str, Any]]

    def stop(self) -> None:
        """End the process."""
        self.process.terminate()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


def start_simulators(customers: int, seed: int, zone: str, *, tick_seconds: float = 0) -> Simulators:
    """Start the simulators on free loopback ports and wait for their announcement line."""
    command = [sys.executable, "-m", "data.demo", "--customers", str(customers), "--seed", str(seed)]
    command += ["--today", clock.today(zone).isoformat()]
    if tick_seconds:
        command += ["--tick", str(tick_seconds)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, cwd=Path(__file__).parent.parent)
    if process.stdout is None:
        raise FatalError("the demo's simulators could not be started")
    ready, _, _ = select.select([process.stdout], [], [], START_TIMEOUT_S)
    line = process.stdout.readline() if ready else b""
    if not line:
        process.kill()
        process.wait()
        raise FatalError("the demo's simulators did not start", remedy="run `python -m data.demo` to see why")
    announced = json.loads(line)
    return Simulators(process, announced["urls"], announced["credentials"])


def create_instance(home: Path, simulators: Simulators) -> Instance:
    """A fresh demo instance at `home`. Only a demo instance is ever replaced; anything else is refused."""
    if (home / "c360.toml").exists():
        if Instance.load(home).config.mode != "demo":
            raise FatalError(f"{home} holds a live instance", remedy="choose another folder with --home")
        shutil.rmtree(home)
    elif home.exists() and any(home.iterdir()):
        raise FatalError(f"{home} is not empty and not an instance", remedy="choose another folder with --home")
    config = InstanceConfig(company="澄远精密测控", mode="demo")
    instance = Instance.create(home, config)
    for name, connector, role in SOURCES:
        settings = _settings(instance, connector, simulators.credentials[connector])
        config.sources.append(
            SourceConfig(name=name, connector=connector, role=role, settings=settings, schedule="every 2m")
        )
    instance.save()
    instance.config_dir.mkdir(exist_ok=True)
    shutil.copyfile(LETTERS, instance.config_dir / LETTERS.name)
    return instance


def _settings(instance: Instance, connector: str, credentials: dict[str, Any]) -> dict[str, Any]:
    """The connector's settings with every secret moved into the secrets folder."""
    from ingest.spec import SourceSpec

    declared_settings = SourceSpec.load(connector).settings
    settings = {
        key: value for key, value in (credentials | EXTRA.get(connector, {})).items() if key in declared_settings
    }
    for key, declared in declared_settings.items():
        if declared.secret and key in settings and not secrets.is_ref(str(settings[key])):
            name = f"{connector}_{key}"
            secrets.write(name, str(settings[key]), instance.secrets)
            settings[key] = f"file:{name}"
    return settings


@contextmanager
def prepared(
    home: Path,
    *,
    customers: int = 2000,
    seed: int = 20260101,
    tick_seconds: float = 0,
    progress: Progress = quiet,
) -> Iterator[tuple[Instance, chain.ChainResult, Simulators]]:
    """The demo collected, built, published, its renewal model trained and its alerts judged; simulators running."""
    os.environ.setdefault("C360_HOME", str(home))
    progress(f"starting the demo company ({customers} customers) and its four systems")
    started = clock.monotonic()
    simulators = start_simulators(customers, seed, "Asia/Shanghai", tick_seconds=tick_seconds)
    try:
        instance = create_instance(home, simulators)
        result = chain.ChainResult()
        result.seconds["start"] = clock.monotonic() - started
        result = chain.refresh(instance, progress=progress)
        progress("training the renewal model")
        started = clock.monotonic()
        try:
            renewal.train(instance)
            chain.judge(instance, result.problems)
        except C360Error as error:
            result.problems.append(str(error))
        result.seconds["renewal"] = clock.monotonic() - started
        yield instance, result, simulators
    finally:
        simulators.stop()


def prepare(home: Path, customers: int = 60, seed: int = 20260101) -> Instance:
    """A small published demo instance for tests and benchmarks; the simulators are stopped again."""
    with prepared(home, customers=customers, seed=seed) as (instance, result, _):
        if result.problems:
            raise FatalError("the demo could not be prepared: " + "; ".join(result.problems))
        return instance
