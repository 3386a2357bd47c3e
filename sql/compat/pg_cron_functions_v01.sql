-- The functions that pg_cron has, with its parameters and its messages for what is wrong.

CREATE OR REPLACE FUNCTION cron.must_be_granted(p_role text) RETURNS void LANGUAGE plpgsql STABLE SET search_path = pg_catalog AS $$
BEGIN
  IF NOT pg_has_role(p_role, 'pgcron_sql_author', 'USAGE') AND NOT pg_has_role(p_role, 'pgcron_owner', 'USAGE') THEN
    RAISE EXCEPTION 'role % may not schedule commands', quote_ident(p_role) USING ERRCODE = 'PC015',
      DETAIL = 'They run as the role of a connection of pgcron.sql, not as the role that schedules them.',
      HINT = format('GRANT pgcron_sql_author TO %I', p_role);
  END IF;
END $$;
COMMENT ON FUNCTION cron.must_be_granted(text) IS
  'Raises not_permitted (PC015) unless a role is a member of pgcron_sql_author or pgcron_owner.';

CREATE OR REPLACE FUNCTION cron.is_admin(p_role text) RETURNS boolean LANGUAGE sql STABLE SET search_path = pg_catalog AS $$
  SELECT pg_has_role(p_role, 'pgcron_owner', 'USAGE')
$$;
COMMENT ON FUNCTION cron.is_admin(text) IS 'Whether a role may do what pg_cron keeps for superusers.';

CREATE OR REPLACE FUNCTION cron.refuse_schedule(p_schedule text, p_detail text, p_hint text DEFAULT NULL) RETURNS void
LANGUAGE plpgsql IMMUTABLE SET search_path = pg_catalog AS $$
BEGIN
  RAISE EXCEPTION 'invalid schedule: %', p_schedule USING ERRCODE = 'invalid_parameter_value', DETAIL = p_detail,
    HINT = concat_ws('; ', p_hint, 'Use cron format (e.g. 5 4 * * *), or interval format ''[1-59] seconds''');
END $$;
COMMENT ON FUNCTION cron.refuse_schedule(text, text, text) IS 'Raises pg_cron''s error for a schedule, with what exactly is wrong.';

-- pg_cron takes five fields of numbers, names, *, lists, ranges, steps and $; @restart beside @reboot; and 1 to 59 seconds.
-- What pgcron's grammar knows beyond that (seconds fields, H, L, W, #, @every) would not be what a pg_cron script means.
CREATE OR REPLACE FUNCTION cron.stored_schedule(p_schedule text) RETURNS text LANGUAGE plpgsql IMMUTABLE
SET search_path = pgcron, pg_catalog, pg_temp AS $$
DECLARE
  item CONSTANT text := '(\*|\d+|NAMES)(-(\d+|NAMES))?(/\d+)?';
  months CONSTANT text := 'jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec';
  weekdays CONSTANT text := 'sun|mon|tue|wed|thu|fri|sat';
  body text := btrim(p_schedule, E' \t\n\r');
  seconds text[] := regexp_match(body, '^(\d{1,9})[ \t]*seconds?$', 'i');
  fields text[];
  found text;
  complaint text;
  advice text;
