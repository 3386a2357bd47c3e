"""`pgcron blackouts`, `limits`, `backfills`, and what enabling tells of the disabled time."""

from __future__ import annotations

import json
from typing import Any

import psycopg
import pytest

Pgcron = Any


def test_a_window_is_set_listed_with_its_state_and_removed(pgcron: Pgcron, job: str) -> None:
    made = pgcron("blackouts", "set", "freeze", "--to", "2h", "--job", job, "--action", "delay", "--reason", "release")
    assert (made.code, made.err) == (0, "")
    assert "job nightly, delay" in made.out
    assert (
        "weekend"
        in pgcron("blackouts", "set", "weekend", "--schedule", "0 0 * * 6", "--duration", "172800", "--tag", "shop").out
    )
    listed = {row["name"]: row for row in pgcron("blackouts", "list", "--json").json}
    assert listed["freeze"]["on_until"] == listed["freeze"]["ends_at"]
    assert listed["weekend"]["duration_ms"] == 172_800_000
    shown = pgcron("blackouts", "list").out
    assert "on, ends in" in shown
    assert "0 0 * * 6 (UTC) for" in shown
    assert pgcron("blackouts", "remove", "freeze").code == 0
    gone = pgcron("blackouts", "remove", "freeze")
    assert gone.code == 1
    assert "no blackout is named 'freeze'" in gone.err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--from", "2h"), "either a begin and an end"),
        (("--schedule", "0 99 * * *", "--duration", "60"), "99"),
        (("--schedule", "@daily"), "either a begin and an end"),
        (("--to", "2h", "--job", "nobody"), "no job is named"),
        (("--to", "gestern"), "is no time"),
        (("--schedule", "@daily", "--duration", "60", "--timezone", "Mars/X"), "unknown time zone"),
    ],
)
def test_a_wrong_window_is_told_and_not_kept(pgcron: Pgcron, arguments: tuple[str, ...], words: str) -> None:
    refused = pgcron("blackouts", "set", "b", *arguments)
    assert refused.code in (1, 2)
    assert words in refused.err
    assert pgcron("blackouts", "list", "--json").json == []


def test_a_limit_is_set_listed_with_its_use_and_removed(pgcron: Pgcron, job: str, worker: Any) -> None:
    assert "at most 4 at a time" in pgcron("limits", "set", "tag", "shop", "--max-running", "4").out
    assert (
        pgcron("limits", "set", "handler", "shop:close", "--per-minute", "60", "--burst", "5", "--json").json["burst"]
        == 5
    )
    worker.begin(job)
    shown = pgcron("limits", "list").out
    assert "1 of 4" in shown
    assert "60 a minute, 5 at once" in shown
    assert [row["running"] for row in pgcron("limits", "list", "--json").json] == [1, 1]
    assert pgcron("limits", "remove", "tag", "shop").code == 0
    assert "has no limit" in pgcron("limits", "remove", "tag", "shop").err
    assert "no limit is given" in pgcron("limits", "set", "queue", "q").err


def test_a_backfill_is_asked_for_listed_and_cancelled(pgcron: Pgcron, job: str) -> None:
    asked = pgcron("jobs", "backfill", job, "--from", "2026-03-01", "--to", "2026-03-04T23:00", "--json")
    assert asked.code == 0, asked.err
    row = asked.json
    assert (row["total"], row["waiting"], row["overlap_policy"]) == (4, 4, "buffer_all")
    assert "0 of 4: 4 waiting" in pgcron("backfills", "list", "--job", job).out
    assert pgcron("backfills", "cancel", row["id"]).out.startswith(f"backfill {row['id']}: 4 waiting runs cancelled")
    assert pgcron("backfills", "cancel", row["id"]).code == 3
    assert "yet to come" in pgcron("jobs", "backfill", job, "--from", "1d", "--to", "2999-01-01").err


