"""What a worker says about itself: over HTTP, to systemd, to Prometheus, in its log. Real workers, real sockets."""

from __future__ import annotations

import asyncio
import http.client
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from pgcron_workers import health
from pgcron_workers.health import Page, Pulse, Server
from pgcron_workers.sd_notify import Notifier
from pgcron_workers.vitals import Vitals
from support.fleet import Fleet, Worker, wait_for
from support.proxy import proxied

JOBS = """
@app.cron_job("tick", "* * * * * *")
async def tick() -> None: ...
@app.cron_job("slow", "* * * * * *")
async def slow() -> None: await asyncio.sleep(1.5)
@app.cron_job("bad", "* * * * * *", max_consecutive_failures=None)
def bad() -> None: raise ValueError("no good")
@app.cron_job("effect", "* * * * * *", transactional=True)
async def effect(ctx: JobContext) -> None:
    await ctx.connection.execute("INSERT INTO effect (what) VALUES ('x')")
"""
WELL = Vitals(None, 0.1, True, False, False, False, True, False, 10, 0, 4, 0, 0, 0)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Probe:
    """What stands on a worker's health port."""

    def __init__(self) -> None:
        self.port = free_port()
        self.flags = ("--health-port", str(self.port))

    def get(self, path: str, method: str = "GET") -> tuple[int, str]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=5)
        try:
            connection.request(method, path)
            response = connection.getresponse()
            return response.status, response.read().decode()
        finally:
            connection.close()

    def checks(self, path: str = "/health/ready") -> tuple[int, dict[str, Any]]:
        status, body = self.get(path)
        answer = json.loads(body)
        assert answer["ok"] == (status == 200)
        return status, answer["checks"]

    def is_up(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def is_ready(self) -> bool:
        return self.checks()[0] == 200

    def metrics(self) -> dict[tuple[str, ...], float]:
        """{(name, label values…): value}"""
        families = text_string_to_metric_families(self.get("/metrics")[1])
        return {
            (sample.name, *(value for _, value in sorted(sample.labels.items()))): sample.value
            for family in families
            for sample in family.samples
        }


@pytest.fixture
def probe() -> Probe:
    return Probe()


def lines_of(worker: Worker, event: str) -> list[dict[str, Any]]:
    texts = (text for text in worker.log.splitlines() if text.startswith("{"))
    return [line for text in texts if (line := json.loads(text))["event"] == event]


def test_a_worker_is_ready_then_drains_and_lives_all_the_while(fleet: Fleet, probe: Probe) -> None:
    fleet.app("@app.handler('wait')\nasync def wait(): await asyncio.sleep(3)")
    fleet.do("INSERT INTO pgcron.cron_job (name, schedule, handler) VALUES ('wait', '* * * * * *', 'wait')")
    worker = fleet.start(*probe.flags)
    wait_for(probe.is_ready, "ready")
    assert {name for name, check in probe.checks()[1].items() if check["ok"]} == {
        "registered", "database", "lease", "executor", "draining",
    }  # fmt: skip
    wait_for(lambda: probe.metrics()["pgcron_slots", "used"] == 1, "a run goes on")
    fleet.do("UPDATE pgcron.cron_job SET is_enabled = false")
    worker.signal(15)
    _, checks = wait_for(lambda: (it := probe.checks())[0] == 503 and it, "not ready")
    assert [name for name, check in checks.items() if not check["ok"]] == ["draining"]
    assert checks["draining"] == {"ok": False, "state": "yes"}
    assert probe.get("/health/live")[0] == 200
    assert worker.process.wait(20) == 0
    assert not probe.is_up()


def test_a_worker_that_waits_for_its_database_is_alive_and_not_ready(
    fleet: Fleet, probe: Probe, worker_url: str
) -> None:
    fleet.app("")
    nowhere = f"postgresql://nobody@127.0.0.1:{free_port()}/nothing"
    worker = fleet.start(*probe.flags, ready=False, url=nowhere)
    worker.says("database_away")
    status, checks = probe.checks()
    assert status == 503
    assert checks["registered"] == {"ok": False, "state": "no"}
    assert checks["database"] == {"ok": False, "state": "away"}
    assert checks["lease"] == {"ok": False, "state": "none"}
    assert probe.get("/health/live")[0] == 200
    assert probe.metrics()["pgcron_database_away",] == 1
    assert worker.stop() == 0


@pytest.mark.long
def test_in_an_outage_a_worker_is_not_ready_but_alive_and_comes_back(
    fleet: Fleet, probe: Probe, worker_url: str
) -> None:
    fleet.app("")
    fleet.environment = {"PGCRON_LEASE_TTL": "4", "PGCRON_BEAT": "0.5"}
    with proxied(worker_url) as (proxy, url):
        fleet.start(*probe.flags, url=url)
        wait_for(probe.is_ready, "ready")
        proxy.fall_silent()
        wait_for(lambda: probe.checks()[1]["database"]["state"] == "away", "away")
        wait_for(lambda: not probe.is_ready(), "not ready")
        began = time.monotonic()
        while time.monotonic() - began < 6:  # longer than its lease
            assert probe.get("/health/live")[0] == 200
            time.sleep(0.2)
        assert probe.metrics()["pgcron_lease_age_ratio",] > 1
        proxy.fall_silent(False)
        proxy.cut_all()
        wait_for(probe.is_ready, "ready again")
        wait_for(lambda: probe.metrics()["pgcron_database_away",] == 0, "every duty has reached it again")


def test_metrics_are_what_the_database_says(fleet: Fleet, probe: Probe) -> None:
    fleet.app(JOBS)
    worker = fleet.start(*probe.flags, "--log-level", "debug")
    fleet.ended("slow", 2)
    fleet.ended("effect", 2)
    assert probe.metrics()["pgcron_listener_connected",] == 1
    fleet.do("UPDATE pgcron.cron_job SET is_enabled = false")
    wait_for(lambda: not fleet.rows("SELECT 1 FROM pgcron.cron_log WHERE status = 'RUNNING'"), "all ended")
    wait_for(lambda: not fleet.rows("SELECT 1 FROM pgcron.cron_job WHERE needs_plan"), "all planned")
    runs = fleet.rows("SELECT status, coalesce(reason, '') AS reason, count(*) AS n FROM pgcron.cron_log GROUP BY 1, 2")
    misses = fleet.rows("SELECT reason, sum(count)::int AS n FROM pgcron.cron_miss GROUP BY 1")
    wanted = {("pgcron_runs_total", row["reason"], row["status"]): row["n"] for row in runs}
    wanted |= {("pgcron_misses_total", row["reason"]): row["n"] for row in misses}
    assert {row["reason"] for row in misses} >= {"overlap"}
    assert {row["status"] for row in runs} == {"SUCCESS", "FAILED"}
    told = wait_for(lambda: wanted.items() <= (it := probe.metrics()).items() and it, f"{wanted}")
    counted = {
        key: value for key, value in told.items() if key[0] in ("pgcron_runs_total", "pgcron_misses_total") and value
    }
    assert counted == wanted
    total = sum(row["n"] for row in runs)
    assert told["pgcron_run_duration_seconds_count",] == told["pgcron_run_lag_seconds_count",] == total
    assert told["pgcron_run_lag_seconds_sum",] < total  # a second each would be far too late
    assert told["pgcron_claim_seconds_count",] >= 1
    assert (told["pgcron_slots", "used"], told["pgcron_slots", "free"] > 0, told["pgcron_results_waiting",]) == (
        0,
        True,
        0,
    )
    ended = {line["run_id"]: line for event in ("run_succeeded", "run_failed") for line in lines_of(worker, event)}
    claimed = {line["run_id"] for line in lines_of(worker, "run_claimed")}
    rows = fleet.rows(
        "SELECT l.id::text, l.worker_id::text, j.name FROM pgcron.cron_log l JOIN pgcron.cron_job j ON j.id = l.job_id"
    )
    assert {(row["id"], row["worker_id"], row["name"]) for row in rows} == {
        (id_, line["worker_id"], line["job"]) for id_, line in ended.items()
    }  # fmt: skip
    assert claimed == ended.keys()
    assert lines_of(worker, "run_failed")[0]["error"] == "ValueError: no good"


def test_a_replaced_executor_is_counted(fleet: Fleet, probe: Probe) -> None:
    fleet.app("@app.handler('die')\nasync def die(): os._exit(3)")
    fleet.do(
        "INSERT INTO pgcron.cron_job (name, schedule, handler, max_consecutive_failures) VALUES ('die', '* * * * * *', 'die', 1)"
    )
    fleet.start(*probe.flags)
    fleet.ended("die")
    wait_for(lambda: probe.metrics()["pgcron_executor_restarts_total",] == 1, "one restart")
    wait_for(lambda: probe.metrics()["pgcron_runs_total", "crashed", "FAILED"] == 1, "one crash")
    wait_for(probe.is_ready, "ready with the new one")


def test_a_port_that_is_in_use_ends_the_worker_with_one_line(fleet: Fleet, probe: Probe) -> None:
    fleet.app("")
    with socket.socket() as other:
        other.bind(("127.0.0.1", probe.port))
        other.listen()
        worker = fleet.start(*probe.flags, ready=False)
        assert worker.process.wait(20) == 1
    first, hint = worker.log.splitlines()
    assert first == f"Error: health port {probe.port} of 127.0.0.1 can't be used: Address already in use"
    assert "--health-port" in hint


def test_without_a_port_nothing_listens_and_nothing_is_imported_for_it() -> None:
    code = (
        "import sys, pgcron_workers.cli; print([m for m in ('prometheus_client', 'opentelemetry') if m in sys.modules])"
    )
    assert subprocess.check_output([sys.executable, "-c", code], text=True) == "[]\n"


def test_every_metric_is_documented() -> None:
    from pgcron_workers.metrics import Metrics

    page = (Path(__file__).resolve().parents[2] / "docs" / "operations.md").read_text()
    told = text_string_to_metric_families(Metrics(lambda: WELL).text().decode())
    names = {sample.name for family in told for sample in family.samples if sample.name.startswith("pgcron_")}
    bases = {
        name.removesuffix("_created").removesuffix("_bucket").removesuffix("_sum").removesuffix("_count")
        for name in names
    }
    assert [name for name in sorted(bases) if name not in page] == []


# -- the small server


@pytest.fixture
def server() -> Iterator[Any]:
    """Sends bytes to the small server, gives back all it says."""
    loop = asyncio.new_event_loop()

    async def start() -> asyncio.Server:
        page = Page(health.HTTPStatus.OK, b"hello\n", health.TEXT)
        return await asyncio.start_server(Server(lambda path: page).serve, "127.0.0.1", 0, limit=health.REQUEST_LIMIT)

    async def ask(port: int, request: bytes) -> bytes:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(request)
        try:
            return await asyncio.wait_for(reader.read(), 10)
        except ConnectionResetError:
            return b""
        finally:
            writer.close()

    running = loop.run_until_complete(start())
    port = running.sockets[0].getsockname()[1]
    yield lambda *requests: loop.run_until_complete(asyncio.wait_for(_all(ask(port, it) for it in requests), 20))
    running.close()
    loop.close()


async def _all(tasks: Any) -> list[bytes]:
    return list(await asyncio.gather(*tasks))


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (b"GET /x HTTP/1.1\r\n\r\n", b"200 OK"),
        (b"GET / HTTP/1.0\r\n\r\n", b"200 OK"),
        (b"POST / HTTP/1.1\r\nContent-Length: 3\r\n\r\nabc", b"405 Method Not Allowed"),
        (b"nonsense\r\n\r\n", b"400 Bad Request"),
        (b"GET / SPDY/9\r\n\r\n", b"400 Bad Request"),
        (b"GET /\xff\x00 HTTP/1.1\r\n\r\n", b"200 OK"),
        (b"GET / HTTP/1.1\r\nX: " + b"x" * 20_000, b"431 Request Header Fields Too Large"),
    ],
)
def test_what_is_asked_is_answered_or_refused(server: Any, request_: bytes, status: bytes) -> None:
    (answer,) = server(request_)
    assert answer.startswith(b"HTTP/1.1 " + status)
    assert b"Connection: close" in answer


