"""Every setting in one class: environment variables PGCRON_…, then the defaults here. Flags of the CLI win over both."""

from __future__ import annotations

import re
from ipaddress import IPv4Network, IPv6Network
from typing import Literal

from pydantic import Field, ValidationError, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict
from typing_extensions import Annotated  # noqa: UP035 - pydantic asks for this one before 3.12

from pgcron_py.errors import InvalidArguments

IPNetwork = IPv4Network | IPv6Network
SECRET_SETTINGS = frozenset({"database_url", "sql_connections"})
_CONNECTION = re.compile(r"(?:([A-Za-z0-9_.-]{1,63})=)?(postgres(?:ql)?://\S*)")


class Settings(BaseSettings):
    """Settings of workers, CLI and admin."""

    model_config = SettingsConfigDict(env_prefix="PGCRON_", extra="ignore", validate_default=True)

    database_url: str | None = Field(
        None, description="where the schema pgcron lives: postgresql://user:password@host/dbname"
    )
    app: str | None = Field(None, description="the application of a worker: MODULE or MODULE:ATTRIBUTE")
    concurrency: int = Field(100, ge=1, le=10_000, description="most runs at a time in one worker")
    processes: int = Field(4, ge=1, le=500, description="most `def` handlers at a time in one worker, a process each")
    queues: Annotated[list[str] | None, NoDecode] = Field(
        None, description="queues a worker serves, comma-separated; unset = all"
    )
    busy_share: float = Field(
        0.1,
        ge=0.01,
        le=1,
        description="share of their time for which workers claim from a backlog while other clients of the server commit much, all workers together; 1 = they never give way",
    )
    lease_ttl: float = Field(30.0, ge=2, le=3600, description="seconds after which a silent worker's runs are given up")
    beat: float = Field(6.0, gt=0, le=600, description="seconds between beats; at most a quarter of lease_ttl")
    shutdown_grace: float = Field(30.0, ge=0, le=86_400, description="seconds that runs may go on after SIGTERM")
    health_port: int | None = Field(
        None, ge=1, le=65_535, description="port of a worker's /health/live, /health/ready and /metrics; unset = none"
    )
    health_host: str = Field(
        "127.0.0.1", description="address of the health port; 0.0.0.0 = all, for probes from outside"
    )
    log_retention_days: int = Field(
        90,
        ge=0,
        le=36_500,
        description="days for which ended runs and misses are kept, unless their job says otherwise; 0 = for ever",
    )
    cancel_grace: float = Field(
        2.0, gt=0, le=3600, description="seconds from asking a run to end to SIGTERM, and again from there to SIGKILL"
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field("info", description="least level that is logged")
    log_format: Literal["auto", "console", "json"] = Field(
        "auto", description="auto = console on a terminal, else json"
    )

    sql_connections: Annotated[dict[str, str] | None, NoDecode] = Field(
        None,
        description="connections of the handler `pgcron.sql`: NAME=postgresql://… with spaces between; a URL without a name is `default`; unset = no such handler",
    )
    http_allow: Annotated[list[str] | None, NoDecode] = Field(
        None,
        description="URLs that the handler `pgcron.http` may ask, comma-separated: https://api.example.com/hooks/*, https://*.example.com; unset = no such handler",
    )
    http_allow_private: Annotated[list[IPNetwork] | None, NoDecode] = Field(
        None,
        description="networks that `pgcron.http` may reach although they are private, comma-separated: 10.1.0.0/16",
    )

    @field_validator("queues", "http_allow", "http_allow_private", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        return [part.strip() for part in value.split(",") if part.strip()] or None if isinstance(value, str) else value

    @field_validator("sql_connections", mode="before")
    @classmethod
    def _named(cls, value: object) -> object:
        return connections_of(value) if isinstance(value, str) else value

    @field_validator("beat")
    @classmethod
    def _beat_fits_lease(cls, beat: float, info: object) -> float:
        ttl = getattr(info, "data", {}).get("lease_ttl", 30.0)
        if beat > ttl / 4:
            raise ValueError(f"beat must be at most a quarter of lease_ttl ({ttl:g} s)")
        return beat


def connections_of(text: str) -> dict[str, str] | None:
    """`NAME=URL NAME=URL` as a mapping; a URL alone is `default`. Raises ValueError that tells no URL."""
    found: dict[str, str] = {}
    for number, part in enumerate(text.split(), 1):
        match = _CONNECTION.fullmatch(part)
        if match is None:
            raise ValueError(f"part {number} is not NAME=postgresql://… (a space in a URL is written %20)")
        name = match[1] or "default"
        if name in found:
            raise ValueError(f"two connections are named {name!r}")
        found[name] = match[2]
    return found or None


def load_settings(**overrides: object) -> Settings:
    """Settings from the environment; overrides that are not None win. Raises InvalidArguments naming the variable."""
    try:
        return Settings(**{name: value for name, value in overrides.items() if value is not None})  # type: ignore[arg-type]  # pydantic checks
    except ValidationError as error:
        first = error.errors()[0]
        name = str(first["loc"][0]) if first["loc"] else "settings"
        reason = first["msg"].removeprefix("Value error, ")
        is_secret = name in SECRET_SETTINGS
        shown = "can't be read" if is_secret else f"is {first['input']!r}"
        raise InvalidArguments(f"{name} (PGCRON_{name.upper()}) {shown}: {reason}") from (None if is_secret else error)
