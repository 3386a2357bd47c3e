"""Who may call which route: the table, against every route of the OpenAPI document.

A new route needs a row here, or `test_every_route_has_a_row` fails. The letters say who gets past the guards:

    A  anybody at all                       O  operator (cron.view, cron.trigger, cron.enable)
    V  viewer (cron.view)                   S  super admin
    T  a token of a super admin whose only scope is cron.audit.read
    J  …whose only scope is the permission that the route needs (tokens never do what is for people in person)
"""

from __future__ import annotations

import re
from typing import Any

import httpx
import psycopg
import pytest
from litestar import Litestar, Router, get

from pgcron_admin.permissions import Permission, access_of, check_declared, open_to_all, requires, routes_of
from pgcron_admin.principal import COVERED, permissions_of
from pgcron_py.errors import PgCronError
from support.admin import as_program

TABLE = {
    "GET /health/live": "AVOSTJ",
    "GET /health/ready": "AVOSTJ",
    "POST /api/auth/sign-in": "AVOSTJ",
    "POST /api/auth/sign-out": "VOS",
    "GET /api/auth/me": "VOSTJ",
    "POST /api/auth/password": "VOS",
    "GET /api/auth/link/{token}": "AVOSTJ",
    "POST /api/auth/link/{token}": "AVOSTJ",
    "GET /api/sessions": "VOS",
    "DELETE /api/sessions": "VOS",
    "DELETE /api/sessions/{session_id}": "VOS",
    "GET /api/tokens": "VOS",
    "POST /api/tokens": "VOS",
    "DELETE /api/tokens/{token_id}": "VOS",
    "GET /api/users": "SJ",
    "POST /api/users": "SJ",
    "PATCH /api/users/{user_id}": "SJ",
    "POST /api/users/{user_id}/link": "SJ",
    "GET /api/roles": "SJ",
    "GET /api/cron-jobs": "VOSJ",
    "GET /api/cron-jobs/facets": "VOSJ",
    "GET /api/cron-jobs/{job_id}": "VOSJ",
    "GET /api/cron-jobs/{job_id}/logs": "VOSJ",
    "GET /api/cron-jobs/{job_id}/statistics": "VOSJ",
    "POST /api/cron-jobs/{job_id}/enable": "OSJ",
    "POST /api/cron-jobs/{job_id}/disable": "OSJ",
    "POST /api/cron-jobs/{job_id}/trigger": "OSJ",
    "PATCH /api/cron-jobs/{job_id}/schedule": "SJ",
    "POST /api/cron-jobs": "SJ",
    "PATCH /api/cron-jobs/{job_id}": "SJ",
    "DELETE /api/cron-jobs/{job_id}": "SJ",
    "POST /api/cron-jobs/{job_id}/skip-next": "OSJ",
    "POST /api/cron-jobs/{job_id}/cancel": "OSJ",
    "GET /api/cron-jobs/{job_id}/ledger": "VOSJ",
    "GET /api/runs": "VOSJ",
    "GET /api/runs/facets": "VOSJ",
    "GET /api/runs/{run_id}": "VOSJ",
    "GET /api/runs/{run_id}/output": "VOSJ",
    "POST /api/runs/{run_id}/cancel": "OSJ",
    "POST /api/runs/{run_id}/retry": "OSJ",
    "GET /api/requests": "VOSJ",
    "GET /api/requests/{request_id}": "VOSJ",
    "POST /api/requests/{request_id}/cancel": "OSJ",
    "GET /api/misses": "VOSJ",
    "GET /api/workers": "VOSJ",
    "GET /api/workers/{worker_id}": "VOSJ",
    "POST /api/workers/{worker_id}/drain": "SJ",
    "GET /api/handlers": "VOSJ",
    "GET /api/events": "VOSJ",
    "POST /api/schedules/preview": "VOSJ",
    "GET /api/cron-jobs/{job_id}/next-runs": "VOSJ",
    "POST /api/cron-jobs/{job_id}/plan": "VOSJ",
    "GET /api/cron-jobs/{job_id}/explain": "VOSJ",
    "POST /api/cron-jobs/{job_id}/backfills": "SJ",
    "GET /api/backfills": "VOSJ",
    "GET /api/backfills/{backfill_id}": "VOSJ",
    "POST /api/backfills/{backfill_id}/cancel": "SJ",
    "POST /api/bulk": "VOSJ",  # then by what it does: tests/admin/test_bulk.py
    "GET /api/bulk": "VOSJ",
    "GET /api/bulk/{bulk_id}": "VOSJ",
    "GET /api/bulk/{bulk_id}/jobs": "VOSJ",
    "POST /api/bulk/{bulk_id}/cancel": "VOSJ",
    "GET /api/fleet": "VOSJ",
    "POST /api/fleet/pause": "SJ",
    "POST /api/fleet/resume": "SJ",
    "GET /api/blackouts": "VOSJ",
    "PUT /api/blackouts": "SJ",
    "DELETE /api/blackouts/{blackout_id}": "SJ",
    "GET /api/limits": "VOSJ",
    "PUT /api/limits": "SJ",
    "DELETE /api/limits": "SJ",
    "GET /api/alerts": "VOSJ",
    "POST /api/alerts/{alert_id}/acknowledge": "OSJ",
    "GET /api/inbox": "VOSJ",
    "POST /api/inbox/read": "OSJ",
    "GET /api/channels": "VOSJ",
    "POST /api/channels": "SJ",
    "PATCH /api/channels/{channel_id}": "SJ",
    "DELETE /api/channels/{channel_id}": "SJ",
    "POST /api/channels/{channel_id}/test": "SJ",
    "GET /api/mutes": "VOSJ",
    "POST /api/mutes": "SJ",
    "DELETE /api/mutes": "SJ",
    "GET /api/deliveries": "VOSJ",
    "POST /api/deliveries/retry": "SJ",
    "GET /api/audit": "STJ",
    "GET /api/audit/export": "STJ",
    "GET /api/audit/verify": "STJ",
    "GET /api/audit/{audit_id}": "STJ",
    "POST /api/audit/{audit_id}/revert": "SJ",
    "GET /api/overview": "VOSJ",
    "GET /api/health-checks": "VOSJ",
    "GET /api/settings": "VOSJ",
    "GET /api/forecast": "VOSJ",
}
UNKNOWN_ID = "0192f0c1-2345-7000-8000-000000000000"
ACTORS = {"A": "nobody", "V": "viewer", "O": "operator", "S": "super_admin", "T": "wrong scope", "J": "right scope"}


