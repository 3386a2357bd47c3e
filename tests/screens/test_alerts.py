"""Alerts, the inbox, channels, mute windows and deliveries; and what a job tells."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect
from screens.conftest import Site
from screens.seeds import Visitor, seed_people_and_alerts, tab_of

pytestmark = pytest.mark.long  # a browser's part of the proof: `make long`, and CI

SCREENS = (
    "/alerts", "/alerts?state=all", "/alerts?state=resolved", "/alerts/inbox", "/alerts/channels", "/alerts/channels/new", "/alerts/mutes",
    "/alerts/deliveries", "/alerts/deliveries?state=PENDING", "/jobs/send-invoices/notifications", "/jobs/gdpr-export/notifications",
)  # fmt: skip
OPEN = "SELECT id FROM pgcron.cron_alert WHERE kind = 'failing' AND resolved_at IS NULL AND job_name = %s"
CHANNEL = "SELECT id FROM pgcron.cron_channel WHERE name = %s"


@pytest.fixture(scope="module", autouse=True)
def seeded(site: Site) -> None:
    seed_people_and_alerts(site)


@pytest.fixture(scope="module")
def boss(site: Site) -> Visitor:
    return Visitor(site, "boss")


def test_an_alert_is_on_the_page_and_in_the_frame_as_soon_as_it_opens_and_gone_when_acknowledged(site: Site) -> None:
    tab = tab_of(site, "on-call", "operator")
    page = tab.open("/alerts")
    expect(page.locator("#live span")).to_have_text("Live")
    expect(page.locator("#alert-count")).to_contain_text("1 open alert")
    site.do("INSERT INTO pgcron.cron_alert (kind, job_id, job_name, detail, told_at) SELECT 'late', id, name, '{\"limit_ms\": 60000}', clock_timestamp() FROM pgcron.cron_job WHERE name = 'purge-carts'")  # fmt: skip
    row = page.locator("tr", has_text="purge-carts")
    expect(row).to_contain_text("not started 1 min after it was due")
    expect(page.locator("#alert-count")).to_contain_text("2 open alerts")
    row.get_by_role("button", name="Acknowledge").click()
    expect(row).to_contain_text("by web:on-call")
    expect(page.locator("#live span")).to_have_text("Live")  # of the page that came
    expect(page.locator("#alert-count")).to_contain_text("1 open alert")
    site.do("UPDATE pgcron.cron_alert SET resolved_at = clock_timestamp() WHERE job_name = 'purge-carts'")
    expect(row).to_have_count(0)
    page = tab.open("/alerts?state=resolved")
    expect(page.locator("tr", has_text="purge-carts")).to_contain_text("Resolved")
    assert tab.troubles == []


def test_alerts_say_what_since_when_how_often_and_whether_they_are_muted(boss: Visitor) -> None:
    page = boss.get("/alerts?state=all")
    failing, slow = (re.search(rf"<tr[^>]*>(?:(?!</tr>).)*{job}.*?</tr>", page, re.DOTALL) for job in ("send-invoices#60", "weekly-report"))  # fmt: skip
    assert failing is not None
    assert slow is not None
    assert "ConnectionError: the mail server refused the connection" in failing[0]
    assert "4 ×" in failing[0]
    assert "52 min ago" in failing[0]
    assert "takes 1 min 35 s, usually no more than 1 min" in slow[0]
    assert "by web:ana" in slow[0]


def test_messages_of_the_inbox_are_read_one_by_one_and_all(site: Site) -> None:
    operator = Visitor(site, "reader", "operator")
    site.do("INSERT INTO pgcron.cron_outbox (event, job_name, payload) VALUES ('recovered', 'sync-stock', '{\"kind\": \"failing\", \"count\": 2}'), ('late', 'purge-carts', '{}')")  # fmt: skip
    page = operator.get("/alerts/inbox")
    ids = re.findall(r'id="message-([0-9a-f-]{36})"', page)
    assert len(ids) == 3
    operator.send("/alerts/inbox/read", message=ids[0])
    assert f'id="message-{ids[0]}"' not in operator.get("/alerts/inbox")
    operator.send("/alerts/inbox/read")
    assert "No unread messages" in operator.get("/alerts/inbox")
    assert "read by web:reader" in operator.get("/alerts/inbox?show=all")


def test_a_channel_is_added_with_a_secret_that_is_shown_once_then_changed_tested_and_removed(site: Site) -> None:
    tab = tab_of(site, "wirer")
    page = tab.open("/alerts/channels/new")
    page.get_by_label("Name", exact=True).fill("hook")
    page.get_by_label("URL", exact=True).fill("webhook+https://hooks.example.com/t/TOKEN")
    page.get_by_label("Make a secret for me").check()
    page.get_by_label("a job began to fail").check()
    page.get_by_label("Only jobs tagged").fill("finance, shop")
    page.get_by_role("button", name="Add channel").click()
    secret = page.locator("#shown-once").inner_text()
    assert (
        site.value("SELECT ROW(secret, events, tags)::text FROM pgcron.cron_channel WHERE name = 'hook'")
        == f'({secret},{{failed}},"{{finance,shop}}")'
    )
    page = tab.open(f"/alerts/channels/{site.value(CHANNEL, 'hook')}")
    assert "TOKEN" not in page.content()
    assert secret not in page.content()
    page.get_by_role("radio", name="Disabled").check()
    page.get_by_role("button", name="Save").click()
    card = page.locator("li", has_text="hook").first
    expect(card).to_contain_text("Disabled")
    assert (
        site.value("SELECT url FROM pgcron.cron_channel WHERE name = 'hook'")
        == "webhook+https://hooks.example.com/t/TOKEN"
    )
    card.get_by_role("button", name="Test").click()
    expect(page.get_by_text("A worker sends a test message")).to_be_visible()
    site.do("SELECT pgcron.dispatch_outbox(10)")  # as a worker does
    expect(page.locator("tbody tr", has_text="test")).to_contain_text("hook")
    page = tab.open(f"/alerts/channels/{site.value(CHANNEL, 'hook')}")
    page.get_by_role("button", name="Remove channel").click()
    expect(page.get_by_text("The channel was removed.")).to_be_visible()
    assert tab.troubles == []


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"name": "bad", "url": "nonsense"}, "url"),
        ({"name": "ops-mail", "url": "webhook+https://example.com/x"}, "name"),
        ({"name": "", "url": "webhook+https://example.com/x"}, "name"),
        ({"name": "bad", "url": "webhook+https://example.com/x", "secret": "short"}, "secret"),
        ({"name": "bad", "url": "webhook+https://example.com/x", "events": ["failed", "exploded"]}, "events"),
    ],
)
def test_a_channel_that_the_rules_refuse_is_told_beside_the_field(
    boss: Visitor, fields: dict[str, object], field: str
) -> None:
    answer = boss.send("/alerts/channels", reason="kept", **fields)
    assert answer.status_code == 422
    assert f'id="{field}-error"' in answer.text
    assert 'value="kept"' in answer.text


def test_what_was_given_up_is_sent_again(site: Site, boss: Visitor) -> None:
    page = boss.get("/alerts/deliveries?state=GIVEN_UP")
    assert "503 Service Unavailable" in page
    assert "Delivered" not in re.sub(r"<nav.*?</nav>", "", page, flags=re.DOTALL)
    answer = boss.send("/alerts/deliveries/retry", channel=str(site.value(CHANNEL, "pager")))
    assert answer.status_code == 303
    assert "503 Service Unavailable" not in boss.get("/alerts/deliveries?state=GIVEN_UP")
    assert "503 Service Unavailable" in boss.get("/alerts/deliveries?state=PENDING")


def test_messages_are_muted_for_a_while_or_until_an_instant_and_again_sent(site: Site, boss: Visitor) -> None:
    assert boss.send("/alerts/mutes", jobId="send-invoices", lasts="4h", reason="known, see OPS-9").status_code == 303
    assert site.value("SELECT ends_at - starts_at BETWEEN '3:59:00' AND '4:00:01' FROM pgcron.cron_mute WHERE reason = 'known, see OPS-9'") is True  # fmt: skip
    assert "known, see OPS-9" in boss.get("/alerts/mutes")
    row = re.search(r"send-invoices#60.*?</tr>", boss.get("/alerts"), re.DOTALL)
    assert row is not None
    assert "muted, ends" in row[0]
    assert boss.send("/alerts/mutes/end", job="send-invoices", channel="").status_code == 303
    assert "known, see OPS-9" not in boss.get("/alerts/mutes")
    boss.send("/preferences", times="mine", timezone="Asia/Tokyo")
    channel = str(site.value(CHANNEL, "reports"))
    assert boss.send("/alerts/mutes", channelId=channel, until="2031-05-01T09:00").status_code == 303
    assert (
        site.value("SELECT ends_at = '2031-05-01 00:00+00' FROM pgcron.cron_mute WHERE channel_id = %s", channel)
        is True
    )
    boss.send("/preferences", times="job")
    for fields, field in (
        ({"jobId": "nobody", "lasts": "1h"}, "jobId"),
        ({"until": "2001-01-01T00:00"}, "until"),
        ({}, "until"),
    ):
        assert f'id="{field}-error"' in boss.send("/alerts/mutes", **fields).text


def test_a_job_says_what_it_tells_and_to_whom(site: Site, boss: Visitor) -> None:
    page = boss.get("/jobs/send-invoices/notifications")
    assert "disabled after 3 failures in a row" in page
    assert "not started in time (no limit is set)" in page
    assert [name for name in ("ops-mail", "pager", "reports") if re.search(rf'break-all">{name}<', page)] == [
        "ops-mail",
        "pager",
    ]
    fields = {
        "notifyOnFailure": "on",
        "lateAfterMs": "5m",
        "slowAfterMs": "1h 30m",
        "slowFactor": "2.5",
        "mustSucceedEveryMs": "26h",
        "pingUrl": "",
    }
    version = str(site.value("SELECT version FROM pgcron.cron_job WHERE name = 'send-invoices'"))
    answer = boss.send("/jobs/send-invoices/notifications", version=version, reason="paying customers wait", **fields)
    assert answer.status_code == 303, answer.text
    assert site.value("SELECT ARRAY[late_after_ms, slow_after_ms, slow_factor, must_succeed_every_ms] FROM pgcron.cron_job WHERE name = 'send-invoices'") == [
        300_000, 5_400_000, 2.5, 93_600_000,
    ]  # fmt: skip
    page = boss.get("/jobs/send-invoices/notifications")
    assert "longer than 1 h 30 min or 2.5 times what is usual" in page
    assert 'value="1h 30m"' in page
    assert 'value="1d 2h"' in page
    stale = boss.send("/jobs/send-invoices/notifications", version=version, **fields | {"lateAfterMs": "9m"})
    assert (stale.status_code, 'value="9m"' in stale.text) == (409, True)
    wrong = boss.send("/jobs/send-invoices/notifications", **fields | {"lateAfterMs": "soon", "slowFactor": "many"})
    assert (wrong.status_code, 'id="lateAfterMs-error"' in wrong.text) == (422, True)
    off = boss.send("/jobs/send-invoices/notifications", notifyOnFailure="off")
    assert off.status_code == 303
    assert boss.get("/jobs/send-invoices/notifications").count("this job tells nothing") == 8


def test_the_notifications_of_a_locked_job_can_be_seen_not_changed(site: Site, boss: Visitor) -> None:
    page = boss.get("/jobs/gdpr-export/notifications")
    assert "This job is locked: change it in the code that declares it." in page
    assert re.search(r"<fieldset[^>]* disabled", page)
    assert boss.send("/jobs/gdpr-export/notifications", notifyOnFailure="off").status_code == 403
    assert site.value("SELECT notify_on_failure FROM pgcron.cron_job WHERE name = 'gdpr-export'") is True
    assert "needs the permission cron.schedule.edit" in Visitor(site, "looker", "viewer").get(
        "/jobs/weekly-report/notifications"
    )


def test_a_job_s_channel_is_tested_from_its_page(site: Site, boss: Visitor) -> None:
    before = site.value("SELECT count(*) FROM pgcron.cron_outbox WHERE event = 'test'")
    path = "/jobs/weekly-report/notifications/test"
    assert boss.send(path, channel=str(site.value(CHANNEL, "reports"))).status_code == 303
    assert boss.send(path, channel=str(site.value(CHANNEL, "pager"))).status_code == 422  # it doesn't want this job
    assert site.value("SELECT count(*) FROM pgcron.cron_outbox WHERE event = 'test'") == before + 1  # type: ignore[operator]


def test_who_may_only_look_sees_alerts_and_is_offered_nothing(site: Site) -> None:
    viewer = Visitor(site, "looker", "viewer")
    assert "Acknowledge</button>" not in viewer.get("/alerts")
    assert "Add channel" not in viewer.get("/alerts/channels")
    assert viewer.session.http.get("/alerts/channels/new").status_code == 403
    assert viewer.send(f"/alerts/{site.value(OPEN, 'send-invoices')}/acknowledge").status_code == 403
    assert viewer.send("/alerts/mutes", lasts="1h").status_code == 403


def test_what_is_empty_says_what_will_be_there(site: Site, boss: Visitor) -> None:
    for path, told in (
        ("/alerts/deliveries?state=SKIPPED&channel=", "No delivery matches"),
        ("/jobs/heartbeat/notifications", "Nothing was sent about this job yet."),
    ):
        assert told in boss.get(path)


def test_no_screen_breaks_the_policy_or_scrolls_sideways_on_a_phone(site: Site) -> None:
    tab = site.tab(phone=True)
    for path in SCREENS:
        page = tab.open(path)
        wide = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        assert wide <= 0, f"{path} scrolls sideways by {wide}"
    assert tab.troubles == []
