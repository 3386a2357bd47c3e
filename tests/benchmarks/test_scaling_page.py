"""The archive of docs/scaling.md, as it is written there."""

from __future__ import annotations

import re
from pathlib import Path

import psycopg

PAGE = Path(__file__).resolve().parents[2] / "docs" / "scaling.md"
PARTITION = "CREATE TABLE archived_rest PARTITION OF archived_run DEFAULT"
RUNS = """
INSERT INTO pgcron.cron_log (id, job_id, seq, status, cause, worker_id, started_at, completed_at, duration, handler, job_version, schedule)
SELECT pgcron.uuid_v7_at(t), j.id, n, 'SUCCESS', 'manual', gen_random_uuid(), t, t, 1, 'h', 1, 's'
  FROM pgcron.cron_job j, (VALUES (1, 1), (2, 8), (3, 10)) AS it (n, days), LATERAL (SELECT clock_timestamp() - days * interval '1 day' AS t) x
"""


def test_the_archive_takes_each_run_of_the_week_before_last_once(db_url: str) -> None:
    (block,) = re.findall(r"```sql\n(.*?)```", PAGE.read_text(), re.S)
    made, _, copy = block.partition("-- Every hour")
    with psycopg.connect(db_url, autocommit=True) as connection:
        connection.execute("INSERT INTO pgcron.cron_job (name, schedule, handler) VALUES ('a', '@daily', 'h')")
        connection.execute("SET session_replication_role = 'replica'")  # runs that nobody ran
        connection.execute(RUNS)
        connection.execute(made)
        connection.execute(PARTITION)
        copied = [connection.execute(f"-- {copy}").rowcount for _ in range(2)]
        kept = connection.execute("SELECT seq FROM archived_run ORDER BY seq").fetchall()
    assert (copied, kept) == ([2, 0], [(2,), (3,)])
