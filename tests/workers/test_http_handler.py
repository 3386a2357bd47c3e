"""`pgcron.http` on a real worker: switched on by settings, private addresses refused unless allowed."""

from __future__ import annotations

import json
import threading
from typing import Any

import pytest

from support.fleet import Fleet
from support.sites import Handler, Seen, says, site

NO_APP = """
@app.handler("mine")
async def mine(): ...
"""
JOB = "INSERT INTO pgcron.cron_job (name, schedule, handler, args, timeout_ms) VALUES (%s, '@yearly', 'pgcron.http', %s, %s)"


def ran(fleet: Fleet, name: str, timeout_ms: int | None = None, **args: Any) -> dict[str, Any]:
    fleet.do(JOB, name, json.dumps(args), timeout_ms)
    fleet.planned()
    fleet.do("SELECT pgcron.run_now(%s)", name)
    (run,) = fleet.ended(name)
    return run


def test_a_url_is_asked_and_its_answer_is_the_result(fleet: Fleet) -> None:
    fleet.app(NO_APP)
    fleet.start(
        PGCRON_HTTP_ALLOW="http://127.0.0.1:*/hooks/*, http://localhost:*", PGCRON_HTTP_ALLOW_PRIVATE="127.0.0.0/8,::1"
    )
    with site(says(200, b"done", Content_Type="text/plain")) as here:
        run = ran(fleet, "good", url=f"http://127.0.0.1:{here.port}/hooks/1", method="POST", json={"a": 1})
        assert run["status"] == "SUCCESS", run["error"]
        assert (run["result"]["status"], run["result"]["body"]) == (200, "done")
        run = ran(fleet, "elsewhere", url=f"http://127.0.0.1:{here.port}/admin")
        assert (run["reason"], run["stack_trace"]) == ("error", None)
        assert "PGCRON_HTTP_ALLOW does not allow" in run["error"]
        run = ran(fleet, "by name", url=f"http://localhost:{here.port}/")
        assert run["status"] == "SUCCESS", run["error"]
    assert [seen.path for seen in here.seen] == ["/hooks/1", "/"]
    published = fleet.row("SELECT parameters FROM pgcron.cron_handler WHERE name = 'pgcron.http'")["parameters"]
    assert published["properties"]["method"]["enum"][0] == "GET"


def test_private_addresses_are_refused_by_number_by_name_and_after_a_redirect(fleet: Fleet) -> None:
    fleet.app(NO_APP)
    fleet.start(PGCRON_HTTP_ALLOW="http://*:*", PGCRON_HTTP_ALLOW_PRIVATE="127.0.0.1/32")
    with site(says(302, Location="http://127.0.0.2:1/")) as here:
        for name, url in {
            "number": "http://10.1.2.3/", "metadata": "http://169.254.169.254/latest/meta-data/", "mapped": "http://[::ffff:10.0.0.1]/",
            "decimal": "http://167772161/", "redirect": f"http://127.0.0.1:{here.port}/",
        }.items():  # fmt: skip
            run = ran(fleet, name, url=url)
            assert run["status"] == "FAILED"
            assert "which is private" in run["error"], run["error"]
    assert len(here.seen) == 1


def test_a_server_that_never_answers_is_left_at_the_jobs_timeout(fleet: Fleet) -> None:
    fleet.app(NO_APP)
    fleet.start(PGCRON_HTTP_ALLOW="http://127.0.0.1:*", PGCRON_HTTP_ALLOW_PRIVATE="127.0.0.1")
    forever = threading.Event()

    def hang(handler: Handler, seen: Seen) -> None:
        forever.wait(30)

    with site(hang) as here:
        run = ran(fleet, "hangs", timeout_ms=500, url=f"http://127.0.0.1:{here.port}/")
        forever.set()
    assert (run["status"], run["reason"]) == ("FAILED", "timeout")
    assert run["duration"] < 5_000


@pytest.mark.parametrize(
    "environment",
    [
        {"PGCRON_HTTP_ALLOW": "example.com"},
        {"PGCRON_HTTP_ALLOW": "https://x", "PGCRON_HTTP_ALLOW_PRIVATE": "10.0.0.1/8"},
    ],
)
def test_settings_that_cannot_be_read_are_refused_at_start(fleet: Fleet, environment: dict[str, str]) -> None:
    fleet.app(NO_APP)
    worker = fleet.start(ready=False, **environment)
    assert worker.process.wait(30) != 0
    assert "(PGCRON_HTTP_ALLOW" in worker.log
    assert "Traceback" not in worker.log
