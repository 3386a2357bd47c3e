"""Everything in the demo's database that has to be there before a worker starts; harmless on a database that has it."""

from __future__ import annotations

import secrets
from dataclasses import dataclass

import psycopg
from psycopg import sql

from pgcron_py.app.database import upgrade
from pgcron_py.app.session import os_caller, session
from pgcron_py.app.users import create_user, list_users, make_link
from pgcron_py.embedded import EmbeddedServer

DATABASE = "demo"
OWNER, WORKER, WEB = "demo_owner", "demo_worker", "demo_web"
GROUPS = {OWNER: "pgcron_owner", WORKER: "pgcron_worker", WEB: "pgcron_web"}
USER, ROLE = "admin", "super_admin"
LINK_MINUTES = 24 * 60

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
class Urls:
    """One URL for each login of the demo. Their passwords live as long as the demo runs."""

    owner: str
    worker: str
    web: str


def seed(server: EmbeddedServer) -> Urls:
    """Creates the database, migrates it, and makes logins, tables and the job that only SQL knows."""
    with psycopg.connect(server.url, autocommit=True) as connection:
        if connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", (DATABASE,)).fetchone() is None:
            connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(DATABASE)))
    superuser = server.dsn(dbname=DATABASE)
    upgrade(superuser)
    passwords = {login: secrets.token_urlsafe(24) for login in GROUPS}
    with psycopg.connect(superuser) as connection:
        for login, password in passwords.items():
            _make_login(connection, login, password)
        connection.execute(TABLES)
        connection.execute(SQL_JOB)
    return Urls(*(server.dsn(login, DATABASE, password) for login, password in passwords.items()))


def sign_in_path(owner_url: str) -> str:
    """A link of the admin that signs the demo's super admin in once, below the admin's address; makes them if need be."""
    caller = os_caller("the demo")
    with session(owner_url) as connection:
        if USER not in {user.name for user in list_users(connection)}:
            create_user(connection, USER, ROLE, caller)
        return make_link(connection, USER, LINK_MINUTES, caller).path


def _make_login(connection: psycopg.Connection, login: str, password: str) -> None:
    known = connection.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", (login,)).fetchone()
    statement = sql.SQL("{} ROLE {} LOGIN PASSWORD {}").format(
        sql.SQL("ALTER" if known else "CREATE"), sql.Identifier(login), sql.Literal(password)
    )
    connection.execute(statement)
    grant = sql.SQL("GRANT {} TO {}").format(sql.Identifier(GROUPS[login]), sql.Identifier(login))
    connection.execute(grant)
