-- A change of definition, by whom and from where it may come: a new version, a new plan, an audit entry, a notification.

CREATE FUNCTION pgcron.cron_job_before_insert() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  PERFORM pgcron.check_schedules(NEW);
  IF coalesce(current_setting('pgcron.declaring', true), '') <> 'on' THEN
    PERFORM pgcron.check_args(NEW.handler, NEW.args);
  END IF;
  NEW.needs_plan := true;
  NEW.replan_at := clock_timestamp();
  NEW.replan_reason := 'created';
  NEW.covers_from := NEW.ledger_from;  -- two defaults would read the clock twice
  NEW.next_run_at := NULL;
  NEW.next_scheduled_for := NULL;
  NEW.schedule_error := NULL;
  IF NOT NEW.is_enabled THEN
    NEW.disabled_at := coalesce(NEW.disabled_at, clock_timestamp());
    NEW.disabled_by := coalesce(NEW.disabled_by, pgcron.actor());
  END IF;
  RETURN pgcron.plan_job(NEW, NEW.covers_from);
END $$;
CREATE TRIGGER cron_job_before_insert BEFORE INSERT ON pgcron.cron_job
  FOR EACH ROW EXECUTE FUNCTION pgcron.cron_job_before_insert();

-- Fires only for statements that name a definition column: the claim and the finish never pay for it.
CREATE FUNCTION pgcron.cron_job_before_definition() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF pgcron.job_definition(OLD) = pgcron.job_definition(NEW) THEN
    RETURN NEW;
  END IF;
  PERFORM pgcron.check_lock(OLD, NEW, current_user);
  IF (NEW.schedule, NEW.extra_schedules, NEW.excluded_schedules, NEW.name)
     IS DISTINCT FROM (OLD.schedule, OLD.extra_schedules, OLD.excluded_schedules, OLD.name) THEN
    PERFORM pgcron.check_schedules(NEW);  -- the name decides what H is
    NEW.schedule_error := NULL;
  END IF;
  IF (NEW.handler, NEW.args) IS DISTINCT FROM (OLD.handler, OLD.args) AND coalesce(current_setting('pgcron.declaring', true), '') <> 'on' THEN
    PERFORM pgcron.check_args(NEW.handler, NEW.args);
  END IF;
  NEW.version := OLD.version + 1;
  NEW.updated_at := clock_timestamp();  -- the one instant of this edit: what was due before it belongs to the old definition
  IF OLD.is_enabled AND NOT NEW.is_enabled THEN
    NEW.disabled_at := clock_timestamp();
    NEW.disabled_by := CASE WHEN NEW.disabled_by IS DISTINCT FROM OLD.disabled_by THEN NEW.disabled_by ELSE pgcron.actor() END;
    NEW.next_run_at := NULL;
    NEW.next_request_at := NULL;
  ELSIF NEW.is_enabled AND NOT OLD.is_enabled THEN
    NEW.disabled_at := NULL;
    NEW.disabled_by := NULL;
    NEW.disabled_reason := NULL;
    NEW.disabled_until := NULL;
    NEW.consecutive_failures := 0;
    NEW.strikes_from_seq := OLD.run_seq;
    NEW.needs_plan := true;
    NEW.replan_at := NEW.updated_at;
    NEW.replan_reason := 'disabled';
  END IF;
  IF pgcron.job_timing(NEW) <> pgcron.job_timing(OLD) THEN
    NEW.needs_plan := true;
    NEW.replan_at := NEW.updated_at;
    NEW.replan_reason := CASE WHEN OLD.needs_plan OR NOT OLD.is_enabled OR NOT NEW.is_enabled
                              THEN coalesce(NEW.replan_reason, 'disabled') ELSE 'rescheduled' END;
  END IF;
  -- Nothing is given up when the old plan named nothing until now.
  IF NEW.needs_plan AND NOT OLD.needs_plan AND OLD.planned IS NOT NULL AND OLD.excluded_schedules = '{}'
    AND coalesce(OLD.next_scheduled_for > NEW.replan_at, OLD.scheduled_runs >= OLD.max_runs OR OLD.end_at < OLD.covers_from, false) THEN
    RETURN pgcron.plan_job(NEW, GREATEST(NEW.covers_from, NEW.replan_at));
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER cron_job_before_definition BEFORE UPDATE OF
    name, description, schedule, timezone, handler, args, is_enabled, is_locked, owner, tags, queue, priority,
    is_exclusive, overlap_policy, max_running, catchup_policy, catchup_window_ms, starting_deadline_ms, timeout_ms, max_attempts,
    backoff_ms, backoff_max_ms, retry_on, no_retry_on, memory_limit_mib, is_idempotent, jitter_ms, dst_gap, dst_fold, max_consecutive_failures,
    notify_on_failure, retention_days, retention_count, runs_alone, min_version, extra_schedules, excluded_schedules, start_at, end_at, max_runs, log_level, must_succeed_every_ms, late_after_ms,
    slow_after_ms, slow_factor, ping_url, disabled_reason, disabled_until, skip_until
  ON pgcron.cron_job FOR EACH ROW EXECUTE FUNCTION pgcron.cron_job_before_definition();

