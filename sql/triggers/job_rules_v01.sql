-- The rules of a job's definition, each with the name by which it is refused. A CHECK would be compiled and asked by every claim and
-- every finish, which write only what no rule is about; this is asked after a definition column was written, and sees the row as it is stored.
CREATE FUNCTION pgcron.cron_job_rules() RETURNS trigger LANGUAGE plpgsql SET search_path = pgcron, pg_catalog, pg_temp AS $$
DECLARE
  -- one expression: plpgsql evaluates it without a plan of its own
  broken text := CASE
    WHEN NOT (length(NEW.name) BETWEEN 1 AND 200 AND NEW.name !~ '[[:cntrl:]]' AND NEW.name = btrim(NEW.name)) THEN 'cron_job_name_form'
    WHEN NOT (length(NEW.description) <= 4000) THEN 'cron_job_description_length'
    WHEN NOT (length(NEW.schedule) BETWEEN 1 AND 256) THEN 'cron_job_schedule_length'
    WHEN NOT (length(NEW.timezone) BETWEEN 1 AND 64) THEN 'cron_job_timezone_length'
    WHEN NOT (length(NEW.handler) BETWEEN 1 AND 300) THEN 'cron_job_handler_length'
    WHEN NOT (jsonb_typeof(NEW.args) = 'object' AND octet_length(NEW.args::text) <= 65536) THEN 'cron_job_args_object'
    WHEN NOT (length(NEW.owner) <= 200) THEN 'cron_job_owner_length'
    WHEN NOT (cardinality(NEW.tags) <= 50 AND array_position(NEW.tags, NULL) IS NULL AND length(array_to_string(NEW.tags, ',')) <= 2000) THEN
      'cron_job_tags_form'
    WHEN NOT (length(NEW.queue) BETWEEN 1 AND 100) THEN 'cron_job_queue_length'
    WHEN NOT (NEW.priority BETWEEN -100 AND 100) THEN 'cron_job_priority_range'
    WHEN NOT (NEW.origin IN ('code', 'sql', 'admin')) THEN 'cron_job_origin_values'
    WHEN NOT (NEW.overlap_policy IN ('skip', 'buffer_one', 'buffer_all', 'cancel_other', 'terminate_other', 'allow_all')) THEN
      'cron_job_overlap_policy_values'
    WHEN NOT (NEW.is_exclusive = (NEW.overlap_policy <> 'allow_all')) THEN 'cron_job_exclusive_overlap'
    WHEN NOT (NEW.max_running BETWEEN 1 AND 10000 AND (NEW.max_running = 1 OR NOT NEW.is_exclusive)) THEN 'cron_job_max_running_range'
    WHEN NOT (NEW.catchup_policy IN ('skip', 'latest', 'all')) THEN 'cron_job_catchup_policy_values'
    WHEN NOT (NEW.catchup_window_ms BETWEEN 1 AND 31622400000) THEN 'cron_job_catchup_window_range'
    WHEN NOT (NEW.starting_deadline_ms > 0) THEN 'cron_job_starting_deadline_range'
    WHEN NOT (NEW.timeout_ms BETWEEN 1 AND 2678400000) THEN 'cron_job_timeout_range'
    WHEN NOT (NEW.max_attempts BETWEEN 1 AND 100) THEN 'cron_job_max_attempts_range'
    WHEN NOT (NEW.backoff_ms BETWEEN 0 AND 86400000 AND NEW.backoff_max_ms BETWEEN NEW.backoff_ms AND 2678400000) THEN 'cron_job_backoff_range'
    WHEN NOT (cardinality(NEW.retry_on) <= 50 AND array_position(NEW.retry_on, NULL) IS NULL AND length(array_to_string(NEW.retry_on, ',')) <= 4000)
      THEN 'cron_job_retry_on_form'
    WHEN NOT (cardinality(NEW.no_retry_on) <= 50 AND array_position(NEW.no_retry_on, NULL) IS NULL AND length(array_to_string(NEW.no_retry_on, ','))
      <= 4000) THEN 'cron_job_no_retry_on_form'
    WHEN NOT (NEW.memory_limit_mib BETWEEN 1 AND 1048576) THEN 'cron_job_memory_limit_range'
    WHEN NOT (NEW.retention_days BETWEEN 1 AND 36500 AND NEW.retention_count BETWEEN 1 AND 1000000000) THEN 'cron_job_retention_range'
    WHEN NOT (cardinality(NEW.extra_schedules) <= 20 AND array_position(NEW.extra_schedules, NULL) IS NULL) THEN 'cron_job_extra_schedules_form'
    WHEN NOT (cardinality(NEW.excluded_schedules) <= 20 AND array_position(NEW.excluded_schedules, NULL) IS NULL) THEN 'cron_job_excluded_schedules_form'
    WHEN NOT (NOT NEW.runs_alone OR NEW.is_exclusive) THEN 'cron_job_alone_exclusive'
    WHEN NOT (NEW.start_at < NEW.end_at) THEN 'cron_job_period'
    WHEN NOT (NEW.max_runs BETWEEN 1 AND 1000000000000) THEN 'cron_job_max_runs_range'
    WHEN NOT (length(NEW.min_version) <= 100 AND NEW.min_version ~ '^[vV]?[0-9]{1,9}(\.[0-9]{1,9})*$') THEN 'cron_job_min_version_form'
    WHEN NOT (NEW.log_level IN ('all', 'errors', 'none')) THEN 'cron_job_log_level_values'
    WHEN NOT (NEW.must_succeed_every_ms BETWEEN 1000 AND 31622400000 AND NEW.late_after_ms BETWEEN 1 AND 31622400000 AND NEW.slow_after_ms BETWEEN 1
      AND 2678400000 AND NEW.slow_factor BETWEEN 1 AND 1000000) THEN 'cron_job_alert_ranges'
    WHEN NOT (length(NEW.ping_url) <= 2000 AND NEW.ping_url ~ '^https?://[^[:space:][:cntrl:]]+$') THEN 'cron_job_ping_url_form'
    WHEN NOT (NEW.jitter_ms BETWEEN 0 AND 86400000) THEN 'cron_job_jitter_range'
    WHEN NOT (NEW.dst_gap IN ('run_after', 'skip')) THEN 'cron_job_dst_gap_values'
    WHEN NOT (NEW.dst_fold IN ('first', 'both', 'second')) THEN 'cron_job_dst_fold_values'
    WHEN NOT (NEW.max_consecutive_failures BETWEEN 1 AND 1000000) THEN 'cron_job_max_consecutive_failures_range'
    WHEN NOT (length(NEW.disabled_reason) <= 1000) THEN 'cron_job_disabled_reason_length'
    WHEN NOT (NEW.replan_reason IN ('created', 'rescheduled', 'disabled')) THEN 'cron_job_replan_reason_values'
    WHEN NOT (GREATEST(NEW.start_at, NEW.end_at, NEW.skip_until, NEW.disabled_at, NEW.disabled_until, NEW.anchor_at, NEW.created_at, NEW.updated_at,
      NEW.undeclared_at, NEW.replan_at) < '9000-01-01 00:00:00+00' AND LEAST(NEW.start_at, NEW.end_at, NEW.skip_until, NEW.disabled_at,
      NEW.disabled_until, NEW.anchor_at, NEW.created_at, NEW.updated_at, NEW.undeclared_at, NEW.replan_at) > '1900-01-01 00:00:00+00') THEN
      'cron_job_finite_times'
  END;
