-- The audit as evidence: sealed, verified, read back in time, and undone.

CREATE FUNCTION pgcron.audit_hash(p_before bytea, p_entry pgcron.cron_audit) RETURNS bytea LANGUAGE sql IMMUTABLE
SET search_path = pgcron, pg_catalog, pg_temp SET TimeZone = 'UTC' AS $$
  SELECT sha256(coalesce(p_before, ''::bytea) || convert_to(to_jsonb(p_entry)::text, 'UTF8'))
$$;
COMMENT ON FUNCTION pgcron.audit_hash(bytea, pgcron.cron_audit) IS 'The hash of an audit entry after the one before it.';

-- SECURITY DEFINER: workers may add to the chain, nobody may write it otherwise.
CREATE FUNCTION pgcron.seal_audit(p_limit integer DEFAULT 1000) RETURNS integer LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pgcron, pg_catalog, pg_temp AS $$
DECLARE
  entry pgcron.cron_audit;
  before bytea;
  place bigint;
  from_at timestamptz;
  sealed integer := 0;
BEGIN
  IF NOT pg_try_advisory_xact_lock(hashtextextended('pgcron audit', 0)) THEN
    RETURN 0;  -- another worker seals
  END IF;
  SELECT s.position, s.hash, s.entry_at - interval '1 day' INTO place, before, from_at FROM pgcron.cron_audit_seal s ORDER BY s.position DESC LIMIT 1;
  FOR entry IN SELECT a.* FROM pgcron.cron_audit a WHERE a.at >= coalesce(from_at, a.at)
      AND NOT EXISTS (SELECT FROM pgcron.cron_audit_seal s WHERE s.audit_id = a.id) ORDER BY a.at, a.id LIMIT p_limit LOOP
    place := coalesce(place, 0) + 1;
    before := pgcron.audit_hash(before, entry);
    INSERT INTO pgcron.cron_audit_seal (position, audit_id, entry_at, hash) VALUES (place, entry.id, entry.at, before);
    sealed := sealed + 1;
  END LOOP;
  RETURN sealed;
END $$;
COMMENT ON FUNCTION pgcron.seal_audit(integer) IS
  'Adds committed audit entries to the chain of hashes; how many. Workers do it every 15 s; one at a time.';

CREATE FUNCTION pgcron.verify_audit() RETURNS TABLE ("position" bigint, audit_id uuid, problem text) LANGUAGE plpgsql STABLE
SET search_path = pgcron, pg_catalog, pg_temp AS $$
#variable_conflict use_column
DECLARE
  seal pgcron.cron_audit_seal;
  entry pgcron.cron_audit;
  before bytea;
  expected bigint := 1;
BEGIN
  FOR seal IN SELECT * FROM pgcron.cron_audit_seal s ORDER BY s.position LOOP
    IF seal.position <> expected THEN
      RETURN QUERY SELECT expected, NULL::uuid, format('seals %s to %s are missing', expected, seal.position - 1);
    END IF;
    SELECT * INTO entry FROM pgcron.cron_audit a WHERE a.id = seal.audit_id;
    IF NOT FOUND THEN
      RETURN QUERY SELECT seal.position, seal.audit_id, 'the entry was deleted';
    ELSIF pgcron.audit_hash(before, entry) <> seal.hash AND (seal.position = expected) THEN
      RETURN QUERY SELECT seal.position, seal.audit_id, 'the entry was changed after it was sealed';
    END IF;
    before := seal.hash;
    expected := seal.position + 1;
  END LOOP;
  RETURN QUERY SELECT NULL::bigint, a.id, 'it was never sealed' FROM pgcron.cron_audit a
    WHERE a.at < clock_timestamp() - interval '1 h' AND NOT EXISTS (SELECT FROM pgcron.cron_audit_seal s WHERE s.audit_id = a.id);
END $$;
COMMENT ON FUNCTION pgcron.verify_audit() IS
  'Follows the chain from its beginning: entries that were changed or deleted since they were sealed, or never sealed in an hour. No row: all is as it was written. Also: pgcron audit verify.';

CREATE FUNCTION pgcron.state_at(p_at timestamptz) RETURNS TABLE (job_id uuid, job text, is_enabled boolean, schedule text, timezone text)
LANGUAGE sql STABLE SET search_path = pgcron, pg_catalog, pg_temp AS $$
  SELECT s.job_id, s.definition ->> 'name', (s.definition ->> 'is_enabled')::boolean, s.definition ->> 'schedule', s.definition ->> 'timezone' FROM (
    SELECT a.job_id, jsonb_object_agg(v.key, v.value ORDER BY a.job_version, a.at) FILTER (WHERE v.key IS NOT NULL) AS definition, bool_or(a.action = 'job_deleted') AS is_deleted
      FROM pgcron.cron_audit a LEFT JOIN LATERAL jsonb_each(a.new_values) v ON true
     WHERE a.at <= p_at AND a.action LIKE 'job\_%'
     GROUP BY a.job_id) s
   WHERE NOT s.is_deleted ORDER BY 2
$$;
COMMENT ON FUNCTION pgcron.state_at(timestamptz) IS 'Which jobs there were at an instant, whether enabled, and by which schedule: rebuilt from the audit.';

CREATE FUNCTION pgcron.revert(p_audit uuid) RETURNS text LANGUAGE plpgsql SECURITY DEFINER SET search_path = pgcron, pg_catalog, pg_temp AS $$
DECLARE
  entry pgcron.cron_audit;
  name_ text;
  changes jsonb;
BEGIN
  SELECT * INTO entry FROM pgcron.cron_audit a WHERE a.id = p_audit;
  IF NOT FOUND THEN
    RAISE EXCEPTION 'no audit entry is %', p_audit USING ERRCODE = 'PC012', HINT = 'SELECT audit_id, at, action, job FROM pgcron.audit lists them';
  ELSIF entry.action NOT IN ('job_changed', 'job_enabled', 'job_disabled') THEN
    RAISE EXCEPTION '% can''t be reverted', entry.action USING ERRCODE = 'PC014', DETAIL = 'field: audit_id',
      HINT = CASE entry.action WHEN 'job_created' THEN 'delete or disable the job instead' WHEN 'job_deleted' THEN 'its definition is in old_values: create_job() makes it again'
        ELSE 'only changes of jobs can be' END;
  END IF;
  SELECT j.name INTO name_ FROM pgcron.cron_job j WHERE j.id = entry.job_id;
  IF NOT FOUND THEN
    RAISE EXCEPTION 'job % is gone', quote_literal(entry.job_name) USING ERRCODE = 'PC007', HINT = 'create_job() makes it again from old_values of its deletion';
  END IF;
  SELECT coalesce(jsonb_object_agg(v.key, v.value), '{}') INTO changes FROM jsonb_each(entry.old_values) v WHERE v.key = ANY (pgcron.definition_columns());
  IF changes <> '{}' THEN
    PERFORM pgcron.alter_job(name_, changes);
  END IF;
  IF entry.old_values ? 'is_enabled' THEN
    IF (entry.old_values ->> 'is_enabled')::boolean THEN
      PERFORM pgcron.enable(name_);
    ELSE
      PERFORM pgcron.disable(name_, entry.old_values ->> 'disabled_reason');
    END IF;
  END IF;
  RETURN name_;
END $$;
COMMENT ON FUNCTION pgcron.revert(uuid) IS
  'Undoes one change of a job: the fields that it changed get their values from before it. Returns the job''s name.';
