"""Serving: what is refused at the start, hosts and proxies, headers, bodies, paths, and the end of the process."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import socket
import ssl
import subprocess
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from pgcron_admin.settings import AdminSettings
from support.admin import COMMAND, METRICS_TOKEN, SECRET, admin_process, environment

# Each starts processes of its own, with options of its own.
pytestmark = pytest.mark.long
NOWHERE = "postgresql://127.0.0.1:1/none"
DEFAULTS = (
    "changeme-changeme-changeme-1234567890",
    "this-is-a-secret-key-0123456789-abcdef",
    "x" * 40,
    "your-key-goes-here-0123456789-abcd",
)


def refused(*options: str, **settings: str) -> tuple[int, str]:
    """Exit code and what it said, of an admin that must not start."""
    process = subprocess.run(
        [*COMMAND, *options],
        env=environment(NOWHERE, settings),
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    return process.returncode, process.stderr


@pytest.mark.parametrize(
    ("options", "settings", "told"),
    [
        ((), {"PGCRON_ADMIN_SECRET": ""}, "PGCRON_ADMIN_SECRET"),
        ((), {"PGCRON_ADMIN_SECRET": "too short"}, "at least 32 characters"),
        *(((), {"PGCRON_ADMIN_SECRET": secret}, "secret of an example") for secret in DEFAULTS),
        (("--dev",), {"PGCRON_ADMIN_SECRET": DEFAULTS[0]}, "secret of an example"),
        (("--host", "0.0.0.0"), {}, "there is no TLS"),
        (("--host", "::"), {}, "there is no TLS"),
        (("--host", "192.0.2.7"), {}, "there is no TLS"),
        (("--host", "0.0.0.0", "--dev"), {}, "loopback"),
        (("--base-path", "cron/"), {}, "PGCRON_ADMIN_BASE_PATH"),
        (("--tls-cert", "/dev/null"), {}, "belong together"),
        ((), {"PGCRON_ADMIN_TRUSTED_PROXIES": "10.0.0.0/33"}, "PGCRON_ADMIN_TRUSTED_PROXIES"),
        ((), {"PGCRON_ADMIN_BODY_LIMIT": "0"}, "PGCRON_ADMIN_BODY_LIMIT"),
        ((), {"PGCRON_ADMIN_METRICS_TOKEN": "short"}, "PGCRON_ADMIN_METRICS_TOKEN"),
        ((), {"PGCRON_ADMIN_PUBLIC_URL": "https://x.example/cron"}, "PGCRON_ADMIN_PUBLIC_URL"),
    ],
)  # fmt: skip
def test_it_does_not_start(options: tuple[str, ...], settings: dict[str, str], told: str) -> None:
    code, said = refused(*options, **settings)
    assert code in (1, 2), said
    assert told in said
    secret = settings.get("PGCRON_ADMIN_SECRET")
    assert not secret or secret not in said


def test_it_starts_on_a_loopback_address_with_a_secret_and_keeps_to_its_cookie(site: Any) -> None:
    with admin_process(site.web_url) as server:
        answer = httpx.get(f"{server.url}/api/auth/me")
        assert answer.status_code == 401
        document = httpx.get(f"{server.url}/api/openapi.json").json()
        assert document["components"]["securitySchemes"]["session"]["name"] == "__Host-pgcron"


def test_the_cookie_over_https_is_bound_to_the_host(site: Any, tmp_path: Path) -> None:
    certificate, key = self_signed(tmp_path)
    path = subprocess_link(site)
    with admin_process(
        site.web_url, "--host", "127.0.0.1", "--tls-cert", str(certificate), "--tls-key", str(key)
    ) as server:
        client = httpx.Client(
            base_url=server.url.replace("http:", "https:"), verify=ssl.create_default_context(cafile=str(certificate))
        )
        answer = client.post(path)
        assert answer.status_code == 200, answer.text
        cookie = answer.headers["set-cookie"]
        assert cookie.startswith("__Host-pgcron=")
        assert "Secure" in cookie
        assert "Domain" not in cookie
        assert answer.headers["strict-transport-security"]
        assert client.get("/api/auth/me").json()["name"] == "tls-user"


def subprocess_link(site: Any) -> str:
    site.people.add("tls-user")
    command = [*COMMAND[:3], "users", "link", "tls-user"]
    done = subprocess.run(command, env=environment(site.db_url), capture_output=True, text=True, check=True)
    return done.stdout.strip()


def self_signed(folder: Path) -> tuple[Path, Path]:
    key, name = (
        ec.generate_private_key(ec.SECP256R1()),
        x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")]),
    )
    now = datetime.now(UTC)
    address = x509.IPAddress(__import__("ipaddress").ip_address("127.0.0.1"))
    built = (
        x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
        .serial_number(x509.random_serial_number()).not_valid_before(now - timedelta(days=1)).not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([address]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )  # fmt: skip
    certificate, private = folder / "cert.pem", folder / "key.pem"
    certificate.write_bytes(built.public_bytes(serialization.Encoding.PEM))
    private.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return certificate, private


@pytest.mark.parametrize("path", ["/health/live", "/api/auth/me", "/no/such/page", "/api/openapi.json"])
def test_every_answer_has_the_safe_headers(site: Any, path: str) -> None:
    headers = httpx.get(site.url + path).headers
    policy = headers["content-security-policy"]
    assert "default-src 'self'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["cache-control"] == "no-store"
    assert headers["referrer-policy"] == "same-origin"
    assert re.fullmatch("[0-9a-f]{32}", headers["x-request-id"])
    assert "server" not in headers


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:8321", "127.0.0.1.evil.example", "localhost@evil.example", ""]
)
def test_another_host_is_not_answered_on_a_loopback_address(site: Any, host: str) -> None:
    answer = httpx.get(f"{site.url}/health/live", headers={"Host": host})
    assert answer.status_code == 400
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["x-content-type-options"] == "nosniff"


def test_errors_are_problem_details_with_the_words_of_the_original(site: Any) -> None:
    for method, path, status in (("GET", "/nope", 404), ("PUT", "/health/live", 405), ("GET", "/api/auth/me", 401)):
        answer = httpx.request(method, site.url + path)
        problem = answer.json()
        assert answer.headers["content-type"] == "application/problem+json"
        assert (answer.status_code, problem["status"], problem["statusCode"]) == (status, status, status)
        assert problem["message"] == problem["detail"]
        assert problem["requestId"] == answer.headers["x-request-id"]
        assert problem["instance"] == path
        assert problem["type"] == f"urn:pgcron:problem:{problem['code']}"
    assert "GET" in httpx.put(f"{site.url}/health/live").headers["allow"]


@pytest.mark.parametrize(
    ("body", "field"),
    [
        (b"{", None), (b"", None), (b"[]", None), (b"null", None), (b'"x"', None), (b"\xff\xfe", None), (b'{"name": "a"}', "password"),
        (b'{"name": 1, "password": "x"}', "name"), (b'{"name": "a", "password": "x", "admin": true}', "admin"),
        (b'{"name": "a", "password": "\\u0000', None), (b"[" * 5000, None),
    ],
)  # fmt: skip
def test_a_malformed_body_is_422_and_says_where(site: Any, body: bytes, field: str | None) -> None:
    answer = httpx.post(f"{site.url}/api/auth/sign-in", content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code == 422, answer.text
    assert answer.json()["code"] == "malformed_request"
    if field is not None:
        assert field in answer.text


@pytest.mark.parametrize("chunked", [False, True])
def test_a_body_of_more_than_64_kib_is_refused(site: Any, chunked: bool) -> None:
    def pieces() -> Any:
        yield from (b"x" * 8192 for _ in range(9))

    content = pieces() if chunked else b"x" * 70_000
    answer = httpx.post(f"{site.url}/api/auth/sign-in", content=content, headers={"Content-Type": "application/json"})
    assert (answer.status_code, answer.json()["code"]) == (413, "request_entity_too_large")
    fits = b'{"name": "a", "password": "' + b"x" * 60_000 + b'"}'
    assert httpx.post(f"{site.url}/api/auth/sign-in", content=fits).status_code == 422


def raw(port: int, *pieces: bytes) -> bytes:
    """What comes back for bytes as they are, until the server closes."""
    with socket.create_connection(("127.0.0.1", port), 30) as channel:
        try:
            for piece in pieces:
                channel.sendall(piece)
            found = b""
            while part := channel.recv(65536):
                found += part
        except ConnectionError:
            return b""
    return found


def test_a_head_without_end_is_cut_off(site: Any) -> None:
    endless = [b"GET /health/live HTTP/1.1\r\nHost: localhost\r\nX-Long: ", *[b"x" * 16_384] * 200]
    assert raw(site.server.port, *endless) == b""
    assert httpx.get(f"{site.url}/health/live").status_code == 200


@pytest.mark.parametrize(
    "value",
    [
        "a\r\nSet-Cookie: evil=1",
        "a\nSet-Cookie: evil=1",
        "%0d%0aSet-Cookie: evil=1",
        "é" * 20,
        "x" * 500,
        "<script>alert(1)</script>",
        "../../etc",
    ],
)
def test_no_header_of_a_client_comes_back_as_a_header(site: Any, value: str) -> None:
    request = f"GET /api/auth/me HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nX-Request-Id: {value}\r\nX-Forwarded-Host: {value}\r\n\r\n"
    head = raw(site.server.port, request.encode()).split(b"\r\n\r\n")[0].lower()
    assert head.startswith((b"http/1.1 401", b"http/1.1 400"))
    assert b"evil=1" not in head
    assert value.encode()[:8].lower() not in head


@pytest.mark.parametrize(
    "path",
    [
        "/%2e%2e/%2e%2e/etc/passwd",
        "/api/../../etc/passwd",
        "/api/auth/link/..%2f..%2fusers",
        "/api/%00",
        "//evil.example/x",
        "/api/users/1%0d%0a",
    ],
)
def test_a_path_leads_nowhere_else(site: Any, path: str) -> None:
    request = f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
    status = int(raw(site.server.port, request.encode()).split()[1])
    assert status in (400, 401, 404, 405)


def test_metrics_need_their_token_and_name_nobody(site: Any) -> None:
    site.people.session(site.url, "metered")
    assert httpx.get(f"{site.url}/metrics").status_code == 401
    assert httpx.get(f"{site.url}/metrics", headers={"Authorization": "Bearer wrong"}).status_code == 401
    answer = httpx.get(f"{site.url}/metrics", headers={"Authorization": f"Bearer {METRICS_TOKEN}"})
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    assert 'pgcron_admin_requests_total{method="GET",status="2xx"}' in answer.text
    assert "metered" not in answer.text


def test_without_a_token_there_are_no_metrics(site: Any) -> None:
    with admin_process(site.web_url, "--dev") as server:
        assert httpx.get(f"{server.url}/metrics", headers={"Authorization": "Bearer x"}).status_code == 404


def test_behind_a_trusted_proxy_address_scheme_and_host_are_the_proxys(site: Any) -> None:
    settings = {"PGCRON_ADMIN_TRUSTED_PROXIES": "127.0.0.1, 10.0.0.0/8", "PGCRON_ADMIN_BASE_PATH": "/cron"}
    with admin_process(site.web_url, **settings) as server:
        headers = {
            "X-Forwarded-For": "6.6.6.6, 203.0.113.9, 10.1.2.3", "X-Forwarded-Proto": "https", "X-Forwarded-Host": "cron.example.com",
            "X-Request-Id": "from-the-proxy-1", "Origin": "https://cron.example.com",
        }  # fmt: skip
        wrong = {"name": "whoever", "password": "not this"}
        answer = httpx.post(f"{server.url}/cron/api/auth/sign-in", json=wrong, headers=headers)
        assert (answer.status_code, answer.json()["instance"]) == (401, "/cron/api/auth/sign-in")
        assert answer.headers["x-request-id"] == "from-the-proxy-1"
        assert answer.headers["strict-transport-security"]
        entry = site.people.audit("sign_in_refused")[-1]
        assert (entry["client_address"], entry["request_id"]) == ("203.0.113.9", "from-the-proxy-1")
        assert httpx.get(f"{server.url}/api/auth/me").status_code == 401  # a proxy that cuts the path off
        elsewhere = headers | {"Origin": "https://evil.example"}
        assert httpx.post(f"{server.url}/api/auth/sign-in", json=wrong, headers=elsewhere).status_code == 403


def test_a_public_url_is_the_only_origin(site: Any) -> None:
    with admin_process(site.web_url, PGCRON_ADMIN_PUBLIC_URL="https://cron.example.com") as server:
        wrong = {"name": "whoever", "password": "not this"}
        url = f"{server.url}/api/auth/sign-in"
        assert httpx.post(url, json=wrong, headers={"Origin": "https://cron.example.com"}).status_code == 401
        assert httpx.post(url, json=wrong, headers={"Origin": server.url}).status_code == 403
        assert httpx.get(f"{server.url}/health/live", headers={"Host": "cron.example.com"}).status_code == 200


@pytest.mark.parametrize(
    ("peer", "told", "expected"),
    [
        ("10.0.0.1", "203.0.113.9", "203.0.113.9"),
        ("10.0.0.1", "6.6.6.6, 203.0.113.9", "203.0.113.9"),
        ("10.0.0.1", "203.0.113.9, 10.0.0.2", "203.0.113.9"),
        ("10.0.0.1", "nonsense", "10.0.0.1"),
        ("10.0.0.1", "203.0.113.9, nonsense", "10.0.0.1"),
        ("10.0.0.1", "", "10.0.0.1"),
        ("10.0.0.1", "[2001:db8::1]", "2001:db8::1"),
        ("198.51.100.1", "203.0.113.9", "198.51.100.1"),
        ("2001:db8::5", "203.0.113.9", "2001:db8::5"),
    ],
)
def test_the_address_of_a_client_is_the_last_one_that_a_trusted_proxy_saw(peer: str, told: str, expected: str) -> None:
    from pgcron_admin.front import _client_address

    trusted = AdminSettings(database_url="x", trusted_proxies="10.0.0.0/8").trusted_proxies  # type: ignore[arg-type]
    assert _client_address(peer, [(b"x-forwarded-for", told.encode())], trusted) == expected


def test_several_processes_with_one_secret_know_the_same_sessions(site: Any) -> None:
    browser = site.session("roaming")
    with admin_process(site.web_url, "--dev") as second:
        there = site.people.session(second.url, "roaming")
        there.http.cookies.set("pgcron_dev", browser.cookie, domain="127.0.0.1", path="/")
        there.csrf = browser.csrf
        assert there.send("DELETE", "/api/sessions").status_code == 200


def test_a_stream_that_waits_ends_with_the_first_signal() -> None:
    from pgcron_admin.stopping import Stopping

    async def wait() -> float:
        stopping = Stopping()
        began = time.monotonic()
        asyncio.get_running_loop().call_later(0.05, stopping.set)
        assert await stopping.first(asyncio.sleep(30, "late"), timeout=30) is None
        assert stopping.is_set
        return time.monotonic() - began

    assert asyncio.run(wait()) < 10


STREAMING = """
import asyncio, sys, uvicorn
from litestar import get
from litestar.response import Stream
from pgcron_admin import controllers, serving
from pgcron_admin.permissions import open_to_all
from pgcron_admin.stopping import Stopping
from pgcron_admin.settings import load_admin_settings
from litestar.di import NamedDependency

