-- What a person or a declaration decides about a job, as one value. Everything else on the row is the plan and the
-- counters, which move without a new version, an audit entry or a notification.
CREATE FUNCTION pgcron.job_definition(job pgcron.cron_job) RETURNS jsonb LANGUAGE sql IMMUTABLE AS $$
  SELECT jsonb_build_object(
    'name', job.name, 'description', job.description, 'schedule', job.schedule, 'timezone', job.timezone,
    'handler', job.handler, 'args', job.args, 'is_enabled', job.is_enabled, 'is_locked', job.is_locked,
    'owner', job.owner, 'tags', to_jsonb(job.tags), 'queue', job.queue, 'priority', job.priority,
    'is_exclusive', job.is_exclusive, 'overlap_policy', job.overlap_policy, 'max_running', job.max_running,
    'catchup_policy', job.catchup_policy, 'catchup_window_ms', job.catchup_window_ms, 'starting_deadline_ms', job.starting_deadline_ms,
    'timeout_ms', job.timeout_ms, 'max_attempts', job.max_attempts, 'backoff_ms', job.backoff_ms,
    'backoff_max_ms', job.backoff_max_ms, 'retry_on', to_jsonb(job.retry_on), 'no_retry_on', to_jsonb(job.no_retry_on),
    'memory_limit_mib', job.memory_limit_mib, 'is_idempotent', job.is_idempotent, 'jitter_ms', job.jitter_ms,
    'dst_gap', job.dst_gap, 'dst_fold', job.dst_fold, 'max_consecutive_failures', job.max_consecutive_failures,
    'notify_on_failure', job.notify_on_failure, 'retention_days', job.retention_days, 'retention_count', job.retention_count,
    'disabled_reason', job.disabled_reason, 'disabled_until', job.disabled_until, 'skip_until', job.skip_until)
    || jsonb_build_object(
    'runs_alone', job.runs_alone, 'min_version', job.min_version, 'extra_schedules', to_jsonb(job.extra_schedules),
    'excluded_schedules', to_jsonb(job.excluded_schedules), 'start_at', job.start_at, 'end_at', job.end_at, 'max_runs', job.max_runs,
    'log_level', job.log_level, 'must_succeed_every_ms', job.must_succeed_every_ms, 'late_after_ms', job.late_after_ms,
    'slow_after_ms', job.slow_after_ms, 'slow_factor', job.slow_factor, 'ping_url', job.ping_url)
$$;
COMMENT ON FUNCTION pgcron.job_definition(pgcron.cron_job) IS
  'The definition of a job as JSON: what moves its version, and what the audit records.';

-- What names a job's occurrences: a change of it asks for a new plan. The worker that planned by it keeps it in cron_job.planned.
CREATE FUNCTION pgcron.job_timing(job pgcron.cron_job) RETURNS jsonb LANGUAGE sql IMMUTABLE AS $$
  SELECT jsonb_build_object('schedule', job.schedule, 'timezone', job.timezone, 'jitter_ms', job.jitter_ms, 'dst_gap', job.dst_gap,
    'dst_fold', job.dst_fold, 'extra_schedules', to_jsonb(job.extra_schedules), 'excluded_schedules', to_jsonb(job.excluded_schedules),
    'start_at', job.start_at, 'end_at', job.end_at, 'max_runs', job.max_runs)
$$;
COMMENT ON FUNCTION pgcron.job_timing(pgcron.cron_job) IS 'What of a job''s definition names its occurrences.';

-- Whoever writes a job is told at once what is wrong with its schedules.
CREATE FUNCTION pgcron.check_schedules(job pgcron.cron_job) RETURNS void LANGUAGE plpgsql STABLE SET search_path = pgcron, pg_catalog, pg_temp AS $$
DECLARE
  text_ text;
BEGIN
  FOREACH text_ IN ARRAY job.schedule || job.extra_schedules LOOP
    PERFORM pgcron.check_schedule_text(text_, job.name);
    IF lower(btrim(text_, E' \t')) = '@reboot' AND cardinality(job.extra_schedules) > 0 THEN
      RAISE EXCEPTION 'extra_schedules: @reboot can''t be one of several schedules'
        USING ERRCODE = 'PC014', DETAIL = 'field: extra_schedules', HINT = 'make two jobs';
    END IF;
  END LOOP;
  FOREACH text_ IN ARRAY job.excluded_schedules LOOP
    PERFORM pgcron.check_schedule_text(text_, job.name);
    IF text_ !~ E'^[ \t]*\\*([ \t]+[^ \t]+){4}[ \t]*$' THEN
      RAISE EXCEPTION '% excludes single minutes: an exclusion names days or hours as a whole', quote_literal(text_)
        USING ERRCODE = 'PC014', DETAIL = 'field: excluded_schedules',
        HINT = 'write five fields, the first of them *: * * 25 12 * for a day, * 22-23 * * * for hours';
    END IF;
  END LOOP;
END $$;
COMMENT ON FUNCTION pgcron.check_schedules(pgcron.cron_job) IS
  'Raises invalid_schedule (PC002) or invalid_arguments (PC014) for a schedule, further schedule or exclusion of a job.';

CREATE FUNCTION pgcron.definition_columns() RETURNS text[] LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
  SELECT ARRAY['description', 'schedule', 'extra_schedules', 'excluded_schedules', 'timezone', 'start_at', 'end_at', 'max_runs', 'handler', 'args',
    'owner', 'tags', 'queue', 'priority', 'runs_alone', 'min_version', 'is_exclusive', 'overlap_policy', 'max_running', 'catchup_policy',
    'catchup_window_ms', 'starting_deadline_ms', 'timeout_ms', 'max_attempts', 'backoff_ms', 'backoff_max_ms', 'retry_on', 'no_retry_on',
    'memory_limit_mib', 'is_idempotent', 'jitter_ms', 'dst_gap', 'dst_fold', 'max_consecutive_failures', 'notify_on_failure', 'retention_days',
    'retention_count', 'log_level', 'must_succeed_every_ms', 'late_after_ms', 'slow_after_ms', 'slow_factor', 'ping_url']
$$;
COMMENT ON FUNCTION pgcron.definition_columns() IS 'The columns of cron_job that people may write.';

CREATE FUNCTION pgcron.check_lock(p_old pgcron.cron_job, p_new pgcron.cron_job, p_role name) RETURNS void LANGUAGE plpgsql STABLE
SET search_path = pgcron, pg_catalog, pg_temp AS $$
DECLARE
  free CONSTANT text[] := '{is_enabled,disabled_reason,disabled_until,skip_until}';
BEGIN
  IF p_old.is_locked AND NOT pg_has_role(p_role, 'pgcron_owner', 'USAGE') AND pgcron.job_definition(p_old) - free <> coalesce(pgcron.job_definition(p_new) - free, '{}') THEN
    RAISE EXCEPTION 'job % is locked: its definition can''t be changed', quote_literal(p_old.name)
      USING ERRCODE = 'PC003', DETAIL = 'field: is_locked',
      HINT = 'change it in the code that declares it, or as a member of pgcron_owner; it can be enabled and disabled';
  END IF;
END $$;
COMMENT ON FUNCTION pgcron.check_lock(pgcron.cron_job, pgcron.cron_job, name) IS
  'Raises job_locked (PC003) when a role that is no owner changes more of a locked job than whether it is enabled; no new row: it deletes it.';
