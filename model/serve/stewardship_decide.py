"""Decisions of stewards: taken on pairs of records, one or many, only ever added to, with author, time and reason.

They take effect with the next build, which is asked for at once.
"""

from __future__ import annotations

import csv
import json
import secrets
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from model.identity.decisions import KINDS, LISTS, Decision, Pair, Record, add, ordered
from model.policy import Viewer
from model.serve import stewards, stewardship_preview
from model.serve.connection import Served
from model.serve.stewards import assert_may_decide, key_of, pairs_of, record_of
from model.serve.stewardship_build import build_state, last_built, request_build
from model.serve.stewardship_links import links, parts
from ops.errors import FatalError
from ops.store import stamp
from ops.tables import audit

LIST_COLUMNS = ("left_source", "left_id", "right_source", "right_id")


def decide(
    viewer: Viewer, db: Served, pairs: Iterable[Sequence[Any]], decision: str, reason: str | None = None
) -> dict[str, Any]:
    """Record `decision` (same, different, unsure, unmerge) on every pair of record keys, or on none.

    {batch_id, decided, unchanged, request_id, build}: decided: pairs written; unchanged: those that stood so already.
    The next build carries them out; build says how far that is (build_state). FatalError for a role that may not
    decide, an unknown decision, no pairs, or a decision that would not hold; NotFound for another's record.
    """
    assert_may_decide(viewer)
    if decision not in KINDS:
        raise FatalError(f"there is no decision {decision!r}", valid=", ".join(KINDS))
    chosen = pairs_of(pairs)
    if not chosen:
        raise FatalError("no pair is chosen", remedy="choose at least one pair of records")
    known = stewards.found(viewer, db, {record for one in chosen for record in one})
    decided = stewards.standing(db)
    members = stewards.members(db, {head["customer_key"] for head in known.values()})
    problems = stewardship_preview.problems(decision, chosen, members, decided)
    if problems:
        first = problems[0]
        raise FatalError(
            f"{len(problems)} of {len(chosen)} pairs cannot be decided {decision}; nothing was written",
            valid=f"{first['pair']['left']} and {first['pair']['right']}: {first['what']}", remedy=first["remedy"],
        )  # fmt: skip
    fresh = [pair for pair in chosen if not _stands(pair, decision, decided)]
    seen = {pair: until for pair in fresh if (until := stewards.seen_of(known[pair[0]], known[pair[1]]))}
    batch = _write(viewer, db, {decision: fresh}, reason, seen)
    return _answer(viewer, db, batch, fresh, len(chosen) - len(fresh))


def take_apart(
    viewer: Viewer, db: Served, records: Iterable[str | Sequence[str]], reason: str | None = None, *,
    preview: bool = False,
) -> dict[str, Any]:  # fmt: skip
    """Take `records` of one customer out of it, together: they become a customer of their own.

    Pairs joined by a decision are unmerged; where other links hold the records as well, those pairs are decided
    different. {unmerge, different (pairs of record keys), before, after, problems} with `preview`, as
    stewardship_preview.preview; otherwise the answer of `decide`. FatalError when nothing or everything is taken out,
    or a merge in the source holds them.
    """
    if not preview:
        assert_may_decide(viewer)
    taken = sorted({record_of(record) for record in records})
    known = stewards.found(viewer, db, taken)
    keys = {head["customer_key"] for head in known.values()}
    members = stewards.members(db, keys)
    rest = sorted(set(members) - set(taken))
    if len(keys) != 1 or not rest:
        raise FatalError(
            f"{len(taken)} records of {len(keys)} customers are chosen, {len(rest)} would stay",
            valid="some, but not all records of one customer",
        )
    decided = stewards.standing(db)
    steps = _steps(db, members, taken, rest, decided)
    merged = [row for row in links(db, members, decided) if row["kind"] == "merge" and _crosses(row, set(taken))]
    if preview:
        return {
            **{kind: [[key_of(left), key_of(right)] for left, right in pairs] for kind, pairs in steps.items()},
            **stewardship_preview.effect(viewer, db, members, [rest, taken]),
            "problems": [stewardship_preview.held((record_of(row["left"]), record_of(row["right"]))) for row in merged],
        }
    if merged:
        raise FatalError(
            f"{merged[0]['left']} and {merged[0]['right']} are merged in their source",
            remedy="undo the merge there; it holds against a decision here",
        )
    batch = _write(viewer, db, steps, reason, {})
    return _answer(viewer, db, batch, [pair for pairs in steps.values() for pair in pairs], 0)


