"""pgcron jobs list, show, create, edit, enable, disable, run, delete."""

from __future__ import annotations

import json
import threading
from typing import Any

import psycopg
import pytest


def audit(connection: psycopg.Connection) -> tuple[Any, ...]:
    row = connection.execute("SELECT action, actor, reason FROM pgcron.cron_audit ORDER BY id DESC LIMIT 1").fetchone()
    assert row is not None
    return row


def column(connection: psycopg.Connection, name: str, job: str = "nightly") -> Any:
    row = connection.execute("SELECT to_jsonb(j) -> %s FROM pgcron.cron_job j WHERE name = %s", (name, job)).fetchone()
    assert row is not None
    return row[0]


class TestCreate:
    def test_a_job_is_created_with_all_its_options(self, pgcron: Any, connection: psycopg.Connection) -> None:
        done = pgcron(
            "jobs", "create", "x", "--schedule", "0 3 * * *", "--handler", "h", "--timezone", "Europe/Berlin", "--args", '{"a": 1}',
            "--description", "why", "--queue", "q", "--priority", "5", "--timeout", "1.5", "--max-attempts", "3", "--backoff", "2",
            "--backoff-max", "20", "--idempotent", "--jitter", "10", "--catchup-policy", "skip", "--starting-deadline", "60",
            "--dst-gap", "skip", "--dst-fold", "both", "--max-consecutive-failures", "never", "--tag", "a", "--tag", "b",
            "--owner", "ops", "--no-notify-on-failure",
        )  # fmt: skip
        assert done.code == 0, done.err
        row = connection.execute("SELECT to_jsonb(j) FROM pgcron.cron_job j WHERE name = 'x'").fetchone()
        assert row is not None
        expected = {
            "origin": "admin", "timezone": "Europe/Berlin", "args": {"a": 1}, "description": "why", "queue": "q", "priority": 5,
            "timeout_ms": 1500, "max_attempts": 3, "backoff_ms": 2000, "backoff_max_ms": 20000, "is_idempotent": True,
            "jitter_ms": 10000, "catchup_policy": "skip", "starting_deadline_ms": 60000, "dst_gap": "skip", "dst_fold": "both",
            "max_consecutive_failures": None, "tags": ["a", "b"], "owner": "ops", "notify_on_failure": False, "is_enabled": True,
        }  # fmt: skip
        assert {name: row[0][name] for name in expected} == expected

    def test_it_tells_the_sentence_the_next_runs_and_the_warnings(self, pgcron: Any) -> None:
        done = pgcron("jobs", "create", "x", "--schedule", "0 3 13 * fri", "--handler", "h")
        assert done.out.startswith("created x: At 03:00, on day 13 of the month, and also on every Friday")
        assert done.out.count("UTC +00:00") == 5
        assert "Warning: both day fields are restricted" in done.err

    def test_json_has_the_id_and_the_next_runs_in_utc(self, pgcron: Any) -> None:
        done = pgcron("jobs", "create", "x", "--schedule", "@daily", "--handler", "h", "--json")
        assert done.json["name"] == "x"
        assert all(at.endswith("T00:00:00Z") for at in done.json["description"]["next_runs"])

    def test_it_can_begin_disabled_with_a_reason(self, pgcron: Any, connection: psycopg.Connection) -> None:
        pgcron("jobs", "create", "x", "--schedule", "@daily", "--handler", "h", "--disabled", "--reason", "not yet")
        assert column(connection, "is_enabled", "x") is False
        assert column(connection, "disabled_reason", "x") == "not yet"

    def test_the_audit_names_the_person_and_the_reason(self, pgcron: Any, connection: psycopg.Connection) -> None:
        pgcron("jobs", "create", "x", "--schedule", "@daily", "--handler", "h", "--reason", "because")
        action, actor, reason = audit(connection)
        assert (action, reason) == ("job_created", "because")
        assert actor.startswith("cli:")
        assert "@" in actor

    def test_a_bad_schedule_is_shown_with_a_caret_and_a_hint(self, pgcron: Any) -> None:
        done = pgcron("jobs", "create", "x", "--schedule", "0 22-2 * * *", "--handler", "h")
        assert done.code == 2
        assert done.err.splitlines() == [
            "Error: hour (column 3): the range 22-2 runs backward",
            "    0 22-2 * * *",
            "      ^",
            "  hint: write 22-23,0-2",
        ]

    def test_a_bad_schedule_is_refused_before_a_connection_is_made(self, pgcron: Any) -> None:
        refused = "postgresql://postgres@127.0.0.1:1/x"
        assert pgcron("jobs", "create", "x", "--schedule", "x", "--handler", "h", url=refused).code == 2

    def test_an_unknown_zone_is_refused(self, pgcron: Any) -> None:
        done = pgcron("jobs", "create", "x", "--schedule", "@daily", "--handler", "h", "--timezone", "Mars/X")
        assert (done.code, done.err.splitlines()[0]) == (2, "Error: unknown time zone 'Mars/X'")

    @pytest.mark.parametrize(
        ("option", "value", "message"),
        [
            ("--args", "{", "it is no JSON"),
            ("--args", "[1]", "it is no JSON object"),
            ("--timeout", "soon", "no number of seconds"),
            ("--timeout", "0", "timeout_ms"),
            ("--max-attempts", "0", "max_attempts"),
            ("--priority", "1000", "priority"),
            ("--backoff-max", "0.1", "backoff_max"),
            ("--max-consecutive-failures", "-1", "no whole number"),
            ("--dst-gap", "jump", "jump"),
        ],
    )
    def test_bad_values_are_refused_by_name(self, pgcron: Any, option: str, value: str, message: str) -> None:
        done = pgcron("jobs", "create", "x", "--schedule", "@daily", "--handler", "h", option, value)
        assert done.code == 2
        assert message in done.err

    @pytest.mark.parametrize("name", ["", " x", "x\ny", "x" * 201])
    def test_bad_names_are_refused(self, pgcron: Any, name: str) -> None:
        assert pgcron("jobs", "create", name, "--schedule", "@daily", "--handler", "h").code == 2

    def test_a_taken_name_is_refused(self, pgcron: Any, job: str) -> None:
        done = pgcron("jobs", "create", job, "--schedule", "@daily", "--handler", "h")
        assert (done.code, done.err.splitlines()[0]) == (2, "Error: name: another job has this name")

    def test_an_unknown_handler_is_a_warning_that_guesses(self, pgcron: Any, worker: Any) -> None:
        done = pgcron("jobs", "create", "x", "--schedule", "@daily", "--handler", "shop:clos")
        assert done.code == 0
        assert "no live worker has handler 'shop:clos'" in done.err
        assert "did you mean 'shop:close'?" in done.err

    def test_a_known_handler_is_no_warning(self, pgcron: Any, worker: Any) -> None:
        assert pgcron("jobs", "create", "x", "--schedule", "@daily", "--handler", "shop:close").err == ""


