"""The guards, one line of code each: what removes it, and the tests that must notice.

`old` must be found exactly once among the files of `where` (globs, so that a new version of an SQL file is found too).
"""

from __future__ import annotations

from dataclasses import dataclass

CLAIMS, FINISH = "tests/storage/test_claims.py", "tests/storage/test_finish.py"
RULES = "tests/storage/test_rules.py"
AHEAD, ASKED = "tests/storage/test_claims_ahead.py", "tests/storage/test_claims_asked.py"
LEASES, LOCKS = "tests/storage/test_leases.py", "tests/storage/test_locks.py"
DEFINITIONS, INDEXES = "tests/sql/test_definitions.py", "tests/sql/test_unique_indexes.py"
GUESSING = "tests/admin/test_guessing.py"
LIMIT, BULK = "tests/admin/test_run_now_limit.py", "tests/admin/test_bulk.py"
SAFE = "tests/admin/test_job_changes.py::test_a_locked_job_is_safe_also_where_the_admin_is_an_owner_of_the_database"
DECIDE, PLANNING = "tests/unit/domain/test_decide.py", "tests/unit/domain/test_planning.py"
ALERTS, DELIVERIES = "tests/storage/test_alerts.py", "tests/storage/test_deliveries.py"
SIMULATION = "tests/simulation/test_simulator.py::test_every_occurrence_is_accounted_for_exactly_once"
STATISTICS = "tests/storage/test_statistics.py"
TRANSACTIONS, RECONCILIATION = "tests/workers/test_transaction_guards.py", "tests/workers/test_reconciliation.py"

_RECHECK = (
    "WHERE j.id = candidate.id AND j.is_enabled AND NOT j.needs_plan AND j.claim_at <= (SELECT GREATEST(clock_timestamp(),"
    " %(ahead)s::timestamptz)) AND $QUIET"
)
_REFUSED = "test_the_second_of_two_is_refused_by_its_index"


@dataclass(frozen=True, slots=True)
class Guard:
    """is_quick: whether CI tries it, too."""

    name: str
    where: str
    old: str
    new: str
    tests: tuple[str, ...]
    is_quick: bool = False


def index(name: str, old: str, new: str, *, is_quick: bool = False) -> Guard:
    return Guard(f"unique: {name}", "sql/tables/*.sql", old, new, (f"{INDEXES}::{_REFUSED}[{name}]",), is_quick)


def unique(name: str, *, is_quick: bool = False) -> Guard:
    return index(name, f"CREATE UNIQUE INDEX {name}", f"CREATE INDEX {name}", is_quick=is_quick)


