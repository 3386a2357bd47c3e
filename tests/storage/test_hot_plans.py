"""The plans of the hot statements, on tables that are large and churned: index probes only, nothing filtered away.

20,000 jobs and 40,000 runs by default, 1,000,000 and 2,000,000 with PGCRON_PROOF=1.
"""

from __future__ import annotations

import json
import os
import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from conftest import LOGIN_PASSWORD, Server

from pgcron_py.app.database import adopt
from pgcron_py.storage import claims
from support.steps import HANDLER, Stage, failure, success

JOBS = 1_000_000 if os.environ.get("PGCRON_PROOF") else 20_000


@pytest.fixture(scope="module")
def churned_template(embedded_pg: Server, migrated_template: str) -> Iterator[str]:
    """The name of a database that is copied with all its dead rows; nobody is connected to it."""
    with embedded_pg.database(migrated_template) as name:
        stage = Stage(embedded_pg.url(name), embedded_pg.url(name))
        churn(stage)
        stage.close()
        yield name


@pytest.fixture
def churned(embedded_pg: Server, churned_template: str) -> Iterator[Stage]:
    with embedded_pg.database(churned_template) as name:
        adopt(embedded_pg.url(name))
        stage = Stage(embedded_pg.url(name), embedded_pg.url(name, ("t_worker", LOGIN_PASSWORD)))
        yield stage
        stage.close()


def churn(stage: Stage) -> None:
    """Many planned jobs, far away, of which 6,000 were due and were advanced without a vacuum since; and their history."""
    stage.do("ALTER TABLE pgcron.cron_job SET (autovacuum_enabled = false)")
    stage.do("SET session_replication_role = 'replica'")  # no triggers: this is only mass
    stage.do(
        "INSERT INTO pgcron.cron_job (name, schedule, handler, needs_plan, next_scheduled_for, next_run_at, planned, covers_from, ledger_from, run_seq) "
        "SELECT 'mass ' || n, '@daily', %s, false, clock_timestamp() + interval '1 h', clock_timestamp() + interval '1 h', '{}', "
        "timestamptz '2026-01-01', timestamptz '2026-01-01', 2 FROM generate_series(1, %s) n", HANDLER, JOBS,
    )  # fmt: skip
    stage.do(
        "INSERT INTO pgcron.cron_log (job_id, seq, status, cause, worker_id, started_at, completed_at, duration, handler, job_version, schedule) "
        "SELECT j.id, n, 'SUCCESS', 'manual', gen_random_uuid(), t, t, 1, 'h', 1, 's' FROM pgcron.cron_job j, generate_series(1, 2) n, clock_timestamp() t"
    )
    stage.do("SET session_replication_role = 'origin'")
    stage.do("VACUUM ANALYZE pgcron.cron_job, pgcron.cron_log")
    for _ in range(3):
        stage.do(
            "UPDATE pgcron.cron_job SET next_run_at = clock_timestamp() WHERE id IN "
            "(SELECT id FROM pgcron.cron_job TABLESAMPLE BERNOULLI (50) ORDER BY random() LIMIT 2000)"
        )
        stage.do(
            "UPDATE pgcron.cron_job SET next_run_at = clock_timestamp() + interval '1 h' WHERE next_run_at <= clock_timestamp()"
        )


def nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for child in plan.get("Plans", ()):
        yield from nodes(child)


def explained(actor, statement: str, parameters: dict[str, Any]) -> list[dict[str, Any]]:
    async def step(connection):
        await claims.begin(connection)
        cursor = await connection.execute("EXPLAIN (ANALYZE, FORMAT JSON) " + statement, parameters)
        row = await cursor.fetchone()
        await connection.execute("ROLLBACK")
        return list(nodes(row[0][0]["Plan"]))

    return actor.do(step)


def lock_parameters(worker: uuid.UUID) -> dict[str, Any]:
    return {
        "worker": worker,
        "queues": ["default"],
        "handlers": [HANDLER],
        "limit": 100,
        "window": 1000,
        "narrow": None,
        "has_slots": True,
        "aside": [],
        "release": "1.0",
        "alone": None,
        "knows_rules": False,
        "full_queues": [],
        "full_handlers": [],
        "full_tags": [],
        "ahead": None,
    }


