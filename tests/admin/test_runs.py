"""Runs, their output, requests, misses, the ledger, workers and handlers over the API."""

from __future__ import annotations

import asyncio
import itertools
import json
from typing import Any
from uuid import UUID, uuid4

import pytest

from pgcron_admin.cursors import Cursors
from pgcron_admin.database import Database
from pgcron_admin.queries import runs as run_queries
from support.admin import Browser, as_program
from support.api import HANDLER, Records, next_page, refused

TRACE = "Traceback (most recent call last):\n  File 'shop.py', line 3\nValueError: no such shop"


@pytest.fixture(scope="module")
def records(site: Any) -> Records:
    return Records(site.db_url)


@pytest.fixture(scope="module")
def worker(records: Records) -> UUID:
    return records.worker()


@pytest.fixture
def boss(site: Any) -> Browser:
    return site.session("boss", "super_admin")  # type: ignore[no-any-return]


def all_pages(browser: Browser, path: str) -> list[dict[str, Any]]:
    found, url = [], path
    while url:
        answer = browser.get(url)
        assert answer.status_code == 200, answer.text
        found += answer.json()
        url = next_page(answer) or ""
    return found


def test_runs_of_all_jobs_come_newest_first_in_pages(boss: Browser, records: Records, worker: UUID) -> None:
    jobs = [records.job(f"mixed-{n}") for n in range(3)]
    ids = [run for n, job in enumerate(jobs) for run in records.runs(job, worker, 3, ago=f"{100 - n} d")]
    found = [run["id"] for run in all_pages(boss, "/api/runs?limit=2&until=" + records.day("-90 d"))]
    assert found == [str(id_) for id_ in reversed(ids)]


def test_runs_are_filtered(boss: Browser, records: Records, worker: UUID) -> None:
    job, other = records.job("run-filter"), records.worker("nobody:else")
    records.runs(job, worker, 3, ago="30 h")
    records.runs(
        job, other, 2, status="FAILED", ago="29 h", error="TimeoutError: 50% of it", reason="timeout", cause="retry"
    )
    records.runs(job, worker, 1, status="FAILED", ago="28 h", reason="lost")
    records.runs(job, worker, 1, status="RUNNING", ago="1 m")

    def seqs(query: str) -> list[int]:
        return [run["seq"] for run in all_pages(boss, f"/api/runs?job={job}&limit=1&{query}")]

    assert seqs("") == [7, 6, 5, 4, 3, 2, 1]
    assert seqs("status=FAILED") == [6, 5, 4]
    assert seqs("status=RUNNING") == [7]
    assert seqs("reason=timeout") == [5, 4]
    assert seqs("cause=retry&status=FAILED") == [5, 4]
    assert seqs(f"worker={other}") == [5, 4]
    assert seqs("search=50%25") == [5, 4]
    assert seqs("search=TIMEOUT&reason=lost") == []
    everywhere = all_pages(boss, f"/api/runs?worker={other}&status=FAILED&limit=1")
    assert [run["seq"] for run in everywhere] == [5, 4]
    assert {run["id"] for run in all_pages(boss, "/api/runs?status=RUNNING")} >= {
        run["id"] for run in all_pages(boss, f"/api/runs?job={job}&status=RUNNING")
    }