class TestList:
    def test_a_table_shows_name_schedule_zone_state_and_results(self, pgcron: Any, job: str, worker: Any) -> None:
        worker.ran(job)
        header, line = pgcron("jobs", "list").out.splitlines()
        assert header.split() == ["name", "schedule", "zone", "state", "last", "run", "next", "run", "success", "avg"]
        assert line.startswith("nightly  0 3 * * *  Europe/Berlin  enabled  SUCCESS, ")
        assert line.endswith("100 %    1.5 s")

    def test_the_next_run_is_told_in_the_jobs_zone(self, pgcron: Any, job: str, connection: psycopg.Connection) -> None:
        connection.execute("UPDATE pgcron.cron_job SET next_run_at = '2030-07-01 01:00Z', needs_plan = false")
        assert "2030-07-01 03:00:00 CEST (in " in pgcron("jobs", "list").out
        assert pgcron("jobs", "list", "--json").json[0]["next_run_at"] == "2030-07-01T01:00:00Z"

    def test_json_has_the_state_in_words_and_the_counters(
        self, pgcron: Any, job: str, worker: Any, failure: Any
    ) -> None:
        worker.ran(job)
        worker.ran(job, **failure)
        (found,) = pgcron("jobs", "list", "--json").json
        assert found["success_rate"] == 0.5
        assert (found["last_status"], found["last_reason"], found["consecutive_failures"]) == ("FAILED", "error", 1)
        assert found["state"] == "enabled"

    def test_filters_narrow_the_list(self, pgcron: Any, job: str, worker: Any, failure: Any) -> None:
        pgcron("jobs", "create", "other_1", "--schedule", "@daily", "--handler", "h", "--queue", "q", "--disabled")
        pgcron("jobs", "create", "otherx1", "--schedule", "@daily", "--handler", "h")
        worker.ran(job, **failure)

        def names(*filters: str) -> list[str]:
            return [found["name"] for found in pgcron("jobs", "list", "--json", *filters).json]

        assert names() == ["nightly", "other_1", "otherx1"]
        assert names("other*") == ["other_1", "otherx1"]
        assert names("other_?") == ["other_1"]
        assert names("--tag", "shop") == ["nightly"]
        assert names("--queue", "q") == ["other_1"]
        assert names("--enabled") == ["nightly", "otherx1"]
        assert names("--disabled") == ["other_1"]
        assert names("--failing") == ["nightly"]

    def test_states_are_told_in_words(self, pgcron: Any, job: str, worker: Any, connection: psycopg.Connection) -> None:
        def state() -> str:
            return str(pgcron("jobs", "list", "--json").json[0]["state"])

        pgcron("jobs", "run", job)
        assert state() == "enabled, asked to run"
        run = worker.begin(job)
        assert state() == "running"
        pgcron("jobs", "disable", job, "--reason", "too loud")
        assert state().startswith("disabled by cli:")
        assert state().endswith(": too loud, still running")
        worker.finish(run)
        connection.execute("UPDATE pgcron.cron_job SET schedule_error = 'no such day'")
        assert state() == "invalid schedule: no such day"

    def test_an_empty_list_is_said_on_stderr(self, pgcron: Any) -> None:
        done = pgcron("jobs", "list")
        assert (done.code, done.out, done.err) == (0, "", "no job matches\n")
        assert pgcron("jobs", "list", "--json").json == []


