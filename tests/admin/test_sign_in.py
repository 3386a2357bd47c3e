"""Signing in with a password, the sessions that come of it, and what a guesser meets."""

from __future__ import annotations

import pytest

from pgcron_py.app.passwords import hashed

PASSWORD = "three blind mice 1905"
HASH = hashed(PASSWORD)


@pytest.fixture
def ana(site):
    site.people.add("ana", "operator")
    site.people.set_password("ana", HASH)
    return site.browser()


def test_a_user_signs_in_and_is_known_until_they_sign_out(site, ana) -> None:
    answer = ana.sign_in("Ana ", PASSWORD)
    assert answer.status_code == 200, answer.text
    me = ana.get("/api/auth/me").json()
    assert (me["name"], me["kind"], me["role"]) == ("ana", "session", "operator")
    assert me["permissions"] == ["cron.enable", "cron.trigger", "cron.view"]
    old = ana.cookie
    assert ana.post("/api/auth/sign-out").status_code == 204
    assert ana.cookie is None
    ana.http.cookies.set("pgcron_dev", old, domain="127.0.0.1", path="/")
    assert ana.get("/api/auth/me").status_code == 401
