"""Several workers and one occurrence a second: most of them leave it to others, and none of it is late or lost for that."""

from __future__ import annotations

import pytest

from support.fleet import Fleet, wait_for
from support.meter import metered

pytestmark = pytest.mark.long
WORKERS, OCCURRENCES = 6, 6
CLAIM = "pgcron worker claim"
# Read ahead and looked after by each; claimed by one, and by some that try all the same; with plans made anew in their first minute, 25 to 36.
TRIPS = 50
LATE = """
SELECT count(*) AS runs, count(*) FILTER (WHERE l.started_at > l.scheduled_for + interval '1 s') AS late FROM pgcron.cron_log l WHERE cause = 'schedule'
"""


def runs(fleet: Fleet, count: int) -> None:
    wait_for(lambda: fleet.row(LATE)["runs"] >= count, f"{count} runs", 60)


def test_of_several_workers_few_rush_for_an_occurrence(fleet: Fleet) -> None:
    fleet.app("@app.handler('noop')\nasync def noop(): ...")
    with metered(fleet.worker_url) as (meter, url):
        workers = [fleet.start("--concurrency", "10", url=url) for _ in range(WORKERS)]
        fleet.do("INSERT INTO pgcron.cron_job (name, schedule, handler) VALUES ('each second', '* * * * * *', 'noop')")
        runs(fleet, 4)  # until it is known who is quick
        before, seen = meter.trips[CLAIM], fleet.row(LATE)["runs"]
        runs(fleet, seen + OCCURRENCES)
        assert (meter.trips[CLAIM] - before) / (fleet.row(LATE)["runs"] - seen) <= TRIPS
        for worker in workers:
            assert worker.stop() == 0
    assert fleet.row(LATE)["late"] == 0
    assert fleet.rows("SELECT FROM pgcron.cron_miss WHERE reason <> 'overlap'") == []


def test_the_others_take_over_when_the_one_that_was_quick_is_gone(fleet: Fleet) -> None:
    fleet.app("@app.handler('noop')\nasync def noop(): ...")
    workers = [fleet.start("--concurrency", "10") for _ in range(2)]
    fleet.do("INSERT INTO pgcron.cron_job (name, schedule, handler) VALUES ('each second', '* * * * * *', 'noop')")
    runs(fleet, 4)
    query = "SELECT worker_id AS id FROM pgcron.cron_log ORDER BY scheduled_for DESC LIMIT 1"
    quick = str(fleet.row(query)["id"])
    (gone,) = [worker for worker in workers if quick in worker.log]
    gone.stop()
    runs(fleet, fleet.row(LATE)["runs"] + 3)
    assert fleet.row(LATE)["late"] == 0
