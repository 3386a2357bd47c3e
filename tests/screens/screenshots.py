"""Pictures of the web admin on the showcase: `make screenshots` makes those of the README and the docs, `--all DIR` one of each screen,
light and dark, for a desk and for a phone, to be looked at.

    python tests/screens/screenshots.py [--all DIR]
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg
from playwright.sync_api import Browser, Page, sync_playwright

from pgcron_py.app.database import adopt, upgrade
from pgcron_py.embedded import EmbeddedServer
from pgcron_py.embedded.account import reachable_data_dir
from pgcron_workers.demo.showcase.seed import seed_showcase

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from support.admin import People, admin_process, environment

IMAGES = Path(__file__).resolve().parents[2] / "docs/images"
DESK, PHONE = {"width": 1440, "height": 900}, {"width": 390, "height": 844}
RUNS_WITHIN_S = 60


@dataclass(frozen=True)
class Picture:
    """scroll_to: what has to be in view."""

    name: str
    path: str
    dark: bool = False
    phone: bool = False
    scroll_to: str = ""


FOR_THE_DOCS = (
    Picture("overview", "/"), Picture("overview-dark", "/", dark=True), Picture("jobs", "/jobs?open=send-invoices"), Picture("job", "/jobs/carrier-tracking?range=30d"),
    Picture("run", "/runs/{failed}"), Picture("timeline", "/timeline"), Picture("heat-map", "/timeline/heat", dark=True),
    Picture("schedule", "/jobs/reorder-proposals/schedule"), Picture("phone", "/jobs", phone=True),
)  # fmt: skip
PATHS = {
    "overview": "/", "jobs": "/jobs", "jobs-beside": "/jobs?open=send-invoices", "jobs-empty": "/jobs?search=nothing", "bulk-confirm": "/jobs/bulk?all=1&tag=mail&action=disable",
    "bulks": "/bulk", "job": "/jobs/send-invoices", "job-locked": "/jobs/nightly-close", "job-disabled": "/jobs/rebuild-search", "job-runs": "/jobs/settle-payments/runs",
    "job-schedule": "/jobs/settle-payments/timing", "job-configuration": "/jobs/settle-payments/configuration", "job-notifications": "/jobs/settle-payments/notifications",
    "job-audit": "/jobs/settle-payments/audit", "run-now": "/jobs/settle-payments/run", "schedule": "/jobs/reorder-proposals/schedule", "runs": "/runs",
    "runs-failed": "/runs?status=FAILED", "runs-errors": "/runs/errors", "run-failed": "/runs/{failed}", "run": "/runs/{succeeded}", "timeline": "/timeline",
    "timeline-heat": "/timeline/heat", "timeline-past": "/timeline/past", "workers": "/workers", "alerts": "/alerts", "alerts-channels": "/alerts/channels",
    "alerts-deliveries": "/alerts/deliveries", "audit": "/audit", "settings-users": "/settings/users", "settings-tokens": "/settings/tokens",
    "settings-sessions": "/settings/sessions", "settings-blackouts": "/settings/blackouts", "settings-kill-switch": "/settings/kill-switch", "settings-about": "/settings/about",
    "settings-preferences": "/settings/preferences", "not-found": "/jobs/nobody",
}  # fmt: skip
A_RUN = "SELECT run_id FROM pgcron.runs WHERE job = %s AND status = %s ORDER BY run_id DESC LIMIT 1"


@contextmanager
def showcase() -> Iterator[tuple[str, str, dict[str, str]]]:
    """The admin's address, a super admin's cookie, and paths' words, with a worker that runs what is due."""
    with tempfile.TemporaryDirectory(prefix="pgcron-pictures-", dir="/var/tmp") as folder:
        Path(folder).chmod(0o755)
        with EmbeddedServer("18", data_dir=reachable_data_dir(Path(folder) / "data")) as server:
            url = server.dsn("postgres", "postgres", server.password)
            upgrade(url)
            adopt(url)
            seed_showcase(url)
            command = [sys.executable, "-c", "from pgcron_py.cli import main; main()", "worker"]
            settings = {"PGCRON_APP": "pgcron_workers.demo.showcase.app:app"}
            worker = subprocess.Popen(command, env=environment(url, settings), stderr=subprocess.DEVNULL)
            try:
                with admin_process(url, "--dev") as admin, psycopg.connect(url, autocommit=True) as connection:
                    _until_it_runs(connection)
                    words = {name: str(_value(connection, A_RUN, "send-invoices", status)) for name, status in (("failed", "FAILED"), ("succeeded", "SUCCESS"))}  # fmt: skip
                    cookie = People(url).session(admin.url, "ana", "super_admin").cookie
                    assert cookie is not None
                    yield admin.url, cookie, words
            finally:
                worker.terminate()
                worker.wait()


def _until_it_runs(connection: psycopg.Connection) -> None:
    """A run or two that began here: something moves in the pictures."""
    for job in ("train-recommender", "archive-orders", "warehouse-load"):
        connection.execute("SELECT pgcron.run_now(%s)", (job,))
    deadline = time.monotonic() + RUNS_WITHIN_S
    while _value(connection, "SELECT count(*) FROM pgcron.running") == 0 and time.monotonic() < deadline:
        time.sleep(0.2)


def _value(connection: psycopg.Connection, query: str, *values: object) -> object:
    row = connection.execute(query, values or None).fetchone()  # type: ignore[arg-type]  # constants of this file
    assert row is not None
    return row[0]


def page_of(chromium: Browser, cookie: str, *, dark: bool, phone: bool) -> Page:
    context = chromium.new_context(
        viewport=PHONE if phone else DESK, color_scheme="dark" if dark else "light", reduced_motion="reduce", timezone_id="Europe/Berlin"
    )  # fmt: skip
    context.add_cookies([{"name": "pgcron_dev", "value": cookie, "domain": "127.0.0.1", "path": "/"}])
    return context.new_page()


def take(page: Page, url: str, to: Path) -> None:
    page.goto(url)
    page.wait_for_load_state("load")
    page.wait_for_timeout(700)  # charts are drawn after the page is loaded
    page.screenshot(path=to)
    print(to, flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--all", type=Path, metavar="DIR", help="one of each screen, four times, into this folder")
    options = parser.parse_args()
    chromium_path = shutil.which("chromium") or shutil.which("chromium-browser")
    if chromium_path is None:
        sys.exit("There is no chromium here: apt-get install chromium")
    with showcase() as (url, cookie, words), sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=chromium_path, args=["--no-sandbox"])
        if options.all is not None:
            options.all.mkdir(parents=True, exist_ok=True)
            for dark, phone in ((False, False), (True, False), (False, True), (True, True)):
                page = page_of(chromium, cookie, dark=dark, phone=phone)
                for name, path in PATHS.items():
                    take(
                        page,
                        url + path.format(**words),
                        options.all / f"{name}{'-dark' if dark else ''}{'-phone' if phone else ''}.png",
                    )
                page.context.close()
        else:
            IMAGES.mkdir(parents=True, exist_ok=True)
            for picture in FOR_THE_DOCS:
                page = page_of(chromium, cookie, dark=picture.dark, phone=picture.phone)
                take(page, url + picture.path.format(**words), IMAGES / f"{picture.name}.png")
                page.context.close()
        chromium.close()


if __name__ == "__main__":
    main()
