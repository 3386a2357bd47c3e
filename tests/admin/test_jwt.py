"""JWTs of a configured issuer: what is taken, and every way to pass off something else as one."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import http.server
import json
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import httpx
import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from pgcron_admin import jwts
from pgcron_admin.settings import AdminSettings, load_admin_settings
from pgcron_py.errors import DatabaseUnavailable, InvalidArguments
from support.admin import admin_process, as_program, client

ISSUER, AUDIENCE = "https://id.example.com", "pgcron"
OURS = rsa.generate_private_key(public_exponent=65537, key_size=2048)
THEIRS = rsa.generate_private_key(public_exponent=65537, key_size=2048)
CURVE = ec.generate_private_key(ec.SECP256R1())
PUBLIC_PEM = OURS.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
SHARED = "a-shared-one-of-tests-93ab1c77f02e-x"


def claims(**changes: Any) -> dict[str, Any]:
    """Good ones; a change to None takes one away."""
    now = int(time.time())
    found = {
        "iss": ISSUER, "aud": AUDIENCE, "sub": "billing", "iat": now, "exp": now + 300, "permissions": ["cron.view", "cron.fly"],
    } | changes  # fmt: skip
    return {name: value for name, value in found.items() if value is not None}


def rs256(payload: dict[str, Any], key: Any = OURS, **headers: Any) -> str:
    return jwt.encode(payload, key, "RS256", headers={"kid": "k1", **headers})


def part(value: object) -> str:
    raw = value if isinstance(value, bytes) else json.dumps(value).encode()
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def signed_by_public_key(algorithm: str = "HS256") -> str:
    """Key confusion: the public key, which everybody has, as a shared secret."""
    text = f"{part({'alg': algorithm, 'typ': 'JWT', 'kid': 'k1'})}.{part(claims())}"
    return f"{text}.{part(hmac.new(PUBLIC_PEM, text.encode(), hashlib.sha256).digest())}"


def unsigned(algorithm: str) -> str:
    return f"{part({'alg': algorithm, 'typ': 'JWT', 'kid': 'k1'})}.{part(claims())}."


def bare(token: str) -> str:
    return token.rsplit(".", 1)[0] + "."


FORGERIES = {
    "alg none": lambda: unsigned("none"),
    "alg None in another case": lambda: unsigned("nOnE"),
    "no signature": lambda: bare(rs256(claims())),
    "an empty alg": lambda: unsigned(""),
    "the public key as a shared secret": signed_by_public_key,
    "that, said to be RS256": lambda: signed_by_public_key("RS256"),
    "another algorithm of the same key": lambda: jwt.encode(claims(), OURS, "RS512", headers={"kid": "k1"}),
    "another family": lambda: jwt.encode(claims(), CURVE, "ES256", headers={"kid": "k1"}),
    "a key of somebody else": lambda: rs256(claims(), THEIRS),
    "a key that is not in the set": lambda: rs256(claims(), THEIRS, kid="k9"),
    "a key that the token brings along": lambda: rs256(claims(), THEIRS, jwk={"kty": "RSA"}, jku="https://evil.example"),
    "a shared secret hidden in the set": lambda: jwt.encode(claims(), SHARED, "HS256", headers={"kid": "oct"}),
    "a key id that is a path": lambda: rs256(claims(), THEIRS, kid="../../../dev/null"),
    "expired": lambda: rs256(claims(exp=int(time.time()) - 120)),
    "no expiry": lambda: rs256(claims(exp=None)),
    "an expiry that is no number": lambda: rs256(claims(exp="tomorrow")),
    "not yet good": lambda: rs256(claims(nbf=int(time.time()) + 600)),
    "another audience": lambda: rs256(claims(aud="shop")),
    "no audience": lambda: rs256(claims(aud=None)),
    "another issuer": lambda: rs256(claims(iss="https://id.example.com.evil.example")),
    "no issuer": lambda: rs256(claims(iss=None)),
    "no name": lambda: rs256(claims(sub=None)),
    "an empty name": lambda: rs256(claims(sub="")),
    "a name with control characters": lambda: rs256(claims(sub="ana\r\nX-Evil: 1")),
    "a changed claim": lambda: ".".join([rs256(claims()).split(".")[0], part(claims(sub="root")), rs256(claims()).split(".")[2]]),
    "too long": lambda: rs256(claims(padding="x" * 9000)),
    "no JWT at all": lambda: "abc",
    "three dots": lambda: "...",
    "nothing": lambda: "",
}  # fmt: skip


@pytest.fixture(scope="module")
def key_set(tmp_path_factory: pytest.TempPathFactory) -> Path:
    public = json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(OURS.public_key()))
    curve = json.loads(jwt.algorithms.ECAlgorithm.to_jwk(CURVE.public_key()))
    keys = [
        {**public, "kid": "k1", "alg": "RS256", "use": "sig"},
        {**curve, "kid": "curve", "use": "sig"},
        {**public, "kid": "for-encryption", "use": "enc"},
        {"kty": "oct", "kid": "oct", "k": part(SHARED.encode())},
        {"kty": "something new", "kid": "new"},
    ]
    path = tmp_path_factory.mktemp("keys") / "jwks.json"
    path.write_text(json.dumps({"keys": keys}))
    return path


@pytest.fixture(scope="module")
def url(site: Any, key_set: Path) -> Iterator[str]:
    settings = {
        "PGCRON_ADMIN_JWT_ISSUER": ISSUER,
        "PGCRON_ADMIN_JWT_AUDIENCE": AUDIENCE,
        "PGCRON_ADMIN_JWT_JWKS": str(key_set),
    }
    with admin_process(site.web_url, "--dev", **settings) as server:
        yield server.url


def me(url: str, token: str) -> httpx.Response:
    return client(url).get("/api/auth/me", headers={"Authorization": f"Bearer {token}".strip()})


def test_a_jwt_of_the_issuer_is_taken_with_its_permissions(url: str) -> None:
    answer = me(url, rs256(claims()))
    assert answer.status_code == 200, answer.text
    found = answer.json()
    assert (found["name"], found["kind"], found["permissions"]) == ("billing", "jwt", ["cron.view"])
    assert found["csrfToken"] is None


@pytest.mark.parametrize("granted", [["system.cron.manage"], "system.cron.manage openid"])
def test_the_permission_of_the_original_design_covers_what_it_should(url: str, granted: object) -> None:
    found = me(url, rs256(claims(permissions=granted))).json()["permissions"]
    assert {"cron.trigger", "cron.schedule.edit", "cron.trace.read"} <= set(found)
    assert not {"cron.user.admin", "cron.sql.edit"} & set(found)


@pytest.mark.parametrize("granted", [None, {"cron.view": True}, 7, [["cron.view"]], ["cron.nothing"]])
def test_a_claim_that_is_no_list_of_permissions_allows_nothing(url: str, granted: object) -> None:
    answer = me(url, rs256(claims(permissions=granted)))
    assert (answer.status_code, answer.json()["permissions"]) == (200, [])


@pytest.mark.parametrize("forgery", FORGERIES)
def test_a_forgery_is_refused(url: str, forgery: str) -> None:
    answer = me(url, FORGERIES[forgery]())
    assert (answer.status_code, answer.json()["code"]) == (401, "invalid_token")
    assert answer.headers["www-authenticate"].startswith("Bearer")


def test_a_jwt_signs_nobody_in_and_makes_no_token(url: str) -> None:
    program = as_program(url, rs256(claims(permissions=["system.cron.manage"])))
    assert program.get("/api/sessions").status_code == 403
    assert program.post("/api/tokens", json={"name": "x", "scopes": ["cron.view"]}).status_code == 403
    assert program.get("/api/users").status_code == 403


def test_without_an_issuer_no_jwt_is_taken(site: Any) -> None:
    assert me(site.url, rs256(claims())).status_code == 401


def test_a_static_public_key_takes_its_algorithm_and_no_other(site: Any) -> None:
    settings = {
        "PGCRON_ADMIN_JWT_ISSUER": ISSUER,
        "PGCRON_ADMIN_JWT_AUDIENCE": AUDIENCE,
        "PGCRON_ADMIN_JWT_KEY": PUBLIC_PEM.decode(),
    }
    with admin_process(site.web_url, "--dev", **settings) as server:
        assert me(server.url, rs256(claims())).status_code == 200
        for forgery in ("alg none", "the public key as a shared secret", "a key of somebody else", "expired"):
            assert me(server.url, FORGERIES[forgery]()).status_code == 401, forgery


def test_a_shared_secret_takes_its_algorithm_and_no_other(site: Any) -> None:
    settings = {
        "PGCRON_ADMIN_JWT_ISSUER": ISSUER, "PGCRON_ADMIN_JWT_AUDIENCE": AUDIENCE, "PGCRON_ADMIN_JWT_KEY": SHARED,
        "PGCRON_ADMIN_JWT_ALGORITHMS": "HS256",
    }  # fmt: skip
    with admin_process(site.web_url, "--dev", **settings) as server:
        assert me(server.url, jwt.encode(claims(), SHARED, "HS256")).status_code == 200
        assert me(server.url, jwt.encode(claims(), SHARED + "x", "HS256")).status_code == 401
        assert me(server.url, rs256(claims())).status_code == 401


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"jwt_audience": None}, "JWT_AUDIENCE is needed"),
        ({"jwt_key": None}, "give one of"),
        ({"jwt_jwks": "/keys.json"}, "give one of"),
        ({"jwt_algorithms": ("RS256", "HS256")}, "mixes HS with others"),
        ({"jwt_algorithms": ("none",)}, "JWT_ALGORITHMS"),
        ({"jwt_key": None, "jwt_jwks": "/keys.json", "jwt_algorithms": ("HS256",)}, "a key set is public"),
    ],
)
def test_settings_that_would_let_forgeries_in_are_refused(settings: dict[str, Any], told: str) -> None:
    good = {
        "database_url": "postgresql://h/d",
        "jwt_issuer": ISSUER,
        "jwt_audience": AUDIENCE,
        "jwt_key": PUBLIC_PEM.decode(),
    }
    with pytest.raises(InvalidArguments, match=told):
        load_admin_settings(**good | settings)


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"jwt_key": "no key"}, "is no key for RS256"),
        ({"jwt_key": PUBLIC_PEM.decode(), "jwt_algorithms": ("HS256",)}, "is no key for HS256"),
        ({"jwt_key": "short", "jwt_algorithms": ("HS256",)}, "at least 32"),
        ({"jwt_jwks": "http://id.example.com/keys"}, "https"),
    ],
)
def test_a_key_that_is_none_is_refused_at_the_start(settings: dict[str, Any], told: str) -> None:
    from pgcron_admin.jwts import Jwts

    with pytest.raises(InvalidArguments, match=told):
        Jwts(AdminSettings(database_url="postgresql://h/d", jwt_issuer=ISSUER, jwt_audience=AUDIENCE, **settings))


class KeyServer(http.server.BaseHTTPRequestHandler):
    """keys: what it publishes now. asked: how often it was asked."""

    keys: ClassVar[list[dict[str, Any]]] = []
    asked: ClassVar[int] = 0

    def do_GET(self) -> None:
        KeyServer.asked += 1
        if self.path == "/moved":
            self.send_response(302)
            self.send_header("Location", "/keys")
            self.end_headers()
            return
        body = json.dumps({"keys": KeyServer.keys}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None: ...


@pytest.fixture
def key_server() -> Iterator[str]:
    KeyServer.keys, KeyServer.asked = [], 0
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), KeyServer)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def published(key: Any, key_id: str) -> dict[str, Any]:
    return {**json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(key.public_key())), "kid": key_id}


def test_a_key_that_the_issuer_publishes_later_is_fetched_and_unknown_keys_ask_it_seldom(
    key_server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    KeyServer.keys = [published(OURS, "k1")]
    key_set = jwts.KeySet(f"{key_server}/keys")

    async def look() -> None:
        assert (await key_set.key("k1")).key_id == "k1"
        for number in range(50):
            with pytest.raises(jwts.InvalidToken):
                await key_set.key(f"unknown {number}")
        assert KeyServer.asked == 1
        KeyServer.keys = [published(THEIRS, "k2")]
        monkeypatch.setattr(jwts, "ASKED_AGAIN_S", 0.0)
        assert (await key_set.key("k2")).key_id == "k2"
        assert KeyServer.asked == 2

    asyncio.run(look())


def test_a_key_set_that_can_not_be_had_is_told_apart_from_a_forgery(key_server: str) -> None:
    for place in (f"{key_server}/moved", "http://127.0.0.1:1/keys", "/no/such/file.json"):
        with pytest.raises(DatabaseUnavailable, match="key set"):
            asyncio.run(jwts.KeySet(place).key("k1"))
