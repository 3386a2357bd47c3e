"""What the demo shows while it runs: a table on a terminal, lines of progress anywhere else."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Protocol

from rich.console import Console, Group
from rich.live import Live
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from pgcron_workers.demo.watch import EndedRun, JobLine, Watch
from pgcron_workers.demo.words import lag, milliseconds, span

NEWS_KEPT = 5
COLUMNS = ("job", "schedule", "state", "last run", "took", "lag", "ok", "failed", "next in")
NUMERIC = frozenset({"last run", "took", "lag", "ok", "failed", "next in"})


class View(Protocol):
    def tell(self, news: str) -> None:
        """One line about what just happened."""

    def show(self, watch: Watch) -> None:
        """One round: what changed since the last."""

    def close(self) -> None: ...


class Lines:
    """One line for each run that ended."""

    def __init__(self, console: Console) -> None:
        self._console = console

    def tell(self, news: str) -> None:
        self._console.print(escape(news), soft_wrap=True, highlight=False)

    def show(self, watch: Watch) -> None:
        for run in watch.newly_ended():
            self.tell(described(run))

    def close(self) -> None:
        pass


class Screen:
    """The live table. foot: the line below it and its totals."""

    def __init__(self, console: Console, foot: Callable[[], str]) -> None:
        self._foot = foot
        self._news: list[str] = []
        # Drawn by each round, not by a thread: children may only be started while there is one thread (see tied.py).
        self._live = Live(console=console, auto_refresh=False, vertical_overflow="crop")
        self._live.start()

    def tell(self, news: str) -> None:
        self._news = [*self._news, news][-NEWS_KEPT:]

    def show(self, watch: Watch) -> None:
        for run in watch.newly_ended():
            if run.status == "FAILED":
                self.tell(described(run))
        lines = [totals(watch), self._foot()]
        foot = Text("\n".join(lines), no_wrap=True, overflow="ellipsis")
        news = Text("\n".join(self._news), style="yellow", no_wrap=True, overflow="ellipsis")
        self._live.update(Group(table(watch.jobs()), foot, news), refresh=True)

    def close(self) -> None:
        self._live.stop()


def described(run: EndedRun) -> str:
    facts = [f"{run.job}#{run.seq}", run.status]
    if run.duration is not None:
        facts.append(f"took {milliseconds(run.duration)}")
    if run.lag is not None:
        facts.append(f"lag {lag(run.lag)}")
    if run.cause != "schedule":
        facts.append(f"cause {run.cause}")
    if run.reason is not None:
        facts.append(f"{run.reason}: {(run.error or '').partition(chr(10))[0]}")
    return "  ".join(facts)


def totals(watch: Watch) -> str:
    lags = sorted(watch.lags)
    middle, most = (lag(lags[len(lags) // 2]), lag(lags[-1])) if lags else ("-", "-")
    return (
        f"{watch.successes + watch.failures} runs, {watch.successes} succeeded, {watch.failures} failed"
        f" · lag median {middle}, most {most} · {watch.workers()} workers alive"
    )


def table(jobs: list[JobLine]) -> Table:
    shown = Table(expand=False, header_style="bold")
    for column in COLUMNS:
        shown.add_column(column, justify="right" if column in NUMERIC else "left", no_wrap=True)
    for job in jobs:
        shown.add_row(*cells(job))
    return shown


def cells(job: JobLine) -> list[Text | str]:
    return [
        job.name,
        job.schedule,
        state(job),
        f"{span(job.ago)} ago" if job.ago is not None else "-",
        milliseconds(job.duration),
        lag(job.lag),
        str(job.success_count),
        str(job.failure_count),
        span(job.next_in if job.next_in is None else max(job.next_in, timedelta())),
    ]


def state(job: JobLine) -> Text:
    if not job.is_enabled:
        return Text("disabled", style="red")
    if job.running_count:
        return Text("running", style="cyan")
    match job.status:
        case None:
            return Text("waiting", style="dim")
        case "SUCCESS":
            return Text("success", style="green")
        case _:
            return Text(f"failed: {job.reason}", style="red")
