"""The original design's endpoints: what they answer, with which status and in which words."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any
from uuid import uuid4

import pytest

from support.admin import Browser, as_program
from support.api import Records, next_page, refused

ORIGINAL_JOB = {
    "id": str, "name": str, "description": str | None, "schedule": str, "handler": str, "isEnabled": bool, "isLocked": bool,
    "lastRunAt": str | None, "nextRunAt": str | None, "successCount": int, "failureCount": int, "consecutiveFailures": int,
    "averageDuration": int | float | None, "notifyOnFailure": bool, "createdAt": str, "updatedAt": str,
}  # fmt: skip
ORIGINAL_LOG = {
    "id": str, "jobId": str, "status": str, "startedAt": str, "completedAt": str | None, "duration": int | None, "error": str | None,
    "metadata": dict | None,
}  # fmt: skip


@pytest.fixture(scope="module")
def records(site: Any) -> Records:
    records = Records(site.db_url)
    records.worker()
    return records


@pytest.fixture
def boss(site: Any, records: Records) -> Iterator[Browser]:
    records.no_runs_now()
    return site.session("boss", "super_admin")


def test_a_super_admin_sees_all_jobs_as_the_original_design_has_them(boss: Browser, records: Records) -> None:
    id_ = records.job("all-fields", description="what it does", tags=["shop"], args={"n": 1})
    worker = records.worker("nobody:else")
    records.runs(id_, worker, 3)
    answer = boss.get("/api/cron-jobs?limit=100")
    assert answer.status_code == 200
    (job,) = [job for job in answer.json() if job["name"] == "all-fields"]
    for field, type_ in ORIGINAL_JOB.items():
        assert isinstance(job[field], type_), field
    assert (job["id"], job["successCount"], job["averageDuration"]) == (str(id_), 3, 100.0)
    assert job["nextRunAt"].endswith("-02-29T00:00:00Z")
    assert datetime.fromisoformat(job["createdAt"]).tzinfo is not None
    assert (job["timezone"], job["state"], job["blockedBy"], job["tags"], job["version"], job["args"]) == (
        "UTC", "enabled", None, ["shop"], 1, {"n": 1},
    )  # fmt: skip
    assert boss.get(f"/api/cron-jobs/{id_}").json() == job


def test_nobody_else_is_let_in(site: Any, records: Records) -> None:
    id_ = records.job("closed")
    refused(site.browser().get("/api/cron-jobs"), 401, "")
    stranger = as_program(site.url, site.people.token("stranger", scopes=["cron.audit.read"]))
    refused(stranger.get("/api/cron-jobs"), 403, "cron.view")
    viewer = site.session("viewer")
    assert viewer.get("/api/cron-jobs").status_code == 200
    for path, body in (("trigger", None), ("enable", None), ("disable", None)):
        refused(viewer.post(f"/api/cron-jobs/{id_}/{path}", body), 403, "this needs the permission")
    refused(site.session("op", "operator").send("PATCH", f"/api/cron-jobs/{id_}/schedule", {"schedule": "@daily"}), 403, "cron.schedule.edit")  # fmt: skip


def test_a_job_that_is_not_there(boss: Browser) -> None:
    id_ = uuid4()
    for method, path, body in (
        ("GET", "", None), ("GET", "/logs", None), ("GET", "/statistics", None), ("POST", "/enable", None), ("POST", "/disable", None),
        ("POST", "/trigger", None), ("PATCH", "/schedule", {"schedule": "@daily"}),
    ):  # fmt: skip
        body_ = refused(
            boss.send(method, f"/api/cron-jobs/{id_}{path}", body), 404, f"Cron job with ID {id_} not found"
        )
        assert body_["code"] == "job_not_found"


def test_pages_follow_one_another_without_a_gap_or_a_double(boss: Browser, records: Records) -> None:
    for n in range(7):
        records.job(f"paged-{n}", queue="paged", last_run_at=None if n % 2 else f"2026-01-0{n + 1}")
    for sort in ("name", "-name", "nextRunAt", "-lastRunAt", "averageDuration", "-successRate", "-createdAt"):
        url, names = f"/api/cron-jobs?queue=paged&limit=3&sort={sort}", []
        while url:
            answer = boss.get(url)
            assert answer.status_code == 200, answer.text
            names += [job["name"] for job in answer.json()]
            url = next_page(answer) or ""
        assert sorted(names) == [f"paged-{n}" for n in range(7)], sort
    assert names == [f"paged-{n}" for n in reversed(range(7))]


def test_a_cursor_that_we_did_not_make_is_refused(boss: Browser, records: Records) -> None:
    for n in range(3):
        records.job(f"cursed-{n}", queue="cursed")
    url = next_page(boss.get("/api/cron-jobs?queue=cursed&limit=1"))
    assert url is not None
    cursor = url.split("cursor=")[1]
    for path in (
        f"/api/cron-jobs?queue=cursed&limit=1&sort=-name&cursor={cursor}", "/api/cron-jobs?cursor=abc", "/api/cron-jobs?cursor=%C3%A9",
        f"/api/cron-jobs?cursor={cursor[:-2]}AA", f"/api/cron-jobs/{records.job('cursed')}/logs?cursor={cursor}",
    ):  # fmt: skip
        assert refused(boss.get(path), 422, "cursor: this is not one that we gave")["field"] == "cursor"


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("search=UNDERSCORE_", ["filter_underscore_"]), ("search=%25", []), ("tag=f-a", ["filter-a", "filter-ab"]), ("tag=f-a&tag=f-b", ["filter-ab"]),
        ("handler=filter:only", ["filter-b"]), ("enabled=false", ["filter-b"]), ("state=locked", ["filter-a"]), ("state=disabled", ["filter-b"]),
        ("state=failing", ["filter-ab"]), ("owner=ann", ["filter-a"]), ("name=filter-a", ["filter-a"]), ("state=auto_disabled", []),
    ],
)  # fmt: skip
def test_jobs_are_filtered(boss: Browser, records: Records, query: str, names: list[str]) -> None:
    if not records.rows("SELECT FROM pgcron.cron_job WHERE name = 'filter-a'"):
        records.job("filter-a", queue="filtered", tags=["f-a"], is_locked=True, owner="ann")
        records.job("filter-b", queue="filtered", handler="filter:only", is_enabled=False)
        records.job("filter-ab", queue="filtered", tags=["f-a", "f-b"], consecutive_failures=2)
        records.job("filter_underscore_", queue="filtered", description="50 of them")
    found = boss.get(f"/api/cron-jobs?queue=filtered&{query}").json()
    assert [job["name"] for job in found] == names


def test_facets_count_what_a_filter_leaves(boss: Browser, records: Records) -> None:
    records.job("facet-a", queue="faceted", tags=["x", "y"], is_locked=True)
    records.job("facet-b", queue="faceted", tags=["x"], is_enabled=False)
    facets = boss.get("/api/cron-jobs/facets?queue=faceted").json()
    assert facets["total"] == 2
    assert facets["tags"] == {"x": 2, "y": 1}
    assert {name: n for name, n in facets["states"].items() if n} == {
        "enabled": 1, "disabled": 1, "locked": 1, "never_ran": 2,
    }  # fmt: skip
    narrowed = boss.get("/api/cron-jobs/facets?queue=faceted&state=locked").json()
    assert (narrowed["total"], narrowed["tags"], narrowed["states"]["disabled"]) == (1, {"x": 1, "y": 1}, 1)


def test_logs_are_the_original_s_newest_first_in_pages(boss: Browser, records: Records) -> None:
    id_, worker = records.job("logged"), records.worker("nobody:else")
    records.runs(id_, worker, 120, ago="3 h", metadata={"rows": 5})
    records.runs(id_, worker, 3, status="FAILED", ago="2 h", stack_trace="Traceback: secret place")
    answer = boss.get(f"/api/cron-jobs/{id_}/logs")
    logs = answer.json()
    assert len(logs) == 50
    for field, type_ in ORIGINAL_LOG.items():
        assert isinstance(logs[10][field], type_), field
    assert logs[0]["error"] == "ValueError: no such shop"
    assert "secret place" not in answer.text
    assert "stackTrace" not in logs[0]
    seqs, url = [log["seq"] for log in logs], next_page(answer)
    while url:
        answer = boss.get(url)
        seqs += [log["seq"] for log in answer.json()]
        url = next_page(answer)
    assert seqs == list(range(123, 0, -1))


def test_logs_are_filtered_by_status_and_time(boss: Browser, records: Records) -> None:
    id_, worker = records.job("log-filter"), records.worker("nobody:else")
    records.runs(id_, worker, 4, ago="50 h")
    records.runs(id_, worker, 2, status="FAILED", ago="26 h")
    records.runs(id_, worker, 1, status="RUNNING", ago="10 s", is_exclusive=True)

    def seqs(query: str) -> list[int]:
        answer = boss.get(f"/api/cron-jobs/{id_}/logs?{query}")
        assert answer.status_code == 200, answer.text
        return [log["seq"] for log in answer.json()]

    (row,) = records.rows(
        "SELECT clock_timestamp() - interval '30 h' AS early, clock_timestamp() - interval '20 h' AS late"
    )
    early, late = row["early"].strftime("%Y-%m-%dT%H:%M:%SZ"), row["late"].strftime("%Y-%m-%dT%H:%M:%SZ")
    assert seqs("status=FAILED") == [6, 5]
    assert seqs("status=RUNNING") == [7]
    assert seqs("status=SUCCESS&limit=2") == [4, 3]
    assert seqs(f"startDate={early}") == [7, 6, 5]
    assert seqs(f"endDate={early}") == [4, 3, 2, 1]
    assert seqs(f"startDate={early}&endDate={late}&status=FAILED") == [6, 5]
    assert seqs(f"startDate={late}&status=SUCCESS") == []
    assert seqs("endDate=2020-01-01") == []
    assert seqs("startDate=8000-01-01") == []
    for query, field in (("limit=0", "limit"), ("limit=101", "limit"), ("startDate=yesterday", "startDate"), ("endDate=1066-10-14", "endDate"), ("status=OK", "status")):  # fmt: skip
        assert refused(boss.get(f"/api/cron-jobs/{id_}/logs?{query}"), 422, "")["field"] == field


def test_statistics_have_the_original_s_fields_and_percentiles(boss: Browser, records: Records) -> None:
    id_, worker = records.job("counted", created_at="2026-01-01"), records.worker("nobody:else")
    records.runs(id_, worker, 3, ago="2 h")
    records.runs(id_, worker, 1, status="FAILED", ago="1 h")
    figures = boss.get(f"/api/cron-jobs/{id_}/statistics").json()
    assert (figures["totalExecutions"], figures["successRate"], figures["averageDuration"]) == (4, 0.75, 100.0)
    assert figures["lastSuccess"] < figures["lastFailure"]
    assert 0 < figures["uptime"] <= 1
    assert figures["p50"] == pytest.approx(100, rel=0.05)
    assert figures["max"] == 100
    assert boss.get(f"/api/cron-jobs/{id_}/statistics?window=1h").json()["totalExecutions"] == 1
    assert (
        refused(boss.get(f"/api/cron-jobs/{id_}/statistics?window=7w"), 422, "window: '7w' is none")["field"]
        == "window"
    )


def test_a_job_is_disabled_with_a_reason_and_enabled_again(site: Any, boss: Browser, records: Records) -> None:
    id_ = records.job("switched")
    disabled = boss.post(
        f"/api/cron-jobs/{id_}/disable", {"reason": "stocktaking", "until": "2099-01-01T00:00:00+02:00"}
    )
    assert disabled.status_code == 200
    job = disabled.json()
    assert (job["isEnabled"], job["state"], job["disabledBy"]) == (
        False,
        "disabled by web:boss: stocktaking",
        "web:boss",
    )
    assert job["disabledUntil"] == "2098-12-31T22:00:00Z"
    assert boss.post(f"/api/cron-jobs/{id_}/disable").json()["isEnabled"] is False
    enabled = boss.post(f"/api/cron-jobs/{id_}/enable")
    assert (enabled.status_code, enabled.json()["isEnabled"], enabled.json()["disabledReason"]) == (200, True, None)
    (entry,) = [e for e in site.people.audit("job_disabled") if e["job_name"] == "switched"]
    assert (entry["actor"], entry["reason"], entry["request_id"]) == (
        "web:boss",
        "stocktaking",
        disabled.headers["x-request-id"],
    )
    assert (
        refused(boss.post(f"/api/cron-jobs/{id_}/disable", {"until": "2020-01-01T00:00:00Z"}), 422, "until is")["field"]
        == "until"
    )


def test_enabling_tells_what_was_missed_and_a_backfill_would_run(boss: Browser, records: Records) -> None:
    id_ = records.job("missing", schedule="0 * * * *", is_enabled=False, disabled_at="2026-01-01T00:30:00Z")
    missed = boss.post(f"/api/cron-jobs/{id_}/enable").json()["missed"]
    assert (missed["fromAt"], missed["isExact"]) == ("2026-01-01T00:30:00Z", True)
    assert missed["count"] > 24
    assert boss.post(f"/api/cron-jobs/{id_}/enable").json()["missed"] is None
    quiet = records.job("missing-nothing", is_enabled=False)
    assert boss.post(f"/api/cron-jobs/{quiet}/enable").json()["missed"] is None


def test_a_run_is_asked_for(boss: Browser, records: Records) -> None:
    id_ = records.job("asked")
    answer = boss.post(f"/api/cron-jobs/{id_}/trigger")
    assert answer.status_code == 202
    assert answer.json().keys() == {"message", "requestId"}
    request = records.row("SELECT * FROM pgcron.cron_request WHERE id = %s", answer.json()["requestId"])
    assert (request["job_id"], request["cause"], request["requested_by"]) == (id_, "manual", "web:boss")
    refused(boss.post(f"/api/cron-jobs/{id_}/trigger"), 409, "is already asked to run")


def test_a_run_of_a_job_that_runs_or_is_disabled_is_refused(boss: Browser, records: Records) -> None:
    running, worker = records.job("busy"), records.worker("nobody:else")
    records.runs(running, worker, status="RUNNING", ago="1 s")
    refused(boss.post(f"/api/cron-jobs/{running}/trigger"), 400, "Cron job 'busy' is already running")
    disabled = records.job("off", is_enabled=False)
    body = refused(boss.post(f"/api/cron-jobs/{disabled}/trigger"), 400, "Cannot execute disabled job")
    assert body["message"] == "Cannot execute disabled job"
    assert records.rows("SELECT FROM pgcron.app_run_now") == []


def test_a_run_that_no_live_worker_would_take_is_refused_unless_forced(boss: Browser, records: Records) -> None:
    orphan = records.job("orphan", handler="nobody:has-it")
    answer = boss.post(f"/api/cron-jobs/{orphan}/trigger")
    assert (
        "force"
        in refused(answer, 503, "no live worker that serves queue 'default' has handler 'nobody:has-it'")["hint"]
    )
    assert int(answer.headers["retry-after"]) >= 1
    assert records.rows("SELECT FROM pgcron.cron_request WHERE job_id = %s", orphan) == []
    assert boss.post(f"/api/cron-jobs/{orphan}/trigger", {"force": True}).status_code == 202


def test_arguments_of_a_run_are_its_own(boss: Browser, records: Records) -> None:
    id_ = records.job("with-args", args={"shop": 1})
    answer = boss.post(f"/api/cron-jobs/{id_}/trigger", {"args": {"shop": 2}, "overlap": "buffer_one"})
    request = records.row("SELECT * FROM pgcron.cron_request WHERE id = %s", answer.json()["requestId"])
    assert (request["args"], request["overlap_policy"]) == ({"shop": 2}, "buffer_one")


def test_a_command_of_sql_is_run_with_other_arguments_by_those_who_may_write_it(site: Any, records: Records) -> None:
    id_ = records.job("vacuum", handler="pgcron.sql", args={"statement": "VACUUM"})
    records.worker("pgcron.sql")
    other = {"args": {"statement": "DROP TABLE orders"}, "reason": "mischief"}
    refused(site.session("boss", "super_admin").post(f"/api/cron-jobs/{id_}/trigger", other), 403, "")
    assert records.rows("SELECT FROM pgcron.cron_request WHERE job_id = %s", id_) == []
    assert site.session("boss", "super_admin").post(f"/api/cron-jobs/{id_}/trigger").status_code == 202


def test_the_same_key_is_the_same_request(boss: Browser, records: Records) -> None:
    id_ = records.job("once")
    path, key = f"/api/cron-jobs/{id_}/trigger", {"Idempotency_Key": "order-17"}
    first = boss.post(path, {"reason": "a"}, **key)
    again = boss.post(path, {"reason": "a"}, **key)
    assert (again.status_code, again.json()) == (202, first.json())
    assert (
        refused(boss.post(path, {"reason": "b"}, **key), 422, "was used for another request")["field"]
        == "Idempotency-Key"
    )
    other = records.job("once-more")
    refused(boss.post(f"/api/cron-jobs/{other}/trigger", {"reason": "a"}, **key), 422, "was used for another request")
    assert len(records.rows("SELECT FROM pgcron.app_run_now")) == 1
    refused(boss.post(path, {"reason": "a"}, Idempotency_Key="with blank"), 422, "")


def test_a_key_of_somebody_else_is_no_matter_and_a_refusal_is_not_kept(
    site: Any, boss: Browser, records: Records
) -> None:
    id_ = records.job("shared-key", is_enabled=False)
    path = f"/api/cron-jobs/{id_}/trigger"
    refused(boss.post(path, Idempotency_Key="k"), 400, "Cannot execute disabled job")
    records.rows("UPDATE pgcron.cron_job SET is_enabled = true WHERE id = %s", id_)
    assert boss.post(path, Idempotency_Key="k").status_code == 202
    refused(site.session("op", "operator").post(path, Idempotency_Key="k"), 409, "already asked to run")


def test_a_schedule_is_changed(boss: Browser, records: Records) -> None:
    id_ = records.job("rescheduled")
    answer = boss.send(
        "PATCH",
        f"/api/cron-jobs/{id_}/schedule",
        {"schedule": "30 4 * * *", "timezone": "Europe/Berlin", "reason": "earlier"},
    )
    assert answer.status_code == 200
    job = answer.json()
    assert (job["schedule"], job["timezone"], job["version"]) == ("30 4 * * *", "Europe/Berlin", 2)
    assert answer.headers["etag"] == '"2"'
    assert job["nextRunAt"] is not None


def test_an_invalid_schedule_is_told_with_its_place(boss: Browser, records: Records) -> None:
    path = f"/api/cron-jobs/{records.job('invalid-schedule')}/schedule"
    body = refused(boss.send("PATCH", path, {"schedule": "0 24 * * *"}), 400, "Invalid cron expression: ")
    assert (body["field"], body["column"]) == ("hour", 3)
    assert body["hint"]
    refused(boss.send("PATCH", path, {"schedule": "0 0 30 2 *"}), 400, "Invalid cron expression: ")
    refused(
        boss.send("PATCH", path, {"schedule": "@daily", "timezone": "Mars/Olympus"}),
        400,
        "unknown time zone 'Mars/Olympus'",
    )


def test_a_body_that_can_not_be_read_is_told_by_field(boss: Browser, records: Records) -> None:
    path = f"/api/cron-jobs/{records.job('malformed')}/schedule"
    for body, field in (({}, "schedule"), ({"schedule": 5}, "schedule"), ({"schedule": ""}, "schedule"), ({"schedule": "@daily", "zone": "UTC"}, "zone"), ([], "data")):  # fmt: skip
        refused(boss.send("PATCH", path, body), 422, "")
        assert boss.send("PATCH", path, body).json()["field"] == field, body
    assert refused(boss.send("PATCH", path, {"schedule": "@daily", "timezone": "a\u0000b"}), 400, "unknown time zone")
    assert refused(boss.get("/api/cron-jobs?search=a%00b"), 422, "can't be stored")


def test_a_locked_schedule_is_refused_and_the_job_switched_all_the_same(
    site: Any, boss: Browser, records: Records
) -> None:
    id_ = records.job("fixed", is_locked=True)
    path = f"/api/cron-jobs/{id_}/schedule"
    body = refused(boss.send("PATCH", path, {"schedule": "@daily"}), 403, "job 'fixed' is locked")
    assert body["code"] == "job_locked"
    assert boss.post(f"/api/cron-jobs/{id_}/disable").status_code == 200
    assert boss.post(f"/api/cron-jobs/{id_}/enable").status_code == 200


def test_a_stale_version_is_refused_with_who_was_faster(site: Any, boss: Browser, records: Records) -> None:
    id_ = records.job("contested")
    path, change = f"/api/cron-jobs/{id_}/schedule", {"schedule": "@daily"}
    etag = boss.get(f"/api/cron-jobs/{id_}").headers["etag"]
    assert site.session("bob", "super_admin").send("PATCH", path, change, If_Match=etag).status_code == 200
    body = refused(boss.send("PATCH", path, {"schedule": "@hourly"}, If_Match=etag), 409, "was changed by web:bob at ")
    assert body["code"] == "stale_version"
    refused(boss.send("PATCH", path, {"schedule": "@hourly", "version": 1}), 409, "it has version 2, not 1")
    refused(boss.post(f"/api/cron-jobs/{id_}/disable", If_Match=etag), 409, "was changed by web:bob")
    refused(
        boss.send("PATCH", path, {"schedule": "@hourly", "version": 2}, If_Match='"3"'),
        422,
        "the body says 2, If-Match says 3",
    )
    refused(boss.send("PATCH", path, {"schedule": "@hourly"}, If_Match="seven"), 422, "is no version")
    assert boss.send("PATCH", path, {"schedule": "@hourly", "version": 2}, If_Match="*").status_code == 200
