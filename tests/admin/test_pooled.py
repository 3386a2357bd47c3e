"""The admin behind pgbouncer in transaction mode, where all clients take turns on one backend."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest

from support.admin import People, admin_process, as_program
from support.bouncer import Bouncer, Neighbour, bouncer_for


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
