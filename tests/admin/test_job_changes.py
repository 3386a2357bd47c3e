"""Jobs made, edited, deleted, skipped and cancelled over the API."""

from __future__ import annotations

from typing import Any

import pytest

from support.admin import Browser, People, admin_process
from support.api import Records, refused
from support.fleet import wait_for

NEW = {"name": "new", "schedule": "0 3 * * *", "handler": "shop:report"}


@pytest.fixture(scope="module")
def records(site: Any) -> Records:
    records = Records(site.db_url)
    records.worker()
    return records


@pytest.fixture
def boss(site: Any, records: Records) -> Browser:
    return site.session("boss", "super_admin")


def test_a_job_is_made_with_all_that_a_definition_may_have(site: Any, boss: Browser, records: Records) -> None:
    body = {
        **NEW, "name": "full", "description": "closes the day", "timezone": "Europe/Berlin", "extraSchedules": ["0 12 * * sat"],
        "excludedSchedules": ["* * 25 12 *"], "startAt": "2026-01-01T00:00:00+01:00", "endAt": "2099-01-01T00:00:00Z", "maxRuns": 1000, "args": {"shop": 1},
        "owner": "finance", "tags": ["shop", "night"], "queue": "slow", "priority": 10, "minVersion": "1.2", "overlapPolicy": "allow_all", "maxRunning": 3,
        "catchupPolicy": "all", "catchupWindowMs": 3_600_000, "startingDeadlineMs": 60_000, "timeoutMs": 600_000, "maxAttempts": 3, "backoffMs": 5000,
        "backoffMaxMs": 50_000, "retryOn": ["TimeoutError"], "memoryLimitMib": 512, "isIdempotent": True, "jitterMs": 1000, "dstGap": "skip",
        "dstFold": "both", "maxConsecutiveFailures": None, "notifyOnFailure": False, "retentionDays": 30, "logLevel": "errors", "lateAfterMs": 60_000,
        "slowFactor": 2.5, "pingUrl": "https://hc.example.com/secret", "reason": "a new shop", "isEnabled": False,
    }  # fmt: skip
    answer = boss.post("/api/cron-jobs", body)
    assert answer.status_code == 201, answer.text
    job = answer.json()
    for field in body.keys() - {"reason", "startAt", "endAt"}:
        assert job[field] == body[field], field
    assert (job["startAt"], job["endAt"]) == ("2025-12-31T23:00:00Z", "2099-01-01T00:00:00Z")
    assert answer.headers["location"] == f"/api/cron-jobs/{job['id']}"
    assert (answer.headers["etag"], job["origin"], job["disabledReason"]) == ('"1"', "admin", "a new shop")
    assert boss.get(answer.headers["location"]).json() == job
    assert site.session("viewer").get(answer.headers["location"]).json()["pingUrl"] is None
    (entry,) = [e for e in site.people.audit("job_created") if e["job_name"] == "full"]
    assert (entry["actor"], entry["reason"]) == ("web:boss", "a new shop")