CREATE FUNCTION pgcron.cron_job_before_delete() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF OLD.running_count > 0 THEN
    RAISE EXCEPTION 'job % is running: it can''t be deleted now', quote_literal(OLD.name)
      USING ERRCODE = 'PC008', HINT = 'disable it, wait until its run ends, then delete it';
  ELSIF OLD.origin = 'code' AND OLD.undeclared_at IS NULL THEN
    RAISE EXCEPTION 'job % is declared in the code of app %: it can only be disabled', quote_literal(OLD.name), quote_literal(OLD.app)
      USING ERRCODE = 'PC009', HINT = 'remove its declaration and release that first, or disable it';
  END IF;
  PERFORM pgcron.check_lock(OLD, NULL, current_user);
  RETURN OLD;
END $$;
CREATE TRIGGER cron_job_before_delete BEFORE DELETE ON pgcron.cron_job
  FOR EACH ROW EXECUTE FUNCTION pgcron.cron_job_before_delete();

-- SECURITY DEFINER: nobody else may write the audit, and everybody's change must be in it.
CREATE FUNCTION pgcron.cron_job_audit() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = pgcron, pg_catalog, pg_temp AS $$
DECLARE
  old_definition jsonb := CASE WHEN TG_OP <> 'INSERT' THEN pgcron.job_definition(OLD) END;
  new_definition jsonb := CASE WHEN TG_OP <> 'DELETE' THEN pgcron.job_definition(NEW) END;
  changed text[];
BEGIN
  IF TG_OP = 'UPDATE' THEN
    SELECT array_agg(key) INTO changed FROM jsonb_each(new_definition)
     WHERE value IS DISTINCT FROM old_definition -> key;
    old_definition := (SELECT jsonb_object_agg(key, value) FROM jsonb_each(old_definition) WHERE key = ANY (changed));
    new_definition := (SELECT jsonb_object_agg(key, value) FROM jsonb_each(new_definition) WHERE key = ANY (changed));
  END IF;
  INSERT INTO pgcron.cron_audit (action, job_id, job_name, job_version, old_values, new_values)
  VALUES (
    CASE WHEN TG_OP = 'INSERT' THEN 'job_created' WHEN TG_OP = 'DELETE' THEN 'job_deleted'
         WHEN changed @> '{is_enabled}' THEN CASE WHEN NEW.is_enabled THEN 'job_enabled' ELSE 'job_disabled' END
         ELSE 'job_changed' END,
    coalesce(NEW.id, OLD.id), coalesce(NEW.name, OLD.name), coalesce(NEW.version, OLD.version), old_definition, new_definition);
  RETURN NULL;
END $$;
CREATE TRIGGER cron_job_audit_row AFTER INSERT OR DELETE ON pgcron.cron_job
  FOR EACH ROW EXECUTE FUNCTION pgcron.cron_job_audit();
CREATE TRIGGER cron_job_audit_update AFTER UPDATE ON pgcron.cron_job
  FOR EACH ROW WHEN (OLD.version IS DISTINCT FROM NEW.version) EXECUTE FUNCTION pgcron.cron_job_audit();

-- The kill switch is everybody's business: who pulled it, when and why is in the audit.
CREATE FUNCTION pgcron.cron_meta_audit() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = pgcron, pg_catalog, pg_temp AS $$
BEGIN
  INSERT INTO pgcron.cron_audit (action, old_values, new_values)
  VALUES (CASE WHEN NEW.paused_at IS NULL THEN 'fleet_resumed' ELSE 'fleet_paused' END,
    jsonb_build_object('paused_at', OLD.paused_at, 'paused_by', OLD.paused_by, 'paused_reason', OLD.paused_reason),
    jsonb_build_object('paused_at', NEW.paused_at, 'paused_by', NEW.paused_by, 'paused_reason', NEW.paused_reason));
  PERFORM pg_notify('pgcron', 'fleet');
  RETURN NULL;
END $$;
CREATE TRIGGER cron_meta_audit AFTER UPDATE OF paused_at ON pgcron.cron_meta
  FOR EACH ROW WHEN (OLD.paused_at IS DISTINCT FROM NEW.paused_at) EXECUTE FUNCTION pgcron.cron_meta_audit();

-- A disabled job has no open wish for a run: its pending requests end in the transaction that disables it.
CREATE FUNCTION pgcron.cron_job_cancel_requests() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  UPDATE pgcron.cron_request SET state = 'CANCELLED', ended_at = clock_timestamp(), cancelled_by = left(pgcron.actor(), 200),
      cancel_reason = 'the job was disabled'
   WHERE job_id = NEW.id AND state = 'PENDING';
  RETURN NULL;
END $$;
CREATE TRIGGER cron_job_cancel_requests AFTER UPDATE OF is_enabled ON pgcron.cron_job
  FOR EACH ROW WHEN (OLD.is_enabled AND NOT NEW.is_enabled) EXECUTE FUNCTION pgcron.cron_job_cancel_requests();

-- A hint for idle workers. A transaction that sets pgcron.silent speaks for itself, with one notification at its end.
CREATE FUNCTION pgcron.cron_job_notify() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF coalesce(current_setting('pgcron.silent', true), '') <> 'on' THEN
    PERFORM pg_notify('pgcron', coalesce(NEW.id, OLD.id)::text);
  END IF;
  RETURN NULL;
END $$;
CREATE TRIGGER cron_job_notify_row AFTER INSERT OR DELETE ON pgcron.cron_job
  FOR EACH ROW EXECUTE FUNCTION pgcron.cron_job_notify();
CREATE TRIGGER cron_job_notify_update AFTER UPDATE ON pgcron.cron_job
  FOR EACH ROW WHEN (OLD.version IS DISTINCT FROM NEW.version) EXECUTE FUNCTION pgcron.cron_job_notify();
