"""`c360 schedule`: the scheduler daemon alone."""

from __future__ import annotations

import logging

import typer

from run.context import Context
from run.scheduler import Daemon


def command(context: typer.Context) -> None:
    """Collect every source when it is due, build, publish and alert; exactly one per instance."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s %(levelname)s %(message)s")
    logging.getLogger("apscheduler").setLevel(logging.ERROR)
    logging.getLogger("httpx").setLevel(logging.WARNING)
    state: Context = context.obj
    Daemon(state.instance).run()
