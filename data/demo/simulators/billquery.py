"""The SQL-like FilterString of Kingdee's bill query: tokens, a small parser, a compiled test over one row."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable
from typing import Any

Getter = Callable[[Any], Any]
Test = Callable[[Any], bool]
_TOKENS = re.compile(
    r"\s*(?:(?P<text>'(?:[^']|'')*')|(?P<number>-?\d+(?:\.\d+)?)|(?P<op><>|!=|>=|<=|=|>|<)|(?P<mark>[(),])|(?P<word>[A-Za-z_][\w.]*))"
)
_COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    "=": operator.eq,
    "<>": operator.ne,
    "!=": operator.ne,
    ">": operator.gt,
    ">=": operator.ge,
    "<": operator.lt,
    "<=": operator.le,
}


class FilterError(Exception):
    """A filter the server cannot read."""


def tokens(text: str) -> list[tuple[str, str]]:
    """(kind, text) pairs; raises FilterError at the first unreadable character."""
    found, place = [], 0
    text = text.rstrip()
    while place < len(text):
        match = _TOKENS.match(text, place)
        if not match or match.lastgroup is None:
            raise FilterError(f"'{text[place : place + 12]}' 附近有语法错误")
        found.append((match.lastgroup, match[match.lastgroup]))
        place = match.end()
    return found


def literal(kind: str, text: str) -> Any:
    """A value; dates may have a blank where rows have a T."""
    if kind == "number":
        return float(text)
    value = text[1:-1].replace("''", "'")
    return value[:10] + "T" + value[11:] if re.match(r"\d{4}-\d\d-\d\d ", value) else value


def compare(left: Any, op: str, right: Any) -> bool:
    """SQL comparison: null is never true; numbers and booleans compare as numbers, all else as text."""
    if left is None:
        return False
    if isinstance(left, bool):
        left = "1" if left else "0"
    if isinstance(right, float):
        try:
            left = float(left)
        except (TypeError, ValueError):
            return False
    elif not isinstance(left, str):
        left, right = str(left), str(right)
    elif len(right) == 10 and len(left) == 19 and right[4:5] == "-":
        right += "T00:00:00"
    return _COMPARE[op](left, right)


def _among(value: Any, numbers: set[float], texts: set[str]) -> bool:
    """`in` by set: a reader may ask for thousands of ids at once."""
    if value is None:
        return False
    return value in numbers if isinstance(value, int | float) and numbers else str(value) in texts


class Parser:
    """Recursive descent: or, and, not/brackets, comparison."""

    def __init__(self, text: str, getter: Callable[[str], Getter]) -> None:
        self.items = tokens(text)
        self.place = 0
        self.getter = getter

    def parse(self) -> Test:
        """The whole filter as one test."""
        test = self._or()
        if self.place < len(self.items):
            raise FilterError(f"'{self.items[self.place][1]}' 附近有语法错误")
        return test

    def _peek(self) -> str:
        return self.items[self.place][1].lower() if self.place < len(self.items) else ""

    def _take(self) -> tuple[str, str]:
        if self.place >= len(self.items):
            raise FilterError("语句不完整")
        self.place += 1
        return self.items[self.place - 1]

    def _expect(self, word: str) -> None:
        if self._take()[1].lower() != word:
            raise FilterError(f"缺少 {word}")

    def _or(self) -> Test:
        tests = [self._and()]
        while self._peek() == "or":
            self._take()
            tests.append(self._and())
        return tests[0] if len(tests) == 1 else lambda row: any(test(row) for test in tests)

    def _and(self) -> Test:
        tests = [self._one()]
        while self._peek() == "and":
            self._take()
            tests.append(self._one())
        return tests[0] if len(tests) == 1 else lambda row: all(test(row) for test in tests)

    def _one(self) -> Test:
        if self._peek() == "(":
            self._take()
            test = self._or()
            self._expect(")")
            return test
        kind, name = self._take()
        if kind == "number" and self._peek() == "=":
            self._take()
            same = self._take()[1] == name
            return lambda row: same
        if kind != "word":
            raise FilterError(f"'{name}' 附近有语法错误")
        get = self.getter(name)
        op = self._take()[1].lower()
        if op in _COMPARE:
            value = literal(*self._take())
            return lambda row: compare(get(row), op, value)
        return self._wordy(get, op)

    def _wordy(self, get: Getter, op: str) -> Test:
        negative = op == "not"
        if negative:
            op = self._take()[1].lower()
        if op == "is":
            negative = self._peek() == "not"
            if negative:
                self._take()
            self._expect("null")
            return lambda row: (get(row) is None) is not negative
        if op == "like":
            pattern = re.compile(re.escape(str(literal(*self._take()))).replace("%", ".*"))
            return lambda row: bool(pattern.fullmatch(str(get(row) or ""))) is not negative
        if op == "in":
            return self._in(get, negative)
        raise FilterError(f"'{op}' 附近有语法错误")

    def _in(self, get: Getter, negative: bool) -> Test:
        self._expect("(")
        values = [literal(*self._take())]
        while self._peek() == ",":
            self._take()
            values.append(literal(*self._take()))
        self._expect(")")
        numbers = {value for value in values if isinstance(value, float)}
        texts = {value for value in values if isinstance(value, str)}
        return lambda row: _among(get(row), numbers, texts) is not negative
