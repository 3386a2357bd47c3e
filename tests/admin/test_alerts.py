"""Alerts, the inbox and channels over the API; a test message that a real worker sends to a real receiver."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest
from psycopg.types.json import Jsonb

from support.admin import People, admin_process
from support.fleet import Fleet, wait_for
from support.sinks import http_sink

UNKNOWN = "0192f0c1-2345-7000-8000-000000000000"
SECRETS = ("hook-7f3b9c1d", "sign-7f3b9c1d5e8a4602", "pass-7f3b9c1d")


def alert(connection: Any, kind: str, *, job: str | None = None, is_resolved: bool = False) -> str:
    statement = """
        INSERT INTO pgcron.cron_alert (kind, job_id, job_name, detail, resolved_at)
        VALUES (%s, %s, 'watched', %s, CASE WHEN %s THEN clock_timestamp() END) RETURNING id"""
    return str(connection.execute(statement, (kind, job, Jsonb({"error": "ValueError: x"}), is_resolved)).fetchone()[0])


def job(connection: Any, name: str) -> str:
    statement = "INSERT INTO pgcron.cron_job (name, schedule, handler) VALUES (%s, '@yearly', 'h') RETURNING id"
    return str(connection.execute(statement, (name,)).fetchone()[0])


def all_pages(browser: Any, path: str) -> list[list[Any]]:
    pages = []
    while path:
        answer = browser.get(path)
        assert answer.status_code == 200, answer.text
        pages.append(answer.json())
        path = answer.links.get("next", {}).get("url", "")
    return pages


def test_alerts_are_listed_by_state_kind_and_job_page_by_page(boss: Any, connection: Any) -> None:
    connection.execute("DELETE FROM pgcron.cron_alert")
    mine = job(connection, "watched")
    # Of one millisecond, ids are in no order of theirs.
    opened = sorted(alert(connection, kind, job=mine) for kind in ("failing", "missed", "slow"))
    ended = alert(connection, "late", job=mine, is_resolved=True)
    pages = all_pages(boss, "/api/alerts?limit=2")
    assert [[it["id"] for it in page] for page in pages] == [[opened[2], opened[1]], [opened[0]]]
    assert [it["id"] for it in boss.get("/api/alerts?state=resolved").json()] == [ended]
    assert len(boss.get("/api/alerts?state=all").json()) == 4
    assert [it["id"] for it in boss.get("/api/alerts?kind=late&state=all").json()] == [ended]
    assert len(boss.get(f"/api/alerts?jobId={mine}").json()) == 3
    assert boss.get(f"/api/alerts?jobId={UNKNOWN}").json() == []
    assert boss.get("/api/alerts?state=whatever").status_code == 422
    assert boss.get("/api/alerts?cursor=forged").json()["field"] == "cursor"


def test_an_operator_acknowledges_and_who_did_so_first_stays(site: Any, boss: Any, connection: Any) -> None:
    connection.execute("DELETE FROM pgcron.cron_alert")
    id_ = alert(connection, "fleet_silent")
    operator = site.session("op", "operator")
    done = operator.post(f"/api/alerts/{id_}/acknowledge", {"reason": "I am on it"})
    assert (done.status_code, done.json()["acknowledgedBy"]) == (200, "web:op")
    again = boss.post(f"/api/alerts/{id_}/acknowledge", {}).json()
    assert (again["acknowledgedBy"], again["acknowledgedAt"]) == ("web:op", done.json()["acknowledgedAt"])
    assert boss.get("/api/alerts?state=unacknowledged").json() == []
    assert boss.post(f"/api/alerts/{UNKNOWN}/acknowledge", {}).status_code == 404


def test_messages_are_read_one_by_one_or_all(boss: Any, connection: Any) -> None:
    connection.execute("DELETE FROM pgcron.cron_outbox")
    for number in range(5):
        connection.execute(
            "INSERT INTO pgcron.cron_outbox (event, job_name, payload) VALUES ('failed', %s, %s)", (f"job {number}", Jsonb({"reason": "timeout"}))
        )  # fmt: skip
    pages = all_pages(boss, "/api/inbox?limit=2")
    assert [[it["job"] for it in page] for page in pages] == [["job 4", "job 3"], ["job 2", "job 1"], ["job 0"]]
    assert pages[0][0]["title"] == "job 4 failed: timeout"
    assert boss.post("/api/inbox/read", {"ids": [pages[0][0]["id"], str(uuid4())]}).json() == {"marked": 1}
    assert len(boss.get("/api/inbox").json()) == 4
    assert boss.post("/api/inbox/read", {}).json() == {"marked": 4}
    assert boss.get("/api/inbox").json() == []
    assert {it["readBy"] for it in boss.get("/api/inbox?all=true").json()} == {"web:the-boss"}


def test_what_is_secret_in_a_channel_goes_in_and_never_comes_out(site: Any, boss: Any) -> None:
    hook, sign, password = SECRETS
    made = boss.post(
        "/api/channels",
        {"name": "ops", "url": f"webhook+https://hooks.example/{hook}", "secret": sign, "events": ["failed"]},
    )
    assert made.status_code == 201, made.text
    assert (made.json()["address"], made.json()["secret"]) == ("webhook+https://hooks.example/***", None)
    id_ = made.json()["id"]
    changed = boss.send(
        "PATCH",
        f"/api/channels/{id_}",
        {"url": f"mailtos://ana:{password}@mail.example", "secret": None, "events": None, "tags": ["mail"]},
    )
    assert changed.status_code == 200, changed.text
    assert (changed.json()["events"], changed.json()["tags"], changed.json()["name"]) == (None, ["mail"], "ops")
    off = boss.send("PATCH", f"/api/channels/{id_}", {"isEnabled": False, "name": "ops, renamed"}).json()
    assert (off["isEnabled"], off["name"], off["tags"]) == (False, "ops, renamed", ["mail"])
    told = (
        boss.get("/api/channels").text + boss.get("/api/audit?limit=100").text + changed.text + str(site.server.lines)
    )
    assert not [secret for secret in SECRETS if secret in told]
    assert boss.send("DELETE", f"/api/channels/{id_}").status_code == 204
    assert boss.send("DELETE", f"/api/channels/{id_}").status_code == 404
    assert boss.post(f"/api/channels/{id_}/test").status_code == 404


def test_a_secret_that_is_made_is_shown_once(boss: Any) -> None:
    made = boss.post(
        "/api/channels", {"name": "signed", "url": "webhook+https://hooks.example/x", "makeSecret": True}
    ).json()
    assert made["secret"].startswith("pgcron_")
    assert made["secret"] not in boss.get("/api/channels").text


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"name": "x", "url": "no url at all"}, "url"),
        ({"name": "x", "url": "nothing://host/path"}, "url"),
        ({"name": "x", "url": "webhook+https://h.example/", "secret": "short"}, "secret"),
        ({"name": "x", "url": "webhook+https://h.example/", "secret": "a" * 20, "makeSecret": True}, "makeSecret"),
        ({"name": "x", "url": "webhook+https://h.example/", "events": ["everything"]}, "events"),
        ({"name": " x", "url": "webhook+https://h.example/"}, "name"),
        ({"name": "", "url": "webhook+https://h.example/"}, "name"),
        ({"url": "webhook+https://h.example/"}, "name"),
    ],
)
def test_a_channel_that_the_rules_refuse_is_told_which_field(boss: Any, body: dict[str, Any], field: str) -> None:
    answer = boss.post("/api/channels", body)
    assert answer.status_code == 422, answer.text
    assert field in (answer.json().get("field") or "") or f"`{field}`" in answer.text, answer.text


def test_messages_are_held_back_for_a_channel_a_job_or_altogether(boss: Any, connection: Any) -> None:
    id_ = boss.post("/api/channels", {"name": "muted", "url": "webhook+https://h.example/"}).json()["id"]
    mine = job(connection, "noisy")
    until = "2100-01-01T00:00:00Z"
    for body in (
        {"channelId": id_},
        {"jobId": mine},
        {"channelId": id_, "jobId": mine},
        {"from": "2099-01-01T00:00:00Z"},
    ):
        made = boss.post("/api/mutes", {"until": until, "reason": "stocktaking", **body})
        assert made.status_code == 201, made.text
        assert made.json()["mutedBy"] == "web:the-boss"
    assert [(it["channel"], it["job"]) for it in boss.get("/api/mutes").json()] == [
        ("muted", None), (None, "noisy"), ("muted", "noisy"), (None, None)
    ]  # fmt: skip
    assert boss.get("/api/channels").text.count(until) == 1
    assert boss.send("DELETE", f"/api/mutes?channelId={id_}").json() == {"ended": 1}
    assert boss.send("DELETE", f"/api/mutes?channelId={id_}&jobId={mine}").json() == {"ended": 1}
    assert boss.send("DELETE", "/api/mutes").json() == {"ended": 1}
    assert [(it["channel"], it["job"]) for it in boss.get("/api/mutes").json()] == [(None, "noisy")]
    for body, field in (({"until": "2001-01-01T00:00:00Z"}, "until"), ({"until": until, "channelId": UNKNOWN}, "channelId"), ({"until": until, "jobId": UNKNOWN}, "jobId")):  # fmt: skip
        refused = boss.post("/api/mutes", body)
        assert (refused.status_code, refused.json()["field"]) == (422, field)


def test_a_test_message_reaches_its_receiver_and_what_was_given_up_is_sent_again(
    fleet: Fleet, db_url: str, web_url: str
) -> None:
    fleet.app("")
    fleet.start()
    with admin_process(web_url, "--dev") as server, http_sink() as sink:
        boss = People(db_url).session(server.url, "the-boss", "super_admin")
        id_ = boss.post(
            "/api/channels", {"name": "sink", "url": f"webhook+{sink.address}/hook", "makeSecret": True}
        ).json()["id"]
        asked = boss.post(f"/api/channels/{id_}/test")
        assert asked.status_code == 202, asked.text
        wait_for(lambda: sink.received, "the message")
        assert (sink.events, sink.received[0].json["payload"]["by"]) == (["test"], "web:the-boss")
        (delivered,) = wait_for(
            lambda: boss.get(f"/api/deliveries?channelId={id_}&state=DELIVERED").json(), "it says so"
        )
        assert (delivered["channel"], delivered["event"], delivered["kind"]) == ("sink", "test", "notification")
        fleet.do("UPDATE pgcron.cron_delivery SET state = 'GIVEN_UP', attempts = 12, last_error = 'refused'")
        assert [it["lastError"] for it in boss.get("/api/deliveries?state=GIVEN_UP").json()] == ["refused"]
        assert boss.post("/api/deliveries/retry", {"channelId": id_}).json() == {"again": 1}
        wait_for(lambda: len(sink.received) == 2, "it is sent again")
        assert boss.post("/api/deliveries/retry", {"channelId": UNKNOWN}).json()["field"] == "channelId"
