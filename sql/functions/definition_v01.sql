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
    'notify_on_failure', job.notify_on_failure, 'retention_days', job.retention_days, 'retention_count', job.retention_count, 'disabled_reason', job.disabled_reason, 'disabled_until', job.disabled_until,
    'skip_until', job.skip_until)
$$;
COMMENT ON FUNCTION pgcron.job_definition(pgcron.cron_job) IS
  'The definition of a job as JSON: what moves its version, and what the audit records.';

CREATE FUNCTION pgcron.actor() RETURNS text LANGUAGE sql STABLE AS $$
  SELECT coalesce(nullif(current_setting('pgcron.actor', true), ''), session_user::text)
$$;
COMMENT ON FUNCTION pgcron.actor() IS
  'Who acts: the transaction''s pgcron.actor setting when the application gave one, else the database role.';

-- Checked at once, whoever writes: length, characters and the number of fields. The full grammar is the planner's.
CREATE FUNCTION pgcron.check_schedule_text(schedule text) RETURNS void LANGUAGE plpgsql IMMUTABLE AS $$
DECLARE
  fields int;
BEGIN
  IF schedule IS NULL OR btrim(schedule, E' \t') = '' THEN
    RAISE EXCEPTION 'Invalid cron expression: the schedule is empty'
      USING ERRCODE = 'PC002', DETAIL = 'field: schedule', HINT = 'write five fields such as 0 */6 * * *, or @daily, or @every 90m';
  ELSIF length(schedule) > 256 THEN
    RAISE EXCEPTION 'Invalid cron expression: % characters', length(schedule)
      USING ERRCODE = 'PC002', DETAIL = 'field: schedule', HINT = 'a schedule has at most 256 characters';
  ELSIF schedule ~ '[^\t\x20-\x7eµ]' THEN
    RAISE EXCEPTION 'Invalid cron expression: % has a character that no schedule has', quote_literal(schedule)
      USING ERRCODE = 'PC002', DETAIL = 'field: schedule', HINT = 'use printable ASCII characters, blanks and tabs only';
  ELSIF btrim(schedule, E' \t') ~ '^@' OR schedule ~* '^\s*[0-9]+\s+seconds?\s*$' THEN
    RETURN;
  END IF;
  fields := cardinality(regexp_split_to_array(btrim(schedule, E' \t'), '[ \t]+'));
  IF fields NOT BETWEEN 5 AND 7 THEN
    RAISE EXCEPTION 'Invalid cron expression: % has % field%', quote_literal(schedule), fields, CASE fields WHEN 1 THEN '' ELSE 's' END
      USING ERRCODE = 'PC002', DETAIL = 'field: schedule',
      HINT = 'write 5 fields (minute hour day month weekday), 6 with seconds first, or 7 with seconds first and the year last';
  END IF;
END $$;
COMMENT ON FUNCTION pgcron.check_schedule_text(text) IS
  'Raises invalid_schedule (PC002) when a schedule''s length, characters or field count are wrong.';