BEGIN
  IF p_schedule IS NULL THEN
    RAISE EXCEPTION 'schedule can not be NULL' USING ERRCODE = 'XX000';
  ELSIF seconds IS NOT NULL THEN
    IF seconds[1]::integer NOT BETWEEN 1 AND 59 THEN
      PERFORM cron.refuse_schedule(p_schedule, 'seconds are 1 to 59');
    END IF;
    RETURN seconds[1]::integer || ' seconds';
  ELSIF body IN ('@restart', '@reboot') THEN
    RETURN '@reboot';
  ELSIF body IN ('@yearly', '@annually', '@monthly', '@weekly', '@daily', '@midnight', '@hourly') THEN
    RETURN body;
  END IF;
  fields := regexp_split_to_array(body, '[ \t]+');
  IF cardinality(fields) <> 5 THEN
    PERFORM cron.refuse_schedule(left(p_schedule, 1000),
      CASE WHEN body LIKE '@%' THEN 'no such name' ELSE format('%s instead of five fields', cardinality(fields)) END);
  END IF;
  FOR i IN 1..5 LOOP
    found := replace(item, '|NAMES', CASE i WHEN 4 THEN '|' || months WHEN 5 THEN '|' || weekdays ELSE '' END);
    IF i = 3 THEN
      found := format('(\$|%s)', found);
    END IF;
    IF fields[i] !~* format('^%s(,%s)*$', found, found) THEN
      PERFORM cron.refuse_schedule(left(p_schedule, 1000), format('field %s is %s', i, quote_literal(left(fields[i], 100))));
    END IF;
  END LOOP;
  -- A step that is longer than the field: cron starts at 0 and is through.
  fields[1] := regexp_replace(fields[1], '^\*/([6-9]\d|\d{3,})$', '0');
  fields[2] := regexp_replace(fields[2], '^\*/(2[4-9]|[3-9]\d|\d{3,})$', '0');
  found := array_to_string(fields, ' ');
  PERFORM pgcron.check_schedule_text(found, '');
  RETURN found;
EXCEPTION WHEN SQLSTATE 'PC002' THEN
  GET STACKED DIAGNOSTICS complaint = MESSAGE_TEXT, advice = PG_EXCEPTION_HINT;
  PERFORM cron.refuse_schedule(left(p_schedule, 1000), complaint, nullif(advice, ''));
END $$;
COMMENT ON FUNCTION cron.stored_schedule(text) IS 'A schedule of pg_cron as pgcron writes it; raises "invalid schedule" as pg_cron does.';

CREATE OR REPLACE FUNCTION cron.connection_for(p_database text, p_username text) RETURNS text LANGUAGE plpgsql STABLE
SET search_path = cron, pg_catalog, pg_temp AS $$
DECLARE
  found text;
BEGIN
  SELECT c.connection INTO found FROM cron.connection c
   WHERE c.database = p_database AND c.username IN (p_username, '') ORDER BY c.username DESC LIMIT 1;
  IF found IS NOT NULL THEN
    RETURN found;  -- it may be a database of another server
  ELSIF NOT EXISTS (SELECT FROM pg_database d WHERE d.datname = p_database) THEN
    RAISE EXCEPTION 'database "%" does not exist', p_database USING ERRCODE = 'invalid_catalog_name';
  ELSIF NOT has_database_privilege(p_username, p_database, 'CONNECT') THEN
    RAISE EXCEPTION 'User % does not have CONNECT privilege on %', p_username, p_database USING ERRCODE = 'XX000';
  ELSIF p_database <> current_database() THEN
    RAISE EXCEPTION 'no connection is configured for database "%"', p_database USING ERRCODE = 'feature_not_supported',
      DETAIL = 'Workers run commands on the connections that PGCRON_SQL_CONNECTIONS names; `default` is for this database.',
      HINT = format('name one there, then INSERT INTO cron.connection (database, connection) VALUES (%L, ''…'')', p_database);
  END IF;
  RETURN 'default';
END $$;
COMMENT ON FUNCTION cron.connection_for(text, text) IS
  'The connection of pgcron.sql for a user''s jobs in a database; refuses databases without one.';

CREATE OR REPLACE FUNCTION cron.checked_user(p_username text, p_what text) RETURNS text LANGUAGE plpgsql STABLE
SET search_path = cron, pg_catalog, pg_temp AS $$
DECLARE
  can_login boolean;
BEGIN
  IF NOT cron.is_admin(pgcron.caller()::text) THEN
    RAISE EXCEPTION 'must be superuser to %', p_what USING ERRCODE = 'XX000', HINT = 'members of pgcron_owner may, too';
  END IF;
  SELECT rolcanlogin INTO can_login FROM pg_roles WHERE rolname = p_username;
  IF NOT FOUND THEN
    RAISE EXCEPTION 'role "%" does not exist', p_username USING ERRCODE = 'XX000';
  ELSIF NOT can_login THEN
    RAISE EXCEPTION 'role "%" can not log in', p_username
      USING ERRCODE = 'XX000', DETAIL = 'Jobs may only be run by roles that have the LOGIN attribute.';
  END IF;
  RETURN p_username;
