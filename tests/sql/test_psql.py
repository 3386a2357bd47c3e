"""Every view as a DBA uses it: a script of the real psql, and what it prints.

After a change that is meant: PGCRON_ACCEPT=1 pytest tests/sql/test_psql.py, then read the difference.
"""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from pgcron_py.domain.words import Reason
from pgcron_py.embedded.binaries import find_bin_dir
from support.ageing import ended
from support.steps import HANDLER, Stage, failure

HERE = Path(__file__).parent / "psql"


def set_the_stage(stage: Stage) -> None:
    nightly = stage.job("nightly", due=None, max_consecutive_failures=None)
    ended(stage, nightly, 2)
    ended(
        stage, nightly, 3, lambda stage, run: failure(stage, run, Reason.ERROR, error="ValueError: boom", duration=20)
    )
    ended(stage, nightly, 1)
    broken = stage.job("broken", due=None, max_consecutive_failures=1)
    ended(stage, broken, 1, lambda stage, run: failure(stage, run, Reason.TIMEOUT, error="took longer than 1 s"))
    stage.do("DELETE FROM pgcron.cron_lease")
    stage.do("DELETE FROM pgcron.cron_worker")

    slow = stage.job("slow", due=None, timeout_ms=60_000)
    worker, actor = stage.worker(), stage.actor()
    stage.make_due(slow)
    actor.claim(worker)
    stage.make_due(slow)
    actor.claim(worker)  # a miss: it runs

    stage.job("asked", due=None)
    stage.do("SET pgcron.actor = 'ann'")
    stage.do("SELECT pgcron.run_now('asked')")
    stage.do("SELECT pgcron.cancel_request(request_id, 'not today') FROM pgcron.requests WHERE job = 'asked'")
    stage.do("SELECT pgcron.run_now('asked')")
    stage.do("SELECT pgcron.skip_next('asked')")
    stage.do("SET pgcron.reason = 'in repair'")
    stage.job("lonely", due=None, handler="nobody:has")
    stage.job("off", due=None)
    stage.do("SELECT pgcron.disable('off', 'in repair')")


def test_a_dba_sees_everything_in_psql(stage: Stage) -> None:
    set_the_stage(stage)
    holder, waiter = stage.actor(stage.url), stage.actor(stage.url)
    for actor, name in ((holder, "migration"), (waiter, "deploy")):
        actor.say(f"SET application_name = '{name}'")
    holder.say("BEGIN")
    holder.say("UPDATE pgcron.cron_job SET description = 'x' WHERE name = 'lonely'")
    waiting = waiter.start_saying("UPDATE pgcron.cron_job SET description = 'y' WHERE name = 'lonely'")
    waiter.waits_for_a_lock()
    psql = find_bin_dir("18") / "psql"
    command = [psql, "--no-psqlrc", "--quiet", "-v", "ON_ERROR_STOP=1", "-f", HERE / "views.sql", stage.url]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, env={**os.environ, "PGOPTIONS": "-c default_transaction_read_only=on"})  # fmt: skip
    holder.rollback()
    waiting.result(10)
    assert done.stderr == ""
    printed = "\n".join(line.rstrip() for line in done.stdout.replace(HANDLER, "tests:handler").splitlines()) + "\n"
    expected = HERE / "views.out"
    if os.environ.get("PGCRON_ACCEPT"):
        expected.write_text(printed)
    assert printed == expected.read_text()