@pytest.fixture(scope="module")
def document(site: Any) -> dict[str, Any]:
    found: dict[str, Any] = httpx.get(f"{site.url}/api/openapi.json").json()
    return found


def operations(document: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {
        f"{method.upper()} {path}": operation
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    }


def test_every_route_has_a_row(document: dict[str, Any]) -> None:
    assert operations(document).keys() == TABLE.keys()


@pytest.mark.parametrize("actor", ACTORS, ids=ACTORS.get)
@pytest.mark.parametrize("route", TABLE)
def test_a_route_lets_in_whom_the_table_says_and_refuses_the_others(
    site: Any, document: dict[str, Any], route: str, actor: str
) -> None:
    method, path = route.split(" ", 1)
    needed = operations(document)[route].get("x-permission")
    answer = ask(site, actor, method, re.sub(r"\{[a-z_]+_id\}", UNKNOWN_ID, path).replace("{token}", "x"), needed)
    if actor in TABLE[route]:
        assert answer.status_code not in (401, 403, 500) or is_about_passwords(route, answer), answer.text
    elif actor == "A":
        assert answer.status_code == 401, answer.text
    else:
        assert answer.status_code == 403, answer.text


def ask(site: Any, actor: str, method: str, path: str, needed: str | None) -> httpx.Response:
    """Without a body: whoever gets past the guards is told that the request can't be read, and nothing happens."""
    if actor == "A":
        return site.browser().send(method, path)
    if actor in "TJ":
        scopes = ["cron.audit.read"] if actor == "T" or needed is None else [needed]
        return as_program(site.url, site.people.token("machine", "super_admin", scopes=scopes)).request(method, path)
    return site.session(f"a-{ACTORS[actor]}", ACTORS[actor]).send(method, path)


def is_about_passwords(route: str, answer: httpx.Response) -> bool:
    """A sign-in that is refused is answered 401 too."""
    return route.endswith(("/sign-in", "/password")) and answer.json()["code"] == "sign_in_refused"


def test_the_document_says_what_each_route_needs(document: dict[str, Any]) -> None:
    found = operations(document)
    assert found["GET /api/users"]["x-permission"] == "cron.user.admin"
    assert found["GET /api/users"]["security"] == [{"session": []}, {"bearer": []}]
    assert found["GET /api/tokens"]["security"] == [{"session": []}]
    assert found["POST /api/auth/sign-in"]["security"] == []
    for route, operation in found.items():
        statuses = set(operation["responses"])
        assert {"422", "503"} <= statuses
        assert ({"401", "403"} <= statuses) == (bool(operation["security"]) or not route.startswith("GET")), route


def test_an_application_with_a_route_that_declares_nothing_is_not_built() -> None:
    @get("/forgotten")
    async def forgotten() -> None: ...

    with pytest.raises(PgCronError, match="GET /api/forgotten"):
        check_declared(Litestar([Router("/api", route_handlers=[forgotten])], openapi_config=None))


def test_an_application_with_a_route_that_declares_two_things_is_not_built() -> None:
    @get("/both", guards=[open_to_all])
    async def both() -> None: ...

    router = Router("/api", route_handlers=[both], guards=[requires(Permission.VIEW)])
    with pytest.raises(PgCronError, match="GET /api/both"):
        check_declared(Litestar([router], openapi_config=None))


def test_every_handler_of_the_real_application_declares_one_access(app: Any) -> None:
    assert all(access_of(handler) is not None for _, _, handler in routes_of(app))


def test_the_permissions_of_python_and_of_the_database_are_the_same(site: Any) -> None:
    with psycopg.connect(site.web_url) as connection:
        (known,) = connection.execute("SELECT pgcron.app_permissions()").fetchone()  # type: ignore[misc]
    assert sorted(known) == sorted(Permission)


def test_manage_covers_all_but_users_and_the_text_of_sql() -> None:
    assert permissions_of(["system.cron.manage"]) == COVERED
    assert set(Permission) - COVERED == {Permission.USER_ADMIN, Permission.SQL_EDIT}
    assert permissions_of(["cron.everything", "", "CRON.VIEW"]) == frozenset()


def test_who_lacks_a_permission_is_in_the_audit_and_who_is_not_signed_in_is_not(site: Any) -> None:
    before = len(site.people.audit("request_refused"))
    assert site.browser().get("/api/users").status_code == 401
    assert len(site.people.audit("request_refused")) == before
    answer = site.session("curious").get("/api/users")
    assert answer.json()["detail"] == "this needs the permission cron.user.admin"
    entry = site.people.audit("request_refused")[-1]
    assert (entry["actor"], entry["request_id"]) == ("web:curious", answer.headers["x-request-id"])
    assert entry["new_values"]["path"] == "/api/users"
    assert str(entry["application"]).startswith("pgcron admin session ")


def test_a_token_may_what_both_its_scopes_and_its_user_may(site: Any) -> None:
    token = site.people.token("shrinking", "super_admin", scopes=["cron.user.admin", "cron.view"])
    program = as_program(site.url, token)
    assert program.get("/api/users").status_code == 200
    with psycopg.connect(site.db_url, autocommit=True) as connection:
        connection.execute("UPDATE pgcron.app_user SET role = 'viewer' WHERE name = 'shrinking'")
    assert program.get("/api/users").status_code == 403
    assert program.get("/api/auth/me").json()["permissions"] == ["cron.view"]


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ("UPDATE pgcron.api_token SET revoked_at = clock_timestamp()", "has expired or was revoked"),
        ("UPDATE pgcron.api_token SET expires_at = clock_timestamp()", "has expired or was revoked"),
        ("UPDATE pgcron.app_user SET is_enabled = false WHERE name = 'tokened'", "has expired or was revoked"),
        ("DELETE FROM pgcron.api_token", "is not known"),
    ],
)
def test_a_token_is_refused_at_once_when(site: Any, change: str, told: str) -> None:
    with psycopg.connect(site.db_url, autocommit=True) as connection:
        connection.execute("DELETE FROM pgcron.app_user WHERE name = 'tokened'")
        program = as_program(site.url, site.people.token("tokened", scopes=["cron.view"]))
        assert program.get("/api/auth/me").json()["kind"] == "token"
        connection.execute(change)  # type: ignore[arg-type]  # from the list above
    answer = program.get("/api/auth/me")
    assert answer.status_code == 401
    assert told in answer.json()["detail"]
    assert answer.headers["www-authenticate"].startswith("Bearer")


