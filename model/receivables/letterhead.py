"""What a company puts on its letters and statements: where to pay, whom to ask. Read from config/letters.toml."""

from __future__ import annotations

import tomllib
from collections.abc import Collection
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ops.errors import FatalError

OWN = "letters.toml"


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Lines(_Strict):
    """Printed lines in both languages."""

    zh: list[str] = Field(min_length=1)
    en: list[str] = Field(min_length=1)

    def of(self, language: str) -> list[str]:
        """The lines in `language`."""
        return self.zh if language == "zh" else self.en


class Account(Lines):
    """A bank account to pay into; without `currency` for all currencies that no other account names."""

    currency: str | None = Field(default=None, pattern=r"^[A-Z]{3}$")


class Letterhead(_Strict):
    """The file: bank accounts and whom to ask."""

    accounts: list[Account] = Field(default=[], alias="account")
    contact: Lines | None = None

    def pay_to(self, language: str, currencies: Collection[str]) -> list[str]:
        """The lines of the accounts that amounts in `currencies` are paid into; each account once."""
        named = {account.currency for account in self.accounts}
        wanted = set(currencies)
        if wanted - named:
            wanted.add("")
        return [
            line for account in self.accounts if (account.currency or "") in wanted for line in account.of(language)
        ]  # fmt: skip

    def ask(self, language: str) -> list[str]:
        """The lines that say whom to ask."""
        return [] if self.contact is None else self.contact.of(language)


def load(config_dir: Path | None) -> Letterhead:
    """config/letters.toml of an instance, empty where there is none; FatalError if it is not valid."""
    path = None if config_dir is None else config_dir / OWN
    if path is None or not path.is_file():
        return Letterhead()
    try:
        return Letterhead.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
    except (tomllib.TOMLDecodeError, ValidationError) as error:
        raise FatalError(
            f"{path} is not valid: {error}",
            valid="[[account]] with zh, en and currency (or none for all others); [contact] with zh and en",
        ) from error
