"""What the REST API and the screens take on a database that is full: 10,000 jobs and 10,000,000 runs (minutes to make).

    python benchmarks/api.py [--jobs 10000] [--runs 10000000]

One process of `pgcron admin`, asked over HTTP by a client on the same processors: each question 200 times after a warm-up, then how
many lists a second eight clients get. Logs are those of a job with a tenth of all runs, the screen is another job's: of the first one
no worker has counted the runs here. Milliseconds as the client sees them. Goals: the first page of jobs p95 < 50 ms, a page of logs
p95 < 30 ms, the page of jobs in the browser p95 < 100 ms and painted within a second, 500 lists a second. A list that was asked for
within the last half second is given again; `?_=` makes each one a question of its own.
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import os
import secrets
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import httpx
import psycopg
from playwright.sync_api import sync_playwright

from pgcron_py.app.database import adopt, upgrade
from pgcron_py.embedded import EmbeddedServer
from pgcron_py.embedded.account import reachable_data_dir

sys.path.insert(0, str(Path(__file__).parent))
from views import SETTINGS, fill, timed

ASKED = 200
SECONDS, CLIENTS = 5.0, 8
SECRET = "Jx2-benchmark-only-7f3b9c1d5e8a4602-Qk"
QUESTIONS = {
    "GET /api/cron-jobs": "/api/cron-jobs",
    "GET /api/cron-jobs, asked for the first time": "/api/cron-jobs?_={n}",
    "GET /api/cron-jobs?limit=100": "/api/cron-jobs?limit=100",
    "GET /api/cron-jobs?search=": "/api/cron-jobs?search=job%2099",
    "GET /api/cron-jobs/facets": "/api/cron-jobs/facets",
    "GET /api/cron-jobs/{id}": "/api/cron-jobs/{job}",
    "GET /api/cron-jobs/{id}/logs": "/api/cron-jobs/{job}/logs",
    "GET /api/cron-jobs/{id}/logs?status=FAILED": "/api/cron-jobs/{job}/logs?status=FAILED",
    "GET /api/runs": "/api/runs",
    "GET /jobs (the screen)": "/jobs",
    "GET /jobs/{id} (the screen)": "/jobs/{other}",
    "GET /runs (the screen)": "/runs",
}


def token_of(url: str) -> tuple[str, str]:
    """A bearer token for programs and a session's cookie for screens, of a super admin."""
    secret, cookie, id_ = secrets.token_urlsafe(32), secrets.token_urlsafe(32), secrets.token_hex(8)
    with psycopg.connect(url, autocommit=True) as connection:
        row = connection.execute(
            "INSERT INTO pgcron.app_user (name, role) VALUES ('bench', 'super_admin') RETURNING id"
        ).fetchone()
        assert row is not None
        connection.execute(
            "INSERT INTO pgcron.api_token (id, user_id, name, secret_hash, scopes, expires_at) VALUES (%s, %s, 'bench', %s, ARRAY['cron.view'], clock_timestamp() + interval '1 h')",
            (id_, row[0], hashlib.sha256(secret.encode()).digest()),
        )
        connection.execute(
            "INSERT INTO pgcron.app_session (id_hash, user_id, expires_at) VALUES (%s, %s, clock_timestamp() + interval '1 h')",
            (hashlib.sha256(cookie.encode()).digest(), row[0]),
        )
    return f"pgc_{id_}_{secret}", cookie


def started(url: str) -> tuple[subprocess.Popen[str], str]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("PG", "PGCRON"))}
    environment |= {"PGCRON_DATABASE_URL": url, "PGCRON_ADMIN_SECRET": SECRET}
    command = [sys.executable, "-c", "from pgcron_py.cli import main; main()", "admin", "--port", "0", "--dev"]
    process = subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    for line in process.stderr:
        if "127.0.0.1:" in line:
            return process, "http://127.0.0.1:" + line.split("127.0.0.1:")[1].split()[0]
    raise SystemExit("the admin did not start")


