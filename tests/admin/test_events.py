"""Live events: real servers, real sockets, changes made in the database by somebody else."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any
from uuid import UUID, uuid4

import httpx
import psycopg
import pytest
from conftest import SERVERS

from pgcron_admin.database import Database as AdminDatabase
from pgcron_admin.live.events import Lines
from pgcron_admin.live.stream import Stream, sent
from pgcron_admin.live.topics import Kind, Topic
from support.admin import METRICS_TOKEN, People, Server, admin_process, as_program
from support.admin_sites import Site
from support.bouncer import bouncer_for
from support.events import Event, follow
from support.fleet import Fleet, wait_for
from support.proxy import proxied
from support.standby import pair_of

IMPATIENT = "from pgcron_admin.live import stream; stream.CHECK_EVERY_S = 0.2"
ALL = "jobs,runs,workers,alerts,fleet"
LISTENERS = (
    "SELECT pid FROM pg_stat_activity WHERE application_name = 'pgcron admin listen' AND datname = current_database()"
)


class Database:
    """What others do to it."""

    def __init__(self, url: str) -> None:
        self.connection = psycopg.connect(url, autocommit=True)

    def value(self, query: str, *values: object) -> Any:
        row = self.connection.execute(query, values or None).fetchone()
        return None if row is None else row[0]

    def job(self, name: str) -> str:
        statement = "INSERT INTO pgcron.cron_job (name, schedule, handler) VALUES (%s, '0 0 1 1 *', 'h') RETURNING id"
        return str(self.value(statement, name))

    def run(self, job: str, status: str = "RUNNING", **columns: object) -> str:
        seq = self.value("UPDATE pgcron.cron_job SET run_seq = run_seq + 1 WHERE id = %s RETURNING run_seq", job)
        given = {"job_id": job, "seq": seq, "status": status, "cause": "manual", "worker_id": uuid4(), "handler": "h", "job_version": 1,
                 "schedule": "@daily", "is_exclusive": False, **columns}  # fmt: skip
        statement = (
            f"INSERT INTO pgcron.cron_log ({', '.join(given)}) VALUES ({', '.join(['%s'] * len(given))}) RETURNING id"
        )
        return str(self.value(statement, *given.values()))

    def write(self, run: str, first: int, last: int, text: str = "line") -> None:
        self.connection.execute(
            "INSERT INTO pgcron.cron_log_line (run_id, line_no, stream, at, text) SELECT %s, n, 'stdout', clock_timestamp(), %s || n "
            "FROM generate_series(%s::bigint, %s::bigint) n", (run, text, first, last),
        )  # fmt: skip

    def complete(self, run: str, lines: int) -> None:
        self.connection.execute(
            "INSERT INTO pgcron.cron_log_output (run_id, lines, bytes, is_complete) VALUES (%s, %s, %s, true)",
            (run, lines, lines * 5),
        )


@pytest.fixture(scope="module")
def site(own_site: Site) -> Site:
    return own_site


@pytest.fixture
def database(site: Any) -> Iterator[Database]:
    found = Database(site.db_url)
    yield found
    found.connection.close()


@pytest.fixture
def viewer(site: Any) -> httpx.Client:
    return as_program(site.url, site.people.token("watcher", "viewer", scopes=["cron.view"]))


def of_job(job: str, wanted: Callable[[dict[str, Any]], Any]) -> Callable[[Event], Any]:
    return lambda event: (
        event.name == "job" and event.data["topic"] == f"job:{job}" and event.data["job"] and wanted(event.data["job"])
    )


def test_a_stream_begins_with_the_whole_of_each_topic(viewer: httpx.Client, database: Database) -> None:
    job = database.job("whole")
    run = database.run(job)
    with follow(viewer, f"{ALL},job:{job},run:{run}") as followed:
        assert followed.until(lambda e: e.name == "status").data["isLive"] is True
        jobs = followed.until(lambda e: e.name == "jobs").data
        assert (jobs["isSnapshot"], jobs["more"], jobs["removed"]) == (True, 0, [])
        assert "whole" in [it["name"] for it in jobs["jobs"]]
        assert jobs["counts"]["total"] == len(jobs["jobs"])
        runs = followed.until(lambda e: e.name == "runs").data
        assert runs["isSnapshot"] is True
        assert run in [it["id"] for it in runs["runs"]]
        assert followed.until(lambda e: e.name == "job").data["job"]["state"] == "enabled"
        assert followed.until(lambda e: e.name == "run").data["run"]["status"] == "RUNNING"
        assert followed.until(lambda e: e.name == "output_totals").data["isComplete"] is False
        assert followed.until(lambda e: e.name == "workers").data["workers"] == []
        assert followed.until(lambda e: e.name == "alerts").data["alerts"] == []
        assert followed.until(lambda e: e.name == "fleet").data["fleet"]["isPaused"] is False


def test_a_change_made_in_psql_comes_and_so_does_what_becomes_of_a_run(
    viewer: httpx.Client, database: Database
) -> None:
    job = database.job("edited")
    other = database.job("untouched")
    with follow(viewer, f"jobs,runs,job:{job}") as followed:
        followed.until(lambda e: e.name == "jobs")
        database.connection.execute("UPDATE pgcron.cron_job SET schedule = '*/7 * * * *' WHERE id = %s", (job,))
        followed.until(of_job(job, lambda it: it["schedule"] == "*/7 * * * *"))
        change = followed.until(lambda e: e.name == "jobs" and not e.data["isSnapshot"]).data
        assert [it["id"] for it in change["jobs"]] == [job]
        assert other not in str(change)
        with database.connection.transaction():
            run = database.run(job)
            database.connection.execute(
                "UPDATE pgcron.cron_job SET running_count = 1, is_exclusive = false, overlap_policy = 'allow_all' WHERE id = %s", (job,)
            )  # fmt: skip
        followed.until(of_job(job, lambda it: it["runningCount"] == 1))
        followed.until(lambda e: e.name == "runs" and [it["id"] for it in e.data["runs"][:1]] == [run])
        database.connection.execute(
            "UPDATE pgcron.cron_log SET status = 'SUCCESS', completed_at = clock_timestamp() WHERE id = %s", (run,)
        )
        followed.until(
            lambda e: e.name == "runs" and any(it["id"] == run and it["status"] == "SUCCESS" for it in e.data["runs"])
        )
        database.connection.execute("UPDATE pgcron.cron_job SET running_count = 0 WHERE id = %s", (job,))
        database.connection.execute("DELETE FROM pgcron.cron_job WHERE id = %s", (job,))
        followed.until(lambda e: e.name == "jobs" and e.data["removed"] == [job])
        followed.until(lambda e: e.name == "job" and e.data["job"] is None)


def test_what_the_fleet_workers_and_alerts_do_comes(viewer: httpx.Client, database: Database) -> None:
    with follow(viewer, "fleet,workers,alerts") as followed:
        followed.until(lambda e: e.name == "fleet" and not e.data["fleet"]["isPaused"])
        database.connection.execute("SELECT pgcron.pause_all('stocktaking')")
        paused = followed.until(lambda e: e.name == "fleet" and e.data["fleet"]["isPaused"]).data["fleet"]
        assert paused["pausedReason"] == "stocktaking"
        database.connection.execute("SELECT pgcron.resume_all()")
        worker = uuid4()
        with database.connection.transaction():
            database.connection.execute(
                "INSERT INTO pgcron.cron_worker (id, host, pid, version, concurrency) VALUES (%s, 'h1', 7, '1', 4)",
                (worker,),
            )
            database.connection.execute(
                "INSERT INTO pgcron.cron_lease (worker_id, lease_until, ttl_ms) VALUES (%s, clock_timestamp() + interval '1 h', 30000)",
                (worker,),
            )
        told = followed.until(lambda e: e.name == "workers" and e.data["workers"]).data["workers"]
        assert [(it["id"], it["host"], it["isAlive"]) for it in told] == [(str(worker), "h1", True)]
        followed.until(lambda e: e.name == "fleet" and e.data["fleet"]["capacity"] == 4)
        database.connection.execute("INSERT INTO pgcron.cron_alert (kind, detail) VALUES ('fleet_silent', '{}')")
        followed.until(
            lambda e: e.name == "alerts" and e.data["alerts"] and e.data["alerts"][0]["kind"] == "fleet_silent"
        )
    database.connection.execute("DELETE FROM pgcron.cron_worker")
    database.connection.execute("DELETE FROM pgcron.cron_alert")


@pytest.mark.parametrize(
    ("topics", "told"),
    [
        ("jobs,everything", "'everything' is none"),
        ("job", "'job' is none"),
        ("jobs:0192f0c1-2345-7000-8000-000000000000", "is none"),
        ("run:7", "'run:7' is none"),
        (" , ", "none is named"),
        (",".join(f"run:{uuid4()}" for _ in range(11)), "more than"),
    ],
)
def test_topics_that_are_none_are_refused_with_the_field(viewer: httpx.Client, topics: str, told: str) -> None:
    answer = viewer.get("/api/events", params={"topics": topics})
    assert (answer.status_code, answer.json()["field"]) == (422, "topics")
    assert told in answer.json()["detail"]


def test_output_comes_in_order_once_whoever_comes_late_or_comes_back(viewer: httpx.Client, database: Database) -> None:
    run = database.run(database.job("chatty"))
    database.write(run, 1, 2500)
    topic = f"run:{run}"
    last: list[str | None] = []

    def is_there(number: int) -> Callable[[Event], Any]:
        return lambda e: e.name == "output" and e.data["lines"][-1]["no"] >= number

    with follow(viewer, topic) as early:
        early.until(is_there(2500))
        assert early.lines() == list(range(1, 2501))
        writer = threading.Thread(target=write_slowly, args=(database, run, 2501, 3500))
        writer.start()
        early.until(is_there(2800))
        with follow(viewer, topic) as late:
            with follow(viewer, topic) as cut:
                cut.until(is_there(2900))
            # What the client saw last is what it says; what was on its way then comes again, to it alone.
            seen = cut.lines()
            last.append(next(e.id for e in reversed(cut.events) if e.name == "output"))
            writer.join()
            database.complete(run, 3500)
            with follow(viewer, topic, last_id=last[0]) as again:
                for followed in (early, late, again):
                    followed.until(lambda e: e.name == "output_totals" and e.data["isComplete"])
                assert early.lines() == late.lines() == list(range(1, 3501))
                assert seen + again.lines() == list(range(1, 3501))
                assert again.until(lambda e: e.name == "output_totals" and e.data["isComplete"]).data["total"] == 3500


def write_slowly(database: Database, run: str, first: int, last: int) -> None:
    with psycopg.connect(database.connection.info.dsn, autocommit=True) as connection:
        for number in range(first, last, 10):
            connection.execute(
                "INSERT INTO pgcron.cron_log_line (run_id, line_no, stream, at, text) SELECT %s, n, 'log', clock_timestamp(), 'x' "
                "FROM generate_series(%s::bigint, %s::bigint) n", (run, number, number + 9),
            )  # fmt: skip
            time.sleep(0.01)


@pytest.mark.parametrize("has", [0, 95, 100, 105, 110, 120])
def test_whoever_comes_from_another_process_is_sent_what_it_does_not_have_wherever_this_one_stands(
    database: Database, site: Any, has: int
) -> None:
    run = UUID(database.run(database.job(f"between {has}")))
    database.write(str(run), 1, 110)
    told = Lines(
        run, 100, 110, b"event: output\ndata: " + lines_of(101, 110) + b"\n\n", b"event: output_totals\ndata: {}\n\n"
    )

    async def read() -> list[int]:
        pool = AdminDatabase(site.web_url)
        stream = Stream(frozenset({Topic(Kind.RUN, run)}), {run: has}, "somebody")
        stream.give(told)
        try:
            text = b""
            async for piece in sent(stream, pool, never):
                text += piece
                if b"output_totals" in piece:
                    stream.end("shutdown")
            assert f"{run}.{max(has, 110)}".encode() in text or has >= 110
            return [int(no) for no in re.findall(rb'"no":(\d+)', text)]
        finally:
            await pool.close()

    assert asyncio.run(read()) == list(range(has + 1, 111))


def lines_of(first: int, last: int) -> bytes:
    return json.dumps({"lines": [{"no": no} for no in range(first, last + 1)]}, separators=(",", ":")).encode()


async def never() -> None:
    """No reason to end."""


def test_an_id_that_is_not_ours_begins_with_the_first_line(viewer: httpx.Client, database: Database) -> None:
    run = database.run(database.job("short"))
    database.write(run, 1, 3)
    for strange in ("nonsense", f"{run}.x", f"{uuid4()}.2", f"{run}.-1", f"{run}.{2**70}"):
        with follow(viewer, f"run:{run}", last_id=strange) as followed:
            followed.until(lambda e: e.name == "output")
            assert followed.lines() == [1, 2, 3]


def test_a_trace_is_in_no_event(viewer: httpx.Client, database: Database) -> None:
    job = database.job("secretive")
    with follow(viewer, f"jobs,runs,job:{job}") as followed:
        followed.until(lambda e: e.name == "runs")
        run = database.run(
            job, "FAILED", reason="error", error="ValueError: told", stack_trace="Traceback: hidden-7f3b", completed_at="2100-01-01"
        )  # fmt: skip
        with follow(viewer, f"run:{run}") as one:
            assert one.until(lambda e: e.name == "run").data["run"]["error"] == "ValueError: told"
            followed.until(lambda e: e.name == "runs" and not e.data["isSnapshot"] and e.data["runs"][0]["id"] == run)
            assert "hidden-7f3b" not in str([*followed.events, *one.events])


def test_many_changes_of_one_thing_are_a_few_messages(viewer: httpx.Client, database: Database) -> None:
    job = database.job("busy")
    with follow(viewer, f"job:{job}") as followed:
        followed.until(lambda e: e.name == "job")
        began = time.monotonic()
        for number in range(300):
            database.connection.execute("UPDATE pgcron.cron_job SET description = %s WHERE id = %s", (str(number), job))
        followed.until(of_job(job, lambda it: it["version"] == 301))
        seconds = time.monotonic() - began
        assert len(followed.named("job")) <= seconds / 0.25 + 3


def test_fifty_streams_listen_with_one_connection(viewer: httpx.Client, database: Database) -> None:
    job = database.job("shared")
    with contextlib.ExitStack() as stack:
        streams = [stack.enter_context(follow(viewer, f"jobs,job:{job}")) for _ in range(50)]
        for followed in streams:
            followed.until(lambda e: e.name == "job")
        wait_for(lambda: len(database.connection.execute(LISTENERS).fetchall()) == 1, "one connection that listens")
        database.connection.execute("UPDATE pgcron.cron_job SET description = 'for all' WHERE id = %s", (job,))
        for followed in streams:
            followed.until(of_job(job, lambda it: it["version"] == 2))


CROWDED = "from pgcron_admin.live import hub; hub.STREAMS_OF_ONE = 3"


def test_who_has_too_many_streams_open_gets_no_other_until_one_ends(db_url: str, web_url: str) -> None:
    people = People(db_url)
    with admin_process(web_url, "--dev", before=CROWDED) as server, contextlib.ExitStack() as stack:
        greedy = as_program(server.url, people.token("greedy", "viewer", scopes=["cron.view"]))
        opened = [stack.enter_context(follow(greedy, "fleet")) for _ in range(2)]
        with follow(greedy, "fleet") as third:
            for followed in (*opened, third):
                followed.until(lambda e: e.name == "fleet")
            refused = greedy.get("/api/events?topics=fleet")
            assert (refused.status_code, refused.json()["code"], refused.headers["retry-after"]) == (
                429,
                "too_many_requests",
                "10",
            )
            other = as_program(server.url, people.token("modest", "viewer", scopes=["cron.view"]))
            stack.enter_context(follow(other, "fleet")).until(lambda e: e.name == "fleet")

        def is_let_in() -> bool:
            with greedy.stream("GET", "/api/events?topics=fleet") as answer:
                return answer.status_code == 200

        wait_for(is_let_in, "room for another")


def test_a_connection_that_is_ended_listens_again_and_everybody_gets_the_whole(
    viewer: httpx.Client, database: Database
) -> None:
    with follow(viewer, "jobs") as followed:
        followed.until(lambda e: e.name == "status" and e.data["hearsAtOnce"])
        wait_for(lambda: followed.named("jobs"), "the first whole")
        before = len(followed.events)
        database.connection.execute(f"SELECT pg_terminate_backend(pid, 5000) FROM ({LISTENERS}) l")
        job = database.job("made meanwhile")
        wait_for(
            lambda: any(e.name == "status" and not e.data["hearsAtOnce"] for e in followed.events[before:]),
            "it says so",
        )
        whole = wait_for(
            lambda: next((e for e in followed.events[before:] if e.name == "jobs" and e.data["isSnapshot"]), None), "the whole"
        )  # fmt: skip
        assert job in [it["id"] for it in whole.data["jobs"]]
        assert next(e for e in reversed(followed.events) if e.name == "status").data["hearsAtOnce"] is True


@pytest.fixture
def impatient(db_url: str, web_url: str) -> Iterator[tuple[Server, People]]:
    """An admin that looks after sessions five times a second."""
    with admin_process(web_url, "--dev", before=IMPATIENT) as server:
        yield server, People(db_url)


def test_a_stream_ends_with_its_session_its_token_or_the_permission(impatient: Any, db_url: str) -> None:
    server, people = impatient
    browser = people.session(server.url, "leaver", "viewer")
    token = as_program(server.url, people.token("bot", "viewer", scopes=["cron.view"]))
    demoted = people.session(server.url, "demoted", "viewer")
    with (
        psycopg.connect(db_url, autocommit=True) as connection,
        follow(browser.http, "fleet") as one,
        follow(token, "fleet") as two,
        follow(demoted.http, "fleet") as three,
    ):
        for followed in (one, two, three):
            followed.until(lambda e: e.name == "fleet")
        time.sleep(1)  # several looks after the sessions, which all are good
        assert [it.is_over for it in (one, two, three)] == [False] * 3
        connection.execute(
            "UPDATE pgcron.app_session SET revoked_at = clock_timestamp() WHERE user_id = (SELECT id FROM pgcron.app_user WHERE name = 'leaver')"
        )
        assert one.until_over()[-1].data == {
            "reason": "signed_out",
            "message": "the session or token has ended",
            "comeBack": False,
        }
        connection.execute("UPDATE pgcron.api_token SET expires_at = clock_timestamp()")
        assert two.until_over()[-1].data["reason"] == "signed_out"
        assert not three.is_over
        connection.execute("INSERT INTO pgcron.app_role (name, description) VALUES ('nobody', 'nothing')")
        connection.execute("UPDATE pgcron.app_user SET role = 'nobody' WHERE name = 'demoted'")
        # A new role ends the sessions of a user: so this is a sign-out, too.
        assert three.until_over()[-1].data["reason"] in ("signed_out", "not_permitted")


def test_an_open_stream_does_not_count_as_use_of_the_session(impatient: Any, db_url: str) -> None:
    server, people = impatient
    browser = people.session(server.url, "away", "viewer")
    with psycopg.connect(db_url, autocommit=True) as connection, follow(browser.http, "fleet") as followed:
        followed.until(lambda e: e.name == "fleet")
        connection.execute("UPDATE pgcron.app_session SET last_seen_at = clock_timestamp() - interval '31 min'")
        assert followed.until_over()[-1].data["reason"] == "signed_out"


def raw_stream(server: Server, token: str, topics: str) -> socket.socket:
    """A client that asks, and then reads nothing."""
    client = socket.socket()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    client.connect(("127.0.0.1", server.port))
    client.sendall(
        f"GET /api/events?topics={topics} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {token}\r\n\r\n".encode()
    )
    return client


def is_cut(client: socket.socket) -> bool:
    """Whether nothing more comes after what is on its way."""
    client.settimeout(20)
    try:
        while client.recv(1 << 20):
            pass
    except ConnectionError:
        return True
    except TimeoutError:
        return False
    return True


SLOW = "from pgcron_admin.live import stream; stream.BACKLOG_MESSAGES = 4"


def test_a_client_that_reads_too_slowly_is_sent_away_and_nobody_waits_for_it(db_url: str, web_url: str) -> None:
    database, people = Database(db_url), People(db_url)
    job = database.job("noisy")
    run = database.run(job)
    database.write(run, 1, 1000, "x" * 20_000)
    with admin_process(web_url, "--dev", before=SLOW, PGCRON_ADMIN_METRICS_TOKEN=METRICS_TOKEN) as server:
        token = people.token("slow", "viewer", scopes=["cron.view"])
        with follow(as_program(server.url, token), f"job:{job}") as quick:
            slow = raw_stream(server, token, f"run:{run},job:{job}")
            number = 1
            while "pgcron_admin_streams_dropped_total 1.0" not in metrics(server):
                number += 1
                assert number < 200, "nobody was sent away"
                database.connection.execute(
                    "UPDATE pgcron.cron_job SET description = %s WHERE id = %s", (str(number), job)
                )
                quick.until(of_job(job, lambda it, version=number: it["version"] == version), seconds=5)  # type: ignore[misc]  # bound now
            assert is_cut(slow)
            slow.close()
            assert not quick.is_over
            assert "pgcron_admin_streams 1.0" in metrics(server)


def metrics(server: Server) -> str:
    return as_program(server.url, METRICS_TOKEN).get("/metrics").text


@pytest.mark.parametrize("reads", [True, False])
def test_streams_end_at_once_with_the_process_whether_or_not_they_are_read(
    db_url: str, web_url: str, reads: bool
) -> None:
    database, people = Database(db_url), People(db_url)
    run = database.run(database.job("long"))
    database.write(run, 1, 1000, "x" * 20_000)
    token = people.token("stayer", "viewer", scopes=["cron.view"])
    with admin_process(web_url, "--dev") as server, contextlib.ExitStack() as stack:
        program = as_program(server.url, token)
        followed = stack.enter_context(follow(program, "fleet"))
        followed.until(lambda e: e.name == "fleet")
        if not reads:
            stuck = raw_stream(server, token, f"run:{run}")
            stack.callback(stuck.close)
            time.sleep(1)  # long enough for the first megabytes to fill the buffers between
        began = time.monotonic()
        server.process.send_signal(signal.SIGTERM)
        end = followed.until(lambda e: e.name == "end").data
        assert (end["reason"], end["comeBack"]) == ("shutdown", True)
        server.process.wait(20)
        assert time.monotonic() - began < 4.5, "it waited for a stream"


def test_a_database_that_is_away_is_told_and_so_is_its_return(db_url: str, web_url: str) -> None:
    database = Database(db_url)
    token = People(db_url).token("watcher", "viewer", scopes=["cron.view"])
    with contextlib.ExitStack() as stack:
        proxy, url = stack.enter_context(proxied(web_url))
        server = stack.enter_context(admin_process(url, "--dev"))
        with follow(as_program(server.url, token), "jobs") as followed:
            followed.until(lambda e: e.name == "jobs")
            proxy.fall_silent()
            proxy.cut_all()
            followed.until(lambda e: e.name == "status" and not e.data["isLive"])
            before = len(followed.events)
            job = database.job("made while it was away")
            proxy.calm()
            whole = wait_for(
                lambda: next((e for e in followed.events[before:] if e.name == "jobs" and e.data["isSnapshot"]), None),
                "the whole, once the database is back",
            )
            assert job in [it["id"] for it in whole.data["jobs"]]
            wait_for(lambda: followed.named("status")[-1].data["isLive"], "it says so")


def test_behind_a_transaction_pooler_changes_come_with_the_next_look(
    pg_admin_url: str, db_url: str, web_url: str
) -> None:
    database = Database(db_url)
    token = People(db_url).token("watcher", "viewer", scopes=["cron.view"])
    with contextlib.ExitStack() as stack:
        server = stack.enter_context(
            admin_process(stack.enter_context(bouncer_for(pg_admin_url)).url(web_url), "--dev")
        )
        with follow(as_program(server.url, token), "jobs") as followed:
            followed.until(lambda e: e.name == "jobs")
            job = database.job("seen by looking")
            followed.until(lambda e: e.name == "jobs" and any(it["id"] == job for it in e.data["jobs"]))
            assert not any(e.data["hearsAtOnce"] for e in followed.named("status"))
            assert any("behind_a_pooler" in line for line in server.lines)


def test_on_a_standby_which_knows_no_notifications_changes_come_with_the_next_look() -> None:
    from pgcron_py.app.database import upgrade

    with pair_of(SERVERS[os.environ.get("PGCRON_TEST_PG", "18")]) as pair:
        upgrade(pair.primary.url)
        token = People(pair.primary.url).token("watcher", "viewer", scopes=["cron.view"])
        pair.catch_up()
        with (
            admin_process(pair.standby.url, "--dev") as server,
            follow(as_program(server.url, token), "jobs") as followed,
        ):
            followed.until(lambda e: e.name == "jobs")
            database = Database(pair.primary.url)
            job = database.job("made on the primary")
            followed.until(lambda e: e.name == "jobs" and any(it["id"] == job for it in e.data["jobs"]))
            database.connection.execute("UPDATE pgcron.cron_job SET success_count = 3 WHERE id = %s", (job,))
            followed.until(lambda e: e.name == "jobs" and any(it["successCount"] == 3 for it in e.data["jobs"]))
            assert not any(e.data["hearsAtOnce"] for e in followed.named("status"))
            database.connection.close()


def test_a_real_run_is_followed_from_its_start_to_its_last_line(fleet: Fleet, db_url: str, web_url: str) -> None:
    fleet.app("""
        @app.cron_job("talker", "@yearly")
        async def talker() -> None:
            for number in range(20):
                print("word", number)
                await asyncio.sleep(0.05)
    """)
    fleet.start()
    token = People(db_url).token("watcher", "viewer", scopes=["cron.view"])
    with admin_process(web_url, "--dev") as server:
        program = as_program(server.url, token)
        with follow(program, ALL) as followed:
            followed.until(lambda e: e.name == "workers" and e.data["workers"])
            fleet.planned()
            fleet.do("SELECT pgcron.run_now('talker')")
            started = followed.until(lambda e: e.name == "runs" and not e.data["isSnapshot"]).data["runs"][0]
            assert (started["job"], started["cause"]) == ("talker", "manual")
            with follow(program, f"run:{started['id']}") as one:
                one.until(lambda e: e.name == "output_totals" and e.data["isComplete"])
                texts = [line["text"] for event in one.named("output") for line in event.data["lines"]]
                assert texts == [f"word {number}" for number in range(20)]
                one.until(lambda e: e.name == "run" and e.data["run"]["status"] == "SUCCESS")
            followed.until(lambda e: e.name == "jobs" and any(it["lastStatus"] == "SUCCESS" for it in e.data["jobs"]))
