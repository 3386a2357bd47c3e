REVOKE ALL ON FUNCTION pgcron.explain(text), pgcron.skipped_reading(pgcron.cron_job, timestamptz), pgcron.limit_use(pgcron.cron_limit),
  pgcron.blackout_until(pgcron.cron_blackout, timestamptz), pgcron.latest_run(text, text, text, timestamptz, timestamptz) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION pgcron.explain(text), pgcron.skipped_reading(pgcron.cron_job, timestamptz), pgcron.limit_use(pgcron.cron_limit),
  pgcron.blackout_until(pgcron.cron_blackout, timestamptz), pgcron.latest_run(text, text, text, timestamptz, timestamptz), pgcron.alone_gate(), pgcron.release_numbers(text) TO pgcron_worker, pgcron_reader;
