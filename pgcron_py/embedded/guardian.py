"""The process between a Python program (the owner) and its PostgreSQL server: the server never outlives the owner.

The owner holds the writing end of this process's stdin. When the owner ends, even by SIGKILL, the kernel closes that
end, and the server is shut down: fast, and after 3 s immediately. PR_SET_PDEATHSIG on its own would not do: it follows
the *thread* that started the child. Here it only covers the death of the guardian itself.

Run as a script, not as a module: it starts in milliseconds and imports nothing of the project.

stdin:   one line of JSON (`Job`), then at most one order: `smart`, `fast` or `immediate`, with ` keep` behind it when
         the scratch folders are to stay (a restart).
stdout:  one line of JSON: `{"pid": 123}` when the server takes connections, or `{"error": "…"}`.
stderr:  the server's log.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import select
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

SIGNALS = {"smart": signal.SIGTERM, "fast": signal.SIGINT, "immediate": signal.SIGQUIT}
ORPHAN_PATIENCE_S = 3.0
ORDERED_PATIENCE_S = 30.0
LAST_PATIENCE_S = 1.0
PR_SET_PDEATHSIG = 1


@dataclass(frozen=True)
class Job:
    """What to start. `initdb` writes into `staging`, which becomes `data_dir` only when it is complete."""

    owner_pid: int
    postgres: list[str]
    data_dir: str
    initdb: list[str] | None
    staging: str | None
    uid: int | None
    gid: int | None
    scratch: list[str]
    start_timeout_s: float


@dataclass(frozen=True)
class Order:
    mode: str
    keep: bool
    patience_s: float


ORPHANED = Order(mode="fast", keep=False, patience_s=ORPHAN_PATIENCE_S)


class Owner:
    """The other end of stdin."""

    def __init__(self) -> None:
        self._pending = b""
        self._terminated = False
        self.pid = 0
        signal.signal(signal.SIGTERM, self._on_sigterm)
        for ignored in (signal.SIGINT, signal.SIGHUP, signal.SIGPIPE):
            signal.signal(ignored, signal.SIG_IGN)

    def _on_sigterm(self, _signum: int, _frame: object) -> None:
        self._terminated = True

    def read_job(self) -> Job:
        while b"\n" not in self._pending:
            chunk = os.read(0, 65536)
            if not chunk:
                raise SystemExit(0)
            self._pending += chunk
        line, _, self._pending = self._pending.partition(b"\n")
        job = Job(**json.loads(line))
        self.pid = job.owner_pid
        return job

    def order(self, wait_s: float) -> Order | None:
        """An order to stop, if there is one within `wait_s`; the owner's end is one."""
        # A fork of the owner may hold the pipe open after the owner is gone: so the parent is looked at as well.
        if self._terminated or os.getppid() != self.pid:
            return ORPHANED
        if not select.select([0], [], [], wait_s)[0]:
            return None
        chunk = os.read(0, 4096)
        if not chunk:
            return ORPHANED
        mode, _, rest = chunk.decode().strip().partition(" ")
        return Order(mode=mode, keep=rest == "keep", patience_s=ORDERED_PATIENCE_S)


def die_with_me() -> Callable[[], None] | None:
    """For the child, after its change of user (which clears the setting): a fast shutdown when this process dies."""
    if sys.platform != "linux":
        return None
    libc = ctypes.CDLL(None)
    guardian = os.getpid()

    def in_child() -> None:
        libc.prctl(PR_SET_PDEATHSIG, int(signal.SIGINT), 0, 0, 0)
        if os.getppid() != guardian:
            os._exit(1)

    return in_child


def spawn(argv: list[str], job: Job) -> subprocess.Popen[bytes]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PG")}
    return subprocess.Popen(
        argv,
        cwd="/",
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=2,
        user=job.uid,
        group=job.gid,
        extra_groups=None if job.uid is None else [],
        preexec_fn=die_with_me(),
        start_new_session=True,
    )


def end(child: subprocess.Popen[bytes], order: Order) -> None:
    """Shut down as asked, then harder each time patience runs out."""
    steps = [(SIGNALS[order.mode], order.patience_s), (signal.SIGQUIT, LAST_PATIENCE_S), (signal.SIGKILL, None)]
    for signum, patience_s in steps:
        child.send_signal(signum)
        try:
            child.wait(patience_s)
        except subprocess.TimeoutExpired:
            continue
        return


def initialise(job: Job, owner: Owner) -> Order | None:
    if job.initdb is None or job.staging is None:
        return None
    child = spawn(job.initdb, job)
    while child.poll() is None:
        if order := owner.order(0.01):
            child.terminate()
            child.wait()
            return order
    if child.returncode != 0:
        raise RuntimeError(f"initdb failed with exit code {child.returncode}")
    os.rename(job.staging, job.data_dir)
    return None


def is_ready(data_dir: str, pid: int) -> bool:
    try:
        lines = Path(data_dir, "postmaster.pid").read_text().splitlines()
    except FileNotFoundError:
        return False
    # A stale file says "ready" too, of another process.
    return len(lines) >= 8 and lines[0] == str(pid) and lines[7].strip() == "ready"


def await_ready(child: subprocess.Popen[bytes], job: Job, owner: Owner) -> Order | None:
    deadline = time.monotonic() + job.start_timeout_s
    while not is_ready(job.data_dir, child.pid):
        if child.poll() is not None:
            raise RuntimeError(f"the server ended at once, with exit code {child.returncode}")
        if time.monotonic() > deadline:
            end(child, ORPHANED)
            raise RuntimeError(f"the server was not ready after {job.start_timeout_s:.0f} s")
        if order := owner.order(0.01):
            return order
    return None


def report(**facts: object) -> None:
    with contextlib.suppress(BrokenPipeError):  # the owner is gone: the next look at the pipe notices
        os.write(1, json.dumps(facts).encode() + b"\n")


def serve(job: Job, owner: Owner) -> Order:
    """The whole life of one server. Returns the order that ended it."""
    if order := initialise(job, owner):
        return order
    child = spawn(job.postgres, job)
    order = await_ready(child, job, owner)
    if order is None:
        report(pid=child.pid)
    while order is None and child.poll() is None:
        order = owner.order(0.5)
    order = order or ORPHANED
    if child.poll() is None:
        end(child, order)
    return order


def main() -> None:
    owner = Owner()
    job = owner.read_job()
    keep = False
    try:
        keep = serve(job, owner).keep
    except (OSError, RuntimeError, subprocess.SubprocessError) as error:
        report(error=str(error))
        while owner.order(0.5) is None:  # the owner reads the log before the folder goes
            pass
    finally:
        leftovers = [] if keep else job.scratch
        for folder in [*leftovers, *([job.staging] if job.staging else [])]:
            shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
