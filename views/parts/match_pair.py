"""One pair of records: side by side with the differences marked, why they may be one, what deciding would do."""

from __future__ import annotations

from difflib import SequenceMatcher
from pathlib import Path
from typing import Any

import streamlit as st

from model import schema, serve
from ops.errors import C360Error
from views import state
from views.parts import drawer, match_bulk, money_effect, trust_tabs, waterfall
from views.parts.format import Look
from views.parts.html import Column, Html, Row, chip, h, join, link, table, tag
from views.parts.notice import show_error

# Fields that differ from system to system by their nature say nothing about a pair.
TECHNICAL = frozenset(
    {"code", "owner_id", "master_id", "created_at", "currency", "org_code", "credit_currency", "parent_id"}
)
MARKS = {"agree": ("=", "green"), "differ": ("≠", "red"), "missing": ("·", "")}
LONGEST = 200
_keys = st.components.v2.component(
    "c360_decide",
    js=(Path(__file__).parent / "decide.js").read_text(encoding="utf-8"),
    isolate_styles=False,
)


def show(context: state.Context, key: str, row: dict[str, Any] | None, token: str, after: str | None) -> None:
    """The pair `key` as a card. `row`: its place in the queue, if it has one: all open pairs between its two customers
    are decided together. `token`: what keys call the pair. `after`: what is shown when it is decided.
    """
    look = context.look
    left, _, right = key.partition("|")
    pairs = [[one["left"], one["right"]] for one in row["pairs"]] if row else [[left, right]]
    with st.container(key="card_detail"):
        try:
            found = serve.pair(context.viewer, context.db, left, right)
            same = serve.preview(context.viewer, context.db, "same", pairs)
        except C360Error as error:
            show_error(look, error)
            return
        st.html(_head(look, found, row, token))
        st.html(_sides(look, found))
        st.html(tag("h3", look.t("trust.fall"), class_="sub"))
        st.html(waterfall.drawn(look, found["waterfall"]))
        st.html(tag("h3", look.t("trust.if_same"), class_="sub"))
        st.html(money_effect.effect(look, same))
        if serve.may_decide(context.viewer):
            _decide(context, (key, token), pairs, found, is_held=bool(same["problems"]), after=after)
        if history := _history(look, found):
            st.html(history)


def _head(look: Look, found: dict[str, Any], row: dict[str, Any] | None, token: str) -> Html:
    parts: list[object] = [tag("h2", look.t("trust.pair"))]
    if row is not None:
        said = look.t(f"trust.why_{row['why']}")
        parts.append(chip(said, {"contradiction": "red", "refused": "amber"}.get(row["why"], "blue")))
    if found["is_one_customer"]:
        parts.append(chip(look.t("trust.is_one"), "green"))
    if decision := found["decision"]:
        parts.append(chip(look.t(f"trust.say_{decision['decision']}"), match_bulk.TONES[decision["decision"]]))
    return tag("div", *parts, class_="phead", data_shown_pair=token)


def _sides(look: Look, found: dict[str, Any]) -> Html:
    """Both records' fields: what differs first, what agrees next, what only one of them says folded away."""
    fields = [one for one in found["fields"] if one["name"] not in TECHNICAL]
    telling = [one for verdict in ("differ", "agree") for one in fields if one["verdict"] == verdict]
    single = [one for one in fields if one["verdict"] == "missing"]
    rest = [one for one in found["fields"] if one["name"] in TECHNICAL]
    columns = [
        Column(look.t("col.field")),
        Column(_side(look, found["left"])),
        Column(tag("span", look.t("trust.verdict"), class_="sr"), "mid"),
        Column(_side(look, found["right"])),
    ]
    body: list[object] = [table(look.t("trust.sides"), columns, [_field(look, one) for one in telling])]
    for name, some in (("single", single), ("technical", rest)):
        if some:
            summary = tag("summary", look.t(f"trust.fields_{name}", n=look.count(len(some))), class_="linkish")
            inner = table(look.t("trust.sides"), columns, [_field(look, one) for one in some])
            body.append(tag("details", summary, tag("div", inner, class_="scroll")))
    return tag("div", *body, class_="sides scroll")


def _side(look: Look, head: dict[str, Any]) -> Html:
    record = state.here("trust", record=f"customer:{head['record_key']}")
    code = link(look.text(head["code"] or head["source_id"]), record, is_record=True)
    there = state.href("trust", view="customer", customer=head["customer_key"])
    customer = link(head["customer_key"], there, title=look.t("trust.to_cluster")) if head["customer_key"] else ""
    return look.dotted(tag("b", look.label("source", head["source"])), code, customer)


