"""What a change of definition does, whoever makes it: version, plan, audit, notification, refusals."""

from __future__ import annotations

import psycopg
import pytest
from psycopg.rows import dict_row

from pgcron_py.errors import InvalidSchedule
from pgcron_py.timetable import parse
from support.steps import Stage, success

INSERT_HASHED = "INSERT INTO pgcron.cron_job (name, schedule, handler) VALUES (%s, '0 0 31 H *', 'h')"


def refused(stage: Stage, sqlstate: str, statement: str, *values: object, url: str | None = None) -> psycopg.Error:
    with psycopg.connect(url or stage.url, autocommit=True) as connection, pytest.raises(psycopg.Error) as refusal:
        connection.execute(statement, values or None)
    assert refusal.value.sqlstate == sqlstate
    return refusal.value


def test_a_new_job_has_its_next_run_at_once(stage: Stage) -> None:
    stage.do("INSERT INTO pgcron.cron_job (name, schedule, handler) VALUES ('j', '0 0 1 1 *', 'h')")
    row = stage.row(
        "SELECT needs_plan, next_run_at > clock_timestamp() AS ahead, planned ->> 'schedule' AS planned FROM pgcron.cron_job"
    )
    assert row == {"needs_plan": False, "ahead": True, "planned": "0 0 1 1 *"}
    assert stage.broken_invariants() == []


@pytest.mark.parametrize(
    ("schedule", "message"),
    [
        ("", "empty"),
        ("   ", "empty"),
        ("* * * *", "4 fields"),
        ("* * * * * * * *", "8 fields"),
        ("x" * 257, "at most 256 characters"),
        ("* * * * é", "U+00E9 is not ASCII"),
        ("22-2 * * * *", "minute (column 1): the range 22-2 runs backward"),
        ("0 0 30 2 *", "can never fire"),
        ("* * * *\n*", "character"),
    ],
)
def test_error_for_an_invalid_expression(stage: Stage, schedule: str, message: str) -> None:
    error = refused(
        stage, "PC002", "INSERT INTO pgcron.cron_job (name, schedule, handler) VALUES ('j', %s, 'h')", schedule
    )
    assert message in str(error)
    assert error.diag.message_hint
    assert stage.rows("SELECT * FROM pgcron.cron_job") == []


def test_a_change_to_an_invalid_expression_is_refused_with_its_place_and_a_hint(stage: Stage) -> None:
    stage.job(due=None)
    error = refused(stage, "PC002", "UPDATE pgcron.cron_job SET schedule = '0 24 * * *'")
    assert error.diag.message_detail == "field: hour, column: 3, code: out_of_range"
    assert error.diag.message_hint == "midnight is hour 0"


def test_whether_a_hashed_schedule_fires_is_asked_for_the_job_of_that_name(stage: Stage) -> None:
    """`H` draws the month from the name: for some names it is a month that has no day 31."""
    names = [f"job {n}" for n in range(40)]
    for name in names:
        try:
            parse("0 0 31 H *", name=name)
        except InvalidSchedule:
            refused(stage, "PC002", INSERT_HASHED, name)
        else:
            stage.do(INSERT_HASHED, name)
    assert 0 < stage.row("SELECT count(*) AS n FROM pgcron.cron_job")["n"] < len(names)


