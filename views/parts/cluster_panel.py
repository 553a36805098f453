"""The records behind a customer: how they hang together, what became of its number, and taking some of them out."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import streamlit as st

from model import serve
from ops.errors import C360Error
from views import state
from views.parts import cluster_graph, match_pair, money_effect, trust_tabs, waterfall
from views.parts.format import Look
from views.parts.html import Column, Html, Row, chip, empty, h, join, link, panel, table, tag
from views.parts.notice import notice, show_error

KEY = "record_picks"
PARTS = Path(__file__).parent
_drawing = st.components.v2.component(
    "c360_drawing", js=(PARTS / "drawing.js").read_text(encoding="utf-8"), isolate_styles=False
)
_picks = st.components.v2.component(
    "c360_record_picks", js=(PARTS / "picks.js").read_text(encoding="utf-8"), isolate_styles=False
)


def show(context: state.Context) -> None:
    """The customer that the address names by key, code or name; a field to name one where it names none."""
    look = context.look
    asked = st.query_params.get("customer")
    _ask(look, asked)
    if not asked:
        st.html(panel("cluster", look.t("trust.cluster"), empty(look.t("trust.cluster_help"))))
        return
    try:
        found = serve.cluster(context.viewer, context.db, asked)
        life = serve.key_history(context.viewer, context.db, asked)
    except C360Error as error:
        show_error(look, error)
        return
    found["nodes"].sort(key=lambda node: (node["source"], node["source_id"]))
    st.html(_head(look, found, life))
    if life["state"] == "former" or life["others"]:
        st.html(_elsewhere(look, life))
    keys = _picked(found)
    left, right = st.columns([1.9, 1])
    with left:
        with st.container(key="cardlet_graph"):
            st.html(tag("div", tag("h2", look.t("trust.graph")), cluster_graph.legend(look), class_="phead"))
            _drawing(key="cluster_drawing", data={"markup": str(cluster_graph.drawn(look, found))}, height="content")
        if keys:
            _take_apart(context, found, keys)
        st.html(_records(look, found, may_pick=serve.may_decide(context.viewer) and len(found["nodes"]) > 1))
        if serve.may_decide(context.viewer):
            _picks(
                key=f"{KEY}{_turn()}", data={"picked": keys, "turn": f"r{_turn()}"}, default={"picked": []},
                on_picked_change=lambda: None, height=1,
            )  # fmt: skip
        if links := _links(look, found):
            st.html(links)
    with right:
        st.html(_life(look, life))


def _ask(look: Look, asked: str | None) -> None:
    st.session_state["trust_customer"] = asked or ""
    with st.container(horizontal=True, vertical_alignment="bottom", key="filters"):
        st.text_input(
            look.t("trust.which_customer"), key="trust_customer", placeholder="C000001", width=260, on_change=_go
        )


def _go() -> None:
    name = str(st.session_state["trust_customer"]).strip()
    st.query_params.pop("record", None)
    if name:
        st.query_params["customer"] = name
    else:
        st.query_params.pop("customer", None)


def _head(look: Look, found: dict[str, Any], life: dict[str, Any]) -> Html:
    key = found["customer_key"]
    parts: list[object] = [
        tag("h2", link(found["name"] or key, state.href("customer", customer=key))),
        chip(key),
        *(chip(look.t("trust.former_key", key=one), title=look.t("trust.former_help")) for one in life["former_keys"]),
    ]
    parts.append(tag("span", look.t("trust.records_n", n=look.count(len(found["nodes"]))), class_="muted"))
    return tag("div", *parts, class_="phead cluster-head")


def _elsewhere(look: Look, life: dict[str, Any]) -> Html:
    """Where an old number leads, and who else holds records that stood under it."""
    lines: list[object] = [
        join([link(one["name"] or one["customer_key"], trust_tabs.address("customer", customer=one["customer_key"])),
              " ", tag("span", ", ".join(one["records"]), class_="muted")])
        for one in life["others"]
    ]  # fmt: skip
    msgid = "trust.key_former" if life["state"] == "former" else "trust.key_split"
    return notice(look.t(msgid, key=life["key"], now=life["customer_key"]), *lines, tone="amber")


def _turn() -> int:
    return int(st.session_state.get("record_turn", 0))


def _clear() -> None:
    st.session_state["record_turn"] = _turn() + 1


def _picked(found: dict[str, Any]) -> list[str]:
    ticked = (st.session_state.get(f"{KEY}{_turn()}") or {}).get("picked") or []
    known = {node["record_key"] for node in found["nodes"]}
    return [str(key) for key in ticked if key in known]


def _records(look: Look, found: dict[str, Any], *, may_pick: bool) -> Html:
    columns = [
        *([Column(tag("span", look.t("trust.take_out"), class_="sr"), "tick")] if may_pick else []),
        Column(look.t("col.source"), "mid"),
        Column(look.t("col.code")),
        Column(look.t("trust.name"), "wide"),
        Column(look.t("col.match_rule"), phone=False),
        Column(look.t("col.owner"), phone=False),
    ]
    rows = [
        Row(
            [
                *([_tick(look, node)] if may_pick else []),
                look.label("source", node["source"]),
                look.text(node["code"] or node["source_id"]),
                join([look.text(node["name"]), _marks(look, node)]),
                tag("span", waterfall.rule_word(look, node["rule"] or "single"), title=node["evidence"]),
                look.text(node["owner"]),
            ],
            href=state.here("trust", record=f"customer:{node['record_key']}"),
            is_record=True,
            door=int(may_pick) + 1,
        )
        for node in found["nodes"]
    ]
    title = look.t("trust.records_of")
    foot = h(look.t("trust.take_help")) if may_pick else ""
    body = tag("div", table(title, columns, rows), class_="scroll")
    return panel("members", title, body, badge=chip(look.count(len(rows))), foot=foot)


def _tick(look: Look, node: dict[str, Any]) -> Html:
    said = look.t("trust.take_one", record=node["record_key"])
    return tag("input", type="checkbox", data_pick=node["record_key"], aria_label=said)


def _marks(look: Look, node: dict[str, Any]) -> Html:
    marks = []
    if node["is_deleted"]:
        marks.append(chip(look.t("record.deleted"), "red"))
    if node["is_reference_only"]:
        marks.append(chip(look.t("trust.reference_only"), "", look.t("trust.reference_only_help")))
    return join([" ", *marks])


def _take_apart(context: state.Context, found: dict[str, Any], keys: list[str]) -> None:
    look = context.look
    with st.container(key="cardlet_apart"):
        st.html(tag("div", tag("h2", look.t("trust.take_title", n=look.count(len(keys)))), class_="phead"))
        try:
            answer = serve.take_apart(context.viewer, context.db, keys, preview=True)
        except C360Error as error:
            show_error(look, error)
            st.button(look.t("bulk.clear"), key="apart_clear", on_click=_clear)
            return
        st.html(money_effect.effect(look, answer))
        counts = [look.t(f"trust.steps_{kind}", n=look.count(len(answer[kind])))
                  for kind in ("unmerge", "different") if answer[kind]]  # fmt: skip
        st.html(tag("p", look.dotted(*counts), class_="muted"))
        reason = st.text_input(look.t("trust.reason"), key="apart_reason", max_chars=300)
        with st.container(horizontal=True, key="apart_buttons"):
            if st.button(look.t("trust.take_apart"), type="primary", disabled=bool(answer["problems"])):
                _write(context, keys, reason)
            st.button(look.t("bulk.clear"), key="apart_clear", on_click=_clear)


def _write(context: state.Context, keys: list[str], reason: str) -> None:
    try:
        serve.take_apart(context.viewer, context.db, keys, reason or None)
    except C360Error as error:
        show_error(context.look, error)
        return
    st.session_state["acted"] = context.look.t("trust.done_apart", n=context.look.count(len(keys)))
    _clear()
    st.rerun()


def _links(look: Look, found: dict[str, Any]) -> Html | str:
    if not found["edges"]:
        return ""
    names = {node["record_key"]: node for node in found["nodes"]}
    rows = [
        Row(
            [
                look.dotted(*(_end(look, names[edge[side]]) for side in ("left", "right"))),
                look.label("link_kind", edge["kind"]),
                waterfall.rule_word(look, edge["rule"] or "probability"),
                waterfall.chance(look, edge["probability"]) if edge["probability"] is not None
                else tag("span", _evidence(edge), class_="muted"),
            ],
            href=trust_tabs.address("matches", pair=match_pair.pair_key(edge)),
        )
        for edge in found["edges"]
    ]  # fmt: skip
    columns = [
        Column(look.t("trust.two_records"), "wide"), Column(look.t("col.kind"), phone=False),
        Column(look.t("col.match_rule")), Column(look.t("trust.evidence"), "wide", phone=False),
    ]  # fmt: skip
    title = look.t("trust.links")
    body = tag("div", table(title, columns, rows, 6), class_="scroll")
    more = ""
    if len(rows) > 6:
        words = [tag("span", look.t("panel.all", n=look.count(len(rows))), class_="more"),
                 tag("span", look.t("panel.fewer"), class_="less")]  # fmt: skip
        more = tag("button", *words, type="button", data_toggle="all", aria_expanded="false")
    return panel("links", title, body, badge=chip(look.count(len(rows))), foot=more)


def _evidence(edge: dict[str, Any]) -> str:
    """What the two records share; the field it stands in is named beside it (`uscc=9132…` → 9132…)."""
    return re.sub(r"^[a-z_]+=", "", edge["evidence"] or "") or "—"


def _end(look: Look, node: dict[str, Any]) -> Html:
    return join([look.label("source", node["source"]), " ", h(node["code"] or node["source_id"])])


def _life(look: Look, life: dict[str, Any]) -> Html:
    """What happened to the number: made, merged, split; and every decision on its records."""
    events = [
        tag("li", tag("b", _event(look, one)), " ", tag("span", look.stamp(one["at"]), class_="by"), _moved(look, one))
        for one in life["events"]
    ]
    parts: list[object] = []
    if life["anchor"]:
        parts.append(tag("p", look.t("trust.anchor", record=_named(look, life["anchor"])), class_="muted"))
    parts.append(tag("ol", *events, class_="line brief") if events else empty(look.t("trust.life_none")))
    if life["decisions"]:
        lines = [match_pair.decision_line(look, one, f"{one['left']} — {one['right']}") for one in life["decisions"]]
        parts += [tag("h3", look.t("trust.decisions"), class_="sub"), tag("ol", *lines, class_="line brief")]
    return panel("life", look.t("trust.life", key=life["key"]), tag("div", *parts, class_="history"))


def _named(look: Look, record_key: str) -> str:
    """`crm:0015g` → CRM 0015g."""
    source, _, source_id = record_key.partition(":")
    return f"{look.label('source', source)} {source_id}"


def _event(look: Look, one: dict[str, Any]) -> str:
    return look.t(f"trust.event_{one['event']}", key=one["key"], other=one["other_key"] or "—")


def _moved(look: Look, one: dict[str, Any]) -> Html | str:
    if not one["records"]:
        return ""
    moved = [
        f"{_named(look, row['record_key'])} {row['from_key'] or '—'} → {row['to_key'] or '—'}" for row in one["records"]
    ]
    return tag("span", ", ".join(moved), class_="by block")
