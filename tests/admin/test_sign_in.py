"""Signing in with a password or a link, the sessions that come of it, and what the audit says of it."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest

from pgcron_py.app.passwords import hashed
from support.admin import Browser

PASSWORD = "three blind mice 1905"
HASH = hashed(PASSWORD)


@pytest.fixture(autouse=True)
def _no_throttle(site: Any) -> None:
    do(site, "DELETE FROM pgcron.app_sign_in_throttle")


def do(site: Any, statement: str, *values: object) -> list[Any]:
    with psycopg.connect(site.db_url, autocommit=True) as connection:
        cursor = connection.execute(statement, values or None)
        return cursor.fetchall() if cursor.description else []


def person(site: Any, name: str, role: str = "viewer") -> Browser:
    """A browser of somebody with PASSWORD, who has not signed in yet."""
    site.people.add(name, role)
    site.people.set_password(name, HASH)
    return site.browser()


def signed_in(site: Any, name: str, role: str = "viewer") -> Browser:
    browser = person(site, name, role)
    answer = browser.sign_in(name, PASSWORD)
    assert answer.status_code == 200, answer.text
    return browser


def put_cookie(browser: Browser, value: str) -> None:
    browser.http.cookies.set("pgcron_dev", value, domain="127.0.0.1", path="/")


def test_a_user_signs_in_and_is_known_until_they_sign_out(site: Any) -> None:
    ana = person(site, "ana", "operator")
    assert ana.sign_in(" Ana", PASSWORD).status_code == 200
    me = ana.get("/api/auth/me").json()
    assert (me["name"], me["kind"], me["role"]) == ("ana", "session", "operator")
    assert me["permissions"] == ["cron.enable", "cron.trigger", "cron.view"]
    old = ana.cookie
    assert old
    assert ana.post("/api/auth/sign-out").status_code == 204
    assert ana.cookie is None
    put_cookie(ana, old)
    assert ana.get("/api/auth/me").status_code == 401


def test_the_cookie_is_out_of_reach_of_scripts_and_its_key_is_nowhere_in_the_database(site: Any) -> None:
    ben = person(site, "ben")
    header = ben.sign_in("ben", PASSWORD).headers["set-cookie"]
    assert "HttpOnly" in header
    assert "SameSite=lax" in header
    assert "Path=/" in header
    assert ben.cookie is not None
    rows = do(site, "SELECT to_jsonb(s)::text FROM pgcron.app_session s")
    assert not any(ben.cookie in row for (row,) in rows)


def test_a_cookie_that_was_planted_before_is_not_the_session_afterwards(site: Any) -> None:
    victim = person(site, "fia")
    put_cookie(victim, planted := "A" * 43)
    answer = victim.sign_in("fia", PASSWORD)
    assert answer.status_code == 200
    attacker = site.browser()
    put_cookie(attacker, planted)
    assert attacker.get("/api/auth/me").status_code == 401
    assert planted not in answer.headers["set-cookie"]


def test_signing_in_again_gives_a_new_session_and_ends_the_one_before(site: Any) -> None:
    gil = signed_in(site, "gil")
    before, csrf = gil.cookie, gil.csrf
    assert gil.sign_in("gil", PASSWORD).status_code == 200
    assert gil.cookie != before
    assert gil.csrf != csrf
    other = site.browser()
    put_cookie(other, str(before))
    assert other.get("/api/auth/me").status_code == 401


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE pgcron.app_user SET role = 'super_admin' WHERE name = 'hal'",
        "UPDATE pgcron.app_user SET extra_permissions = '{cron.sql.edit}' WHERE name = 'hal'",
        "UPDATE pgcron.app_user SET is_enabled = false WHERE name = 'hal'",
        "UPDATE pgcron.app_user SET password_hash = '$argon2id$another' WHERE name = 'hal'",
        "UPDATE pgcron.app_session SET expires_at = clock_timestamp()",
        "UPDATE pgcron.app_session SET last_seen_at = clock_timestamp() - interval '31 min'",
    ],
)
def test_a_session_ends_with_the_next_request_when(site: Any, change: str) -> None:
    do(site, "DELETE FROM pgcron.app_user WHERE name = 'hal'")
    hal = site.session("hal")
    assert hal.get("/api/auth/me").status_code == 200
    do(site, change)
    assert hal.get("/api/auth/me").status_code == 401


def test_a_session_that_is_used_goes_on_and_one_that_is_not_is_seen_no_more(site: Any) -> None:
    ida = site.session("ida")
    do(site, "UPDATE pgcron.app_session SET last_seen_at = clock_timestamp() - interval '29 min'")
    assert ida.get("/api/auth/me").status_code == 200
    (seen,) = do(site, "SELECT max(last_seen_at) > clock_timestamp() - interval '1 min' FROM pgcron.app_session")
    assert seen == (True,)


def test_a_rehash_with_other_costs_ends_no_session(site: Any) -> None:
    from argon2 import PasswordHasher

    other = site.session("jan")
    site.people.set_password("jan", PasswordHasher(time_cost=1, memory_cost=8192, parallelism=1).hash(PASSWORD))
    other = site.session("jan")
    assert site.browser().sign_in("jan", PASSWORD).status_code == 200
    assert other.get("/api/auth/me").status_code == 200
    (cost,) = do(site, "SELECT password_hash LIKE '%m=65536,t=3,p=4%' FROM pgcron.app_user WHERE name = 'jan'")
    assert cost == (True,)


def test_changing_the_own_password_keeps_this_browser_under_a_new_cookie_and_ends_the_others(site: Any) -> None:
    kim, elsewhere = signed_in(site, "kim"), site.session("kim")
    before = kim.cookie
    body = {"current": PASSWORD, "new": "a green door in june"}
    answer = kim.post("/api/auth/password", body)
    assert answer.status_code == 200, answer.text
    assert kim.cookie != before
    kim.csrf = answer.json()["csrfToken"]
    assert kim.get("/api/auth/me").status_code == 200
    assert elsewhere.get("/api/auth/me").status_code == 401
    assert site.browser().sign_in("kim", PASSWORD).status_code == 401
    assert site.browser().sign_in("kim", "a green door in june").status_code == 200


def test_the_own_password_is_not_changed_without_the_current_one(site: Any) -> None:
    lea = signed_in(site, "lea")
    answer = lea.post("/api/auth/password", {"current": "not this one, sorry", "new": "a green door in june"})
    assert (answer.status_code, answer.json()["detail"]) == (401, "the current password is wrong")
    assert site.browser().sign_in("lea", PASSWORD).status_code == 200


@pytest.mark.parametrize(
    ("new", "rule"),
    [("short", "5 characters"), ("aaaabbbbaaaabbbb", "different characters"), ("xxmaxyyzzabcd", "the user's name")],
)
def test_a_new_password_that_breaks_a_rule_is_refused_and_not_repeated(site: Any, new: str, rule: str) -> None:
    answer = site.session("max").post("/api/auth/password", {"current": PASSWORD, "new": new})
    problem = answer.json()
    assert (answer.status_code, problem["field"]) == (422, "password")
    assert rule in problem["detail"]
    assert new not in answer.text


def test_wrong_name_wrong_password_and_a_disabled_user_get_the_same_answer(site: Any) -> None:
    person(site, "ned")
    person(site, "off")
    do(site, "UPDATE pgcron.app_user SET is_enabled = false WHERE name = 'off'")
    answers = [
        site.browser().sign_in(name, password)
        for name, password in (("ned", "wrong password"), ("nobody", PASSWORD), ("off", PASSWORD))
    ]
    told = [{**answer.json(), "requestId": ""} for answer in answers]
    assert [answer.status_code for answer in answers] == [401, 401, 401]
    assert told[0] == told[1] == told[2]
    reasons = [entry["new_values"]["reason"] for entry in site.people.audit("sign_in_refused")[-3:]]
    assert reasons == ["wrong name or password", "wrong name or password", "disabled"]


def test_a_link_signs_in_once_and_looking_at_it_does_not_use_it_up(site: Any, run_pgcron: Any) -> None:
    site.people.add("oda", "super_admin")
    path = run_pgcron("users", "link", "oda").strip()
    browser = site.browser()
    assert browser.get(path).json()["name"] == "oda"
    assert browser.get(path).status_code == 200
    answer = browser.post(path)
    assert answer.status_code == 200, answer.text
    assert browser.get("/api/auth/me").json()["role"] == "super_admin"
    assert site.browser().post(path).status_code == 404
    assert site.browser().get(path).status_code == 404
    assert len(site.people.audit("link_used")) == 1


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE pgcron.app_link SET expires_at = clock_timestamp()",
        "UPDATE pgcron.app_user SET is_enabled = false WHERE name = 'pam'",
        "UPDATE pgcron.app_user SET role = 'operator' WHERE name = 'pam'",
    ],
)
def test_a_link_is_no_longer_good_when(site: Any, run_pgcron: Any, change: str) -> None:
    do(site, "DELETE FROM pgcron.app_user WHERE name = 'pam'")
    site.people.add("pam")
    path = run_pgcron("users", "link", "pam").strip()
    do(site, change)
    assert site.browser().post(path).status_code == 404


def test_one_lists_and_ends_ones_own_sessions_and_nobody_elses(site: Any) -> None:
    here, there, other = site.session("quin"), site.session("quin"), site.session("rosa")
    found = here.get("/api/sessions").json()
    assert [session["isCurrent"] for session in found].count(True) == 1
    assert len(found) == 2
    not_mine = other.get("/api/sessions").json()[0]["id"]
    assert here.send("DELETE", f"/api/sessions/{not_mine}").status_code == 404
    assert other.get("/api/auth/me").status_code == 200
    assert here.send("DELETE", "/api/sessions").json() == {"ended": 1}
    assert there.get("/api/auth/me").status_code == 401
    assert here.get("/api/auth/me").status_code == 200


def test_who_administers_users_ends_anybodys_session(site: Any) -> None:
    boss, other = site.session("boss", "super_admin"), site.session("sam")
    session = other.get("/api/auth/me").json()["sessionId"]
    assert boss.send("DELETE", f"/api/sessions/{session}").status_code == 204
    assert other.get("/api/auth/me").status_code == 401
    ended = [entry for entry in site.people.audit("session_ended") if entry["new_values"]["session"] == session]
    assert [entry["actor"] for entry in ended] == ["web:boss"]


def test_the_audit_knows_who_signed_in_from_where_with_which_request(site: Any) -> None:
    answer = person(site, "tea").sign_in("tea", PASSWORD)
    entry = site.people.audit("signed_in")[-1]
    assert (entry["actor"], entry["client_address"]) == ("web:tea", "127.0.0.1")
    assert entry["request_id"] == answer.headers["x-request-id"]
    assert entry["new_values"] == {"user": "tea", "session": answer.json()["sessionId"]}


def test_no_secret_is_in_the_audit(site: Any, run_pgcron: Any) -> None:
    uma = signed_in(site, "uma", "super_admin")
    token = uma.post("/api/tokens", {"name": "ci", "scopes": ["cron.view"]}).json()["token"]
    link = run_pgcron("users", "link", "uma").strip().rsplit("/", 1)[1]
    uma.send("PATCH", f"/api/users/{site.people.add('vic')}", {"password": "a long enough word"})
    (text,) = do(site, "SELECT string_agg(to_jsonb(a)::text, '') FROM pgcron.cron_audit a")[0]
    for secret in (uma.cookie, token, token.rsplit("_", 1)[1], link, HASH, "argon2id", "a long enough word"):
        assert secret not in text
    (entry,) = [entry for entry in site.people.audit("user_changed") if entry["new_values"]["name"] == "vic"]
    assert entry["new_values"]["password"] == "changed"


def test_a_person_who_opens_a_link_gets_a_button_and_then_the_admin(site: Any, run_pgcron: Any) -> None:
    site.people.add("wes")
    path = run_pgcron("users", "link", "wes").strip()
    browser, seen_by_people = site.browser(), {"Accept": "text/html,*/*;q=0.8"}
    page = browser.get(path, **seen_by_people)
    assert page.headers["content-type"].startswith("text/html")
    assert "Sign in as wes" in page.text
    answer = browser.http.post(path, content=b"", headers={**seen_by_people, "Origin": site.url})
    assert (answer.status_code, answer.headers["location"]) == (303, "/")
    assert browser.get("/api/auth/me").json()["name"] == "wes"
