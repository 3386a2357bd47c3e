"""A span for each run, with the handler's own spans below it: real workers, an SDK that writes to a file."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from support.fleet import Fleet, wait_for

JOBS = """
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, ConsoleSpanExporter

def line(span): return span.to_json(indent=None) + "\\n"
provider = TracerProvider()
provider.add_span_processor(BatchSpanProcessor(ConsoleSpanExporter(out=open("spans", "a"), formatter=line), schedule_delay_millis=DELAY))
trace.set_tracer_provider(provider)

@app.cron_job("good", "* * * * * *")
async def good() -> None:
    await asyncio.sleep(0)
    with trace.get_tracer("mine").start_as_current_span("inner"): pass

@app.cron_job("bad", "* * * * * *")
def bad() -> None: raise ValueError("no good")

@app.cron_job("slow", "* * * * * *", timeout=0.05)
async def slow() -> None: await asyncio.sleep(20)
"""


def spans_in(folder: Path) -> list[dict[str, Any]]:
    file = folder / "spans"
    return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []


def test_each_run_is_a_span_with_the_handlers_spans_below_it(fleet: Fleet) -> None:
    fleet.app(JOBS.replace("DELAY", "100"))
    fleet.start()
    runs = {name: fleet.ended(name, 1)[0] for name in ("good", "bad", "slow")}
    wait_for(lambda: {"good", "inner", "bad", "slow"} <= {span["name"] for span in spans_in(fleet.folder)}, "spans")
    by_run = {span["attributes"].get("pgcron.run_id"): span for span in spans_in(fleet.folder)}
    for name, run in runs.items():
        span = by_run[str(run["id"])]
        assert span["name"] == name
        assert span["attributes"]["pgcron.job_id"] == str(run["job_id"])
        assert span["attributes"]["pgcron.attempt"] == 1
        assert span["attributes"]["pgcron.cause"] == "schedule"
        assert span["attributes"]["pgcron.scheduled_for"] == run["scheduled_for"].isoformat()
        assert span["attributes"].get("pgcron.reason") == run["reason"]
        assert (span["status"]["status_code"] == "ERROR") == (run["status"] == "FAILED")
    assert by_run[str(runs["bad"]["id"])]["status"]["description"] == "ValueError: no good"
    outer = by_run[str(runs["good"]["id"])]["context"]
    inner = [span for span in spans_in(fleet.folder) if span["name"] == "inner"]
    assert (outer["trace_id"], outer["span_id"]) in {(span["context"]["trace_id"], span["parent_id"]) for span in inner}


@pytest.mark.long
def test_the_last_spans_are_not_lost_when_the_worker_stops(fleet: Fleet) -> None:
    fleet.app(JOBS.replace("DELAY", "3_600_000"))
    worker = fleet.start()
    (run, *_) = fleet.ended("good", 1)
    assert worker.stop() == 0
    assert str(run["id"]) in {span["attributes"].get("pgcron.run_id") for span in spans_in(fleet.folder)}


def test_without_opentelemetry_in_the_application_nothing_of_it_is_imported() -> None:
    code = (
        "import sys, pgcron_workers.executors.child, pgcron_workers.tracing as t; t.flush()\n"
        "with t.spanned(None) as told: assert told(5) == 5\n"
        "print([m for m in sys.modules if m.startswith('opentelemetry')])"
    )
    assert subprocess.check_output([sys.executable, "-c", code], text=True) == "[]\n"
