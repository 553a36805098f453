"""How old what you see is: per panel, and the worst of all."""

from __future__ import annotations

from typing import Any

from model import serve
from views.parts.format import Look, as_instant
from views.parts.html import Html, dot, h, join, tag

TONES = {"fresh": "green", "stale": "amber", "failed": "red", "never": "red"}
ORDER = ("failed", "never", "stale", "fresh")


def source_note(look: Look, freshness: dict[str, Any], role: str) -> Html:
    """`ERP · 10:05` for a panel's head, with a dot and the age when it is not fresh; files may stand for any system."""
    found = freshness.get(role) or freshness.get("files")
    name = look.t(f"role_system.{found['role'] if found else role}")
    if not found:
        return tag("span", name, " · ", look.t("ui.no_source"))
    if not found.get("last_success_at"):
        return join([dot("red"), name, " · ", look.t("fresh.never")])
    mark = dot(TONES[found["state"]]) if found["state"] != "fresh" else ""
    return tag(
        "span",
        mark,
        name,
        " · ",
        look.clock(found["last_success_at"]),
        title=f"{found.get('source', '')} · {look.t('fresh.' + found['state'])}",
    )


def oldest(look: Look, freshness: dict[str, Any]) -> Html:
    """The identity bar's sentence about the worst source; empty without any source."""
    known = [(ORDER.index(item["state"]), -float(item.get("age_s") or 0), role) for role, item in freshness.items()]
    if not known:
        return Html("")
    role = min(known)[2]
    item = freshness[role]
    system = look.t(f"role_system.{role}")
    if item["state"] == "never" or item.get("age_s") is None:
        sentence = look.t("fresh.oldest_never", system=system)
    else:
        sentence = look.t("fresh.oldest", system=system, age=look.age(item["age_s"]))
    return tag("span", dot(TONES[item["state"]]), h(sentence))


def worst(look: Look, context: Any) -> tuple[str, str]:
    """Tone and text of the top bar: the time of the oldest source that is shown, and its state if it is not fresh."""
    rows = [row for row in serve.status(context.viewer, context.db)["sources"] if row["status"] != "shadow"]
    states = [row["state"] for row in rows if row["state"] in ORDER]
    times = [as_instant(row["last_success_at"]) for row in rows if row.get("last_success_at")]
    if not times:
        return "red", look.t("fresh.none")
    state = min(states, key=ORDER.index) if states else "fresh"
    plain = str(look.clock(min(times))).split(">", 1)[1].split("<", 1)[0]
    return TONES[state], look.t("fresh.as_of", time=plain)
