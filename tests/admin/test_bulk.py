"""Bulk actions: recorded, done in steps by whichever process takes the next one, cancelled, and counted against the rate limit."""

from __future__ import annotations

import asyncio
import os
import signal
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest

from pgcron_admin.bulk_runner import BulkRunner
from pgcron_admin.database import Database
from pgcron_admin.settings import AdminSettings
from pgcron_admin.stopping import Stopping
from support.admin import Browser, People, admin_process, as_program
from support.admin_sites import Site, site_on
from support.api import Records, next_page, refused
from support.fleet import wait_for


@pytest.fixture(scope="module")
def records(site: Any) -> Records:
    records = Records(site.db_url)
    records.worker()
    return records


@pytest.fixture
def boss(site: Any, records: Records) -> Browser:
    records.no_runs_now()
    return site.session("boss", "super_admin")  # type: ignore[no-any-return]


def ended(browser: Browser, bulk: str) -> dict[str, Any]:
    def over() -> dict[str, Any] | None:
        told: dict[str, Any] = browser.get(f"/api/bulk/{bulk}").json()
        return told if told["state"] in ("DONE", "CANCELLED") else None

    found: dict[str, Any] = wait_for(over, f"the end of bulk action {bulk}")
    return found


def begin(browser: Browser, **body: Any) -> str:
    answer = browser.post("/api/bulk", body)
    assert answer.status_code == 202, answer.text
    id_: str = answer.json()["id"]
    return id_


def items(browser: Browser, bulk: str, query: str = "") -> list[dict[str, Any]]:
    found, url = [], f"/api/bulk/{bulk}/jobs?limit=100&{query}"
    while url:
        answer = browser.get(url)
        found += answer.json()
        url = next_page(answer) or ""
    return found


def test_all_jobs_of_a_filter_are_disabled_with_a_reason_each_in_the_audit(
    site: Any, boss: Browser, records: Records
) -> None:
    for n in range(60):
        records.job(f"off-{n}", queue="to-disable", is_enabled=n != 7)
    answer = boss.post(
        "/api/bulk",
        {
            "action": "disable",
            "filter": {"queue": "to-disable"},
            "reason": "stocktaking",
            "until": "2099-01-01T00:00:00Z",
        },
    )
    made = answer.json()
    assert (answer.status_code, made["total"], made["requestedBy"], made["chosen"]) == (
        202,
        60,
        "web:boss",
        {"filter": {"queue": "to-disable"}},
    )
    told = ended(boss, made["id"])
    assert (told["state"], told["done"], told["unchanged"] + told["refused"]) == ("DONE", 60, 0)
    rows = records.rows(
        "SELECT disabled_by, disabled_reason, disabled_until::date::text AS until FROM pgcron.cron_job WHERE queue = 'to-disable' AND name <> 'off-7'"
    )
    assert Counter(map(str, rows)) == {
        str({"disabled_by": "web:boss", "disabled_reason": "stocktaking", "until": "2099-01-01"}): 59
    }
    entries = [e for e in site.people.audit("job_disabled") if str(e["job_name"]).startswith("off-")]
    assert len(entries) == 59
    assert {(e["actor"], e["reason"], e["request_id"]) for e in entries} == {
        ("web:boss", "stocktaking", answer.headers["x-request-id"])
    }
    assert all(str(e["application"]).startswith("pgcron admin session ") for e in entries)


def test_each_job_has_its_result_and_none_holds_up_another(boss: Browser, records: Records) -> None:
    ids = [records.job("tag-a"), records.job("tag-b", is_locked=True), records.job("tag-c", tags=["night"])]
    gone = uuid4()
    bulk = begin(boss, action="tag", jobs=[*map(str, ids), str(gone), str(gone)], tag="night")
    told = ended(boss, bulk)
    assert (told["total"], told["done"], told["unchanged"], told["refused"], told["chosen"]) == (4, 1, 1, 2, {"ids": 4})
    found = {item["jobId"]: item for item in items(boss, bulk)}
    assert found[str(ids[0])]["outcome"] == "done"
    assert (found[str(ids[1])]["outcome"], found[str(ids[1])]["code"], found[str(ids[1])]["message"]) == (
        "refused", "job_locked", "job 'tag-b' is locked: its definition can't be changed",
    )  # fmt: skip
    assert found[str(ids[2])]["outcome"] == "unchanged"
    assert (found[str(gone)]["code"], found[str(gone)]["message"], found[str(gone)]["job"]) == (
        "job_not_found",
        f"Cron job with ID {gone} not found",
        None,
    )
    assert [item["jobId"] for item in items(boss, bulk, "outcome=done")] == [str(ids[0])]
    assert records.row("SELECT tags FROM pgcron.cron_job WHERE id = %s", ids[0]) == {"tags": ["night"]}


