"""A message for robots and webhooks: lines of the small Markdown they share, split into parts by UTF-8 bytes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from model.delivery.digest import Line, Message
from ops.texts import text

_DOTS = {"critical": "🔴", "warning": "🟠", "info": "⚪"}
# Characters that would make a customer's name into markup, and their full-width look-alikes.
_PLAIN = str.maketrans(
    {"[": "［", "]": "］", "*": "＊", "`": "＇", "<": "＜", ">": "＞", "#": "＃", "\n": " ", "\r": " "}
)
Fits = Callable[[str], bool]


@dataclass(frozen=True)
class Entry:
    """One line, and the heading it stands under, which a part that begins with it repeats."""

    text: str
    heading: str = ""


def lines(message: Message) -> list[Entry]:
    """Intro, sections, notes and link, one entry a line; values are made harmless as markup."""
    out = [Entry(message.intro.translate(_PLAIN)), Entry("")]
    for section in message.sections:
        heading = f"**{section.title.translate(_PLAIN)} ({section.count})**"
        out.append(Entry(f"{heading} {section.totals}".rstrip()))
        out += [Entry(_line(line, is_news=section.is_news), heading) for line in section.lines]
        if section.more:
            more = text(message.language, "alerts.mail.more", count=section.more)
            out.append(Entry(f"[{more}]({section.link})", heading))
        out.append(Entry(""))
    out += [Entry(note) for note in message.notes]
    out.append(Entry(f"[{message.button}]({message.worklist})"))
    return out


def _line(line: Line, *, is_news: bool) -> str:
    dot = "🟢" if is_news else _DOTS.get(line.severity, "⚪")
    amount = f" · **{line.amount}**" if line.amount else ""
    return f"{dot} [{line.customer.translate(_PLAIN)}]({line.link}) · {line.what.translate(_PLAIN)}{amount}"


def split(found: list[Entry], fits: Fits) -> list[str]:
    """`found` as as few texts as fit, in order: cut between lines, the heading repeated; a line that alone is too
    long is cut between characters. `fits` judges the whole payload in bytes."""
    parts: list[str] = []
    current: list[str] = []
    for entry in found:
        if fits("\n".join([*current, entry.text])):
            current.append(entry.text)
            continue
        if current:
            parts.append("\n".join(current))
        headed = [entry.heading, entry.text] if entry.heading else [entry.text]
        if fits("\n".join(headed)):
            current = headed
        else:
            *whole, last = _cut(entry.text, fits)
            parts += whole
            current = [last]
    if current:
        parts.append("\n".join(current))
    return [part for part in (part.strip("\n") for part in parts) if part]


def _cut(line: str, fits: Fits) -> list[str]:
    pieces = []
    while not fits(line):
        low, high = 1, len(line)
        while low < high:
            middle = (low + high + 1) // 2
            low, high = (middle, high) if fits(line[:middle]) else (low, middle - 1)
        pieces.append(line[:low])
        line = line[low:]
    return [*pieces, line]
