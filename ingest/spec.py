"""The connector description: one folder `ingest/sources/<connector>/` with `source.toml` and, if needed, `hooks.py`.

A company's own connectors live in `<instance>/config/sources/<connector>/` and look the same.
Every key, with its default; an unknown key is refused and the valid ones are listed.

    [connector]
    name = "acme"                 # equals the folder name
    label = "Acme ERP"            # shown to people
    role = "erp"                  # crm | erp | tickets | projects | files
    docs = "https://…"            # the vendor's reference
    kind = "http"                 # http | sql (see Databases) | files (every stream is read by the hook `pages`)
    zone = "UTC"                  # zone of the vendor's times that carry none; may be "{settings.zone}"

    [settings.base_url]           # what c360.toml may set under settings; reachable as {settings.base_url}
    type = "text"                 # text | integer | number | boolean | list
    default = ""                  # required = true when there is none
    required = true
    secret = false                # true: the value is a reference, "env:NAME" or "file:NAME"
    choices = []                  # closed list of values
    help = "…"                    # a text default may hold {settings.y}

    [http]
    base_url = "{settings.base_url}"
    headers = {}                  # sent with every call
    params = {}                   # query parameters of every call
    body = {}                     # fields of every JSON body that is a table, for vendors who want a token there
    timeout_s = 60
    concurrency = 4               # calls in flight for substreams
    rate = "10/s"                 # calls per second | minute | hour: 10/s, 10/min, 1000/h; "" = no limit of ours
    attempts = 5                  # per call, with growing random waits; Retry-After wins
    max_wait_s = 120              # a longer Retry-After ends the run, which resumes next time
    max_age_s = 86400             # a started run older than this is begun anew, not resumed
    success = { path = "code", values = ["0"] }   # what a good body says (values compared as text)
    error_path = ["message"]      # where a failed body tells the reason
    errors = [ { status = [403], path = "errorCode", contains = "LIMIT", action = "retry", remedy = "…" } ]
                                  # first match wins; action: fail | retry | renew (log in again) | skip (empty page) |
                                  # refuse (this stream only) | later (stop, go on next run) | anew (this list) |
                                  # halve (the span of changes) | restart (the server's cursor is lost: read everything)
                                  # conditions: status, path with contains | values, or path alone (= present)

    [auth]                        # type: none | header | basic | refresh | client | session | hook
    type = "header"
    name = "Authorization"        # header: name and value
    value = "Bearer {settings.token}"
    username = "{settings.user}"  # basic
    password = "{settings.key}"
    token_url = "…"               # refresh, client (OAuth): token_url, client_id, client_secret, form; refresh: also
    client_id = "{settings.client_id}"      # refresh_setting = the name of the secret setting to rotate
    client_secret = "{settings.client_secret}"
    refresh_setting = "refresh_token"
    form = {}                     # further form fields
    token_path = "access_token"   # sent as name: prefix + token; the whole answer is reachable as {auth.…}
    prefix = "Bearer "
    path = "login"                # session: POST body to path; keeps cookies; success as in [http];
    body = {}                     #   headers = header name → path in the answer
    success = { path = "LoginResultType", values = ["1"] }
    headers = {}
    cooldown_s = 0                # least seconds between two logins
    choose = "{settings.auth}"    # instead of type: one of [auth.options.<name>], each a table as above
                                  # hook: hooks.login(call) -> dict of headers, and/or hooks.sign(call, request) -> dict

    [links]                       # entity → its page in the vendor's own screens (ingest/links.py)
    customer = "{settings.base_url}/accounts/{id}"      # {settings.x} but no secrets; {id}, {number}, {code} of the row

    [[stream]]
    name = "Account"              # the vendor's object; also the folder in landing
    entities = ["customer"]       # canonical entities it feeds (documentation, checked by model)
    method = "GET"                # GET | POST
    path = "accounts"             # joined to base_url; "https://…" and "/from/host/root" are taken as they are
    params = { since = "{window.start}" }   # a parameter that renders to nothing is not sent
    body = {}                     # JSON body (POST); {placeholders} work at any depth
    headers = {}
    records = "data.items"        # path of the list (an object is taken as one record); "" = the whole answer
    id = "id"                     # path, or several joined by ":"
    updated = "updated_at"        # path of the vendor's change stamp (documentation for mapping)
    fields = []                   # reachable as {fields} joined by commas, for vendors who want a field list
    rate = "10/min"               # a tighter limit for this stream
    bucket = "exports"            # streams with the same bucket share that limit
    page = { type = "single" }    # see Page below
    incremental = { type = "none" }          # see Incremental below
    deletes = { type = "none" }              # see Deletes below
    merges = { path = "MasterRecordId" }     # the loser carries the survivor's id and is deleted; or survivor side:
                                             #   { path = "merged_ids", on = "survivor", separator = ";" }
    parent = { stream = "tickets" }          # substream, see Parent below
    when = "{settings.audits}"    # the stream is read only when this is true
    assertions = { min_rows = 0, required = ["id"] }   # a full run with fewer rows fails, any with more than max_rows;
                                             #   every record has these paths; bounded = true: `updated` never lies
                                             #   before the window (else the source ignores the filter: the run fails)
    drop = ["attributes"]         # top-level keys not kept (links, volatile values that would look like changes)
    optional = false              # true: refused (403, 404, unknown object) is a warning, not a failure
    hook = {}                     # free table for the connector's own hooks

    page.type:  single                       one call
                next_url {path}              whole next address in the body
                cursor {path}                opaque cursor in the body → {page.cursor}
                link {rel = "next"}          RFC 8288 Link header
                offset {limit, total, overlap = 5}   {page.offset}, {page.limit}; re-reads the last rows to see shifts
                number {limit, first = 1, total}     {page.number}, {page.limit}
                keyset {key, initial = 0, limit, tie}    {page.after} = last key of the page before; ascending order.
                       unique = false: keys may repeat (time stamps, lines): write the filter with {page.op}, which
                       is > or >=; a page full of one key is read on with tie = {params, body, filter} and
                       {page.after_id} = the value at tie_key
       common:  limit = rows asked for; stop = { path, values } says "this was the last page" (wins over all else);
                short_is_last = true (offset, number, keyset: fewer rows than limit end the stream)
                restart = { pages, key, early = false }: after so many pages (a vendor's cap) the list is asked for
                          anew with {window.start} = the last row's key; rows must ascend by it; early: after every
                          page that is not full of one key, so that rows edited while one reads shift nothing
                job {…}   a query the vendor runs by itself and answers with a file: keys in ingest/jobs.py
    incremental.type: window  {window.start} and {window.end}; filter = text put into {filter}; full = text put into
                              {filter} on a full read; overlap_s = 600; initial = "1970-01-01T00:00:00Z";
                              format = iso | epoch | epoch_ms | a strftime pattern; zone (default connector.zone);
                              granularity_s = 1; lag_s = 0 (end of the window that long before now);
                              reread = ["open = 1"] further filters read every run; what such a filter listed
                              last time and no longer lists is read once more with by_id = "id in ({ids})"
                token   the server's own cursor: path in the answer, {cursor}; first run uses {window.start}; an
                        error rule with action = restart tells that it has expired
                full_every_h = 0: every so many hours everything is read again, for changes that move no stamp
                none    everything every run (what has not changed is not landed again)
    deletes.type: flag  {path, values = ["true"]}: the record says so itself
                  sweep {every_h = 24, max_percent = 20, params, body, path, records, filter}: list of ids (overrides
                         make it cheap); missing twice running = deleted; more missing than max_percent stops the sweep;
                        unknown twice running = one full read. method, page = another way to list ids; flag = as above
                feed  {path, params, records, id}: the vendor's list of deleted ids since {window.start}
                any   passes = [ {method, path, params, body, records, id, page, every_h = 0} ]: further lists that hold
                      deleted records only (archived, spam); what is left out is as in the stream. A list that also
                      names what the stream's own list names, or more than max_percent, marks nothing deleted
                  full  a full read lists everything: what it lacks is missing (twice running = deleted)
    parent: { stream, where = { path, values }, unless = { path, values }, records }: one call per changed parent, with
            {parent.<path>} and {parent_id}; records = path inside the parent's own document (no call at all).
            A parent's rows are replaced as a set. every_run = true: all parents, not only changed ones.

Databases (kind = "sql"; docs/databases.md): [sql] dialect = "mysql"   # postgresql | mysql | sqlserver
    settings host, port, database, user, password, tls, ca, row_security are there without being described.
    A stream has table = "schema.table" or query = "select …" instead of path, params, body, records and page; its id,
    updated, fields, drop and assertions name columns; incremental none or window (no filter: `updated` is compared
    as its type wants it; format and zone for numbers, texts and wall clocks), reread and by_id as conditions
    (columns are q.x); deletes none, flag, sweep or full.

Hooks and single records: [webhook] and [target.<stream>], every key in ingest/hook_spec.py.
The vendor's own totals: [[total]], every key in ingest/spec_totals.py.

Placeholders: {settings.x} {auth.x} {prepared.x} {window.start} {window.end} {filter} {fields} {cursor} {page.x}
{parent.x} {parent_id} {stream}. A text that is one placeholder keeps the value's type; an empty value removes the
parameter. "{{" and "}}" are literal braces.

hooks.py may define (all optional; `call` is ingest.hooks.Call: source, settings, stream, client, window, prepared):
    login(call) -> dict[str, str]                     headers for later calls (auth type hook)
    sign(call, request: httpx.Request) -> dict[str, str]    headers for one call (auth type hook)
    prepare(call) -> dict[str, Any]                   once per stream run, reachable as {prepared.x}
    pages(call, state) -> Iterator[list[dict] | tuple[list[dict], state]]    replaces HTTP paging for a stream whose
                                                      table says hook = { pages = true } (always for kind = "files");
                                                      a state given with a page lets a killed run continue there; a
                                                      page may be an ingest.writing.Batch of ready documents
                                                      (call.step: window, or sweep when all ids are wanted)
    records(call, payload) -> list[dict]              replaces the `records` path
    record(call, record: dict) -> dict | None         last word on one record; None drops it
"""

