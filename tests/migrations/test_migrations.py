"""Models, migrations and database say the same; going up, down and up again leaves nothing behind."""

from __future__ import annotations

import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import create_engine

from pgcron_py.app import database
from pgcron_py.errors import DatabaseUnavailable, LockNotAvailable
from pgcron_py.storage.models import Base
from support.fleet import wait_for

OBJECTS = """
  SELECT count(*) FROM (
    SELECT oid FROM pg_class WHERE relnamespace = 'pgcron'::regnamespace AND relname NOT LIKE 'alembic_version%'
    UNION ALL SELECT oid FROM pg_proc WHERE pronamespace = 'pgcron'::regnamespace) x
"""


def engine_of(url: str):
    return create_engine("postgresql+psycopg://", creator=lambda: psycopg.connect(url))


def test_an_empty_database_is_upgraded_downgraded_and_upgraded_again(empty_db_url: str) -> None:
    assert database.current(empty_db_url).revision is None
    assert database.upgrade(empty_db_url).is_current
    with psycopg.connect(empty_db_url) as connection:
        (made,) = connection.execute(OBJECTS).fetchone()
    assert database.downgrade(empty_db_url, "base").revision is None
    with psycopg.connect(empty_db_url) as connection:
        assert connection.execute(OBJECTS).fetchone() == (0,)
    assert database.upgrade(empty_db_url).is_current
    with psycopg.connect(empty_db_url) as connection:
        assert connection.execute(OBJECTS).fetchone() == (made,)


def test_models_agree_with_the_migrated_database(db_url: str) -> None:
    with engine_of(db_url).connect() as connection:
        context = MigrationContext.configure(
            connection, opts={"include_schemas": True, "compare_type": True, "version_table_schema": "pgcron"}
        )
        differences = compare_metadata(context, Base.metadata)
    # Indexes, constraints and comments have one home: the SQL files.
    flat = [change for d in differences for change in (d if isinstance(d, list) else [d])]
    assert [
        c for c in flat if c[0] not in ("modify_comment", "remove_index", "remove_constraint", "remove_table_comment")
    ] == []


def test_every_table_column_and_function_is_commented(db_url: str) -> None:
    with psycopg.connect(db_url) as connection:
        bare = connection.execute("""
            SELECT c.relname || coalesce('.' || a.attname, '') FROM pg_class c
              LEFT JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
             WHERE c.relnamespace = 'pgcron'::regnamespace AND c.relkind IN ('r', 'v') AND c.relname <> 'alembic_version'
               AND (obj_description(c.oid, 'pg_class') IS NULL OR col_description(c.oid, a.attnum) IS NULL)
            UNION ALL SELECT p.proname FROM pg_proc p WHERE p.pronamespace = 'pgcron'::regnamespace
               AND p.prorettype <> 'trigger'::regtype AND obj_description(p.oid, 'pg_proc') IS NULL
        """).fetchall()
    assert bare == []


def test_a_second_upgrade_changes_nothing(db_url: str) -> None:
    before = database.current(db_url)
    assert database.upgrade(db_url) == before


def test_an_upgrade_waits_two_seconds_for_a_lock_then_says_so(empty_db_url: str) -> None:
    database.upgrade(empty_db_url)
    with psycopg.connect(empty_db_url) as holder:
        holder.execute("LOCK TABLE pgcron.cron_job IN ACCESS SHARE MODE")
        started = time.monotonic()
        with pytest.raises(LockNotAvailable, match="nothing was changed"):
            database.downgrade(empty_db_url, "base")
        assert 1.5 < time.monotonic() - started < 10
    assert database.current(empty_db_url).is_current


def test_two_upgrades_at_once_both_end_well(empty_db_url: str) -> None:
    script = "import sys; from pgcron_py.app.database import upgrade; print(upgrade(sys.argv[1]).is_current)"
    upgrades = [
        subprocess.Popen([sys.executable, "-c", script, empty_db_url], stdout=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    assert [upgrade.communicate(timeout=60)[0] for upgrade in upgrades] == ["True\n", "True\n"]


def test_an_upgrade_waits_longer_for_another_one_than_for_a_table(empty_db_url: str) -> None:
    waiting = "SELECT FROM pg_locks WHERE locktype = 'advisory' AND NOT granted AND clock_timestamp() - waitstart > interval '2.2 s'"
    with ThreadPoolExecutor(1) as thread, psycopg.connect(empty_db_url, autocommit=True) as other:
        other.execute("SELECT pg_advisory_lock(%s)", (database.UPGRADE_LOCK,))
        upgrading = thread.submit(database.upgrade, empty_db_url)
        wait_for(lambda: other.execute(waiting).fetchone() is not None, "it has waited for longer than for a table")
        other.execute("SELECT pg_advisory_unlock(%s)", (database.UPGRADE_LOCK,))
        assert upgrading.result(60).is_current


def test_an_upgrade_that_another_one_keeps_waiting_says_so(empty_db_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database, "UPGRADE_WAIT", "100ms")
    with psycopg.connect(empty_db_url, autocommit=True) as other:
        other.execute("SELECT pg_advisory_lock(%s)", (database.UPGRADE_LOCK,))
        with pytest.raises(LockNotAvailable, match="another upgrade of this database has been going on for 100ms"):
            database.upgrade(empty_db_url)
    assert database.current(empty_db_url).revision is None


def test_two_threads_that_upgrade_take_turns(empty_db_url: str) -> None:
    with ThreadPoolExecutor(2) as threads:
        states = list(threads.map(database.upgrade, [empty_db_url] * 2))
    assert [state.is_current for state in states] == [True, True]


def test_an_unreachable_database_is_one_clear_error() -> None:
    with pytest.raises(DatabaseUnavailable):
        database.current("postgresql://nobody@127.0.0.1:1/none")
