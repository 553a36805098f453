"""A span of changes that the source cannot answer for in one query is asked for in halves."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from ingest.cursor import Window

_LEAST = timedelta(minutes=1)


def halve(state: dict[str, Any], step: dict[str, Any]) -> Window | None:
    """Make `step` ask for the first half of its span, and put a step for the other half behind it in state["passes"].

    Returns the first half; None, and nothing changed, where the step asks for no span or for no more than a minute.
    The half that is followed by another has `is_part`: only the last one has listed all there is.
    """
    if step["kind"] != "window" or "{window.end}" not in step["filter"]:
        return None
    whole = span_of(step, Window.from_json(state["window"]))
    middle = (whole.start + (whole.end - whole.start) / 2).replace(microsecond=0)
    if whole.end - whole.start <= _LEAST or not whole.start < middle < whole.end:
        return None
    first, second = Window(whole.start, middle), Window(middle, whole.end)
    passes = state["passes"]
    passes.insert(passes.index(step) + 1, {**step, "span": second.to_json()})
    step |= {"span": first.to_json(), "is_part": True}
    state["page"] = None
    return first


def span_of(step: dict[str, Any], whole: Window) -> Window:
    """The span that the step asks for: the whole one of its run, or its part of it."""
    return Window.from_json(step["span"]) if "span" in step else whole
