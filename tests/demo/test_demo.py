"""The demo as people start it: real processes, and nothing of them left however it ends."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
import uuid
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from urllib.error import URLError

import pytest

from pgcron_py.embedded.cluster import is_alive, servers_in
from pgcron_py.embedded.run_dir import throwaway_base

PAGE = Path(__file__).resolve().parents[2] / "docs" / "demo.md"
PATIENCE_S = 30.0
GONE_WITHIN_S = 10.0
EVERYTHING = [sys.executable, "-m", "pgcron_workers.demo"]


def wait_until(condition: Callable[[], object], timeout_s: float = PATIENCE_S, why: Callable[[], str] = str) -> None:
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, f"not so after {timeout_s} s {why()}"
        time.sleep(0.05)


@pytest.fixture
def folder() -> Iterator[Path]:
    """Like tmp_path, but open to the server's user when the tests run as root."""
    path = Path(tempfile.mkdtemp(prefix="pgcron demo ", dir=throwaway_base()))
    path.chmod(0o755)
    yield path
    shutil.rmtree(path)


class Demo:
    """A running demo. Its processes carry a mark in their environment, by which they are found again."""

    def __init__(self, folder: Path, *arguments: str, command: list[str] | None = None) -> None:
        self.data_dir = folder / "data"
        self.mark = uuid.uuid4().hex
        self.out, self.err = folder / f"out-{self.mark}", folder / f"err-{self.mark}"
        with self.out.open("w") as out, self.err.open("w") as err:
            self.process = subprocess.Popen(
                [*(command or EVERYTHING), "--data-dir", str(self.data_dir), *arguments],
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                cwd=folder,
                env={**os.environ, "DEMO_MARK": self.mark},
                start_new_session=True,
            )

    def __enter__(self) -> Demo:
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        wait_until(lambda: not self.remains(), why=lambda: str(self.remains()))

    def said(self) -> str:
        return self.out.read_text()

    def complained(self) -> str:
        return self.err.read_text()

    def until_it_says(self, pattern: str) -> re.Match[str]:
        wait_until(lambda: re.search(pattern, self.said()) or self.process.poll() is not None, why=self.everything_said)
        found = re.search(pattern, self.said())
        assert found, self.everything_said()
        return found

    def everything_said(self) -> str:
        logs = [path.read_text()[-3000:] for path in self.data_dir.parent.glob("data.*.log")]
        return "\n".join([self.said(), self.complained(), *logs])

    def end(self, number: signal.Signals | None = None) -> int:
        if number is not None:
            self.process.send_signal(number)
        return self.process.wait(PATIENCE_S * 2)

    def remains(self) -> list[int]:
        """Processes of this demo: by their mark; PostgreSQL overwrites its environment, so by their folder."""
        return marked(self.mark) + servers_in(self.data_dir)

    def summary(self) -> dict[str, float]:
        found: dict[str, float] = json.loads(self.said())
        return found

    def ask(self, query: str) -> str:
        """Through the script that the demo leaves for people."""
        answer = subprocess.run([f"{self.data_dir}.psql", "-XAtc", query], capture_output=True, text=True, check=True)
        return answer.stdout.strip()


def marked(mark: str) -> list[int]:
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # gone, or another user's
            if mark.encode() in (process / "environ").read_bytes() and is_alive(int(process.name)):
                found.append(int(process.name))
    return found


def test_a_short_demo_ends_by_itself_and_sums_up_and_the_next_one_goes_on_with_its_data(folder: Path) -> None:
    with Demo(folder, "--exit-after", "6", "--json") as first:
        assert first.end() == 0, first.everything_said()
        assert not first.remains()
    summary = first.summary()
    assert summary["runs"] == summary["successes"] + summary["failures"]
    assert summary["successes"] >= 6, first.everything_said()
    assert summary["invariant_violations"] == 0
    assert summary["workers"] == 2
    assert 6 <= summary["seconds"] < 12
    assert 0 <= summary["lag_p50_ms"] <= summary["lag_p99_ms"]
    assert summary["first_run_s"] > 0

    with Demo(folder, "--workers", "1") as second:
        second.until_it_says(r"heartbeat#\d+  SUCCESS")
        seqs = [int(seq) for seq in re.findall(r"heartbeat#(\d+)", second.said())]
        assert min(seqs) > 1
        assert int(second.ask("SELECT success_count FROM pgcron.cron_job WHERE name = 'heartbeat'")) > len(seqs)
        assert second.ask("SELECT sum(balance) FROM demo.account") == "1000"
        assert second.ask("SELECT count(*) FROM pgcron.check_invariants()") == "0"
        second.until_it_says(r"two-factor-token-cleanup#\d+  SUCCESS .* cause manual")
        assert second.ask("SELECT count(*) FROM demo.two_factor_token WHERE expires_at < now() - interval '1 h'") == "0"


