"""The instance folder: one company's configuration, secrets, landing, warehouse, published builds and store.

c360.toml     company, mode, zone, currencies, sources, schedules, mail
config/       overlays over shipped mappings, rules, policies, survivorship, texts
secrets/      0600; rotated tokens are written here
landing/  warehouse/  published/  ops.db
"""

from __future__ import annotations

import os
import tempfile
import tomllib
from datetime import date
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal

import tomli_w
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from ops.errors import FatalError, unknown_keys
from ops.secrets import is_ref, resolve
from ops.store import Store

Role = Literal["crm", "erp", "tickets", "projects", "files"]
MANUAL = "manual"
"""A schedule that never comes: the source is collected when somebody asks. TOML has no word for nothing."""


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)


class SourceConfig(_Strict):
    """One source system of this company: which connector, with which settings, how often."""

    name: str = Field(pattern=r"^[a-z][a-z0-9_-]{0,39}$")
    connector: str
    role: Role
    settings: dict[str, Any] = {}
    schedule: str | None = Field(default="every 15m", description='five cron fields, "every 15m", or "manual"')
    status: Literal["active", "shadow", "off"] = "active"
    max_age_minutes: int = 60
    stream_max_age_minutes: dict[str, Annotated[int, Field(ge=0)]] = Field(
        default={}, description="limits of single streams, apart from the others; 0 takes the connector's away"
    )
    links: dict[str, str] = Field(default={}, description="entity → address template, over those of the connector")
    keep_versions_days: int | None = Field(default=None, ge=1, description="superseded versions leave landing after it")
    legal_hold: bool = Field(default=False, description="nothing of this source leaves landing")

    @field_validator("schedule")
    @classmethod
    def _by_hand(cls, value: str | None) -> str | None:
        return None if value == MANUAL else value


class MailConfig(_Strict):
    """The SMTP server that carries digests and alerts."""

    host: str
    port: int = 587
    security: Literal["starttls", "tls", "none"] = "starttls"
    user: str | None = None
    password: str | None = Field(default=None, description="a secret reference, env:NAME or file:NAME")
    sender: str = "customer360@localhost"


class WebConfig(_Strict):
    """Where the app listens and what its links begin with."""

    host: str = "127.0.0.1"
    port: int = 8501
    public_url: str | None = None


class ChannelConfig(_Strict):
    """A robot or webhook that carries alerts to one person (instead of mail) or to a group.

    `who`: one person (employee key, mail or staff number), or any of "team:NAME", "all", "unowned", "integration"
    and several persons. A group sees what `role` may see; the default sees no masked value.
    """

    name: str = Field(pattern=r"^[a-z][a-z0-9_-]{0,19}$")
    type: Literal["wecom", "dingtalk", "feishu", "slack", "teams", "webhook"]
    address: str = Field(description="a secret reference to the whole URL, env:NAME or file:NAME")
    secret: str | None = Field(default=None, description="a secret reference to the signing key")
    keyword: str | None = Field(default=None, description="the word the robot insists on, put before every message")
    language: Literal["zh", "en"] | None = None
    who: list[str] = Field(min_length=1)
    role: str = "operator"

    @field_validator("name")
    @classmethod
    def _is_free(cls, value: str) -> str:
        if value == "mail":
            raise ValueError("mail is configured by [mail]; give the channel another name")
        return value

    @field_validator("address", "secret")
    @classmethod
    def _is_reference(cls, value: str | None) -> str | None:
        if value is not None and not is_ref(value):
            raise ValueError("an address is a secret: write env:NAME or file:NAME, never the value")
        return value


class PersonConfig(_Strict):
    """What differs for one person: language, role, and who stands in (always when escalated, wholly while away)."""

    who: str = Field(description="employee key, mail or staff number")
    language: Literal["zh", "en"] | None = None
    role: str | None = None
    deputy: str | None = None
    away_from: date | None = None
    away_until: date | None = Field(default=None, description="the last day away")


class AlertsConfig(_Strict):
    """Who looks after alerts that nobody owns, and how long a digest may be."""

    unowned: str | None = Field(default=None, description="who receives alerts of customers without a reachable owner")
    integration: str | None = Field(default=None, description="who receives alerts about sources")
    lines: int = Field(default=12, ge=1, description="lines per rule in a digest; the rest is counted")


class LandingConfig(_Strict):
    """The S3-compatible store that holds landing; the instance's folder is then its working copy."""

    path: str = Field(description="s3://bucket/prefix, or file:///folder")
    endpoint: str | None = Field(default=None, description="another store than Amazon's")
    region: str = "us-east-1"
    access_key: str | None = Field(default=None, description="a secret reference, env:NAME or file:NAME")
    secret_key: str | None = Field(default=None, description="a secret reference, env:NAME or file:NAME")

    @field_validator("path")
    @classmethod
    def _is_address(cls, value: str) -> str:
        if not value.startswith(("s3://", "file:///")) or len(value.partition("://")[2].strip("/")) == 0:
            raise ValueError("write s3://bucket/prefix or file:///folder")
        return value

    @field_validator("access_key", "secret_key")
    @classmethod
    def _is_reference(cls, value: str | None) -> str | None:
        if value is not None and not is_ref(value):
            raise ValueError("a key is a secret: write env:NAME or file:NAME, never the value")
        return value


