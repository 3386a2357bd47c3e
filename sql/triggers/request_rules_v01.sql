-- The rules of a request, each with the name by which it is refused (why no CHECKs: see job_rules_v01.sql).
CREATE FUNCTION pgcron.cron_request_rules() RETURNS trigger LANGUAGE plpgsql SET search_path = pgcron, pg_catalog, pg_temp AS $$
DECLARE
  -- one expression: plpgsql evaluates it without a plan of its own
  broken text := CASE
    WHEN NOT (length(NEW.cancelled_by) <= 200 AND length(NEW.cancel_reason) <= 1000) THEN 'cron_request_cancel_length'
    WHEN NOT (NEW.cause IN ('manual', 'retry', 'backfill', 'buffered')) THEN 'cron_request_cause_values'
    WHEN NOT (NEW.cause IN ('manual', 'retry') OR NEW.scheduled_for IS NOT NULL) THEN 'cron_request_occurrence'
    WHEN NOT ((NEW.covers_from IS NULL) = (NEW.covers_to IS NULL) AND NEW.covers_from < NEW.covers_to AND (NEW.covers_to IS NULL OR NEW.cause =
      'buffered' AND NEW.covers_to = NEW.scheduled_for)) THEN 'cron_request_covers'
    WHEN NOT (NEW.overlap_policy IN ('skip', 'buffer_one', 'buffer_all', 'cancel_other', 'terminate_other', 'allow_all')) THEN
      'cron_request_overlap_policy_values'
    WHEN NOT (jsonb_typeof(NEW.args) = 'object' AND octet_length(NEW.args::text) <= 65536) THEN 'cron_request_args_object'
    WHEN NOT (length(NEW.idempotency_key) BETWEEN 1 AND 200) THEN 'cron_request_key_length'
    WHEN NOT (length(NEW.requested_by) BETWEEN 1 AND 200) THEN 'cron_request_requested_by_length'
    WHEN NOT (GREATEST(NEW.run_after, NEW.scheduled_for, NEW.covers_to, NEW.created_at) < '9000-01-01 00:00:00+00' AND LEAST(NEW.run_after,
      NEW.scheduled_for, NEW.covers_from, NEW.created_at) > '1900-01-01 00:00:00+00') THEN 'cron_request_finite_times'
  END;
BEGIN
  IF broken IS NOT NULL THEN
    RAISE EXCEPTION 'new row for relation "cron_request" violates check constraint "%"', broken
      USING ERRCODE = 'check_violation', SCHEMA = 'pgcron', TABLE = 'cron_request', CONSTRAINT = broken;
  END IF;
  RETURN NULL;
END $$;
CREATE TRIGGER cron_request_rules_insert AFTER INSERT ON pgcron.cron_request FOR EACH ROW EXECUTE FUNCTION pgcron.cron_request_rules();
CREATE TRIGGER cron_request_rules_update AFTER UPDATE OF
    cause, run_after, requested_by, idempotency_key, args, scheduled_for, covers_from, covers_to, overlap_policy, cancelled_by, cancel_reason, created_at
  ON pgcron.cron_request FOR EACH ROW EXECUTE FUNCTION pgcron.cron_request_rules();
COMMENT ON FUNCTION pgcron.cron_request_rules() IS
  'The rules of a request: lengths, values and what goes with what; refuses as a CHECK would, naming the rule.';