GUARDS = (
    Guard(
        "finish: the run is still RUNNING", "sql/functions/finish_v*.sql",
        " AND (l.status = 'RUNNING') IS TRUE", "",
        (f"{FINISH}::test_a_finish_after_a_lost_lease_changes_nothing", f"{FINISH}::test_in_a_batch_with_one_lost_the_others_are_recorded"),
        is_quick=True,
    ),
    Guard(
        "finish: the run is this worker's", "sql/functions/finish_v*.sql",
        " AND (l.worker_id = p_worker) IS TRUE", "",
        (f"{FINISH}::test_another_workers_finish_is_refused",),
        is_quick=True,
    ),
    Guard(
        "finish: an own finish whose reply was lost is known by its token", "sql/functions/finish_v*.sql",
        "WHEN l.finish_token = i.finish_token THEN 'already'", "",
        (f"{FINISH}::test_a_finish_whose_reply_was_lost_is_known_by_its_token",),
    ),
    Guard(
        "finish_run raises lease_lost", "sql/functions/finish_v*.sql",
        "WHERE f.outcome = 'recorded') THEN", "WHERE true) THEN",
        (f"{FINISH}::test_a_transactional_finish_raises_lease_lost_unless_its_run_changed",),
        is_quick=True,
    ),
    Guard(
        "finish locks the job before the run", "sql/functions/finish_v*.sql",
        "ORDER BY j.id FOR NO KEY UPDATE;", "ORDER BY j.id;",
        (f"{LOCKS}::test_a_finish_that_waits_for_its_job_holds_no_run",),
        is_quick=True,
    ),
    Guard(
        "an ended run never changes", "sql/triggers/run_v*.sql",
        "WHEN (OLD.status <> 'RUNNING')", "WHEN (false)",
        (f"{FINISH}::test_an_ended_run_never_changes",),
    ),
    Guard(
        "claim: the worker is LIVE", "pgcron_py/storage/*.py",
        "w.id = %(worker)s AND w.state = 'LIVE' AND", "w.id = %(worker)s AND",
        (f"{CLAIMS}::test_a_worker_that_is_not_live_claims_nothing",),
    ),
    Guard(
        "claim: the worker's lease is valid", "pgcron_py/storage/*.py",
        " AND l.lease_until > clock_timestamp() FOR SHARE OF w", " FOR SHARE OF w",
        (f"{CLAIMS}::test_a_worker_whose_lease_lapsed_claims_nothing",),
        is_quick=True,
    ),
    Guard(
        "claim: nobody buries the worker meanwhile", "pgcron_py/storage/*.py",
        " FOR SHARE OF w", "",
        (f"{LOCKS}::test_a_reaper_waits_for_the_claim_of_the_worker_it_buries_and_then_ends_its_run",),
    ),
    Guard(
        "claim: SKIP LOCKED locks at all", "pgcron_py/storage/claims.py",
        "FOR NO KEY UPDATE SKIP LOCKED) locked", ") locked",
        (f"{CLAIMS}::test_two_claims_at_once_share_the_due_jobs", f"{CLAIMS}::test_a_claim_that_rolls_back_leaves_its_jobs_to_the_next"),
    ),
    Guard(
        "claim: EvalPlanQual looks again at the locked row", "pgcron_py/storage/claims.py",
        _RECHECK, "WHERE j.id = candidate.id",
        (f"{LOCKS}::test_a_job_that_changed_after_the_claims_snapshot_is_looked_at_again_under_its_lock",),
        is_quick=True,
    ),
    Guard(
        "limits: the row is locked before its use is counted", "pgcron_py/storage/rules.py",
        "ORDER BY m.kind, m.name FOR NO KEY UPDATE OF m SKIP LOCKED", "ORDER BY m.kind, m.name",
        (f"{RULES}::test_two_claimers_cannot_both_take_the_last_place",),
        is_quick=True,
    ),
    Guard(
        "limits: who looked before there were rules claims nothing", "pgcron_py/storage/claims.py",
        "ELSE NOT (SELECT pgcron.has_rules()) END", "ELSE true END",
        (f"{RULES}::test_who_looked_before_there_were_rules_claims_nothing",),
    ),
    Guard(
        "ahead: an edit that waits comes first", "sql/functions/claim_v*.sql",
        "AND NOT l.granted AND", "AND false AND",
        (f"{AHEAD}::test_an_edit_that_waits_for_the_job_comes_first",),
        is_quick=True,
    ),
    Guard(
        "ahead: a pause comes first", "sql/functions/claim_v*.sql",
        " OR EXISTS (SELECT FROM pgcron.cron_meta m WHERE m.paused_at IS NOT NULL)\n      OR EXISTS (SELECT FROM pg_locks", " OR EXISTS (SELECT FROM pg_locks",
        (f"{AHEAD}::test_a_pause_of_the_fleet_and_a_new_rule_come_first",),
    ),
    Guard(
        "asked: not while the fleet is paused", "sql/functions/claim_v*.sql",
        "(SELECT m.paused_at FROM pgcron.cron_meta m) IS NULL", "true",
        (f"{ASKED}::test_what_needs_a_decision_is_left_to_the_claim",),
    ),
    Guard(
        "ahead: a new rule comes first", "sql/functions/claim_v*.sql",
        "pgcron.has_rules() OR", "",
        (f"{AHEAD}::test_a_pause_of_the_fleet_and_a_new_rule_come_first",),
    ),
    Guard(
        "ahead: jobs that run are left alone", "pgcron_py/storage/claims.py",
        "(j.running_count = 0 AND", "(true AND",
        (f"{AHEAD}::test_jobs_that_run_or_are_asked_to_run_are_left_to_a_claim_at_their_time",),
    ),
    Guard(
        "ahead: runs of a claim that came to nothing never begin", "workers/pgcron_workers/executors/child.py",
        "gate.cancel()", "gate.set_result(None)",
        ("tests/workers/test_ready_runs.py::test_they_never_begin_when_their_claim_came_to_nothing",),
    ),
    Guard(
        "asked: nobody buries the worker meanwhile, and a dead one claims nothing", "sql/functions/claim_v*.sql",
        "w.state = 'LIVE' AND l.lease_until > clock_timestamp()", "true",
        (f"{ASKED}::test_what_needs_a_decision_is_left_to_the_claim",),
    ),
    Guard(
        "asked: another request waits", "sql/functions/claim_v*.sql",
        "r.state = 'PENDING' AND r.id <> request.id", "false",
        (f"{ASKED}::test_what_needs_a_decision_is_left_to_the_claim",),
    ),
    Guard(
        "asked: one of two gets it", "sql/functions/claim_v*.sql",
        "     FOR NO KEY UPDATE SKIP LOCKED\n", "\n",
        (f"{ASKED}::test_one_of_two_workers_gets_it_and_neither_waits",),
        is_quick=True,
    ),
    Guard(
        "alone: claims under way are waited for", "pgcron_py/storage/claims.py",
        "BEGIN if alone else f\"{BEGIN}; {rules.SHARE_CLAIMS}\"", "BEGIN",
        (f"{RULES}::test_a_claim_under_way_keeps_it_from_starting",),
    ),
    Guard(
        "alone: the gate is closed for others", "pgcron_py/storage/claims.py",
        "(SELECT pgcron.alone_gate()) IS NULL", "true",
        (f"{RULES}::test_a_job_that_runs_alone_waits_for_the_others_and_they_for_it",),
    ),
    Guard(
        "claim: an overlap is judged at the occurrence's instant", "pgcron_py/domain/*.py",
        "return job.last_run_at <= occurrence < job.last_completed_at", "return False",
        (DECIDE, f"{CLAIMS}::test_an_occurrence_that_fell_into_a_run_overlaps_even_when_that_run_is_over"),
    ),
    Guard(
        "claim: an exclusive job that runs gets no second run", "pgcron_py/domain/*.py",
        "is_busy = job.running_count + started >= capacity(job)", "is_busy = started >= capacity(job)",
        (DECIDE, "tests/unit/domain/test_overlap.py", f"{CLAIMS}::test_prevents_concurrent_execution"),
    ),
    unique("cron_log_one_running_idx", is_quick=True),
    unique("cron_log_occurrence_idx"),
    index("cron_log_job_seq_key", "  CONSTRAINT cron_log_job_seq_key UNIQUE (job_id, seq),\n", ""),
    unique("cron_request_one_manual_idx"),
    unique("cron_miss_covers_to_idx"),
    Guard(
        "request: its job is locked before it is admitted", "sql/triggers/request_v*.sql",
        "FROM pgcron.cron_job WHERE id = NEW.job_id FOR NO KEY UPDATE;", "FROM pgcron.cron_job WHERE id = NEW.job_id;",
        (f"{LOCKS}::test_a_request_waits_for_whoever_has_its_job_and_is_refused_when_that_one_disabled_it",),
        is_quick=True,
    ),
    Guard(
        "disabling cancels pending requests", "sql/triggers/job_v*.sql",
        "WHEN (OLD.is_enabled AND NOT NEW.is_enabled) EXECUTE FUNCTION pgcron.cron_job_cancel_requests();",
        "WHEN (false) EXECUTE FUNCTION pgcron.cron_job_cancel_requests();",
        (f"{DEFINITIONS}::test_disabling_cancels_pending_requests_and_a_disabled_job_takes_none",),
    ),
    Guard(
        "beat: leases that an outage ended are renewed", "sql/functions/worker_v*.sql",
        "WHERE now_ - tick > l.ttl_ms * interval '0.5 ms'", "WHERE false",
        (f"{LEASES}::test_after_an_outage_the_leases_that_it_ended_are_renewed",),
        is_quick=True,
    ),
    Guard(
        "beat: without an outage no lease of others is renewed", "sql/functions/worker_v*.sql",
        "WHERE now_ - tick > l.ttl_ms * interval '0.5 ms'", "WHERE true",
        (f"{LEASES}::test_a_beat_without_an_outage_renews_nobody_elses_lease",),
    ),
    Guard(
        "beat: only leases that were valid at the last tick", "sql/functions/worker_v*.sql",
        " AND l.lease_until >= tick", "",
        (f"{LEASES}::test_a_lease_that_ended_while_others_beat_or_before_the_outage_is_not_renewed",),
    ),
    Guard(
        "beat: an outage renews a lease once", "sql/functions/worker_v*.sql",
        " AND NOT l.was_renewed", "",
        (f"{LEASES}::test_a_lease_is_renewed_for_an_outage_only_once_until_its_worker_beats_again",),
    ),
    Guard(
        "reaper: looks at the lease again under its lock", "pgcron_py/storage/workers.py",
        "WHERE worker_id = %(worker)s AND lease_until < clock_timestamp() FOR UPDATE", "WHERE worker_id = %(worker)s FOR UPDATE",
        (f"{LEASES}::test_a_worker_that_beat_after_it_was_found_silent_is_not_reaped",),
    ),
    Guard(
        "reconciliation: unknown runs are given up", "workers/pgcron_workers/heartbeat.py",
        "if not self._book.unknown_among(beat.running):", "if True:",
        (RECONCILIATION,),
        is_quick=True,
    ),
    Guard(
        "reconciliation: only unknown ones", "workers/pgcron_workers/heartbeat.py",
        "for run in mine if run.id in unknown]", "for run in mine]",
        (RECONCILIATION,),
    ),
    Guard(
        "reconciliation: waits for a claim that is under way", "workers/pgcron_workers/heartbeat.py",
        "async with self._claimer.mutex:", "if True:",
        (RECONCILIATION,),
    ),
    Guard(
        "reconciliation: runs registered before their claim are known", "workers/pgcron_workers/book.py",
        " and id_ not in registered]", "]",
        (RECONCILIATION,),
    ),
    Guard(
        "reconciliation: runs that somebody else ended are cancelled", "workers/pgcron_workers/heartbeat.py",
        "        if taken:\n", "        if False:\n",
        (RECONCILIATION,),
    ),
    Guard(
        "ledger: a run covers no miss", "pgcron_py/domain/decide.py",
        "covers = (decision.covers_from or job.covers_from, instant)", "covers = (job.covers_from, instant)",
        (DECIDE, f"{SIMULATION}[0]"),
    ),
    Guard(
        "ledger: every coalesced occurrence counts", "pgcron_py/domain/decide.py",
        "plan.count_between(due - _SECOND, first - _INSTANT)", "plan.count_between(due, first - _INSTANT)",
        (DECIDE, f"{SIMULATION}[0]"),
    ),
    Guard(
        "ledger: an occurrence that waited in vain is a miss", "sql/triggers/request_*.sql",
        "NEW.state IN ('CANCELLED', 'EXPIRED')", "NEW.state IN ('EXPIRED')",
        ("tests/storage/test_overlap.py",),
    ),
    Guard(
        "ledger: a plan gives up only what it named", "pgcron_py/domain/planning.py",
        "else max(began, due - _SECOND)", "else began",
        (PLANNING, f"{SIMULATION}[0]"),
    ),
    Guard(
        "ledger: a plan gives up nothing from before it came into force", "pgcron_py/domain/planning.py",
        "began = max(job.covers_from, job.planned_from or job.covers_from)", "began = job.covers_from",
        (PLANNING,),
    ),
    Guard(
        "roles: a locked job is the owner's, through a door too", "sql/functions/define_v01.sql",
        "PERFORM pgcron.check_lock(job, jsonb_populate_record(job, changes), pgcron.caller());", "",
        ("tests/sql/test_roles.py",),
    ),
    Guard(
        "roles: an actor is whom the seal names", "sql/functions/caller_v01.sql",
        "WHEN pgcron.is_sealed() OR pgcron.is_owner() THEN given", "WHEN true THEN given",
        ("tests/sql/test_roles.py",),
    ),
    Guard(
        "schedules: an exclusion ends with its minute", "pgcron_py/timetable/compound.py",
        "minute_ends = instant - timedelta(seconds=wall.second) + _MINUTE", "minute_ends = instant + _MINUTE",
        ("tests/unit/timetable/test_compound.py",),
    ),
    Guard(
        "outcome: only the type of an exception is asked", "workers/pgcron_workers/executors/endings.py",
        "if issubclass(kind, TransactionBroken):", "if isinstance(error, TransactionBroken):",
        ("tests/workers/test_weird_outcomes.py",),
    ),
    Guard(
        "transaction: the savepoint is still there", "workers/pgcron_workers/executors/transactions.py",
        'return f"RELEASE SAVEPOINT {self.savepoint}"', 'return "SELECT 1"',
        (TRANSACTIONS,),
        is_quick=True,
    ),
    Guard(
        "transaction: its id is still the same", "workers/pgcron_workers/executors/runner.py",
        "if before is None or after is None or before[-1] != after[0]:", "if False:",
        (TRANSACTIONS,),
        is_quick=True,
    ),
    Guard(
        "transaction: the connection is still in one", "workers/pgcron_workers/executors/transactions.py",
        "if status != TransactionStatus.INTRANS:", "if False:",
        (TRANSACTIONS,),
    ),
    Guard(
        "notify: a delivery is settled by whoever took it last", "sql/functions/deliveries_v*.sql",
        " AND claim_token = p_token", "",
        (f"{DELIVERIES}::test_nobody_takes_what_another_has_taken_until_its_lease_is_over",),
        is_quick=True,
    ),
    Guard(
        "notify: what another takes is skipped", "sql/functions/deliveries_v*.sql",
        "ORDER BY x.seq FOR UPDATE SKIP LOCKED) d;", "ORDER BY x.seq) d;",
        (f"{DELIVERIES}::test_two_who_take_at_once_get_different_deliveries_and_nobody_waits",),
    ),
    Guard(
        "notify: a recovery waits for its failure", "sql/functions/deliveries_v*.sql",
        " AND e.alert_id = x.alert_id AND e.lane = x.lane AND e.seq < x.seq", " AND false",
        (f"{DELIVERIES}::test_a_recovery_waits_for_its_failure",),
    ),
    Guard(
        "notify: a message is sent by nobody for ever", "sql/functions/deliveries_v*.sql",
        "'GIVEN_UP', NULL WHERE x.attempts >= 12", "'GIVEN_UP', NULL WHERE false",
        (f"{DELIVERIES}::test_a_message_whose_senders_always_die_is_given_up_too",),
    ),
    Guard(
        "notify: one worker looks at a time", "sql/functions/watch_v*.sql",
        " * interval '0.75 ms') FOR UPDATE SKIP LOCKED;\n  IF NOT FOUND THEN\n    RETURN false;", " * interval '0.75 ms');\n  IF NOT FOUND THEN\n    RETURN false;",
        (f"{ALERTS}::test_only_one_of_two_workers_looks_and_not_twice_in_a_round",),
    ),
    Guard(
        "notify: what is found is looked at again before it is told", "sql/functions/watch_v*.sql",
        "(a.kind = 'missed' OR EXISTS (SELECT FROM found f WHERE f.job_id = a.job_id AND f.kind = a.kind))", "true",
        (f"{ALERTS}::test_a_look_and_a_finish_of_the_same_job_do_not_deadlock",),
    ),
    Guard(
        "notify: a success older than the last strike ends no streak", "sql/functions/alerts_v*.sql",
        "j.consecutive_failures = 0 AND ", "",
        (f"{ALERTS}::test_an_older_run_that_succeeds_late_ends_no_streak",),
    ),
    Guard(
        "notify: enabling begins another streak", "sql/functions/alerts_v*.sql",
        "AND a.last_seq <= j.strikes_from_seq", "AND false",
        (f"{ALERTS}::test_what_fails_after_somebody_enabled_the_job_again_is_another_streak",),
    ),
    Guard(
        "notify: a process that ended gets no more orders", "workers/pgcron_workers/sender.py",
        "self.is_retired = True  # before", "pass  # before",
        ("tests/workers/test_sender.py::test_when_its_process_dies_the_orders_fail_and_the_next_ones_get_another",),
    ),
    Guard(
        "count: a run that was counted is not counted again when it is deleted", "sql/triggers/count_v*.sql",
        " AND (m.job_id IS NULL OR d.seq > m.seq OR d.seq = ANY (m.open_seqs))", "",
        (f"{STATISTICS}::test_runs_that_somebody_deletes_in_psql_are_counted_once",),
        is_quick=True,
    ),
    Guard(
        "count: one at a time for a job", "sql/functions/count_runs_v*.sql",
        " FOR NO KEY UPDATE SKIP LOCKED", "",
        (f"{STATISTICS}::test_two_that_count_at_once_count_each_run_once",),
    ),
    Guard(
        "count: a run that goes on is remembered", "sql/functions/count_runs_v*.sql",
        "coalesce(l.open_seqs, '{}'), l.judged_to", "'{}', l.judged_to",
        (f"{STATISTICS}::test_a_run_that_goes_on_is_counted_when_it_has_ended",),
    ),
    Guard(
        "count: a large job that is held does not come again in the round", "sql/functions/count_runs_v*.sql",
        "    held := latest;", "    NULL;",
        (f"{STATISTICS}::test_a_large_job_that_somebody_holds_does_not_hold_up_the_round",),
    ),
    Guard(
        "purge: what goes is counted before", "sql/functions/retention_v02.sql",
        " OR l.seq > m.seq OR l.seq = ANY (m.open_seqs))", " AND false)",
        (f"{STATISTICS}::test_a_purge_forgets_no_downtime",),
    ),
    Guard(
        "output: lines of a failed run are never taken away", "pgcron_py/storage/output.py",
        " AND l.worker_id = %(worker)s AND l.status = 'SUCCESS'", " AND l.worker_id = %(worker)s",
        ("tests/storage/test_output.py::test_only_a_success_loses_its_lines",),
    ),
    Guard(
        "sql: only authors write commands", "sql/triggers/sql_author_v*.sql",
        "ELSIF (NEW.handler, NEW.args) IS DISTINCT FROM (OLD.handler, OLD.args) THEN", "ELSIF false THEN",
        ("tests/sql/test_sql_authors.py::test_owners_may_and_the_web_may_not",),
        is_quick=True,
    ),
    Guard(
        "sql: also by a run now", "sql/triggers/sql_author_v*.sql",
        "AND j.handler = 'pgcron.sql' AND j.args <> NEW.args", "AND false",
        ("tests/sql/test_sql_authors.py::test_owners_may_and_the_web_may_not",),
    ),
    Guard(
        "http: what was checked is connected to", "workers/pgcron_workers/handlers/exchange.py",
        "socket.create_connection((str(address), self.port), seconds)", "socket.create_connection((self.host, self.port), seconds)",
        ("tests/workers/test_http_calls.py::test_it_connects_to_the_address_that_was_checked_under_the_name_that_was_asked",),
        is_quick=True,
    ),
    Guard(
        "http: no private address", "workers/pgcron_workers/handlers/addresses.py",
        "if not is_allowed(address, private):", "if False:",
        ("tests/workers/test_http_calls.py::test_a_name_that_turns_private_between_two_calls_is_refused_at_the_second",),
    ),
    Guard(
        "http: redirects are allowed like first URLs", "workers/pgcron_workers/handlers/http.py",
        "if not self.rules.allows(url):", "if was is None and not self.rules.allows(url):",
        ("tests/workers/test_http_calls.py::test_a_redirect_to_what_is_not_allowed_is_refused_before_its_name_is_resolved",),
    ),
    Guard(
        "http: an answer that drips ends", "workers/pgcron_workers/handlers/exchange.py",
        "            if limits.is_over:\n                with", "            if False:\n                with",
        ("tests/workers/test_http_calls.py::test_an_answer_that_drips_ends_with_the_time",),
    ),
    Guard(
        "pg_cron: another's job can't be unscheduled", "sql/compat/pg_cron_functions_v*.sql",
        "ELSIF known.username <> me AND NOT cron.is_admin(me) THEN", "ELSIF false THEN",
        ("tests/sql/test_pg_cron.py::test_a_script_written_for_pg_cron_runs_unchanged",),
    ),
    Guard(
        "pg_cron: only those who were granted it schedule", "sql/compat/pg_cron_functions_v*.sql",
        "  PERFORM cron.must_be_granted(me);\n  zone", "  zone",
        ("tests/sql/test_pg_cron.py::test_a_script_written_for_pg_cron_runs_unchanged",),
    ),
    Guard(
        "web: a row of the throttle that blocks lets nobody through", "sql/functions/web_v*.sql",
        "    WHERE t.blocked_until <= clock_timestamp();", ";",
        (f"{GUESSING}::test_of_many_attempts_at_once_on_one_account_exactly_one_gets_through",),
    ),
    Guard(
        "web: a change of rank ends the sessions", "sql/functions/web_v*.sql",
        "      UPDATE pgcron.app_session SET revoked_at = clock_timestamp() WHERE user_id = NEW.id AND revoked_at IS NULL;\n", "",
        ("tests/admin/test_sign_in.py::test_a_session_ends_with_the_next_request_when",),
    ),
    Guard(
        "web: a session needs its CSRF token", "admin/pgcron_admin/authentication.py",
        "        if not is_safe:\n            await self._check_token(request, principal)\n", "",
        ("tests/admin/test_csrf.py::test_every_unsafe_route_refuses_a_session_without_its_token",),
        is_quick=True,
    ),
    Guard(
        "web: an unsafe request comes from the own origin", "admin/pgcron_admin/authentication.py",
        "            check_origin(request.headers, facts)\n", "            pass\n",
        ("tests/admin/test_csrf.py::test_a_stranger_can_not_sign_a_browser_in_from_another_site",),
    ),
    Guard(
        "web: an unknown user costs a verification", "admin/pgcron_admin/controllers/sign_in.py",
        'is_right = await passwords.is_right(user["password_hash"] if user else None, password)',
        'is_right = user is not None and await passwords.is_right(user["password_hash"], password)',
        (f"{GUESSING}::test_an_unknown_user_costs_as_many_verifications_as_a_known_one",),
    ),
    Guard(
        "live: a change in a savepoint is told", "sql/functions/live_v*.sql",
        "coalesce(pg_snapshot_xmin(p_since)::text::bigint, 0) AS oldest", "coalesce(pg_snapshot_xmax(p_since)::text::bigint, 0) AS oldest",
        ("tests/admin/test_changes.py::test_changes_are_told_once_and_of_a_savepoint_too",),
    ),
    Guard(
        "live: a line comes once", "admin/pgcron_admin/live/stream.py",
        "if positions[run] == lines.after and lines.event:", "if lines.event:",
        (
            "tests/admin/test_events.py::test_whoever_comes_from_another_process_is_sent_what_it_does_not_have_wherever_this_one_stands",
        ),
    ),
    Guard(
        "live: a stream ends with its session", "admin/pgcron_admin/live/stream.py",
        "reason = await check()", "reason: EndReason | None = None",
        ("tests/admin/test_events.py::test_a_stream_ends_with_its_session_its_token_or_the_permission",),
    ),
    Guard(
        "live: a client that does not read is sent away", "admin/pgcron_admin/live/stream.py",
        "if len(self._backlog) >= BACKLOG_MESSAGES or", "if",
        ("tests/admin/test_events.py::test_a_client_that_reads_too_slowly_is_sent_away_and_nobody_waits_for_it",),
    ),
    Guard(
        "recent: a hint ends an answer", "admin/pgcron_admin/recent.py",
        "kept.known == self._known() and ", "",
        ("tests/admin/test_recent.py::test_a_hint_and_a_write_of_this_process_end_an_answer_even_while_it_is_being_read",),
    ),
    Guard(
        "web: a link is used once", "admin/pgcron_admin/controllers/sign_in.py",
        "WHERE l.token_hash = %(hash)s AND l.used_at IS NULL AND l.expires_at > clock_timestamp() AND u.id = l.user_id",
        "WHERE l.token_hash = %(hash)s AND l.expires_at > clock_timestamp() AND u.id = l.user_id",
        ("tests/admin/test_sign_in.py::test_a_link_signs_in_once_and_looking_at_it_does_not_use_it_up",),
    ),
    Guard(
        "api: runs now are counted one after the other", "sql/functions/api_v*.sql",
        "  PERFORM pg_advisory_xact_lock(hashtextextended('pgcron run now', 0));\n  PERFORM pgcron.refuse_haste", "  PERFORM pgcron.refuse_haste",
        (f"{LIMIT}::test_who_comes_while_another_is_being_counted_waits_and_counts_it",),
        is_quick=True,
    ),
    Guard(
        "api: runs now are counted again under the lock", "sql/functions/api_v*.sql",
        "'pgcron run now', 0));\n  PERFORM pgcron.refuse_haste(p_subject, p_per_minute, p_all_per_minute);", "'pgcron run now', 0));",
        (f"{LIMIT}::test_who_comes_while_another_is_being_counted_waits_and_counts_it",),
    ),
    Guard(
        "api: runs of a bulk action wait for their limit", "sql/functions/bulk_v*.sql", "      EXIT WHEN wait > 0;\n", "",
        (f"{BULK}::test_runs_of_a_bulk_action_count_each_and_wait_for_room",),
    ),
    Guard(
        "api: a bulk action ends with its author's permission", "admin/pgcron_admin/bulk_runner.py",
        "return row is not None and NEEDED[bulk[\"action\"]] in permissions_of(row[\"granted\"])", "return True",
        (f"{BULK}::test_whoever_was_disabled_meanwhile_changes_nothing_more",),
    ),
    Guard(
        "api: an idempotency key is good for one request", "sql/functions/api_v*.sql",
        "IF known.request_hash <> p_request_hash THEN", "IF false THEN",
        ("tests/admin/test_cron_jobs.py::test_the_same_key_is_the_same_request",),
    ),
    Guard(
        "api: nobody on the web is an owner", "admin/pgcron_admin/commands.py",
        '    if job["is_locked"]:\n', "    if False:\n", (SAFE,),
    ),
    Guard(
        "api: a bulk action leaves locked jobs alone", "sql/functions/bulk_v*.sql",
        "IF has_changed AND job.is_locked THEN", "IF false THEN", (SAFE,),
    ),
    Guard(
        "api: commands of SQL need their permission", "admin/pgcron_admin/controllers/job_changes.py",
        'changes.get("handler", row["handler"]) == SQL_HANDLER and changes.keys()', "False and changes.keys()",
        ("tests/admin/test_job_changes.py::test_commands_of_sql_are_written_by_those_who_may",),
    ),
    Guard(
        "api: a link is made only for who may no more", "admin/pgcron_admin/controllers/users.py",
        "        await _check_above(connection, principal, user)\n", "",
        ("tests/admin/test_permissions.py::test_a_link_is_made_for_who_may_no_more_than_oneself_is_enabled_and_is_somebody_else",),
    ),
    Guard(
        "api: a cursor is sealed", "admin/pgcron_admin/cursors.py",
        "not hmac.compare_digest(seal, self._seal(of, told))", "not told",
        ("tests/admin/test_cron_jobs.py::test_a_cursor_that_we_did_not_make_is_refused",),
    ),
)  # fmt: skip