def test_a_token_never_may_more_than_who_makes_it(site: Any) -> None:
    op = site.session("op", "operator")
    made = op.post("/api/tokens", {"name": "deploy", "scopes": ["cron.view", "cron.trigger"], "days": 7})
    assert made.status_code == 201
    assert as_program(site.url, made.json()["token"]).get("/api/auth/me").json()["permissions"] == [
        "cron.trigger",
        "cron.view",
    ]
    for scope in ("cron.schedule.edit", "system.cron.manage", "cron.anything"):
        refused = op.post("/api/tokens", {"name": "more", "scopes": [scope]})
        assert (refused.status_code, refused.json()["field"]) == (422, "scopes")
    (listed,) = op.get("/api/tokens").json()
    assert "token" not in listed
    assert op.send("DELETE", f"/api/tokens/{listed['id']}").status_code == 204
    assert as_program(site.url, made.json()["token"]).get("/api/auth/me").status_code == 401


def test_a_link_is_made_for_who_may_no_more_than_oneself_is_enabled_and_is_somebody_else(site: Any) -> None:
    clerk = site.session("link-clerk", "viewer", "cron.user.admin")
    own, higher = site.people.add("link-clerk", "viewer"), site.people.add("link-boss", "super_admin")
    gone, lower = site.people.add("link-gone", "viewer"), site.people.add("link-lower", "viewer")
    with psycopg.connect(site.db_url, autocommit=True) as connection:
        connection.execute("UPDATE pgcron.app_user SET is_enabled = false WHERE name = 'link-gone'")
    for user, status in ((own, 403), (higher, 403), (gone, 422)):
        assert clerk.post(f"/api/users/{user}/link").status_code == status
    made = clerk.post(f"/api/users/{lower}/link")
    assert made.status_code == 201
    assert site.browser().post(made.json()["path"]).json()["name"] == "link-lower"
    assert site.browser().post(made.json()["path"]).status_code == 404
    (entry,) = [e for e in site.people.audit("link_created") if e["new_values"]["user"].startswith("link-")]
    assert (entry["actor"], entry["new_values"]["user"]) == ("web:link-clerk", "link-lower")


