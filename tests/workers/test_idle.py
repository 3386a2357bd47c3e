"""What a worker without work sends: its beat, and nothing else."""

from __future__ import annotations

from support.fleet import Fleet, wait_for
from support.meter import Meter, metered

LISTEN = "pgcron worker listen"
SETTLED = 10  # beats until a start is over and a first set of plans was made anew (pgcron_workers.session)
SCHEDULES = """
INSERT INTO pgcron.cron_job (name, schedule, handler)
SELECT 'job ' || n, format('0 0 1 %s *', extract(month FROM now() + interval '6 months')), 'noop' FROM generate_series(1, 1000) n
"""


def beats(meter: Meter, count: int) -> None:
    then = meter.trips[LISTEN] + count
    wait_for(lambda: meter.trips[LISTEN] >= then, f"{count} beats")


def test_an_idle_worker_sends_nothing_but_its_beat(fleet: Fleet) -> None:
    fleet.app("@app.handler('noop')\nasync def noop(): ...")
    fleet.do(SCHEDULES)
    with metered(fleet.worker_url) as (meter, url):
        worker = fleet.start("--concurrency", "10", url=url, PGCRON_BEAT="0.5")
        fleet.planned()
        beats(meter, SETTLED)
        before, statements = meter.trips.copy(), meter.statements.copy()
        beats(meter, 3)
        assert meter.trips - before == {LISTEN: 3}
        assert meter.statements - statements == {LISTEN: 3}
        assert worker.stop() == 0
