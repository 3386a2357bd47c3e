-- One deed on many jobs: one statement, one group in the audit (its transaction), one notification.

CREATE FUNCTION pgcron.jobs_matching(p_tag text, p_name text, p_all boolean) RETURNS SETOF pgcron.cron_job LANGUAGE plpgsql STABLE
SET search_path = pgcron, pg_catalog, pg_temp AS $$
BEGIN
  IF p_tag IS NULL AND p_name IS NULL AND NOT coalesce(p_all, false) THEN
    RAISE EXCEPTION 'no job is chosen' USING ERRCODE = 'PC014', DETAIL = 'field: name', HINT = 'give a tag, a name with * and ?, or all';
  END IF;
  RETURN QUERY SELECT * FROM pgcron.cron_job j
    WHERE (p_tag IS NULL OR p_tag = ANY (j.tags))
      AND (p_name IS NULL OR j.name LIKE translate(regexp_replace(p_name, '([\\%_])', '\\\1', 'g'), '*?', '%_')) ORDER BY j.id;
END $$;
COMMENT ON FUNCTION pgcron.jobs_matching(text, text, boolean) IS
  'Jobs with this tag and a name like this one, in which * is any text and ? any character; all of them only when asked so.';

CREATE FUNCTION pgcron.bulk(p_action text, p_tag text DEFAULT NULL, p_name text DEFAULT NULL, p_all boolean DEFAULT false, p_value text DEFAULT NULL,
  p_until timestamptz DEFAULT NULL) RETURNS TABLE (job text, outcome text, message text) LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pgcron, pg_catalog, pg_temp AS $$
#variable_conflict use_column
DECLARE
  one pgcron.cron_job;
  changes boolean;
BEGIN
  IF p_action NOT IN ('enable', 'disable', 'tag', 'untag', 'run') OR p_action IS NULL THEN
    RAISE EXCEPTION 'the action is %', coalesce(quote_literal(p_action), 'NULL') USING ERRCODE = 'PC014', DETAIL = 'field: action', HINT = 'choose enable, disable, tag, untag or run';
  ELSIF p_action IN ('tag', 'untag') AND coalesce(btrim(p_value), '') = '' THEN
    RAISE EXCEPTION 'no tag is given' USING ERRCODE = 'PC014', DETAIL = 'field: value', HINT = 'give the tag as p_value';
  END IF;
  IF p_action IN ('tag', 'untag') AND NOT has_function_privilege(pgcron.caller(), 'pgcron.alter_job(text, jsonb, integer)', 'EXECUTE') THEN
    RAISE EXCEPTION 'role % may not change jobs', quote_ident(pgcron.caller()) USING ERRCODE = 'PC015', DETAIL = 'field: action',
      HINT = 'it may enable, disable and run them; for more: pgcron db grant --role web or owner';
  END IF;
  PERFORM set_config('pgcron.silent', 'on', true);
  FOR one IN SELECT * FROM pgcron.jobs_matching(p_tag, p_name, p_all) LOOP
    job := one.name;
    BEGIN
      CASE p_action
        WHEN 'enable' THEN
          UPDATE pgcron.cron_job SET is_enabled = true WHERE id = one.id AND NOT is_enabled;
          changes := FOUND;
        WHEN 'disable' THEN
          changes := one.is_enabled;
          PERFORM pgcron.disable(one.name, p_value, p_until);
        WHEN 'tag' THEN
          changes := p_value <> ALL (one.tags);
          PERFORM pgcron.alter_job(one.name, jsonb_build_object('tags', one.tags || p_value)) WHERE changes;
        WHEN 'untag' THEN
          changes := p_value = ANY (one.tags);
          PERFORM pgcron.alter_job(one.name, jsonb_build_object('tags', array_remove(one.tags, p_value))) WHERE changes;
        ELSE
          PERFORM pgcron.run_now(one.name);
          changes := true;
      END CASE;
      outcome := CASE WHEN changes THEN 'done' ELSE 'unchanged' END;
      message := NULL;
    EXCEPTION WHEN SQLSTATE 'PC003' OR SQLSTATE 'PC004' OR SQLSTATE 'PC005' OR SQLSTATE 'PC006' OR SQLSTATE 'PC014' OR check_violation THEN
      outcome := 'refused';
      message := SQLERRM;
    END;
    RETURN NEXT;
  END LOOP;
  PERFORM set_config('pgcron.silent', '', true);
  PERFORM pg_notify('pgcron', 'sync');
END $$;
COMMENT ON FUNCTION pgcron.bulk(text, text, text, boolean, text, timestamptz) IS
  'enable, disable (p_value: why, p_until), tag, untag (p_value: the tag) or run all jobs with a tag, a name like p_name (* and ?), or all: what became of each. Jobs that refuse hold up no other.';
