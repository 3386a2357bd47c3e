"""Schedules before and after they are saved, backfills, and why a job does not run."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest

from pgcron_admin.preview import (
    GROUPS_MOST,
    NO_JOB,
    OCCURRENCES_MOST,
    Others,
    Wanted,
    load_around,
    moved,
    preview,
)
from pgcron_py.domain.job import Timing
from pgcron_py.errors import InvalidSchedule
from support.admin import Browser
from support.api import Records, next_page, refused

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
AFTER = datetime(2027, 3, 10, 12, 0, tzinfo=UTC)


@pytest.fixture(scope="module")
def records(site: Any) -> Records:
    return Records(site.db_url)


@pytest.fixture
def boss(site: Any) -> Browser:
    return site.session("boss", "super_admin")  # type: ignore[no-any-return]


def timing(schedule: str, timezone: str = "UTC", name: str = "") -> Timing:
    return Timing(NO_JOB, name, schedule, timezone, EPOCH)


def others(schedule: str, count: int, *names: str) -> Others:
    return Others(timing(schedule), count, names)


def test_collisions_are_counted_in_the_minute_of_the_first_run_and_quiet_minutes_offered() -> None:
    crowd = [
        others("0 0 * * *", 9, "a", "b"),
        others("*/5 * * * *", 2, "c"),
        others("1,59 * * * *", 4, "d"),
        others("0 12 * * *", 50),
    ]
    found = preview(Wanted(timing("0 0 * * *"), AFTER, "Asia/Tokyo"), crowd)
    assert found.collisions is not None
    assert (found.collisions.jobs, found.collisions.names, found.collisions.nearby_most) == (11, ["a", "b", "c"], 11)
    assert found.collisions.is_complete
    assert [(q.schedule, q.jobs) for q in found.quiet_minutes] == [("2 0 * * *", 0), ("3 0 * * *", 0), ("4 0 * * *", 0)]
    assert (found.next_runs[0].in_job_zone, found.next_runs[0].in_view_zone) == (
        "2027-03-11T00:00:00+00:00",
        "2027-03-11T09:00:00+09:00",
    )
    assert len(found.next_runs) == 10


def test_no_quieter_minute_is_offered_where_there_is_none_or_the_minute_is_not_one_number() -> None:
    assert preview(Wanted(timing("0 0 * * *"), AFTER, "UTC"), []).quiet_minutes == []
    for schedule in ("*/10 0 * * *", "0,30 0 * * *", "@every 1h", "@daily", "H 0 * * *"):
        assert (
            preview(
                Wanted(timing(schedule, name="x"), AFTER, "UTC"), [others("* * * * *", 1), others(schedule, 1)]
            ).quiet_minutes
            == []
        )


def test_a_moved_schedule_names_just_that_minute() -> None:
    at = datetime(2027, 3, 11, 0, 30, tzinfo=UTC)
    assert moved(timing("30 0 * * *"), at, at + timedelta(minutes=7)) == "37 0 * * *"
    assert moved(timing("30 0 * * *"), at, at + timedelta(minutes=45)) is None
    assert (
        moved(timing("15 30 0 * * *"), at.replace(second=15), at.replace(second=15) + timedelta(minutes=1))
        == "15 31 0 * * *"
    )
    assert moved(timing("  30   0 * * *"), at, at - timedelta(minutes=30)) == "  0   0 * * *"


def test_the_work_of_a_preview_is_bounded() -> None:
    busy = [others("* * * * * *", 1) for _ in range(GROUPS_MOST + 1)]
    load = load_around(AFTER, busy)
    assert not load.is_complete
    assert sum(load.per_minute.values()) <= OCCURRENCES_MOST
    assert load_around(AFTER, [others("not a schedule", 1), others("0 12 * * *", 3)]).per_minute == {AFTER: 3}


def test_warnings_name_the_field_and_its_column() -> None:
    (warning,) = [
        w for w in preview(Wanted(timing("0 */7 1 * *"), AFTER, "UTC"), []).warnings if w.code == "uneven_step"
    ]
    assert (warning.field, warning.column) == ("hour", 3)
    both = preview(Wanted(timing("0 0 13 * fri"), AFTER, "UTC"), []).warnings
    assert [(w.code, w.field, w.column) for w in both if w.code == "both_days"] == [("both_days", "day_of_month", 5)]
    gap = preview(Wanted(timing("30 2 * * *", "Europe/Berlin"), AFTER, "UTC"), []).warnings
    assert next(w.at for w in gap if w.code == "dst_gap") == datetime(2027, 3, 28, 1, tzinfo=UTC)
    with pytest.raises(InvalidSchedule):
        preview(Wanted(timing("0 0 30 2 *"), AFTER, "UTC"), [])


def test_a_schedule_is_previewed_against_the_jobs_that_there_are(boss: Browser, records: Records) -> None:
    for n in range(3):
        records.job(f"crowd-{n}", schedule="17 5 * * *")
    records.job("crowd-off", schedule="17 5 * * *", is_enabled=False)
    mine = records.job("crowd-mine", schedule="17 5 * * *")
    body = {"schedule": "17 5 * * *", "viewTimezone": "America/New_York"}
    found = boss.post("/api/schedules/preview", body).json()
    assert (found["sentence"], found["canonical"]) == ("At 05:17, UTC time", "17 5 * * *")
    assert (found["collisions"]["jobs"], found["collisions"]["names"]) == (
        4,
        ["crowd-0", "crowd-1", "crowd-2", "crowd-mine"],
    )
    assert boss.post("/api/schedules/preview", {**body, "jobId": str(mine)}).json()["collisions"]["jobs"] == 3
    assert found["quietMinutes"][0]["schedule"] in ("18 5 * * *", "16 5 * * *")
    assert found["nextRuns"][0]["inJobZone"].endswith("T05:17:00+00:00")
    assert found["nextRuns"][0]["inViewZone"][-6:] in ("-05:00", "-04:00")
    assert len(found["nextRuns"]) == 10


def test_a_preview_tells_what_is_wrong_where(boss: Browser) -> None:
    body = refused(boss.post("/api/schedules/preview", {"schedule": "0 0 * * 8"}), 400, "Invalid cron expression: ")
    assert (body["field"], body["column"]) == ("day_of_week", 9)
    refused(
        boss.post("/api/schedules/preview", {"schedule": "@daily", "timezone": "Nowhere"}),
        400,
        "unknown time zone 'Nowhere'",
    )
    assert (
        refused(
            boss.post("/api/schedules/preview", {"schedule": "@daily", "viewTimezone": "Nowhere"}),
            422,
            "viewTimezone: ",
        )["field"]
        == "viewTimezone"
    )
    refused(boss.post("/api/schedules/preview", {"schedule": "@daily", "jobId": str(uuid4())}), 404, "Cron job with ID")
    assert boss.post("/api/schedules/preview", {"schedule": "@reboot"}).json()["collisions"] is None
    assert boss.post("/api/schedules/preview", {"schedule": "0 0 1 1 * 2020"}).status_code in (200, 400)


def test_next_runs_are_shown_in_two_zones(boss: Browser, records: Records) -> None:
    job = records.job("zoned", schedule="0 3 * * *", timezone="Europe/Berlin")
    found = boss.get(f"/api/cron-jobs/{job}/next-runs?timezone=Asia/Tokyo&count=3").json()
    assert (found["timezone"], len(found["runs"])) == ("Europe/Berlin", 3)
    assert all("T03:00:00+0" in run["inJobZone"] and run["inViewZone"].endswith("+09:00") for run in found["runs"])
    assert (
        refused(boss.get(f"/api/cron-jobs/{job}/next-runs?timezone=x/y"), 422, "timezone: unknown time zone")["field"]
        == "timezone"
    )
    refused(boss.get(f"/api/cron-jobs/{uuid4()}/next-runs"), 404, "Cron job with ID")


def test_a_plan_shows_what_another_schedule_would_change_and_changes_nothing(boss: Browser, records: Records) -> None:
    job = records.job("planned", schedule="0 3 * * *")
    found = boss.post(f"/api/cron-jobs/{job}/plan", {"schedule": "0 3,4 * * *", "count": 4}).json()
    assert {effect["effect"] for effect in found["effects"]} == {"stays", "would run in addition"}
    assert found["sentence"] == "At 03:00 and 04:00, UTC time"
    assert all(effect["byNow"] == effect["at"].endswith("T03:00:00Z") for effect in found["effects"])
    assert boss.get(f"/api/cron-jobs/{job}").json()["version"] == 1
    refused(boss.post(f"/api/cron-jobs/{job}/plan", {"schedule": "x"}), 400, "Invalid cron expression: ")


def test_an_explanation_names_what_blocks_a_job(boss: Browser, records: Records) -> None:
    job = records.job("why", is_enabled=False, disabled_reason="stocktaking")
    found = boss.get(f"/api/cron-jobs/{job}/explain").json()
    assert found["isBlocked"]
    assert found["answer"]["topic"] == "enabled"
    assert "stocktaking" in found["answer"]["message"]
    assert found["answer"] in found["steps"]
    refused(boss.get(f"/api/cron-jobs/{uuid4()}/explain"), 404, "Cron job with ID")


@pytest.fixture
def hourly(records: Records) -> Iterator[str]:
    records.rows("DELETE FROM pgcron.cron_job WHERE name = 'hourly'")
    return str(records.job("hourly", schedule="0 * * * *"))


def test_a_backfill_is_asked_for_watched_and_cancelled(site: Any, boss: Browser, records: Records, hourly: str) -> None:
    body = {
        "from": "2026-01-01T00:00:00Z",
        "to": "2026-01-01T05:00:00Z",
        "perMinute": 10,
        "reason": "the shop was closed",
    }
    answer = boss.post(f"/api/cron-jobs/{hourly}/backfills", body, Idempotency_Key="back")
    assert answer.status_code == 202, answer.text
    made = answer.json()
    assert (made["total"], made["waiting"], made["state"], made["requestedBy"], made["reason"]) == (
        6,
        6,
        "RUNNING",
        "web:boss",
        "the shop was closed",
    )
    assert boss.post(f"/api/cron-jobs/{hourly}/backfills", body, Idempotency_Key="back").json() == made
    assert boss.get(f"/api/backfills?job={hourly}").json() == [made]
    assert len(boss.get(f"/api/requests?job={hourly}&state=PENDING").json()) == 6
    refused(site.session("op", "operator").post(f"/api/backfills/{made['id']}/cancel"), 403, "system.cron.manage")
    cancelled = boss.post(f"/api/backfills/{made['id']}/cancel", {"reason": "enough"}).json()
    assert (cancelled["state"], cancelled["waiting"], cancelled["leftOut"], cancelled["cancelledBy"]) == (
        "CANCELLED",
        0,
        6,
        "web:boss",
    )
    assert boss.get(f"/api/backfills/{made['id']}").json() == cancelled


def test_a_backfill_that_makes_no_sense_is_refused(boss: Browser, records: Records, hourly: str) -> None:
    path = f"/api/cron-jobs/{hourly}/backfills"
    past = {"from": "2026-01-01T00:00:00Z", "to": "2026-01-01T05:00:00Z"}
    for change, field in (
        ({"to": "2025-01-01T00:00:00Z"}, "to"), ({"to": "2099-01-01T00:00:00Z"}, "to"), ({"from": "2020-01-01T00:00:00Z"}, "to"),
        ({"from": "2026-01-01T00:10:00Z", "to": "2026-01-01T00:20:00Z"}, "from"), ({"perMinute": 0}, "perMinute"), ({"overlap": "x"}, "overlap"),
        ({"from": "yesterday"}, "from"), ({"from": "0001-01-01T00:00:00Z"}, "from"),
    ):  # fmt: skip
        assert refused(boss.post(path, {**past, **change}), 422, "")["field"] == field, change
    refused(
        boss.post(f"/api/cron-jobs/{records.job('back-off', is_enabled=False)}/backfills", past),
        400,
        "Cannot execute disabled job",
    )
    refused(boss.get(f"/api/backfills/{uuid4()}"), 404, "Backfill with ID")
    refused(boss.post(f"/api/backfills/{uuid4()}/cancel"), 404, "no backfill is")


def test_backfills_come_in_pages(boss: Browser, records: Records, hourly: str) -> None:
    for hour in range(3):
        at = f"2026-01-0{hour + 1}T05:00:00Z"
        assert boss.post(f"/api/cron-jobs/{hourly}/backfills", {"from": at, "to": at}).status_code == 202
    found, url = [], f"/api/backfills?job={hourly}&limit=2"
    while url:
        answer = boss.get(url)
        found += [backfill["fromAt"] for backfill in answer.json()]
        url = next_page(answer) or ""
    assert found == [f"2026-01-0{day}T05:00:00Z" for day in (3, 2, 1)]
