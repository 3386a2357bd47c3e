"""Output of runs and their progress, as a worker writes it. Each statement names its fence: the run is this worker's."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from psycopg import AsyncConnection

from pgcron_py.domain.words import WorkerId

# The tail of a run moves: what fell out of it goes, and the line that says what was dropped stands before its new beginning.
FORGET = """
DELETE FROM pgcron.cron_log_line o USING json_to_recordset(%(runs)s) AS r (run_id uuid, head_lines bigint, tail_from bigint)
 WHERE o.run_id = r.run_id AND o.line_no > r.head_lines AND o.line_no < r.tail_from
   AND EXISTS (SELECT FROM pgcron.cron_log l WHERE l.id = r.run_id AND l.worker_id = %(worker)s)
"""
# A run whose job keeps only the output of failures has succeeded: now all of its lines were dropped.
FORGET_ALL = """
WITH run AS (SELECT l.id FROM pgcron.cron_log l WHERE l.id = ANY (%(runs)s::uuid[]) AND l.worker_id = %(worker)s AND l.status = 'SUCCESS'),
gone AS (DELETE FROM pgcron.cron_log_line o USING run r WHERE o.run_id = r.id)
UPDATE pgcron.cron_log_output t SET dropped_lines = t.lines, dropped_bytes = t.bytes, updated_at = clock_timestamp() FROM run r WHERE t.run_id = r.id
"""
LINES = """
INSERT INTO pgcron.cron_log_line (run_id, line_no, stream, level, at, text)
SELECT r.run_id, r.line_no, r.stream, r.level, r.at, r.text
  FROM json_to_recordset(%(lines)s) AS r (run_id uuid, line_no bigint, stream text, level text, at timestamptz, text text)
 WHERE EXISTS (SELECT FROM pgcron.cron_log l WHERE l.id = r.run_id AND l.worker_id = %(worker)s)
ON CONFLICT DO NOTHING
"""
TOTALS = """
INSERT INTO pgcron.cron_log_output AS o (run_id, lines, bytes, dropped_lines, dropped_bytes, is_complete)
SELECT r.run_id, r.lines, r.bytes, r.dropped_lines, r.dropped_bytes, r.is_complete
  FROM json_to_recordset(%(runs)s) AS r (run_id uuid, lines bigint, bytes bigint, dropped_lines bigint, dropped_bytes bigint, is_complete boolean)
 WHERE r.lines > 0 AND EXISTS (SELECT FROM pgcron.cron_log l WHERE l.id = r.run_id AND l.worker_id = %(worker)s)
 ORDER BY r.run_id
ON CONFLICT (run_id) DO UPDATE SET lines = excluded.lines, bytes = excluded.bytes, dropped_lines = excluded.dropped_lines,
  dropped_bytes = excluded.dropped_bytes, is_complete = excluded.is_complete, updated_at = clock_timestamp()
  WHERE NOT o.is_complete
"""
# SKIP LOCKED: a finish holds the row, so the run has ended; and this must never wait for a finish, nor deadlock with one.
PROGRESS = """
UPDATE pgcron.cron_log l SET progress = p.progress
  FROM (SELECT l.id, r.progress FROM json_to_recordset(%(runs)s) AS r (run_id uuid, progress jsonb)
          JOIN pgcron.cron_log l ON l.id = r.run_id AND l.worker_id = %(worker)s AND l.status = 'RUNNING'
         ORDER BY l.id FOR NO KEY UPDATE OF l SKIP LOCKED) p
 WHERE l.id = p.id AND l.worker_id = %(worker)s AND l.status = 'RUNNING'
"""

_TOTALS = ("run_id", "lines", "bytes", "dropped_lines", "dropped_bytes", "is_complete")


async def write(connection: AsyncConnection, worker: WorkerId, runs: Iterable[dict[str, Any]]) -> None:
    """runs: run_id, lines (total), bytes, dropped_lines, dropped_bytes, is_complete, head_lines, tail_from or None,
    progress or None, and kept: new lines, each [line_no, stream, level, at (ISO 8601), text]; and forget_all, where the run's
    lines shall go. Writing again changes nothing."""
    found = list(runs)
    moved = [{k: run[k] for k in ("run_id", "head_lines", "tail_from")} for run in found if run["tail_from"]]
    lines = [
        {"run_id": run["run_id"], "line_no": line[0], "stream": line[1], "level": line[2], "at": line[3], "text": line[4]}
        for run in found
        for line in run["kept"]
    ]  # fmt: skip
    progress = [{"run_id": run["run_id"], "progress": run["progress"]} for run in found if run["progress"] is not None]
    async with connection.transaction():
        if moved:
            await connection.execute(FORGET, {"worker": worker, "runs": json.dumps(moved)})
        if lines:
            await connection.execute(LINES, {"worker": worker, "lines": json.dumps(lines)})
        totals = json.dumps([{key: run[key] for key in _TOTALS} for run in found])
        await connection.execute(TOTALS, {"worker": worker, "runs": totals})
        if forgotten := [run["run_id"] for run in found if run.get("forget_all")]:
            await connection.execute(FORGET_ALL, {"worker": worker, "runs": forgotten})
    if progress:
        await connection.execute(PROGRESS, {"worker": worker, "runs": json.dumps(progress)})