def test_a_job_needs_little(boss: Browser) -> None:
    job = boss.post("/api/cron-jobs", NEW).json()
    assert (job["timezone"], job["queue"], job["maxConsecutiveFailures"], job["isEnabled"], job["args"]) == (
        "UTC",
        "default",
        3,
        True,
        {},
    )
    assert job["nextRunAt"] is not None


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"name": "bad\nname"}, "name"), ({"name": " x"}, "name"), ({"name": "x" * 201}, "name"), ({"handler": None}, "handler"), ({"timeoutMs": 0}, "timeoutMs"),
        ({"tags": ["a" * 101]}, "tags"), ({"priority": 101}, "priority"), ({"overlapPolicy": "kill"}, "overlapPolicy"), ({"args": [1]}, "args"),
        ({"backoffMs": 5000, "backoffMaxMs": 1}, None), ({"startAt": "2027-01-01T00:00:00Z", "endAt": "2026-01-01T00:00:00Z"}, "endAt"), ({"maxRunning": 2}, "maxRunning"),
        ({"pingUrl": "ftp://x"}, "pingUrl"), ({"retryOn": ["1nvalid"]}, "retryOn"), ({"extraSchedules": ["@reboot"]}, "extraSchedules"),
        ({"isLocked": True}, "isLocked"), ({"timezoen": "UTC"}, "timezoen"), ({"description": "a\u0000b"}, None), ({"args": {"a": "\u0000"}}, None),
        ({"startAt": "0001-01-01T00:00:00Z"}, "startAt"), ({"tags": ["x" * 100] * 50}, None),
    ],
)  # fmt: skip
def test_what_the_rules_refuse_is_told_by_field(boss: Browser, change: dict[str, Any], field: str | None) -> None:
    body = refused(boss.post("/api/cron-jobs", {**NEW, "name": "refused", **change}), 422, "")
    told = body.get("field") or ""
    assert told.split("[")[0].split(".")[0] == (field or told), body


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"schedule": "61 * * * *"}, "Invalid cron expression: "), ({"extraSchedules": ["0 25 * * *"]}, "Invalid cron expression: "),
        ({"excludedSchedules": ["5 * * * *"]}, "Invalid cron expression: "), ({"timezone": "Berlin"}, "unknown time zone 'Berlin'"),
    ],
)  # fmt: skip
def test_what_can_not_be_a_time_is_400(boss: Browser, change: dict[str, Any], message: str) -> None:
    refused(boss.post("/api/cron-jobs", {**NEW, "name": "refused", **change}), 400, message)


def test_a_name_is_taken_once(boss: Browser, records: Records) -> None:
    records.job("taken")
    assert (
        refused(boss.post("/api/cron-jobs", {**NEW, "name": "taken"}), 422, "another job has this name")["field"]
        == "name"
    )


def test_the_same_key_makes_one_job(boss: Browser, records: Records) -> None:
    body = {**NEW, "name": "made-once"}
    first = boss.post("/api/cron-jobs", body, Idempotency_Key="make")
    again = boss.post("/api/cron-jobs", body, Idempotency_Key="make")
    assert (again.status_code, again.json(), again.headers["location"]) == (
        201,
        first.json(),
        first.headers["location"],
    )
    refused(
        boss.post("/api/cron-jobs", {**body, "name": "made-twice"}, Idempotency_Key="make"),
        422,
        "was used for another request",
    )


def test_an_edit_changes_what_it_names_and_null_clears(boss: Browser, records: Records) -> None:
    id_ = records.job("edited", owner="ann", tags=["a"], timeout_ms=5000, args={"a": 1}, queue="slow", max_attempts=4)
    answer = boss.send("PATCH", f"/api/cron-jobs/{id_}", {"owner": None, "tags": None, "timeoutMs": None, "queue": None, "args": {"b": 2}, "reason": "tidy"})  # fmt: skip
    job = answer.json()
    assert (job["owner"], job["tags"], job["timeoutMs"], job["queue"], job["args"], job["maxAttempts"]) == (
        None,
        [],
        None,
        "default",
        {"b": 2},
        4,
    )
    assert (job["version"], answer.headers["etag"]) == (2, '"2"')
    assert boss.send("PATCH", f"/api/cron-jobs/{id_}", {"queue": "default"}).json()["version"] == 2
    assert boss.send("PATCH", f"/api/cron-jobs/{id_}", {}).json()["version"] == 2
    refused(boss.send("PATCH", f"/api/cron-jobs/{id_}", {"schedule": None}), 422, "")
    refused(boss.send("PATCH", f"/api/cron-jobs/{id_}", {"maxRunning": 2}), 422, "max_running")
    assert (
        boss.send("PATCH", f"/api/cron-jobs/{id_}", {"overlapPolicy": "allow_all", "maxRunning": 2}).json()[
            "maxRunning"
        ]
        == 2
    )
    assert boss.send("PATCH", f"/api/cron-jobs/{id_}", {"overlapPolicy": "skip"}).json()["maxRunning"] == 1


