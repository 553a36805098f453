"""The identity bar and the line that says what changed and what to do next."""

from __future__ import annotations

from datetime import date
from typing import Any

from views.parts import freshness
from views.parts.format import Look, as_date
from views.parts.html import Html, chip, h, join, tag

ACTION_PANELS = {"action.solve_ticket": "tickets", "action.prepare_renewal": "contracts"}
SHOWN = 3
STATUS_TONES = {"active": "green", "prospect": "blue", "inactive": "", "blocked": "red"}


def identity(look: Look, found: dict[str, Any], today: date | None = None) -> Html:
    """Name, status, tier, group; identifiers and owner; codes of every system; the oldest data and the day shown."""
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
    if "is_pinned" in found:
        chips.append(_pin(look, found))
    title = tag("div", tag("h1", found["name"]), tag("span", *chips, class_="chips"))
    facts = tag("div", *[tag("span", fact) for fact in _facts(look, found)], class_="facts")
    codes = tag("div", *_codes(look, found), class_="codes")
    fresh = tag("div", freshness.oldest(look, found.get("freshness") or {}), _day(look, found, today), class_="fresh")
    return tag(
        "header",
        tag("div", title, codes, class_="line1"),
        tag("div", facts, fresh, class_="line1"),
        class_="ident",
    )


def _pin(look: Look, found: dict[str, Any]) -> Html:
    """Keeps the customer in the viewer's own list; the top bar's script sends the press."""
    pressed = bool(found["is_pinned"])
    word = look.t("customer.pinned" if pressed else "customer.pin")
    return tag(
        "button",
        ("★ " if pressed else "☆ ") + word,
        type="button",
        class_="pin",
        data_pin=found["customer_key"],
        aria_pressed=str(pressed).lower(),
        title=look.t("customer.pin_hint"),
    )


def _day(look: Look, found: dict[str, Any], today: date | None) -> Html:
    """The day the card shows, as a field: another day shows the card as it stood then."""
    if today is None or not found.get("as_of"):
        return h("")
    chosen, last = as_date(found["as_of"]).isoformat(), today.isoformat()
    # The browser would write the day in its own order: the field is laid, unseen, over the ISO day.
    field = tag("input", type="date", value=chosen, max=last, data_asof=last, aria_label=look.t("customer.as_of_field"))
    shown = tag("span", chosen, field, class_="pick")
    return tag("label", look.t("customer.as_of_field"), " ", shown, class_="day")


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


def since(look: Look, found: dict[str, Any], changes: dict[str, Any] | None) -> Html | None:
    """What became known since the viewer's last visit, newest first, and the one next best action with its reason."""
    panel, action = ("", "") if found.get("is_past") else next_action(look, found)
    if changes is None and not action:
        return None
    parts: list[Html] = []
    if changes is not None:
        events = changes["events"]
        parts.append(tag("b", _since_title(look, changes)))
        # A bare "mail" says little: what tells something comes first.
        telling = [row for row in events if row.get("detail") or row.get("amount") is not None]
        parts += [_change(look, row) for row in (telling or events)[:SHOWN]]
        if len(events) > SHOWN:
            listed = tag("ol", *[_change_line(look, row) for row in events], class_="line brief")
            summary = tag("summary", look.t("panel.all", n=_counted(look, changes)), class_="linkish")
            parts.append(tag("details", summary, listed))
    if action:
        parts.append(tag("a", action, " →", href=f"#p-{panel}", data_open=panel, class_="do"))
    return tag("section", *parts, class_="since", aria_label=look.t("customer.changed"))


def _since_title(look: Look, changes: dict[str, Any]) -> Html:
    """`自 11-18 16:20 以来 5 项变化`; on a first visit what happened in the last 30 days."""
    first = changes["basis"] == "first_visit"
    if not changes["count"]:
        msgid = "customer.first_none" if first else "customer.since_none"
    else:
        msgid = "customer.first" if first else "customer.since"
    return h(look.t(msgid, when=look.moment(changes["since"]), n=_counted(look, changes)))


def _counted(look: Look, changes: dict[str, Any]) -> str:
    return look.count(changes["count"]) + ("+" if changes["has_more"] else "")


def _change_line(look: Look, row: dict[str, Any]) -> Html:
    said = look.dotted(look.when(row["happened_at"]), look.label("source", row["source"]))
    return tag("li", _change(look, row), " ", tag("span", said, class_="by"), class_=row["kind"])


def _change(look: Look, row: dict[str, Any]) -> Html:
    title = look.say(row.get("msgid") or row["title"])
    detail = look.say(row["detail"]) if row.get("detail") else ""
    # A call noted as "电话：…" says its kind itself.
    said = "" if row.get("amount") is None and detail.startswith(title) else title
    return tag("span", said, " " if said else "", _what(look, row))


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