class TestShow:
    def test_it_shows_the_sentence_the_policies_the_runs_and_what_comes(
        self, pgcron: Any, job: str, worker: Any
    ) -> None:
        worker.ran(job)
        out = pgcron("jobs", "show", job).out
        for part in (
            "At 03:00, Europe/Berlin time",
            "30 s",
            "1 succeeded, 0 failed (100 %)",
            "Next runs",
            "nightly#1",
            "SUCCESS",
        ):
            assert part in out

    def test_it_shows_warnings_waiting_requests_and_misses(
        self, pgcron: Any, job: str, connection: psycopg.Connection
    ) -> None:
        pgcron("jobs", "edit", job, "--schedule", "0 3 31 * *")
        pgcron("jobs", "run", job)
        connection.execute("""INSERT INTO pgcron.cron_miss (job_id, reason, covers_from, covers_to, first_scheduled_for, last_scheduled_for, count)
          SELECT id, 'overlap', '2020-01-01Z', '2020-01-02Z', '2020-01-01Z', '2020-01-01Z', 3 FROM pgcron.cron_job""")
        done = pgcron("jobs", "show", job)
        assert "skips months that have no day" in done.err
        assert "Waiting requests" in done.out
        assert "overlap" in done.out

    def test_json_has_everything(self, pgcron: Any, job: str, worker: Any) -> None:
        worker.ran(job)
        found = pgcron("jobs", "show", job, "--json").json
        assert found["sentence"] == "At 03:00, Europe/Berlin time"
        assert len(found["next_runs"]) == 5
        assert [run["seq"] for run in found["runs"]] == [1]
        assert (found["requests"], found["misses"], found["timeout_ms"]) == ([], [], 30000)

    def test_a_schedule_that_this_host_cannot_read_is_shown_as_such(
        self, pgcron: Any, job: str, connection: psycopg.Connection
    ) -> None:
        connection.execute("UPDATE pgcron.cron_job SET timezone = 'Mars/X'")
        done = pgcron("jobs", "show", job)
        assert done.code == 0
        assert "can't be read here: unknown time zone 'Mars/X'" in done.out

    def test_an_unknown_job_is_guessed(self, pgcron: Any, job: str) -> None:
        done = pgcron("jobs", "show", "nigthly")
        assert done.code == 1
        assert done.err == "Error: no job is named 'nigthly'\n  hint: did you mean 'nightly'?\n"