def test_an_edit_of_a_locked_job_or_on_a_stale_version_is_refused(site: Any, boss: Browser, records: Records) -> None:
    locked = records.job("edit-locked", is_locked=True)
    refused(boss.send("PATCH", f"/api/cron-jobs/{locked}", {"owner": "me"}), 403, "is locked")
    refused(boss.send("DELETE", f"/api/cron-jobs/{locked}?confirm=edit-locked"), 403, "is locked")
    stale = records.job("edit-stale")
    assert (
        site.session("bob", "super_admin").send("PATCH", f"/api/cron-jobs/{stale}", {"owner": "bob"}).status_code == 200
    )
    refused(
        boss.send("PATCH", f"/api/cron-jobs/{stale}", {"owner": "me"}, If_Match='"1"'), 409, "was changed by web:bob"
    )
    refused(
        boss.send("DELETE", f"/api/cron-jobs/{stale}?confirm=edit-stale", If_Match='"1"'), 409, "was changed by web:bob"
    )


def test_arguments_are_held_against_the_handler_s_parameters(boss: Browser, records: Records) -> None:
    records.rows(
        "INSERT INTO pgcron.cron_handler (name, parameters) VALUES ('shop:typed', %s)",
        '{"type": "object", "properties": {"shop": {"type": "integer"}}, "required": ["shop"], "additionalProperties": false}',
    )
    wrong = refused(
        boss.post("/api/cron-jobs", {**NEW, "name": "typed", "handler": "shop:typed", "args": {"shop": "one"}}),
        422,
        "args.shop",
    )
    assert (wrong["field"], wrong["hint"]) == ("args", "handler shop:typed takes shop (integer)")


def test_commands_of_sql_are_written_by_those_who_may(site: Any, boss: Browser, records: Records) -> None:
    command = {**NEW, "name": "sql", "handler": "pgcron.sql", "args": {"statement": "VACUUM"}}
    refused(boss.post("/api/cron-jobs", command), 403, "this needs the permission cron.sql.edit")
    id_ = records.job("sql-job", handler="pgcron.sql", args={"statement": "VACUUM"})
    plain = records.job("plain-job")
    other = {"args": {"statement": "DROP TABLE orders"}}
    refused(boss.send("PATCH", f"/api/cron-jobs/{id_}", other), 403, "cron.sql.edit")
    refused(boss.send("PATCH", f"/api/cron-jobs/{plain}", {"handler": "pgcron.sql"}), 403, "cron.sql.edit")
    assert boss.send("PATCH", f"/api/cron-jobs/{id_}", {"owner": "dba"}).status_code == 200
    author = site.session("author", "super_admin", "cron.sql.edit")
    records.rows("REVOKE pgcron_sql_author FROM t_web")
    refused(author.send("PATCH", f"/api/cron-jobs/{id_}", other), 403, "may not write commands for pgcron.sql")
    records.rows("GRANT pgcron_sql_author TO t_web")
    try:
        assert author.send("PATCH", f"/api/cron-jobs/{id_}", other).json()["args"] == other["args"]
        refused(boss.send("PATCH", f"/api/cron-jobs/{id_}", {"args": {"statement": "VACUUM"}}), 403, "cron.sql.edit")
        refused(boss.post("/api/cron-jobs", command), 403, "cron.sql.edit")
    finally:
        records.rows("REVOKE pgcron_sql_author FROM t_web")
    denied = [e["new_values"] for e in site.people.audit("request_refused") if e["actor"] == "web:boss"]
    assert {
        "method": "PATCH",
        "path": f"/api/cron-jobs/{id_}",
        "reason": "this needs the permission cron.sql.edit",
    } in denied


