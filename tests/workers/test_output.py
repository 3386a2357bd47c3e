"""What runs print, log and report: captured per run, bounded, without secrets, readable while they go on."""

from __future__ import annotations

from typing import Any

import pytest

from support.fleet import Fleet, wait_for

PLANNED = "SELECT FROM pgcron.cron_job WHERE name = %s AND NOT needs_plan"

WRITERS = """
import logging, threading
from concurrent.futures import ThreadPoolExecutor

def speak(name):
    print(name, "out"); print(name, "err", file=sys.stderr); logging.getLogger("shop").warning("%s logged", name)

@app.handler("alone")
def alone(ctx):
    speak("main")
    thread = threading.Thread(target=speak, args=("thread",)); thread.start(); thread.join()
    with ThreadPoolExecutor(1) as pool: pool.submit(speak, "pool").result()
    print("no end of line", end="")

@app.handler("together")
async def together(ctx, name):
    for step in range(20):
        print(name, step); await asyncio.sleep(0.005)
    await asyncio.create_task(asyncio.to_thread(speak, name))
    ctx.log.info("%s done", name)
"""


def lines_of(fleet: Fleet, job: str) -> list[dict[str, Any]]:
    return fleet.rows(
        "SELECT o.* FROM pgcron.cron_log_line o JOIN pgcron.cron_log l ON l.id = o.run_id JOIN pgcron.cron_job j ON j.id = l.job_id"
        " WHERE j.name = %s ORDER BY o.line_no",
        job,
    )


def totals_of(fleet: Fleet, job: str) -> dict[str, Any]:
    """Once they are complete."""

    def complete() -> Any:
        found = fleet.rows(
            "SELECT o.* FROM pgcron.cron_log_output o JOIN pgcron.cron_log l ON l.id = o.run_id"
            " JOIN pgcron.cron_job j ON j.id = l.job_id WHERE j.name = %s AND o.is_complete",
            job,
        )
        return found[0] if found else None

    return wait_for(complete, f"all the output of {job}")


def begin(fleet: Fleet, *jobs: tuple[str, str, str]) -> None:
    for name, handler, args in jobs:
        fleet.do("INSERT INTO pgcron.cron_job (name, schedule, handler, args) VALUES (%s, '@yearly', %s, %s)", name, handler, args)  # fmt: skip
        wait_for(lambda n=name: fleet.rows(PLANNED, n), "planned")
    for name, _, _ in jobs:
        fleet.do("SELECT pgcron.run_now(%s)", name)


def test_every_run_has_its_own_output_from_tasks_and_threads_too(fleet: Fleet) -> None:
    fleet.app(WRITERS)
    fleet.start()
    names = [f"n{i}" for i in range(8)]
    begin(fleet, ("alone", "alone", "{}"), *((name, "together", f'{{"name": "{name}"}}') for name in names))
    totals_of(fleet, "alone")
    alone = [(line["stream"], line["level"], line["text"]) for line in lines_of(fleet, "alone")]
    for who in ("main", "thread", "pool"):
        assert ("stdout", None, f"{who} out") in alone
        assert ("stderr", None, f"{who} err") in alone
        assert ("log", "WARNING", f"shop: {who} logged") in alone
    assert alone[-1] == ("stdout", None, "no end of line")
    assert len(alone) == 10
    for name in names:
        assert totals_of(fleet, name)["lines"] == 24
        texts = [line["text"] for line in lines_of(fleet, name)]
        assert texts[:20] == [f"{name} {step}" for step in range(20)]
        assert sorted(texts[20:]) == sorted([f"{name} out", f"{name} err", f"shop: {name} logged", f"{name} done"])


LONG = """
@app.handler("waits")
async def waits(ctx):
    print("begun"); ctx.progress(0.4, "two of five"); ctx.result({"rows": 7})
    while not os.path.exists("go"): await asyncio.sleep(0.01)
    return "not this"

@app.handler("chatty")
def chatty():
    for i in range(1_000_000): print("line", i)

@app.handler("leaky")
async def leaky(ctx):
    print("token", os.environ["SHOP_TOKEN"]); print("-----BEGIN RSA PRIVATE KEY-----"); print("MIIabc"); print("-----END RSA PRIVATE KEY-----")
    print("x" * 20_000); print("nul \\0 half \\ud800")
    raise ValueError("postgresql://u:sekret99@h/db " + os.environ["SHOP_TOKEN"])
"""


def test_output_and_progress_are_there_while_the_run_goes_on(fleet: Fleet) -> None:
    fleet.app(LONG)
    fleet.start()
    begin(fleet, ("waits", "waits", "{}"))
    wait_for(lambda: [line["text"] for line in lines_of(fleet, "waits")] == ["begun"], "its first line")
    running = wait_for(lambda: fleet.rows("SELECT status, progress FROM pgcron.cron_log WHERE progress IS NOT NULL"), "its progress")  # fmt: skip
    assert running[0]["status"] == "RUNNING"
    assert (running[0]["progress"]["fraction"], running[0]["progress"]["text"]) == (0.4, "two of five")
    (fleet.folder / "go").touch()
    assert fleet.ended("waits")[0]["result"] == {"rows": 7}
    assert totals_of(fleet, "waits")["lines"] == 1


@pytest.mark.long
def test_a_million_lines_leave_their_head_their_tail_and_their_number(fleet: Fleet) -> None:
    fleet.app(LONG)
    fleet.start()
    begin(fleet, ("chatty", "chatty", "{}"))
    assert fleet.ended("chatty", seconds=60)[0]["status"] == "SUCCESS"
    totals, lines = totals_of(fleet, "chatty"), lines_of(fleet, "chatty")
    assert totals["lines"] == 1_000_000
    assert (lines[0]["text"], lines[-1]["text"]) == ("line 0", "line 999999")
    (gap,) = [i for i, line in enumerate(lines) if line["level"] == "DROPPED"]
    assert str(totals["dropped_lines"]) in lines[gap]["text"]
    assert len(lines) - 1 + totals["dropped_lines"] == 1_000_000
    for part in (lines[:gap], lines[gap + 1 :]):
        assert [line["text"] for line in part] == [f"line {line['line_no'] - 1}" for line in part]
        assert 64 * 1024 - 100 < sum(len(line["text"]) + 1 for line in part) <= 64 * 1024


def test_secrets_and_what_no_database_takes_are_not_stored(fleet: Fleet) -> None:
    fleet.app(LONG)
    fleet.start(SHOP_TOKEN="s3cr3t-value-of-shop")
    begin(fleet, ("leaky", "leaky", "{}"))
    (run,) = fleet.ended("leaky")
    totals_of(fleet, "leaky")
    texts = [line["text"] for line in lines_of(fleet, "leaky")]
    assert texts[0] == "token [redacted]"
    assert len(texts) == 6
    assert len(texts[4]) == 8192
    everything = "\n".join([*texts, run["error"], run["stack_trace"]])
    for secret in ("s3cr3t-value-of-shop", "sekret99", "MIIabc", "\0", str(fleet.folder)):
        assert secret not in everything
    assert 'File "jobs.py"' in run["stack_trace"]
    assert fleet.broken_invariants() == []
