"""The rules of a job's definition, and of a request: each is refused by its name, whoever writes, and what claims write asks for none."""

from __future__ import annotations

import re

import psycopg
import pytest

from support.steps import Stage

# What breaks each rule: an UPDATE of a job that keeps all the others.
BREAKS = {
    "cron_job_name_form": "name = ' x'",
    "cron_job_description_length": "description = repeat('x', 4001)",
    "cron_job_schedule_length": "schedule = ''",
    "cron_job_timezone_length": "timezone = repeat('x', 65)",
    "cron_job_handler_length": "handler = ''",
    "cron_job_args_object": "args = '[]'",
    "cron_job_owner_length": "owner = repeat('x', 201)",
    "cron_job_tags_form": "tags = '{a,NULL}'",
    "cron_job_queue_length": "queue = ''",
    "cron_job_priority_range": "priority = 101",
    "cron_job_origin_values": "origin = 'nowhere'",
    "cron_job_overlap_policy_values": "overlap_policy = 'none', is_exclusive = true",
    "cron_job_exclusive_overlap": "is_exclusive = false",
    "cron_job_max_running_range": "max_running = 2",
    "cron_job_catchup_policy_values": "catchup_policy = 'none'",
    "cron_job_catchup_window_range": "catchup_window_ms = 0",
    "cron_job_starting_deadline_range": "starting_deadline_ms = 0",
    "cron_job_timeout_range": "timeout_ms = 0",
    "cron_job_max_attempts_range": "max_attempts = 101",
    "cron_job_backoff_range": "backoff_ms = 2, backoff_max_ms = 1",
    "cron_job_retry_on_form": "retry_on = array_fill('x'::text, '{51}')",
    "cron_job_no_retry_on_form": "no_retry_on = '{NULL}'",
    "cron_job_memory_limit_range": "memory_limit_mib = 0",
    "cron_job_retention_range": "retention_count = 0",
    "cron_job_extra_schedules_form": "extra_schedules = array_fill('@daily'::text, '{21}')",
    "cron_job_excluded_schedules_form": "excluded_schedules = array_fill('* 3 * * *'::text, '{21}')",
    "cron_job_alone_exclusive": "runs_alone = true, is_exclusive = false, overlap_policy = 'allow_all'",
    "cron_job_period": "start_at = '2030-01-02', end_at = '2030-01-01'",
    "cron_job_max_runs_range": "max_runs = 0",
    "cron_job_min_version_form": "min_version = 'one'",
    "cron_job_log_level_values": "log_level = 'some'",
    "cron_job_alert_ranges": "slow_factor = 0.5",
    "cron_job_ping_url_form": "ping_url = 'ftp://x'",
    "cron_job_jitter_range": "jitter_ms = -1",
    "cron_job_dst_gap_values": "dst_gap = 'x'",
    "cron_job_dst_fold_values": "dst_fold = 'x'",
    "cron_job_max_consecutive_failures_range": "max_consecutive_failures = 0",
    "cron_job_disabled_reason_length": "disabled_reason = repeat('x', 1001)",
    "cron_job_replan_reason_values": "replan_reason = 'x'",
    "cron_job_finite_times": "skip_until = 'infinity'",
}
BREAKS_OF_REQUESTS = {
    "cron_request_cancel_length": "state = 'CANCELLED', cancel_reason = repeat('x', 1001)",
    "cron_request_cause_values": "cause = 'x', scheduled_for = '2030-01-01'",
    "cron_request_occurrence": "cause = 'backfill'",
    "cron_request_covers": "covers_from = '2030-01-01'",
    "cron_request_overlap_policy_values": "overlap_policy = 'x'",
    "cron_request_args_object": "args = '[]'",
    "cron_request_key_length": "idempotency_key = ''",
    "cron_request_requested_by_length": "requested_by = ''",
    "cron_request_finite_times": "run_after = 'infinity'",
}
TABLES = pytest.mark.parametrize(("table", "breaks"), [("cron_job", BREAKS), ("cron_request", BREAKS_OF_REQUESTS)])


def source_of(stage: Stage, table: str) -> str:
    found: str = stage.row("SELECT prosrc FROM pg_proc WHERE oid = %s::regproc", f"pgcron.{table}_rules")["prosrc"]
    return found


@TABLES
def test_every_rule_is_tried_here(stage: Stage, table: str, breaks: dict[str, str]) -> None:
    assert set(re.findall(rf"THEN\s+'({table}_\w+)'", source_of(stage, table))) == set(breaks)


@TABLES
def test_each_rule_is_refused_by_its_name(stage: Stage, table: str, breaks: dict[str, str]) -> None:
    stage.job(due=None)
    stage.do("SELECT pgcron.run_now('job')")
    stage.do(
        "ALTER TABLE pgcron.cron_job DISABLE TRIGGER cron_job_before_definition"
    )  # it refuses some before, in words
    for rule, assignment in breaks.items():
        with pytest.raises(psycopg.errors.CheckViolation) as refused:
            stage.do(f"UPDATE pgcron.{table} SET {assignment}")
        assert (refused.value.diag.constraint_name, refused.value.diag.table_name) == (rule, table)


def test_a_new_job_is_held_to_them_too(stage: Stage) -> None:
    with pytest.raises(psycopg.errors.CheckViolation, match="cron_job_priority_range"):
        stage.do(
            "INSERT INTO pgcron.cron_job (name, schedule, handler, priority) VALUES ('job', '@daily', 'tests:handler', 101)"
        )
    assert stage.rows("SELECT FROM pgcron.cron_job") == []
    stage.job(due=None)
    with pytest.raises(psycopg.errors.CheckViolation, match="cron_request_key_length"):
        stage.do("SELECT pgcron.run_now('job', p_idempotency_key => '')")
    assert stage.rows("SELECT FROM pgcron.cron_request") == []


@TABLES
def test_every_column_of_a_rule_is_watched(stage: Stage, table: str, breaks: dict[str, str]) -> None:
    watched = stage.rows(
        "SELECT a.attname AS name FROM pg_trigger t JOIN pg_attribute a ON a.attrelid = t.tgrelid AND a.attnum = ANY (t.tgattr) WHERE t.tgname = %s",
        f"{table}_rules_update",
    )
    assert {row["name"] for row in watched} == set(re.findall(r"NEW\.(\w+)", source_of(stage, table)))
