"""The parts of an organisation's name."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class OrganisationName:
    """The parts of one name; a part that is absent is ''.

    `trade_name` is what tells it apart; for Latin script it keeps its words in order. `region` is the place as
    written, `region_code` its GB/T 2260 code (Chinese names only). `branch` is the branch's own words, and `parent`
    the name of the entity it belongs to, as far as the name says it. `note` is a remark that is no part of the name.
    """

    raw: str
    trade_name: str = ""
    region: str = ""
    region_code: str = ""
    industry: str = ""
    legal_form: str = ""
    branch: str = ""
    parent: str = ""
    note: str = ""
    script: str = "latin"

    @property
    def is_branch(self) -> bool:
        """True for a part of a legal entity: it is never equal to the head office."""
        return bool(self.branch)

    @property
    def core(self) -> str:
        """The name for exact comparison: without legal form, remark and marks; a branch keeps its words."""
        parts = (self.region, self.trade_name, self.industry, self.branch)
        return " ".join(part for part in parts if part)
