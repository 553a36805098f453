"""Asking a source for its own report totals at the end of a run, and keeping what it said."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from ingest import files, folders
from ingest.documents import find
from ingest.errors import ContractError
from ingest.http import SourceClient
from ingest.spec import SourceSpec
from ingest.spec_totals import TotalSpec
from ingest.template import render
from ops.errors import C360Error
from ops.secrets import Redactor
from ops.store import Store, stamp
from ops.tables import control_totals

log = logging.getLogger("c360.totals")
CONTROL = "control"


@dataclass(frozen=True)
class Stated:
    """One row of a total: how many, and how much of one currency. `error` says why nothing was said."""

    name: str
    entity: str
    currency: str | None = None
    count: int | None = None
    amount: Decimal | None = None
    field: str = ""
    includes: tuple[str, ...] = ()
    error: str | None = None


def note(store: Store, client: SourceClient, spec: SourceSpec, redactor: Redactor) -> None:
    """Ask for every total of the source and keep the answers; a fault is kept too and stops nothing."""
    for stated in asked(client, spec, redactor):
        values = {
            "source": client.source.name, "name": stated.name, "entity": stated.entity, "currency": stated.currency,
            "asked_at": stamp(), "stated_count": stated.count,
            "stated_amount": None if stated.amount is None else str(stated.amount), "field": stated.field,
            "includes": " ".join(stated.includes), "error": stated.error, "state": "failed" if stated.error else "open",
        }  # fmt: skip
        with store.begin() as connection:
            connection.execute(control_totals.insert().values(**values))


def asked(client: SourceClient, spec: SourceSpec, redactor: Redactor) -> Iterator[Stated]:
    """What the source says now, one row per total and currency."""
    for total in spec.totals:
        if total.when and not render(total.when, client.context()):
            continue
        try:
            yield from [_read(total, row, client.source.name) for row in _rows(client, total)]
        except C360Error as error:
            yield Stated(total.name, total.entity, error=redactor.clean(str(error)))
        except Exception as error:
            log.exception("%s: the total %s could not be asked for", client.source.name, total.name)
            yield Stated(total.name, total.entity, error=redactor.clean(f"{type(error).__name__}: {error}"))
    if spec.connector.kind == "files" and client.settings.get(CONTROL):
        yield from _control_file(client, redactor)


def _rows(client: SourceClient, total: TotalSpec) -> list[Any]:
    where = f"{client.source.name}/{total.name}"
    if client.hooks.total and (told := client.hooks.total(client.call, total)) is not None:
        return list(told)
    if total.query:
        batches = client.database.driver.batches(str(render(total.query, client.context())), where)
        return [row for batch in batches for row in batch.to_pylist()]
    context = client.context()
    answer = client.request(
        total.method,
        str(render(total.path, context)),
        params=render(total.params, context),
        body=render(total.body, context) or None,
        headers=render(total.headers, context),
    ).payload
    found = find(answer, total.records) if total.records else answer
    if found is None:
        raise ContractError(f"{where}: the answer has no {total.records!r}", valid=str(answer)[:100])
    return found if isinstance(found, list) else [found]


def _read(total: TotalSpec, row: Any, source: str) -> Stated:
    count = find(row, total.count)
    currency = find(row, total.currency) if total.currency else None
    amount = find(row, total.amount) if total.amount else None
    where = f"{source}/{total.name}"
    return Stated(
        total.name,
        total.entity,
        str(currency) if currency not in {None, ""} else None,
        None if count is None else int(_number(count, where)),
        None if amount is None else _number(amount, where).quantize(Decimal("0.01")),
        total.field,
        tuple(total.includes),
    )


def _number(value: Any, where: str) -> Decimal:
    try:
        return Decimal(str(value).replace(",", "").strip())
    except InvalidOperation as error:
        raise ContractError(f"{where}: {value!r} is no number") from error


def _control_file(client: SourceClient, redactor: Redactor) -> Iterator[Stated]:
    """The rows of the control file: count, and where given currency and amount of the column `field`."""
    name = str(client.settings[CONTROL])
    entity, column = (str(client.settings[f"{CONTROL}_{part}"]) for part in ("entity", "field"))
    try:
        folder, _ = folders.open_folder(client.call, files.SUFFIXES + files.OTHERS)
        with closing(folder), TemporaryDirectory() as place:
            if folder.entry(name) is None:
                raise ContractError(f"{client.source.name}: there is no control file {name}")
            path = folder.fetch(name, Path(place))
            table = files.parsed(path.read_bytes(), name, client.settings)
        total = TotalSpec(name="control_file", entity=entity, amount="amount" if column else "", field=column,
                          currency="currency" if "currency" in table.columns else "")  # fmt: skip
        yield from [_read(total, row, client.source.name) for row in table.iter_rows(named=True)]
    except (C360Error, ValueError) as error:
        yield Stated("control_file", entity, error=redactor.clean(str(error)))