def test_an_expression_that_came_in_past_the_triggers_stops_that_job_alone_and_says_why(stage: Stage) -> None:
    stage.do(
        "INSERT INTO pgcron.cron_job (name, schedule, handler) VALUES ('bad', '@daily', 'h'), ('good', '@daily', 'h')"
    )
    stage.do("SET session_replication_role = replica")  # as a restore or a logical replica writes
    stage.do("UPDATE pgcron.cron_job SET schedule = '22-2 * * * *', needs_plan = true WHERE name = 'bad'")
    stage.do("RESET session_replication_role")
    stage.plan()
    bad = stage.row("SELECT * FROM pgcron.cron_job WHERE name = 'bad'")
    assert not bad["is_enabled"]
    assert "22" in bad["schedule_error"]
    assert bad["disabled_by"] == "pgcron"
    assert stage.row("SELECT is_enabled, schedule_error FROM pgcron.cron_job WHERE name = 'good'") == {
        "is_enabled": True, "schedule_error": None,
    }  # fmt: skip
    stage.do("UPDATE pgcron.cron_job SET schedule = '22 * * * *', is_enabled = true WHERE name = 'bad'")
    stage.plan()
    assert stage.row("SELECT schedule_error, next_run_at IS NOT NULL AS planned FROM pgcron.cron_job WHERE name = 'bad'") == {
        "schedule_error": None, "planned": True,
    }  # fmt: skip
    assert stage.broken_invariants() == []


def test_updates_the_schedule(stage: Stage) -> None:
    job = stage.job(due=None)
    stage.do("UPDATE pgcron.cron_job SET schedule = '*/5 * * * *' WHERE id = %s", job)
    assert stage.row("SELECT needs_plan, version FROM pgcron.cron_job") == {"needs_plan": False, "version": 2}
    assert stage.row("SELECT next_run_at < clock_timestamp() + interval '5 min' AS soon FROM pgcron.cron_job") == {
        "soon": True
    }
    assert stage.rows("SELECT * FROM pgcron.cron_miss") == []
    assert stage.broken_invariants() == []


def test_an_old_due_that_was_past_when_the_schedule_changed_is_a_miss(stage: Stage) -> None:
    stage.do("INSERT INTO pgcron.cron_job (name, schedule, handler, anchor_at, ledger_from) VALUES "
             "('j', '@every 1h', 'h', clock_timestamp() - interval '2 h', clock_timestamp() - interval '150 min')")  # fmt: skip
    stage.plan()
    stage.do("UPDATE pgcron.cron_job SET schedule = '@daily'")
    stage.plan()
    assert stage.row("SELECT reason, count FROM pgcron.cron_miss") == {"reason": "rescheduled", "count": 3}
    assert stage.broken_invariants() == []


def test_writing_the_same_values_again_changes_nothing(stage: Stage) -> None:
    stage.job(due=None)
    before = stage.row("SELECT * FROM pgcron.cron_job")
    stage.do("UPDATE pgcron.cron_job SET schedule = schedule, is_enabled = is_enabled, args = args")
    assert stage.row("SELECT * FROM pgcron.cron_job") == before


def test_a_claim_and_a_finish_move_neither_version_nor_updated_at(stage: Stage) -> None:
    stage.job()
    before = stage.row("SELECT version, updated_at FROM pgcron.cron_job")
    worker, actor = stage.worker(), stage.actor()
    (run,) = actor.claim(worker)
    actor.finish(worker, success(stage, run))
    assert stage.row("SELECT version, updated_at FROM pgcron.cron_job") == before


def test_disabled_time_is_a_miss_and_enabling_starts_after_now(stage: Stage) -> None:
    stage.do("INSERT INTO pgcron.cron_job (name, schedule, handler, anchor_at, ledger_from) VALUES "
             "('j', '@every 1m', 'h', clock_timestamp() - interval '1 h', clock_timestamp() - interval '10 min 30 s')")  # fmt: skip
    stage.plan()
    stage.do("SELECT pgcron.disable('j', 'maintenance')")
    row = stage.row(
        "SELECT next_run_at, disabled_reason, disabled_by, disabled_at IS NOT NULL AS at FROM pgcron.cron_job"
    )
    assert row == {"next_run_at": None, "disabled_reason": "maintenance", "disabled_by": "postgres", "at": True}
    assert stage.broken_invariants() == []
    stage.do("SELECT pgcron.enable('j')")
    stage.plan()
    miss = stage.row("SELECT reason, count FROM pgcron.cron_miss")
    assert miss["reason"] == "disabled"
    assert miss["count"] in (10, 11)
    row = stage.row(
        "SELECT next_run_at > clock_timestamp() AS ahead, disabled_reason, disabled_at FROM pgcron.cron_job"
    )
    assert row == {"ahead": True, "disabled_reason": None, "disabled_at": None}
    assert stage.broken_invariants() == []


