-- The rules of a request, each with the name by which it is refused (why no CHECKs: see job_rules_v01.sql).
CREATE FUNCTION pgcron.cron_request_rules() RETURNS trigger LANGUAGE plpgsql SET search_path = pgcron, pg_catalog, pg_temp AS $$
DECLARE
  broken text := (SELECT rule.name FROM (VALUES
    ('cron_request_cancel_length', length(NEW.cancelled_by) <= 200 AND length(NEW.cancel_reason) <= 1000),
    ('cron_request_cause_values', NEW.cause IN ('manual', 'retry', 'backfill', 'buffered')),
    ('cron_request_occurrence', NEW.cause IN ('manual', 'retry') OR NEW.scheduled_for IS NOT NULL),
    ('cron_request_covers', (NEW.covers_from IS NULL) = (NEW.covers_to IS NULL) AND NEW.covers_from < NEW.covers_to
      AND (NEW.covers_to IS NULL OR NEW.cause = 'buffered' AND NEW.covers_to = NEW.scheduled_for)),
    ('cron_request_overlap_policy_values', NEW.overlap_policy IN ('skip', 'buffer_one', 'buffer_all', 'cancel_other', 'terminate_other', 'allow_all')),
    ('cron_request_args_object', jsonb_typeof(NEW.args) = 'object' AND octet_length(NEW.args::text) <= 65536),
    ('cron_request_key_length', length(NEW.idempotency_key) BETWEEN 1 AND 200),
    ('cron_request_requested_by_length', length(NEW.requested_by) BETWEEN 1 AND 200),
    ('cron_request_finite_times', GREATEST(NEW.run_after, NEW.scheduled_for, NEW.covers_to, NEW.created_at) < '9000-01-01 00:00:00+00'
      AND LEAST(NEW.run_after, NEW.scheduled_for, NEW.covers_from, NEW.created_at) > '1900-01-01 00:00:00+00')
  ) AS rule (name, holds) WHERE NOT rule.holds LIMIT 1);
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
