"""Prometheus metrics of one worker, in a registry of their own. Imported only when a health port is set.

Labels are closed sets of words, never names of jobs: docs/operations.md lists them all.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime, timedelta

from prometheus_client import CollectorRegistry, Counter, Histogram, ProcessCollector
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, generate_latest
from prometheus_client.metrics_core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from pgcron_py.domain.job import Job, NewMiss, NewRun
from pgcron_py.domain.words import Cause, MissReason, Reason, Status
from pgcron_workers.observer import Observer
from pgcron_workers.vitals import Vitals

CONTENT_TYPE = CONTENT_TYPE_PLAIN_0_0_4
LAG = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 3600)
DURATION = (0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 10, 30, 60, 300, 900, 3600, 14_400)
CLAIM = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5)
_SECOND = timedelta(seconds=1)


class Metrics(Observer):
    """Counts what the duties tell; the gauges are read when somebody asks."""

    def __init__(self, vitals: Callable[[], Vitals]) -> None:
        self._registry = registry = CollectorRegistry()
        self._runs = Counter("pgcron_runs", "Runs whose end was recorded.", ["result", "reason"], registry=registry)
        self._misses = Counter("pgcron_misses", "Occurrences that became no run.", ["reason"], registry=registry)
        self._restarts = Counter(
            "pgcron_executor_restarts", "Executor processes that were replaced.", registry=registry
        )
        self._lag = Histogram(
            "pgcron_run_lag_seconds", "From due to claimed, of scheduled runs.", buckets=LAG, registry=registry
        )
        self._duration = Histogram(
            "pgcron_run_duration_seconds", "How long runs took.", buckets=DURATION, registry=registry
        )
        self._claim = Histogram("pgcron_claim_seconds", "How long claims took.", buckets=CLAIM, registry=registry)
        self._begin_at_zero()
        registry.register(Gauges(vitals))
        ProcessCollector(registry=registry)

    def _begin_at_zero(self) -> None:
        """Every series from the start: a rate() needs the zero before the first one."""
        self._runs.labels(Status.SUCCESS, "")
        for reason in Reason:
            self._runs.labels(Status.FAILED, reason)
        for miss in MissReason:
            self._misses.labels(miss)

    def text(self) -> bytes:
        return generate_latest(self._registry)

    def claim_took(self, seconds: float) -> None:
        self._claim.observe(seconds)

    def claimed(self, now: datetime, runs: Iterable[tuple[Job, NewRun]]) -> None:
        for job, run in runs:
            if run.cause is Cause.SCHEDULE and job.next_run_at is not None:
                self._lag.observe(max((now - job.next_run_at) / _SECOND, 0.0))

    def missed(self, misses: Iterable[NewMiss]) -> None:
        for miss in misses:
            self._misses.labels(miss.reason).inc(miss.count)

    def ended(self, status: Status, reason: Reason | None, duration_ms: int | None) -> None:
        self._runs.labels(status, reason or "").inc()
        if duration_ms is not None:
            self._duration.observe(duration_ms / 1000)

    def executor_restarted(self) -> None:
        self._restarts.inc()


class Gauges(Collector):
    """The worker's vitals as gauges."""

    def __init__(self, vitals: Callable[[], Vitals]) -> None:
        self._vitals = vitals

    def collect(self) -> Iterable[Metric]:
        now = self._vitals()
        slots = GaugeMetricFamily("pgcron_slots", "Runs that fit at a time.", labels=["state"])
        slots.add_metric(["used"], now.slots_used)
        slots.add_metric(["free"], max(now.slots - now.slots_used, 0))
        yield slots
        processes = GaugeMetricFamily("pgcron_processes", "Runs of def handlers that fit at a time.", labels=["state"])
        processes.add_metric(["used"], now.processes_used)
        processes.add_metric(["free"], max(now.processes - now.processes_used, 0))
        yield processes
        for name, text, value in (
            ("lease_age_ratio", "Share of the lease since the last acknowledged beat; above 0.6 nothing is claimed.", now.lease_age),
            ("listener_connected", "1 while notifications are listened for.", now.is_listening),
            ("pooled", "1 behind a transaction pooler: notifications don't pass.", now.is_pooled),
            ("results_waiting", "Ends of runs that wait to be written.", now.results_waiting),
            ("requests_waiting", "Requests of the whole fleet that are due and not claimed, at the last beat; at most 1000.", now.requests_waiting),
            ("database_away", "1 while the database can't be reached.", now.is_database_away),
            ("ready", "1 while /health/ready says yes.", now.is_ready),
        ):  # fmt: skip
            yield GaugeMetricFamily(f"pgcron_{name}", text, value=float(value))
