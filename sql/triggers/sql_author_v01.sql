-- The arguments of pgcron.sql are code: who may write them is a right of its own, also for declarations of a worker's
-- application; what ran before may run again.

CREATE FUNCTION pgcron.must_be_sql_author() RETURNS void LANGUAGE plpgsql STABLE SET search_path = pgcron, pg_catalog, pg_temp AS $$
BEGIN
  IF NOT pg_has_role(pgcron.caller(), 'pgcron_sql_author', 'USAGE') AND NOT pgcron.is_owner() THEN
    RAISE EXCEPTION 'role % may not write commands for pgcron.sql', quote_ident(pgcron.caller())
      USING ERRCODE = 'PC015', DETAIL = 'field: args', HINT = format('GRANT pgcron_sql_author TO %I', pgcron.caller());
  END IF;
END $$;
COMMENT ON FUNCTION pgcron.must_be_sql_author() IS
  'Raises not_permitted (PC015) unless the calling role is a member of pgcron_sql_author or pgcron_owner.';

CREATE FUNCTION pgcron.cron_job_sql_author() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF TG_OP = 'INSERT' THEN
    PERFORM pgcron.must_be_sql_author();
  ELSIF (NEW.handler, NEW.args) IS DISTINCT FROM (OLD.handler, OLD.args) THEN
    PERFORM pgcron.must_be_sql_author();
  END IF;
  RETURN NEW;
END $$;
COMMENT ON FUNCTION pgcron.cron_job_sql_author() IS 'Whether who writes a job of pgcron.sql may.';
CREATE TRIGGER cron_job_sql_author BEFORE INSERT OR UPDATE OF handler, args ON pgcron.cron_job
  FOR EACH ROW WHEN (NEW.handler = 'pgcron.sql') EXECUTE FUNCTION pgcron.cron_job_sql_author();

CREATE FUNCTION pgcron.cron_request_sql_author() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF EXISTS (SELECT FROM pgcron.cron_job j WHERE j.id = NEW.job_id AND j.handler = 'pgcron.sql' AND j.args <> NEW.args)
    AND NOT EXISTS (SELECT FROM pgcron.cron_log l WHERE l.job_id = NEW.job_id AND l.handler = 'pgcron.sql' AND l.args = NEW.args) THEN
    PERFORM pgcron.must_be_sql_author();
  END IF;
  RETURN NEW;
END $$;
COMMENT ON FUNCTION pgcron.cron_request_sql_author() IS 'Whether who asks for a run of pgcron.sql with a command of its own may.';
CREATE TRIGGER cron_request_sql_author BEFORE INSERT OR UPDATE OF args ON pgcron.cron_request
  FOR EACH ROW WHEN (NEW.args IS NOT NULL) EXECUTE FUNCTION pgcron.cron_request_sql_author();