def ask(client: httpx.Client, path: str) -> list[float]:
    for _ in range(5):
        client.get(path).raise_for_status()
    spent = []
    for number in range(ASKED):
        began = time.perf_counter()
        answer = client.get(path.replace("{n}", str(number)))
        spent.append((time.perf_counter() - began) * 1000)
        answer.raise_for_status()
    return spent


async def rate(base: str, headers: dict[str, str], path: str) -> float:
    """Answers a second that CLIENTS get, each asking as soon as it is answered."""
    until, answers = time.perf_counter() + SECONDS, 0

    async def asking() -> None:
        nonlocal answers
        async with httpx.AsyncClient(base_url=base, headers=headers, timeout=30) as client:
            while time.perf_counter() < until:
                (await client.get(path)).raise_for_status()
                answers += 1

    await asyncio.gather(*(asking() for _ in range(CLIENTS)))
    return answers / SECONDS


PAINT = "performance.getEntriesByType('paint').find((it) => it.name === 'first-contentful-paint')?.startTime ?? -1"


def first_paint(base: str, cookie: str) -> list[float]:
    """Milliseconds until a browser with an empty cache shows something of the page of jobs; none where there is no Chromium."""
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    if chromium is None:
        return []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        spent = []
        for _ in range(5):
            context = browser.new_context(viewport={"width": 1360, "height": 900})
            context.add_cookies([{"name": "pgcron_dev", "value": cookie, "domain": "127.0.0.1", "path": "/"}])
            page = context.new_page()
            page.goto(base + "/jobs", wait_until="load")
            spent.append(float(page.evaluate(PAINT)))
            context.close()
        browser.close()
        return sorted(spent)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--jobs", type=int, default=10_000)
    parser.add_argument("--runs", type=int, default=10_000_000)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="pgcron-bench-", dir="/var/tmp") as folder:
        Path(folder).chmod(0o755)
        with EmbeddedServer("18", data_dir=reachable_data_dir(Path(folder) / "data"), settings=SETTINGS) as server:
            url = server.dsn("postgres", "postgres", server.password)
            upgrade(url)
            adopt(url)
            timed(
                f"made {options.runs:,} runs of {options.jobs:,} jobs",
                lambda: fill(url, options.jobs, options.runs, 30),
            )
            token, cookie = token_of(url)
            with psycopg.connect(url) as connection:
                job, other = (
                    id_
                    for (id_,) in connection.execute(
                        "SELECT id FROM pgcron.cron_job WHERE name IN ('job 1', 'job 2') ORDER BY name"
                    )
                )
            process, base = started(url)
            try:
                headers = {"Authorization": f"Bearer {token}"}
                program = httpx.Client(base_url=base, timeout=30, headers=headers)
                browser = httpx.Client(base_url=base, timeout=30, cookies={"pgcron_dev": cookie})
                print(f"{'ms':46}{'p50':>8}{'p95':>8}{'most':>8}")
                for what, path in QUESTIONS.items():
                    client = program if path.startswith("/api") else browser
                    spent = sorted(ask(client, path.replace("{job}", str(job)).replace("{other}", str(other))))
                    print(
                        f"{what:46}{statistics.median(spent):8.1f}{spent[int(len(spent) * 0.95)]:8.1f}{spent[-1]:8.1f}",
                        flush=True,
                    )
                print(
                    f"lists of jobs a second, {CLIENTS} clients: {asyncio.run(rate(base, headers, '/api/cron-jobs')):,.0f}"
                )
                if painted := first_paint(base, cookie):
                    print(
                        f"first contentful paint of the page of jobs, empty cache: median {statistics.median(painted):.0f} ms, most {painted[-1]:.0f} ms"
                    )
            finally:
                process.terminate()
                process.wait()


if __name__ == "__main__":
    main()