def _steps(
    db: Served,
    members: Collection[Record],
    taken: Sequence[Record],
    rest: Sequence[Record],
    decided: Mapping[Pair, Decision],
) -> dict[str, list[Pair]]:
    """The pairs to unmerge, and those to decide different because other links hold them."""
    between = [ordered(one, other) for one in taken for other in rest]
    unmerge = [pair for pair in between if (found := decided.get(pair)) and found.decision == "same"]
    left = {pair: one for pair, one in decided.items() if pair not in set(unmerge)}
    inside = set(taken)
    held = [group for group in parts(members, links(db, members, left)) if inside & set(group) and set(group) - inside]
    different = [
        pair
        for group in held
        for pair in (ordered(one, other) for one in group if one in inside for other in group if other not in inside)
        if not _stands(pair, "different", decided)
    ]
    return {"unmerge": [pair for pair in unmerge if pair not in set(different)], "different": different}


def _crosses(row: Mapping[str, Any], taken: set[Record]) -> bool:
    return (record_of(row["left"]) in taken) != (record_of(row["right"]) in taken)


def _stands(pair: Pair, decision: str, decided: Mapping[Pair, Decision]) -> bool:
    """Whether the pair is decided so already; unsure is said anew, for the records as they are now."""
    return decision in ("same", "different") and pair in decided and decided[pair].decision == decision


def _write(
    viewer: Viewer,
    db: Served,
    steps: Mapping[str, Sequence[Pair]],
    reason: str | None,
    seen: dict[Pair, str],
    origin: str = "steward",
) -> str | None:
    """Decisions and their audit rows in one transaction; the id that joins several."""
    count = sum(map(len, steps.values()))
    batch = secrets.token_hex(8) if count > 1 else None
    with db.instance.store.begin() as connection:
        for decision, pairs in steps.items():
            add(connection, pairs, decision, viewer.user, reason, origin=origin, batch_id=batch, seen=seen)
            entries = [
                {
                    "at": stamp(), "actor": viewer.user, "action": f"identity.{decision}",
                    "subject": f"{key_of(left)}|{key_of(right)}"[:300],
                    "details": json.dumps({"reason": reason, "origin": origin, "batch_id": batch}, ensure_ascii=False),
                }
                for left, right in pairs
            ]  # fmt: skip
            if entries:
                connection.execute(audit.insert(), entries)
    return batch


def _answer(viewer: Viewer, db: Served, batch: str | None, written: Sequence[Pair], unchanged: int) -> dict[str, Any]:
    return {
        "batch_id": batch,
        "decided": [{"left": key_of(left), "right": key_of(right)} for left, right in written],
        "unchanged": unchanged,
        "request_id": request_build(viewer, db) if written else None,
        "build": build_state(viewer, db),
    }


