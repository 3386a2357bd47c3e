"""Who may do what: the catalog as a whole, each role through its doors, and actors that can't be forged."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
import pytest
from psycopg.rows import dict_row

from pgcron_py.app.compat import install_compat
from pgcron_py.app.session import session
from support.steps import Stage

FOR_EVERYBODY = """
SELECT kind || ' ' || name FROM (
  SELECT 'function', p.oid::regprocedure::text, p.proacl, acldefault('f', p.proowner) FROM pg_proc p WHERE p.pronamespace = ANY (%(schemas)s::regnamespace[])
  UNION ALL SELECT 'relation', c.oid::regclass::text, c.relacl, acldefault('r', c.relowner) FROM pg_class c WHERE c.relnamespace = ANY (%(schemas)s::regnamespace[]) AND c.relkind IN ('r', 'v', 'S')
  UNION ALL SELECT 'type', t.oid::regtype::text, t.typacl, acldefault('T', t.typowner) FROM pg_type t JOIN pg_class c ON c.oid = t.typrelid AND c.relkind = 'c'
    WHERE t.typnamespace = ANY (%(schemas)s::regnamespace[])
  UNION ALL SELECT 'schema', n.nspname, n.nspacl, acldefault('n', n.nspowner) FROM pg_namespace n WHERE n.oid = ANY (%(schemas)s::regnamespace[])
) AS o (kind, name, acl, by_default) WHERE EXISTS (SELECT FROM aclexplode(coalesce(acl, by_default)) a WHERE a.grantee = 0) ORDER BY 1
"""
UNSAFE_DEFINERS = """
SELECT p.oid::regprocedure::text FROM pg_proc p WHERE p.prosecdef AND p.pronamespace = ANY (%(schemas)s::regnamespace[])
   AND (pg_get_userbyid(p.proowner) <> 'pgcron_owner'
     OR NOT EXISTS (SELECT FROM unnest(p.proconfig) AS c WHERE c ~ '^search_path=(pgcron, |cron, |pgcron, cron, )?pg_catalog(, pg_temp)?$'))
"""
DEFINERS_OF = """
SELECT p.proname FROM pg_proc p WHERE p.pronamespace = 'pgcron'::regnamespace AND p.prosecdef AND p.prorettype <> 'trigger'::regtype
   AND has_function_privilege(%(role)s, p.oid, 'EXECUTE')
"""
WRITABLE = """
SELECT c.relname FROM pg_class c WHERE c.relnamespace = 'pgcron'::regnamespace AND c.relkind IN ('r', 'v')
   AND (has_table_privilege(%(role)s, c.oid, 'INSERT, UPDATE, DELETE, TRUNCATE') OR has_any_column_privilege(%(role)s, c.oid, 'INSERT, UPDATE'))
"""
OPERATOR_DOORS = {"actor", "client_address", "lock_jobs", "enable", "disable", "skip_next", "run_now", "retry_run", "cancel_run", "cancel_request", "cancel_job", "bulk",
                  "acknowledge", "mark_read"}  # fmt: skip
WEB_DOORS = OPERATOR_DOORS | {
    "act_as", "record_refusal", "create_job", "alter_job", "schedule", "unschedule", "revert", "purge_logs", "backfill", "cancel_backfill",
    "set_blackout", "remove_blackout", "set_limit", "remove_limit", "pause_all", "resume_all", "drain_worker", "add_channel", "edit_channel",
    "remove_channel", "mute", "unmute", "test_channel", "retry_deliveries",
    "lock_job", "run_now_limited", "begin_once", "end_once", "begin_bulk", "take_bulk", "bulk_step", "cancel_bulk", "set_preferences",
}  # fmt: skip
WORKER_DOORS = {
    "actor",
    "client_address",
    "is_sealed",
    "run_now",
    "cancel_run",
    "declare_jobs",
    "undeclare_jobs",
    "count_some_runs",
    "seal_audit",
    "purge_runs",
    "purge_rest",
}


@contextmanager
def session_of(url: str) -> Iterator[psycopg.Connection]:
    with psycopg.connect(url, row_factory=dict_row) as connection:
        yield connection
        connection.commit()


def refused(url: str, sqlstate: str, statement: str) -> str:
    with psycopg.connect(url) as connection, pytest.raises(psycopg.Error) as refusal:
        connection.execute(statement)
    assert refusal.value.sqlstate == sqlstate, refusal.value
    return f"{refusal.value.diag.message_primary} / {refusal.value.diag.message_hint}"


def names(stage: Stage, statement: str, role: str) -> set[str]:
    with psycopg.connect(stage.url) as connection:
        return {name for (name,) in connection.execute(statement, {"role": role})}


def test_nothing_is_for_everybody_and_every_definer_pins_its_path(stage: Stage) -> None:
    with psycopg.connect(stage.url) as connection:
        schemas = {"schemas": ["pgcron"]}
        assert connection.execute(FOR_EVERYBODY, schemas).fetchall() == []
        assert connection.execute(UNSAFE_DEFINERS, schemas).fetchall() == []


def test_pg_cron_s_interface_is_for_whom_its_schema_was_granted(stage: Stage) -> None:
    """As pg_cron's own: these need USAGE of schema cron, and ask themselves whether who calls is an author of SQL."""
    with session(stage.url) as connection:
        install_compat(connection)
        schemas = {"schemas": ["cron"]}
        for_everybody = [name for (name,) in connection.execute(FOR_EVERYBODY, schemas)]
        assert for_everybody == [
            "function cron.schedule(text,text)", "function cron.schedule(text,text,text)", "function cron.unschedule(bigint)",
            "function cron.unschedule(text)", "relation cron.job", "relation cron.job_run_details",
        ]  # fmt: skip
        assert connection.execute(UNSAFE_DEFINERS, schemas).fetchall() == []