def _field(look: Look, one: dict[str, Any]) -> Row:
    left, right = (shown(look, one["name"], one[side]) for side in ("left", "right"))
    if one["verdict"] == "differ" and isinstance(one["left"], str) and isinstance(one["right"], str):
        left, right = marked(look, one["left"], one["right"])
    sign, tone = MARKS[one["verdict"]]
    verdict = look.t(f"trust.verdict_{one['verdict']}")
    mark = tag("span", sign, title=verdict, aria_label=verdict, class_=f"sign t-{tone}" if tone else "sign")
    return Row([tag("span", one["label"], class_="muted"), left, mark, right])


def shown(look: Look, name: str, value: Any) -> Html:
    """A customer field in words, as the record drawer writes it."""
    column = schema.entity("customer").by_name.get(name)
    return drawer.value(look, "customer", {"name": name, "type": column.type if column else "text", "value": value})


def marked(look: Look, left: str, right: str) -> tuple[Html, Html]:
    """Two texts with what differs between them marked; long or hidden ones as they are."""
    if look.state(left) or look.state(right) or max(len(left), len(right)) > LONGEST:
        return look.text(left), look.text(right)
    one: list[Html] = []
    two: list[Html] = []
    for kind, a, b, c, d in SequenceMatcher(None, left, right, autojunk=False).get_opcodes():
        for into, piece in ((one, left[a:b]), (two, right[c:d])):
            if piece:
                into.append(h(piece) if kind == "equal" else tag("mark", piece))
    return join(one), join(two)


def _decide(
    context: state.Context,
    keys: tuple[str, str],
    pairs: list[list[str]],
    found: dict[str, Any],
    *,
    is_held: bool,
    after: str | None,
) -> None:
    look, (key, token) = context.look, keys
    if len(pairs) > 1:
        st.html(tag("p", look.t("trust.all_pairs", n=look.count(len(pairs))), class_="muted"))
    reason = st.text_input(look.t("trust.reason"), key=f"reason_{key}", max_chars=300)
    stands = (found["decision"] or {}).get("decision")
    with st.container(horizontal=True, key="decide_row"):
        for number, name in enumerate(match_bulk.DECISIONS, 1):
            pressed = st.button(
                f"{look.t(f'trust.say_{name}')} ({number})",
                key=f"decide_{name}",
                type="primary" if name == "same" else "secondary",
                disabled=stands == name or (name == "same" and is_held),
            )
            if pressed:
                _write(context, pairs, name, reason, after)
        if stands and st.button(look.t("trust.take_back"), key="decide_unmerge"):
            _write(context, [key.split("|")], "unmerge", reason, key)
    heard = _keys(key="decide_keys", data={"pair": token}, on_decide_change=lambda: None, height=1)
    name, _, pair = str(getattr(heard, "decide", None) or "").partition(" ")
    # A key pressed for a pair that is not shown any more decides nothing.
    if pair == token and name in match_bulk.DECISIONS and stands != name and not (name == "same" and is_held):
        _write(context, pairs, name, reason, after)


def _write(
    context: state.Context, pairs: list[list[str]], decision: str, reason: str | None, after: str | None
) -> None:
    if match_bulk.write(context, pairs, decision, reason):
        if after:
            st.query_params["pair"] = after
        else:
            st.query_params.pop("pair", None)
        st.rerun()


def _history(look: Look, found: dict[str, Any]) -> Html | str:
    """What links the two today, and every decision ever taken on them."""
    parts: list[object] = []
    if found["links"]:
        words = [join([waterfall.rule_word(look, one["rule"]), " ", tag("span", one["evidence"] or "", class_="muted")])
                 for one in found["links"]]  # fmt: skip
        parts += [tag("h3", look.t("trust.links"), class_="sub"), tag("p", look.dotted(*words))]
    if found["decisions"]:
        parts.append(tag("h3", look.t("trust.decisions"), class_="sub"))
        parts.append(tag("ol", *[decision_line(look, one) for one in found["decisions"][::-1]], class_="line brief"))
    return tag("div", *parts, class_="history") if parts else ""


def decision_line(look: Look, one: dict[str, Any], pair: str | None = None) -> Html:
    """A decision as one line of a history; `pair`: on which records, where that is not plain."""
    by = look.dotted(look.who(one["by"]), look.when(one["at"]), h(one["reason"]) if one["reason"] else "")
    door = "" if pair is None else join([" ", link(pair, trust_tabs.address("matches", pair=pair_key(one)))])
    return tag("li", tag("b", look.t(f"trust.say_{one['decision']}")), door, " ", tag("span", by, class_="by"))


def pair_key(one: dict[str, Any]) -> str:
    """What the pair of a decision or a link is called in the address."""
    return f"{one['left']}|{one['right']}"