def test_nobody_gives_what_they_have_not_nor_changes_their_own_rank(site: Any) -> None:
    clerk = site.session("clerk", "viewer", "cron.user.admin")
    boss = site.people.add("the-boss", "super_admin")
    new = {"name": "made", "role": "super_admin"}
    assert clerk.post("/api/users", new).status_code == 403
    assert clerk.post("/api/users", {**new, "role": "viewer", "extraPermissions": ["cron.sql.edit"]}).status_code == 403
    assert clerk.send("PATCH", f"/api/users/{boss}", {"password": "a long enough word"}).status_code == 403
    assert clerk.send("PATCH", f"/api/users/{boss}", {"isEnabled": False}).status_code == 403
    assert (
        clerk.send("PATCH", f"/api/users/{site.people.add('clerk', 'viewer')}", {"role": "operator"}).status_code == 403
    )
    made = clerk.post("/api/users", {**new, "role": "viewer", "reason": "a new colleague"})
    assert made.status_code == 201, made.text
    assert clerk.send("PATCH", f"/api/users/{made.json()['id']}", {"isEnabled": False}).json()["isEnabled"] is False
    (entry,) = [e for e in site.people.audit("user_created") if e["new_values"]["name"] == "made"]
    assert (entry["actor"], entry["reason"]) == ("web:clerk", "a new colleague")


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"name": "bad name!", "role": "viewer"}, "name"),
        ({"name": "x", "role": "emperor"}, "role"),
        ({"name": "x", "role": "viewer", "password": "short"}, "password"),
        ({"name": "x", "role": "viewer", "extraPermissions": ["cron.fly"]}, "extraPermissions"),
        ({"name": "taken", "role": "viewer"}, "name"),
    ],
)
def test_a_user_that_the_rules_refuse_is_told_which_field(site: Any, body: dict[str, Any], field: str) -> None:
    site.people.add("taken")
    answer = site.session("hr", "super_admin").post("/api/users", body)
    assert (answer.status_code, answer.json()["field"]) == (422, field)