def test_the_showcase_has_sixty_jobs_with_a_history_that_breaks_no_invariant_and_goes_on(folder: Path) -> None:
    with Demo(folder, "--showcase", "--workers", "1") as demo:
        demo.until_it_says(r"two-factor-token-cleanup#\d+  SUCCESS .* cause manual")
        assert demo.ask("SELECT count(*) FROM pgcron.cron_job") == "60"
        assert int(demo.ask("SELECT count(*) FROM pgcron.runs")) > 80_000
        assert int(demo.ask("SELECT count(*) FROM pgcron.cron_daily WHERE day < now() - interval '80 days'")) > 100
        assert demo.ask("SELECT count(*) FROM pgcron.check_invariants()") == "0"
        assert demo.ask("SELECT disabled_by FROM pgcron.job_status WHERE job = 'new-york-closing'") == "pgcron"
    with Demo(folder, "--showcase", "--workers", "1") as again:
        again.until_it_says(r"two-factor-token-cleanup#\d+  SUCCESS .* cause manual")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_everything_with_a_summary(folder: Path, number: signal.Signals) -> None:
    with Demo(folder, "--workers", "1") as demo:
        demo.until_it_says(r"heartbeat#\d+  SUCCESS")
        assert demo.end(number) == 0, demo.everything_said()
        assert not demo.remains()
        assert "invariants: none broken" in demo.said()
        assert demo.complained() == ""
        assert not demo.data_dir.with_name("data.psql").exists()


def test_a_signal_during_the_set_up_ends_everything(folder: Path) -> None:
    with Demo(folder) as demo:
        demo.until_it_says("PostgreSQL starts")
        assert demo.end(signal.SIGINT) == 0
        assert not demo.remains()
        assert demo.complained() == "stopped before anything ran\n"


@pytest.mark.long
def test_nothing_outlives_a_killed_demo(folder: Path) -> None:
    with Demo(folder) as demo:
        demo.until_it_says(r"heartbeat#\d+  SUCCESS")
        family = demo.remains()
        assert len(family) > 8  # the demo, a guardian, PostgreSQL and its own, two workers with executors, the admin
        killed_at = time.monotonic()
        demo.end(signal.SIGKILL)
        wait_until(lambda: not demo.remains(), GONE_WITHIN_S, lambda: str(demo.remains()))
        assert time.monotonic() - killed_at < GONE_WITHIN_S
        assert not [pid for pid in family if is_alive(pid)]


@pytest.mark.long
def test_a_killed_worker_is_started_again_and_a_taken_port_is_passed_over(folder: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with Demo(folder, "--port", str(port), "--workers", "1") as demo:
            demo.until_it_says(r"heartbeat#\d+  SUCCESS")
            url = demo.until_it_says(r"admin:  (http://127.0.0.1:(\d+)/)")
            assert int(url[2]) > port
            wait_until(lambda: answers(url[1]), why=demo.everything_said)
            link = demo.until_it_says(r"sign in, once: (http://127.0.0.1:\d+/\S+)")[1]
            with urllib.request.urlopen(urllib.request.Request(link, method="POST"), timeout=10) as answer:
                assert json.loads(answer.read())["role"] == "super_admin"
            worker = int(demo.until_it_says(r"worker 1: process (\d+)")[1])
            os.kill(worker, signal.SIGKILL)
            demo.until_it_says("worker 1 ended with signal SIGKILL; it is started again")
            wait_until(lambda: int(demo.ask("SELECT count(*) FROM pgcron.cron_worker")) == 2, why=demo.everything_said)
            what_the_page_suggests_can_be_tried(demo)


def what_the_page_suggests_can_be_tried(demo: Demo) -> None:
    found = re.search(r"^```sql\n(.*?)^```", PAGE.read_text(), re.DOTALL | re.MULTILINE)
    assert found
    for statement in found[1].splitlines():
        demo.ask(statement)


def answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=5) as response:
            return bool(response.status == 200)
    except URLError:
        return False


def test_a_data_folder_in_use_is_refused(folder: Path) -> None:
    with Demo(folder, "--workers", "1") as first:
        first.until_it_says("psql:")
        second = Demo(folder)
        assert second.end() == 1
        words = f"Error: the data folder {second.data_dir} is in use by process {first.process.pid}\n  hint: stop that program"
        assert words in second.complained()
        assert "Traceback" not in second.complained()


def test_what_cannot_work_is_said_on_one_line(folder: Path) -> None:
    (folder / "data").mkdir()
    (folder / "data" / "letter").write_text("Dear Bob")
    without_extra = "import pgcron_py.embedded.binaries as b; b.PACKAGE = 'absent'; from pgcron_workers.demo.cli import demo; demo()"
    cases: list[tuple[list[str], list[str] | None, int, str]] = [
        (["--port", "web"], None, 2, "'web' is not a valid integer range"),
        (["--workers", "0"], None, 2, "0 is not in the range"),
        (["--exit-after", "-1"], None, 2, "-1.0 is not in the range"),
        ([], None, 1, "is neither empty nor a PostgreSQL data folder"),
        ([], [sys.executable, "-c", without_extra], 1, "Error: the embedded PostgreSQL server is not installed\n  hint: pip install"),
    ]  # fmt: skip
    demos = [(Demo(folder, *arguments, command=command), code, words) for arguments, command, code, words in cases]
    for demo, code, words in demos:
        assert demo.end() == code, demo.everything_said()
        assert words in demo.complained()
        assert "Traceback" not in demo.complained()
        assert not demo.remains()
