-- What is going to start, computed from the schedules: bounded by a number for each job, and by time for all of them.

CREATE FUNCTION pgcron.forecast_starts(p_jobs uuid[], p_after timestamptz, p_until timestamptz, p_most integer DEFAULT 10000, p_within_ms integer DEFAULT 1000)
RETURNS TABLE (job_id uuid, starts bigint[], is_complete boolean) LANGUAGE plpgsql STABLE SET search_path = pgcron, pg_catalog, pg_temp AS $$
DECLARE
  stop_at timestamptz := clock_timestamp() + p_within_ms * interval '1 ms';
  job pgcron.cron_job;
  after timestamptz;
  part bigint[];
  asked integer;
BEGIN
  FOREACH job_id IN ARRAY p_jobs LOOP
    EXIT WHEN clock_timestamp() >= stop_at;
    SELECT * INTO job FROM pgcron.cron_job j WHERE j.id = job_id;
    CONTINUE WHEN NOT FOUND;
    starts := '{}';
    is_complete := false;
    after := p_after;
    asked := 16;
    BEGIN
      -- In growing parts: how many there are until then is not known, and the next of a yearly job is a year's work.
      WHILE NOT is_complete AND cardinality(starts) < p_most AND clock_timestamp() < stop_at LOOP
        asked := least(asked, p_most - cardinality(starts));
        SELECT coalesce(array_agg(extract(epoch FROM r)::bigint ORDER BY r) FILTER (WHERE r <= p_until), '{}'), count(*) FILTER (WHERE r <= p_until) < asked,
               max(r) INTO part, is_complete, after FROM pgcron.job_next_runs(job, after, asked) r;
        starts := starts || part;
        asked := asked * 4;
      END LOOP;
    EXCEPTION WHEN SQLSTATE 'PC002' OR SQLSTATE 'PC013' THEN
      is_complete := true;  -- a schedule or a zone that can't be read here starts nothing
    END;
    RETURN NEXT;
  END LOOP;
END $$;
COMMENT ON FUNCTION pgcron.forecast_starts(uuid[], timestamptz, timestamptz, integer, integer) IS
  'Occurrences of jobs after p_after until p_until, in seconds since 1970: the first p_most of each (is_complete: those are all), and of as many jobs, in their order, as fit into p_within_ms.';