@pytest.mark.parametrize(
    ("action", "more", "columns", "expected"),
    [
        ("enable", {}, {"is_enabled": False}, {"is_enabled": True}),
        ("untag", {"tag": "a"}, {"tags": ["a", "b"]}, {"tags": ["b"]}),
        ("notify", {"value": False}, {}, {"notify_on_failure": False}),
    ],
)  # fmt: skip
def test_an_action_does_what_it_says(
    boss: Browser,
    records: Records,
    action: str,
    more: dict[str, Any],
    columns: dict[str, Any],
    expected: dict[str, Any],
) -> None:
    id_ = records.job(f"act-{action}", **columns)
    assert ended(boss, begin(boss, action=action, jobs=[str(id_)], **more))["done"] == 1
    assert records.row(f"SELECT {next(iter(expected))} FROM pgcron.cron_job WHERE id = %s", id_) == expected
    assert ended(boss, begin(boss, action=action, jobs=[str(id_)], **more))["unchanged"] == 1


def test_what_goes_on_is_cancelled_in_bulk(boss: Browser, records: Records) -> None:
    id_ = records.job("bulk-cancel")
    records.runs(id_, records.worker("nobody:else"), status="RUNNING", ago="1 s")
    assert ended(boss, begin(boss, action="cancel", jobs=[str(id_)], reason="wrong"))["done"] == 1
    assert records.row("SELECT cancel_reason FROM pgcron.cron_log WHERE job_id = %s", id_) == {"cancel_reason": "wrong"}


def test_an_action_needs_the_permission_of_what_it_does(site: Any, records: Records) -> None:
    id_ = str(records.job("bulk-permitted"))
    operator, viewer = site.session("op", "operator"), site.session("viewer")
    refused(operator.post("/api/bulk", {"action": "tag", "jobs": [id_], "tag": "x"}), 403, "cron.schedule.edit")
    for action, needed in (
        ("run", "cron.trigger"),
        ("cancel", "cron.trigger"),
        ("enable", "cron.enable"),
        ("disable", "cron.enable"),
    ):
        refused(viewer.post("/api/bulk", {"action": action, "jobs": [id_]}), 403, needed)
    bulk = begin(operator, action="disable", jobs=[id_])
    ended(operator, bulk)
    refused(viewer.post(f"/api/bulk/{bulk}/cancel"), 403, "cron.enable")
    tried = [e["new_values"] for e in site.people.audit("request_refused") if e["actor"] == "web:op"]
    assert tried[-1] == {
        "method": "POST",
        "path": "/api/bulk",
        "reason": "this needs the permission cron.schedule.edit",
    }


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"action": "enable"}, "jobs"), ({"action": "enable", "jobs": [], }, "jobs"), ({"action": "enable", "jobs": [str(uuid4())], "filter": {}}, "jobs"),
        ({"action": "delete", "filter": {}}, "action"), ({"action": "tag", "filter": {}}, "tag"), ({"action": "notify", "filter": {}}, "value"),
        ({"action": "enable", "filter": {"queue": "no such"}}, "filter"), ({"action": "enable", "filter": {"tag": "x"}}, "filter.tag"),
        ({"action": "tag", "filter": {}, "tag": "a\u0000"}, "tag"), ({"action": "enable", "jobs": ["x"]}, "jobs"),
    ],
)  # fmt: skip
def test_what_can_not_be_meant_is_refused(boss: Browser, body: dict[str, Any], field: str) -> None:
    told = refused(boss.post("/api/bulk", body), 422, "")["field"]
    assert told.replace("[0]", "") in (field, field.split(".")[-1], "data")


def test_the_same_key_is_the_same_action(boss: Browser, records: Records) -> None:
    body = {"action": "enable", "jobs": [str(records.job("bulk-once"))]}
    first = boss.post("/api/bulk", body, Idempotency_Key="b").json()
    assert boss.post("/api/bulk", body, Idempotency_Key="b").json() == first
    assert len([b for b in boss.get("/api/bulk?limit=100").json() if b["id"] == first["id"]]) == 1


