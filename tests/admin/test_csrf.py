"""What another site can make a browser send, and what it can't."""

from __future__ import annotations

import re
from typing import Any

import httpx
import pytest
from litestar.middleware import DefineMiddleware

from pgcron_admin.authentication import Authentication
from pgcron_admin.permissions import routes_of
from support.admin import as_program

UNKNOWN_ID = "0192f0c1-2345-7000-8000-000000000000"
SAFE = ("get", "head", "options")
ELSEWHERE = {"Origin": "https://evil.example", "Sec_Fetch_Site": "cross-site"}


def unsafe_routes(url: str) -> list[tuple[str, str]]:
    document = httpx.get(f"{url}/api/openapi.json").json()
    return [
        (method.upper(), re.sub(r"\{[a-z_]+\}", UNKNOWN_ID, path))
        for path, methods in document["paths"].items()
        for method in methods
        if method not in SAFE
    ]


def test_there_are_unsafe_routes(site: Any) -> None:
    assert len(unsafe_routes(site.url)) >= 9


def test_every_unsafe_route_refuses_a_session_without_its_token(site: Any) -> None:
    browser, other = site.session("csrf-1", "super_admin"), site.session("csrf-2", "super_admin")
    for method, path in unsafe_routes(site.url):
        for token in ("", "x" * 64, other.csrf, "é"):
            answer = browser.http.request(
                method, path, headers={"Origin": site.url, "X-CSRF-Token": token.encode()} if token else {}
            )
            assert (answer.status_code, answer.json()["code"]) == (403, "csrf_token_missing"), (method, path, token)
    assert browser.get("/api/auth/me").status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        ELSEWHERE,
        {"Origin": "https://evil.example", "Sec_Fetch_Site": ""},
        {"Origin": "", "Sec_Fetch_Site": "cross-site"},
        {"Origin": "", "Sec_Fetch_Site": "same-site"},
        {"Origin": "null", "Sec_Fetch_Site": ""},
        {"Origin": "http://127.0.0.1", "Sec_Fetch_Site": ""},
        {"Origin": "http://127.0.0.1.evil.example", "Sec_Fetch_Site": "same-origin"},
    ],
)
def test_every_unsafe_route_refuses_what_comes_from_elsewhere_even_with_the_token(site: Any, headers: Any) -> None:
    browser = site.session("csrf-3", "super_admin")
    for method, path in unsafe_routes(site.url):
        answer = browser.send(method, path, **headers)
        assert (answer.status_code, answer.json()["code"]) == (403, "cross_site_request"), (method, path)


def test_a_stranger_can_not_sign_a_browser_in_from_another_site(site: Any) -> None:
    answer = site.browser().send(
        "POST", "/api/auth/sign-in", {"name": "mallory", "password": "whatever it is"}, **ELSEWHERE
    )
    assert answer.json()["code"] == "cross_site_request"


def test_a_form_of_another_site_is_no_body_that_is_taken(site: Any) -> None:
    answer = httpx.post(f"{site.url}/api/auth/sign-in", data={"name": "mallory", "password": "x"})
    assert answer.status_code == 422


def test_a_program_with_a_token_needs_none_of_it_and_its_cookies_are_not_looked_at(site: Any) -> None:
    token = site.people.token("csrf-4", "super_admin", scopes=["cron.user.admin", "cron.view"])
    program = as_program(site.url, token)
    made = program.post(
        "/api/users", json={"name": "made-by-program", "role": "viewer"}, headers={"Origin": "https://ci.example"}
    )
    assert made.status_code == 201, made.text
    browser = site.session("csrf-5", "super_admin")
    browser.http.headers["Authorization"] = "Bearer pgc_0000000000000000_" + "A" * 43
    assert browser.get("/api/auth/me").status_code == 401
    browser.http.headers["Authorization"] = "Basic YTpi"
    assert browser.get("/api/auth/me").status_code == 401


def test_the_token_is_another_one_for_each_session_and_no_cookie_holds_it(site: Any) -> None:
    one, two = site.session("csrf-6"), site.session("csrf-6")
    assert one.csrf != two.csrf
    assert one.csrf not in str(one.http.cookies)


def test_a_missing_token_of_a_known_user_is_in_the_audit(site: Any) -> None:
    browser = site.session("csrf-7")
    browser.csrf = None
    assert browser.send("DELETE", "/api/sessions").status_code == 403
    entry = site.people.audit("request_refused")[-1]
    assert entry["actor"] == "web:csrf-7"
    assert "CSRF" in str(entry["new_values"])


def test_no_route_of_the_application_is_left_out(app: Any) -> None:
    """The check is part of the authentication, which has no list of exceptions that could be empty."""
    for method, path, handler in routes_of(app):
        found = [part for part in handler.resolve_middleware() if isinstance(part, DefineMiddleware)]
        assert [part.middleware for part in found] == [Authentication], (method, path)