END $$;
COMMENT ON FUNCTION cron.checked_user(text, text) IS 'A role for which the caller may make jobs; raises as pg_cron does.';

CREATE OR REPLACE FUNCTION cron.save_job(p_name text, p_schedule text, p_command text, p_database text, p_username text,
  p_active boolean)
RETURNS bigint LANGUAGE plpgsql SECURITY DEFINER SET search_path = cron, pg_catalog, pg_temp AS $$
DECLARE
  me CONSTANT text := pgcron.caller()::text;
  owner CONSTANT text := CASE WHEN p_username IS NULL THEN me ELSE cron.checked_user(p_username, 'create a job for another role') END;
  target CONSTANT text := coalesce(p_database, current_database());
  translated CONSTANT text := cron.stored_schedule(p_schedule);
  new_args jsonb;
  zone text := coalesce(nullif(current_setting('cron.timezone', true), ''), 'UTC');
  has_changes boolean;
  known cron.entry;
  new_id bigint;
  job uuid;
  violated text;
BEGIN
  IF p_command IS NULL THEN
    RAISE EXCEPTION 'command can not be NULL' USING ERRCODE = 'XX000';
  END IF;
  PERFORM cron.must_be_granted(me);
  zone := CASE WHEN zone IN ('GMT', 'Etc/GMT', 'Etc/UTC') THEN 'UTC' ELSE zone END;
  -- pg_cron looks at the clock each minute: what it skips is skipped, what it repeats is repeated.
  has_changes := zone <> 'UTC' AND translated NOT LIKE '%seconds' AND translated <> '@reboot';
  new_args := jsonb_build_object('command', p_command, 'connection', cron.connection_for(target, owner));
  LOOP
    SELECT * INTO known FROM cron.entry e WHERE e.jobname = p_name AND e.username = owner AND e.unscheduled_at IS NULL;
    IF FOUND THEN
      UPDATE pgcron.cron_job j SET schedule = translated, args = new_args WHERE j.id = known.job_id;
      CONTINUE WHEN NOT FOUND;  -- it was deleted meanwhile
      UPDATE cron.entry e SET schedule = p_schedule, stored = translated, database = target WHERE e.jobid = known.jobid;
      RETURN known.jobid;
    END IF;
    BEGIN
      new_id := nextval('cron.jobid_seq');
      INSERT INTO pgcron.cron_job (name, description, schedule, timezone, handler, args, owner, tags, is_enabled, overlap_policy,
        catchup_policy, max_consecutive_failures, dst_gap, dst_fold)
      VALUES (btrim(regexp_replace(left(concat_ws(' ', 'cron.' || new_id, p_name), 200), '[[:cntrl:]]', ' ', 'g')),
        'scheduled through pg_cron''s interface',
        translated, zone, 'pgcron.sql', new_args, owner, '{pg_cron}', p_active,
        CASE WHEN translated LIKE '%seconds' THEN 'skip' ELSE 'buffer_all' END, 'skip', NULL,
        CASE WHEN has_changes THEN 'skip' END, CASE WHEN has_changes THEN 'both' END) RETURNING id INTO job;
      INSERT INTO cron.entry (jobid, job_id, jobname, username, database, schedule, stored)
      VALUES (new_id, job, p_name, owner, target, p_schedule, translated);
      PERFORM cron.tidy();
      RETURN new_id;
    EXCEPTION WHEN unique_violation THEN
      GET STACKED DIAGNOSTICS violated = CONSTRAINT_NAME;
      IF violated <> 'jobname_username_uniq' THEN
        RAISE;
      END IF;  -- somebody was faster: change that one
    END;
  END LOOP;
END $$;
COMMENT ON FUNCTION cron.save_job(text, text, text, text, text, boolean) IS 'Makes a job, or changes the caller''s job of this name.';