def test_a_search_goes_on_behind_the_stretch_that_one_page_looks_through(
    db_url: str, web_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In this process, with stretches of four runs."""
    db = Records(db_url)
    job, mine, other = db.job("long"), db.worker(), db.worker("nobody:else")
    db.runs(job, other, 1, ago="10 d")
    db.runs(job, mine, 9, ago="9 d")
    db.runs(job, other, 1, ago="8 d")
    db.runs(job, mine, 2, ago="7 d")
    monkeypatch.setattr(run_queries, "STRETCH", 4)

    async def pages(wanted: run_queries.RunFilter) -> list[list[int]]:
        database, cursors, found, cursor = Database(web_url, 1), Cursors(b"k" * 32), list[list[int]](), None
        try:
            async with database.read() as connection:
                while not found or cursor is not None:
                    runs, cursor = await run_queries.page_of_runs(connection, wanted, 5, cursor, cursors)
                    found.append([run.seq for run in runs])
        finally:
            await database.close()
        return found

    assert asyncio.run(pages(run_queries.RunFilter(job=job, worker=other))) == [[11], [], [], [1]]
    assert asyncio.run(pages(run_queries.RunFilter(worker=other))) == [[11], [], [], [1]]
    assert asyncio.run(pages(run_queries.RunFilter(worker=uuid4()))) == [[], [], [], []]


def test_facets_of_runs_count_by_status_reason_and_cause(boss: Browser, records: Records, worker: UUID) -> None:
    job = records.job("run-facets")
    records.runs(job, worker, 2, ago="2 h")
    records.runs(job, worker, 1, status="FAILED", ago="1 h", reason="lost")
    records.runs(job, worker, 1, ago="3 d")
    facets = boss.get(f"/api/runs/facets?job={job}").json()
    assert facets == {
        "total": 3, "isComplete": True, "statuses": {"SUCCESS": 2, "FAILED": 1}, "reasons": {"lost": 1}, "causes": {"manual": 3},
    }  # fmt: skip
    assert boss.get(f"/api/runs/facets?job={job}&since={records.day('-9 d')}").json()["total"] == 4


def test_the_trace_is_in_the_detail_of_a_run_and_for_those_who_may_read_it(
    site: Any, boss: Browser, records: Records, worker: UUID
) -> None:
    job = records.job("traced")
    (run,) = records.runs(job, worker, status="FAILED", stack_trace=TRACE)
    assert boss.get(f"/api/runs/{run}").json()["stackTrace"] == TRACE
    for reader in (
        site.session("op", "operator"),
        site.session("viewer"),
        as_program(site.url, site.people.token("boss", "super_admin", scopes=["cron.view"])),
    ):
        told = reader.get(f"/api/runs/{run}").json()
        assert (told["stackTrace"], told["error"]) == (None, "ValueError: no such shop")
    for path in (
        "/api/runs",
        f"/api/runs?job={job}",
        f"/api/cron-jobs/{job}/logs",
        f"/api/cron-jobs/{job}",
        f"/api/workers/{worker}",
    ):
        assert "shop.py" not in boss.get(path).text, path
    reader = site.session("reader", "viewer", "cron.trace.read")
    assert reader.get(f"/api/runs/{run}").json()["stackTrace"] == TRACE


def test_the_detail_of_a_run_has_its_timeline_request_worker_and_attempts(
    boss: Browser, records: Records, worker: UUID
) -> None:
    job = records.job("detailed", args={"shop": 1})
    due = records.row("SELECT date_trunc('hour', clock_timestamp()) - interval '2 h' AS at")["at"]
    covers = {"covers_from": due - (records.row("SELECT interval '1 d' AS d")["d"]), "covers_to": due}
    (first,) = records.runs(job, worker, status="FAILED", ago="119 m", cause="schedule", scheduled_for=due, **covers)
    request = records.row(
        "INSERT INTO pgcron.cron_request (job_id, cause, scheduled_for, attempt, state, ended_at) VALUES (%s, 'retry', %s, 2, 'CLAIMED', clock_timestamp()) RETURNING id",
        job, due,
    )["id"]  # fmt: skip
    (second,) = records.runs(
        job,
        worker,
        ago="90 m",
        cause="retry",
        scheduled_for=due,
        attempt=2,
        request_id=request,
        args={"shop": 1},
        result={"rows": 3},
    )
    told = boss.get(f"/api/runs/{first}").json()
    assert [m["what"] for m in told["timeline"]] == ["due", "started", "finished"]
    assert told["timeline"][0]["sinceStartMs"] == -told["lagMs"]
    assert told["timeline"][-1]["sinceStartMs"] == 100
    assert [run["id"] for run in told["attempts"]] == [str(first), str(second)]
    assert (told["workerHost"], told["workerState"], told["isOutputComplete"]) == ("test", "LIVE", True)
    told = boss.get(f"/api/runs/{second}").json()
    assert (told["requestId"], told["requestCause"], told["result"], told["args"], told["attempt"]) == (
        str(request),
        "retry",
        {"rows": 3},
        {"shop": 1},
        2,
    )
    refused(boss.get(f"/api/runs/{uuid4()}"), 404, "Run with ID")


def test_output_comes_line_by_line_and_goes_on_after_a_number(boss: Browser, records: Records, worker: UUID) -> None:
    job = records.job("chatty")
    (run,) = records.runs(job, worker)
    records.rows(
        "INSERT INTO pgcron.cron_log_line (run_id, line_no, stream, level, at, text) SELECT %s, n * 2, CASE WHEN n %% 2 = 0 THEN 'stderr' ELSE 'stdout' END, NULL, clock_timestamp(), 'line ' || n FROM generate_series(1, 5) n", run
    )  # fmt: skip
    path = f"/api/runs/{run}/output"
    lines = boss.get(path).json()
    assert [(line["lineNo"], line["text"]) for line in lines] == [(n * 2, f"line {n}") for n in range(1, 6)]
    assert [line["lineNo"] for line in boss.get(f"{path}?after=4&limit=2").json()] == [6, 8]
    assert [line["lineNo"] for line in boss.get(f"{path}?stream=stderr").json()] == [4, 8]
    assert boss.get(f"{path}?after=10").json() == []
    refused(boss.get(f"/api/runs/{uuid4()}/output"), 404, "Run with ID")
    assert refused(boss.get(f"{path}?limit=1001"), 422, "")["field"] == "limit"


def test_the_output_of_a_run_that_was_killed_is_complete_after_a_while(
    boss: Browser, records: Records, worker: UUID
) -> None:
    (run,) = records.runs(records.job("killed"), worker, status="FAILED", reason="crashed", ago="-1 m")
    records.rows("INSERT INTO pgcron.cron_log_output (run_id, lines, bytes, is_complete) VALUES (%s, 1, 5, false)", run)
    assert boss.get(f"/api/runs/{run}").json()["isOutputComplete"] is False
    (old,) = records.runs(records.job("killed-before"), worker, status="FAILED", reason="crashed", ago="1 h")
    records.rows("INSERT INTO pgcron.cron_log_output (run_id, lines, bytes, is_complete) VALUES (%s, 1, 5, false)", old)
    assert boss.get(f"/api/runs/{old}").json()["isOutputComplete"] is True


def test_a_run_is_cancelled_once_and_an_ended_one_not(boss: Browser, records: Records, worker: UUID) -> None:
    job = records.job("cancel-run")
    (run,) = records.runs(job, worker, status="RUNNING", ago="1 s")
    answer = boss.post(f"/api/runs/{run}/cancel", {"reason": "stuck"})
    assert (answer.status_code, answer.json()) == (202, {"isNew": True})
    assert boss.post(f"/api/runs/{run}/cancel").json() == {"isNew": False}
    assert boss.post(f"/api/runs/{run}/cancel", {"force": True}).json() == {"isNew": True}
    row = records.row(
        "SELECT cancel_requested_by, cancel_reason, cancel_is_forced FROM pgcron.cron_log WHERE id = %s", run
    )
    assert row == {"cancel_requested_by": "web:boss", "cancel_reason": "stuck", "cancel_is_forced": True}
    (ended,) = records.runs(records.job("ended"), worker)
    refused(boss.post(f"/api/runs/{ended}/cancel"), 409, "has ended: SUCCESS")
    refused(boss.post(f"/api/runs/{uuid4()}/cancel"), 404, "no run is")


def test_a_run_is_tried_again(boss: Browser, records: Records, worker: UUID) -> None:
    job = records.job("again")
    (run,) = records.runs(job, worker, status="FAILED", args={"shop": 4})
    answer = boss.post(f"/api/runs/{run}/retry", {"reason": "the shop is back"})
    assert answer.status_code == 202
    told = boss.get(f"/api/requests/{answer.json()['requestId']}").json()
    assert (told["cause"], told["state"], told["attempt"], told["args"], told["requestedBy"]) == (
        "retry",
        "PENDING",
        2,
        {"shop": 4},
        "web:boss",
    )
    (running,) = records.runs(records.job("again-running"), worker, status="RUNNING", ago="1 s")
    refused(boss.post(f"/api/runs/{running}/retry"), 400, "goes on")


def test_requests_are_listed_and_cancelled(boss: Browser, records: Records) -> None:
    job = records.job("requests")
    for n in range(5):
        records.rows(
            "INSERT INTO pgcron.cron_request (job_id, cause, scheduled_for) VALUES (%s, 'retry', '2026-01-01'::timestamptz + %s * interval '1 h')",
            job,
            n,
        )
    found = all_pages(boss, f"/api/requests?job={job}&limit=2")
    assert len({request["id"] for request in found}) == 5
    answer = boss.post(f"/api/requests/{found[0]['id']}/cancel", {"reason": "not needed"})
    assert (answer.json()["state"], answer.json()["cancelledBy"], answer.json()["cancelReason"]) == (
        "CANCELLED",
        "web:boss",
        "not needed",
    )
    refused(boss.post(f"/api/requests/{found[0]['id']}/cancel"), 409, "waits no more: CANCELLED")
    assert len(boss.get(f"/api/requests?job={job}&state=PENDING").json()) == 4
    refused(boss.get(f"/api/requests/{uuid4()}"), 404, "Request with ID")


def test_misses_and_the_ledger_account_for_every_occurrence(boss: Browser, records: Records, worker: UUID) -> None:
    job = records.job("accounted", ledger_from="2026-01-01")
    for day in range(1, 7):
        at = {"from": f"2026-01-0{day}", "to": f"2026-01-0{day + 1}"}
        if day % 2:
            records.rows(
                "INSERT INTO pgcron.cron_miss (job_id, reason, covers_from, covers_to, first_scheduled_for, last_scheduled_for, count) VALUES (%s, 'too_late', %s, %s, %s, %s, 3)",
                job, at["from"], at["to"], at["to"], at["to"],
            )  # fmt: skip
        else:
            records.runs(
                job, worker, cause="schedule", scheduled_for=at["to"], covers_from=at["from"], covers_to=at["to"]
            )
    ledger = all_pages(boss, f"/api/cron-jobs/{job}/ledger?limit=2")
    assert [entry["kind"] for entry in ledger] == ["run", "miss"] * 3
    for newer, older in itertools.pairwise(ledger):
        assert newer["coversFrom"] == older["coversTo"]
    misses = all_pages(boss, f"/api/misses?job={job}&limit=1")
    assert [(miss["reason"], miss["count"]) for miss in misses] == [("too_late", 3)] * 3
    assert len(all_pages(boss, "/api/misses?reason=too_late&limit=2")) == 3
    assert boss.get(f"/api/misses?job={job}&reason=overlap").json() == []
    refused(boss.get(f"/api/cron-jobs/{uuid4()}/ledger"), 404, "Cron job with ID")


def test_workers_are_shown_with_what_they_do_and_asked_to_leave(site: Any, boss: Browser, records: Records) -> None:
    worker = records.worker("shop:a", "shop:b", host="db-7", queues=["slow"])
    (run,) = records.runs(records.job("on-worker"), worker, status="RUNNING", ago="1 s")
    (told,) = [w for w in boss.get("/api/workers").json() if w["id"] == str(worker)]
    assert (told["host"], told["state"], told["isAlive"], told["handlers"], told["queues"], told["runningCount"]) == (
        "db-7", "LIVE", True, ["shop:a", "shop:b"], ["slow"], 1,
    )  # fmt: skip
    assert [r["id"] for r in boss.get(f"/api/workers/{worker}").json()["runs"]] == [str(run)]
    refused(site.session("op", "operator").post(f"/api/workers/{worker}/drain"), 403, "system.cron.manage")
    drained = boss.post(f"/api/workers/{worker}/drain", {"reason": "a new release"})
    assert (drained.status_code, drained.json()["state"], drained.json()["drainRequestedBy"]) == (
        202,
        "DRAINING",
        "web:boss",
    )
    records.rows("UPDATE pgcron.cron_worker SET state = 'GONE', ended_at = clock_timestamp() WHERE id = %s", worker)
    refused(boss.post(f"/api/workers/{worker}/drain"), 409, "is GONE")
    assert str(worker) not in {w["id"] for w in boss.get("/api/workers").json()}
    assert str(worker) in {w["id"] for w in boss.get("/api/workers?withEnded=true").json()}
    refused(boss.get(f"/api/workers/{uuid4()}"), 404, "Worker with ID")


def test_handlers_have_schemas_and_those_that_nobody_published_are_there_too(
    boss: Browser, records: Records, worker: UUID
) -> None:
    schema = {"type": "object", "properties": {"shop": {"type": "integer"}}}
    records.rows(
        "INSERT INTO pgcron.cron_handler (name, app, description, parameters) VALUES (%s, 'shop', 'Reports.', %s)",
        HANDLER,
        json.dumps(schema),
    )
    records.job("unpublished", handler="shop:unknown")
    found = {handler["name"]: handler for handler in boss.get("/api/handlers").json()}
    assert (found[HANDLER]["parameters"], found[HANDLER]["description"]) == (schema, "Reports.")
    assert found[HANDLER]["liveWorkers"] >= 1
    assert (
        found["shop:unknown"]["parameters"],
        found["shop:unknown"]["liveWorkers"],
        found["shop:unknown"]["jobs"],
    ) == (None, 0, 1)
    assert [h["name"] for h in boss.get("/api/handlers?name=shop:unknown").json()] == ["shop:unknown"]
