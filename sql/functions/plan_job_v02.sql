-- A job's plan is made by whoever writes the job, in the same transaction, so that its next run is there at once. The twin of
-- pgcron_py/domain/planning.py and decide.advance_after, for changes that give up no occurrence; the others, which have to be
-- counted, and zones that this server doesn't know are left to a worker, as is @reboot, which waits for a fleet to start.

CREATE FUNCTION pgcron.jittered_start(job pgcron.cron_job, occurrence timestamptz, following timestamptz) RETURNS timestamptz
LANGUAGE plpgsql STABLE SET search_path = pgcron, pg_catalog, pg_temp AS $$
DECLARE
  room bigint := LEAST(job.jitter_ms, floor(extract(epoch FROM following - occurrence) * 1000)::bigint);
  digest bytea;
  drawn bigint := 0;
BEGIN
  IF room <= 0 THEN
    RETURN occurrence;
  END IF;
  digest := sha256(convert_to(job.id::text, 'UTF8') || '\x00'::bytea
    || convert_to(trunc(extract(epoch FROM occurrence) * 1000000)::bigint::text, 'UTF8'));
  FOR n IN 0..7 LOOP
    drawn := (drawn * 256 + get_byte(digest, n)) % room;
  END LOOP;
  RETURN occurrence + drawn * interval '1 ms';
END $$;
COMMENT ON FUNCTION pgcron.jittered_start(pgcron.cron_job, timestamptz, timestamptz) IS
  'When an occurrence starts: its instant plus the job''s jitter, and before the occurrence that follows. The same as workers compute.';

CREATE OR REPLACE FUNCTION pgcron.plan_job(job pgcron.cron_job, p_starts timestamptz) RETURNS pgcron.cron_job
LANGUAGE plpgsql STABLE SET search_path = pgcron, pg_catalog, pg_temp AS $$
DECLARE
  runs timestamptz[];
BEGIN
  IF lower(btrim(job.schedule, E' \t')) = '@reboot' THEN
    RETURN job;
  END IF;
  IF job.scheduled_runs < job.max_runs OR job.max_runs IS NULL THEN
    BEGIN
      runs := ARRAY(SELECT r FROM pgcron.job_next_runs(job, p_starts, CASE WHEN job.jitter_ms > 0 THEN 2 ELSE 1 END) r);
    EXCEPTION WHEN SQLSTATE 'PC013' THEN
      RETURN job;
    END;
  END IF;
  job.next_scheduled_for := runs[1];
  job.next_run_at := CASE WHEN job.is_enabled THEN
    CASE WHEN job.jitter_ms > 0 THEN pgcron.jittered_start(job, runs[1], runs[2]) ELSE runs[1] END END;
  job.needs_plan := false;
  job.replan_at := NULL;
  job.replan_reason := NULL;
  job.planned := pgcron.job_timing(job);
  job.planned_from := p_starts;
  RETURN job;
END $$;
COMMENT ON FUNCTION pgcron.plan_job(pgcron.cron_job, timestamptz) IS
  'The job with its next run after p_starts filled in; to be planned by a worker still where only a worker can.';
