REVOKE ALL ON FUNCTION pgcron.state_of(pgcron.cron_job), pgcron.why_blocked(pgcron.cron_job) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION pgcron.state_of(pgcron.cron_job), pgcron.why_blocked(pgcron.cron_job) TO pgcron_worker, pgcron_reader;
GRANT SELECT ON pgcron.job_status, pgcron.upcoming, pgcron.ledger, pgcron.misses, pgcron.statistics, pgcron.runs, pgcron.running, pgcron.requests, pgcron.workers, pgcron.audit, pgcron.locks TO pgcron_worker, pgcron_reader;
GRANT SELECT (backend_pid) ON pgcron.cron_log TO pgcron_reader;
