"""What a demo shows: which application its workers run, and what has to lie in its database before they start."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import psycopg

TABLES = """
CREATE SCHEMA IF NOT EXISTS demo;
CREATE TABLE IF NOT EXISTS demo.two_factor_token (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, user_id bigint NOT NULL, code text NOT NULL,
  expires_at timestamptz NOT NULL, created_at timestamptz NOT NULL DEFAULT clock_timestamp());
CREATE INDEX IF NOT EXISTS two_factor_token_expires_idx ON demo.two_factor_token (expires_at);
CREATE TABLE IF NOT EXISTS demo.heartbeat (
  run_seq bigint PRIMARY KEY, scheduled_for timestamptz, at timestamptz NOT NULL DEFAULT clock_timestamp());
CREATE TABLE IF NOT EXISTS demo.account (name text PRIMARY KEY, balance bigint NOT NULL CHECK (balance >= 0));
INSERT INTO demo.account VALUES ('alice', 500), ('bob', 500) ON CONFLICT DO NOTHING;
CREATE TABLE IF NOT EXISTS demo.token_report (
  run_seq bigint, step integer, live bigint NOT NULL, expired bigint NOT NULL, PRIMARY KEY (run_seq, step));
CREATE TABLE IF NOT EXISTS demo.row_count (
  table_name text PRIMARY KEY, rows bigint NOT NULL, counted_at timestamptz NOT NULL DEFAULT clock_timestamp());
CREATE OR REPLACE FUNCTION demo.count_rows(p_table text) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  found bigint;
BEGIN
  EXECUTE format('SELECT count(*) FROM demo.%I', p_table) INTO found;
  INSERT INTO demo.row_count (table_name, rows) VALUES (p_table, found)
  ON CONFLICT (table_name) DO UPDATE SET rows = excluded.rows, counted_at = excluded.counted_at;
END $$;
GRANT USAGE ON SCHEMA demo TO demo_worker;
GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA demo TO demo_worker;
"""

# A job needs no Python at all but the handler it names.
SQL_JOB = """
INSERT INTO pgcron.cron_job (name, description, schedule, handler, args)
VALUES ('row-count', 'Made by an INSERT: counts the rows of a table', '*/4 * * * * *', 'demo.count_rows', '{"table": "two_factor_token"}')
ON CONFLICT (name) DO NOTHING
"""


@dataclass(frozen=True, slots=True)
class World:
    """folder: the name of the default data folder. app: of the workers. seed: harmless on a database that has it; takes a superuser's URL.
    takes: what to tell of seeding that takes its time."""

    folder: str
    app: str
    seed: Callable[[str], object]
    takes: str = ""


def _seed_demo(url: str) -> None:
    with psycopg.connect(url) as connection:
        connection.execute(TABLES)
        connection.execute(SQL_JOB)


def _seed_showcase(url: str) -> None:
    from pgcron_workers.demo.showcase.seed import seed_showcase  # declares sixty jobs: only for who wants them

    seed_showcase(url)


DEMO = World("demo", "pgcron_workers.demo.handlers:app", _seed_demo)
SHOWCASE = World(
    "showcase",
    "pgcron_workers.demo.showcase.app:app",
    _seed_showcase,
    "the first time, three months of history are written: some seconds",
)
