"""What a connector says about the vendor's webhooks and about reading single records: [webhook] and [target.<stream>].

A hook brings no data. It only says which record to read, or which stream to read soon.

    [webhook]
    scheme = "hmac-sha256"        # hmac-sha256 | hmac-sha1 | bearer (the secret itself in `header`) |
                                  # basic (password = the secret)
    header = "X-Signature"        # where the signature, or the secret, stands
    prefix = ""                   # what stands before it in that header, "sha256="
    encoding = "hex"              # hex | base64
    over = "{body}"               # what is signed: {timestamp} {method} {uri} {body}, in the vendor's order
    in_query = ""                 # bearer: name of a query parameter, for vendors that can send no header
    timestamp = ""                # header with the moment of sending; makes an old delivery worthless
    timestamp_format = "epoch"    # epoch | epoch_ms | iso
    tolerance_s = 300             # how far that moment may lie from now
    delivery = ""                 # header with the id of the delivery; a second one of that id is counted, not read
    delivery_path = ""            # the same in an event
    handshake = ""                # header that a first, empty call brings and wants back; it is the secret (Asana)
    challenge = ""                # path of a text in the body that a first call wants back (url_verification)
    events = ""                   # path of the list of events in the body; "" = the body is the one event
    kind_header = ""              # header that names the object, or
    kind = "type"                 # its path in an event
    split = ""                    # only what stands before this text in it counts: "." for company.creation
    id = "object.id"              # path of the record's id in an event; "" = the stream is read, no record
    setup = "…"                   # for people: where the vendor's own screens make such a hook, and who may
    [webhook.streams]             # the vendor's word → stream; what is not here is ignored
    company = "companies"

    [target.companies]            # how single records of a stream are read; without it: only with the whole stream
    by_id = { path = "companies/{ids}" }          # method, path, params, body, records, page replace the stream's;
                                  # filter = text put into {filter}; at_once = 1 ids of one call, joined by commas
                                  # into {ids}; incremental.by_id is taken where there is none
    of_customer = { filter = "AccountId = '{ids}'" }     # the records that belong to a customer, by the customer's id
"""

from __future__ import annotations

import string
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field, model_validator

from ingest.spec_parts import PageSpec, Strict

if TYPE_CHECKING:
    from ingest.spec import StreamSpec

SECRET = "webhook_secret"  # noqa: S105 - the name of a setting
ADDRESS = "webhook_url"
SETTINGS: dict[str, dict[str, Any]] = {
    SECRET: {"secret": True, "help": "secret shared with the vendor's webhook; without it hooks are refused"},
    ADDRESS: {"default": "", "help": "the hook's address as the vendor knows it, where a proxy changes it"},
}
"""Added to the settings of every connector with [webhook]; a connector may describe one otherwise."""
_SIGNED = {"timestamp", "method", "uri", "body"}


class WebhookSpec(Strict):
    """How the vendor signs its hooks and where they name a record."""

    scheme: Literal["hmac-sha256", "hmac-sha1", "bearer", "basic"]
    header: str = "Authorization"
    prefix: str = ""
    encoding: Literal["hex", "base64"] = "hex"
    over: str = "{body}"
    in_query: str = ""
    timestamp: str = ""
    timestamp_format: Literal["epoch", "epoch_ms", "iso"] = "epoch"
    tolerance_s: int = Field(default=300, ge=1, le=86400)
    delivery: str = ""
    delivery_path: str = ""
    handshake: str = ""
    challenge: str = ""
    events: str = ""
    kind_header: str = ""
    kind: str = ""
    split: str = ""
    id: str = ""
    setup: str
    streams: dict[str, str] = Field(min_length=1)

    @model_validator(mode="after")
    def _fits(self) -> WebhookSpec:
        names = {name for _, name, _, _ in string.Formatter().parse(self.over) if name is not None}
        if wrong := names - _SIGNED:
            raise ValueError(f"over: unknown {', '.join(sorted(wrong))}; valid: {', '.join(sorted(_SIGNED))}")
        if self.scheme.startswith("hmac") and "body" not in names:
            raise ValueError("over must hold {body}: a signature that does not cover it proves nothing")
        if ("timestamp" in names) and not self.timestamp:
            raise ValueError("over holds {timestamp}: say in which header it comes")
        if self.timestamp and "timestamp" not in names:
            raise ValueError("a timestamp that is not signed proves nothing: put {timestamp} into over")
        if bool(self.kind) == bool(self.kind_header):
            raise ValueError("say either kind or kind_header")
        return self


class AskSpec(Strict):
    """How a call for single records differs from the stream's own.

    quoted: {ids} is one id as JSON text with its quotation marks, so that ids of any characters can be asked for.
    """

    method: Literal["GET", "POST"] | None = None
    path: str | None = None
    params: dict[str, Any] | None = None
    body: dict[str, Any] | None = None
    records: str | None = None
    page: PageSpec | None = None
    filter: str = ""
    at_once: int = Field(default=1, ge=1, le=200)
    quoted: bool = False

    @model_validator(mode="after")
    def _one_by_one(self) -> AskSpec:
        if self.quoted and self.at_once > 1:
            raise ValueError("quoted ids are asked for one by one: leave at_once away")
        return self

    def shape(self, stream: StreamSpec) -> StreamSpec:
        """The stream as this call asks for it."""
        said = {key: getattr(self, key) for key in ("method", "path", "params", "body", "records", "page")}
        return stream.model_copy(update={key: value for key, value in said.items() if value is not None})


class TargetSpec(Strict):
    """How single records of a stream are read."""

    by_id: AskSpec | None = None
    of_customer: AskSpec | None = None


def with_settings(raw: Any) -> Any:
    """The description `raw` with the settings that every webhook needs."""
    if not isinstance(raw, dict) or "webhook" not in raw or not isinstance(raw.get("settings", {}), dict):
        return raw
    return {**raw, "settings": {**raw.get("settings", {}), **{k: v for k, v in SETTINGS.items()
                                                              if k not in raw.get("settings", {})}}}  # fmt: skip


def problem(webhook: WebhookSpec | None, targets: dict[str, TargetSpec], streams: Sequence[StreamSpec]) -> str | None:
    """What is wrong with the hooks and targets of a description, None when nothing is."""
    names = {stream.name for stream in streams}
    for where, named in (("webhook.streams", webhook.streams.values() if webhook else ()), ("target", targets)):
        if wrong := sorted(set(named) - names):
            return f"{where}: there is no stream {', '.join(wrong)}; valid: {', '.join(sorted(names))}"
    for stream in streams:
        target = targets.get(stream.name)
        if target and stream.parent:
            return f"target.{stream.name}: a substream is read with its parents"
    return None