def test_disabling_cancels_pending_requests_and_a_disabled_job_takes_none(stage: Stage) -> None:
    job = stage.job(due=None)
    stage.do("SELECT pgcron.run_now('job')")
    stage.do("SELECT pgcron.disable('job')")
    assert stage.row("SELECT state FROM pgcron.cron_request") == {"state": "CANCELLED"}
    error = refused(stage, "PC004", "SELECT pgcron.run_now('job')")
    assert "Cannot execute disabled job" in str(error)
    refused(stage, "PC004", "INSERT INTO pgcron.cron_request (job_id) VALUES (%s)", job)
    assert stage.broken_invariants() == []


def test_a_disable_and_a_request_that_race_leave_no_pending_request_in_either_order(stage: Stage) -> None:
    stage.job(due=None)
    one, two = stage.actor(stage.url), stage.actor(stage.url)
    one.say("BEGIN")
    one.say("SELECT pgcron.disable('job')")
    asking = two.start_saying("SELECT pgcron.run_now('job')")
    two.waits_for_a_lock()
    one.commit()
    with pytest.raises(psycopg.Error, match="disabled"):
        asking.result(10)
    stage.do("SELECT pgcron.enable('job')")
    one.say("BEGIN")
    one.say("SELECT pgcron.run_now('job')")
    disabling = two.start_saying("SELECT pgcron.disable('job')")
    two.waits_for_a_lock()
    one.commit()
    disabling.result(10)
    assert stage.row("SELECT state FROM pgcron.cron_request") == {"state": "CANCELLED"}
    assert stage.broken_invariants() == []


def test_run_now_is_refused_while_the_job_runs_or_is_already_asked(stage: Stage) -> None:
    stage.job()
    worker, actor = stage.worker(), stage.actor()
    (run,) = actor.claim(worker)
    assert "already running" in str(refused(stage, "PC005", "SELECT pgcron.run_now('job')"))
    actor.finish(worker, success(stage, run))
    stage.do("SELECT pgcron.run_now('job')")
    assert "already asked" in str(refused(stage, "PC006", "SELECT pgcron.run_now('job')"))


def test_the_same_idempotency_key_is_the_same_request(stage: Stage) -> None:
    stage.job(due=None)
    first = stage.row("SELECT pgcron.run_now('job', NULL, 'k') AS id")
    assert stage.row("SELECT pgcron.run_now('job', NULL, 'k') AS id") == first


def test_an_unknown_job_is_named(stage: Stage) -> None:
    assert "'nope'" in str(refused(stage, "PC007", "SELECT pgcron.run_now('nope')"))


def test_every_change_is_audited_with_actor_reason_and_the_changed_fields_only(stage: Stage) -> None:
    stage.job(due=None)
    with psycopg.connect(stage.url) as connection:
        connection.execute(
            "SELECT set_config('pgcron.actor', 'ana', true), set_config('pgcron.reason', 'slower', true)"
        )
        connection.execute("UPDATE pgcron.cron_job SET schedule = '@weekly', queue = 'slow'")
    entry = stage.row("SELECT * FROM pgcron.cron_audit ORDER BY id DESC LIMIT 1")
    assert (entry["action"], entry["actor"], entry["reason"], entry["db_role"], entry["job_version"]) == (
        "job_changed", "ana", "slower", "postgres", 2,
    )  # fmt: skip
    assert entry["old_values"] == {"schedule": "0 0 29 2 *", "queue": "default"}
    assert entry["new_values"] == {"schedule": "@weekly", "queue": "slow"}
    stage.do("DELETE FROM pgcron.cron_job")
    assert stage.row("SELECT action FROM pgcron.cron_audit ORDER BY id DESC LIMIT 1") == {"action": "job_deleted"}


