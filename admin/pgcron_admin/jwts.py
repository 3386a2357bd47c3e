"""JWTs of the configured issuer as bearer tokens. What is accepted stands in the settings; the token itself chooses nothing."""

from __future__ import annotations

import asyncio
import json
import time
import urllib.request
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import jwt
import structlog
from jwt import PyJWK
from jwt.exceptions import PyJWTError

from pgcron_admin.front import Facts
from pgcron_admin.identity import InvalidToken
from pgcron_admin.principal import Principal, permissions_of
from pgcron_admin.settings import AdminSettings, is_loopback
from pgcron_py.errors import DatabaseUnavailable, InvalidArguments

KEPT_S = 300.0  # a key set is asked for anew after so long, or for an unknown key, but
ASKED_AGAIN_S = 30.0  # never more often than this
FETCH_TIMEOUT_S = 3.0
KEY_SET_BYTES = 262_144
TOKEN_BYTES = 8192
NAME_LENGTH = 150

log = structlog.get_logger("pgcron.admin")


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """A key set is where it was said to be: a redirect may lead to http://, or to another host."""

    def redirect_request(self, *_: Any) -> None:
        return None


_STRAIGHT = urllib.request.build_opener(_NoRedirect)


class KeySet:
    """The keys of an issuer: a file, or an https:// URL."""

    def __init__(self, place: str) -> None:
        parts = urlsplit(place)
        is_url = parts.scheme in ("http", "https")
        if is_url and parts.scheme != "https" and not is_loopback(parts.hostname or ""):
            raise InvalidArguments("PGCRON_ADMIN_JWT_JWKS: a key set is fetched over https:// only")
        self._place, self._is_url = place, is_url
        self._keys: dict[str | None, PyJWK] = {}
        self._asked_at: float | None = None
        self._lock = asyncio.Lock()

    async def key(self, key_id: str | None) -> PyJWK:
        """Raises InvalidToken for a key that the set has not."""
        if self._is_older(KEPT_S) or (key_id not in self._keys and self._is_older(ASKED_AGAIN_S)):
            async with self._lock:
                if self._is_older(ASKED_AGAIN_S):
                    await self._ask()
        found = self._keys.get(key_id)
        if found is None:
            raise InvalidToken("the JWT is signed with a key that its issuer doesn't publish")
        return found

    def _is_older(self, seconds: float) -> bool:
        return self._asked_at is None or time.monotonic() - self._asked_at > seconds

    async def _ask(self) -> None:
        """Keeps the old keys when the new ones can't be had."""
        self._asked_at = time.monotonic()
        try:
            text = await asyncio.to_thread(self._text)
            self._keys = _signing_keys(json.loads(text))
        except (OSError, ValueError, PyJWTError) as error:
            log.warning("key_set_unavailable", error=f"{type(error).__name__}: {error}")
            if not self._keys:
                raise DatabaseUnavailable("the key set of the issuer of JWTs can't be had") from error

    def _text(self) -> bytes:
        if not self._is_url:
            return Path(self._place).read_bytes()
        with _STRAIGHT.open(self._place, timeout=FETCH_TIMEOUT_S) as answer:
            text: bytes = answer.read(KEY_SET_BYTES + 1)
        if len(text) > KEY_SET_BYTES:
            raise ValueError(f"the key set has more than {KEY_SET_BYTES} bytes")
        return text


def _signing_keys(document: dict[str, Any]) -> dict[str | None, PyJWK]:
    """By key id. Shared secrets have no place in what is public; keys of kinds that nobody knows are passed over."""
    found: dict[str | None, PyJWK] = {}
    for key in document["keys"]:
        if key.get("kty") != "oct" and key.get("use", "sig") == "sig":
            try:
                found[key.get("kid")] = PyJWK(key)
            except PyJWTError as error:
                log.warning("key_passed_over", key=str(key.get("kid"))[:100], error=str(error))
    return found


class Jwts:
    """Raises InvalidArguments when the settings' key can't be read."""

    def __init__(self, settings: AdminSettings) -> None:
        self._settings = settings
        self._algorithms: list[str] = list(settings.jwt_algorithms)
        self._key_set = KeySet(settings.jwt_jwks) if settings.jwt_issuer and settings.jwt_jwks else None
        if settings.jwt_issuer and settings.jwt_key is not None:
            self._check_static_key(settings.jwt_key.get_secret_value())

    def _check_static_key(self, key: str) -> None:
        for algorithm in self._algorithms:
            try:
                jwt.get_algorithm_by_name(algorithm).prepare_key(key)
            except (PyJWTError, ValueError, TypeError) as error:
                raise InvalidArguments(f"PGCRON_ADMIN_JWT_KEY is no key for {algorithm}: {error}") from None
            if algorithm.startswith("HS") and len(key) < 32:
                raise InvalidArguments("PGCRON_ADMIN_JWT_KEY: a shared secret has at least 32 characters")

    async def principal(self, token: str, facts: Facts) -> Principal:
        """Raises InvalidToken."""
        settings = self._settings
        if settings.jwt_issuer is None or len(token) > TOKEN_BYTES:
            raise InvalidToken("the bearer token is not known")
        try:
            key, algorithms = await self._key(token)
            claims = jwt.decode(
                token, key, algorithms=algorithms, audience=settings.jwt_audience, issuer=settings.jwt_issuer,
                leeway=settings.jwt_leeway, options={"require": ["exp", "iss", "aud", settings.jwt_name_claim]},
            )  # fmt: skip
        except (PyJWTError, ValueError, TypeError) as error:
            raise InvalidToken(f"the JWT is not valid: {error}") from None
        return Principal(
            kind="jwt", name=_name(claims.get(settings.jwt_name_claim)), address=facts.address, request_id=facts.request_id,
            permissions=permissions_of(_words(claims.get(settings.jwt_permissions_claim))),
            good_until=float(claims["exp"]) + settings.jwt_leeway,
        )  # fmt: skip

    async def _key(self, token: str) -> tuple[Any, list[str]]:
        """The key, and the algorithms that go with it: never one that only the token names."""
        header = jwt.get_unverified_header(token)
        if header.get("alg") not in self._algorithms:
            raise InvalidToken(f"the JWT is not signed by {' or '.join(self._algorithms)}")
        if self._key_set is None:
            assert self._settings.jwt_key is not None
            return self._settings.jwt_key.get_secret_value(), self._algorithms
        key_id = header.get("kid")
        found = await self._key_set.key(key_id if isinstance(key_id, str) else None)
        return found.key, [name for name in self._algorithms if name == found.algorithm_name]


def _name(claim: object) -> str:
    if not isinstance(claim, str) or not claim or len(claim) > NAME_LENGTH or not claim.isprintable():
        raise InvalidToken("the JWT doesn't say in printable words who sends it")
    return claim


def _words(claim: object) -> list[str]:
    """A list of words, or words with spaces between."""
    if isinstance(claim, str):
        return claim.split()
    return [word for word in claim if isinstance(word, str)] if isinstance(claim, list) else []
