"""Settings: people and what they may, one's own sessions and tokens, what keeps jobs from running, and what this installation is."""

from __future__ import annotations

import re
from datetime import UTC, datetime

import httpx
import pytest
from playwright.sync_api import expect
from screens.conftest import Site
from screens.seeds import Visitor, tab_of

from pgcron_py.app.passwords import hashed
from support.admin import as_program

pytestmark = pytest.mark.long  # a browser's part of the proof: `make long`, and CI

SCREENS = (
    "/settings/preferences", "/settings/password", "/settings/sessions", "/settings/tokens", "/settings/users", "/settings/users/new",
    "/settings/roles", "/settings/kill-switch", "/settings/blackouts", "/settings/retention", "/settings/about",
)  # fmt: skip
USER = "SELECT id FROM pgcron.app_user WHERE name = %s"


@pytest.fixture(scope="module")
def boss(site: Site) -> Visitor:
    return Visitor(site, "boss")


def test_a_user_is_added_comes_by_a_link_once_and_is_disabled(site: Site) -> None:
    tab = tab_of(site, "chief")
    page = tab.open("/settings/users")
    page.get_by_role("link", name="Add user").click()
    page.get_by_label("Name").fill("newcomer@example.com")
    page.get_by_role("radio", name="operator").check()
    page.get_by_role("button", name="Add user").click()
    expect(page.get_by_text("The user was added.")).to_be_visible()
    page.get_by_role("link", name="newcomer@example.com").click()
    page.get_by_role("button", name="Make a link").click()
    link = page.locator("#shown-once").inner_text()
    browser = httpx.Client(headers={"Accept": "text/html", "Origin": site.url})
    assert "Sign in as newcomer@example.com" in browser.get(link).text
    assert browser.post(link).status_code == 303
    assert httpx.post(link, headers={"Origin": site.url}).status_code == 404
    page.get_by_label("Why").last.fill("left the company")
    page.get_by_role("button", name="Disable").click()
    row = page.locator("tr", has_text="newcomer@example.com")
    expect(row).to_contain_text("Disabled")
    assert browser.get(f"{site.url}/jobs").status_code == 303
    entry = site.people.audit("user_changed")[-1]
    assert (entry["actor"], entry["reason"]) == ("web:chief", "left the company")
    assert tab.troubles == []


@pytest.mark.parametrize(
    ("fields", "field", "told"),
    [
        ({"name": "not a name!", "role": "viewer"}, "name", "is no name of a user"),
        ({"name": "boss", "role": "viewer"}, "name", "there is a user &#39;boss&#39; already"),
        ({"name": "x", "role": "viewer", "password": "short"}, "password", "this has fewer than 12 characters"),
        ({"name": "x", "role": "emperor"}, "role", "is no role"),
    ],
)
def test_a_user_that_the_rules_refuse_is_told_beside_the_field(
    boss: Visitor, fields: dict[str, str], field: str, told: str
) -> None:
    answer = boss.send("/settings/users", reason="kept", **fields)
    assert answer.status_code == 422
    marked = re.search(rf'<p id="{field}-error"[^>]*>(.*?)</p>', answer.text, re.DOTALL)
    assert marked is not None
    assert told in marked[1]
    assert 'value="kept"' in answer.text
    assert 'value="short"' not in answer.text  # what was typed is kept, but no password


def test_ones_own_rank_is_for_others_to_change(site: Site, boss: Visitor) -> None:
    page = boss.get(f"/settings/users/{site.value(USER, 'boss')}")
    assert "This is you" in page
    assert 'name="role"' not in page


def test_a_password_is_changed_and_the_other_sessions_end(site: Site) -> None:
    site.people.add("pat", "viewer")
    site.people.set_password("pat", hashed("the old and long one"))
    here, there = Visitor(site, "pat", "viewer"), Visitor(site, "pat", "viewer")
    new = "a new one with words"
    for fields, field in (
        ({"current": "not the old one", "new": new, "again": new}, "current"),
        ({"current": "the old and long one", "new": new, "again": "something else"}, "again"),
        ({"current": "the old and long one", "new": "short", "again": "short"}, "new"),
    ):
        answer = here.send("/settings/password", **fields)
        assert (answer.status_code, f'id="{field}-error"' in answer.text) == (422, True)
    site.do("DELETE FROM pgcron.app_sign_in_throttle")
    answer = here.send("/settings/password", current="the old and long one", new=new, again=new)
    assert (answer.status_code, answer.headers["location"]) == (303, "/settings/password?done=changed")
    assert "Your password was changed" in here.get("/settings/password?done=changed")
    assert there.session.http.get("/settings/password").status_code == 303
    assert site.people.session(site.url, "pat", "viewer").sign_in("pat", new).status_code == 200


