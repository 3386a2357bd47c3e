-- The rules of a job's definition, each with the name by which it is refused. A CHECK would be compiled and asked by every claim and
-- every finish, which write only what no rule is about; this is asked after a definition column was written, and sees the row as it is stored.
CREATE FUNCTION pgcron.cron_job_rules() RETURNS trigger LANGUAGE plpgsql SET search_path = pgcron, pg_catalog, pg_temp AS $$
DECLARE
  broken text := (SELECT rule.name FROM (VALUES
    ('cron_job_name_form', length(NEW.name) BETWEEN 1 AND 200 AND NEW.name !~ '[[:cntrl:]]' AND NEW.name = btrim(NEW.name)),
    ('cron_job_description_length', length(NEW.description) <= 4000),
    ('cron_job_schedule_length', length(NEW.schedule) BETWEEN 1 AND 256),
    ('cron_job_timezone_length', length(NEW.timezone) BETWEEN 1 AND 64),
    ('cron_job_handler_length', length(NEW.handler) BETWEEN 1 AND 300),
    ('cron_job_args_object', jsonb_typeof(NEW.args) = 'object' AND octet_length(NEW.args::text) <= 65536),
    ('cron_job_owner_length', length(NEW.owner) <= 200),
    ('cron_job_tags_form', cardinality(NEW.tags) <= 50 AND array_position(NEW.tags, NULL) IS NULL AND length(array_to_string(NEW.tags, ',')) <= 2000),
    ('cron_job_queue_length', length(NEW.queue) BETWEEN 1 AND 100),
    ('cron_job_priority_range', NEW.priority BETWEEN -100 AND 100),
    ('cron_job_origin_values', NEW.origin IN ('code', 'sql', 'admin')),
    ('cron_job_overlap_policy_values', NEW.overlap_policy IN ('skip', 'buffer_one', 'buffer_all', 'cancel_other', 'terminate_other', 'allow_all')),
    ('cron_job_exclusive_overlap', NEW.is_exclusive = (NEW.overlap_policy <> 'allow_all')),
    ('cron_job_max_running_range', NEW.max_running BETWEEN 1 AND 10000 AND (NEW.max_running = 1 OR NOT NEW.is_exclusive)),
    ('cron_job_catchup_policy_values', NEW.catchup_policy IN ('skip', 'latest', 'all')),
    ('cron_job_catchup_window_range', NEW.catchup_window_ms BETWEEN 1 AND 31622400000),
    ('cron_job_starting_deadline_range', NEW.starting_deadline_ms > 0),
    ('cron_job_timeout_range', NEW.timeout_ms BETWEEN 1 AND 2678400000),
    ('cron_job_max_attempts_range', NEW.max_attempts BETWEEN 1 AND 100),
    ('cron_job_backoff_range', NEW.backoff_ms BETWEEN 0 AND 86400000 AND NEW.backoff_max_ms BETWEEN NEW.backoff_ms AND 2678400000),
    ('cron_job_retry_on_form', cardinality(NEW.retry_on) <= 50 AND array_position(NEW.retry_on, NULL) IS NULL AND length(array_to_string(NEW.retry_on,
      ',')) <= 4000),
    ('cron_job_no_retry_on_form', cardinality(NEW.no_retry_on) <= 50 AND array_position(NEW.no_retry_on, NULL) IS NULL AND
      length(array_to_string(NEW.no_retry_on, ',')) <= 4000),
    ('cron_job_memory_limit_range', NEW.memory_limit_mib BETWEEN 1 AND 1048576),
    ('cron_job_retention_range', NEW.retention_days BETWEEN 1 AND 36500 AND NEW.retention_count BETWEEN 1 AND 1000000000),
    ('cron_job_extra_schedules_form', cardinality(NEW.extra_schedules) <= 20 AND array_position(NEW.extra_schedules, NULL) IS NULL),
    ('cron_job_excluded_schedules_form', cardinality(NEW.excluded_schedules) <= 20 AND array_position(NEW.excluded_schedules, NULL) IS NULL),
    ('cron_job_alone_exclusive', NOT NEW.runs_alone OR NEW.is_exclusive),
    ('cron_job_period', NEW.start_at < NEW.end_at),
    ('cron_job_max_runs_range', NEW.max_runs BETWEEN 1 AND 1000000000000),
    ('cron_job_min_version_form', length(NEW.min_version) <= 100 AND NEW.min_version ~ '^[vV]?[0-9]{1,9}(\.[0-9]{1,9})*$'),
    ('cron_job_log_level_values', NEW.log_level IN ('all', 'errors', 'none')),
    ('cron_job_alert_ranges', NEW.must_succeed_every_ms BETWEEN 1000 AND 31622400000 AND NEW.late_after_ms BETWEEN 1 AND 31622400000 AND
      NEW.slow_after_ms BETWEEN 1 AND 2678400000 AND NEW.slow_factor BETWEEN 1 AND 1000000),
    ('cron_job_ping_url_form', length(NEW.ping_url) <= 2000 AND NEW.ping_url ~ '^https?://[^[:space:][:cntrl:]]+$'),
    ('cron_job_jitter_range', NEW.jitter_ms BETWEEN 0 AND 86400000),
    ('cron_job_dst_gap_values', NEW.dst_gap IN ('run_after', 'skip')),
    ('cron_job_dst_fold_values', NEW.dst_fold IN ('first', 'both', 'second')),
    ('cron_job_max_consecutive_failures_range', NEW.max_consecutive_failures BETWEEN 1 AND 1000000),
    ('cron_job_disabled_reason_length', length(NEW.disabled_reason) <= 1000),
    ('cron_job_replan_reason_values', NEW.replan_reason IN ('created', 'rescheduled', 'disabled')),
    ('cron_job_finite_times', GREATEST(NEW.start_at, NEW.end_at, NEW.skip_until, NEW.disabled_at, NEW.disabled_until, NEW.anchor_at, NEW.created_at,
      NEW.updated_at, NEW.undeclared_at, NEW.replan_at) < '9000-01-01 00:00:00+00' AND LEAST(NEW.start_at, NEW.end_at, NEW.skip_until,
      NEW.disabled_at, NEW.disabled_until, NEW.anchor_at, NEW.created_at, NEW.updated_at, NEW.undeclared_at, NEW.replan_at) 
      > '1900-01-01 00:00:00+00')
  ) AS rule (name, holds) WHERE NOT rule.holds LIMIT 1);
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