@pytest.fixture(scope="module")
def strict_site(embedded_pg: object, migrated_template: str) -> Iterator[Site]:
    """Users may ask for three runs in a minute, and all for a hundred."""
    limits = {"PGCRON_ADMIN_RUNS_PER_MINUTE": "3", "PGCRON_ADMIN_ALL_RUNS_PER_MINUTE": "100"}
    with site_on(embedded_pg, migrated_template, **limits) as found:
        yield found


@pytest.fixture
def slow(strict_site: Site) -> tuple[Records, Browser]:
    strict_site.renew()
    records = Records(strict_site.db_url)
    records.worker()
    return records, strict_site.session("ann", "operator")


def test_runs_of_a_bulk_action_count_each_and_wait_for_room(slow: tuple[Records, Browser]) -> None:
    records, ann = slow
    jobs = [str(records.job(f"job-{n}")) for n in range(7)]
    off = str(records.job("off", is_enabled=False))
    bulk = begin(ann, action="run", jobs=[*jobs, off])
    told = wait_for(lambda: (t := ann.get(f"/api/bulk/{bulk}").json())["waitsUntil"] and t, "it waits for room")
    assert (told["state"], told["done"]) == ("RUNNING", 3)
    assert len(records.rows("SELECT FROM pgcron.cron_request")) == 3
    single = ann.post(f"/api/cron-jobs/{jobs[6]}/trigger")
    assert single.status_code == 429
    for done in (6, 7):
        records.rows("UPDATE pgcron.app_run_now SET at = at - interval '1 minute'")
        records.rows("UPDATE pgcron.cron_bulk SET not_before = clock_timestamp()")
        wait_for(lambda done=done: ann.get(f"/api/bulk/{bulk}").json()["done"] == done, f"{done} are done", 60)  # type: ignore[misc]
    told = ended(ann, bulk)
    assert (told["done"], told["refused"]) == (7, 1)
    (item,) = items(ann, bulk, "outcome=refused")
    assert (item["jobId"], item["code"]) == (off, "job_disabled")
    requests = {item["requestId"] for item in items(ann, bulk, "outcome=done")}
    assert requests == {
        str(row["id"]) for row in records.rows("SELECT id FROM pgcron.cron_request WHERE requested_by = 'web:ann'")
    }


def test_an_action_that_waits_is_cancelled_and_leaves_the_others_alone(slow: tuple[Records, Browser]) -> None:
    records, ann = slow
    bulk = begin(ann, action="run", jobs=[str(records.job(f"job-{n}")) for n in range(5)])
    wait_for(lambda: ann.get(f"/api/bulk/{bulk}").json()["waitsUntil"], "it waits for room")
    told = ann.post(f"/api/bulk/{bulk}/cancel", {"reason": "changed my mind"}).json()
    assert (told["state"], told["done"], told["cancelled"], told["endedBy"], told["endReason"]) == (
        "CANCELLED",
        3,
        2,
        "web:ann",
        "changed my mind",
    )
    refused(ann.post(f"/api/bulk/{bulk}/cancel"), 409, "has ended: CANCELLED")
    refused(ann.get(f"/api/bulk/{uuid4()}"), 404, "Bulk action with ID")


def test_runs_that_no_worker_would_take_are_refused_unless_forced(slow: tuple[Records, Browser]) -> None:
    records, ann = slow
    job = str(records.job("orphan", handler="nobody:has-it"))
    told = ended(ann, begin(ann, action="run", jobs=[job]))
    assert told["refused"] == 1
    assert ended(ann, begin(ann, action="run", jobs=[job], force=True))["done"] == 1


def test_whoever_was_disabled_meanwhile_changes_nothing_more(slow: tuple[Records, Browser]) -> None:
    records, ann = slow
    bulk = begin(ann, action="run", jobs=[str(records.job(f"job-{n}")) for n in range(5)])
    wait_for(lambda: ann.get(f"/api/bulk/{bulk}").json()["waitsUntil"], "it waits for room")
    records.rows("UPDATE pgcron.app_user SET role = 'viewer' WHERE name = 'ann'")
    records.rows("UPDATE pgcron.app_run_now SET at = at - interval '1 minute'")
    records.rows("UPDATE pgcron.cron_bulk SET not_before = clock_timestamp()")
    wait_for(lambda: records.rows("SELECT FROM pgcron.cron_bulk WHERE state = 'CANCELLED'"), "it is given up")
    assert records.row("SELECT end_reason, done FROM pgcron.cron_bulk") == {
        "end_reason": "web:ann may no longer do that",
        "done": 3,
    }
    assert len(records.rows("SELECT FROM pgcron.cron_request")) == 3