def test_enabling_tells_what_was_missed_and_runs_it_if_told_to(
    pgcron: Pgcron, job: str, connection: psycopg.Connection
) -> None:
    for words, more in (("2 occurrences", ()), ("2 occurrences", ("--yes",)), ("", ("--backfill",))):
        pgcron("jobs", "disable", job)
        connection.execute("UPDATE pgcron.cron_job SET disabled_at = next_scheduled_for - interval '50 h'")
        done = pgcron("jobs", "enable", job, *more)
        assert done.code == 0
        assert words in done.err if words else "asked for 2 runs" in done.out
    (count,) = connection.execute("SELECT total FROM pgcron.cron_backfill").fetchone() or (0,)
    assert count == 2
    assert json.loads(pgcron("backfills", "list", "--json").out)[0]["job"] == job


def test_a_job_with_everything_new_is_created_shown_and_edited(pgcron: Pgcron) -> None:
    made = pgcron(
        "jobs", "create", "rich", "--schedule", "0 3 * * *", "--handler", "h", "--extra-schedule", "0 15 * * *", "--exclude", "* * * * 6,0",
        "--start-at", "2026-01-01", "--end-at", "2999-01-01", "--max-runs", "100", "--alone", "--min-version", "1.4", "--log-level", "errors",
        "--must-succeed-every", "86400", "--late-after", "60", "--slow-after", "30", "--slow-factor", "2.5", "--ping-url", "https://ping.example/x",
    )  # fmt: skip
    assert made.code == 0, made.err
    assert "also:" in made.out
    assert "but not:" in made.out
    shown = pgcron("jobs", "show", "rich").out
    for words in ("0 15 * * *", "* * * * 6,0", "100 times", "alone", "1.4 or newer", "of failed runs", "2.5 times"):
        assert words in shown, words
    edited = pgcron(
        "jobs",
        "edit",
        "rich",
        "--exclude",
        "",
        "--end-at",
        "none",
        "--max-runs",
        "none",
        "--not-alone",
        "--min-version",
        "",
    )
    assert edited.code == 0, edited.err
    facts = pgcron("jobs", "show", "rich", "--json").json
    job = facts.get("job", facts)
    assert (job["excluded_schedules"], job["end_at"], job["max_runs"], job["runs_alone"], job["min_version"]) == (
        [],
        None,
        None,
        False,
        None,
    )


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--exclude", "0 0 25 12 *"), "single minutes"),
        (("--extra-schedule", "0 99 * * *"), "99"),
        (("--extra-schedule", "@reboot"), "@reboot"),
        (("--start-at", "2027-01-01", "--end-at", "2026-01-01"), "is not after start_at"),
        (("--min-version", "latest"), "dotted numbers"),
        (("--ping-url", "ftp://x"), "http"),
        (("--slow-factor", "0.5"), "slow_factor"),
        (("--max-runs", "0"), "max_runs"),
    ],
)
def test_wrong_values_are_told_by_name(pgcron: Pgcron, arguments: tuple[str, ...], words: str) -> None:
    refused = pgcron("jobs", "create", "j", "--schedule", "@daily", "--handler", "h", *arguments)
    assert refused.code in (1, 2)
    assert words in refused.err


def test_explain_says_what_blocks_a_job_and_shows_every_condition(pgcron: Pgcron, job: str, worker: Any) -> None:
    connection = worker.connection
    connection.execute(
        "UPDATE pgcron.cron_job SET needs_plan = false, next_run_at = now() + interval '1 h', next_scheduled_for = next_run_at"
    )
    fine = pgcron("jobs", "explain", job)
    assert fine.code == 0, fine.out + fine.err
    assert fine.out.startswith("nightly: nothing blocks it: its next run is at")
    pgcron("jobs", "disable", job, "--reason", "audit")
    blocked = pgcron("jobs", "explain", job, "--json")
    assert (blocked.code, blocked.json["is_blocked"], blocked.json["answer"]["topic"]) == (3, True, "enabled")
    assert "did you mean 'nightly'" in pgcron("jobs", "explain", "nightli").err


def test_enabling_says_once_that_the_fleet_is_paused(pgcron: Pgcron, job: str) -> None:
    pgcron("jobs", "disable", job)
    pgcron("pause")
    assert pgcron("jobs", "enable", job).err.count("the fleet is paused") == 1
