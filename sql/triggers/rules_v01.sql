-- Rules are checked when they are set, recorded, and told to the fleet.

CREATE FUNCTION pgcron.cron_blackout_check() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF NEW.schedule IS NOT NULL THEN
    PERFORM pgcron.next_runs(NEW.schedule, NEW.timezone, clock_timestamp(), 1, NULL, NEW.name);
    IF lower(btrim(NEW.schedule, E' \t')) = '@reboot' THEN
      RAISE EXCEPTION 'a blackout can''t begin @reboot' USING ERRCODE = 'PC014', DETAIL = 'field: schedule', HINT = 'give a schedule of times';
    END IF;
  END IF;
  IF (NEW.schedule IS NULL) = (NEW.starts_at IS NULL OR NEW.ends_at IS NULL) OR (NEW.schedule IS NULL) <> (NEW.duration_ms IS NULL) THEN
    RAISE EXCEPTION 'a blackout has either a begin and an end, or a schedule and a duration'
      USING ERRCODE = 'PC014', DETAIL = 'field: schedule', HINT = 'give p_starts_at and p_ends_at, or p_schedule and p_duration';
  ELSIF NEW.ends_at <= NEW.starts_at THEN
    RAISE EXCEPTION 'the blackout''s end (%) is not after its begin (%)', NEW.ends_at, NEW.starts_at
      USING ERRCODE = 'PC014', DETAIL = 'field: ends_at', HINT = 'give a later end';
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER cron_blackout_check BEFORE INSERT OR UPDATE ON pgcron.cron_blackout
  FOR EACH ROW EXECUTE FUNCTION pgcron.cron_blackout_check();

CREATE FUNCTION pgcron.cron_rule_audit() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = pgcron, pg_catalog, pg_temp AS $$
DECLARE
  rule text := replace(TG_TABLE_NAME, 'cron_', '');
  old_values jsonb := CASE WHEN TG_OP <> 'INSERT' THEN to_jsonb(OLD) - 'spent_until' END;
  new_values jsonb := CASE WHEN TG_OP <> 'DELETE' THEN to_jsonb(NEW) - 'spent_until' END;
  job uuid := coalesce(new_values, old_values) ->> 'job_id';
BEGIN
  INSERT INTO pgcron.cron_audit (action, job_id, job_name, old_values, new_values)
  VALUES (rule || CASE WHEN TG_OP = 'DELETE' THEN '_removed' WHEN rule <> 'backfill' THEN '_set' WHEN TG_OP = 'INSERT' THEN '_asked' ELSE '_cancelled' END, job, (SELECT j.name FROM pgcron.cron_job j WHERE j.id = job),
    old_values, new_values);
  PERFORM pg_notify('pgcron', 'fleet');
  RETURN NULL;
END $$;
CREATE TRIGGER cron_rule_audit AFTER INSERT OR DELETE OR UPDATE ON pgcron.cron_blackout
  FOR EACH ROW EXECUTE FUNCTION pgcron.cron_rule_audit();
-- Not for spent_until, which claims move.
CREATE TRIGGER cron_rule_audit AFTER INSERT OR DELETE OR UPDATE OF max_running, per_minute, burst ON pgcron.cron_limit
  FOR EACH ROW EXECUTE FUNCTION pgcron.cron_rule_audit();
CREATE TRIGGER cron_rule_audit AFTER INSERT OR UPDATE ON pgcron.cron_backfill
  FOR EACH ROW EXECUTE FUNCTION pgcron.cron_rule_audit();
