"""Every setting of the admin: environment variables PGCRON_ADMIN_…, then the defaults here. Flags win over both."""

from __future__ import annotations

import ipaddress
import re
import secrets
from ipaddress import IPv4Network, IPv6Network
from typing import Literal
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict
from typing_extensions import Annotated  # noqa: UP035 - pydantic asks for this one before 3.12

from pgcron_py.errors import InvalidArguments

IPNetwork = IPv4Network | IPv6Network
Algorithm = Literal["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "EdDSA", "HS256", "HS512"]
PREFIX = "PGCRON_ADMIN_"
SECRET_LENGTH = 32
SECRET_HINT = (
    'make one with python -c "import secrets; print(secrets.token_urlsafe(32))" and give all processes the same'
)
# What examples and quick starts contain, and so what somebody else knows too.
KNOWN_WORDS = ("changeme", "change-me", "change_me", "default", "example", "insecure", "password", "secret", "your-")


class AdminSettings(BaseSettings):
    """Settings of `pgcron admin`, and of `create_app` in somebody else's application."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, extra="ignore", validate_default=True, populate_by_name=True, hide_input_in_errors=True
    )

    database_url: str = Field(
        validation_alias="PGCRON_DATABASE_URL", description="where the schema pgcron lives, as a member of pgcron_web"
    )
    secret: SecretStr | None = Field(
        None, description="what forms and throttles are signed with: at least 32 characters, the same in all processes"
    )
    dev: bool = Field(
        False, description="for one's own machine: plain HTTP, and a secret of the process where none is given"
    )
    base_path: str = Field("", description="path below which a reverse proxy shows the admin, such as /cron")
    public_url: str | None = Field(
        None, description="the address that browsers use, such as https://cron.example.com; unset = what Host says"
    )
    trusted_proxies: Annotated[tuple[IPNetwork, ...], NoDecode] = Field(
        (), description="networks whose X-Forwarded-For, -Proto and -Host are believed, comma-separated"
    )
    allowed_hosts: Annotated[tuple[str, ...], NoDecode] = Field(
        (),
        description="host names that are answered, comma-separated; unset = any, on a loopback address its names only",
    )
    session_idle: int = Field(1800, ge=60, le=86_400, description="seconds after which an unused session ends")
    session_lifetime: int = Field(43_200, ge=300, le=2_592_000, description="seconds after which any session ends")
    jwt_issuer: str | None = Field(None, description="issuer whose JWTs are taken as bearer tokens; unset = none")
    jwt_audience: str | None = Field(None, description="audience that a JWT must name")
    jwt_algorithms: Annotated[tuple[Algorithm, ...], NoDecode] = Field(
        ("RS256",), description="algorithms of JWTs that are taken, comma-separated"
    )
    jwt_key: SecretStr | None = Field(
        None, description="key of the issuer: a public key as PEM, or the shared secret of HS256 and HS512"
    )
    jwt_jwks: str | None = Field(None, description="key set of the issuer: a file, or an https:// URL")
    jwt_permissions_claim: str = Field("permissions", description="claim of a JWT that lists permissions")
    jwt_name_claim: str = Field("sub", description="claim of a JWT that names who sends it")
    jwt_leeway: int = Field(30, ge=0, le=300, description="seconds that clocks may differ by")
    runs_per_minute: int = Field(10, ge=1, le=100_000, description="runs now that one user may ask for in a minute")
    all_runs_per_minute: int = Field(60, ge=1, le=100_000, description="runs now that all may ask for in a minute")
    pool_size: int = Field(10, ge=1, le=200, description="most connections of a process to the database")
    body_limit: int = Field(65_536, ge=1024, le=16_777_216, description="most bytes of a request's body")
    metrics_token: SecretStr | None = Field(
        None, description="bearer token of /metrics, at least 16 characters; unset = no /metrics"
    )

    @field_validator("trusted_proxies", "allowed_hosts", "jwt_algorithms", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        return tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value

    @field_validator("base_path")
    @classmethod
    def _is_path(cls, value: str) -> str:
        if value and not re.fullmatch(r"(/[A-Za-z0-9_.~-]+)+", value):
            raise ValueError("a base path begins with / and doesn't end with one, such as /cron")
        return value

    @field_validator("public_url")
    @classmethod
    def _is_origin(cls, value: str | None) -> str | None:
        parts = urlsplit(value or "")
        if value is not None and (parts.scheme not in ("http", "https") or not parts.netloc or parts.path.strip("/")):
            raise ValueError("write scheme and host only, such as https://cron.example.com; paths are base_path")
        return value.rstrip("/").lower() if value else None

    @field_validator("metrics_token")
    @classmethod
    def _is_long(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None and len(value.get_secret_value()) < 16:
            raise ValueError("a token of metrics has at least 16 characters")
        return value

    @field_validator("secret")
    @classmethod
    def _is_strong(cls, value: SecretStr | None) -> SecretStr | None:
        text = None if value is None else value.get_secret_value()
        if text is not None and len(text) < SECRET_LENGTH:
            raise ValueError(f"a secret has at least {SECRET_LENGTH} characters: {SECRET_HINT}")
        if text is not None and (len(set(text)) < 10 or any(word in text.lower() for word in KNOWN_WORDS)):
            raise ValueError(f"this looks like the secret of an example: {SECRET_HINT}")
        return value

    @model_validator(mode="after")
    def _belong_together(self) -> AdminSettings:
        if self.jwt_issuer is None:
            return self
        if self.jwt_audience is None:
            raise ValueError(f"{PREFIX}JWT_AUDIENCE is needed with {PREFIX}JWT_ISSUER")
        if (self.jwt_key is None) == (self.jwt_jwks is None):
            raise ValueError(f"with {PREFIX}JWT_ISSUER, give one of {PREFIX}JWT_KEY and {PREFIX}JWT_JWKS")
        kinds = {algorithm.startswith("HS") for algorithm in self.jwt_algorithms}
        if len(kinds) != 1:
            raise ValueError(f"{PREFIX}JWT_ALGORITHMS mixes HS with others: a public key could pass as a shared secret")
        if kinds == {True} and self.jwt_jwks is not None:
            raise ValueError(f"HS algorithms take {PREFIX}JWT_KEY: a key set is public")
        return self

    @property
    def signing_key(self) -> bytes:
        assert self.secret is not None
        return self.secret.get_secret_value().encode()


def load_admin_settings(**overrides: object) -> AdminSettings:
    """Settings from the environment; overrides that are not None win. Raises InvalidArguments naming the variable."""
    try:
        return AdminSettings(**{name: value for name, value in overrides.items() if value is not None})  # type: ignore[arg-type]  # pydantic checks
    except ValidationError as error:
        first = error.errors(include_input=False)[0]
        reason = first["msg"].removeprefix("Value error, ")
        if not first["loc"]:
            raise InvalidArguments(reason) from None
        name = str(first["loc"][0])
        variable = name if name.isupper() else f"{PREFIX}{name.upper()}"
        raise InvalidArguments(f"{variable}: {reason}") from None


def with_secret(settings: AdminSettings) -> AdminSettings:
    """The settings with a secret; with `dev` one of this process. Raises InvalidArguments when there is none."""
    if settings.secret is not None:
        return settings
    if not settings.dev:
        raise InvalidArguments(f"{PREFIX}SECRET is not set", hint=SECRET_HINT)
    return settings.model_copy(update={"secret": SecretStr(secrets.token_urlsafe(SECRET_LENGTH))})


def is_loopback(host: str) -> bool:
    """Whether nobody but this machine reaches an address to listen on."""
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost"


def check_exposure(settings: AdminSettings, host: str, *, has_tls: bool) -> None:
    """Raises InvalidArguments where passwords would cross a network in clear."""
    if settings.dev and not is_loopback(host):
        raise InvalidArguments(
            f"--dev listens on a loopback address only, not on {host}", hint="leave --dev or --host away"
        )
    if settings.dev or has_tls or is_loopback(host) or settings.trusted_proxies:
        return
    raise InvalidArguments(
        f"{host} can be reached from other machines, and there is no TLS",
        hint=f"give --tls-cert and --tls-key, or name the reverse proxy that does TLS in {PREFIX}TRUSTED_PROXIES",
    )
