"""What a page costs: it looks at about as many runs as it shows, however many there are."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, LiteralString
from uuid import UUID

import psycopg
import pytest

from pgcron_admin.queries import jobs as job_queries
from pgcron_admin.queries import records as record_queries
from pgcron_admin.queries import runs as run_queries
from pgcron_admin.queries.jobs import JobFilter
from pgcron_admin.queries.runs import RunFilter
from support.api import Records

PAGE, ENOUGH = 50, 1000
RUNS = 20_000


class Looked:
    """The plans of queries, as the admin's own role gets them."""

    def __init__(self, url: str) -> None:
        self.connection = psycopg.connect(url, autocommit=True)

    def rows(self, query: LiteralString, params: dict[str, Any]) -> int:
        """Most rows that any scan of the history went through."""
        cursor = psycopg.ClientCursor(self.connection)
        row = cursor.execute("EXPLAIN (ANALYZE, FORMAT JSON) " + query, params).fetchone()
        assert row is not None
        return max(self._scans(row[0][0]["Plan"]), default=0)

    def _scans(self, node: dict[str, Any]) -> Iterator[int]:
        if "Relation Name" in node or node["Node Type"] == "Bitmap Index Scan":
            removed = node.get("Rows Removed by Filter", 0) + node.get("Rows Removed by Index Recheck", 0)
            yield round((node["Actual Rows"] + removed) * node["Actual Loops"])
        for below in node.get("Plans", []):
            yield from self._scans(below)


@pytest.fixture(scope="module")
def urls(embedded_pg: Any, migrated_template: str) -> Iterator[tuple[str, str]]:
    """As superuser, and as the admin: a database of its own, for it gets large."""
    with embedded_pg.database(migrated_template) as name:
        yield embedded_pg.url(name), embedded_pg.url(name, ("t_web", "test"))


@pytest.fixture(scope="module")
def looked(urls: tuple[str, str]) -> Iterator[tuple[Looked, UUID]]:
    records = Records(urls[0])
    worker = records.worker()
    busy = records.job("busy")
    records.runs(busy, worker, RUNS, ago="20 d")
    records.runs(busy, worker, 3, status="FAILED", ago="19 d")
    records.runs(records.job("other"), worker, RUNS, ago="15 d")
    records.rows(
        "INSERT INTO pgcron.cron_job (name, schedule, handler) SELECT 'many-' || n, '0 0 29 2 *', 'h' FROM generate_series(1, 3000) n"
    )
    records.rows("VACUUM ANALYZE pgcron.cron_log")
    records.rows("VACUUM ANALYZE pgcron.cron_job")
    plans = Looked(urls[1])
    yield plans, busy
    plans.connection.close()


DAYS = {
    name: datetime.now(UTC) - timedelta(days=days) for name, days in (("old", 19.9), ("older", 19.95), ("new", 10.0))
}


@pytest.mark.parametrize(
    "filter_",
    [
        {}, {"status": "FAILED"}, {"status": "RUNNING"}, {"since": DAYS["old"]}, {"until": DAYS["old"]}, {"since": DAYS["older"], "until": DAYS["old"]},
        {"since": DAYS["new"], "status": "FAILED"}, {"until": DAYS["new"], "status": "FAILED"},
    ],
)  # fmt: skip
@pytest.mark.parametrize("of_one_job", [True, False])
def test_a_page_of_runs_walks_an_index(looked: tuple[Looked, UUID], filter_: dict[str, Any], of_one_job: bool) -> None:
    plans, busy = looked
    wanted = RunFilter(job=busy if of_one_job else None, **filter_)
    params = {**wanted.params(), "limit": PAGE, "after": None, "slack": run_queries.SLACK}
    if of_one_job:
        assert plans.rows(run_queries.BOUNDS, params) <= PAGE
        row = psycopg.ClientCursor(plans.connection).execute(run_queries.BOUNDS, params).fetchone()
        assert row is not None
        params |= {"first": row[0], "last": row[1]}
    assert plans.rows(run_queries._query(wanted), params) <= ENOUGH


def test_a_search_looks_through_one_stretch_and_no_more(
    looked: tuple[Looked, UUID], monkeypatch: pytest.MonkeyPatch
) -> None:
    plans, busy = looked
    monkeypatch.setattr(run_queries, "STRETCH", 500)
    for job in (busy, None):
        wanted = RunFilter(job=job, search="nothing like it")
        params = {**wanted.params(), "limit": PAGE, "after": None, "first": None, "last": None}
        assert plans.rows(run_queries._query(wanted), params) <= ENOUGH


def test_a_page_of_jobs_asks_for_the_runs_of_those_it_shows(looked: tuple[Looked, UUID]) -> None:
    plans, _ = looked
    params = {**JobFilter().params(), "limit": PAGE + 1}
    assert plans.rows(job_queries.page_query(JobFilter(), "name", is_first=True), params) <= 3 * PAGE
    params |= {"value": "many-5", "after": UUID(int=0)}
    assert plans.rows(job_queries.page_query(JobFilter(), "name", is_first=False), params) <= 3 * PAGE


def test_a_page_of_the_ledger_sorts_no_history(looked: tuple[Looked, UUID], urls: tuple[str, str]) -> None:
    plans, busy = looked
    records = Records(urls[0])
    records.rows(
        "INSERT INTO pgcron.cron_miss (job_id, reason, covers_from, covers_to, first_scheduled_for, last_scheduled_for, count) "
        "SELECT %s, CASE WHEN n %% 2 = 0 THEN 'overlap' ELSE 'disabled' END, t, t + interval '1 s', t + interval '1 s', t + interval '1 s', 1 FROM generate_series(1, 5000) n, LATERAL (SELECT '2026-01-01'::timestamptz + n * interval '1 s' AS t) x",
        busy,
    )  # fmt: skip
    records.rows("VACUUM ANALYZE pgcron.cron_miss")
    params = {"job": busy, "after": None, "limit": PAGE + 1, "reason": None}
    assert plans.rows(record_queries.LEDGER, params) <= ENOUGH
    assert plans.rows(record_queries.MISSES_OF_JOB, params) <= ENOUGH
    assert plans.rows(record_queries.MISSES, params) <= ENOUGH