class TestEdit:
    def test_only_what_is_given_changes(self, pgcron: Any, job: str, connection: psycopg.Connection) -> None:
        done = pgcron("jobs", "edit", job, "--timezone", "America/New_York", "--timeout", "none", "--tag", "")
        assert done.code == 0, done.err
        assert "timezone  Europe/Berlin → America/New_York" in done.out
        assert "timeout   30 s → none" in done.out
        assert "EST" in done.out or "EDT" in done.out
        assert column(connection, "tags") == []
        assert column(connection, "schedule") == "0 3 * * *"

    def test_json_has_old_new_and_the_runs_before_and_after(self, pgcron: Any, job: str) -> None:
        found = pgcron("jobs", "edit", job, "--schedule", "0 4 * * *", "--json").json
        assert found["changes"] == [{"field": "schedule", "old": "0 3 * * *", "new": "0 4 * * *"}]
        assert len(found["before"]) == len(found["after"]) == 5

    def test_the_reason_is_in_the_audit(self, pgcron: Any, job: str, connection: psycopg.Connection) -> None:
        pgcron("jobs", "edit", job, "--owner", "ops", "--reason", "moved")
        assert audit(connection)[0] == "job_changed"
        assert audit(connection)[2] == "moved"

    def test_the_same_values_change_nothing(self, pgcron: Any, job: str, connection: psycopg.Connection) -> None:
        assert "nothing was changed" in pgcron("jobs", "edit", job, "--schedule", "0 3 * * *").out
        assert column(connection, "version") == 1

    def test_nothing_given_is_wrong_usage(self, pgcron: Any, job: str) -> None:
        assert pgcron("jobs", "edit", job).code == 2

    def test_a_bad_schedule_changes_nothing(self, pgcron: Any, job: str, connection: psycopg.Connection) -> None:
        assert pgcron("jobs", "edit", job, "--schedule", "61 * * * *", "--owner", "ops").code == 2
        assert column(connection, "version") == 1

    def test_a_locked_job_is_refused_whoever_asks(self, pgcron: Any, job: str, connection: psycopg.Connection) -> None:
        connection.execute("UPDATE pgcron.cron_job SET is_locked = true")
        done = pgcron("jobs", "edit", job, "--owner", "ops")
        assert done.code == 1
        assert done.err.startswith(
            "Error: job 'nightly' is locked: its definition can't be changed\n  hint: change it in the code"
        )

    def test_a_row_that_somebody_holds_is_not_waited_for_long(
        self, pgcron: Any, job: str, connection: psycopg.Connection
    ) -> None:
        with connection.transaction():
            connection.execute("SELECT FROM pgcron.cron_job FOR UPDATE")
            done = pgcron("jobs", "edit", job, "--owner", "ops")
        assert (done.code, "lock timeout" in done.err) == (1, True)


class TestEnableAndDisable:
    def test_several_jobs_are_disabled_and_enabled_at_once(
        self, pgcron: Any, job: str, connection: psycopg.Connection
    ) -> None:
        pgcron("jobs", "create", "x", "--schedule", "@daily", "--handler", "h", "--disabled")
        done = pgcron("jobs", "disable", job, "x", "--reason", "too loud")
        assert done.out == "disabled nightly\nx is already disabled\n"
        assert column(connection, "disabled_reason") == "too loud"
        found = pgcron("jobs", "enable", job, "x", "--json").json
        assert found == [{"name": name, "is_enabled": True, "changed": True} for name in ("nightly", "x")]
        assert column(connection, "disabled_reason") is None

    def test_one_unknown_name_leaves_all_as_they_are(
        self, pgcron: Any, job: str, connection: psycopg.Connection
    ) -> None:
        done = pgcron("jobs", "disable", job, "nightlyy")
        assert (done.code, done.err) == (1, "Error: no job is named 'nightlyy'\n  hint: did you mean 'nightly'?\n")
        assert column(connection, "is_enabled") is True


