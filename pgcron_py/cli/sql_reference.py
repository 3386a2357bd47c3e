"""docs/sql.md, written from the comments in the database itself.

python -m pgcron_py.cli.sql_reference docs
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path

import psycopg

Connection = psycopg.Connection[tuple[str, ...]]

INTRO = """<!-- Made by `python -m pgcron_py.cli.sql_reference docs`: change the comments in sql/, not this page. -->
# In psql

Everything works with no worker alive: what is due waits. Views are a promise: tables may change, their columns stay. They run with
the rights of who reads them (`pgcron_reader` is enough, but for other roles' queries in `locks`), also on a standby.

```sql
SELECT job, state, blocked_by, next_run_at FROM pgcron.job_status WHERE state <> 'enabled';
SELECT * FROM pgcron.running ORDER BY running_ms DESC;
SELECT * FROM pgcron.runs WHERE job_id = pgcron.job_id('nightly') ORDER BY seq DESC LIMIT 50;   -- by job_id: a page costs a page
SELECT * FROM pgcron.runs WHERE status = 'FAILED' AND run_id > pgcron.uuid_v7_at(now() - interval '1 day') ORDER BY run_id DESC;
SELECT * FROM pgcron.ledger WHERE job = 'nightly' AND first_scheduled_for > now() - interval '1 day' ORDER BY covers_to;
SELECT period, success_rate, uptime, duration_p95_ms FROM pgcron.statistics WHERE job = 'nightly';
SELECT * FROM pgcron.statistics_of('nightly', '90 days');
SELECT starts_at, job, cause FROM pgcron.upcoming ORDER BY starts_at LIMIT 20;
SELECT pgcron.run_now('nightly');
UPDATE pgcron.cron_job SET schedule = '0 4 * * *' WHERE name = 'nightly';
```
"""
VIEWS = "SELECT c.relname, obj_description(c.oid, 'pg_class') FROM pg_class c WHERE c.relnamespace = 'pgcron'::regnamespace AND c.relkind = 'v' ORDER BY 1"
COLUMNS = """
SELECT a.attname, format_type(a.atttypid, a.atttypmod), col_description(a.attrelid, a.attnum) FROM pg_attribute a
 WHERE a.attrelid = format('pgcron.%%I', %s::text)::regclass AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum
"""
# What people call, with the least role that may. The rest is for triggers and workers, or what others are made of.
FUNCTIONS = """
SELECT p.proname, pg_get_function_arguments(p.oid), pg_get_function_result(p.oid),
    CASE WHEN has_function_privilege('pgcron_reader', p.oid, 'EXECUTE') THEN 'reader'
         WHEN has_function_privilege('pgcron_operator', p.oid, 'EXECUTE') THEN 'operator' ELSE 'web' END, obj_description(p.oid, 'pg_proc') FROM pg_proc p
 WHERE p.pronamespace = 'pgcron'::regnamespace AND NOT p.proname LIKE 'schedule\\_%%' AND NOT p.proname = ANY (%s)
   AND p.prorettype <> 'trigger'::regtype AND has_function_privilege('pgcron_web', p.oid, 'EXECUTE') ORDER BY 1, 2
"""
INNER = [
    "audit_hash", "alone_gate", "blackout_until", "bucket_ms", "bucket_of", "histogram_of", "histogram_plus", "is_owner", "jittered_start", "lag_ms",
    "limit_use", "names_of", "release_numbers", "skipped_reading", "slowest_run", "utc_day",
]  # fmt: skip
TABLES = "SELECT c.relname, obj_description(c.oid, 'pg_class') FROM pg_class c WHERE c.relnamespace = 'pgcron'::regnamespace AND c.relkind = 'r' AND c.relname <> 'alembic_version' ORDER BY 1"


def page(connection: Connection) -> str:
    """The page, of a database at the newest migration."""
    return "\n".join([INTRO, *_views(connection), *_functions(connection), *_tables(connection)]).rstrip() + "\n"


def _views(connection: Connection) -> Iterator[str]:
    yield "## Views\n"
    for name, comment in connection.execute(VIEWS).fetchall():
        yield f"### pgcron.{name}\n\n{comment}\n\n| column | type | what |\n|---|---|---|"
        for column, type_, text in connection.execute(COLUMNS, (name,)).fetchall():
            yield f"| `{column}` | {type_.replace('timestamp with time zone', 'timestamptz')} | {_cell(text)} |"
        yield ""


def _functions(connection: Connection) -> Iterator[str]:
    yield "## Functions\n"
    yield "Errors have SQLSTATEs of their own, `PC001` and so on, a hint and often the field: [the list](../sql/README.md#functions-for-people).\n"
    yield "The role is the least that may call it: an operator may what a reader may, the web and owners all of them.\n"
    yield "| function | returns | role | what |\n|---|---|---|---|"
    for name, arguments, result, role, text in connection.execute(FUNCTIONS, (INNER,)).fetchall():
        signature = re.sub(
            r"(DEFAULT [^:,]+)::[a-z]+(\[\])?",
            r"\1",
            f"{name}({arguments})".replace("timestamp with time zone", "timestamptz"),
        )
        yield f"| `{signature}` | {_cell(result.replace('timestamp with time zone', 'timestamptz'))} | {role} | {_cell(text)} |"
    yield ""


def _tables(connection: Connection) -> Iterator[str]:
    yield "## Tables\n\nTheir columns: `\\d+ pgcron.cron_job`. Definitions are changed with INSERT, UPDATE and DELETE on `cron_job`.\n"
    yield "| table | a row is |\n|---|---|"
    for name, comment in connection.execute(TABLES).fetchall():
        yield f"| `{name}` | {_cell(comment)} |"


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def main(folder: str = "docs") -> None:
    from pgcron_py.app.database import upgrade
    from pgcron_py.embedded import EmbeddedServer

    with EmbeddedServer("18") as server:
        url = server.dsn("postgres", "postgres", server.password)
        upgrade(url)
        with psycopg.connect(url) as connection:
            (Path(folder) / "sql.md").write_text(page(connection), "utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