def test_sessions_are_listed_and_ended_one_by_one_or_all_others(site: Site) -> None:
    sessions = [Visitor(site, "many", "viewer") for _ in range(4)]
    here = sessions[0]
    ids = re.findall(r"/settings/sessions/([0-9a-f-]{36})/end", here.get("/settings/sessions"))
    assert len(ids) == 3
    assert here.send(f"/settings/sessions/{ids[0]}/end").status_code == 303
    assert site.value("SELECT revoked_at IS NOT NULL FROM pgcron.app_session WHERE id = %s", ids[0]) is True
    assert here.send("/settings/sessions/end-others").status_code == 303
    assert "this one" in here.get("/settings/sessions")
    assert (
        site.value(f"SELECT count(*) FROM pgcron.app_session WHERE revoked_at IS NULL AND user_id = ({USER})", "many")
        == 1
    )
    other = Visitor(site, "another", "viewer")
    foreign = site.value(f"SELECT id FROM pgcron.app_session WHERE user_id = ({USER}) AND revoked_at IS NULL", "many")
    assert other.send(f"/settings/sessions/{foreign}/end").status_code == 404


def test_a_token_is_shown_once_works_and_is_revoked(site: Site) -> None:
    tab = tab_of(site, "scripter", "operator")
    page = tab.open("/settings/tokens")
    page.get_by_label("What it is for").fill("deploy pipeline")
    page.get_by_label("cron.view").check()
    page.get_by_label("cron.trigger").check()
    page.get_by_role("button", name="Make token").click()
    token = page.locator("#shown-once").inner_text()
    me = as_program(site.url, token).get("/api/auth/me").json()
    assert (me["name"], me["permissions"]) == ("scripter", ["cron.trigger", "cron.view"])
    page.reload()
    assert token not in page.content()
    page.locator("tr", has_text="deploy pipeline").get_by_role("button", name="Revoke").click()
    expect(page.get_by_text("You have no tokens")).to_be_visible()
    assert as_program(site.url, token).get("/api/auth/me").status_code == 401
    assert tab.troubles == []


def test_a_token_needs_a_scope_and_no_more_than_its_maker_has(site: Site) -> None:
    operator = Visitor(site, "stingy", "operator")
    assert "nothing is chosen" in operator.send("/settings/tokens", name="x", days="30").text
    answer = operator.send("/settings/tokens", name="x", days="30", scopes=["cron.view", "system.cron.manage"])
    assert (answer.status_code, "is nothing that you may pass on" in answer.text) == (422, True)
    assert site.value(f"SELECT count(*) FROM pgcron.api_token WHERE user_id = ({USER})", "stingy") == 0


def test_the_kill_switch_shows_on_every_open_page_and_is_resumed_there(site: Site) -> None:
    tab, watching = tab_of(site, "captain"), tab_of(site, "sailor", "viewer")
    page, other = tab.open("/settings/kill-switch"), watching.open("/jobs")
    expect(other.locator("#live span")).to_have_text("Live")
    page.get_by_label("Why").fill("the mail provider is down")
    page.get_by_role("button", name="Pause all scheduling").click()
    banner = page.locator("#paused")
    expect(banner).to_contain_text("by web:captain")
    expect(other.locator("#paused")).to_contain_text("the mail provider is down")
    expect(other.locator("#paused").get_by_role("button", name="Resume")).to_have_count(0)
    page = tab.open("/jobs")
    banner.get_by_role("button", name="Resume").click()
    expect(banner.get_by_role("alert")).to_have_count(0)
    expect(page).to_have_url(f"{site.url}/jobs")
    expect(other.locator("#paused").get_by_role("alert")).to_have_count(0)
    assert site.value("SELECT paused_at IS NULL FROM pgcron.cron_meta") is True
    assert tab.troubles + watching.troubles == []


def test_pausing_everything_needs_a_reason(site: Site, boss: Visitor) -> None:
    assert 'id="reason-error"' in boss.send("/settings/kill-switch/pause", reason=" ").text
    assert site.value("SELECT paused_at IS NULL FROM pgcron.cron_meta") is True


