"""The kill switch, disabling until a time, and skipping the next run: real workers, steered by the CLI and by SQL."""

from __future__ import annotations

import json
import time

import psycopg
import pytest

from pgcron_py.cli import cli
from support.fleet import Fleet, wait_for

TICK = "@app.cron_job('tick', '* * * * * *')\nasync def tick(): ...\n"
SEQ = "SELECT run_seq AS n FROM pgcron.cron_job"


def called(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as exit_:
        cli(list(words))
    out = capsys.readouterr()
    code = exit_.value.code
    assert isinstance(code, int)
    return code, out.out, out.err


def test_the_kill_switch_stops_every_worker_within_a_second_and_every_command_says_so(
    fleet: Fleet, capsys: pytest.CaptureFixture[str]
) -> None:
    fleet.app(TICK)
    workers = [fleet.start(), fleet.start()]
    fleet.ended("tick", 1)
    url = ["--database-url", fleet.url]
    assert called(capsys, "pause", "--reason", "the disk is full", *url)[1] == "the fleet is paused: the disk is full\n"
    started = time.monotonic()
    for worker in workers:
        worker.says('"fleet_paused"', 1)
    assert time.monotonic() - started < 1
    count = fleet.row(SEQ)["n"]
    time.sleep(2.2)
    assert fleet.row(SEQ)["n"] == count
    code, out, err = called(capsys, "jobs", "list", "--json", *url)
    assert (code, len(json.loads(out))) == (0, 1)
    assert "the fleet is paused by" in err
    assert ": the disk is full; `pgcron resume` ends that" in err
    assert "already" in called(capsys, "pause", *url)[1]
    assert called(capsys, "resume", *url)[1] == "the fleet works again\n"
    wait_for(lambda: fleet.row(SEQ)["n"] > count, "it runs again", 3)
    assert "not paused" in called(capsys, "resume", *url)[1]
    actions = [
        row["action"]
        for row in fleet.rows("SELECT action FROM pgcron.cron_audit WHERE action LIKE 'fleet%%' ORDER BY id")
    ]
    assert actions == ["fleet_paused", "fleet_resumed"]
    assert [worker.stop() for worker in workers] == [0, 0]
    assert fleet.broken_invariants() == []


@pytest.mark.long
def test_a_job_that_is_disabled_until_a_time_is_enabled_again_then(
    fleet: Fleet, capsys: pytest.CaptureFixture[str]
) -> None:
    fleet.app(TICK)
    worker = fleet.start()
    fleet.ended("tick", 1)
    url = ["--database-url", fleet.url]
    assert called(capsys, "jobs", "disable", "tick", "--until", "3s", "--reason", "maintenance", *url)[0] == 0
    row = fleet.row("SELECT is_enabled, disabled_until, disabled_reason, run_seq FROM pgcron.cron_job")
    assert (row["is_enabled"], row["disabled_reason"]) == (False, "maintenance")
    wait_for(lambda: fleet.row("SELECT is_enabled AS on FROM pgcron.cron_job")["on"], "it is enabled again", 5)
    assert fleet.row("SELECT clock_timestamp() - %s < interval '1 s' AS soon", row["disabled_until"]) == {"soon": True}
    fleet.ended("tick", row["run_seq"] + 1)
    last = fleet.rows("SELECT action, actor, reason FROM pgcron.cron_audit WHERE job_id IS NOT NULL ORDER BY id")[-1]
    assert last == {"action": "job_enabled", "actor": "pgcron", "reason": "disabled_until has come"}
    assert fleet.row("SELECT reason FROM pgcron.cron_miss WHERE reason = 'disabled'") == {"reason": "disabled"}
    assert worker.stop() == 0
    assert fleet.broken_invariants() == []


def test_a_time_that_has_passed_is_refused(fleet: Fleet, capsys: pytest.CaptureFixture[str]) -> None:
    fleet.do("INSERT INTO pgcron.cron_job (name, schedule, handler) VALUES ('j', '@daily', 'h')")
    code, _, err = called(capsys, "jobs", "disable", "j", "--until", "2020-01-01", "--database-url", fleet.url)
    assert (code, "has passed" in err) == (2, True)
    with pytest.raises(psycopg.Error, match="has passed") as refusal:
        fleet.do("SELECT pgcron.disable('j', 'why', '2020-01-01')")
    assert refusal.value.sqlstate == "PC014"


@pytest.mark.long
def test_the_next_run_is_skipped_and_the_one_after_it_is_not(fleet: Fleet, capsys: pytest.CaptureFixture[str]) -> None:
    fleet.app("@app.cron_job('tick', '*/3 * * * * *')\nasync def tick(): ...\n")
    fleet.start()
    fleet.ended("tick", 1)
    code, out, _ = called(capsys, "jobs", "skip-next", "tick", "--json", "--database-url", fleet.url)
    assert code == 0
    skipped = json.loads(out)["skipped"]
    (miss,) = wait_for(
        lambda: fleet.rows("SELECT * FROM pgcron.cron_miss WHERE reason = 'skipped_by_user'"), "it is missed"
    )
    assert (miss["count"], miss["first_scheduled_for"].isoformat().replace("+00:00", "Z")) == (1, skipped)
    runs = fleet.ended("tick", 2)
    assert (runs[1]["scheduled_for"] - runs[0]["scheduled_for"]).total_seconds() == 6
    fleet.do("SELECT pgcron.disable('tick')")
    code, _, err = called(capsys, "jobs", "skip-next", "tick", "--database-url", fleet.url)
    assert (code, "is disabled" in err) == (1, True)
    assert fleet.broken_invariants() == []
