"""A customer as a drawing: one node per record in the column of its source, one line per pair of linked records."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

from views import state
from views.parts.format import Look
from views.parts.html import Html, h, join, tag
from views.parts.waterfall import rule_word

# strongest first: the line of a pair says the best that speaks for it
STRENGTH = ("decision", "merge", "reference", "identifier", "match")
WIDTH, HEIGHT, GAP_X, GAP_Y, TOP = 184, 44, 84, 26, 30
# below it a link is drawn as doubtful
SURE = 0.99
LABELLED = 8
LONGEST = 13


def best_links(edges: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """One link per pair of records: the strongest."""
    found: dict[tuple[str, str], dict[str, Any]] = {}
    for edge in edges:
        pair = edge["left"], edge["right"]
        if pair not in found or STRENGTH.index(edge["kind"]) < STRENGTH.index(found[pair]["kind"]):
            found[pair] = edge
    return list(found.values())


def is_doubtful(edge: dict[str, Any]) -> bool:
    """Whether a link is a likelihood that falls short of certainty."""
    return edge["kind"] == "match" and edge["probability"] is not None and edge["probability"] < SURE


def drawn(look: Look, found: dict[str, Any]) -> Html:
    """The answer of serve.cluster as SVG; records of other customers that may belong here stand apart, dashed."""
    inside = {node["record_key"]: node for node in found["nodes"]}
    outside = {}
    maybe = []
    for row in found["outside"]:
        mine, other = (
            (row["left"], row["right"]) if row["left"]["record_key"] in inside else (row["right"], row["left"])
        )
        outside[other["record_key"]] = other
        maybe.append((mine["record_key"], other["record_key"], row))
    places, size = _places(inside, outside)
    links = best_links(found["edges"])
    lines = [_line(look, places, edge) for edge in links]
    # Words after the lines, so that none of them is struck through.
    lines += [_word(look, places, edge) for edge in links if len(links) <= LABELLED]
    lines += [_maybe(look, places, *one) for one in maybe]
    lines += [_apart(look, places, one) for one in found["vetoes"] if {one["left"], one["right"]} <= places.keys()]
    nodes = [_node(look, places[key], node, "in") for key, node in inside.items()]
    nodes += [_node(look, places[key], node, "out") for key, node in outside.items()]
    heads = [tag("text", look.label("source", name), x=x, y=16, class_="head") for name, x in _columns(inside, outside)]
    width, height = size
    return tag(
        "svg", *heads, *lines, *nodes, class_="cluster", viewBox=f"0 0 {width} {height}", width=width, height=height,
        role="img", aria_label=look.t("trust.graph_label", records=len(inside), links=len(links)),
    )  # fmt: skip


Place = tuple[float, float]


def _sources(*groups: dict[str, dict[str, Any]]) -> list[str]:
    return sorted({node["source"] for group in groups for node in group.values()})


def _columns(inside: dict[str, dict[str, Any]], outside: dict[str, dict[str, Any]]) -> list[tuple[str, float]]:
    return [(name, place * (WIDTH + GAP_X) + 8) for place, name in enumerate(_sources(inside, outside))]


def _places(
    inside: dict[str, dict[str, Any]], outside: dict[str, dict[str, Any]]
) -> tuple[dict[str, Place], tuple[int, int]]:
    """Top left corner per record, and the drawing's size."""
    columns = dict(_columns(inside, outside))
    filled: dict[str, int] = defaultdict(int)
    places: dict[str, Place] = {}
    for key, node in [*inside.items(), *outside.items()]:
        source = node["source"]
        # lines between records of neighbouring columns do not run along one height
        shift = (list(columns).index(source) % 2) * (HEIGHT + GAP_Y) / 2
        places[key] = columns[source], TOP + shift + filled[source] * (HEIGHT + GAP_Y)
        filled[source] += 1
    height = max(y for _, y in places.values()) + HEIGHT + 12 if places else TOP
    return places, (int(max(columns.values(), default=0) + WIDTH + 40), int(height))


