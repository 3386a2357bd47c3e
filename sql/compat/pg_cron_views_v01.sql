-- pg_cron's tables as views: each user's own rows, all of them for owners. Writing to them works as far as pg_cron's users do it.

CREATE OR REPLACE VIEW cron.job WITH (security_barrier) AS
  SELECT e.jobid, CASE WHEN j.schedule = e.stored THEN e.schedule ELSE j.schedule END AS schedule, j.args ->> 'command' AS command,
    'localhost'::text AS nodename, current_setting('port')::integer AS nodeport, e.database, e.username, j.is_enabled AS active, e.jobname
    FROM cron.entry e JOIN pgcron.cron_job j ON j.id = e.job_id
   WHERE e.unscheduled_at IS NULL AND (e.username = current_user OR pg_has_role(current_user, 'pgcron_owner', 'USAGE'));
COMMENT ON VIEW cron.job IS 'The jobs that were scheduled through pg_cron''s interface: one''s own, or all for owners.';
COMMENT ON COLUMN cron.job.jobid IS 'Its number.';
COMMENT ON COLUMN cron.job.schedule IS 'When it runs, as it was written.';
COMMENT ON COLUMN cron.job.command IS 'What it runs.';
COMMENT ON COLUMN cron.job.nodename IS 'Always localhost: the connection of pgcron.sql says where it runs.';
COMMENT ON COLUMN cron.job.nodeport IS 'The port of this server.';
COMMENT ON COLUMN cron.job.database IS 'The database it is for.';
COMMENT ON COLUMN cron.job.username IS 'Whose job it is.';
COMMENT ON COLUMN cron.job.active IS 'Whether it runs.';
COMMENT ON COLUMN cron.job.jobname IS 'Its name, or NULL.';

-- runid: the milliseconds of its start, and the job's number: a run has one, later runs have larger ones.
CREATE OR REPLACE VIEW cron.job_run_details WITH (security_barrier) AS
  SELECT e.jobid, (extract(epoch FROM l.started_at) * 1000)::bigint * 4096 + e.jobid % 4096 AS runid,
    CASE WHEN l.metadata ->> 'backend_pid' ~ '^\d{1,9}$' THEN (l.metadata ->> 'backend_pid')::integer END AS job_pid,
    e.database, e.username, l.args ->> 'command' AS command,
    CASE l.status WHEN 'RUNNING' THEN 'running' WHEN 'SUCCESS' THEN 'succeeded' ELSE 'failed' END AS status,
    CASE WHEN l.status = 'SUCCESS' THEN l.result -> 'tags' ->> -1
         WHEN l.reason = 'cancelled' THEN 'job canceled'
         WHEN l.reason IN ('lost', 'orphaned_claim', 'shutdown') THEN 'server restarted'
         WHEN l.status = 'FAILED' THEN regexp_replace(l.error, '^[A-Z]\w*: ', 'ERROR:  ') END AS return_message,
    l.started_at AS start_time, l.completed_at AS end_time
    FROM cron.entry e JOIN pgcron.cron_log l ON l.job_id = e.job_id
   WHERE e.username = current_user OR pg_has_role(current_user, 'pgcron_owner', 'USAGE');
COMMENT ON VIEW cron.job_run_details IS
  'The runs of these jobs, also of jobs that were unscheduled; DELETE forgets what has ended, but for a job''s newest run.';
COMMENT ON COLUMN cron.job_run_details.jobid IS 'The job''s number.';
COMMENT ON COLUMN cron.job_run_details.runid IS 'The run''s number.';
COMMENT ON COLUMN cron.job_run_details.job_pid IS 'The backend that ran it; NULL while it runs.';
COMMENT ON COLUMN cron.job_run_details.database IS 'The database it was for.';
COMMENT ON COLUMN cron.job_run_details.username IS 'Whose job it is.';
COMMENT ON COLUMN cron.job_run_details.command IS 'What it ran.';
COMMENT ON COLUMN cron.job_run_details.status IS 'running, succeeded or failed.';
COMMENT ON COLUMN cron.job_run_details.return_message IS 'The last command tag, or the error.';
COMMENT ON COLUMN cron.job_run_details.start_time IS 'When it began.';
COMMENT ON COLUMN cron.job_run_details.end_time IS 'When it ended; NULL while it runs.';

