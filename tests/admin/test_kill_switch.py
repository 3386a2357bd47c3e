"""The kill switch, blackout windows and limits over the API, as the database and its audit see them."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from support.admin import as_program

UNKNOWN = "0192f0c1-2345-7000-8000-000000000000"


def job(connection: Any, name: str) -> str:
    statement = "INSERT INTO pgcron.cron_job (name, schedule, handler) VALUES (%s, '@yearly', 'h') RETURNING id"
    return str(connection.execute(statement, (name,)).fetchone()[0])


def test_who_pulls_the_kill_switch_and_why_is_seen_by_all_and_in_the_audit(site: Any, boss: Any) -> None:
    assert boss.get("/api/fleet").json()["isPaused"] is False
    paused = boss.post("/api/fleet/pause", {"reason": "the mail server is on fire"})
    assert paused.status_code == 200
    told = site.session("onlooker").get("/api/fleet").json()
    assert (told["isPaused"], told["pausedBy"], told["pausedReason"]) == (
        True,
        "web:the-boss",
        "the mail server is on fire",
    )
    again = boss.post("/api/fleet/pause", {"reason": "me too"}).json()
    assert (again["pausedReason"], again["pausedAt"]) == ("the mail server is on fire", told["pausedAt"])
    resumed = boss.post("/api/fleet/resume", {"reason": "it is out"}).json()
    assert (resumed["isPaused"], resumed["pausedReason"]) == (False, None)
    assert boss.post("/api/fleet/resume", {}).status_code == 200
    assert [(it["actor"], it["reason"]) for it in site.people.audit("fleet_paused")] == [
        ("web:the-boss", "the mail server is on fire")
    ]
    assert [(it["actor"], it["reason"]) for it in site.people.audit("fleet_resumed")] == [("web:the-boss", "it is out")]


def test_a_window_is_made_replaced_and_removed(site: Any, boss: Any, connection: Any) -> None:
    id_ = job(connection, "nightly")
    body = {
        "name": "release",
        "startsAt": "2100-01-01T00:00:00+01:00",
        "endsAt": "2100-01-02T00:00:00Z",
        "jobId": id_,
        "reason": "v9",
    }
    made = boss.send("PUT", "/api/blackouts", body).json()
    assert (made["job"], made["jobId"], made["action"], made["createdBy"]) == ("nightly", id_, "skip", "web:the-boss")
    assert (made["startsAt"], made["isOnUntil"]) == ("2099-12-31T23:00:00Z", None)
    always = {"name": "release", "schedule": "* * * * *", "durationMs": 120_000, "action": "delay", "tag": "mail"}
    replaced = boss.send("PUT", "/api/blackouts", always).json()
    assert (replaced["id"], replaced["tag"], replaced["jobId"], replaced["startsAt"]) == (
        made["id"],
        "mail",
        None,
        None,
    )
    assert replaced["isOnUntil"] is not None
    assert [it["name"] for it in boss.get("/api/blackouts").json()] == ["release"]
    assert boss.send("DELETE", f"/api/blackouts/{made['id']}").status_code == 204
    assert boss.send("DELETE", f"/api/blackouts/{made['id']}").status_code == 404
    assert boss.get("/api/blackouts").json() == []
    assert [it["actor"] for it in site.people.audit("blackout_removed")] == ["web:the-boss"]


@pytest.mark.parametrize(
    ("body", "status", "field"),
    [
        ({"name": "x"}, 422, "schedule"),
        ({"name": "x", "schedule": "@daily"}, 422, "durationMs"),
        ({"name": "x", "schedule": "@daily", "durationMs": 60_000, "endsAt": "2100-01-01T00:00:00Z"}, 422, "schedule"),
        ({"name": "x", "startsAt": "2100-01-02T00:00:00Z"}, 422, "endsAt"),
        ({"name": "x", "startsAt": "2100-01-02T00:00:00Z", "endsAt": "2100-01-01T00:00:00Z"}, 422, "endsAt"),
        ({"name": "x", "schedule": "61 * * * *", "durationMs": 60_000}, 400, "minute"),
        ({"name": "x", "schedule": "@daily", "durationMs": 60_000, "timezone": "Mars/Base"}, 422, "timezone"),
        ({"name": "x", "schedule": "@daily", "durationMs": 60_000, "jobId": UNKNOWN}, 422, "jobId"),
        ({"name": "x", "schedule": "@daily", "durationMs": 60_000, "jobId": UNKNOWN, "tag": "t"}, 422, "tag"),
        ({"name": "x", "startsAt": "9999-01-01T00:00:00Z", "endsAt": "9999-01-02T00:00:00Z"}, 422, "startsAt"),
        ({"name": "x\ny", "schedule": "@daily", "durationMs": 60_000}, 422, "name"),
        ({"name": "x", "schedule": "@daily", "durationMs": 1}, 422, "durationMs"),
    ],
)
def test_a_window_that_the_rules_refuse_is_told_which_field(
    boss: Any, body: dict[str, Any], status: int, field: str
) -> None:
    answer = boss.send("PUT", "/api/blackouts", body)
    assert (answer.status_code, answer.json()["field"]) == (status, field), answer.text


def test_a_limit_is_set_changed_and_removed(site: Any, boss: Any) -> None:
    made = boss.send("PUT", "/api/limits", {"kind": "queue", "name": "mail & more/less", "maxRunning": 3}).json()
    assert (made["maxRunning"], made["perMinute"], made["burst"], made["running"]) == (3, None, 1, 0)
    changed = boss.send(
        "PUT", "/api/limits", {"kind": "queue", "name": "mail & more/less", "perMinute": 60, "burst": 5}
    ).json()
    assert (changed["maxRunning"], changed["perMinute"], changed["burst"]) == (None, 60, 5)
    assert boss.get("/api/limits").json() == [changed]
    for _ in range(2):
        removed = boss.http.request(
            "DELETE", "/api/limits", params={"kind": "queue", "name": "mail & more/less"},
            headers={"X-CSRF-Token": boss.csrf, "Origin": site.url},
        )  # fmt: skip
    assert removed.status_code == 404
    assert boss.get("/api/limits").json() == []
    nothing = boss.send("PUT", "/api/limits", {"kind": "tag", "name": "x"})
    assert (nothing.status_code, nothing.json()["field"]) == (422, "maxRunning")
    assert len(site.people.audit("limit_set")) == 2


def test_a_token_of_a_viewer_changes_nothing(site: Any) -> None:
    program: httpx.Client = as_program(site.url, site.people.token("reader", "viewer", scopes=["cron.view"]))
    assert program.post("/api/fleet/pause", json={}).status_code == 403
    assert program.get("/api/fleet").json()["isPaused"] is False