def test_blackouts_are_set_once_in_a_zone_or_by_a_schedule_and_removed(site: Site, boss: Visitor) -> None:
    once = {
        "name": "closing",
        "comes": "once",
        "of": "tag",
        "tag": "finance",
        "action": "delay",
        "timezone": "Europe/Berlin",
        "reason": "year end",
    }
    assert (
        boss.send("/settings/blackouts", **once, startsAt="2031-12-31T18:00", endsAt="2032-01-01T06:00").status_code
        == 303
    )
    found = site.value(
        "SELECT ARRAY[starts_at, ends_at] FROM pgcron.cron_blackout WHERE name = 'closing' AND tag = 'finance' AND action = 'delay'"
    )
    assert found == [datetime(2031, 12, 31, 17, tzinfo=UTC), datetime(2032, 1, 1, 5, tzinfo=UTC)]
    weekly = {
        "name": "weekly",
        "comes": "schedule",
        "of": "job",
        "jobId": "sync-stock",
        "action": "skip",
        "timezone": "UTC",
        "schedule": "0 22 * * fri",
    }
    assert boss.send("/settings/blackouts", **weekly, durationMs="1h 30m").status_code == 303
    assert site.value("SELECT duration_ms FROM pgcron.cron_blackout WHERE name = 'weekly'") == 5_400_000
    page = boss.get("/settings/blackouts")
    assert "Wed 2031-12-31 18:00:00 CET" in page
    assert "for 1 h 30 min each time" in page
    for name in ("closing", "weekly"):
        blackout = site.value("SELECT id FROM pgcron.cron_blackout WHERE name = %s", name)
        assert boss.send(f"/settings/blackouts/{blackout}/delete").status_code == 303
    assert "There are no blackouts" in boss.get("/settings/blackouts")


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"comes": "schedule", "schedule": "0 22 * * fri", "durationMs": "soon"}, "durationMs"),
        ({"comes": "schedule", "schedule": "61 * * * *", "durationMs": "8h"}, "schedule"),
        ({"comes": "once", "startsAt": "2031-01-01T00:00", "endsAt": "2030-01-01T00:00"}, "endsAt"),
        ({"comes": "once", "startsAt": "yesterday", "endsAt": "2030-01-01T00:00"}, "startsAt"),
        ({"comes": "once", "startsAt": "2031-01-01T00:00"}, "endsAt"),
        ({"comes": "once", "of": "job", "jobId": "nobody"}, "jobId"),
        ({"comes": "once", "timezone": "Mars/Olympus", "startsAt": "2031-01-01T00:00"}, "timezone"),
    ],
)
def test_a_blackout_that_the_rules_refuse_is_told_beside_the_field(
    boss: Visitor, fields: dict[str, str], field: str
) -> None:
    answer = boss.send(
        "/settings/blackouts", **{"name": "typed by hand", "action": "skip", "timezone": "UTC", "of": "all"} | fields
    )
    assert answer.status_code in (400, 422)
    assert f'id="{field}-error"' in answer.text
    assert 'value="typed by hand"' in answer.text


def test_who_may_not_sees_no_forms_and_is_told_which_permission_it_takes(site: Site) -> None:
    viewer = Visitor(site, "looker", "viewer")
    page = viewer.get("/settings/blackouts")
    assert "needs the permission system.cron.manage" in page
    assert "Set blackout" not in page
    assert "/settings/users" not in page
    refused = viewer.session.http.get("/settings/users")
    assert (refused.status_code, "this needs the permission cron.user.admin" in refused.text) == (403, True)
    assert viewer.send("/settings/kill-switch/pause", reason="x").status_code == 403


def test_roles_retention_and_licences_are_told(boss: Visitor) -> None:
    assert re.search(r"cron\.sql\.edit.*?(<td.*?no</span></td>\s*){3}", boss.get("/settings/roles"), re.DOTALL)
    assert "kept for 90 days" in boss.get("/settings/retention")
    about = boss.get("/settings/about")
    for part in ("revision 0016", "LGPL-3.0-only", "lucide-static", "OFL-1.1", "PGCRON_ADMIN_SESSION_IDLE"):
        assert part in about
    assert "tests-only" not in about  # the secret


def test_no_screen_breaks_the_policy_or_scrolls_sideways_on_a_phone(site: Site) -> None:
    tab = site.tab(phone=True)
    for path in SCREENS:
        page = tab.open(path)
        wide = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        assert wide <= 0, f"{path} scrolls sideways by {wide}"
    assert tab.troubles == []
