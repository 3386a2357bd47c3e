"""Prometheus metrics of one process, in a registry of their own. Labels are closed sets of words, never paths or names."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal, Protocol

from prometheus_client import CollectorRegistry, Counter, Histogram, ProcessCollector
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, generate_latest
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from pgcron_admin.database import Database

CONTENT_TYPE = CONTENT_TYPE_PLAIN_0_0_4
SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5)
SignIn = Literal["done", "refused", "throttled"]


class Streams(Protocol):
    """streams: how many are open. dropped: how many were sent away because they were slow."""

    @property
    def streams(self) -> int: ...

    dropped: int


class Metrics:
    def __init__(self, database: Database) -> None:
        self._registry = CollectorRegistry()
        ProcessCollector(registry=self._registry)
        self._registry.register(_Pool(database))
        self._requests = Counter(
            "pgcron_admin_requests", "Answered requests.", ["method", "status"], registry=self._registry
        )
        self._seconds = Histogram(
            "pgcron_admin_request_seconds", "Time to the first byte of the answer.", registry=self._registry, buckets=SECONDS
        )  # fmt: skip
        self._sign_ins = Counter("pgcron_admin_sign_ins", "Attempts to sign in.", ["outcome"], registry=self._registry)
        self._verified = Counter(
            "pgcron_admin_password_verifications", "Passwords that were looked at, of unknown users too.", registry=self._registry
        )  # fmt: skip
        for outcome in ("done", "refused", "throttled"):
            self._sign_ins.labels(outcome)

    def watch(self, streams: Streams) -> None:
        self._registry.register(_Streams(streams))

    def answered(self, method: str, status: int, seconds: float) -> None:
        known = method if method in ("GET", "POST", "PATCH", "PUT", "DELETE", "HEAD", "OPTIONS") else "other"
        self._requests.labels(known, f"{status // 100}xx").inc()
        self._seconds.observe(seconds)

    def sign_in(self, outcome: SignIn) -> None:
        self._sign_ins.labels(outcome).inc()

    def password_verified(self) -> None:
        self._verified.inc()

    def text(self) -> bytes:
        return generate_latest(self._registry)


class _Pool(Collector):
    def __init__(self, database: Database) -> None:
        self._database = database

    def collect(self) -> Iterator[Metric]:
        now = self._database.pool.get_stats()
        pool = GaugeMetricFamily("pgcron_admin_pool_connections", "Connections to the database.", labels=["state"])
        size, free = now.get("pool_size", 0), now.get("pool_available", 0)
        pool.add_metric(["free"], free)
        pool.add_metric(["used"], max(size - free, 0))
        yield pool
        yield GaugeMetricFamily(
            "pgcron_admin_pool_waiting", "Requests that wait for a connection.", value=now.get("requests_waiting", 0)
        )


class _Streams(Collector):
    def __init__(self, streams: Streams) -> None:
        self._streams = streams

    def collect(self) -> Iterator[Metric]:
        yield GaugeMetricFamily("pgcron_admin_streams", "Open streams of events.", value=self._streams.streams)
        yield CounterMetricFamily(
            "pgcron_admin_streams_dropped", "Streams that ended because their client was slow.", value=self._streams.dropped
        )  # fmt: skip
