"""What people did meanwhile: jobs they disabled and moved, rules they made, whom they told, and what is wrong just now."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, LiteralString

import psycopg
from psycopg.types.json import Jsonb

from pgcron_workers.demo.showcase.samples import SAMPLES

# Who, why, and what they did.
DEEDS: tuple[tuple[str, str, LiteralString], ...] = (
    ("ana", "the warehouse asked for it, OPS-377", "SELECT pgcron.alter_job('reorder-proposals', '{\"schedule\": \"20 5 * * mon-fri\"}')"),
    ("bob", "two reports at seven were too many", "SELECT pgcron.alter_job('weekly-report', '{\"schedule\": \"10 7 * * mon\"}')"),
    ("chidi", "the search cluster moves, OPS-411", "SELECT pgcron.disable('rebuild-search', 'the search cluster moves, OPS-411', clock_timestamp() + interval '4 days')"),
    ("dora", "no letters in December", "SELECT pgcron.disable('dunning-letters', 'no letters in December')"),
    ("ana", "the partner allows so many", "SELECT pgcron.set_limit('tag', 'mail', 3)"),
    ("ana", "the provider counts calls", "SELECT pgcron.set_limit('handler', 'shop.finance:settle_payments', 1, 30, 5)"),
    ("bob", "stocktaking", "SELECT pgcron.set_blackout('stocktaking', p_schedule => '0 22 31 12 *', p_duration => '10 hours', p_timezone => 'Europe/Berlin', p_tag => 'stock', p_action => 'delay', p_reason => 'nothing moves while shelves are counted')"),
    ("bob", "nobody reads mail at night", "SELECT pgcron.set_blackout('quiet-nights', p_schedule => '0 23 * * *', p_duration => '7 hours', p_timezone => 'Europe/Berlin', p_tag => 'mail', p_reason => 'nobody reads mail at night')"),
    ("dora", "the provider is slow on Mondays", "SELECT pgcron.alter_job('settle-payments', '{\"timeout_ms\": 120000}')"),
    ("ana", "the feed moved", "SELECT pgcron.alter_job('price-feed', '{\"schedule\": \"12 */2 * * *\"}')"),
    ("chidi", "a holiday in Japan", "SELECT pgcron.skip_next('tokyo-opening')"),
)  # fmt: skip
ACT: LiteralString = "SELECT pgcron.act_as(%s, %s, NULL, '10.4.0.17')"
STRUCK: LiteralString = """
UPDATE pgcron.cron_job SET is_enabled = false, disabled_by = 'pgcron', disabled_reason = consecutive_failures || ' consecutive failures, the last: ' || %s
WHERE name = 'new-york-closing'
"""
ALERT: LiteralString = """
INSERT INTO pgcron.cron_alert (kind, job_id, job_name, last_seq, count, detail, opened_at, told_at)
SELECT 'failing', j.id, j.name, j.run_seq, j.consecutive_failures, %(detail)s, l.completed_at, l.completed_at
  FROM pgcron.cron_job j JOIN LATERAL (SELECT min(r.completed_at) AS completed_at FROM pgcron.cron_log r
    WHERE r.job_id = j.id AND r.status = 'FAILED' AND r.seq > (SELECT coalesce(max(s.seq), 0) FROM pgcron.cron_log s WHERE s.job_id = j.id AND s.status = 'SUCCESS')) l ON true
 WHERE j.name = %(name)s AND j.consecutive_failures > 0
"""
PAST_ALERT: LiteralString = """
INSERT INTO pgcron.cron_alert (kind, job_id, job_name, count, detail, opened_at, told_at, acknowledged_at, acknowledged_by, resolved_at)
SELECT 'failing', j.id, j.name, %(count)s, %(detail)s, %(opened)s, %(opened)s, %(opened)s::timestamptz + interval '7 min', 'ana', %(resolved)s
  FROM pgcron.cron_job j WHERE j.name = %(name)s
"""
PAST = (
    ("settle-payments", 5, timedelta(days=12, hours=3)),
    ("returns-refunds", 2, timedelta(days=12, hours=3)),
    ("backup-check", 1, timedelta(days=20)),
)


def tell_story(connection: psycopg.Connection[Any], now: datetime) -> None:
    """In the caller's transaction, as a superuser, after the history."""
    for person, reason, deed in DEEDS:
        connection.execute(ACT, (person, reason))
        connection.execute(deed)
    for sample in SAMPLES:
        if sample.streak:
            connection.execute(ALERT, {"name": sample.name, "detail": Jsonb({"error": sample.error})})
    for name, count, ago in PAST:
        error = next(sample.error for sample in SAMPLES if sample.name == name)
        opened = now - ago
        told = {"name": name, "count": count, "detail": Jsonb({"error": error}), "opened": opened}
        connection.execute(PAST_ALERT, told | {"resolved": opened + timedelta(minutes=52)})
    connection.execute(
        "UPDATE pgcron.cron_watch SET looked_at = clock_timestamp()"
    )  # what was missed then, somebody was told then
    struck = next(sample for sample in SAMPLES if sample.name == "new-york-closing")
    connection.execute(ACT, ("pgcron", "too many failures in a row"))
    connection.execute(STRUCK, (struck.error,))
