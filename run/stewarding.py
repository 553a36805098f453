"""The stewards' part of `c360 identity`: the review queue, decisions, lists, and the history of golden keys."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer
from sqlalchemy import select

from model import serve
from ops.tables import registry_history
from run.context import Context, plain, show_json, table

_KEPT = {"kept_link": "another organisation of the name", "kept_place": "a record that fits better"}
LEFT = Annotated[str, typer.Argument(help="One record, source:id.")]
RIGHT = Annotated[str, typer.Argument(help="The other record, source:id.")]
REASON = Annotated[str | None, typer.Option(help="Why; kept with the decision.")]
JSON = Annotated[bool, typer.Option("--json", help="Print JSON.")]
PREVIEW = Annotated[bool, typer.Option("--preview", help="Only say what it would do; write nothing.")]


def review(
    context: typer.Context,
    limit: Annotated[int, typer.Option(help="At most this many pairs.")] = 20,
    order: Annotated[str, typer.Option(help="priority (doubt × revenue), revenue, probability or doubt.")] = "priority",
    why: Annotated[str | None, typer.Option(help="Only: review, refused, contradiction or changed.")] = None,
    as_json: JSON = False,
) -> None:
    """Pairs of records that only a person can decide, values too many customers share, and customers kept together."""
    state: Context = context.obj
    queue = serve.review_queue(state.viewer, state.served, order=order, limit=limit, filters={"why": why})
    shared = serve.conflicts(state.viewer, state.served)
    if as_json:
        show_json({**queue, "conflicts": shared})
        return
    typer.echo(f"{queue['total']} pairs of customers" + (" or more" if queue["has_more"] else ""))
    rows = [
        {
            **{name: row[name] for name in ("why", "detail", "revenue")},
            "pairs": len(row["pairs"]),
            "probability": None if row["probability"] is None else f"{row['probability']:.3f}",
            "left": f"{row['left']['record_key']} {row['left']['name']}",
            "right": f"{row['right']['record_key']} {row['right']['name']}",
        }
        for row in queue["rows"]
    ]
    columns = ["why", "detail", "probability", "revenue", "pairs", "left", "right"]
    table(rows, columns, right=frozenset({"probability", "revenue", "pairs"}))
    kept = [row for row in shared if row["kind"] in _KEPT]
    shared = [row for row in shared if row["kind"] not in _KEPT]
    if kept:
        typer.echo("One customer before another record came; say same or different")
        rows = [{**row, "name": row["sample"][0]["customer_name"], "came": _KEPT[row["kind"]]} for row in kept]
        table(rows, ["detail", "name", "came"])
    if shared:
        typer.echo("Values that too many customers share; they link nothing")
        table(shared, ["detail", "records", "customers"], right=frozenset({"records", "customers"}))


def decide(
    context: typer.Context,
    left: LEFT,
    right: RIGHT,
    decision: Annotated[str, typer.Argument(help="same, different or unsure.")],
    reason: REASON = None,
    everything: Annotated[bool, typer.Option("--all", help="Every open pair between the two customers.")] = False,
    preview: PREVIEW = False,
    as_json: JSON = False,
) -> None:
    """Say whether two records are one customer; the next build carries it out."""
    state: Context = context.obj
    pairs = serve.open_pairs(state.viewer, state.served, left, right) if everything else [(left, right)]
    _decide(state, pairs, decision, reason, preview=preview, as_json=as_json)


def unmerge(
    context: typer.Context,
    left: LEFT,
    right: RIGHT,
    reason: REASON = None,
    preview: PREVIEW = False,
    as_json: JSON = False,
) -> None:
    """Take the last decision on two records back, as if it had never been made."""
    _decide(context.obj, [(left, right)], "unmerge", reason, preview=preview, as_json=as_json)


def take_apart(
    context: typer.Context,
    records: Annotated[list[str], typer.Argument(help="Records of one customer, source:id, that leave it together.")],
    reason: REASON = None,
    preview: PREVIEW = False,
    as_json: JSON = False,
) -> None:
    """Make a customer of their own out of some records of a customer."""
    state: Context = context.obj
    answer = serve.take_apart(state.viewer, state.served, records, reason, preview=preview)
    _tell(answer, is_preview=preview, as_json=as_json)


def decisions(
    context: typer.Context,
    limit: Annotated[int, typer.Option(help="At most this many decisions.")] = 50,
    standing: Annotated[bool, typer.Option("--standing", help="Only those that hold.")] = False,
    record: Annotated[str | None, typer.Option(help="Only those on this record, source:id.")] = None,
    as_json: JSON = False,
) -> None:
    """Decisions on pairs of records, newest first."""
    state: Context = context.obj
    found = serve.decisions(state.viewer, state.served, limit=limit, standing=standing, record=record)
    if as_json:
        show_json(found)
        return
    rows = [{**row, "left": row["left"]["record_key"], "right": row["right"]["record_key"]} for row in found["rows"]]
    table(rows, ["at", "by", "decision", "left", "right", "origin", "reason"])


def import_list(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(help="CSV with left_source, left_id, right_source, right_id[, reason].")],
    kind: Annotated[str, typer.Argument(help="always (one customer) or never.")],
    reason: REASON = None,
    as_json: JSON = False,
) -> None:
    """Take a list of pairs that are always or never one customer as decisions."""
    state: Context = context.obj
    answer = serve.import_list(state.viewer, state.served, file, kind, reason)
    if as_json:
        show_json(answer)
        return
    typer.echo(f"{answer['added']} pairs added, {answer['known']} known before.")
    for left, right in answer["overruled"]:
        typer.echo(f"decided otherwise since, kept so: {left} {right}")
    if answer["unknown"]:
        typer.echo(f"not collected yet, decisions wait: {', '.join(answer['unknown'])}")
    _tell_build(answer["build"])


def history(
    context: typer.Context,
    key: Annotated[
        str | None, typer.Argument(help="A golden id, present or former, or a code of its customer.")
    ] = None,
    limit: Annotated[int, typer.Option(help="At most this many events.")] = 50,
    as_json: JSON = False,
) -> None:
    """The life of one golden id; without KEY what happened to all of them, newest first."""
    state: Context = context.obj
    if key is not None:
        _life(serve.key_history(state.viewer, state.served, key), limit, as_json=as_json)
        return
    state.need_everything("the history of identities")
    statement = select(registry_history).order_by(registry_history.c.event_id.desc()).limit(limit)
    with state.instance.store.read() as connection:
        rows = [dict(row._mapping) for row in connection.execute(statement)]  # noqa: SLF001 - SQLAlchemy's public row view
    if as_json:
        show_json(rows)
    else:
        table(rows, ["at", "kind", "event", "golden_key", "other_key"])


def _life(found: dict[str, Any], limit: int, *, as_json: bool) -> None:
    if as_json:
        show_json(found)
        return
    leads = "" if found["state"] == "living" else f", leads to {found['customer_key']}"
    typer.echo(f"{found['key']}  {found['state']}{leads}  {found['name'] or ''}  bound to {found['anchor'] or '—'}")
    if found["former_keys"]:
        typer.echo(f"former ids that lead here: {', '.join(found['former_keys'])}")
    for other in found["others"]:
        typer.echo(
            f"records once here are now with {other['customer_key']} {other['name']}: {', '.join(other['records'])}"
        )
    rows = [
        {**event, "records": ", ".join(one["record_key"] for one in event["records"]) or None}
        for event in found["events"][:limit]
    ]
    table(rows, ["at", "event", "key", "other_key", "records"])
    if found["decisions"]:
        typer.echo("Decisions on its records")
        table(found["decisions"][:limit], ["at", "by", "decision", "left", "right", "reason"])


def _decide(
    state: Context, pairs: Sequence[Any], decision: str, reason: str | None, *, preview: bool, as_json: bool
) -> None:
    if preview:
        answer = serve.preview(state.viewer, state.served, decision, pairs)
    else:
        answer = serve.decide(state.viewer, state.served, pairs, decision, reason)
    _tell(answer, is_preview=preview, as_json=as_json)


def _tell(answer: dict[str, Any], *, is_preview: bool, as_json: bool) -> None:
    if as_json:
        show_json(answer)
    elif is_preview:
        _effect(answer)
    else:
        typer.echo(f"{len(answer['decided'])} pairs decided, {answer['unchanged']} stood so already.")
        _tell_build(answer["build"])


def _tell_build(build: dict[str, Any]) -> None:
    how = "the scheduler builds it" if build["has_scheduler"] else "run `c360 build`"
    typer.echo(f"{build['pending']} decisions wait for the next build: {how}.")


def _effect(answer: dict[str, Any]) -> None:
    for name in ("before", "after"):
        rows = [
            {
                "customer": row["customer_key"] or "(new id)",
                "name": row["name"],
                "records": len(row["records"]),
                "owner": row["owner"],
                **{figure: plain(row["company"][figure]) for figure in ("open", "overdue", "ordered", "contract")},
            }
            for row in answer[name]
        ]
        typer.echo(name.capitalize())
        columns = ["customer", "name", "records", "owner", "open", "overdue", "ordered", "contract"]
        table(rows, columns, right=frozenset(columns[4:]) | {"records"})
    for problem in answer["problems"]:
        typer.echo(f"would not hold: {problem['what']}. {problem['remedy']}")
