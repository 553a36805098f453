"""`c360 init`: a new, empty instance folder with a commented c360.toml."""

from __future__ import annotations

from typing import Annotated

import typer

from ops.errors import FatalError
from ops.instance import Instance, InstanceConfig
from run.context import Context


def command(
    context: typer.Context,
    company: Annotated[str, typer.Option(prompt=True, help="The company whose customers these are.")],
    zone: Annotated[str, typer.Option(help="The company's time zone.")] = "Asia/Shanghai",
    currency: Annotated[str, typer.Option(help="The company's currency.")] = "CNY",
) -> None:
    """Make an instance folder; sources are added with `c360 source add` or in c360.toml."""
    state: Context = context.obj
    if (state.home / "c360.toml").exists():
        raise FatalError(f"{state.home} already holds an instance", remedy="choose another folder with --home")
    Instance.create(state.home, InstanceConfig(company=company, zone=zone, base_currency=currency))
    typer.echo(f"Made {state.home}. Next: add a [[source]] to {state.home / 'c360.toml'}, then `c360 check`.")