def test_a_function_for_everybody_would_be_seen(stage: Stage) -> None:
    """The query itself: it finds what a forgotten REVOKE leaves, and a definer without a path."""
    with psycopg.connect(stage.url) as connection:
        connection.execute(
            "CREATE FUNCTION pgcron.careless() RETURNS integer LANGUAGE sql SECURITY DEFINER AS 'SELECT 1'"
        )
        for query in (FOR_EVERYBODY, UNSAFE_DEFINERS):
            assert "careless" in str(connection.execute(query, {"schemas": ["pgcron"]}).fetchall())
        connection.rollback()


@pytest.mark.parametrize(
    ("role", "doors"),
    [
        ("pgcron_reader", {"actor", "client_address"}),
        ("pgcron_operator", OPERATOR_DOORS),
        ("pgcron_web", WEB_DOORS),
        ("pgcron_worker", WORKER_DOORS),
    ],
)
def test_a_role_has_these_doors_and_no_other(stage: Stage, role: str, doors: set[str]) -> None:
    assert names(stage, DEFINERS_OF, role) == doors


@pytest.mark.parametrize("role", ["pgcron_reader", "pgcron_operator"])
def test_who_looks_and_operates_writes_no_table(stage: Stage, role: str) -> None:
    assert names(stage, WRITABLE, role) == set()


def test_an_operator_steers_what_there_is(stage: Stage, operator_url: str) -> None:
    stage.job("report", due=None)
    with session_of(operator_url) as session:
        session.execute("SELECT pgcron.disable('report', 'too loud')")
        assert session.execute("SELECT state FROM pgcron.job_status").fetchone() == {
            "state": "disabled by t_operator: too loud"
        }
        session.execute("SELECT pgcron.enable('report')")
        session.execute("SELECT pgcron.run_now('report')")
        assert session.execute("SELECT count(*) AS n FROM pgcron.requests").fetchone() == {"n": 1}
        session.execute("SELECT pgcron.cancel_job('report')")
        done = session.execute("SELECT outcome FROM pgcron.bulk('disable', p_name => 'rep*')").fetchall()
        assert done == [{"outcome": "done"}]
    assert stage.row("SELECT actor, db_role FROM pgcron.cron_audit ORDER BY id DESC LIMIT 1") == {
        "actor": "t_operator", "db_role": "t_operator",
    }  # fmt: skip


def test_an_operator_changes_no_definition(stage: Stage, operator_url: str) -> None:
    stage.job("report", due=None)
    refused(operator_url, "42501", "SELECT pgcron.alter_job('report', '{\"schedule\": \"@daily\"}')")
    refused(operator_url, "42501", "SELECT pgcron.pause_all('for fun')")
    refused(operator_url, "42501", "UPDATE pgcron.cron_job SET schedule = '@daily'")
    refused(operator_url, "42501", "SELECT stack_trace FROM pgcron.cron_log")
    told = refused(operator_url, "PC015", "SELECT pgcron.bulk('tag', p_all => true, p_value => 'x')")
    assert "t_operator may not change jobs" in told


def test_a_locked_job_is_changed_by_the_owner_only(stage: Stage, web_url: str, owner_url: str) -> None:
    stage.job("safe", due=None, is_locked=True)
    assert "locked" in refused(web_url, "PC003", "SELECT pgcron.alter_job('safe', '{\"schedule\": \"@daily\"}')")
    assert "locked" in refused(web_url, "PC003", "SELECT pgcron.unschedule('safe')")
    with session_of(web_url) as session:
        assert session.execute("SELECT outcome, message FROM pgcron.bulk('tag', p_all => true, p_value => 'x')").fetchone() == {
            "outcome": "refused", "message": "job 'safe' is locked: its definition can't be changed",
        }  # fmt: skip
        session.execute("SELECT pgcron.disable('safe'), pgcron.enable('safe')")
        session.execute("SELECT pgcron.alter_job('safe', '{\"owner\": null}')")  # changes nothing
    with session_of(owner_url) as session:
        session.execute("SELECT pgcron.alter_job('safe', '{\"schedule\": \"@daily\"}')")
    # Who was granted the table itself is still no owner.
    stage.do("GRANT SELECT, UPDATE, DELETE ON pgcron.cron_job TO t_worker")
    assert "locked" in refused(stage.worker_url, "PC003", "UPDATE pgcron.cron_job SET schedule = '@weekly'")
    assert "locked" in refused(stage.worker_url, "PC003", "UPDATE pgcron.cron_job SET is_locked = false")
    assert "locked" in refused(stage.worker_url, "PC003", "DELETE FROM pgcron.cron_job")