@pytest.mark.parametrize(("has_rules", "is_ahead"), [(False, False), (True, False), (False, True)])
def test_an_empty_claim_filters_no_row_and_scans_no_table(churned: Stage, has_rules: bool, is_ahead: bool) -> None:
    worker, actor = churned.worker(), churned.actor()
    if has_rules:
        churned.do("SELECT pgcron.set_limit('queue', 'default', 0)")
    parameters = lock_parameters(worker) | {"knows_rules": has_rules, "full_queues": ["default"] * has_rules}
    if is_ahead:
        parameters["ahead"] = churned.row("SELECT clock_timestamp() + interval '50 ms' AS soon")["soon"]
    explained(actor, claims.LOCK_DUE_JOBS, parameters)  # marks dead entries
    plan = explained(actor, claims.LOCK_DUE_JOBS, parameters)
    job_nodes = [node for node in plan if node.get("Relation Name") == "cron_job"]
    assert {node["Node Type"] for node in job_nodes} <= {"Index Scan", "Index Only Scan"}
    assert "cron_job_claim_idx" in {node["Index Name"] for node in job_nodes}
    assert sum(node.get("Rows Removed by Filter", 0) for node in job_nodes) == 0
    assert sum(node["Actual Rows"] for node in job_nodes) == 0


def test_due_jobs_of_a_handler_that_nobody_has_cost_an_empty_claim_nothing(churned: Stage) -> None:
    churned.do(
        "UPDATE pgcron.cron_job SET handler = 'nobody', next_run_at = clock_timestamp() WHERE id IN (SELECT id FROM pgcron.cron_job LIMIT 5000)"
    )
    plan = explained(churned.actor(), claims.LOCK_DUE_JOBS, lock_parameters(churned.worker()))
    assert sum(node.get("Rows Removed by Filter", 0) for node in plan) == 0
    assert sum(node["Actual Rows"] for node in plan if node.get("Relation Name") == "cron_job") == 0


def test_a_claim_of_100_visits_its_window_and_its_rows(churned: Stage) -> None:
    churned.do(
        "UPDATE pgcron.cron_job SET next_run_at = clock_timestamp() WHERE id IN (SELECT id FROM pgcron.cron_job LIMIT 3000)"
    )
    plan = explained(churned.actor(), claims.LOCK_DUE_JOBS, lock_parameters(churned.worker()))
    visited = sum(
        node["Actual Rows"] * node["Actual Loops"] for node in plan if node.get("Relation Name") == "cron_job"
    )
    assert visited <= 1000 + 100 + 1


def touched(stage: Stage, actor, statement: str, *values: object) -> dict[str, dict[str, int]]:
    """Per table: sequential scans and rows fetched by index, in one transaction that runs `statement`."""
    actor.say("BEGIN")
    actor.say(statement, *values)
    rows = actor.say(
        "SELECT relname, seq_scan, seq_tup_read, idx_tup_fetch FROM pg_stat_xact_user_tables WHERE schemaname = 'pgcron'"
    )
    actor.say("ROLLBACK")
    return {name: {"scans": scans, "read": read, "fetched": fetched or 0} for name, scans, read, fetched in rows}


def test_a_claim_in_a_burst_visits_few_of_those_that_are_due(churned: Stage) -> None:
    churned.do(
        "UPDATE pgcron.cron_job SET next_run_at = clock_timestamp() WHERE id IN (SELECT id FROM pgcron.cron_job LIMIT 1000)"
    )
    parameters = lock_parameters(churned.worker()) | {"limit": 10, "narrow": 60}
    plan = explained(churned.actor(), claims.LOCK_DUE_JOBS, parameters)
    visits = [
        (node["Index Name"], node["Actual Rows"] * node["Actual Loops"])
        for node in plan
        if node.get("Relation Name") == "cron_job"
    ]
    assert sorted(visits) == [("cron_job_claim_idx", 60), ("cron_job_pkey", 10), ("cron_job_prioritised_idx", 0)]


def test_a_beat_and_a_look_probe_indexes_only(churned: Stage) -> None:
    worker, actor = churned.worker(), churned.actor()
    for _ in range(7):  # past the custom plans
        found = touched(churned, actor, "SELECT * FROM pgcron.beat(%s, %s, NULL)", worker, [HANDLER])
    assert (found["cron_job"]["scans"], found["cron_log"]["scans"]) == (0, 0)
    assert found["cron_job"]["fetched"] <= 10
    assert found["cron_log"]["fetched"] <= 10
    for _ in range(7):
        found = touched(churned, actor, "SELECT * FROM pgcron.look(%s, NULL)", [HANDLER])
    assert found["cron_job"]["scans"] == 0
    assert found["cron_job"]["fetched"] <= 50  # of 20,000, with 6,000 dead entries of the churn


