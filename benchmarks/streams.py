"""Live events: memory, latency, and what they cost those who run jobs.

    python benchmarks/streams.py [--only memory,latency,commits] [--streams 500] [--jobs 10000] [--seconds 5] [--json]

One embedded PostgreSQL 18 on a real disk, fsync on; the admin is a process of its own.

memory   what so many open streams take beyond none, and how long one change takes to reach all of them
latency  from the commit to the event at a client: of a definition (heard of), and of what a run changes (looked for)
commits  commits a second of updates as a finish makes them, by 8 clients: alone, with four admins that watch (as built), with a counter that notifies four times
         a second on another connection, and with a NOTIFY in each transaction (what is not done)
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import multiprocessing
import os
import random
import secrets
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg

from pgcron_py.app.database import upgrade
from pgcron_py.app.users import secret_hash
from pgcron_py.embedded import EmbeddedServer
from pgcron_py.embedded.account import reachable_data_dir

ADMIN = [sys.executable, "-c", "from pgcron_py.cli import main; main()", "admin", "--dev", "--port", "0"]
JOBS = """
INSERT INTO pgcron.cron_job (name, schedule, handler, tags) SELECT 'job ' || lpad(n::text, 6, '0'), '0 0 1 1 *', 'h', ARRAY['team-' || n %% 20]
FROM generate_series(1, %s) n
"""
FINISH = (
    "UPDATE pgcron.cron_job SET success_count = success_count + 1, last_completed_at = clock_timestamp() WHERE id = %s"
)


def spread(values: list[float]) -> dict[str, float]:
    ordered = sorted(values)
    return {"n": len(ordered), "p50": ordered[len(ordered) // 2], "p95": ordered[int(len(ordered) * 0.95)], "max": ordered[-1]}  # fmt: skip


class Bench:
    def __init__(self, url: str, jobs: int) -> None:
        self.url = url
        upgrade(url)
        self.connection = psycopg.connect(url, autocommit=True)
        self.connection.execute(JOBS, (jobs,))
        self.connection.execute("VACUUM ANALYZE")
        self.ids = [row[0] for row in self.connection.execute("SELECT id FROM pgcron.cron_job ORDER BY name")]

    def token(self, user: str = "bench") -> str:
        id_, secret = secrets.token_hex(8), secrets.token_urlsafe(32)
        self.connection.execute(
            "INSERT INTO pgcron.app_user (name, role) VALUES (%s, 'viewer') ON CONFLICT DO NOTHING", (user,)
        )
        self.connection.execute(
            "INSERT INTO pgcron.api_token (id, user_id, name, secret_hash, scopes, expires_at) "
            "SELECT %s, u.id, 'bench', %s, '{cron.view}', clock_timestamp() + interval '1 day' FROM pgcron.app_user u WHERE u.name = %s",
            (id_, secret_hash(secret), user),
        )  # fmt: skip
        return f"pgc_{id_}_{secret}"

    @contextlib.contextmanager
    def admin(self) -> Iterator[tuple[int, int]]:
        """Its port and its process id."""
        environment = {**os.environ, "PGCRON_DATABASE_URL": self.url}
        process = subprocess.Popen(ADMIN, env=environment, stderr=subprocess.PIPE, text=True)
        assert process.stderr is not None
        try:
            line = next(line for line in process.stderr if "running on http" in line)
            yield int(line.split("127.0.0.1:")[1].split()[0]), process.pid
        finally:
            process.terminate()
            process.communicate()


class Client:
    """One stream, read to the last byte. arrived: when each event came, with its name and data."""

    def __init__(self) -> None:
        self.arrived: list[tuple[float, str, str]] = []
        self._news = asyncio.Event()

    async def read(self, reader: asyncio.StreamReader) -> None:
        name = ""
        while line := (await reader.readline()).decode():
            if line.startswith("event: "):
                name = line[7:].strip()
            elif line.startswith("data: "):
                self.arrived.append((time.perf_counter(), name, line[6:]))
                self._news.set()

    async def until(self, wanted: Callable[[str, str], bool]) -> float:
        seen = 0
        while True:
            for at, name, data in self.arrived[seen:]:
                if wanted(name, data):
                    return at
            seen = len(self.arrived)
            self._news.clear()
            await asyncio.wait_for(self._news.wait(), 30)


@contextlib.asynccontextmanager
async def streams(port: int, tokens: list[str], topics: list[str]) -> AsyncIterator[list[Client]]:
    clients, tasks, writers = [], [], []
    for number, topic in enumerate(topics):
        token = tokens[number % len(tokens)]
        reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1 << 24)
        writer.write(
            f"GET /api/events?topics={topic} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {token}\r\n\r\n".encode()
        )
        client = Client()
        clients.append(client)
        writers.append(writer)
        tasks.append(asyncio.create_task(client.read(reader)))
    try:
        for client in clients:
            await client.until(lambda name, _: name not in ("", "status"))
        yield clients
    finally:
        for task in tasks:
            task.cancel()
        for writer in writers:
            writer.close()


def memory_mib(pid: int) -> float:
    """Private and shared pages of a process, by its share of them."""
    text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    return int(text.split("Pss:")[1].split()[0]) / 1024


async def memory(bench: Bench, args: argparse.Namespace) -> dict[str, Any]:
    topics = [f"jobs,workers,alerts,fleet,runs,job:{bench.ids[n % 1000]}" for n in range(args.streams)]
    with bench.admin() as (port, pid):
        tokens = [
            bench.token(f"bench-{number}") for number in range(args.streams // 90 + 2)
        ]  # a user may have a hundred
        async with streams(port, tokens[:1], topics[:1]):
            before = memory_mib(pid)
            async with streams(port, tokens[1:], topics) as clients:
                await asyncio.sleep(2)
                opened = memory_mib(pid)
                reached: list[float] = []
                for number in range(20):
                    mark = f"mark-{number}"
                    began = time.perf_counter()
                    bench.connection.execute(
                        "UPDATE pgcron.cron_job SET tags = ARRAY[%s] WHERE id = %s", (mark, bench.ids[5000])
                    )
                    came = [
                        await it.until(lambda name, data, mark=mark: name == "jobs" and mark in data) for it in clients
                    ]  # type: ignore[misc]
                    reached += [(at - began) * 1000 for at in came]
                    await asyncio.sleep(random.uniform(0.3, 0.8))
                after = memory_mib(pid)
    return {
        "streams": args.streams,
        "mib_opened": opened - before,
        "mib_after_20_changes": after - before,
        "change_at_all_streams_ms": spread(reached),
    }


async def latency(bench: Bench, args: argparse.Namespace) -> dict[str, Any]:
    job = bench.ids[7]
    with bench.admin() as (port, _):
        async with streams(port, [bench.token()], [f"job:{job}"]) as (client,):
            await client.until(lambda name, data: name == "status" and '"hearsAtOnce":true' in data)
            found: dict[str, list[float]] = {"definition_ms": [], "run_ms": []}
            for number in range(60):
                await asyncio.sleep(random.uniform(0.0, 1.0))
                kind, statement = (
                    ("definition_ms", f"UPDATE pgcron.cron_job SET tags = ARRAY['mark-{number}-'] WHERE id = %s"),
                    ("run_ms", f"UPDATE pgcron.cron_job SET success_count = {1_000_000 + number} WHERE id = %s"),
                )[number % 2]
                mark = (f"mark-{number}-", f'"successCount":{1_000_000 + number}')[number % 2]
                began = time.perf_counter()
                bench.connection.execute(statement, (job,))
                at = await client.until(lambda name, data, mark=mark: name == "job" and mark in data)  # type: ignore[misc]
                found[kind].append((at - began) * 1000)
    return {kind: spread(values) for kind, values in found.items()}


def finisher(url: str, ids: list[Any], seconds: float, notifies: bool, done: Any) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        until, count = time.perf_counter() + seconds, 0
        while time.perf_counter() < until:
            if notifies:
                with connection.transaction():
                    connection.execute(FINISH, (random.choice(ids),))
                    connection.execute("SELECT pg_notify('pgcron_counter', '')")
            else:
                with connection.transaction():
                    connection.execute(FINISH, (random.choice(ids),))
                    connection.execute("SELECT 1")
            count += 1
        done.put(count)


def commits_per_second(bench: Bench, seconds: float, *, notifies: bool = False, clients: int = 8) -> float:
    done: Any = multiprocessing.Queue()
    processes = [
        multiprocessing.Process(target=finisher, args=(bench.url, bench.ids[n::clients], seconds, notifies, done)) for n in range(clients)
    ]  # fmt: skip
    for process in processes:
        process.start()
    total = sum(done.get() for _ in processes)
    for process in processes:
        process.join()
    return float(total / seconds)


def counter(url: str, stop: Any) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        while not stop.wait(0.25):
            connection.execute("SELECT pg_notify('pgcron_counter', '')")


async def commits(bench: Bench, args: argparse.Namespace) -> dict[str, Any]:
    found: dict[str, list[float]] = {
        name: [] for name in ("alone", "four_admins_watch", "counter_notifies", "notify_in_each")
    }
    token, loop = bench.token(), asyncio.get_running_loop()

    async def measured(name: str, **how: Any) -> None:
        found[name].append(await loop.run_in_executor(None, lambda: commits_per_second(bench, args.seconds, **how)))

    for _ in range(3):  # in turns: the machine has other things to do, too
        await measured("alone")
        with contextlib.ExitStack() as stack:
            ports = [stack.enter_context(bench.admin())[0] for _ in range(4)]
            async with contextlib.AsyncExitStack() as opened:
                for port in ports:
                    await opened.enter_async_context(streams(port, [token], ["jobs,runs,workers,fleet,alerts"]))
                await measured("four_admins_watch")
        stop = multiprocessing.Event()
        notifier = multiprocessing.Process(target=counter, args=(bench.url, stop))
        notifier.start()
        await measured("counter_notifies")
        stop.set()
        notifier.join()
        await measured("notify_in_each", notifies=True)
    medians = {name: statistics.median(values) for name, values in found.items()}
    return {name: {"per_second": value, "of_alone": value / medians["alone"]} for name, value in medians.items()}


MEASURES = {"memory": memory, "latency": latency, "commits": commits}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default=",".join(MEASURES))
    parser.add_argument("--streams", type=int, default=500)
    parser.add_argument("--jobs", type=int, default=10_000)
    parser.add_argument("--seconds", type=float, default=5)
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="pgcron-bench-", dir="/var/tmp") as folder:
        Path(folder).chmod(0o755)
        data = reachable_data_dir(Path(folder) / "data")
        settings = {"max_connections": "200", "shared_buffers": "256MB"}
        with EmbeddedServer("18", data_dir=data, settings=settings) as server:
            bench = Bench(server.dsn("postgres", "postgres", server.password), args.jobs)
            found = {name: asyncio.run(MEASURES[name](bench, args)) for name in args.only.split(",")}
            bench.connection.close()
    if args.json:
        print(json.dumps(found, indent=2))
        return
    for name, figures in found.items():
        print(name)
        for key, value in figures.items():
            print(f"  {key}: {value if not isinstance(value, dict) else {k: round(v, 3) for k, v in value.items()}}")


if __name__ == "__main__":
    main()
