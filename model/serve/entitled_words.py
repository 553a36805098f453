"""The reason of a verdict in words, the same on screens and on the command line."""

from __future__ import annotations

from typing import Any

from ops.texts import text

_ENDED = ("returned", "scrapped", "replaced")


def why(language: str, found: dict[str, Any]) -> str:
    """Why the verdict `found` (of entitlement, of a device in a list or of a ticket) is what it is; dates are ISO."""
    parts = [_reason(language, found)]
    contract = found.get("contract")
    if found["reason"] == "contract" and contract and contract["level"]:
        parts.append(text(language, "entitled.why.level", level=contract["level"]))
    if found["reason"] == "warranty" and contract and _holds(contract, found):
        parts.append(_contract(language, contract))
    if found["reason"] == "out" and found.get("next_on"):
        parts.append(text(language, "entitled.why.next", next=found["next_on"]))
    replacing = (found.get("device") or found).get("replaced_by_serial")
    if found["reason"] == "replaced" and replacing:
        parts.append(text(language, "entitled.why.replaced_by", serial=replacing))
    return text(language, "entitled.and").join(parts)


def _reason(language: str, found: dict[str, Any]) -> str:
    reason = found["reason"]
    if reason == "warranty":
        key = f"entitled.why.warranty_{found['basis']}"
        begun = {} if found["basis"] == "source" else {"begun": found.get("from_on")}
        return text(language, key, until=found["until_on"], **begun)
    if reason == "contract":
        return _contract(language, found.get("contract") or {"number": "", "until_on": found["until_on"]})
    if reason in _ENDED:
        since = found.get("since_on")
        return text(
            language, f"entitled.why.{reason}" + ("" if since else "_undated"), **({"since": since} if since else {})
        )
    named = (found.get("customer") or {}).get("name")
    if reason in {"sold_on", "other_customer"} and named:
        return text(
            language,
            "entitled.why." + ("sold_on_to" if reason == "sold_on" else "other_customer_named"),
            customer=named,
        )
    values = {"out": {"since": found.get("since_on")}, "not_started": {"next": found.get("next_on")}}
    return text(language, f"entitled.why.{reason}", **values.get(reason, {}))


def _contract(language: str, contract: dict[str, Any]) -> str:
    if contract["until_on"] is None:
        return text(language, "entitled.why.contract_open", number=contract["number"])
    return text(language, "entitled.why.contract", number=contract["number"], until=contract["until_on"])


def _holds(contract: dict[str, Any], found: dict[str, Any]) -> bool:
    """Whether the contract covers the day of the verdict as well."""
    day = found["as_of"]
    return (contract["from_on"] is None or contract["from_on"] <= day) and (
        contract["until_on"] is None or contract["until_on"] >= day
    )
