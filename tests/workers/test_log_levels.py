"""log_level: what is kept beside a run's row, and that nothing of a failing run is lost by it."""

from __future__ import annotations

import signal

import pytest

from support.fleet import Fleet, wait_for

APP = """
@app.handler("good")
async def good():
    print("good said"); return {"rows": 1}

@app.handler("bad")
def bad():
    print("bad said")
    raise ValueError("first line\\nsecond line")

@app.handler("paid", transactional=True)
async def paid():
    print("paid said")

@app.handler("slow")
async def slow(ctx):
    print("slow said"); ctx.progress(0.5)
    while not os.path.exists("go"): await asyncio.sleep(0.01)
    print("slow ended")
"""
NOTED = """
CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN INSERT INTO effect (what) VALUES (NEW.text); RETURN NULL; END $$;
CREATE TRIGGER note AFTER INSERT ON pgcron.cron_log_line FOR EACH ROW EXECUTE FUNCTION note()
"""


@pytest.fixture(scope="module")
def module_noted_fleet(module_fleet: Fleet) -> Fleet:
    module_fleet.do(NOTED)
    module_fleet.app(APP)
    module_fleet.start()
    return module_fleet


@pytest.fixture
def noted_fleet(module_noted_fleet: Fleet) -> Fleet:
    module_noted_fleet.begin_anew()
    return module_noted_fleet


def begin(fleet: Fleet, name: str, handler: str, level: str) -> None:
    fleet.do("INSERT INTO pgcron.cron_job (name, schedule, handler, log_level) VALUES (%s, '@yearly', %s, %s)", name, handler, level)  # fmt: skip
    wait_for(lambda: fleet.rows("SELECT FROM pgcron.cron_job WHERE name = %s AND NOT needs_plan", name), "planned")
    fleet.do("SELECT pgcron.run_now(%s)", name)


def output_of(fleet: Fleet, name: str) -> tuple[int, int, list[str]]:
    """Once it is complete: lines written, lines dropped, and the kept ones."""
    query = """
        SELECT t.lines, t.dropped_lines, (SELECT coalesce(array_agg(o.text ORDER BY o.line_no), '{}') FROM pgcron.cron_log_line o WHERE o.run_id = l.id) AS texts
          FROM pgcron.cron_log l JOIN pgcron.cron_job j ON j.id = l.job_id JOIN pgcron.cron_log_output t ON t.run_id = l.id
         WHERE j.name = %s AND t.is_complete"""
    (row,) = wait_for(lambda: fleet.rows(query, name), f"all the output of {name}")
    return row["lines"], row["dropped_lines"], row["texts"]


@pytest.mark.parametrize(
    ("level", "good", "bad"),
    [("all", ["good said"], ["bad said"]), ("errors", [], ["bad said"]), ("none", [], [])],
)
def test_a_level_keeps_what_it_says_and_writes_nothing_else(
    noted_fleet: Fleet, level: str, good: list[str], bad: list[str]
) -> None:
    fleet, paid = noted_fleet, ["paid said"] if good else []
    for name in ("good", "bad", "paid"):
        begin(fleet, name, name, level)
    (fine,), (failed,), _ = fleet.ended("good"), fleet.ended("bad"), fleet.ended("paid")
    assert output_of(fleet, "good") == (1, 1 - len(good), good)
    assert output_of(fleet, "paid") == (1, 1 - len(paid), paid)
    assert output_of(fleet, "bad") == (1, 1 - len(bad), bad)
    written = {row["what"] for row in fleet.rows("SELECT what FROM effect")}
    if level == "errors":  # of a run that takes long, lines are written while it goes on, and taken away again
        written -= {"good said", "paid said"}
    assert written == {*good, *paid, *bad}
    assert fine["result"] == {"rows": 1}
    assert failed["error"].startswith("ValueError: first line")
    assert ("second line" in failed["error"]) == (failed["stack_trace"] is not None) == (level != "none")
    assert fleet.broken_invariants() == []


def test_lines_of_a_long_run_are_there_until_it_succeeds(fleet: Fleet) -> None:
    fleet.app(APP)
    fleet.start()
    begin(fleet, "slow", "slow", "errors")
    wait_for(lambda: fleet.rows("SELECT * FROM pgcron.cron_log_line"), "its first line")
    (fleet.folder / "go").touch()
    fleet.ended("slow")
    wait_for(lambda: not fleet.rows("SELECT * FROM pgcron.cron_log_line"), "no line of a success")
    wait_for(lambda: output_of(fleet, "slow") == (2, 2, []), "its totals")


def test_lines_of_a_run_whose_worker_dies_are_kept(fleet: Fleet) -> None:
    fleet.app(APP)
    worker = fleet.start()
    begin(fleet, "slow", "slow", "errors")
    wait_for(lambda: fleet.rows("SELECT * FROM pgcron.cron_log_line"), "its first line")
    worker.signal_tree(signal.SIGKILL)
    fleet.do("UPDATE pgcron.cron_lease SET lease_until = clock_timestamp() - interval '1 s', was_renewed = true")
    fleet.do("UPDATE pgcron.cron_reaper SET last_tick = clock_timestamp()")
    fleet.start()
    (run,) = fleet.ended("slow")
    assert run["reason"] == "lost"
    assert [row["text"] for row in fleet.rows("SELECT text FROM pgcron.cron_log_line")] == ["slow said"]