from __future__ import annotations

# ruff: noqa: RUF012 - pydantic copies the defaults of its models
import tomllib
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationError, model_validator

from ingest import hook_spec, links, spec_sql
from ingest.errors import SpecError
from ingest.hook_spec import TargetSpec, WebhookSpec
from ingest.spec_parts import (
    DeletesSpec,
    IncrementalSpec,
    MergesSpec,
    PageSpec,
    ParentSpec,
    Rate,
    Rule,
    Stop,
    Strict,
    explain,
)
from ingest.spec_sql import SqlSpec
from ingest.spec_totals import TotalSpec
from ops import toml_texts

SHIPPED = Path(__file__).parent / "sources"


class ConnectorSpec(Strict):
    """What the connector is."""

    name: str
    label: str
    role: Literal["crm", "erp", "tickets", "projects", "files"]
    docs: str = ""
    kind: Literal["http", "files", "sql"] = "http"
    zone: str = "UTC"


class SettingSpec(Strict):
    """One thing a company sets for its source."""

    type: Literal["text", "integer", "number", "boolean", "list"] = "text"
    default: Any = None
    required: bool = False
    secret: bool = False
    choices: list[str] = []
    help: str


class HttpSpec(Strict):
    """How to speak to the source."""

    base_url: str = ""
    headers: dict[str, str] = {}
    params: dict[str, Any] = {}
    body: dict[str, Any] = {}
    timeout_s: float = Field(default=60.0, gt=0)
    concurrency: int = Field(default=4, ge=1, le=32)
    rate: Rate = ""
    attempts: int = Field(default=5, ge=1, le=20)
    max_wait_s: float = Field(default=120.0, gt=0)
    max_age_s: float = Field(default=86400.0, gt=0)
    success: Stop | None = None
    error_path: list[str] = []
    errors: list[Rule] = []


