-- Bulk actions as objects: asked for in one transaction, done in steps by whichever process takes the next one. A process that dies
-- in a step leaves nothing of it behind: the row is free again, and the step is made by another.

CREATE FUNCTION pgcron.begin_bulk(p_action text, p_params jsonb, p_chosen jsonb, p_jobs uuid[], p_subject text, p_user uuid, p_reason text DEFAULT NULL)
RETURNS uuid LANGUAGE plpgsql SECURITY DEFINER SET search_path = pgcron, pg_catalog, pg_temp AS $$
DECLARE
  most CONSTANT integer := 20000;
  made uuid;
BEGIN
  IF coalesce(cardinality(p_jobs), 0) = 0 THEN
    RAISE EXCEPTION 'no job is chosen' USING ERRCODE = 'PC014', DETAIL = 'field: filter', HINT = 'nothing matches: see GET /cron-jobs with the same filter';
  ELSIF cardinality(p_jobs) > most THEN
    RAISE EXCEPTION 'more than % jobs are chosen', most USING ERRCODE = 'PC014', DETAIL = 'field: filter', HINT = 'choose fewer, by a tag or a queue';
  END IF;
  DELETE FROM pgcron.cron_bulk WHERE id IN (
    SELECT id FROM pgcron.cron_bulk WHERE ended_at < clock_timestamp() - interval '90 days' ORDER BY id LIMIT 10 FOR UPDATE SKIP LOCKED);
  INSERT INTO pgcron.cron_bulk (action, params, chosen, total, requested_by, subject, user_id, reason, request_id, address, application)
  VALUES (p_action, p_params, p_chosen, (SELECT count(DISTINCT j) FROM unnest(p_jobs) j), left(pgcron.actor(), 200), p_subject, p_user, p_reason,
    pgcron.said('pgcron.request_id', 200), pgcron.client_address(), pgcron.said('application_name', 200)) RETURNING id INTO made;
  INSERT INTO pgcron.cron_bulk_item (bulk_id, n, job_id, job_name)
  SELECT made, row_number() OVER (ORDER BY c.id), c.id, j.name FROM (SELECT DISTINCT u.id FROM unnest(p_jobs) AS u (id)) c LEFT JOIN pgcron.cron_job j ON j.id = c.id;
  RETURN made;
END $$;
COMMENT ON FUNCTION pgcron.begin_bulk(text, jsonb, jsonb, uuid[], text, uuid, text) IS
  'Records a bulk action on these jobs, at most 20,000, to be done in steps by the web admin. Returns its id.';

CREATE FUNCTION pgcron.take_bulk() RETURNS SETOF pgcron.cron_bulk LANGUAGE sql SECURITY DEFINER SET search_path = pgcron, pg_catalog, pg_temp AS $$
  SELECT * FROM pgcron.cron_bulk WHERE state IN ('PENDING', 'RUNNING') AND not_before <= clock_timestamp()
   ORDER BY not_before LIMIT 1 FOR NO KEY UPDATE SKIP LOCKED
$$;
COMMENT ON FUNCTION pgcron.take_bulk() IS 'A bulk action that waits for its next step, locked until the transaction ends; no row when there is none.';

-- True when something changed.
CREATE FUNCTION pgcron.bulk_deed(p_bulk pgcron.cron_bulk, p_job uuid, OUT has_changed boolean, OUT request uuid) LANGUAGE plpgsql
SET search_path = pgcron, pg_catalog, pg_temp AS $$
DECLARE
  job pgcron.cron_job := pgcron.lock_job(p_job);
  changes jsonb;
  counts record;
BEGIN
  CASE p_bulk.action
    WHEN 'enable' THEN
      UPDATE pgcron.cron_job SET is_enabled = true WHERE id = job.id AND NOT is_enabled;
      has_changed := FOUND;
    WHEN 'disable' THEN
      has_changed := job.is_enabled OR (p_bulk.params ->> 'until')::timestamptz IS DISTINCT FROM job.disabled_until;
      PERFORM pgcron.disable(job.name, p_bulk.reason, (p_bulk.params ->> 'until')::timestamptz);
    WHEN 'run' THEN
      request := pgcron.run_now(job.name, NULL, NULL, p_bulk.params ->> 'overlap');
      IF NOT coalesce((p_bulk.params ->> 'force')::boolean, false) AND NOT pgcron.has_worker(job) THEN
        RAISE EXCEPTION 'no live worker that serves queue % has handler %', quote_literal(job.queue), quote_literal(job.handler) USING ERRCODE = 'PC021';
      END IF;
      INSERT INTO pgcron.app_run_now (subject) VALUES (p_bulk.subject);
      has_changed := true;
    WHEN 'cancel' THEN
      SELECT * INTO counts FROM pgcron.cancel_job(job.name, p_bulk.reason);
      has_changed := counts.runs + counts.requests > 0;
    ELSE
      changes := CASE p_bulk.action
        WHEN 'tag' THEN jsonb_build_object('tags', CASE WHEN p_bulk.params ->> 'tag' = ANY (job.tags) THEN job.tags ELSE job.tags || (p_bulk.params ->> 'tag') END)
        WHEN 'untag' THEN jsonb_build_object('tags', array_remove(job.tags, p_bulk.params ->> 'tag'))
        WHEN 'notify' THEN jsonb_build_object('notify_on_failure', (p_bulk.params ->> 'value')::boolean) END;
      has_changed := NOT pgcron.job_definition(job) @> changes OR p_bulk.action IN ('tag', 'untag') AND changes -> 'tags' <> to_jsonb(job.tags);
      -- The web's role may be an owner's, whom the database lets change locked jobs.
      IF has_changed AND job.is_locked THEN
        RAISE EXCEPTION 'job % is locked: its definition can''t be changed', quote_literal(job.name) USING ERRCODE = 'PC003';
      END IF;
      PERFORM pgcron.alter_job(job.name, changes) WHERE has_changed;
  END CASE;
