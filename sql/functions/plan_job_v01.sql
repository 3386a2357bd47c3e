-- Until migration 0003 brings the schedules, workers plan.
CREATE FUNCTION pgcron.plan_job(job pgcron.cron_job, p_starts timestamptz) RETURNS pgcron.cron_job LANGUAGE sql IMMUTABLE AS $$ SELECT job $$;
COMMENT ON FUNCTION pgcron.plan_job(pgcron.cron_job, timestamptz) IS 'The job, to be planned by a worker.';
