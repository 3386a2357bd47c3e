"""A database behind the API, set up as a superuser: jobs, workers and runs as they would have become."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

import httpx
from psycopg.rows import dict_row

from support.kept import kept

HANDLER = "shop:report"


@dataclass(frozen=True)
class Records:
    url: str

    def rows(self, query: str, *values: object) -> list[dict[str, Any]]:
        with kept(self.url).cursor(row_factory=dict_row) as cursor:
            cursor.execute(query, values or None)
            return cursor.fetchall() if cursor.description is not None else []

    def row(self, query: str, *values: object) -> dict[str, Any]:
        (row,) = self.rows(query, *values)
        return row

    def do(self, statement: str, *values: object) -> None:
        self.rows(statement, *values)

    def job(self, name: str, **columns: Any) -> UUID:
        """A planned job that is not due for years."""
        fields = {"name": name, "schedule": "0 0 29 2 *", "handler": HANDLER, **columns}
        values = [json.dumps(v) if isinstance(v, dict) else v for v in fields.values()]
        marks = ", ".join(["%s"] * len(fields))
        id_: UUID = self.row(
            f"INSERT INTO pgcron.cron_job ({', '.join(fields)}) VALUES ({marks}) RETURNING id", *values
        )["id"]
        return id_

    def worker(self, *handlers: str, **columns: Any) -> UUID:
        """A live worker, with a lease of an hour."""
        id_ = uuid4()
        fields: dict[str, Any] = {
            "id": id_, "host": "test", "pid": 1, "version": "0", "concurrency": 10,
            "handlers": json.dumps([{"name": name} for name in handlers or (HANDLER,)]), **columns,
        }  # fmt: skip
        marks = ", ".join(["%s"] * len(fields))
        self.rows(f"INSERT INTO pgcron.cron_worker ({', '.join(fields)}) VALUES ({marks})", *fields.values())
        self.rows(
            "INSERT INTO pgcron.cron_lease (worker_id, lease_until, ttl_ms) VALUES (%s, clock_timestamp() + interval '1 h', 30000)", id_
        )  # fmt: skip
        return id_

    def runs(
        self, job: UUID, worker: UUID, count: int = 1, *, status: str = "SUCCESS", ago: str = "1 h", **columns: Any
    ) -> list[UUID]:
        """Runs that began a second apart, the first of them `ago`; the job's counters are told."""
        ended = {
            "SUCCESS": {"duration": 100},
            "FAILED": {"duration": 50, "reason": "error", "error": "ValueError: no such shop"},
            "RUNNING": {},
        }[status]
        fields = {
            "status": status, "worker_id": worker, "handler": HANDLER, "job_version": 1, "schedule": "0 0 29 2 *", "cause": "manual",
            **ended, **columns,
        }  # fmt: skip
        values = [json.dumps(v) if isinstance(v, dict) else v for v in fields.values()]
        query = f"""
            WITH j AS (UPDATE pgcron.cron_job SET run_seq = run_seq + %s, running_count = running_count + %s, last_run_at = clock_timestamp() - %s::interval,
                success_count = success_count + %s, failure_count = failure_count + %s, duration_sum_ms = duration_sum_ms + %s
              WHERE id = %s RETURNING id, run_seq)
            INSERT INTO pgcron.cron_log (id, job_id, seq, started_at, completed_at, {", ".join(fields)})
            SELECT overlay(pgcron.uuid_v7_at(s.at)::text PLACING substr(gen_random_uuid()::text, 20) FROM 20)::uuid, j.id, j.run_seq - %s + n, s.at,
              CASE WHEN %s THEN NULL ELSE s.at + interval '100 ms' END, {", ".join(["%s"] * len(fields))}
            FROM j CROSS JOIN generate_series(1, %s) n CROSS JOIN LATERAL (SELECT clock_timestamp() - %s::interval + n * interval '1 s' AS at) s
            ORDER BY n RETURNING id"""
        is_running = status == "RUNNING"
        good, bad = (count if status == "SUCCESS" else 0), (count if status == "FAILED" else 0)
        head = [count, count if is_running else 0, ago, good, bad, good * 100, job, count, is_running]
        return [row["id"] for row in self.rows(query, *head, *values, count, ago)]

    def day(self, interval: str) -> str:
        """So far from now, as a query has it."""
        at = self.row("SELECT (clock_timestamp() + %s::interval) AT TIME ZONE 'UTC' AS at", interval)["at"]
        return f"{at:%Y-%m-%dT%H:%M:%SZ}"

    def no_runs_now(self) -> None:
        """The rate limit forgets."""
        self.rows("DELETE FROM pgcron.app_run_now")


def next_page(answer: httpx.Response) -> str | None:
    """What its header Link names."""
    link = answer.headers.get("link")
    return link[1 : link.index(">")] if link else None


def refused(answer: httpx.Response, status: int, message: str) -> dict[str, Any]:
    """The problem document, which is whole."""
    body: dict[str, Any] = answer.json()
    assert (answer.status_code, body["statusCode"], body["status"]) == (status, status, status), body
    assert message in body["message"], body
    assert body["detail"] == body["message"]
    assert body["requestId"] == answer.headers["x-request-id"]
    return body
