"""Backfills: requests for a range of the past, their overlap policy, rate, progress and end."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from uuid import UUID

import psycopg
import pytest

from pgcron_py.domain.words import RunId
from support.steps import Stage, failure, success

FIRST = datetime(2026, 3, 1, 3, 0, tzinfo=UTC)
DAY = timedelta(days=1)


@pytest.fixture(autouse=True)
def nothing_is_broken(stage: Stage) -> Iterator[None]:
    yield
    assert stage.broken_invariants() == []


def asked(stage: Stage, days: int = 4, **more: object) -> UUID:
    """Of job `nightly` (03:00 UTC), from FIRST on."""
    names = "".join(f", p_{name} => %s" for name in more)
    row = stage.row(
        f"SELECT pgcron.backfill('nightly', %s, %s{names}) AS id", FIRST, FIRST + (days - 1) * DAY, *more.values()
    )
    found: UUID = row["id"]
    return found


def nightly(stage: Stage, **columns: object) -> UUID:
    """Not due by its schedule while the test goes on."""
    id_ = stage.job("nightly", schedule="0 3 * * *", due=None, **columns)
    stage.do(
        "UPDATE pgcron.cron_job SET next_run_at = next_run_at + interval '2 days', next_scheduled_for = next_scheduled_for + interval '2 days'"
    )
    return id_


def progress(stage: Stage, id_: UUID) -> dict[str, int]:
    return {
        name: count for name, count in stage.row("SELECT * FROM pgcron.backfill_progress(%s)", id_).items() if count
    }


def scheduled_for(stage: Stage, run: RunId) -> datetime:
    found: datetime = stage.row("SELECT scheduled_for FROM pgcron.cron_log WHERE id = %s", run)["scheduled_for"]
    return found


def test_both_ends_of_the_range_run_one_after_the_other(stage: Stage) -> None:
    worker, actor = stage.worker(), stage.actor()
    nightly(stage)
    id_ = asked(stage, 3)
    seen = []
    for _ in range(3):
        (run,) = actor.claim(worker)
        assert actor.claim(worker) == []  # exclusive: the next one waits
        seen.append(scheduled_for(stage, run))
        actor.finish(worker, success(stage, run))
    assert seen == [FIRST, FIRST + DAY, FIRST + 2 * DAY]
    assert actor.claim(worker) == []
    assert progress(stage, id_) == {"succeeded": 3}


def test_an_occurrence_that_ran_already_runs_again(stage: Stage) -> None:
    worker, actor = stage.worker(), stage.actor()
    nightly(stage)
    for _ in range(2):
        asked(stage, 1)
        (run,) = actor.claim(worker)
        actor.finish(worker, success(stage, run))
    assert stage.row("SELECT count(*) FROM pgcron.cron_log WHERE scheduled_for = %s AND cause = 'backfill'", FIRST) == {"count": 2}  # fmt: skip


@pytest.mark.parametrize(
    ("policy", "left"),
    [("skip", {"running": 1, "left_out": 3}), ("buffer_one", {"running": 1, "waiting": 1, "left_out": 2}), ("buffer_all", {"running": 1, "waiting": 3})],
)  # fmt: skip
def test_its_own_overlap_policy_decides_while_a_run_goes_on(stage: Stage, policy: str, left: dict[str, int]) -> None:
    worker, actor = stage.worker(), stage.actor()
    nightly(stage)
    id_ = asked(stage, 4, overlap=policy)
    (run,) = actor.claim(worker)
    actor.claim(worker)
    assert progress(stage, id_) == left
    actor.finish(worker, success(stage, run))
    while runs := actor.claim(worker):
        actor.finish(worker, *(success(stage, run) for run in runs))
    assert "waiting" not in progress(stage, id_)


@pytest.mark.parametrize(("policy", "forced"), [("cancel_other", False), ("terminate_other", True)])
def test_a_cancelling_one_ends_the_run_that_goes_on(stage: Stage, policy: str, forced: bool) -> None:
    worker, actor = stage.worker(), stage.actor()
    nightly(stage)
    stage.do("SELECT pgcron.run_now('nightly')")
    (run,) = actor.claim(worker)
    asked(stage, 1, overlap=policy)
    assert actor.claim(worker) == []
    row = stage.row(
        "SELECT cancel_requested_at IS NOT NULL AS asked, cancel_is_forced FROM pgcron.cron_log WHERE id = %s", run
    )
    assert row == {"asked": True, "cancel_is_forced": forced}
    actor.finish(worker, failure(stage, run))
    assert len(actor.claim(worker)) == 1


def test_side_by_side_where_the_job_allows_it(stage: Stage) -> None:
    worker = stage.worker()
    nightly(stage, overlap_policy="allow_all", is_exclusive=False, max_running=3)
    asked(stage, 4, overlap="allow_all")
    assert len(stage.actor().claim(worker)) == 3


def test_a_rate_spreads_the_starts(stage: Stage) -> None:
    worker = stage.worker()
    nightly(stage)
    asked(stage, 3, per_minute=30)
    rows = stage.rows("SELECT run_after FROM pgcron.cron_request ORDER BY scheduled_for")
    gaps = [(b["run_after"] - a["run_after"]).total_seconds() for a, b in pairwise(rows)]
    assert [round(gap, 1) for gap in gaps] == [2.0, 2.0]
    assert len(stage.actor().claim(worker)) == 1


def test_cancelling_leaves_the_run_that_goes_on(stage: Stage) -> None:
    worker, actor = stage.worker(), stage.actor()
    nightly(stage)
    id_ = asked(stage, 4)
    (run,) = actor.claim(worker)
    assert stage.row("SELECT pgcron.cancel_backfill(%s, 'enough') AS n", id_) == {"n": 3}
    assert stage.row("SELECT pgcron.cancel_backfill(%s) AS n", id_) == {"n": 0}
    actor.finish(worker, success(stage, run))
    assert actor.claim(worker) == []
    assert progress(stage, id_) == {"succeeded": 1, "left_out": 3}
    assert [row["action"] for row in stage.rows("SELECT action FROM pgcron.cron_audit WHERE action LIKE 'backfill%%' ORDER BY at")] == [
        "backfill_asked", "backfill_cancelled",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("arguments", "sqlstate", "message"),
    [
        ("'nobody', now() - interval '1 day', now()", "PC007", "no job"),
        ("'nightly', now(), now() - interval '1 day'", "PC014", "before it begins"),
        ("'nightly', now(), now() + interval '1 day'", "PC014", "yet to come"),
        ("'nightly', now() - interval '2 s', now() - interval '1 s'", "PC014", "no occurrence"),
        ("'nightly', now() - interval '60 years', now() - interval '1 s'", "PC014", "more than 10000"),
        ("'nightly', now() - interval '3 days', now() - interval '1 s', 'maybe'", "PC014", "overlap is"),
        ("'nightly', now() - interval '3 days', now() - interval '1 s', 'allow_all'", "PC014", "exclusive"),
        ("'nightly', now() - interval '3 days', now() - interval '1 s', 'skip', 0", "PC014", "per_minute"),
    ],
)
def test_what_makes_no_sense_is_refused_and_nothing_is_kept(
    stage: Stage, arguments: str, sqlstate: str, message: str
) -> None:
    nightly(stage)
    with psycopg.connect(stage.url) as connection, pytest.raises(psycopg.Error, match=message) as refusal:
        connection.execute(f"SELECT pgcron.backfill({arguments})")
    assert refusal.value.sqlstate == sqlstate
    assert refusal.value.diag.message_hint
    assert stage.rows("SELECT FROM pgcron.cron_backfill") == []


def test_a_disabled_job_has_none_and_enabling_tells_what_it_held(stage: Stage) -> None:
    job = nightly(stage)
    stage.do("SELECT pgcron.disable('nightly')")
    with psycopg.connect(stage.url) as connection, pytest.raises(psycopg.Error, match="disabled"):
        connection.execute("SELECT pgcron.backfill('nightly', now() - interval '3 days', now())")
    stage.do("UPDATE pgcron.cron_job SET disabled_at = clock_timestamp() - interval '50 h' WHERE id = %s", job)
    with psycopg.connect(stage.url, autocommit=True) as connection:
        notices: list[str] = []
        connection.add_notice_handler(lambda it: notices.append(f"{it.message_primary} {it.message_hint}"))
        connection.execute("SELECT pgcron.enable('nightly')")
    (notice,) = notices
    assert "missed 2 occurrences" in notice or "missed 3 occurrences" in notice
    assert "pgcron.backfill('nightly'" in notice