END $$;
COMMENT ON FUNCTION pgcron.bulk_deed(pgcron.cron_bulk, uuid) IS 'Does to one job what a bulk action asks for; raises what refuses it.';

CREATE FUNCTION pgcron.bulk_step(p_bulk uuid, p_per_minute integer, p_all_per_minute integer, p_most integer) RETURNS text LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pgcron, pg_catalog, pg_temp AS $$
DECLARE
  long CONSTANT interval := '500 ms';
  began CONSTANT timestamptz := clock_timestamp();
  bulk pgcron.cron_bulk;
  item pgcron.cron_bulk_item;
  deed record;
  wait integer;
BEGIN
  SELECT * INTO bulk FROM pgcron.cron_bulk WHERE id = p_bulk FOR NO KEY UPDATE;
  IF bulk.state NOT IN ('PENDING', 'RUNNING') THEN
    RETURN bulk.state;
  END IF;
  PERFORM set_config('pgcron.silent', 'on', true);
  IF bulk.action = 'run' THEN
    PERFORM pg_advisory_xact_lock(hashtextextended('pgcron run now', 0));
    DELETE FROM pgcron.app_run_now WHERE at < clock_timestamp() - interval '1 minute';
  END IF;
  FOR item IN SELECT * FROM pgcron.cron_bulk_item i WHERE i.bulk_id = p_bulk AND i.outcome IS NULL ORDER BY i.n LIMIT p_most LOOP
    IF bulk.action = 'run' THEN
      wait := (pgcron.run_now_wait(bulk.subject, p_per_minute, p_all_per_minute)).seconds;
      EXIT WHEN wait > 0;
    END IF;
    item.code := NULL;
    item.message := NULL;
    BEGIN
      SELECT * INTO deed FROM pgcron.bulk_deed(bulk, item.job_id);
      item.outcome := CASE WHEN deed.has_changed THEN 'done' ELSE 'unchanged' END;
      item.request_id := deed.request;
    EXCEPTION WHEN OTHERS THEN
      IF SQLSTATE NOT LIKE 'PC%' AND SQLSTATE NOT IN ('23514', '55P03') THEN
        RAISE;
      END IF;
      item.outcome := 'refused';
      item.code := SQLSTATE;
      item.message := left(SQLERRM, 2000);
    END;
    UPDATE pgcron.cron_bulk_item i SET outcome = item.outcome, code = item.code, message = item.message, request_id = item.request_id, at = clock_timestamp()
     WHERE i.bulk_id = p_bulk AND i.n = item.n;
    bulk.done := bulk.done + (item.outcome = 'done')::integer;
    bulk.unchanged := bulk.unchanged + (item.outcome = 'unchanged')::integer;
    bulk.refused := bulk.refused + (item.outcome = 'refused')::integer;
    EXIT WHEN clock_timestamp() > began + long;
  END LOOP;
  bulk.state := CASE WHEN EXISTS (SELECT FROM pgcron.cron_bulk_item i WHERE i.bulk_id = p_bulk AND i.outcome IS NULL) THEN 'RUNNING' ELSE 'DONE' END;
  UPDATE pgcron.cron_bulk b SET state = bulk.state, done = bulk.done, unchanged = bulk.unchanged, refused = bulk.refused,
      started_at = coalesce(b.started_at, began), ended_at = CASE WHEN bulk.state = 'DONE' THEN clock_timestamp() END,
      not_before = CASE WHEN wait > 0 THEN clock_timestamp() + make_interval(secs => wait) ELSE b.not_before END
   WHERE b.id = p_bulk;
  PERFORM set_config('pgcron.silent', '', true);
  PERFORM pg_notify('pgcron', 'sync');
  RETURN bulk.state;
END $$;
COMMENT ON FUNCTION pgcron.bulk_step(uuid, integer, integer, integer) IS
  'Does a bulk action to its next jobs, at most p_most and for about half a second; its state afterwards. Runs now wait for room in their rate limit.';

CREATE FUNCTION pgcron.cancel_bulk(p_bulk uuid, p_reason text DEFAULT NULL) RETURNS void LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pgcron, pg_catalog, pg_temp AS $$
DECLARE
  known text;
  left_out integer;
BEGIN
  SELECT state INTO known FROM pgcron.cron_bulk WHERE id = p_bulk FOR NO KEY UPDATE;
  IF NOT FOUND THEN
    RAISE EXCEPTION 'no bulk action is %', p_bulk USING ERRCODE = 'PC012';
  ELSIF known IN ('DONE', 'CANCELLED') THEN
    RAISE EXCEPTION 'bulk action % has ended: %', p_bulk, known USING ERRCODE = 'PC011', HINT = 'nothing is left to cancel';
  END IF;
  UPDATE pgcron.cron_bulk_item SET outcome = 'cancelled', at = clock_timestamp() WHERE bulk_id = p_bulk AND outcome IS NULL;
  GET DIAGNOSTICS left_out = ROW_COUNT;
  UPDATE pgcron.cron_bulk SET state = 'CANCELLED', cancelled = left_out, ended_at = clock_timestamp(), ended_by = left(pgcron.actor(), 200),
      end_reason = left(p_reason, 1000) WHERE id = p_bulk;
END $$;
COMMENT ON FUNCTION pgcron.cancel_bulk(uuid, text) IS 'Ends a bulk action: jobs that it has not come to are left as they are.';