@pytest.mark.parametrize(
    "statement",
    ["UPDATE pgcron.cron_audit SET actor = 'x'", "DELETE FROM pgcron.cron_audit", "TRUNCATE pgcron.cron_audit"],
)
def test_the_audit_is_append_only_even_for_its_owner(stage: Stage, statement: str) -> None:
    stage.job(due=None)
    refused(stage, "PC010", statement)


def test_a_running_job_can_not_be_deleted(stage: Stage) -> None:
    stage.job()
    stage.actor().claim(stage.worker())
    refused(stage, "PC008", "DELETE FROM pgcron.cron_job")


def test_a_job_declared_in_code_can_not_be_deleted_until_its_declaration_is_gone(stage: Stage) -> None:
    stage.job(due=None, origin="code", app="a")
    refused(stage, "PC009", "DELETE FROM pgcron.cron_job")
    stage.do("UPDATE pgcron.cron_job SET undeclared_at = clock_timestamp()")
    stage.do("DELETE FROM pgcron.cron_job")


def test_infinity_and_far_away_times_are_refused(stage: Stage) -> None:
    stage.job(due=None)
    for value in ("infinity", "-infinity", "9999-01-01"):
        refused(stage, "23514", f"UPDATE pgcron.cron_job SET next_run_at = '{value}'")


def test_changes_of_definition_notify_and_claims_and_finishes_do_not(stage: Stage) -> None:
    with psycopg.connect(stage.url, autocommit=True) as ear:
        ear.execute("LISTEN pgcron")

        def heard() -> list[str]:
            ear.execute("SELECT 1")
            return [n.payload for n in ear.notifies(timeout=0.05)]

        job = stage.job()
        assert heard() == [str(job)]
        worker, actor = stage.worker(), stage.actor()
        (run,) = actor.claim(worker)
        actor.finish(worker, success(stage, run))
        assert heard() == []
        stage.do("UPDATE pgcron.cron_job SET schedule = '@weekly'")
        stage.do("SELECT pgcron.disable('job')")
        stage.do("SELECT pgcron.enable('job')")
        stage.plan()
        stage.do("SELECT pgcron.run_now('job')")
        assert heard() == [str(job)] * 4
        owner = stage.actor(stage.url)
        owner.say("SET pgcron.silent = 'on'")
        owner.say("UPDATE pgcron.cron_job SET queue = 'other'")
        assert heard() == []


@pytest.mark.parametrize(
    "table", ["cron_job", "cron_log", "cron_request", "cron_miss", "cron_worker", "cron_audit", "cron_meta"]
)
def test_a_reader_reads_and_writes_nothing(stage: Stage, reader_url: str, table: str) -> None:
    stage.job(due=None)
    refused(stage, "42501", f"DELETE FROM pgcron.{table}", url=reader_url)
    with psycopg.connect(reader_url, row_factory=dict_row) as connection:
        column = "id" if table != "cron_log" else "error"
        connection.execute(f"SELECT {column} FROM pgcron.{table}")
        assert connection.execute("SELECT * FROM pgcron.check_invariants()").fetchall() == []


def test_a_reader_sees_no_stack_trace(stage: Stage, reader_url: str) -> None:
    refused(stage, "42501", "SELECT stack_trace FROM pgcron.cron_log", url=reader_url)


def test_a_worker_can_neither_create_jobs_directly_nor_touch_the_audit(stage: Stage) -> None:
    refused(
        stage,
        "42501",
        "INSERT INTO pgcron.cron_job (name, schedule, handler) VALUES ('j', '@daily', 'h')",
        url=stage.worker_url,
    )
    refused(stage, "42501", "INSERT INTO pgcron.cron_audit (action) VALUES ('x')", url=stage.worker_url)


