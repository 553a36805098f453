"""The identity bar and the line that says what changed and what to do next."""

from __future__ import annotations

from typing import Any

from views.parts import freshness
from views.parts.format import Look, as_date
from views.parts.html import Html, chip, h, join, tag

ACTION_PANELS = {"action.solve_ticket": "tickets", "action.prepare_renewal": "contracts"}
STATUS_TONES = {"active": "green", "prospect": "blue", "inactive": "", "blocked": "red"}


def identity(look: Look, found: dict[str, Any]) -> Html:
    """Name, status, tier, group; identifiers and owner; codes of every system; the oldest data."""
    chips: list[Html] = []
    if found.get("status"):
        chips.append(chip(look.label("customer_status", found["status"]), STATUS_TONES.get(found["status"], "")))
    if found.get("tier"):
        chips.append(chip(look.t("customer.tier", tier=found["tier"]), "blue"))
    if found.get("group") and int(found.get("group_size") or 2) > 1:
        size = look.t("customer.group_size", n=found["group_size"]) if found.get("group_size") else ""
        chips.append(chip(look.dotted(h(look.t("customer.group", group=_group(found["group"]))), size)))
    if found.get("is_on_hold"):
        chips.append(chip(look.t("customer.on_hold"), "red"))
    title = tag("div", tag("h1", found["name"]), tag("span", *chips, class_="chips"))
    facts = tag("div", *[tag("span", fact) for fact in _facts(look, found)], class_="facts")
    codes = tag("div", *_codes(look, found), class_="codes")
    fresh = tag("div", freshness.oldest(look, found.get("freshness") or {}), class_="fresh")
    return tag(
        "header",
        tag("div", title, codes, class_="line1"),
        tag("div", facts, fresh, class_="line1"),
        class_="ident",
    )


def _group(group: Any) -> str:
    return str(group.get("name") if isinstance(group, dict) else group)


def _owner(owner: Any) -> Any:
    return owner.get("name") if isinstance(owner, dict) else owner


def _facts(look: Look, found: dict[str, Any]) -> list[Html]:
    facts: list[Html] = []
    if found.get("uscc"):
        facts.append(join([look.t("customer.uscc"), " ", look.text(found["uscc"])]))
    elif found.get("tax_number"):
        facts.append(join([look.t("customer.tax_number"), " ", look.text(found["tax_number"])]))
    facts.append(join([look.t("customer.owner"), " ", look.text(_owner(found.get("owner")))]))
    finance = next((c for c in found.get("contacts") or [] if c.get("is_finance")), None)
    if finance:
        number = finance.get("mobile") or finance.get("phone")
        facts.append(join([look.t("customer.finance"), " ", h(finance["name"]), " ", look.phone(number)]))
    place = look.dotted(*(h(found[key]) for key in ("region", "city", "industry") if found.get(key)))
    if place:
        facts.append(place)
    if found.get("customer_since_on"):
        facts.append(h(_tenure(look, found["customer_since_on"])))
    return facts


def _tenure(look: Look, since: Any) -> str:
    start, today = as_date(since), look.now.date()
    months = (today.year - start.year) * 12 + today.month - start.month - (today.day < start.day)
    return look.t("customer.tenure", y=max(months, 0) // 12, m=max(months, 0) % 12)


def _codes(look: Look, found: dict[str, Any]) -> list[Html]:
    drawn = []
    for source, codes in (found.get("codes") or {}).items():
        listed = codes if isinstance(codes, list) else [codes]
        shown = [chip(_code(code), title=f"{source}: {_code(code)}") for code in listed[:3]]
        if len(listed) > 3:
            shown.append(chip(f"+{len(listed) - 3}", title=", ".join(_code(code) for code in listed[3:])))
        drawn.append(tag("span", look.label("source", source), " ", join(shown, " ")))
    return drawn


def _code(code: Any) -> str:
    return str(code.get("code") if isinstance(code, dict) else code)


def since(look: Look, found: dict[str, Any]) -> Html | None:
    """What changed lately, newest first, and the one next best action with its reason."""
    parts: list[Html] = []
    recent = [row for row in found.get("timeline") or [] if row.get("detail") or row.get("amount") is not None][:3]
    if recent:
        parts.append(tag("b", look.t("customer.since", when=look.month_day(recent[-1]["happened_at"]))))
        parts += [tag("span", look.say(row.get("msgid") or row["title"]), " ", _what(look, row)) for row in recent]
    panel, action = next_action(look, found)
    if not parts and not action:
        return None
    if action:
        parts.append(tag("a", action, " →", href=f"#p-{panel}", data_open=panel, class_="do"))
    return tag("div", *parts, class_="since", aria_label=look.t("customer.changed"))


def _what(look: Look, row: dict[str, Any]) -> Html:
    if row.get("amount") is not None:
        return tag("b", look.money(row["amount"], row.get("currency")))
    detail = look.say(row["detail"]) if row.get("detail") else ""
    return tag("b", detail if len(detail) <= 24 else detail[:23] + "…")


def next_action(look: Look, found: dict[str, Any]) -> tuple[str, str]:
    """(panel, sentence) of the next best action that the model names; empty when there is none."""
    action = found.get("next_action")
    if not action:
        return "", ""
    return ACTION_PANELS.get(action["msgid"], "receivables"), look.say(action)