@get("/stream", guards=[open_to_all], media_type="text/event-stream", include_in_schema=False)
async def stream(stopping: NamedDependency[Stopping]) -> Stream:
    async def lines():
        yield "data: hello\\n\\n"
        while not stopping.is_set:
            await stopping.first(asyncio.sleep(3600), timeout=3600)
        yield "data: bye\\n\\n"
    return Stream(lines)

from pgcron_admin import app
app.API_ROUTES = (*app.API_ROUTES, stream)
serving.serve(load_admin_settings(dev=True), "127.0.0.1", 0, None)
"""


@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGINT])
def test_an_open_stream_does_not_hold_up_the_end_of_the_process(signum: signal.Signals) -> None:
    import sys

    process = subprocess.Popen(
        [sys.executable, "-c", STREAMING], env=environment(NOWHERE), stderr=subprocess.PIPE, text=True
    )
    try:
        assert process.stderr is not None
        line = next(line for line in process.stderr if "running on http" in line)
        url = "http://127.0.0.1:" + line.split("127.0.0.1:")[1].split()[0]
        with httpx.stream("GET", f"{url}/api/stream", timeout=30) as answer:
            lines = answer.iter_lines()
            assert next(lines) == "data: hello"
            began = time.monotonic()
            os.kill(process.pid, signum)
            assert [line for line in lines if line] == ["data: bye"]
        process.wait(20)
        assert time.monotonic() - began < 4.5  # uvicorn would wait five seconds for it, then cut it off
    finally:
        process.kill()
        process.wait()


def test_each_setting_is_in_the_documentation() -> None:
    text = (Path(__file__).parents[2] / "docs" / "admin.md").read_text()
    for name in AdminSettings.model_fields:
        variable = "PGCRON_DATABASE_URL" if name == "database_url" else f"PGCRON_ADMIN_{name.upper()}"
        assert f"`{variable}`" in text, variable
    assert SECRET not in text


def test_options_names_all_methods_of_a_path(site: Any) -> None:
    for path, methods in (
        ("/api/tokens", "GET, OPTIONS, POST"),
        ("/api/sessions", "DELETE, GET, OPTIONS"),
        ("/health/live", "GET, OPTIONS"),
    ):
        answer = httpx.options(site.url + path)
        assert (answer.status_code, answer.headers["allow"]) == (204, methods)


def test_a_body_with_a_field_that_nobody_knows_is_refused_by_the_document_too(site: Any) -> None:
    schemas = httpx.get(f"{site.url}/api/openapi.json").json()["components"]["schemas"]
    assert {name for name in schemas if name.endswith("Body")} >= {"SignInBody", "TokenBody", "UserBody"}
    for name, schema in schemas.items():
        assert (schema.get("additionalProperties") is False) == name.endswith("Body"), name


def test_the_documentation_is_served_from_the_installation_and_names_no_other_host(site: Any) -> None:
    page = httpx.get(f"{site.url}/api/docs")
    assert page.headers["content-type"].startswith("text/html")
    found = re.findall(r'(?:src|href)="([^"]+)"', page.text)
    assert "docs/swagger-ui-bundle.js" in found
    assert not any("://" in place or place.startswith("//") for place in found)
    assert "<script>" not in page.text
    for place in found:
        answer = httpx.get(f"{site.url}/api/{place}")
        assert answer.status_code == 200, place
        assert len(answer.content) > 100
    assert httpx.get(f"{site.url}/api/docs/index.html").status_code == 404
    assert httpx.get(f"{site.url}/api/docs/..%2fpage.html").status_code == 404
