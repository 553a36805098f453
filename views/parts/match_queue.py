"""Matches: pairs that only a person can decide, the most doubtful and most valuable first."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import streamlit as st

from model import serve
from views import state
from views.parts import actions, match_bulk, match_pair, trust_filters, trust_tabs, waterfall
from views.parts.format import Look
from views.parts.html import Column, Html, Row, bar, chip, empty, h, join, panel, table, tag

SHOWN = 60
WHY = ("review", "refused", "contradiction", "changed")
ORDERS = ("priority", "revenue", "probability", "doubt")
WHY_TONES = {"refused": "amber", "contradiction": "red", "changed": "blue"}
KEPT = ("why", "source", "owner", "text", "order")
KEY = "match_picks"
_KEPT = ("kept_link", "kept_place")
_picks = st.components.v2.component(
    "c360_match_picks",
    js=(Path(__file__).parent / "picks.js").read_text(encoding="utf-8"),
    isolate_styles=False,
)


def key_of(row: dict[str, Any]) -> str:
    """What a pair is called in the address: both record keys."""
    return f"{row['left']['record_key']}|{row['right']['record_key']}"


def show(context: state.Context) -> None:
    """Filters, the queue and the chosen pair beside it, ticked pairs together above it, what waits and what is shared
    by too many below it.
    """
    look = context.look
    asked = _filters(context)
    order = asked.pop("order") or "priority"
    queue = serve.review_queue(context.viewer, context.db, order=order, limit=SHOWN, filters=asked)
    rows = queue["rows"]
    chosen = _chosen(rows)
    row = _row_of(rows, chosen)
    keys = _picked(rows)
    # Nothing chosen: nothing stands beside the queue.
    left, right = st.columns([1.1, 1]) if chosen else (st.container(), st.container())
    with left:
        if keys:
            match_bulk.show(context, [row for row in rows if key_of(row) in keys], _clear)
        st.html(_listing(look, queue, row))
        if rows:
            _picks(
                key=f"{KEY}{_turn()}", data={"picked": keys, "turn": f"m{_turn()}"}, default={"picked": []},
                on_picked_change=lambda: None, height=1,
            )  # fmt: skip
        match_bulk.waiting(context)
        if due := serve.training_due(context.viewer, context.db):
            st.html(training(look, due))
        doubts = serve.conflicts(context.viewer, context.db)
        for said in (_kept_together(look, doubts), _shared(look, doubts)):
            if said:
                st.html(said)
    with right:
        if chosen:
            match_pair.show(context, chosen, row, key_of(row) if row else chosen, _next(rows, row))


def _filters(context: state.Context) -> dict[str, Any]:
    look = context.look
    sources = [row["source"] for row in serve.status(context.viewer, context.db)["sources"]]
    with st.container(horizontal=True, vertical_alignment="bottom", key="filters"):
        text = trust_filters.search(look)
        why = trust_filters.choice(look, "why", {name: look.t(f"trust.why_{name}") for name in WHY})
        source = trust_filters.choice(look, "source", {one: str(look.label("source", one)) for one in sources}, 120)
        owner = trust_filters.choice(look, "owner", actions.owners(context), 140)
        order = trust_filters.choice(
            look, "order", {name: look.t(f"trust.order_{name}") for name in ORDERS}, 170, every=False
        )
        trust_filters.rest(look, KEPT)
    return {"text": text, "why": why, "source": source, "owner_key": owner, "order": order}


def _chosen(rows: list[dict[str, Any]]) -> str | None:
    """The pair of the address, in the queue or not; else the first one."""
    asked = st.query_params.get("pair", "")
    if asked.count("|") == 1:
        return asked
    return key_of(rows[0]) if rows else None


def _row_of(rows: list[dict[str, Any]], chosen: str | None) -> dict[str, Any] | None:
    """The row of the queue that a pair belongs to: one row stands for all open pairs of two customers."""
    return next((row for row in rows if any(match_pair.pair_key(one) == chosen for one in row["pairs"])), None)


def _next(rows: list[dict[str, Any]], row: dict[str, Any] | None) -> str | None:
    """The pair to show when `row` has been decided: the one below it, else the one above."""
    keys = [key_of(one) for one in rows]
    if row is None:
        return keys[0] if keys else None
    at = rows.index(row)
    rest = keys[at + 1 :] + keys[:at][::-1]
    return rest[0] if rest else None


def _turn() -> int:
    return int(st.session_state.get("match_turn", 0))


def _clear() -> None:
    """Take the ticks away: a new component starts without any."""
    st.session_state["match_turn"] = _turn() + 1


def _picked(rows: list[dict[str, Any]]) -> list[str]:
    ticked = (st.session_state.get(f"{KEY}{_turn()}") or {}).get("picked") or []
    known = {key_of(row) for row in rows}
    return [str(key) for key in ticked if key in known]


def _listing(look: Look, queue: dict[str, Any], chosen: dict[str, Any] | None) -> Html:
    rows = queue["rows"]
    title = look.t("trust.queue")
    if not rows:
        filtered = any(st.query_params.get(name) for name in KEPT if name != "order")
        said = look.t("trust.queue_none_filtered" if filtered else "trust.queue_none")
        return panel("queue", title, empty(said))
    drawn = [
        Row(
            [_tick(look, row), *_cells(look, row)],
            href=trust_tabs.kept(pair=key_of(row), record=None),
            selected=row is chosen,
            door=1,
        )
        for row in rows
    ]
    columns = [
        Column(tag("span", look.t("bulk.pick"), class_="sr"), "tick"),
        Column(look.t("trust.two_records"), "wide"),
        Column(look.t("trust.chance"), "num", look.t("trust.chance_help")),
        Column(look.t("trust.filter_why"), "mid"),
        Column(join([look.t("trust.at_stake"), f" ({queue['currency']})"]), "num", look.t("trust.at_stake_help")),
    ]
    foot = look.keys("trust.keys")
    if queue["total"] > len(rows):
        foot = join([look.t("work.more", shown=len(rows), total=look.count(queue["total"])), " ", foot])
    badge = chip(look.count(queue["total"]) + ("+" if queue["has_more"] else ""))
    source = look.dotted(*(f"{look.t(f'trust.why_{name}')} {look.count(n)}" for name, n in queue["by_why"].items()))
    body = table(title, columns, drawn)
    return tag("div", panel("queue", title, body, badge=badge, source=source, foot=foot), class_="worklist")


def _tick(look: Look, row: dict[str, Any]) -> Html:
    name = f"{row['left']['name']} — {row['right']['name']}"
    return tag("input", type="checkbox", data_pick=key_of(row), aria_label=look.t("bulk.pick_one", name=name))


def _cells(look: Look, row: dict[str, Any]) -> list[object]:
    return [
        tag("span", _name(look, row["left"]), _name(look, row["right"]), class_="two"),
        _likely(look, row),
        _two(why(look, row["why"]), _detail(look, row)),
        look.money(row["revenue"]),
    ]


def _name(look: Look, head: dict[str, Any]) -> Html:
    source = tag("span", look.label("source", head["source"]), class_="by")
    return tag("span", tag("b", look.text(head["name"])), " ", source, class_="block")


def _likely(look: Look, row: dict[str, Any]) -> Html:
    if row["probability"] is None:
        return look.na()
    share = float(row["probability"])
    drawn = bar([(share, "accent", ""), (1 - share, "none", "")], look.t("trust.chance"))
    return join([waterfall.chance(look, share), tag("span", drawn, class_="mini right")])


def why(look: Look, name: str) -> Html:
    """Why a pair waits for a person."""
    return chip(look.t(f"trust.why_{name}"), WHY_TONES.get(name, ""), look.t(f"trust.why_{name}_help"))


def _detail(look: Look, row: dict[str, Any]) -> Html | str:
    if row["veto"]:
        return look.label("veto", waterfall.slug(row["veto"]))
    if row["refused"] and row["refused"] != "refused_link":
        return look.label("guard", waterfall.slug(row["refused"]))
    return waterfall.rule_word(look, row["rule"]) if row["rule"] else ""


def _two(first: object, second: object) -> Html:
    return join([h(first), tag("span", second, class_="second") if second else ""])


def training(look: Look, due: dict[str, Any]) -> Html:
    """One quiet line: what the matcher was trained on, what has come since, and the command that trains it anew."""
    said = {
        "decisions": look.t("trust.train_decisions", n=look.count(due["decisions"])),
        "records": look.t("trust.train_records", n=look.count(due["records_now"])),
        "sources": join(
            [look.t("trust.train_sources"), join([look.label("source", one) for one in due["sources"]], ", ")]
        ),
    }
    then = look.t("trust.train_then", n=look.count(due["records_then"]))
    parts = join([look.day(due["trained_on"]), h(then), *(said[reason] for reason in due["reasons"])], " · ")
    do = join([look.t("trust.train_do"), " ", tag("code", due["command"])])
    return tag("p", parts, " · ", do, class_="muted", id="p-training")


def _kept_together(look: Look, doubts: list[dict[str, Any]]) -> Html | str:
    """Customers that a newcomer would have taken apart, and by what: each a door to its two records."""
    found = [row for row in doubts if row["kind"] in _KEPT and len(row["sample"]) == 2]
    if not found:
        return ""
    rows = []
    for row in found:
        one, two = row["sample"]
        pair = f"{one['record_key']}|{two['record_key']}"
        systems = look.dotted(look.label("source", one["source"]), look.label("source", two["source"]))
        came = look.t(f"trust.{row['kind']}")
        rows.append(Row([look.text(one["customer_name"]), systems, came], href=trust_tabs.kept(pair=pair, record=None)))
    columns = [
        Column(look.t("col.customer"), "wide"), Column(look.t("trust.two_records"), "mid"),
        Column(look.t("trust.what_came"), "mid"),
    ]  # fmt: skip
    title = look.t("trust.kept_together")
    body = join([tag("p", look.t("trust.kept_help"), class_="muted"), table(title, columns, rows)])
    return panel("kept", title, tag("div", body, class_="scroll"), badge=chip(look.count(len(rows))))


def _shared(look: Look, doubts: list[dict[str, Any]]) -> Html | str:
    """Values on so many customers that they link nothing, with some of the records."""
    found = [row for row in doubts if row["kind"] not in _KEPT][:20]
    if not found:
        return ""
    rows = [
        Row([
            look.text(row["detail"]), look.count(row["records"]), look.count(row["customers"]),
            ", ".join(str(one["name"]) for one in row["sample"][:3]),
        ])
        for row in found
    ]  # fmt: skip
    columns = [
        Column(look.t("col.value")), Column(look.t("trust.records"), "num"), Column(look.t("col.customers"), "num"),
        Column(look.t("trust.for_example"), phone=False),
    ]  # fmt: skip
    body = join([tag("p", look.t("trust.shared_help"), class_="muted"), table(look.t("trust.shared"), columns, rows)])
    return panel("shared", look.t("trust.shared"), tag("div", body, class_="scroll"), badge=chip(look.count(len(rows))))
