"""The admin behind pgbouncer in transaction mode, where all clients take turns on one backend."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest

from support.admin import People, admin_process, as_program
from support.api import Records
from support.bouncer import Bouncer, Neighbour, bouncer_for
from support.fleet import wait_for

pytestmark = pytest.mark.long


@pytest.fixture(scope="module")
def bouncer(pg_admin_url: str) -> Iterator[Bouncer]:
    with bouncer_for(pg_admin_url) as started:
        yield started


def test_it_works_and_leaves_nothing_to_the_next_client_nor_takes_what_the_last_one_left(
    bouncer: Bouncer, db_url: str, web_url: str
) -> None:
    people = People(db_url)
    token = people.token("boss", "super_admin", scopes=["cron.user.admin", "system.cron.manage"])
    neighbour = Neighbour(bouncer, web_url)
    try:
        neighbour.leaves(
            "SET pgcron.actor = 'mallory'", "SET pgcron.client_address = '6.6.6.6'", "SET pgcron.rehash = 'on'", "SET TimeZone = 'Asia/Tokyo'",
            "SET statement_timeout = '1h'",
        )  # fmt: skip
        before = neighbour.sees()
        with admin_process(bouncer.url(web_url), "--dev", PGCRON_ADMIN_POOL_SIZE="5") as server:
            program = as_program(server.url, token)

            def ask(number: int) -> int:
                made = program.post(
                    "/api/users", json={"name": f"user-{number}", "role": "viewer", "password": "a long enough word"}
                )
                changed = program.patch(f"/api/users/{made.json()['id']}", json={"password": "another word, longer"})
                return max(made.status_code, changed.status_code, program.get("/api/users").status_code)

            with ThreadPoolExecutor(5) as threads:
                assert set(threads.map(ask, range(10))) == {201}
        assert neighbour.finds_changed(before) == {}
    finally:
        neighbour.close()
    entries = people.audit("user_created")[-10:]
    assert {str(entry["actor"]).split(":")[0] for entry in entries} == {"token"}
    assert {entry["client_address"] for entry in entries} == {"127.0.0.1"}
    with psycopg.connect(db_url) as connection:
        changed = connection.execute(
            "SELECT count(*) FROM pgcron.app_user WHERE password_changed_at > created_at + interval '1 ms'"
        )
        assert changed.fetchone() == (10,)


def test_runs_now_pages_and_bulk_actions_work_behind_it_too(bouncer: Bouncer, db_url: str, web_url: str) -> None:
    records = Records(db_url)
    worker = records.worker()
    jobs = [records.job(f"job-{n}", tags=["a"]) for n in range(12)]
    records.runs(jobs[0], worker, 20, ago="2 h")
    token = People(db_url).token("ann", "operator", scopes=["cron.view", "cron.trigger", "cron.enable"])
    with admin_process(bouncer.url(web_url), "--dev", PGCRON_ADMIN_POOL_SIZE="5") as server:
        program = as_program(server.url, token)
        with ThreadPoolExecutor(5) as threads:
            answers = list(threads.map(lambda job: program.post(f"/api/cron-jobs/{job}/trigger").status_code, jobs))
            assert sorted(answers) == [202] * 10 + [429] * 2
            pages = list(threads.map(lambda n: program.get(f"/api/cron-jobs?limit={n}&tag=a").json(), range(1, 13)))
            assert [len(page) for page in pages] == list(range(1, 13))
            logs = threads.map(lambda n: program.get(f"/api/cron-jobs/{jobs[0]}/logs?limit={n}").json(), range(1, 20))
            assert [[run["seq"] for run in page] for page in logs] == [
                list(range(20, 20 - n, -1)) for n in range(1, 20)
            ]
        bulk = program.post(
            "/api/bulk", json={"action": "disable", "filter": {"tags": ["a"]}, "reason": "pooled"}
        ).json()["id"]
        wait_for(lambda: program.get(f"/api/bulk/{bulk}").json()["state"] == "DONE", "the bulk action ends")
    told = records.rows("SELECT DISTINCT is_enabled, disabled_by, disabled_reason FROM pgcron.cron_job")
    assert [
        (row["is_enabled"], str(row["disabled_by"]).rpartition(":")[2], row["disabled_reason"]) for row in told
    ] == [(False, "ann", "pooled")]