def test_another_process_goes_on_where_one_was_killed(db_url: str, web_url: str) -> None:
    """A job's row is held: the first process waits in a step when it is killed; nothing of that step is left."""
    records = Records(db_url)
    jobs = [records.job(f"job-{n:02}") for n in range(40)]
    with ExitStack() as stack:
        first = stack.enter_context(admin_process(web_url, "--dev"))
        with psycopg.connect(db_url) as holder:
            holder.execute("SELECT FROM pgcron.cron_job WHERE id = %s FOR UPDATE", (sorted(jobs)[30],))
            token = People(db_url).token("ann", "operator", scopes=["cron.view", "cron.enable"])
            bulk = as_program(first.url, token).post("/api/bulk", json={"action": "disable", "filter": {}}).json()["id"]
            wait_for(
                lambda: records.rows(
                    "SELECT FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE '%%bulk_step%%'"
                ),
                "a step waits",
            )
            os.kill(first.process.pid, signal.SIGKILL)
            first.process.wait()
        second = stack.enter_context(admin_process(web_url, "--dev"))
        wait_for(lambda: records.rows("SELECT FROM pgcron.cron_bulk WHERE state = 'DONE'"), "it is done")
        assert (
            as_program(second.url, People(db_url).token("bea", scopes=["cron.view"]))
            .get(f"/api/bulk/{bulk}")
            .json()["done"]
            == 40
        )
    assert records.row("SELECT count(*) AS n FROM pgcron.cron_audit WHERE action = 'job_disabled'") == {"n": 40}
    assert records.rows("SELECT FROM pgcron.cron_job WHERE is_enabled") == []


def test_a_job_whose_row_is_held_for_long_is_refused_and_the_others_done(db_url: str, web_url: str) -> None:
    records = Records(db_url)
    jobs = [records.job(f"job-{n}") for n in range(3)]
    with admin_process(web_url, "--dev") as server, psycopg.connect(db_url) as holder:
        ann = People(db_url).session(server.url, "ann", "operator")
        holder.execute("SELECT FROM pgcron.cron_job WHERE id = %s FOR UPDATE", (jobs[1],))
        told = ended(ann, begin(ann, action="disable", jobs=[str(job) for job in jobs]))
        assert (told["done"], told["refused"]) == (2, 1)
        (item,) = items(ann, told["id"], "outcome=refused")
        assert (item["jobId"], item["code"]) == (str(jobs[1]), "lock_not_available")


def test_two_processes_share_the_steps_and_do_each_job_once(db_url: str, web_url: str) -> None:
    records = Records(db_url)
    for n in range(200):
        records.job(f"job-{n}")
    begun: UUID = records.row(
        "SELECT pgcron.begin_bulk('disable', '{}', '{}', (SELECT array_agg(id) FROM pgcron.cron_job), 'user x', NULL) AS id"
    )["id"]

    async def both() -> list[int]:
        settings = AdminSettings(database_url=web_url, dev=True)
        databases = [Database(web_url, 1), Database(web_url, 1)]
        runners = [BulkRunner(database, settings, Stopping()) for database in databases]

        async def steps(runner: BulkRunner) -> int:
            count = 0
            while records.rows("SELECT FROM pgcron.cron_bulk WHERE state <> 'DONE'"):
                count += await runner.run_once()
            return count

        try:
            return list(await asyncio.gather(*map(steps, runners)))
        finally:
            for database in databases:
                await database.close()

    assert sum(asyncio.run(both())) >= 8
    told = records.row("SELECT state, done, unchanged, refused FROM pgcron.cron_bulk WHERE id = %s", begun)
    assert told == {"state": "DONE", "done": 200, "unchanged": 0, "refused": 0}
    assert records.row("SELECT count(*) AS n FROM pgcron.cron_audit WHERE action = 'job_disabled'") == {"n": 200}