class AuthSpec(Strict):
    """How to prove who we are; `choose` picks one of `options`."""

    type: Literal["none", "header", "basic", "refresh", "client", "session", "hook"] = "none"
    name: str = "Authorization"
    value: str = ""
    username: str = ""
    password: str = ""
    token_url: str = ""
    client_id: str = ""
    client_secret: str = ""
    refresh_setting: str = "refresh_token"
    form: dict[str, str] = {}
    token_path: str = "access_token"  # noqa: S105 - a place in an answer
    prefix: str = "Bearer "
    path: str = ""
    body: dict[str, Any] = {}
    success: Stop | None = None
    headers: dict[str, str] = {}
    cooldown_s: float = 0.0
    choose: str = ""
    options: dict[str, AuthSpec] = {}


class AssertionsSpec(Strict):
    """What must be true of every run of a stream."""

    min_rows: int = 0
    max_rows: int | None = None
    max_age_minutes: int | None = None
    required: list[str] = []
    bounded: bool = False


class StreamSpec(Strict):
    """One object of the vendor."""

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9_.-]{1,100}$")]
    entities: list[str] = []
    method: Literal["GET", "POST"] = "GET"
    path: str = ""
    params: dict[str, Any] = {}
    body: dict[str, Any] = {}
    headers: dict[str, str] = {}
    records: str = ""
    table: str = ""
    query: str = ""
    id: str | list[str]
    updated: str = ""
    fields: list[str] = []
    rate: Rate = ""
    bucket: str = ""
    page: PageSpec = PageSpec()
    incremental: IncrementalSpec = IncrementalSpec()
    deletes: DeletesSpec = DeletesSpec()
    merges: MergesSpec | None = None
    parent: ParentSpec | None = None
    when: str = ""
    assertions: AssertionsSpec = AssertionsSpec()
    drop: list[str] = []
    optional: bool = False
    hook: dict[str, Any] = {}

    @property
    def id_paths(self) -> list[str]:
        """The paths whose values, joined by ":", identify a record."""
        return [self.id] if isinstance(self.id, str) else self.id


