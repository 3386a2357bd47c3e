-- How a job stands, in words. Each the one place where the words are.

CREATE FUNCTION pgcron.state_of(job pgcron.cron_job) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
  SELECT CASE
    WHEN job.schedule_error IS NOT NULL THEN 'invalid schedule: ' || job.schedule_error
    WHEN NOT job.is_enabled THEN
      'disabled' || coalesce(' by ' || job.disabled_by, '') || coalesce(': ' || job.disabled_reason, '')
      || CASE WHEN job.running_count > 1 THEN ', still running (' || job.running_count || ')' WHEN job.running_count = 1 THEN ', still running' ELSE '' END
    WHEN job.running_count > 1 THEN 'running (' || job.running_count || ')'
    WHEN job.running_count = 1 THEN 'running'
    WHEN job.next_request_at IS NOT NULL OR job.requests_waiting THEN 'enabled, asked to run'
    WHEN job.needs_plan THEN 'enabled, waits for a plan'
    WHEN job.next_run_at IS NULL THEN 'enabled, without further runs'
    ELSE 'enabled' END
$$;
COMMENT ON FUNCTION pgcron.state_of(pgcron.cron_job) IS 'The state of a job in words, the most pressing first.';

-- The plain cases, from the most general to the most particular. NULL: nothing but the time keeps it.
CREATE FUNCTION pgcron.why_blocked(job pgcron.cron_job) RETURNS text LANGUAGE plpgsql STABLE SET search_path = pgcron, pg_catalog, pg_temp AS $$
DECLARE
  fleet record;
  has_worker boolean;
BEGIN
  IF job.schedule_error IS NOT NULL THEN
    RETURN 'its schedule can''t be read: ' || job.schedule_error;
  ELSIF NOT job.is_enabled THEN
    RETURN 'it is disabled' || coalesce(' by ' || job.disabled_by, '') || coalesce(': ' || job.disabled_reason, '')
      || coalesce(', until ' || to_char(job.disabled_until AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS') || ' UTC', '');
  END IF;
  SELECT m.paused_by, m.paused_reason INTO fleet FROM pgcron.cron_meta m WHERE m.paused_at IS NOT NULL;
  IF FOUND THEN
    RETURN 'the fleet is paused' || coalesce(' by ' || fleet.paused_by, '') || coalesce(': ' || fleet.paused_reason, '');
  END IF;
  SELECT bool_or(w.handlers @> jsonb_build_array(jsonb_build_object('name', job.handler))) INTO has_worker
    FROM pgcron.cron_worker w JOIN pgcron.cron_lease e ON e.worker_id = w.id
   WHERE w.state = 'LIVE' AND e.lease_until > clock_timestamp() AND (w.queues IS NULL OR job.queue = ANY (w.queues));
  IF has_worker IS NULL THEN
    RETURN 'no worker lives that serves queue ' || job.queue;
  ELSIF NOT has_worker THEN
    RETURN 'no worker that serves queue ' || job.queue || ' has handler ' || job.handler;
  ELSIF job.needs_plan THEN
    RETURN 'a worker has to plan it first';
  ELSIF job.running_count >= job.max_running AND (job.requests_waiting OR LEAST(job.next_run_at, job.next_request_at) <= clock_timestamp()) THEN
    RETURN 'its run has not ended';
  ELSIF job.next_run_at IS NULL AND job.next_request_at IS NULL AND job.running_count = 0 THEN
    RETURN 'its schedule has no further occurrence';
  END IF;
  RETURN NULL;
END $$;
COMMENT ON FUNCTION pgcron.why_blocked(pgcron.cron_job) IS
  'Why a job would not run although its time had come, in words; NULL when nothing but the time keeps it.';
