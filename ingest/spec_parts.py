"""The small pieces a connector description is made of: paging, change detection, deletes, merges, parents."""

from __future__ import annotations

import difflib
import re
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

_RATE = re.compile(r"^(\d+(?:\.\d+)?)/(s|min|h)$")
_SECONDS = {"s": 1.0, "min": 60.0, "h": 3600.0}


class Strict(BaseModel):
    """A table of the description: unknown keys are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def parse_rate(text: str) -> tuple[float, float]:
    """(calls, seconds) of a rate such as 10/s, 10/min or 1000/h; ValueError lists the forms."""
    match = _RATE.match(text)
    if not match:
        raise ValueError(f"{text!r} is not a rate; valid: 10/s, 10/min, 1000/h")
    return float(match.group(1)), _SECONDS[match.group(2)]


def _rate(text: str) -> str:
    if text and "{" not in text:
        parse_rate(text)
    return text


Rate = Annotated[str, AfterValidator(_rate)]


class Stop(Strict):
    """A place in a body and the values, compared as text, that it must have; no values: it must be there."""

    path: str
    values: list[str] = []


class Rule(Strict):
    """An answer to recognise and what to do about it."""

    status: list[int] = []
    path: str = ""
    contains: str = ""
    values: list[str] = []
    action: Literal["fail", "retry", "renew", "skip", "refuse", "later", "restart", "anew", "halve"] = "fail"
    remedy: str = ""


class RestartSpec(Strict):
    """Past a vendor's cap: after so many pages a new list from the last value of `key`, which must ascend.

    `early` begins the new list after every page: rows that move to the end while the list is read then shift nothing.
    """

    pages: int = Field(ge=1)
    key: str
    early: bool = False


class JobSpec(Strict):
    """A query that the vendor runs by itself: started by the stream's own call, asked about, fetched as a file."""

    id: str
    poll: str
    poll_method: Literal["GET", "POST"] = "GET"
    poll_body: dict[str, Any] = {}
    done: Stop
    failed: Stop | None = None
    every_s: float = Field(default=5.0, gt=0)
    timeout_s: float = Field(default=7200.0, gt=0)
    result: str = ""
    result_path: str = ""
    result_params: dict[str, Any] = {}
    format: Literal["csv", "jsonl"] = "jsonl"
    locator: str = ""
    hosts: list[str] = []

    @model_validator(mode="after")
    def _needs(self) -> JobSpec:
        if bool(self.result) == bool(self.result_path):
            raise ValueError("a job needs result (an address) or result_path (where the answer to poll says it)")
        return self


class PageSpec(Strict):
    """How a list is paged."""

    type: Literal["single", "next_url", "cursor", "link", "offset", "number", "keyset", "job"] = "single"
    path: str = ""
    rel: str = "next"
    limit: int = Field(default=100, ge=1)
    total: str = ""
    first: int = 1
    overlap: int = Field(default=5, ge=0)
    key: str = ""
    initial: Any = 0
    unique: bool = True
    tie: dict[str, Any] = {}
    tie_key: str = ""
    stop: Stop | None = None
    short_is_last: bool = True
    restart: RestartSpec | None = None
    job: JobSpec | None = None

    @model_validator(mode="after")
    def _needs(self) -> PageSpec:
        if (self.type == "job") != (self.job is not None):
            raise ValueError("page type job needs the table job, and no other type has one")
        if self.restart and self.type in {"single", "keyset", "job"}:
            raise ValueError(f"page type {self.type} has no restart: it meets no cap")
        if self.type in {"next_url", "cursor"} and not self.path:
            raise ValueError(f"page type {self.type} needs path")
        if self.type == "keyset" and not self.key:
            raise ValueError("page type keyset needs key")
        if self.type == "keyset" and not self.unique and not (self.tie and self.tie_key):
            raise ValueError("page type keyset with unique = false needs tie and tie_key: equal keys would be lost")
        return self


class IncrementalSpec(Strict):
    """How changes are found."""

    type: Literal["window", "token", "none"] = "none"
    filter: str = ""
    full: str | None = None
    overlap_s: int = Field(default=600, ge=0)
    initial: str = "1970-01-01T00:00:00Z"
    format: str = "iso"
    zone: str = ""
    granularity_s: int = Field(default=1, ge=1)
    lag_s: int = Field(default=0, ge=0)
    reread: list[str] = []
    by_id: str = ""
    path: str = ""
    full_every_h: float = Field(default=0.0, ge=0)

    @model_validator(mode="after")
    def _needs(self) -> IncrementalSpec:
        if self.type == "token" and not self.path:
            raise ValueError("incremental type token needs path, the place of the cursor in the answer")
        return self


class PassSpec(Strict):
    """A further list that holds deleted records only; what is not said is as in the stream."""

    method: Literal["GET", "POST"] | None = None
    path: str | None = None
    params: dict[str, Any] | None = None
    body: dict[str, Any] | None = None
    records: str | None = None
    id: str = ""
    page: PageSpec | None = None
    every_h: float = Field(default=0.0, ge=0)


class DeletesSpec(Strict):
    """How a deletion in the source shows."""

    type: Literal["none", "flag", "sweep", "feed", "full"] = "none"
    passes: list[PassSpec] = []
    path: str = ""
    values: list[str] = ["true"]
    flag: Stop | None = None
    every_h: float = Field(default=24.0, ge=0)
    max_percent: float = Field(default=20.0, gt=0, le=100)
    method: Literal["GET", "POST"] | None = None
    params: dict[str, Any] | None = None
    body: dict[str, Any] | None = None
    records: str | None = None
    id: str = ""
    filter: str | None = None
    page: PageSpec | None = None

    @model_validator(mode="after")
    def _needs(self) -> DeletesSpec:
        if self.type in {"flag", "feed"} and not self.path:
            raise ValueError(f"deletes type {self.type} needs path")
        return self

    @property
    def told(self) -> Stop | None:
        """Where a record says itself that it is deleted; None where it never does."""
        return Stop(path=self.path, values=self.values) if self.type == "flag" else self.flag


class MergesSpec(Strict):
    """Where a merge shows: the loser names its survivor, or the survivor lists its losers."""

    path: str
    on: Literal["loser", "survivor"] = "loser"
    separator: str = ";"


class ParentSpec(Strict):
    """A substream: asked, or taken from the document, once per changed record of another stream."""

    stream: str
    where: Stop | None = None
    unless: Stop | None = None
    records: str | None = None
    every_run: bool = False


def explain(error: ValidationError, model: type[BaseModel]) -> list[str]:
    """One readable sentence per problem of a pydantic error, valid keys listed for unknown ones."""
    return [_sentence(item, model) for item in error.errors()]


def _sentence(item: Any, model: type[BaseModel]) -> str:
    where = ".".join(str(part) for part in item["loc"])
    if item["type"] != "extra_forbidden":
        return f"{where}: {item['msg']}"
    table = _model_at(model, item["loc"][:-1])
    valid = sorted(field.alias or name for name, field in table.model_fields.items())
    near = difflib.get_close_matches(str(item["loc"][-1]), valid, n=1)
    hint = f" (did you mean {near[0]!r}?)" if near else ""
    return f"{where}: unknown key{hint}; valid: {', '.join(valid)}"


def _model_at(model: type[BaseModel], loc: tuple[Any, ...]) -> type[BaseModel]:
    for part in loc:
        for name, field in model.model_fields.items():
            if part == (field.alias or name):
                model = _inner(field.annotation) or model
    return model


def _inner(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    for part in getattr(annotation, "__args__", ()):
        found = _inner(part)
        if found is not None:
            return found
    return None