CREATE OR REPLACE FUNCTION cron.tidy() RETURNS void LANGUAGE sql SET search_path = cron, pg_catalog, pg_temp AS $$
  DELETE FROM pgcron.cron_job j USING cron.entry e
   WHERE e.job_id = j.id AND e.unscheduled_at < clock_timestamp() - interval '30 days' AND j.running_count = 0 AND NOT j.is_enabled
$$;
COMMENT ON FUNCTION cron.tidy() IS 'Deletes jobs that were unscheduled 30 days ago.';

CREATE OR REPLACE FUNCTION cron.remove_job(p_jobid bigint, p_name text) RETURNS boolean LANGUAGE plpgsql SECURITY DEFINER
SET search_path = cron, pg_catalog, pg_temp AS $$
DECLARE
  me CONSTANT text := pgcron.caller()::text;
  known cron.entry;
  runs bigint;
BEGIN
  SELECT * INTO known FROM cron.entry e
   WHERE e.unscheduled_at IS NULL
     AND CASE WHEN p_jobid IS NULL THEN e.jobname = p_name AND e.username = me ELSE e.jobid = p_jobid END;
  IF NOT FOUND THEN
    RAISE EXCEPTION 'could not find valid entry for job %', coalesce(p_jobid::text, quote_literal(p_name)) USING ERRCODE = 'XX000';
  ELSIF known.username <> me AND NOT cron.is_admin(me) THEN
    RAISE EXCEPTION 'permission denied for table job' USING ERRCODE = 'insufficient_privilege';
  END IF;
  SELECT j.run_seq INTO runs FROM pgcron.cron_job j WHERE j.id = known.job_id FOR UPDATE;
  IF runs = 0 THEN
    DELETE FROM pgcron.cron_job j WHERE j.id = known.job_id;
  ELSE  -- it may run just now, and its run details stay
    UPDATE pgcron.cron_job j SET is_enabled = false, disabled_reason = 'unscheduled' WHERE j.id = known.job_id;
    UPDATE cron.entry e SET unscheduled_at = clock_timestamp() WHERE e.jobid = known.jobid;
  END IF;
  PERFORM cron.tidy();
  RETURN true;
END $$;
COMMENT ON FUNCTION cron.remove_job(bigint, text) IS 'Unschedules a job by its number, or the caller''s by its name.';

CREATE OR REPLACE FUNCTION cron.change_job(p_jobid bigint, p_schedule text, p_command text, p_database text, p_username text,
  p_active boolean)
RETURNS void LANGUAGE plpgsql SECURITY DEFINER SET search_path = cron, pg_catalog, pg_temp AS $$
DECLARE
  me CONSTANT text := pgcron.caller()::text;
  new_user text;
  known cron.entry;
  translated text;
BEGIN
  IF p_jobid IS NULL THEN
    RAISE EXCEPTION 'job_id can not be NULL' USING ERRCODE = 'XX000';
  END IF;
  new_user := CASE WHEN p_username IS NOT NULL THEN cron.checked_user(p_username, 'alter username') END;
  IF p_database IS NOT NULL THEN
    PERFORM cron.connection_for(p_database, coalesce(new_user, me));
  END IF;
  translated := CASE WHEN p_schedule IS NOT NULL THEN cron.stored_schedule(p_schedule) END;
  IF num_nonnulls(p_schedule, p_command, p_database, p_username, p_active) = 0 THEN
    RAISE EXCEPTION 'no updates specified'
      USING ERRCODE = 'XX000', HINT = 'You must specify at least one job attribute to change when calling alter_job';
  END IF;
  SELECT * INTO known FROM cron.entry e
   WHERE e.jobid = p_jobid AND e.unscheduled_at IS NULL AND (e.username = me OR cron.is_admin(me));
  IF NOT FOUND THEN
    RAISE EXCEPTION 'Job % does not exist or you don''t own it', p_jobid USING ERRCODE = 'XX000';
  END IF;
  PERFORM cron.must_be_granted(me);
  UPDATE pgcron.cron_job j SET
      schedule = coalesce(translated, j.schedule),
      args = jsonb_build_object('command', coalesce(p_command, j.args ->> 'command'),
        'connection', CASE WHEN p_database IS NULL AND new_user IS NULL THEN j.args ->> 'connection'
          ELSE cron.connection_for(coalesce(p_database, known.database), coalesce(new_user, known.username)) END),
      owner = coalesce(new_user, j.owner), is_enabled = coalesce(p_active, j.is_enabled)
   WHERE j.id = known.job_id;
  UPDATE cron.entry e SET schedule = coalesce(p_schedule, e.schedule), stored = coalesce(translated, e.stored),
      database = coalesce(p_database, e.database), username = coalesce(new_user, e.username)
   WHERE e.jobid = p_jobid;