def test_a_finish_fetches_only_its_own_rows(churned: Stage) -> None:
    churned.do(
        "UPDATE pgcron.cron_job SET next_scheduled_for = clock_timestamp(), next_run_at = clock_timestamp() WHERE id IN (SELECT id FROM pgcron.cron_job LIMIT 150)"
    )
    worker, actor = churned.worker(), churned.actor()
    claimed = actor.claim(worker)
    assert len(claimed) == 100
    batch = [success(churned, run).as_json() for run in claimed[:50]] + [
        failure(churned, run).as_json() for run in claimed[50:100]
    ]
    for _ in range(7):  # past the custom plans
        actor.say("SELECT * FROM pgcron.finish_runs(%s, '[]')", worker)
    found = touched(churned, actor, "SELECT * FROM pgcron.finish_runs(%s, %s)", worker, json.dumps(batch))
    assert (found["cron_job"]["scans"], found["cron_log"]["scans"]) == (0, 0)
    assert found["cron_log"]["fetched"] <= 100 * 10
    assert found["cron_job"]["fetched"] <= 100 * 10


def test_a_finish_that_was_planned_while_the_tables_were_empty_fetches_only_its_own_rows(stage: Stage) -> None:
    stage.do("ALTER TABLE pgcron.cron_job SET (autovacuum_enabled = false)")  # it would have the finish planned anew
    stage.do("ALTER TABLE pgcron.cron_log SET (autovacuum_enabled = false)")
    stage.do("VACUUM ANALYZE pgcron.cron_job, pgcron.cron_log")
    worker, finisher = stage.worker(), stage.actor()
    for _ in range(7):
        finisher.say("SELECT * FROM pgcron.finish_runs(%s, '[]')", worker)
    stage.do(
        "INSERT INTO pgcron.cron_job (name, schedule, handler, next_run_at) SELECT 'mass ' || n, '@daily', %s, NULL FROM generate_series(1, 3000) n", HANDLER,
    )  # fmt: skip
    stage.do(
        "UPDATE pgcron.cron_job SET next_scheduled_for = clock_timestamp(), next_run_at = clock_timestamp() WHERE id IN (SELECT id FROM pgcron.cron_job LIMIT 100)"
    )
    claimed = stage.actor().claim(worker)
    batch = json.dumps([success(stage, run).as_json() for run in claimed])
    found = touched(stage, finisher, "SELECT * FROM pgcron.finish_runs(%s, %s)", worker, batch)
    assert len(claimed) == 100
    assert (found["cron_job"]["scans"], found["cron_log"]["scans"]) == (0, 0)
    assert found["cron_job"]["fetched"] <= 100 * 3
    assert found["cron_log"]["fetched"] <= 100 * 3


def test_requests_are_found_by_their_job(churned: Stage) -> None:
    job = churned.row("SELECT id FROM pgcron.cron_job LIMIT 1")["id"]
    churned.do("SET session_replication_role = 'replica'")
    churned.do(
        "INSERT INTO pgcron.cron_request (job_id, state, ended_at) SELECT id, 'CLAIMED', clock_timestamp() FROM pgcron.cron_job LIMIT 5000"
    )
    churned.do("SET session_replication_role = 'origin'")
    churned.do("SELECT pgcron.run_now(name) FROM pgcron.cron_job WHERE id = %s", job)
    churned.do("ANALYZE pgcron.cron_request")
    plan = explained(churned.actor(), claims.DUE_REQUESTS, {"jobs": [job], "limit": 100})
    requests = [node for node in plan if node.get("Relation Name") == "cron_request"]
    assert {node["Index Name"] for node in requests} <= {"cron_request_pending_idx", "cron_request_one_manual_idx"}
    assert sum(node.get("Rows Removed by Filter", 0) for node in requests) == 0


def test_a_history_page_of_a_job_reads_its_page_only(churned: Stage) -> None:
    job = churned.row("SELECT id FROM pgcron.cron_job LIMIT 1")["id"]
    plan = explained(
        churned.actor(), "SELECT * FROM pgcron.cron_log WHERE job_id = %(job)s ORDER BY seq DESC LIMIT 50", {"job": job}
    )
    assert {node["Node Type"] for node in plan if "Relation Name" in node} == {"Index Scan"}


def test_a_claim_is_never_compiled(stage: Stage) -> None:
    """Forbidden scans look so dear to servers before 18 that they would compile each claim, for a second."""
    actor = stage.actor()
    actor.begin_claim(stage.worker())
    assert actor.say("SHOW jit") == [("off",)]
    actor.rollback()
