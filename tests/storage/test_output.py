"""Writing output: what may be taken away again."""

from __future__ import annotations

from typing import Any

import pytest

from pgcron_py.domain.words import RunId
from pgcron_py.storage import output
from support.steps import Stage, failure, success


def news(run: RunId, **more: Any) -> dict[str, Any]:
    line = [1, "stdout", None, "2026-01-01T00:00:00Z", "said"]
    return {
        "run_id": str(run), "lines": 1, "bytes": 5, "dropped_lines": 0, "dropped_bytes": 0, "is_complete": False, "head_lines": 1,
        "tail_from": None, "progress": None, "kept": [line], **more,
    }  # fmt: skip


@pytest.mark.parametrize(("end", "kept"), [(success, 0), (failure, 1), (None, 1)])
def test_only_a_success_loses_its_lines(stage: Stage, end: Any, kept: int) -> None:
    stage.job(log_level="errors", max_consecutive_failures=None)
    worker, actor = stage.worker(), stage.actor()
    (run,) = actor.claim(worker)
    actor.do(lambda c: output.write(c, worker, [news(run)]))
    if end is not None:
        actor.finish(worker, end(stage, run))
    actor.do(lambda c: output.write(c, worker, [news(run, kept=[], lines=0, is_complete=True, forget_all=True)]))
    assert stage.row("SELECT count(*) AS lines FROM pgcron.cron_log_line") == {"lines": kept}
    assert stage.row("SELECT lines, dropped_lines FROM pgcron.cron_log_output") == {
        "lines": 1,
        "dropped_lines": 1 - kept,
    }


def test_nobody_takes_away_the_lines_of_anothers_run(stage: Stage) -> None:
    stage.job(log_level="errors")
    worker, other, actor = stage.worker(), stage.worker(), stage.actor()
    (run,) = actor.claim(worker)
    actor.do(lambda c: output.write(c, worker, [news(run)]))
    actor.finish(worker, success(stage, run))
    actor.do(lambda c: output.write(c, other, [news(run, kept=[], lines=0, forget_all=True)]))
    assert stage.row("SELECT count(*) AS lines FROM pgcron.cron_log_line") == {"lines": 1}
