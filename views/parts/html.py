"""HTML that is safe by construction: everything is escaped unless it already is `Html`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any


class Html(str):
    """Markup that this package produced; every other string is escaped where it meets markup."""

    __slots__ = ()


def h(value: object) -> Html:
    """`value` as markup: `Html` unchanged, anything else escaped (quotes too)."""
    return value if isinstance(value, Html) else Html(escape(str(value), quote=True))


def join(parts: Iterable[object], separator: str = "") -> Html:
    """The parts, each made safe, one after the other."""
    return Html(separator.join(h(part) for part in parts))


def tag(name: str, /, *content: object, **attributes: object) -> Html:
    """One element. `class_` is written `class`, `data_x` is written `data-x`; None and False leave it out."""
    written = []
    for key, value in attributes.items():
        if value is None or value is False:
            continue
        attribute = key.rstrip("_").replace("_", "-")
        written.append(f" {attribute}" if value is True else f' {attribute}="{h(value)}"')
    return Html(f"<{name}{''.join(written)}>{join(content)}</{name}>")


def chip(content: object, tone: str = "", title: str | None = None) -> Html:
    """A small label; tone is one of red, amber, green, blue or empty for neutral."""
    return tag("span", content, class_=f"chip {tone}".strip(), title=title)


def dot(tone: str) -> Html:
    """A coloured dot; always beside a word, so it is hidden from screen readers."""
    return tag("span", "", class_=f"dot {tone}", aria_hidden="true")


def link(
    content: object, href: str, class_: str | None = None, title: str | None = None, *, is_record: bool = False
) -> Html:
    """A link inside the app: a plain href that the top bar's script follows without a reload."""
    record = "1" if is_record else None
    return tag("a", content, href=href, data_nav="1", data_record=record, target="_self", class_=class_, title=title)


@dataclass(frozen=True)
class Column:
    """A table column: its heading and how its cells stand (kind: text, num, wide)."""

    head: str
    kind: str = "text"
    hint: str | None = None
    phone: bool = True


@dataclass(frozen=True)
class Row:
    """A table row; `href` makes it a door (`is_record`: to its source record), `selected` marks the current one.

    `door` is the cell that carries the link.
    """

    cells: Sequence[Any]
    href: str | None = None
    selected: bool = False
    is_record: bool = False
    door: int = 0


def table(
    caption: str, columns: Sequence[Column], rows: Sequence[Row], keep: int | None = None, totals: Sequence[Row] = ()
) -> Html:
    """An accessible table. With `keep`, rows past it carry the class `extra` (hidden until the panel opens).

    `totals` stand below all rows, whichever are shown.
    """
    head = join(tag("th", column.head, scope="col", class_=_classes(column), title=column.hint) for column in columns)
    body = []
    for position, row in enumerate(rows):
        cells = []
        for at, (column, cell) in enumerate(zip(columns, row.cells, strict=True)):
            content = link(cell, row.href, is_record=row.is_record) if at == row.door and row.href else h(cell)
            cells.append(tag("td", content, class_=_classes(column)))
        extra = "extra" if keep is not None and position >= keep else ""
        chosen = "chosen" if row.selected else ""
        body.append(
            tag(
                "tr",
                *cells,
                class_=f"{extra} {chosen}".strip() or None,
                data_row=row.href,
                data_record="1" if row.href and row.is_record else None,
                aria_current="true" if row.selected else None,
            )
        )
    return tag(
        "table",
        tag("caption", caption),
        tag("thead", tag("tr", head)),
        tag("tbody", *body),
        tag("tfoot", *(_total(columns, row) for row in totals)) if totals else "",
        class_="grid",
    )


def _total(columns: Sequence[Column], row: Row) -> Html:
    cells = [tag("td", cell, class_=_classes(column)) for column, cell in zip(columns, row.cells, strict=True)]
    return tag("tr", *cells)


def _classes(column: Column) -> str | None:
    names = [] if column.kind == "text" else [column.kind]
    if not column.phone:
        names.append("desk")
    return " ".join(names) or None


def panel(
    name: str,
    title: object,
    body: object,
    *,
    badge: object = "",
    source: object = "",
    foot: object = "",
) -> Html:
    """A titled region with its source and time at the right and its doors at the foot."""
    heading = tag("div", tag("h2", title), badge, tag("span", source, class_="src"), class_="phead")
    ending = tag("div", foot, class_="pfoot") if foot else ""
    return tag("section", heading, body, ending, class_="panel", id=f"p-{name}", data_panel=name)


def bar(parts: Sequence[tuple[float, str, str]], label: str) -> Html:
    """A stacked bar of (share 0..1, tone, title); read aloud as `label`."""
    pieces = [
        tag("i", "", class_=f"seg {tone}", style=f"width:{max(share, 0.004) * 100:.2f}%", title=title)
        for share, tone, title in parts
        if share > 0
    ]
    return tag("div", *pieces, class_="stack", role="img", aria_label=label)


def empty(message: str) -> Html:
    """What a region says when it has no rows."""
    return tag("p", message, class_="none")


def says_nothing(region: Html) -> bool:
    """Whether a panel is one that only says it has no rows."""
    return '<p class="none">' in region and "<table" not in region


def grids(panels: Sequence[Html]) -> Html:
    """Panels side by side; those without a row stand last, one line each, so that they push nothing down."""
    full, quiet = [one for one in panels if not says_nothing(one)], [one for one in panels if says_nothing(one)]
    return join(
        [
            tag("div", *full, class_="panels fill") if full else "",
            tag("div", *quiet, class_="panels quiet") if quiet else "",
        ]
    )
