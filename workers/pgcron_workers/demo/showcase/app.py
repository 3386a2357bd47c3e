"""The shop's application: sixty jobs whose work is to wait as long as theirs takes, to tell of it, and to fail now and then."""

from __future__ import annotations

import asyncio
import math
import random
from collections.abc import Awaitable, Callable

from pgcron_py import JobContext, PgCron
from pgcron_workers.demo.showcase.samples import SAMPLES, Sample

app = PgCron("shop", release="2026.11.3")

STEPS = 20
Work = Callable[[JobContext, int, bool], Awaitable[dict[str, int]]]


def took_s(sample: Sample, dice: random.Random, age: float = 0.0) -> float:
    """What a run takes. age: 0 now, 1 at the beginning of the history."""
    return sample.typical_s / (1 + sample.grows * age) * dice.lognormvariate(0, 0.28)


def failure_of(sample: Sample) -> Exception:
    kind, _, message = sample.error.partition(": ")
    named: type[Exception] = type(kind.rpartition(".")[2], (Exception,), {})
    return named(message)


def work_of(sample: Sample) -> Work:
    async def work(ctx: JobContext, batch_size: int = 500, dry_run: bool = False) -> dict[str, int]:
        dice = random.Random(str(ctx.run_id))
        seconds = took_s(sample, dice)
        breaks_at = (
            dice.randrange(STEPS) if sample.streak or dice.random() < sample.failing else None
        )  # what fails goes on to
        done = 0
        ctx.log.info(
            "%s, in batches of %d%s", sample.description, batch_size, ", nothing is written" if dry_run else ""
        )
        for step in range(STEPS):
            await asyncio.sleep(seconds / STEPS)
            if step == breaks_at:
                ctx.log.warning("batch %d did not work out", step + 1)
                raise failure_of(sample)
            done += math.ceil(batch_size * dice.uniform(0.7, 1))
            ctx.log.info("batch %d of %d: %d rows", step + 1, STEPS, done)
            ctx.progress((step + 1) / STEPS, f"{done:,} rows")
        return {"rows": done}

    return work


for _sample in SAMPLES:
    app.cron_job(
        _sample.name, _sample.schedule, _sample.description, _sample.timezone, _sample.is_locked, handler=_sample.handler,
        owner=_sample.owner, tags=_sample.tags, max_attempts=_sample.attempts, idempotent=_sample.attempts > 1,
        timeout=max(60.0, _sample.typical_s * 6), backoff=30.0, retention_days=90 if _sample.days > 60 else round(_sample.days),
        **_sample.options,
    )(work_of(_sample))  # fmt: skip