END $$;
COMMENT ON FUNCTION cron.change_job(bigint, text, text, text, text, boolean) IS 'Changes what is not NULL of a job that is the caller''s.';

CREATE OR REPLACE FUNCTION cron.schedule(schedule text, command text) RETURNS bigint LANGUAGE sql SECURITY DEFINER
SET search_path = cron, pg_catalog, pg_temp AS 'SELECT cron.save_job(NULL, $1, $2, NULL, NULL, true)';
COMMENT ON FUNCTION cron.schedule(text, text) IS 'Schedules a command; its number.';

CREATE OR REPLACE FUNCTION cron.named(p_name text) RETURNS text LANGUAGE plpgsql IMMUTABLE SET search_path = pg_catalog AS $$
BEGIN
  IF p_name IS NULL THEN
    RAISE EXCEPTION 'job_name can not be NULL' USING ERRCODE = 'XX000';
  END IF;
  RETURN p_name;
END $$;
COMMENT ON FUNCTION cron.named(text) IS 'A name; raises as pg_cron does when there is none.';

CREATE OR REPLACE FUNCTION cron.schedule(job_name text, schedule text, command text) RETURNS bigint LANGUAGE sql SECURITY DEFINER
SET search_path = cron, pg_catalog, pg_temp AS 'SELECT cron.save_job(cron.named($1), $2, $3, NULL, NULL, true)';
COMMENT ON FUNCTION cron.schedule(text, text, text) IS
  'Schedules a command under a name, or changes the caller''s job of this name; its number.';

CREATE OR REPLACE FUNCTION cron.schedule_in_database(job_name text, schedule text, command text, database text,
  username text DEFAULT NULL, active boolean DEFAULT true) RETURNS bigint LANGUAGE sql SECURITY DEFINER
SET search_path = cron, pg_catalog, pg_temp AS 'SELECT cron.save_job(cron.named($1), $2, $3, $4, $5, coalesce($6, true))';
COMMENT ON FUNCTION cron.schedule_in_database(text, text, text, text, text, boolean) IS
  'The same for another database, for which cron.connection has to name a connection; for another user by owners only.';

CREATE OR REPLACE FUNCTION cron.alter_job(job_id bigint, schedule text DEFAULT NULL, command text DEFAULT NULL, database text DEFAULT NULL,
  username text DEFAULT NULL, active boolean DEFAULT NULL) RETURNS void LANGUAGE sql SECURITY DEFINER
SET search_path = cron, pg_catalog, pg_temp AS 'SELECT cron.change_job($1, $2, $3, $4, $5, $6)';
COMMENT ON FUNCTION cron.alter_job(bigint, text, text, text, text, boolean) IS 'Changes what is not NULL of one of the caller''s jobs.';

CREATE OR REPLACE FUNCTION cron.unschedule(job_id bigint) RETURNS boolean LANGUAGE sql SECURITY DEFINER
SET search_path = cron, pg_catalog, pg_temp AS 'SELECT CASE WHEN $1 IS NOT NULL THEN cron.remove_job($1, NULL) END';
COMMENT ON FUNCTION cron.unschedule(bigint) IS 'Unschedules the job of this number.';

CREATE OR REPLACE FUNCTION cron.unschedule(job_name text) RETURNS boolean LANGUAGE sql SECURITY DEFINER
SET search_path = cron, pg_catalog, pg_temp AS 'SELECT cron.remove_job(NULL, cron.named($1))';
COMMENT ON FUNCTION cron.unschedule(text) IS 'Unschedules the caller''s job of this name.';