def _node(look: Look, place: Place, node: dict[str, Any], kind: str) -> Html:
    x, y = place
    name = str(node["name"] or node["source_id"])
    gone = " gone" if node.get("is_deleted") else ""
    shape = tag("rect", x=x, y=y, width=WIDTH, height=HEIGHT, rx=8)
    words = [
        tag("text", name if len(name) <= LONGEST else name[: LONGEST - 1] + "…", x=x + 10, y=y + 18, class_="name"),
        tag("text", node["code"] or node["source_id"], x=x + 10, y=y + 35, class_="code"),
    ]
    body = [tag("title", name), shape, *words]
    if kind == "out":
        href = state.href("trust", view="customer", customer=node["customer_key"])
        return tag("a", *body, href=href, data_nav="1", class_=f"node out{gone}")
    href = state.here("trust", record=f"customer:{node['record_key']}")
    return tag("a", *body, href=href, data_nav="1", data_record="1", class_=f"node{gone}")


def _path(one: Place, two: Place) -> tuple[str, Place]:
    """A curve between two nodes' nearer sides, and the place of its label."""
    (x1, y1), (x2, y2) = sorted((one, two))
    if x1 == x2:
        # in one column the line bows out to the right, wider for nodes that lie farther apart
        a, b = (x1 + WIDTH, y1 + HEIGHT / 2), (x2 + WIDTH, y2 + HEIGHT / 2)
        bow = x1 + WIDTH + min(14 + abs(y2 - y1) / 6, GAP_X - 20)
        return f"M{a[0]},{a[1]} C{bow},{a[1]} {bow},{b[1]} {b[0]},{b[1]}", (bow - 4, (a[1] + b[1]) / 2)
    a, b = (x1 + WIDTH, y1 + HEIGHT / 2), (x2, y2 + HEIGHT / 2)
    middle = (a[0] + b[0]) / 2
    return f"M{a[0]},{a[1]} C{middle},{a[1]} {middle},{b[1]} {b[0]},{b[1]}", (middle, (a[1] + b[1]) / 2)


def _line(look: Look, places: dict[str, Place], edge: dict[str, Any]) -> Html:
    kind = f"link {edge['kind']}" + (" doubtful" if is_doubtful(edge) else "")
    shape, _ = _path(places[edge["left"]], places[edge["right"]])
    return tag("g", _title(look, edge), tag("path", d=shape), class_=kind)


def _word(look: Look, places: dict[str, Place], edge: dict[str, Any]) -> Html:
    one, two = places[edge["left"]], places[edge["right"]]
    x, y = _path(one, two)[1]
    if one[0] == two[0]:
        # beside the bow, not across the nodes it joins
        return tag("g", _title(look, edge), _label(said(look, edge), (x + 6, y + 8), "label aside"))
    return tag("g", _title(look, edge), _label(said(look, edge), (x, y)))


def _title(look: Look, edge: dict[str, Any]) -> Html:
    return tag("title", f"{said(look, edge)} {edge['evidence'] or ''}".strip())


def said(look: Look, edge: dict[str, Any]) -> str:
    """A link in a word: its rule, or how likely it is."""
    if edge["kind"] == "match" and edge["rule"] in {None, "", "probability"}:
        return f"{float(edge['probability'] or 0) * 100:.0f} %"
    return str(rule_word(look, edge["rule"]))


def _label(word: str, at: Place, class_: str = "label") -> Html:
    return tag("text", h(word), x=round(at[0], 1), y=round(at[1] - 4, 1), class_=class_)


def _maybe(look: Look, places: dict[str, Place], mine: str, other: str, row: dict[str, Any]) -> Html:
    shape, at = _path(places[mine], places[other])
    href = state.href("trust", view="matches", pair=f"{row['left']['record_key']}|{row['right']['record_key']}")
    word = "?" if row["probability"] is None else f"{row['probability'] * 100:.0f} % ?"
    title = tag("title", look.t(f"trust.why_{row['why']}_help"))
    return tag("a", title, tag("path", d=shape), _label(word, at), href=href, data_nav="1", class_="link maybe")


def _apart(look: Look, places: dict[str, Place], one: dict[str, Any]) -> Html:
    shape, at = _path(places[one["left"]], places[one["right"]])
    title = tag("title", look.t("trust.say_different"))
    return tag("g", title, tag("path", d=shape), _label("≠", at), class_="link apart")


def legend(look: Look) -> Html:
    """What the lines mean."""
    kinds = ("certain", "doubtful", "maybe", "decision")
    return tag(
        "p",
        join([tag("span", tag("i", "", class_=f"stroke {name}"), look.t(f"trust.line_{name}"), class_="key")
              for name in kinds]),
        class_="keys",
    )  # fmt: skip