class InstanceConfig(_Strict):
    """c360.toml."""

    company: str = "Company"
    mode: Literal["live", "demo"] = "live"
    zone: str = "Asia/Shanghai"
    base_currency: str = Field(default="CNY", pattern=r"^[A-Z]{3}$")
    group_currency: str | None = None
    language: Literal["zh", "en"] = "zh"
    keep_builds: int = Field(default=5, ge=2)
    store_url: str | None = None
    landing: LandingConfig | None = None
    mail: MailConfig | None = None
    web: WebConfig = WebConfig()
    alerts: AlertsConfig = AlertsConfig()
    channels: list[ChannelConfig] = Field(default=[], alias="channel")
    people: list[PersonConfig] = Field(default=[], alias="person")
    sources: list[SourceConfig] = Field(default=[], alias="source")

    def source(self, name: str) -> SourceConfig:
        """The source called `name`; FatalError names the ones there are."""
        for source in self.sources:
            if source.name == name:
                return source
        names = ", ".join(source.name for source in self.sources) or "none configured yet"
        raise FatalError(f"there is no source {name!r}", valid=names, remedy="check the name in c360.toml")


class Instance:
    """An opened instance folder."""

    def __init__(self, home: Path, config: InstanceConfig) -> None:
        self.home, self.config = home.resolve(), config
        self.landing = self.home / "landing"
        self.warehouse = self.home / "warehouse"
        self.published = self.home / "published"
        self.secrets = self.home / "secrets"
        self.config_dir = self.home / "config"
        self.models = self.home / "models"
        self._read_at = 0
        self._written = {source.name: source.model_copy(deep=True) for source in config.sources}

    @cached_property
    def store(self) -> Store:
        """The operational store, opened and migrated on first use."""
        url = self.config.store_url
        if url is not None and is_ref(url):
            url = resolve(url, self.secrets)
        return Store(url or f"sqlite:///{self.home / 'ops.db'}")

    @classmethod
    def load(cls, home: Path) -> Instance:
        """Open the instance at `home`; FatalError says what is wrong in c360.toml, all problems at once."""
        path = home / "c360.toml"
        if not path.is_file():
            raise FatalError(
                f"{home} is not an instance: c360.toml is missing", remedy="run `c360 init` or `c360 demo`"
            )
        try:
            raw = tomllib.loads(path.read_text(encoding="utf-8"))
        except tomllib.TOMLDecodeError as error:
            raise FatalError(f"{path} is not valid TOML: {error}", remedy="correct the line it names") from error
        return cls(home, parse_config(raw, str(path)))

    @classmethod
    def create(cls, home: Path, config: InstanceConfig) -> Instance:
        """Write `config` to `home`/c360.toml (atomically) and make the folders."""
        instance = cls(home, config)
        for folder in (instance.landing, instance.warehouse, instance.published, instance.config_dir):
            folder.mkdir(parents=True, exist_ok=True)
        instance.secrets.mkdir(mode=0o700, parents=True, exist_ok=True)
        instance.save()
        return instance

    def reread_sources(self) -> bool:
        """Take up what c360.toml says now of the sources, as far as it has changed; whether something has.

        What a person decides on a page or writes into the file holds for every process at work. A file that cannot
        be read changes nothing; a source that was taken out stays until a restart, for its data are still shown.
        """
        path = self.home / "c360.toml"
        try:
            written = path.stat().st_mtime_ns
            if written == self._read_at:
                return False
            fresh = {source.name: source for source in Instance.load(self.home).config.sources}
        except (OSError, FatalError):
            return False
        self._read_at = written
        mine = {source.name: source for source in self.config.sources}
        changed = {name: one for name, one in fresh.items() if one != self._written.get(name)}
        for name in mine.keys() & fresh.keys() - changed.keys():
            if mine[name].status != fresh[name].status:  # what shows it follows the file in any case
                changed[name] = mine[name].model_copy(update={"status": fresh[name].status})
        self._written = {name: one.model_copy(deep=True) for name, one in fresh.items()}
        if changed:
            self.config.sources = list((mine | changed).values())
        return bool(changed)

    def save(self) -> None:
        """Write c360.toml atomically from the configuration in memory."""
        document = self.config.model_dump(by_alias=True, exclude_none=True)
        for source in document["source"]:
            source.setdefault("schedule", MANUAL)
        # an empty list written out would forbid a person to add [[source]] below it
        document = {key: value for key, value in document.items() if value != []}
        handle, temporary = tempfile.mkstemp(dir=self.home, prefix=".c360.")
        with os.fdopen(handle, "wb") as file:
            tomli_w.dump(document, file)
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).replace(self.home / "c360.toml")


def parse_config(raw: dict[str, Any], where: str) -> InstanceConfig:
    """Validate a c360.toml document; every problem is listed in one FatalError."""
    try:
        return InstanceConfig.model_validate(raw)
    except ValidationError as error:
        problems = [_problem(item, raw) for item in error.errors()]
        raise FatalError(
            f"{where} has {len(problems)} problem(s): " + "; ".join(problems),
            remedy="correct them and run `c360 check`",
        ) from error


def _problem(item: Any, raw: dict[str, Any]) -> str:
    path = ".".join(str(part) for part in item["loc"])
    if item["type"] != "extra_forbidden":
        return f"{path}: {item['msg']}"
    models: dict[str, type[BaseModel]] = {
        "source": SourceConfig,
        "landing": LandingConfig,
        "mail": MailConfig,
        "web": WebConfig,
        "alerts": AlertsConfig,
        "channel": ChannelConfig,
        "person": PersonConfig,
    }
    model = models.get(str(item["loc"][0]), InstanceConfig) if len(item["loc"]) > 1 else InstanceConfig
    valid = [field.alias or name for name, field in model.model_fields.items()]
    unknown = unknown_keys([str(item["loc"][-1])], valid, path)
    return str(unknown) if unknown else path