def test_a_job_is_deleted_by_its_name(site: Any, boss: Browser, records: Records) -> None:
    id_ = records.job("doomed")
    assert refused(boss.send("DELETE", f"/api/cron-jobs/{id_}"), 422, "")["field"] == "confirm"
    assert (
        refused(boss.send("DELETE", f"/api/cron-jobs/{id_}?confirm=domed"), 422, "'domed' is not the name of this job")[
            "field"
        ]
        == "confirm"
    )
    assert boss.send("DELETE", f"/api/cron-jobs/{id_}?confirm=doomed&reason=unused").status_code == 204
    refused(boss.get(f"/api/cron-jobs/{id_}"), 404, f"Cron job with ID {id_} not found")
    (entry,) = [e for e in site.people.audit("job_deleted") if e["job_name"] == "doomed"]
    assert (entry["actor"], entry["reason"]) == ("web:boss", "unused")


def test_a_job_that_runs_or_is_declared_in_code_is_not_deleted(boss: Browser, records: Records) -> None:
    busy = records.job("delete-busy")
    records.runs(busy, records.worker("nobody:else"), status="RUNNING", ago="1 s")
    refused(boss.send("DELETE", f"/api/cron-jobs/{busy}?confirm=delete-busy"), 409, "is running")
    coded = records.job("delete-coded", origin="code", app="shop")
    refused(
        boss.send("DELETE", f"/api/cron-jobs/{coded}?confirm=delete-coded"), 409, "declared in the code of app 'shop'"
    )


def test_the_next_occurrence_is_skipped(boss: Browser, records: Records) -> None:
    id_ = records.job("skipping", schedule="0 3 * * *")
    before = boss.get(f"/api/cron-jobs/{id_}").json()
    assert boss.post(f"/api/cron-jobs/{id_}/skip-next", {"reason": "holiday"}).json() == {
        "skipped": before["nextScheduledFor"]
    }
    assert boss.get(f"/api/cron-jobs/{id_}").json()["skipUntil"] == before["nextScheduledFor"]
    refused(boss.post(f"/api/cron-jobs/{records.job('skip-off', is_enabled=False)}/skip-next"), 400, "is disabled")


def test_what_waits_and_what_goes_on_of_a_job_is_cancelled(boss: Browser, records: Records) -> None:
    id_ = records.job("cancelled")
    (run,) = records.runs(id_, records.worker("nobody:else"), status="RUNNING", ago="1 s")
    records.rows(
        "INSERT INTO pgcron.cron_request (job_id, cause, scheduled_for) VALUES (%s, 'retry', clock_timestamp())", id_
    )
    assert boss.post(f"/api/cron-jobs/{id_}/cancel", {"reason": "wrong shop"}).json() == {"runs": 1, "requests": 1}
    told = records.row("SELECT cancel_requested_by, cancel_reason FROM pgcron.cron_log WHERE id = %s", run)
    assert told == {"cancel_requested_by": "web:boss", "cancel_reason": "wrong shop"}


def test_a_locked_job_is_safe_also_where_the_admin_is_an_owner_of_the_database(db_url: str) -> None:
    """As in the demo: the database would let an owner change it."""
    records = Records(db_url)
    id_ = records.job("safe", is_locked=True, tags=["a"])
    with admin_process(db_url, "--dev") as server:
        boss = People(db_url).session(server.url, "boss", "super_admin")
        refused(boss.send("PATCH", f"/api/cron-jobs/{id_}", {"owner": "me"}), 403, "is locked")
        refused(boss.send("PATCH", f"/api/cron-jobs/{id_}/schedule", {"schedule": "@daily"}), 403, "is locked")
        refused(boss.send("DELETE", f"/api/cron-jobs/{id_}?confirm=safe"), 403, "is locked")
        bulk = boss.post("/api/bulk", {"action": "untag", "jobs": [str(id_)], "tag": "a"}).json()["id"]
        told = wait_for(
            lambda: (t := boss.get(f"/api/bulk/{bulk}").json())["state"] == "DONE" and t, "the bulk action ends"
        )
        assert told["refused"] == 1
    assert records.row("SELECT version, tags FROM pgcron.cron_job WHERE id = %s", id_) == {"version": 1, "tags": ["a"]}