def test_head_has_the_length_and_no_body(server: Any) -> None:
    (answer,) = server(b"HEAD / HTTP/1.1\r\n\r\n")
    assert b"Content-Length: 6\r\n" in answer
    assert answer.endswith(b"\r\n\r\n")


def test_who_says_nothing_is_hung_up_on_and_too_many_are_turned_away(
    server: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(health, "REQUEST_TIME", 0.3)
    began = time.monotonic()
    answers = server(*[b"GET / HT"] * 40, *[b"GET / HTTP/1.1\r\n\r\n"] * 5)
    assert time.monotonic() - began < 5
    assert answers[:40] == [b""] * 40
    (answer,) = server(b"GET / HTTP/1.1\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 200")


# -- live


def test_live_is_lost_with_the_lease_but_not_with_the_database(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 0.0
    monkeypatch.setattr("time.monotonic", lambda: now)
    vitals = WELL
    pulse = Pulse(lambda: vitals, patience=30)
    worker_id: Any = "w"
    for change, alive in [
        ({}, True),
        ({"worker_id": worker_id, "lease_age": 1.5}, False),
        ({"worker_id": worker_id, "lease_age": 1.5, "is_database_away": True}, True),
        ({"worker_id": worker_id, "lease_age": float("inf")}, False),
        ({"worker_id": worker_id}, True),
    ]:
        vitals = _changed(change)
        for _ in range(31):
            now += 1
            pulse.look()
        assert pulse.is_live is alive, change
    now += 31  # the loop stood still
    assert not pulse.is_live
    pulse.look()
    assert pulse.is_live


def _changed(change: dict[str, Any]) -> Vitals:

    return replace(WELL, **change)


# -- systemd


class Systemd:
    def __init__(self, address: str) -> None:
        self.name = address
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind("\0" + address[1:] if address.startswith("@") else address)
        self.socket.settimeout(10)
        self.heard: list[str] = []

    def hears(self, message: str) -> None:
        deadline = time.monotonic() + 20
        while message not in self.heard:
            assert time.monotonic() < deadline, self.heard
            self.heard.append(self.socket.recv(4096).decode())


@pytest.fixture(params=["file", "abstract"])
def systemd(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Systemd]:
    name = (
        f"@pgcron-test-{os.getpid()}-{time.monotonic_ns()}" if request.param == "abstract" else str(tmp_path / "notify")
    )
    systemd = Systemd(name)
    yield systemd
    systemd.socket.close()


def test_systemd_hears_ready_watchdog_status_and_stopping(fleet: Fleet, systemd: Systemd) -> None:
    fleet.app("@app.handler('h')\nasync def h(): ...")
    worker = fleet.start(NOTIFY_SOCKET=systemd.name, WATCHDOG_USEC="400000")
    systemd.hears("READY=1")
    systemd.hears("STATUS=ready, 100 slots")
    systemd.heard.clear()
    systemd.hears("WATCHDOG=1")
    began = time.monotonic()
    for _ in range(4):
        systemd.heard.clear()
        systemd.hears("WATCHDOG=1")
    assert time.monotonic() - began < 4 * 0.4
    (executor, *_) = worker.executor_pids()
    assert b"NOTIFY_SOCKET" not in Path(f"/proc/{executor}/environ").read_bytes()
    worker.signal(15)
    systemd.hears("STOPPING=1")
    assert worker.process.wait(20) == 0
    assert systemd.heard.count("STOPPING=1") == 1


def test_what_a_full_queue_did_not_take_is_said_again(systemd: Systemd) -> None:
    """Else systemd would wait for READY until it gives the service up."""
    ready = replace(WELL, worker_id="019a0000-0000-7000-8000-000000000001")
    filled_up(systemd)
    notifier = Notifier(systemd.name)
    notifier.tell(ready, is_live=True)
    systemd.socket.settimeout(0.2)
    assert "READY=1" not in everything_in(systemd)
    notifier.tell(ready, is_live=True)
    assert "READY=1" in everything_in(systemd)
    notifier.tell(ready, is_live=True)
    assert "READY=1" not in everything_in(systemd)


def filled_up(systemd: Systemd) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as other, suppress(BlockingIOError):
        other.setblocking(False)
        while True:
            other.sendto(b"noise", systemd.socket.getsockname())


def everything_in(systemd: Systemd) -> list[str]:
    found: list[str] = []
    with suppress(TimeoutError):
        while True:
            found.append(systemd.socket.recv(100).decode())
    return found


def test_the_watchdog_is_not_patted_for_a_sick_worker_nor_for_another_process(systemd: Systemd) -> None:
    systemd.socket.settimeout(0.05)
    sick = Notifier(systemd.name, watchdog=0.01)
    sick.tell(WELL, is_live=False)
    other = Notifier.from_environment({"NOTIFY_SOCKET": systemd.name, "WATCHDOG_USEC": "10000", "WATCHDOG_PID": "1"})
    assert other.watchdog is None
    other.tell(WELL, is_live=True)
    heard = [systemd.socket.recv(100), systemd.socket.recv(100)]
    assert heard == [b"STATUS=starting", b"STATUS=starting"]
    with pytest.raises(TimeoutError):
        systemd.socket.recv(100)


def test_nobody_at_the_socket_disturbs_nobody(tmp_path: Path) -> None:
    Notifier(str(tmp_path / "nothing"), 1.0).tell(WELL, is_live=True)