def decisions(
    viewer: Viewer,
    db: Served,
    *,
    standing: bool = False,
    decision: str | None = None,
    origin: str | None = None,
    record: str | None = None,
    limit: int = 200,
    offset: int = 0,
) -> dict[str, Any]:
    """{total, rows}: decisions, newest first; with `standing` only those that hold.

    Rows: stewards.shown with left and right as heads ({record_key} alone where the record is gone), is_standing,
    is_built (the served build knows it). Only pairs of which the viewer may see both records.
    """
    history = stewards.taken(db)
    latest = {one.pair: one.decision_id for one in history}
    wanted = [
        one
        for one in reversed(history)
        if decision in (None, one.decision)
        and origin in (None, one.origin)
        and (record is None or record_of(record) in one.pair)
        and not (standing and (one.decision == "unmerge" or latest[one.pair] != one.decision_id))
    ]
    known = stewards.heads(viewer, db, {side for one in wanted for side in one.pair})
    mine = [one for one in wanted if viewer.scope == "all" or all(side in known for side in one.pair)]
    built = last_built(db)
    rows = []
    for one in mine[offset : offset + limit]:
        left, right = (known.get(side, {"record_key": key_of(side)}) for side in one.pair)
        rows.append(
            {
                **stewards.shown(one), "left": left, "right": right,
                "is_standing": one.decision != "unmerge" and latest[one.pair] == one.decision_id,
                "is_built": one.decision_id <= built,
            }
        )  # fmt: skip
    return {"total": len(mine), "rows": rows}


def import_list(viewer: Viewer, db: Served, file: Path, kind: str, reason: str | None = None) -> dict[str, Any]:
    """Take an always or never list (CSV: left_source, left_id, right_source, right_id, optionally reason) as decisions.

    {added, known, overruled, unknown, request_id, build}: known: pairs the same list gave before, which are not said
    again; overruled: those of them on which somebody decided otherwise since; unknown: record keys no source has given
    yet, whose decisions wait. FatalError for a file that is no such list, naming the line; then nothing is written.
    """
    assert_may_decide(viewer)
    if kind not in LISTS:
        raise FatalError(f"there is no {kind!r} list", valid=", ".join(LISTS))
    listed = _read_list(db, file)
    earlier = {one.pair for one in stewards.taken(db) if one.origin == kind}
    decided = stewards.standing(db)
    fresh = {pair: text for pair, text in listed.items() if pair not in earlier}
    by_reason: dict[str | None, list[Pair]] = {}
    for pair, text in fresh.items():
        by_reason.setdefault(text or reason or f"{kind} list {file.name}", []).append(pair)
    for why, pairs in by_reason.items():
        _write(viewer, db, {LISTS[kind]: pairs}, why, {}, origin=kind)
    known = [pair for pair in listed if pair in earlier]
    overruled = [pair for pair in known if pair not in decided or decided[pair].decision != LISTS[kind]]
    given = stewards.heads(viewer, db, {record for pair in fresh for record in pair})
    unknown = sorted({record for pair in fresh for record in pair} - given.keys())
    return {
        "added": len(fresh), "known": len(known),
        "overruled": [[key_of(left), key_of(right)] for left, right in overruled],
        "unknown": [key_of(record) for record in unknown],
        "request_id": request_build(viewer, db) if fresh else None,
        "build": build_state(viewer, db),
    }  # fmt: skip


def _read_list(db: Served, file: Path) -> dict[Pair, str]:
    """Pair → its reason, in the file's order."""
    try:
        text = file.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise FatalError(f"{file} cannot be read: {error}", remedy="save it as CSV in UTF-8") from error
    reader = csv.DictReader(text.splitlines())
    missing = set(LIST_COLUMNS) - set(reader.fieldnames or ())
    if missing:
        raise FatalError(f"{file}: no column {', '.join(sorted(missing))}", valid=", ".join((*LIST_COLUMNS, "reason")))
    sources = {source.name for source in db.instance.config.sources}
    found: dict[Pair, str] = {}
    for number, row in enumerate(reader, start=2):
        values = [(row[name] or "").strip() for name in LIST_COLUMNS]
        strange = {values[0], values[2]} - sources
        if not all(values) or strange:
            raise FatalError(
                f"{file}, line {number}: "
                + (f"no source {', '.join(sorted(strange))}" if strange else "a value is missing"),
                valid=", ".join(sorted(sources)),
            )
        found[ordered((values[0], values[1]), (values[2], values[3]))] = (row.get("reason") or "").strip()
    return found
