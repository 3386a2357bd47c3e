"""The API and a real worker on one database: what is asked for here happens there, and is told here."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from support.admin import Browser, People, admin_process
from support.api import refused
from support.fleet import Fleet, wait_for

SOURCE = """
    @app.cron_job("greet", schedule="0 0 29 2 *")
    def greet(name: str = "nobody"):
        print(f"hello {name}")
        if name == "bad":
            raise ValueError("no such name")

    @app.cron_job("sleep", schedule="0 0 29 2 *")
    def sleep():
        print("asleep", flush=True)
        time.sleep(60)

    @app.cron_job("fixed", schedule="0 0 29 2 *", is_locked=True)
    def fixed():
        pass
"""


@pytest.fixture
def ann(fleet: Fleet, web_url: str) -> Iterator[Browser]:
    """A super admin, with a worker on the same database."""
    fleet.app(SOURCE)
    fleet.start()
    with admin_process(web_url, "--dev") as server:
        yield People(fleet.url).session(server.url, "ann", "super_admin")


def job(browser: Browser, name: str) -> str:
    (found,) = browser.get(f"/api/cron-jobs?name={name}").json()
    id_: str = found["id"]
    return id_


def run_of(browser: Browser, request: str) -> dict[str, Any]:
    """The run that answers a request, once it has ended."""

    def ended() -> dict[str, Any] | None:
        run = browser.get(f"/api/requests/{request}").json()["runId"]
        told: dict[str, Any] = browser.get(f"/api/runs/{run}").json() if run else {}
        return told if told.get("completedAt") else None

    found: dict[str, Any] = wait_for(ended, f"the end of the run for request {request}")
    return found


def test_what_is_asked_for_over_the_api_is_done_by_a_worker(ann: Browser, fleet: Fleet) -> None:
    greet = job(ann, "greet")
    good = run_of(ann, ann.post(f"/api/cron-jobs/{greet}/trigger", {"args": {"name": "Bea"}}).json()["requestId"])
    assert (good["status"], good["cause"], good["requestedBy"], good["args"]) == (
        "SUCCESS",
        "manual",
        "web:ann",
        {"name": "Bea"},
    )
    assert [m["what"] for m in good["timeline"]] == ["requested", "started", "finished"]
    wait_for(lambda: ann.get(f"/api/runs/{good['id']}").json()["isOutputComplete"], "its output is there")
    assert [line["text"] for line in ann.get(f"/api/runs/{good['id']}/output").json()] == ["hello Bea"]

    bad = run_of(ann, ann.post(f"/api/cron-jobs/{greet}/trigger", {"args": {"name": "bad"}}).json()["requestId"])
    assert (bad["status"], bad["reason"], bad["error"]) == ("FAILED", "error", "ValueError: no such name")
    assert "in greet" in bad["stackTrace"]
    again = run_of(ann, ann.post(f"/api/runs/{bad['id']}/retry").json()["requestId"])
    assert (again["cause"], again["attempt"], again["args"]) == ("retry", 2, {"name": "bad"})

    figures = ann.get(f"/api/cron-jobs/{greet}/statistics").json()
    assert (figures["totalExecutions"], figures["successCount"], figures["failureCount"]) == (3, 1, 2)
    told = ann.get(f"/api/cron-jobs/{greet}").json()
    assert (told["successCount"], told["failureCount"], told["lastRunId"]) == (1, 2, again["id"])
    wrong = refused(ann.post(f"/api/cron-jobs/{greet}/trigger", {"args": {"nam": "x"}}), 422, "args")
    assert wrong["field"] == "args"
    assert fleet.broken_invariants() == []


def test_a_run_is_cancelled_and_its_worker_drained_over_the_api(ann: Browser, fleet: Fleet) -> None:
    sleep = job(ann, "sleep")
    request = ann.post(f"/api/cron-jobs/{sleep}/trigger").json()["requestId"]
    run = wait_for(lambda: ann.get(f"/api/requests/{request}").json()["runId"], "a worker claims it")
    refused(ann.post(f"/api/cron-jobs/{sleep}/trigger"), 400, "Cron job 'sleep' is already running")
    refused(ann.send("DELETE", f"/api/cron-jobs/{sleep}?confirm=sleep"), 409, "")
    assert ann.post(f"/api/runs/{run}/cancel", {"reason": "long enough", "force": True}).status_code == 202
    told = run_of(ann, request)
    assert (told["status"], told["reason"], told["cancelReason"], told["isStrike"]) == (
        "FAILED",
        "cancelled",
        "long enough",
        False,
    )

    (worker,) = ann.get("/api/workers").json()
    assert (worker["isAlive"], worker["state"]) == (True, "LIVE")
    assert ann.post(f"/api/workers/{worker['id']}/drain", {"reason": "a new release"}).json()["state"] == "DRAINING"
    assert fleet.workers[0].process.wait(30) == 0
    refused(ann.post(f"/api/cron-jobs/{sleep}/trigger"), 503, "no live worker")
    assert fleet.broken_invariants() == []


def test_jobs_are_run_and_disabled_in_bulk_and_declared_ones_keep_their_schedule(ann: Browser, fleet: Fleet) -> None:
    fixed = job(ann, "fixed")
    refused(ann.send("PATCH", f"/api/cron-jobs/{fixed}/schedule", {"schedule": "@daily"}), 403, "job 'fixed' is locked")
    bulk = ann.post("/api/bulk", {"action": "run", "filter": {"search": "f"}}).json()
    done = wait_for(lambda: (t := ann.get(f"/api/bulk/{bulk['id']}").json())["state"] == "DONE" and t, "it is done")
    assert (done["total"], done["done"]) == (1, 1)
    (item,) = ann.get(f"/api/bulk/{bulk['id']}/jobs").json()
    assert run_of(ann, item["requestId"])["job"] == "fixed"
    (handler,) = [h for h in ann.get("/api/handlers").json() if h["name"].endswith("greet")]
    assert handler["parameters"]["properties"]["name"]["type"] == "string"
    assert handler["liveWorkers"] == 1
    made = ann.post(
        "/api/cron-jobs",
        {"name": "again", "schedule": "* * * * * *", "handler": handler["name"], "args": {"name": "Zoe"}},
    )
    assert made.status_code == 201, made.text
    logs = wait_for(
        lambda: ann.get(f"/api/cron-jobs/{made.json()['id']}/logs?status=SUCCESS").json(), "it runs by its schedule"
    )
    assert logs[-1]["cause"] == "schedule"
    assert ann.post(f"/api/cron-jobs/{made.json()['id']}/disable").json()["isEnabled"] is False
    wait_for(
        lambda: ann.get(f"/api/cron-jobs/{made.json()['id']}").json()["runningCount"] == 0, "nothing runs any more"
    )
    assert fleet.broken_invariants() == []
