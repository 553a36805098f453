"""The little of GraphQL that a simulated shop understands: selections with arguments, lists paged apart, cost."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

from data.sim.table import Record

_TOKEN = re.compile(r"\.\.\.|[{}():,$!]|\"[^\"]*\"|[\w.-]+")


@dataclass
class Field:
    """One selected field: its arguments with the variables put in, and what is selected below it."""

    name: str
    arguments: dict[str, Any] = field(default_factory=dict)
    below: list[Field] = field(default_factory=list)


def parse(query: str, variables: dict[str, Any]) -> list[Field]:
    """The selection of a query. ValueError when it is none."""
    tokens = _TOKEN.findall(query)
    start = tokens.index("{")
    fields, end = _selection(tokens, start, variables)
    if end != len(tokens):
        raise ValueError("syntax error, unexpected end of file")
    return fields


def _selection(tokens: list[str], place: int, variables: dict[str, Any]) -> tuple[list[Field], int]:
    found: list[Field] = []
    place += 1
    while tokens[place] != "}":
        if tokens[place] == "...":  # `... on Type {`: what it selects stands beside the rest
            inner, place = _selection(tokens, place + 3, variables)
            found += inner
            continue
        one, place = Field(tokens[place]), place + 1
        if tokens[place] == "(":
            close = tokens.index(")", place)
            one.arguments = _arguments(tokens[place + 1 : close], variables)
            place = close + 1
        if tokens[place] == "{":
            one.below, place = _selection(tokens, place, variables)
        found.append(one)
    return found, place + 1


def _arguments(tokens: list[str], variables: dict[str, Any]) -> dict[str, Any]:
    found, rest = {}, [token for token in tokens if token not in {":", ","}]
    while rest:
        name, value, rest = rest[0], rest[1], rest[2:]
        if value == "$":
            found[name], rest = variables.get(rest[0]), rest[1:]
        else:
            found[name] = value.strip('"') if not value.isdigit() else int(value)
    return found


def cost(fields: list[Field]) -> int:
    """Points asked for: one an object, a list as many times as it may have rows, and two for the list."""
    total = 0
    for one in fields:
        if not one.below:
            continue
        inner = cost([each for each in one.below if each.name != "pageInfo"])
        total += (
            2 + int(one.arguments["first"]) * (1 + inner) if "first" in one.arguments else inner + (one.name != "nodes")
        )
    return total


def shown(value: Any, one: Field) -> Any:
    """A value as the selection wants it; a list of rows is paged when nodes are asked for, else cut to `first`."""
    if isinstance(value, list):
        if any(each.name in {"nodes", "pageInfo"} for each in one.below):
            return connection(value, one)
        return [shown(row, one) for row in value[: one.arguments.get("first", len(value))]]
    if not isinstance(value, dict):
        return value
    return project(value, one.below)


def project(row: Record, fields: list[Field]) -> Record:
    """The selected fields of a row. KeyError with the name of one that is not there."""
    return {one.name: shown(row[one.name], one) for one in fields}


def connection(rows: list[Record], one: Field) -> Record:
    """A page of rows; the cursor is a place in the list."""
    start, first = int(one.arguments.get("after") or 0), int(one.arguments["first"])
    part, end = rows[start : start + first], start + first
    info = {"hasNextPage": end < len(rows), "endCursor": str(end)}
    parts: Record = {}
    for each in one.below:
        whole = {"nodes": [project(row, each.below) for row in part]} if each.name == "nodes" else {"pageInfo": info}
        parts |= whole
    return parts
