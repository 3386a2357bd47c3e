"""The admin inside other applications: Starlette, FastAPI and Litestar, under a path of theirs."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from litestar import Litestar, get
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Mount, Route

from pgcron_admin.app import AdminApp, create_app
from pgcron_admin.plugin import PgCronAdmin
from pgcron_admin.settings import AdminSettings
from pgcron_py.errors import InvalidArguments
from support.admin import SECRET, People

HOST = "https://host.example"


def settings(url: str) -> AdminSettings:
    return AdminSettings(database_url=url, secret=SECRET, public_url=HOST)  # type: ignore[arg-type]  # pydantic makes it a SecretStr


def in_starlette(url: str) -> tuple[Any, AdminApp]:
    admin = create_app(settings(url))

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        async with admin.lifespan():
            yield

    async def home(_: object) -> PlainTextResponse:
        return PlainTextResponse("home")

    return Starlette(routes=[Route("/", home), Mount("/ops/cron", admin)], lifespan=lifespan), admin


def in_fastapi(url: str) -> tuple[Any, AdminApp]:
    """Its lifespan is not run: the pool opens at its first use all the same."""
    host, admin = FastAPI(), create_app(settings(url))

    @host.get("/")
    def home() -> str:
        return "home"

    host.mount("/ops/cron", admin)
    return host, admin


def in_litestar(url: str) -> tuple[Any, AdminApp]:
    @get("/")
    async def home() -> str:
        return "home"

    plugin = PgCronAdmin(settings(url), path="/ops/cron")
    return Litestar([home], plugins=[plugin]), plugin.app


@pytest.mark.parametrize("make", [in_starlette, in_fastapi, in_litestar])
def test_it_works_below_a_path_of_another_application(
    make: Callable[[str], tuple[Any, AdminApp]], web_url: str, db_url: str
) -> None:
    token = People(db_url).token("host", "super_admin", scopes=["cron.user.admin", "cron.view"])

    async def use() -> None:
        host, admin = make(web_url)
        client = httpx.AsyncClient(transport=httpx.ASGITransport(host), base_url=HOST)
        bearer = {"Authorization": f"Bearer {token}"}
        try:
            assert "home" in (await client.get("/")).text
            users = await client.get("/ops/cron/api/users", headers=bearer)
            assert users.status_code == 200, users.text
            assert users.headers["x-content-type-options"] == "nosniff"
            made = await client.post("/ops/cron/api/users", json={"name": "by-host", "role": "viewer"}, headers=bearer)
            assert made.status_code == 201, made.text
            changed = await client.patch(
                f"/ops/cron/api/users/{made.json()['id']}", json={"isEnabled": False}, headers=bearer
            )
            assert changed.json()["isEnabled"] is False
            missing = await client.get("/ops/cron/api/nope")
            assert (missing.status_code, missing.json()["instance"]) == (404, "/ops/cron/api/nope")
            assert (await client.get("/ops/cron/health/ready")).json()["status"] == "ok"
            paths = (await client.get("/ops/cron/api/openapi.json")).json()
            assert "/api/users" in paths["paths"]
            assert paths["servers"] == [{"url": "/ops/cron"}]
            assert (await client.get("/api/users")).status_code == 404
        finally:
            await admin.parts.database.close()

    asyncio.run(use())


def test_a_browser_signs_in_below_the_path_of_a_host(web_url: str, db_url: str) -> None:
    import psycopg

    from pgcron_py.app.passwords import hashed

    with psycopg.connect(db_url, autocommit=True) as connection:
        connection.execute(
            "INSERT INTO pgcron.app_user (name, role, password_hash) VALUES ('guest', 'viewer', %s)",
            (hashed("three blind mice 1905"),),
        )

    async def use() -> None:
        host, admin = in_starlette(web_url)
        async with host.router.lifespan_context(host):
            client = httpx.AsyncClient(transport=httpx.ASGITransport(host), base_url=HOST)
            body = {"name": "guest", "password": "three blind mice 1905"}
            answer = await client.post("/ops/cron/api/auth/sign-in", json=body, headers={"Origin": HOST})
            assert answer.status_code == 200, answer.text
            assert answer.headers["set-cookie"].startswith("__Host-pgcron=")
            assert (await client.get("/ops/cron/api/auth/me")).json()["name"] == "guest"
            csrf = {"Origin": HOST, "X-CSRF-Token": answer.json()["csrfToken"]}
            assert (await client.post("/ops/cron/api/auth/sign-out", headers=csrf)).status_code == 204
        assert admin.parts.stopping.is_set

    asyncio.run(use())


def test_without_a_secret_no_application_is_made() -> None:
    with pytest.raises(InvalidArguments, match="PGCRON_ADMIN_SECRET is not set"):
        create_app(AdminSettings(database_url="postgresql://127.0.0.1:1/none"))