class TestRun:
    def test_it_asks_for_a_run(self, pgcron: Any, job: str, connection: psycopg.Connection) -> None:
        request = pgcron("jobs", "run", job, "--args", '{"a": 2}', "--json").json["request_id"]
        row = connection.execute(
            "SELECT args, requested_by FROM pgcron.cron_request WHERE id = %s", (request,)
        ).fetchone()
        assert row is not None
        assert row[0] == {"a": 2}
        assert row[1].startswith("cli:")

    def test_it_warns_when_no_worker_is_alive(self, pgcron: Any, job: str) -> None:
        assert "no worker is alive" in pgcron("jobs", "run", job).err

    def test_a_second_request_is_refused(self, pgcron: Any, job: str) -> None:
        pgcron("jobs", "run", job)
        done = pgcron("jobs", "run", job)
        assert (done.code, done.err.splitlines()[0]) == (1, "Error: Cron job 'nightly' is already asked to run")

    def test_a_running_job_is_refused(self, pgcron: Any, job: str, worker: Any) -> None:
        worker.begin(job)
        done = pgcron("jobs", "run", job)
        assert (done.code, done.err.splitlines()[0]) == (1, "Error: Cron job 'nightly' is already running")

    def test_a_disabled_job_is_refused(self, pgcron: Any, job: str) -> None:
        pgcron("jobs", "disable", job)
        done = pgcron("jobs", "run", job)
        assert (done.code, done.err) == (1, "Error: Cannot execute disabled job 'nightly'\n  hint: enable it first\n")

    @pytest.mark.parametrize(("outcome", "code"), [({"result": {"sum": 7}}, 0), (None, 1)])
    def test_waiting_ends_with_the_run_and_its_outcome(
        self, pgcron: Any, job: str, worker: Any, failure: Any, connection: psycopg.Connection, outcome: Any, code: int
    ) -> None:
        stepped = threading.Thread(target=perform_next, args=(worker, connection, outcome or failure))
        stepped.start()
        done = pgcron("jobs", "run", job, "--wait", "--timeout", "20", "--json")
        stepped.join()
        assert done.code == code, done.err
        assert (done.json["status"], done.json["result"]) == (
            "FAILED" if code else "SUCCESS",
            (outcome or {}).get("result"),
        )

    def test_waiting_can_be_given_up(self, pgcron: Any, job: str) -> None:
        done = pgcron("jobs", "run", job, "--wait", "--timeout", "0.1")
        assert done.code == 1
        assert "Error: no worker has begun the run after 0.1 s" in done.err

    def test_waiting_ends_when_the_request_is_cancelled(
        self, pgcron: Any, job: str, connection: psycopg.Connection
    ) -> None:
        def cancel() -> None:
            pending(connection)
            connection.execute("UPDATE pgcron.cron_job SET is_enabled = false")

        stepped = threading.Thread(target=cancel)
        stepped.start()
        done = pgcron("jobs", "run", job, "--wait", "--timeout", "20")
        stepped.join()
        assert (done.code, "the request was cancelled" in done.err) == (1, True)


def pending(connection: psycopg.Connection) -> Any:
    for _ in range(2000):
        row = connection.execute(
            "SELECT id FROM pgcron.cron_request, pg_sleep(0.005) WHERE state = 'PENDING'"
        ).fetchone()
        if row:
            return row[0]
    raise AssertionError("nobody asked for a run")


def perform_next(worker: Any, connection: psycopg.Connection, outcome: dict[str, object]) -> None:
    worker.finish(worker.begin("nightly", pending(connection)), **outcome)


class TestDelete:
    def test_the_name_confirms(self, pgcron: Any, job: str, worker: Any, connection: psycopg.Connection) -> None:
        worker.ran(job)
        done = pgcron("jobs", "delete", job, "--confirm", job, "--reason", "gone")
        assert (done.code, done.out) == (0, "deleted nightly\n")
        assert connection.execute("SELECT count(*) FROM pgcron.cron_log").fetchone() == (0,)
        assert audit(connection)[::2] == ("job_deleted", "gone")

    def test_the_name_may_be_typed(self, pgcron: Any, job: str) -> None:
        assert pgcron("jobs", "delete", job, input="nightly\n").out == "deleted nightly\n"

    @pytest.mark.parametrize(
        ("args", "typed", "code"), [(("--confirm", "nigh"), None, 2), ((), "no\n", 2), ((), "", 1)]
    )
    def test_anything_else_does_not(
        self, pgcron: Any, job: str, connection: psycopg.Connection, args: Any, typed: str, code: int
    ) -> None:
        done = pgcron("jobs", "delete", job, *args, input=typed)
        assert done.code == code
        assert "nothing was deleted" in done.err
        assert column(connection, "name") == job

    def test_a_running_job_is_refused(self, pgcron: Any, job: str, worker: Any) -> None:
        worker.begin(job)
        done = pgcron("jobs", "delete", job, "--confirm", job)
        assert (done.code, done.err.splitlines()[0]) == (1, "Error: job 'nightly' is running: it can't be deleted now")

    def test_a_job_of_code_is_refused(self, pgcron: Any, connection: psycopg.Connection) -> None:
        values = {"name": "coded", "schedule": "@daily", "handler": "h", "timezone": "UTC"}
        from pgcron_py.domain.declaration import JobDeclaration

        declared = JobDeclaration(**values).values()
        connection.execute(
            "SELECT pgcron.declare_jobs('shop', '1', %s)", (json.dumps([declared | {"declaration": declared}]),)
        )
        done = pgcron("jobs", "delete", "coded", "--confirm", "coded")
        assert (done.code, done.err.splitlines()[0]) == (
            1,
            "Error: job 'coded' is declared in the code of app 'shop': it can only be disabled",
        )
