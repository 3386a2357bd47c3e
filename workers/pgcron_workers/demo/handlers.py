"""The demo's application: what its workers run. Every handler works on rows of schema `demo`, or computes something.

Transactional ones (they use `ctx.connection`) commit their effects together with the record of their run.
"""

from __future__ import annotations

import asyncio
import hashlib
from datetime import timedelta
from itertools import count

from pgcron_py import JobContext, PgCron

app = PgCron("demo", release="1")

TOKENS_PER_RUN = 20
REPORT_STEPS = 5
STEP_PAUSE_S = 0.5
PUZZLE_BITS = 14
FAILS_EACH = 3


@app.cron_job(
    "two-factor-token-cleanup",
    "0 */6 * * *",
    description="Deletes expired two-factor tokens",
    is_locked=True,
    notify_on_failure=True,
    transactional=True,
)
async def clean_up_tokens(ctx: JobContext) -> dict[str, int]:
    cursor = await ctx.connection.execute("DELETE FROM demo.two_factor_token WHERE expires_at <= clock_timestamp()")
    ctx.metadata["deleted"] = cursor.rowcount
    return {"deleted": cursor.rowcount}


@app.cron_job(
    "two-factor-token-issue",
    "*/5 * * * * *",
    description="Issues tokens as logins would; every other one has expired already",
    transactional=True,
)
async def issue_tokens(ctx: JobContext) -> None:
    await ctx.connection.execute(
        """
        INSERT INTO demo.two_factor_token (user_id, code, expires_at)
        SELECT n, lpad((random() * 999999)::int::text, 6, '0'), clock_timestamp() + CASE mod(n, 2) WHEN 0 THEN 1 ELSE -1 END * interval '10 min'
          FROM generate_series(1, %s) AS n
        """,
        (TOKENS_PER_RUN,),
    )


@app.cron_job("heartbeat", "* * * * * *", description="One row every second, for an hour", transactional=True)
async def beat(ctx: JobContext) -> None:
    await ctx.connection.execute(
        "INSERT INTO demo.heartbeat (run_seq, scheduled_for) VALUES (%s, %s)", (ctx.seq, ctx.scheduled_for)
    )
    await ctx.connection.execute("DELETE FROM demo.heartbeat WHERE at < clock_timestamp() - interval '1 hour'")


@app.cron_job(
    "account-settlement",
    "*/2 * * * * *",
    description="Moves money between accounts; each third run asks for too much and is rolled back whole",
    transactional=True,
)
async def settle(ctx: JobContext) -> None:
    """The credit comes first, so that a refused debit leaves something to roll back: the sum never changes."""
    amount = 1_000_000 if ctx.seq % FAILS_EACH == 0 else 10
    giver, taker = ("alice", "bob") if ctx.seq % 2 else ("bob", "alice")
    await ctx.connection.execute("UPDATE demo.account SET balance = balance + %s WHERE name = %s", (amount, taker))
    await ctx.connection.execute("UPDATE demo.account SET balance = balance - %s WHERE name = %s", (amount, giver))


@app.cron_job(
    "token-report",
    "@every 10s",
    description="A slow one: a summary of all tokens, step by step",
    timeout=timedelta(seconds=30),
    transactional=True,
)
async def report_tokens(ctx: JobContext) -> None:
    for step in range(REPORT_STEPS):
        await ctx.connection.execute(
            """
            INSERT INTO demo.token_report (run_seq, step, live, expired)
            SELECT %(seq)s, %(step)s, count(*) FILTER (WHERE expires_at > clock_timestamp()),
                   count(*) FILTER (WHERE expires_at <= clock_timestamp())
              FROM demo.two_factor_token WHERE user_id %% %(steps)s = %(step)s
            """,
            {"seq": ctx.seq, "step": step, "steps": REPORT_STEPS},
        )
        await asyncio.sleep(STEP_PAUSE_S)
    await ctx.connection.execute("DELETE FROM demo.token_report WHERE run_seq <= %s", (ctx.seq - 100,))


@app.cron_job(
    "hash-puzzle",
    "*/7 * * * * *",
    description="A plain function in a thread: looks for a number whose SHA-256 begins with zeros",
    idempotent=True,
)
def solve_puzzle(ctx: JobContext) -> int | None:
    for number in count():
        if ctx.cancelled:
            return None
        digest = hashlib.sha256(f"{ctx.job_id}/{ctx.seq}/{number}".encode()).digest()
        if int.from_bytes(digest) >> (256 - PUZZLE_BITS) == 0:
            return number
    return None


@app.handler("demo.count_rows", transactional=True)
async def count_rows(ctx: JobContext, table: str) -> None:
    """Has no schedule here: the job `row-count` that uses it is made by an INSERT (see seed.py)."""
    await ctx.connection.execute("SELECT demo.count_rows(%s)", (table,))
