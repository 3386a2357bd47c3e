"""The application of the storm: copied as `jobs.py` to where its workers start. Names say what is promised: see `effects`.

Each handler notes its start in a file outside the database, one line in one write.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import signal
import time
from collections.abc import Callable
from typing import Any

from pgcron_py import JobContext, PgCron

app = PgCron("storm", release="1.0")

KINDS = ("plain-async", "idem-async", "tx-async", "plain-def", "idem-def", "tx-def")
SCHEDULES = ("* * * * * *", "*/2 * * * * *", "*/3 * * * * *", "*/7 * * * * *", "@every 2s", "@every 5s")
ASYNC_SECONDS = (0.0, 0.3, 1.5, 5.0, 0.05)
DEF_SECONDS = (0.0, 0.1, 0.4)
SEATS = 3
NEVER = "0 0 29 2 *"
POISON_TIMEOUT = 0.7

_STARTS = os.open(os.environ.get("STORM_STARTS", os.devnull), os.O_WRONLY | os.O_APPEND | os.O_CREAT)


def note_start(ctx: JobContext) -> None:
    os.write(_STARTS, f"{ctx.run_id} {ctx.job_name}\n".encode())


def work_async(seconds: float) -> Callable[..., Any]:
    async def work(ctx: JobContext) -> None:
        note_start(ctx)
        await asyncio.sleep(seconds)

    return work


def work_tx_async(seconds: float) -> Callable[..., Any]:
    async def work(ctx: JobContext) -> None:
        note_start(ctx)
        await ctx.connection.execute("INSERT INTO effect (what) VALUES (%s)", (str(ctx.run_id),))
        await asyncio.sleep(seconds)

    return work


def work_def(seconds: float) -> Callable[..., Any]:
    def work(ctx: JobContext) -> None:
        note_start(ctx)
        time.sleep(seconds)

    return work


def work_tx_def(seconds: float) -> Callable[..., Any]:
    def work(ctx: JobContext) -> None:
        note_start(ctx)
        ctx.connection.execute("INSERT INTO effect (what) VALUES (%s)", (str(ctx.run_id),))
        time.sleep(seconds)

    return work


MAKERS = {
    "plain-async": work_async,
    "idem-async": work_async,
    "tx-async": work_tx_async,
    "plain-def": work_def,
    "idem-def": work_def,
    "tx-def": work_tx_def,
}


def declare(name: str, schedule: str, function: Callable[..., Any], **policies: Any) -> None:
    policies = {"max_consecutive_failures": None, "backoff": 0.5, **policies}
    app.cron_job(name, schedule, handler=name, **policies)(function)


def declare_grid() -> None:
    for number, schedule in enumerate(SCHEDULES):
        for kind in KINDS:
            seconds = (DEF_SECONDS if kind.endswith("def") else ASYNC_SECONDS)[
                number % (3 if kind.endswith("def") else 5)
            ]
            declare(
                f"{kind}-{number}", schedule, MAKERS[kind](seconds),
                idempotent=kind.startswith("idem"), transactional=kind.startswith("tx"),
            )  # fmt: skip


def declare_special() -> None:
    async def failing(ctx: JobContext) -> None:
        note_start(ctx)
        raise RuntimeError("as always")

    declare("plain-jitter", "*/3 * * * * *", work_async(0.2), jitter=0.8)
    declare("plain-deadline", "* * * * * *", work_async(0.2), starting_deadline=2)
    declare("plain-skip", "*/2 * * * * *", work_async(0.2), catchup_policy="skip")
    declare("plain-beside", "* * * * * *", work_async(2.5), overlap_policy="allow_all", max_running=4)
    declare("plain-queue", "*/2 * * * * *", work_async(0.8), overlap_policy="buffer_all")
    declare("plain-one", "* * * * * *", work_async(2.5), overlap_policy="buffer_one")
    declare("plain-replace", "*/3 * * * * *", work_async(5.0), overlap_policy="cancel_other")
    declare("plain-kill", "*/5 * * * * *", work_def(8.0), overlap_policy="terminate_other")
    declare("plain-all", "*/2 * * * * *", work_async(0.1), catchup_policy="all", catchup_window=60)
    declare("plain-two", "*/7 * * * * *", work_async(0.1), extra_schedules=["*/5 * * * * *"])
    declare("plain-dark", "* * * * * *", work_async(0.1), tags=["dark"])
    declare("plain-alone", "@every 60s", work_async(0.3), runs_alone=True)
    for number in range(4):
        declare(f"plain-limited-{number}", "*/2 * * * * *", work_async(0.3), tags=["limited"])
    declare("plain-strikes", "* * * * * *", failing, max_consecutive_failures=3)
    for seat in range(SEATS):
        declare(f"probe-{seat}", NEVER, work_async(0), queue=f"seat-{seat}")


class Unexpected(BaseException):
    """What no `except Exception` catches."""


def catastrophic_regex() -> None:
    re.match(r"(a+)+$", "a" * 64 + "b")


def big_power() -> None:
    pow(7, 10**8)  # holds the interpreter's lock for minutes


def close_stdout() -> None:
    os.close(1)
    os.close(2)
    print("into the void")


def fork() -> None:
    if os.fork() == 0:
        os._exit(0)
    os.wait()


def raise_unexpected() -> None:
    raise Unexpected("not an Exception")


def raise_nul() -> None:
    raise ValueError("nul \x00 and surrogate \ud800 in a message")


def exhaust_memory() -> None:
    bytearray(1 << 46)  # refused at once


POISONS: dict[str, Callable[[], Any]] = {
    "regex": catastrophic_regex,
    "power": big_power,
    "blocked": lambda: time.sleep(600),
    "exit": lambda: os._exit(3),
    "segv": lambda: os.kill(os.getpid(), signal.SIGSEGV),
    "memory": exhaust_memory,
    "stdout": close_stdout,
    "fork": fork,
    "base-exception": raise_unexpected,
    "interrupt": lambda: os.kill(os.getpid(), signal.SIGINT),
    "system-exit": lambda: exec("raise SystemExit(5)"),
    "nul": raise_nul,
}


def poison_def(deed: Callable[[], Any]) -> Callable[..., Any]:
    def poisonous(ctx: JobContext) -> Any:
        note_start(ctx)
        return deed()

    return poisonous


def poison_async(deed: Callable[[], Any]) -> Callable[..., Any]:
    async def poisonous(ctx: JobContext) -> Any:
        note_start(ctx)
        await asyncio.sleep(0.05)
        return deed()

    return poisonous


async def swallow_cancellation(ctx: JobContext) -> None:
    note_start(ctx)
    while True:
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.sleep(60)


def poison_transaction(statements: str) -> Callable[..., Any]:
    async def poisonous(ctx: JobContext) -> None:
        note_start(ctx)
        await ctx.connection.execute(statements)

    return poisonous


def declare_poisons() -> None:
    for name, deed in POISONS.items():
        declare(f"poison-def-{name}", NEVER, poison_def(deed), timeout=POISON_TIMEOUT)
        declare(f"poison-async-{name}", NEVER, poison_async(deed), timeout=POISON_TIMEOUT)
    declare("poison-async-swallow", NEVER, swallow_cancellation, timeout=POISON_TIMEOUT)
    for name, statements in {
        "commit": "COMMIT",
        "rollback": "ROLLBACK",
        "again": "COMMIT; BEGIN; SAVEPOINT x",
    }.items():
        declare(f"poison-tx-{name}", NEVER, poison_transaction(statements), transactional=True)


declare_grid()
declare_special()
declare_poisons()