def test_the_owner_does_everything_without_being_superuser(stage: Stage, owner_url: str) -> None:
    with psycopg.connect(owner_url, autocommit=True) as connection:
        connection.execute(
            "INSERT INTO pgcron.cron_job (name, schedule, handler, is_locked) VALUES ('j', '@daily', 'h', true)"
        )
        connection.execute("UPDATE pgcron.cron_job SET schedule = '@weekly'")
        connection.execute("SELECT pgcron.run_now('j')")
        connection.execute("SELECT pgcron.disable('j')")
        connection.execute("DELETE FROM pgcron.cron_job")


def test_ids_are_version_7_and_ordered_by_time(stage: Stage) -> None:
    ids = [stage.row("SELECT pgcron.uuid_v7() AS id, pg_sleep(0.002)")["id"] for _ in range(20)]
    assert ids == sorted(ids)
    assert {id_.version for id_ in ids} == {7}
    assert {id_.variant for id_ in ids} == {"specified in RFC 4122"}


def test_each_invariant_is_seen_when_it_breaks(stage: Stage) -> None:
    """The checks themselves: break one thing at a time, behind the triggers' back, and see it named."""
    job = stage.job("broken", due=5)
    worker, actor = stage.worker(), stage.actor()
    (run,) = actor.claim(worker)
    actor.finish(worker, success(stage, run))
    stage.make_due(job)
    actor.claim(worker)
    cases = {
        "counters_exact": "UPDATE pgcron.cron_job SET success_count = 5",
        "job_and_runs_agree": "UPDATE pgcron.cron_job SET running_count = 0",
        "seq_dense": "UPDATE pgcron.cron_job SET run_seq = 9",
        "no_running_of_dead_worker": "UPDATE pgcron.cron_worker SET state = 'DEAD'",
        "ledger_contiguous": "UPDATE pgcron.cron_job SET ledger_from = ledger_from - interval '1 s'",
        "ledger_reaches_plan": "UPDATE pgcron.cron_job SET covers_from = covers_from + interval '1 s'",
        "strikes_right": "UPDATE pgcron.cron_job SET consecutive_failures = 1",
        "strikes_disable": "UPDATE pgcron.cron_job SET consecutive_failures = 3",
        "disabled_has_no_request": "INSERT INTO pgcron.cron_request (job_id) SELECT id FROM pgcron.cron_job",
        "claimed_request_has_run": "INSERT INTO pgcron.cron_request (job_id, state, ended_at) SELECT id, 'CLAIMED', clock_timestamp() FROM pgcron.cron_job",
        "pending_request_is_visible": "UPDATE pgcron.cron_job SET next_request_at = NULL; "
        "INSERT INTO pgcron.cron_request (job_id) SELECT id FROM pgcron.cron_job; UPDATE pgcron.cron_job SET next_request_at = NULL",
        "change_audited": "UPDATE pgcron.cron_job SET version = 99",
        "runs_do_not_overlap": "DELETE FROM pgcron.cron_log WHERE seq = 1; UPDATE pgcron.cron_job SET archived_success = 0; INSERT INTO pgcron.cron_log "
        "(job_id, seq, cause, worker_id, handler, job_version, schedule, status, started_at, completed_at, duration) "
        "SELECT id, 1, 'manual', id, 'h', 1, 's', 'SUCCESS', clock_timestamp(), clock_timestamp() + interval '1 h', 5 FROM pgcron.cron_job",
    }  # fmt: skip
    for invariant, breakage in cases.items():
        with psycopg.connect(stage.url, row_factory=dict_row) as connection:
            connection.execute("SET session_replication_role = 'replica'")  # no triggers
            if invariant == "disabled_has_no_request":
                connection.execute("UPDATE pgcron.cron_job SET is_enabled = false")
            connection.execute(breakage)
            found = {
                row["invariant"] for row in connection.execute("SELECT * FROM pgcron.check_invariants()").fetchall()
            }
            connection.rollback()
        assert invariant in found, invariant
    assert stage.broken_invariants() == []
