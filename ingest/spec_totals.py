"""What a source says of itself: how many records it has, and what they add up to, by an endpoint, a query or a file."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, model_validator

from ingest.spec_parts import Strict

Class = Literal["deleted", "void", "not_approved"]


class TotalSpec(Strict):
    """One report total of a source, compared with what is shown of `entity` after every run.

    HTTP: method, path, params, body; records is where the rows stand in the answer (empty: the answer is the row).
    SQL: query. count, amount and currency are paths in a row; amount is compared with the canonical column `field`, per
    currency. includes: classes of documents that the source counts as well and that are not shown.
    """

    name: str = Field(pattern=r"^[a-z0-9_]{1,40}$")
    entity: str
    method: Literal["GET", "POST"] = "GET"
    path: str = ""
    params: dict[str, Any] = Field(default={})
    body: dict[str, Any] = Field(default={})
    headers: dict[str, str] = Field(default={})
    records: str = ""
    query: str = ""
    count: str = "count"
    amount: str = ""
    currency: str = ""
    field: str = ""
    includes: list[Class] = Field(default=[])
    when: str = ""

    @model_validator(mode="after")
    def _needs(self) -> TotalSpec:
        if bool(self.amount) != bool(self.field):
            raise ValueError("amount (in the answer) and field (the canonical column) need each other")
        if self.amount and not self.currency:
            raise ValueError("amounts of several currencies are not added: give currency")
        if self.path and self.query:
            raise ValueError("a total is asked by a path or by a query")
        return self