def test_a_worker_runs_jobs_and_does_not_define_them(stage: Stage) -> None:
    stage.job("report", due=None)
    for statement in (
        "UPDATE pgcron.cron_job SET schedule = '@daily'",
        "UPDATE pgcron.cron_job SET args = '{}'",
        "INSERT INTO pgcron.cron_job (name, schedule, handler) VALUES ('mine', '@daily', 'h')",
        "DELETE FROM pgcron.cron_job",
        "SELECT pgcron.alter_job('report', '{\"schedule\": \"@daily\"}')",
        "SELECT pgcron.pause_all()",
        "SELECT key FROM pgcron.cron_actor_key",
        "SELECT pgcron.act_as('ann')",
    ):
        refused(stage.worker_url, "42501", statement)


def test_a_worker_declares_commands_only_as_an_author_of_sql(stage: Stage) -> None:
    declared = """SELECT pgcron.declare_jobs('shop', '1', json_build_array((SELECT to_jsonb(j) || '{"name": "vacuum", "handler": "pgcron.sql", "args": {"statement": "VACUUM"},
      "declaration": {"schedule": "@daily"}}' FROM pgcron.cron_job j WHERE name = 'pattern')))"""
    stage.job("pattern", due=None)
    told = refused(stage.worker_url, "PC015", declared)
    assert told.endswith("GRANT pgcron_sql_author TO t_worker")


def test_an_actor_is_whom_act_as_named_and_nobody_else(stage: Stage, web_url: str, operator_url: str) -> None:
    stage.job("report", due=None)
    last = "SELECT actor, reason, request_id, db_role FROM pgcron.cron_audit ORDER BY id DESC LIMIT 1"
    with session_of(web_url) as session:
        session.execute("SELECT pgcron.act_as('user:ann', 'holiday', 'req-1')")
        session.execute("SELECT pgcron.disable('report')")
    assert stage.row(last) == {"actor": "user:ann", "reason": "holiday", "request_id": "req-1", "db_role": "t_web"}
    with session_of(web_url) as session:  # the seal is of one transaction
        session.execute("SELECT pgcron.act_as('user:ann')")
        seal = session.execute("SELECT current_setting('pgcron.actor_seal') AS seal").fetchone()["seal"]
        session.commit()
        session.execute(
            "SELECT set_config('pgcron.actor', 'user:ann', true), set_config('pgcron.actor_seal', %s, true)", (seal,)
        )
        session.execute("SELECT pgcron.enable('report')")
    assert stage.row(last)["actor"] == "t_web"
    with session_of(operator_url) as session:
        session.execute("SELECT set_config('pgcron.actor', 'user:ann', true)")
        session.execute("SELECT pgcron.disable('report')")
    assert stage.row(last)["actor"] == "t_operator"
    refused(operator_url, "42501", "SELECT pgcron.act_as('user:ann')")
    refused(operator_url, "42501", "SELECT pgcron.actor_seal('user:ann', '')")


def test_a_role_that_was_set_is_the_caller(stage: Stage, owner_url: str) -> None:
    stage.job("safe", due=None, is_locked=True)
    stage.do("GRANT t_web TO t_owner")
    try:
        with psycopg.connect(owner_url) as connection:
            connection.execute("SET ROLE t_web")
            assert connection.execute("SELECT pgcron.caller()").fetchone() == ("t_web",)
            with pytest.raises(psycopg.Error) as refusal:
                connection.execute("SELECT pgcron.alter_job('safe', '{\"schedule\": \"@daily\"}')")
            assert refusal.value.sqlstate == "PC003"
    finally:
        stage.do("REVOKE t_web FROM t_owner")


def test_a_stale_version_is_refused_with_who_was_faster(stage: Stage, web_url: str) -> None:
    stage.job("report", due=None)
    with session_of(web_url) as session:
        session.execute("SELECT pgcron.act_as('user:bob')")
        (row,) = session.execute("SELECT pgcron.alter_job('report', '{\"queue\": \"slow\"}', 1) AS version").fetchall()
    assert row == {"version": 2}
    told = refused(web_url, "PC016", "SELECT pgcron.alter_job('report', '{\"queue\": \"fast\"}', 1)")
    assert "was changed by user:bob" in told
    assert "version 2, not 1" in told