CREATE OR REPLACE FUNCTION cron.job_write() RETURNS trigger LANGUAGE plpgsql SET search_path = cron, pg_catalog, pg_temp AS $$
BEGIN
  IF TG_OP = 'DELETE' THEN
    PERFORM cron.remove_job(OLD.jobid, NULL);
    RETURN OLD;
  ELSIF coalesce(NEW.nodename, '') NOT IN ('', 'localhost') THEN
    RAISE EXCEPTION 'jobs run on a connection that PGCRON_SQL_CONNECTIONS names, not on node %', quote_literal(NEW.nodename)
      USING ERRCODE = 'feature_not_supported', HINT = 'leave nodename as it is; see cron.connection';
  ELSIF TG_OP = 'INSERT' THEN
    NEW.jobid := cron.save_job(NEW.jobname, NEW.schedule, NEW.command, NEW.database, NEW.username,
      coalesce(NEW.active, true));
  ELSIF (NEW.jobid, NEW.jobname) IS DISTINCT FROM (OLD.jobid, OLD.jobname) THEN
    RAISE EXCEPTION 'jobid and jobname can''t be changed'
      USING ERRCODE = 'feature_not_supported', HINT = 'unschedule it and schedule another';
  ELSIF (NEW.schedule, NEW.command, NEW.database, NEW.username, NEW.active) IS DISTINCT FROM
        (OLD.schedule, OLD.command, OLD.database, OLD.username, OLD.active) THEN
    PERFORM cron.change_job(OLD.jobid, nullif(NEW.schedule, OLD.schedule), nullif(NEW.command, OLD.command),
      nullif(NEW.database, OLD.database), nullif(NEW.username, OLD.username), CASE WHEN NEW.active <> OLD.active THEN NEW.active END);
  END IF;
  RETURN NEW;
END $$;
COMMENT ON FUNCTION cron.job_write() IS 'INSERT, UPDATE and DELETE on cron.job, as the functions do them.';
CREATE OR REPLACE TRIGGER job_write INSTEAD OF INSERT OR UPDATE OR DELETE ON cron.job FOR EACH ROW EXECUTE FUNCTION cron.job_write();

-- What retention would not delete stays: what runs, the newest run, a strike that counts. The job is locked first, as everywhere.
CREATE OR REPLACE FUNCTION cron.job_run_details_delete() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = cron, pg_catalog, pg_temp AS $$
DECLARE
  job record;
BEGIN
  SELECT j.id, j.run_seq, j.strikes_from_seq INTO job FROM pgcron.cron_job j JOIN cron.entry e ON e.job_id = j.id
   WHERE e.jobid = OLD.jobid FOR NO KEY UPDATE OF j;
  WITH gone AS (
    DELETE FROM pgcron.cron_log l WHERE l.job_id = job.id AND l.started_at = OLD.start_time AND l.status <> 'RUNNING'
       AND l.seq < job.run_seq AND NOT (l.is_strike AND l.seq > job.strikes_from_seq)
    RETURNING l.request_id)
  DELETE FROM pgcron.cron_request r USING gone g WHERE r.id = g.request_id AND r.state <> 'PENDING';
  RETURN CASE WHEN EXISTS (SELECT FROM pgcron.cron_log l WHERE l.job_id = job.id AND l.started_at = OLD.start_time) THEN NULL ELSE OLD END;
END $$;
COMMENT ON FUNCTION cron.job_run_details_delete() IS 'DELETE on cron.job_run_details.';
CREATE OR REPLACE TRIGGER job_run_details_delete INSTEAD OF DELETE ON cron.job_run_details
  FOR EACH ROW EXECUTE FUNCTION cron.job_run_details_delete();

-- As pg_cron: USAGE of the schema is what an admin grants; altering and other databases are granted apart.
REVOKE ALL ON ALL FUNCTIONS IN SCHEMA cron FROM PUBLIC;
REVOKE ALL ON ALL TABLES IN SCHEMA cron FROM PUBLIC;
GRANT USAGE ON SCHEMA cron TO pgcron_sql_author;
GRANT SELECT ON cron.job TO PUBLIC;
GRANT SELECT, DELETE ON cron.job_run_details TO PUBLIC;
GRANT EXECUTE ON FUNCTION cron.schedule(text, text), cron.schedule(text, text, text),
  cron.unschedule(bigint), cron.unschedule(text) TO PUBLIC;
GRANT EXECUTE ON FUNCTION cron.alter_job(bigint, text, text, text, text, boolean),
  cron.schedule_in_database(text, text, text, text, text, boolean) TO pgcron_sql_author;
