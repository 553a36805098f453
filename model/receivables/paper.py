"""A4 letters as PDF, in Chinese and English, with the characters they use embedded."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from fpdf import FPDF
from fpdf.enums import Align, TableBordersLayout, WrapMode, XPos, YPos
from fpdf.fonts import FontFace

from model.receivables import fonts

MARGIN, LINE, SMALL, NORMAL, TITLE = 20, 6.2, 8.5, 10.5, 17
_GREY, _RULE, _SHADE = (110, 110, 110), (190, 190, 190), (240, 242, 245)
_FACE = "letter"
_CLOSING = "，。、；：！？）》」”’"
_PIECES = re.compile(rf"(?:[!-~]+|.)[{_CLOSING}]*\s?", re.DOTALL)


@dataclass(frozen=True)
class Table:
    """Cells as text; `right`: columns set flush right; `widths`: in parts; the last `sums` rows are totals."""

    heads: Sequence[str]
    rows: Sequence[Sequence[str]]
    widths: Sequence[int]
    right: frozenset[int] = frozenset()
    sums: int = 0
    caption: str | None = None


@dataclass(frozen=True)
class Letter:
    """What stands on the paper, from top to bottom. `facts`: label and value, under the title."""

    company: str
    title: str
    number: str
    language: str
    facts: Sequence[tuple[str, str]] = ()
    opening: Sequence[str] = ()
    tables: Sequence[Table] = ()
    closing: Sequence[str] = ()
    signature: Sequence[str] = ()
    slips: Sequence[tuple[str, Sequence[str]]] = field(default=())
    page: str = "{n} / {total}"


class _Paper(FPDF):
    def __init__(self, letter: Letter, font: fonts.Font) -> None:
        super().__init__(format="A4")
        self.letter = letter
        self.add_font(_FACE, fname=font.path, collection_font_number=font.face)
        self.set_font(_FACE, size=NORMAL)
        self.set_margins(MARGIN, MARGIN, MARGIN)
        self.set_auto_page_break(auto=True, margin=22)
        self.alias_nb_pages("{total}")

    def header(self) -> None:
        self.set_font(_FACE, size=SMALL)
        self.set_text_color(*_GREY)
        self.cell(w=self.epw / 2, h=5, text=self.letter.company)
        self.cell(w=self.epw / 2, h=5, text=self.letter.number, align=Align.R, new_x=XPos.LMARGIN, new_y=YPos.NEXT)
        self.set_draw_color(*_RULE)
        self.line(MARGIN, self.get_y() + 1, MARGIN + self.epw, self.get_y() + 1)
        self.ln(6)
        self.set_text_color(0, 0, 0)

    def footer(self) -> None:
        self.set_y(-15)
        self.set_font(_FACE, size=SMALL)
        self.set_text_color(*_GREY)
        text = self.letter.page.replace("{n}", str(self.page_no()))
        self.cell(w=0, h=5, text=text, align=Align.C)
        self.set_text_color(0, 0, 0)

    def say(self, text: str, size: float = NORMAL, align: Align = Align.L, after: float = 2) -> None:
        """One paragraph; Chinese breaks between any two characters but before closing punctuation."""
        self.set_font(_FACE, size=size)
        wrap = WrapMode.WORD
        if self.letter.language == "zh":
            text, wrap = "\n".join(self._lines(text)), WrapMode.CHAR
        self.multi_cell(w=0, h=LINE * size / NORMAL, text=text, align=align, wrapmode=wrap,
                        new_x=XPos.LMARGIN, new_y=YPos.NEXT)  # fmt: skip
        self.ln(after)

    def _lines(self, text: str) -> list[str]:
        """`text` broken into lines that fit: Latin words, dates and amounts whole, no punctuation at a beginning."""
        room, found = self.epw - 2 * self.c_margin - 0.5, [""]
        for piece in _PIECES.findall(text):
            if found[-1] and self.get_string_width(found[-1] + piece) > room:
                found.append(piece.lstrip())
            else:
                found[-1] += piece
        return found

    def put(self, table: Table) -> None:
        """A ruled table; its head is repeated on every page."""
        if table.caption:
            self.say(table.caption, after=0.5)
        self.set_font(_FACE, size=SMALL)
        aligns = [Align.R if place in table.right else Align.L for place in range(len(table.heads))]
        shade = FontFace(fill_color=_SHADE)
        with super().table(
            col_widths=tuple(table.widths), text_align=tuple(aligns), line_height=5.4, width=int(self.epw),
            borders_layout=TableBordersLayout.HORIZONTAL_LINES, headings_style=shade, padding=(0.4, 1),
            wrapmode=WrapMode.CHAR if self.letter.language == "zh" else WrapMode.WORD,
        ) as made:  # fmt: skip
            made.row(list(table.heads))
            for place, cells in enumerate(table.rows):
                is_sum = place >= len(table.rows) - table.sums
                made.row(list(cells), style=shade if is_sum else None)
        self.ln(4)


def pdf(letter: Letter, made_at: datetime, config_dir: Path | None = None) -> bytes:
    """The letter as a PDF file; the same letter and instant give the same bytes."""
    paper = _Paper(letter, fonts.find(config_dir))
    paper.set_creation_date(made_at)
    paper.set_title(letter.title)
    paper.set_author(letter.company)
    paper.set_lang("zh-CN" if letter.language == "zh" else "en")
    paper.add_page()
    paper.say(letter.title, size=TITLE, align=Align.C, after=3)
    for label, value in letter.facts:
        paper.say(f"{label}{'：' if letter.language == 'zh' else ': '}{value}", after=0)
    paper.ln(3)
    for text in letter.opening:
        paper.say(text)
    for table in letter.tables:
        paper.put(table)
    for text in letter.closing:
        paper.say(text)
    paper.ln(4)
    for text in letter.signature:
        paper.say(text, align=Align.R, after=0)
    for heading, texts in letter.slips:
        _slip(paper, heading, texts)
    return bytes(paper.output())


def _slip(paper: _Paper, heading: str, texts: Sequence[str]) -> None:
    """A part that the other side fills in and seals, kept on one page."""
    if paper.will_page_break(14 + LINE * 1.6 * len(texts)):
        paper.add_page()
    paper.ln(5)
    paper.set_draw_color(*_RULE)
    paper.line(MARGIN, paper.get_y(), MARGIN + paper.epw, paper.get_y())
    paper.ln(3)
    paper.say(heading)
    for text in texts:
        paper.say(text)
