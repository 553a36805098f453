"""Identifiers: Chinese company numbers with their check digits (GB 32100-2015, GB 11714), vendor ids, phones."""

from __future__ import annotations

from random import Random

USCC_ALPHABET = "0123456789ABCDEFGHJKLMNPQRTUWXY"
_USCC_WEIGHTS = tuple(pow(3, place, 31) for place in range(17))
_USCC_VALUE = {letter: value for value, letter in enumerate(USCC_ALPHABET)}
_ORG_WEIGHTS = (3, 7, 9, 10, 5, 8, 4, 2)
_SF_SUFFIX = "ABCDEFGHIJKLMNOPQRSTUVWXYZ012345"
_BASE62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_MOBILE_PREFIXES = ("135", "136", "137", "138", "139", "150", "158", "159", "177", "180", "186", "188", "189")


def organisation_check(body: str) -> str:
    """Check character of an 8-character 组织机构代码 (GB 11714)."""
    total = sum(int(c, 36) * w for c, w in zip(body, _ORG_WEIGHTS, strict=True))
    return "0123456789X0"[11 - total % 11]


def uscc_check(body: str) -> str:
    """Check character of the first 17 characters of a 统一社会信用代码 (GB 32100-2015)."""
    total = sum(_USCC_VALUE[c] * w for c, w in zip(body, _USCC_WEIGHTS, strict=True))
    return USCC_ALPHABET[(31 - total % 31) % 31]


def uscc_ok(code: str) -> bool:
    """Both check digits hold."""
    return (
        len(code) == 18
        and set(code) <= set(USCC_ALPHABET)
        and uscc_check(code[:17]) == code[17]
        and organisation_check(code[8:16]) == code[16]
    )


def uscc(region: str, organisation: str) -> str:
    """An enterprise's code from a 6-digit region and the 8 characters of its organisation code."""
    body = "91" + region + organisation + organisation_check(organisation)
    return body + uscc_check(body)


def new_uscc(rng: Random, region: str) -> str:
    """A fresh valid code; the organisation code begins MA as those issued since 2015 do."""
    tail = "".join(USCC_ALPHABET[int(rng.random() * 31)] for _ in range(5))
    return uscc(region, "MA" + "0123456789"[int(rng.random() * 10)] + tail)


def old_tax_number(code: str) -> str:
    """The 15-character 税务登记号 that the same company had before 2015."""
    return code[2:17]


def salesforce_id(prefix: str, number: int) -> str:
    """An 18-character id: 3 of key prefix, 12 of number, 3 of case checksum."""
    digits = []
    for _ in range(7):
        number, place = divmod(number, 62)
        digits.append(_BASE62[place])
    body = prefix + "5g000" + "".join(reversed(digits))
    return body + salesforce_suffix(body)


def salesforce_suffix(body: str) -> str:
    """The 3 characters that make a 15-character id safe where case is lost."""
    return "".join(
        _SF_SUFFIX[sum(1 << place for place, c in enumerate(body[k : k + 5]) if "A" <= c <= "Z")] for k in (0, 5, 10)
    )


def mobile(rng: Random) -> str:
    """A plausible mainland mobile number, digits only."""
    return f"{_MOBILE_PREFIXES[int(rng.random() * 13)]}{int(rng.random() * 1e8):08d}"


def landline(rng: Random, area: str) -> str:
    """A plausible landline number with area code."""
    digits = 8 if len(area) == 3 or area in {"0512", "0755", "0571", "0574", "0531", "0532"} else 7
    return f"{area}-{2 + int(rng.random() * 7)}{int(rng.random() * 10 ** (digits - 1)):0{digits - 1}d}"


def styled_mobile(rng: Random, number: str) -> str:
    """The same mobile number as different people type it."""
    choice = rng.random()
    if choice < 0.7:
        return number
    if choice < 0.8:
        return f"{number[:3]} {number[3:7]} {number[7:]}"
    if choice < 0.9:
        return f"+86 {number}"
    return f"{number[:3]}-{number[3:7]}-{number[7:]}"


def bank_account(rng: Random) -> str:
    """A 19-digit account number."""
    return f"6222{int(rng.random() * 1e15):015d}"


def tax_invoice_number(rng: Random, year: int, region: str) -> str:
    """A 20-digit 数电票 number: year, province, channel, serial."""
    return f"{year % 100:02d}{region[:2]}2{int(rng.random() * 1e15):015d}"