class SourceSpec(Strict):
    """A whole source.toml."""

    connector: ConnectorSpec
    settings: dict[str, SettingSpec] = {}
    http: HttpSpec = HttpSpec()
    auth: AuthSpec = AuthSpec()
    sql: SqlSpec = SqlSpec()
    links: dict[str, str] = {}
    webhook: WebhookSpec | None = None
    targets: dict[str, TargetSpec] = Field(default={}, alias="target")
    streams: list[StreamSpec] = Field(alias="stream", min_length=1)
    totals: list[TotalSpec] = Field(alias="total", default=[])
    folder: Path = Field(default=SHIPPED, exclude=True)

    @model_validator(mode="before")
    @classmethod
    def _complete(cls, raw: Any) -> Any:
        return hook_spec.with_settings(spec_sql.with_settings(raw))

    @model_validator(mode="after")
    def _sql_fits(self) -> SourceSpec:
        if wrong := spec_sql.problem(self.connector.kind, self.sql, self.streams):
            raise ValueError(wrong)
        return self

    @model_validator(mode="after")
    def _streams_fit(self) -> SourceSpec:
        names = [stream.name for stream in self.streams]
        for name in sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"stream {name!r} is described twice")
        for place, stream in enumerate(self.streams):
            if stream.assertions.bounded and (not stream.updated or stream.incremental.type != "window"):
                raise ValueError(f"stream {stream.name!r}: assertions.bounded needs updated and a window")
            if stream.parent and stream.parent.stream not in names[:place]:
                raise ValueError(f"stream {stream.name!r}: parent {stream.parent.stream!r} must be described before it")
        return self

    @model_validator(mode="after")
    def _hooks_fit(self) -> SourceSpec:
        if wrong := hook_spec.problem(self.webhook, self.targets, self.streams):
            raise ValueError(wrong)
        return self

    @model_validator(mode="after")
    def _links_fit(self) -> SourceSpec:
        entities = {entity for stream in self.streams for entity in stream.entities}
        for entity, template in self.links.items():
            if entity not in entities:
                raise ValueError(f"links: no stream feeds {entity!r}; valid: {', '.join(sorted(entities))}")
            if wrong := links.problem(template, self.settings):
                raise ValueError(f"links.{entity}: {wrong}")
        return self

    def stream(self, name: str) -> StreamSpec:
        """The stream called `name`; SpecError lists the streams there are."""
        for stream in self.streams:
            if stream.name == name:
                return stream
        names = ", ".join(stream.name for stream in self.streams)
        raise SpecError(f"connector {self.connector.name} has no stream {name!r}", valid=names)

    @classmethod
    def parse(cls, raw: dict[str, Any], where: str, folder: Path) -> SourceSpec:
        """Validate a description; SpecError lists every problem at once, with the valid keys."""
        try:
            spec = cls.model_validate({**raw, "folder": folder})
        except ValidationError as error:
            problems = explain(error, cls)
            raise SpecError(
                f"{where} has {len(problems)} problem(s): " + "; ".join(problems),
                remedy="see the keys in the docstring of ingest.spec",
            ) from error
        if spec.connector.name != folder.name:
            raise SpecError(
                f"{where}: connector.name is {spec.connector.name!r}, the folder is {folder.name!r}",
                remedy="give both the same name",
            )
        return spec

    @classmethod
    def load(cls, connector: str, config_dir: Path | None = None) -> SourceSpec:
        """The description of `connector`: the company's own (`config_dir`/sources) before the shipped one."""
        found = discover(config_dir)
        if connector not in found:
            raise SpecError(
                f"there is no connector {connector!r}",
                valid=", ".join(sorted(found)),
                remedy="correct it in c360.toml, or write one with `c360 source new`",
            )
        path = found[connector] / "source.toml"
        try:
            raw = toml_texts.read(path.read_text(encoding="utf-8"))
        except tomllib.TOMLDecodeError as error:
            raise SpecError(f"{path} is not valid TOML: {error}") from error
        return cls.parse(raw, f"{connector}/source.toml", found[connector])


def discover(config_dir: Path | None = None) -> dict[str, Path]:
    """Connector name → folder, of every folder with a source.toml; a company's own hides a shipped one."""
    places = [SHIPPED] + ([config_dir / "sources"] if config_dir else [])
    return {path.parent.name: path.parent for place in places for path in sorted(place.glob("*/source.toml"))}
