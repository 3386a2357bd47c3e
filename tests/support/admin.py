"""The admin as a process of its own, and browsers and programs that talk to it."""

from __future__ import annotations

import hashlib
import os
import secrets
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx

from support.kept import kept

SECRET = "Jx2-tests-only-7f3b9c1d5e8a4602-Qk"
METRICS_TOKEN = "scrape-7f3b9c1d5e8a4602"
COMMAND = [sys.executable, "-c", "from pgcron_py.cli import main; main()", "admin", "--port", "0"]


@dataclass
class Server:
    """lines: what it wrote so far."""

    process: subprocess.Popen[str]
    url: str
    lines: list[str] = field(default_factory=list)

    @property
    def port(self) -> int:
        return int(self.url.rsplit(":", 1)[1])


def environment(database_url: str, more: Mapping[str, str] = {}) -> dict[str, str]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("PG", "PGCRON"))}
    return clean | {"PGCRON_DATABASE_URL": database_url, "PGCRON_ADMIN_SECRET": SECRET, **more}


@contextmanager
def admin_process(database_url: str, *options: str, before: str = "", **settings: str) -> Iterator[Server]:
    """`pgcron admin` on a free port. settings: of the environment, such as PGCRON_ADMIN_METRICS_TOKEN. before: Python that runs first."""
    process = subprocess.Popen(
        [*COMMAND[:2], f"{before}\n{COMMAND[2]}", *COMMAND[3:], *options],
        env=environment(database_url, settings),
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stderr is not None
        lines: list[str] = []
        for line in process.stderr:
            lines.append(line)
            if "running on http" in line:
                break
        else:
            raise AssertionError("the admin ended at once: " + "".join(lines))
        server = Server(process, "http://127.0.0.1:" + line.split("127.0.0.1:")[1].split()[0], lines)
        threading.Thread(target=lambda: lines.extend(process.stderr or ()), daemon=True).start()
        yield server
    finally:
        process.kill()
        process.wait()


def client(url: str, **options: Any) -> httpx.Client:
    """Of plain HTTP, and so without the certificates of the world, which take longer to read than many a test."""
    return httpx.Client(base_url=url, timeout=20, verify=False, **options)


class Browser:
    """Keeps cookies as a browser does, and sends the CSRF token and where a request comes from."""

    def __init__(self, url: str) -> None:
        self.http = client(url)
        self.csrf: str | None = None

    @property
    def cookie(self) -> str | None:
        return next((cookie.value for cookie in self.http.cookies.jar if "pgcron" in cookie.name), None)

    def send(self, method: str, path: str, json: object = None, **headers: str) -> httpx.Response:
        """headers: with _ for -; an empty text leaves one out."""
        sent = {"Origin": str(self.http.base_url).rstrip("/"), "Sec-Fetch-Site": "same-origin"}
        if self.csrf:
            sent["X-CSRF-Token"] = self.csrf
        sent |= {name.replace("_", "-"): value for name, value in headers.items()}
        return self.http.request(
            method, path, json=json, headers={name: value for name, value in sent.items() if value}
        )

    def sign_in(self, name: str, password: str) -> httpx.Response:
        answer = self.send("POST", "/api/auth/sign-in", {"name": name, "password": password})
        if answer.status_code == 200:
            self.csrf = answer.json()["csrfToken"]
        return answer

    def get(self, path: str, **headers: str) -> httpx.Response:
        return self.send("GET", path, **headers)

    def post(self, path: str, json: object = None, **headers: str) -> httpx.Response:
        return self.send("POST", path, json, **headers)


@dataclass(frozen=True)
class People:
    """Users in a database, made without the cost of a password."""

    db_url: str

    def add(self, name: str, role: str = "viewer", *extra: str) -> str:
        """Its id, new or not."""
        statement = """
            INSERT INTO pgcron.app_user (name, role, extra_permissions) VALUES (%s, %s, %s)
            ON CONFLICT (name) DO UPDATE SET role = excluded.role RETURNING id"""
        row = kept(self.db_url).execute(statement, (name, role, list(extra))).fetchone()
        assert row is not None
        return str(row[0])

    def set_password(self, name: str, password_hash: str) -> None:
        statement = "UPDATE pgcron.app_user SET password_hash = %s WHERE name = %s"
        kept(self.db_url).execute(statement, (password_hash, name))

    def session(self, url: str, name: str, role: str = "viewer", *extra: str) -> Browser:
        """A browser where they are signed in."""
        user, secret = self.add(name, role, *extra), secrets.token_urlsafe(32)
        kept(self.db_url).execute(
            "INSERT INTO pgcron.app_session (id_hash, user_id, expires_at) VALUES (%s, %s, clock_timestamp() + interval '1 h')",
            (hashlib.sha256(secret.encode()).digest(), user),
        )
        browser = Browser(url)
        browser.http.cookies.set("pgcron_dev", secret, domain="127.0.0.1", path="/")
        browser.csrf = browser.get("/api/auth/me").json()["csrfToken"]
        return browser

    def token(self, name: str, role: str = "viewer", *, scopes: list[str], valid_for: str = "1 h") -> str:
        user, id_, secret = self.add(name, role), secrets.token_hex(8), secrets.token_urlsafe(32)
        kept(self.db_url).execute(
            "INSERT INTO pgcron.api_token (id, user_id, name, secret_hash, scopes, expires_at) "
            "VALUES (%s, %s, 'a test', %s, %s, clock_timestamp() + %s::interval)",
            (id_, user, hashlib.sha256(secret.encode()).digest(), scopes, valid_for),
        )
        return f"pgc_{id_}_{secret}"

    def audit(self, action: str) -> list[dict[str, object]]:
        entries = "SELECT row_to_json(a) FROM pgcron.cron_audit a WHERE action = %s ORDER BY at, id"
        return [row[0] for row in kept(self.db_url).execute(entries, (action,))]


def as_program(url: str, token: str) -> httpx.Client:
    return client(url, headers={"Authorization": f"Bearer {token}"})