BEGIN
  IF broken IS NOT NULL THEN
    RAISE EXCEPTION 'new row for relation "cron_job" violates check constraint "%"', broken
      USING ERRCODE = 'check_violation', SCHEMA = 'pgcron', TABLE = 'cron_job', CONSTRAINT = broken;
  END IF;
  RETURN NULL;
END $$;
CREATE TRIGGER cron_job_rules_insert AFTER INSERT ON pgcron.cron_job FOR EACH ROW EXECUTE FUNCTION pgcron.cron_job_rules();
CREATE TRIGGER cron_job_rules_update AFTER UPDATE OF
    name, description, schedule, extra_schedules, excluded_schedules, timezone, start_at, end_at, max_runs, handler, args, owner, tags, queue,
    priority, runs_alone, min_version, origin, undeclared_at, is_exclusive, overlap_policy, max_running, catchup_policy, catchup_window_ms,
    starting_deadline_ms, timeout_ms, max_attempts, backoff_ms, backoff_max_ms, retry_on, no_retry_on, memory_limit_mib, jitter_ms, dst_gap, dst_fold,
    max_consecutive_failures, retention_days, retention_count, log_level, must_succeed_every_ms, late_after_ms, slow_after_ms, slow_factor, ping_url,
    disabled_at, disabled_reason, disabled_until, skip_until, anchor_at, replan_at, replan_reason, created_at, updated_at
  ON pgcron.cron_job FOR EACH ROW EXECUTE FUNCTION pgcron.cron_job_rules();
COMMENT ON FUNCTION pgcron.cron_job_rules() IS
  'The rules of a job''s definition: lengths, ranges, values and what goes with what; refuses as a CHECK would, naming the rule.';
