"""A beat glances for notifiers: it must not overlook what a look would act on, and must not call them for nothing."""

from __future__ import annotations

from typing import Any

import pytest

from support.steps import HANDLER, Stage

UNTIL_DUE = "UPDATE pgcron.cron_watch SET looked_at = clock_timestamp() - every_ms * interval '0.8 ms'"
FRESH = "SELECT looked_at > clock_timestamp() - interval '5 s' AS fresh FROM pgcron.cron_watch"


def glance(stage: Stage) -> dict[str, Any]:
    return stage.row("SELECT * FROM pgcron.glance()")


def quiet(stage: Stage, **columns: Any) -> Any:
    """A job that somebody serves, nothing to tell of, and a look that is due."""
    stage.worker()
    job = stage.job(**columns)
    stage.do("SELECT pgcron.look_around()")
    stage.do(
        "UPDATE pgcron.cron_worker SET handlers = jsonb_build_array(jsonb_build_object('name', %s::text))", HANDLER
    )
    stage.do(UNTIL_DUE)
    return job


def test_where_nothing_can_be_found_the_glance_is_the_look(stage: Stage) -> None:
    quiet(stage)
    assert glance(stage) == {"look_due": False, "delivery_in": None, "pings": None}
    assert stage.row(FRESH)["fresh"]


def test_a_look_that_is_not_due_yet_is_nobodys(stage: Stage) -> None:
    quiet(stage, late_after_ms=1000)
    stage.do("UPDATE pgcron.cron_watch SET looked_at = clock_timestamp() - every_ms * interval '0.5 ms'")
    assert not glance(stage)["look_due"]
    assert not stage.row(FRESH)["fresh"]


ALERT = "INSERT INTO pgcron.cron_alert (kind, job_id, job_name, opened_at) SELECT '{}', id, name, clock_timestamp() FROM pgcron.cron_job"
MISS = """
INSERT INTO pgcron.cron_miss (job_id, reason, count, first_scheduled_for, last_scheduled_for, covers_from, covers_to)
SELECT id, '{}', 1, covers_from, covers_from, covers_from - interval '1 min', covers_from FROM pgcron.cron_job
"""
REASONS = {
    "a job that may be late": "UPDATE pgcron.cron_job SET late_after_ms = 1000",
    "a job that may be slow": "UPDATE pgcron.cron_job SET slow_after_ms = 1000",
    "a job that may be slower than usual": "UPDATE pgcron.cron_job SET slow_factor = 2",
    "a job that must succeed": "UPDATE pgcron.cron_job SET must_succeed_every_ms = 1000",
    "an open alert": ALERT.format("late"),
    "a miss to tell": MISS.format("too_late"),
    "a silence": "UPDATE pgcron.cron_watch SET looked_at = clock_timestamp() - silent_after_ms * interval '2 ms'",
    "a change that is not sealed": "UPDATE pgcron.cron_job SET description = 'changed'",
    "a job without a worker": """UPDATE pgcron.cron_worker SET handlers = '[{"name": "other"}]'""",
    "a fleet that never looked": "UPDATE pgcron.cron_watch SET looked_at = NULL",
}
NO_REASONS = {"a miss as usual": MISS.format("overlap"), "a failure that is told already": ALERT.format("failing")}
SEAL = "SELECT pgcron.seal_audit()"


@pytest.mark.parametrize("reason", REASONS)
def test_what_a_look_would_act_on_calls_for_it(stage: Stage, reason: str) -> None:
    quiet(stage)
    stage.do(REASONS[reason])
    if "sealed" not in reason:
        stage.do(SEAL)
    for _ in range(2):  # until somebody looked
        assert glance(stage)["look_due"]
        assert not stage.row(FRESH)["fresh"]
    stage.do("SELECT pgcron.look_around()")
    assert not glance(stage)["look_due"]


@pytest.mark.parametrize("reason", NO_REASONS)
def test_what_no_look_acts_on_calls_for_none(stage: Stage, reason: str) -> None:
    quiet(stage)
    stage.do(NO_REASONS[reason])
    stage.do(SEAL)
    assert not glance(stage)["look_due"]


def test_every_change_of_a_ping_url_shows(stage: Stage) -> None:
    jobs = [stage.job("one"), stage.job("other")]
    here, there = "http://127.0.0.1/a", "http://127.0.0.1/b"
    seen = []
    for urls in ((here, None), (here, here), (there, here), (here, there), (None, there)):
        for job, url in zip(jobs, urls, strict=True):
            stage.do("UPDATE pgcron.cron_job SET ping_url = %s WHERE id = %s", url, job)
        seen.append(glance(stage)["pings"])
        assert glance(stage)["pings"] == seen[-1]
    assert len(set(seen)) == 5
    stage.do("DELETE FROM pgcron.cron_job")
    assert glance(stage)["pings"] is None


def test_a_message_is_due_at_once_and_a_delivery_at_its_time(stage: Stage) -> None:
    stage.do("SELECT pgcron.add_channel('channel', 'json://127.0.0.1')")
    assert glance(stage)["delivery_in"] is None
    stage.do("SELECT pgcron.test_channel('channel')")
    assert glance(stage)["delivery_in"] == 0
    stage.do("SELECT pgcron.take_deliveries(10, 60000)")
    assert 50 < glance(stage)["delivery_in"] <= 60
