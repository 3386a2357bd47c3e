-- What users prefer, changed field by field: two tabs that change different ones don't undo each other.

CREATE FUNCTION pgcron.set_preferences(p_user uuid, p_changes jsonb) RETURNS pgcron.app_preferences LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pgcron, pg_catalog, pg_temp AS $$
DECLARE
  allowed CONSTANT jsonb := '{"theme": ["system", "light", "dark"], "times": ["job", "mine", "utc"], "density": ["comfortable", "compact"]}';
  field text;
  said text;
  kept pgcron.app_preferences;
BEGIN
  FOR field, said IN SELECT key, value FROM jsonb_each_text(p_changes) LOOP
    IF field NOT IN ('theme', 'times', 'timezone', 'density', 'has_keys') THEN
      RAISE EXCEPTION 'there is no preference %', quote_literal(left(field, 100)) USING ERRCODE = 'PC014', DETAIL = 'field: preferences';
    ELSIF allowed ? field AND NOT coalesce(allowed -> field ? said, false) THEN
      RAISE EXCEPTION '%: % is none', field, coalesce(quote_literal(left(said, 100)), 'null') USING ERRCODE = 'PC014', DETAIL = 'field: ' || field,
        HINT = 'choose one of ' || array_to_string(ARRAY(SELECT jsonb_array_elements_text(allowed -> field)), ', ');
    ELSIF field = 'has_keys' AND jsonb_typeof(p_changes -> field) <> 'boolean' THEN
      RAISE EXCEPTION 'has_keys: that is neither true nor false' USING ERRCODE = 'PC014', DETAIL = 'field: has_keys';
    ELSIF field = 'timezone' AND coalesce(length(said), 0) NOT BETWEEN 1 AND 64 THEN
      RAISE EXCEPTION 'timezone: a name of a zone has 1 to 64 characters' USING ERRCODE = 'PC014', DETAIL = 'field: timezone', HINT = 'write an IANA name: Europe/Berlin';
    END IF;
  END LOOP;
  INSERT INTO pgcron.app_preferences AS p (user_id) SELECT u.id FROM pgcron.app_user u WHERE u.id = p_user ON CONFLICT (user_id) DO NOTHING;
  UPDATE pgcron.app_preferences p SET theme = n.theme, times = n.times, timezone = n.timezone, density = n.density, has_keys = n.has_keys,
      updated_at = clock_timestamp()
    FROM pgcron.app_preferences o CROSS JOIN LATERAL jsonb_populate_record(o, p_changes) n
   WHERE o.user_id = p_user AND p.user_id = o.user_id RETURNING p.* INTO kept;
  IF NOT FOUND THEN
    RAISE EXCEPTION 'there is no user %', p_user USING ERRCODE = 'PC012';
  END IF;
  RETURN kept;
END $$;
COMMENT ON FUNCTION pgcron.set_preferences(uuid, jsonb) IS
  'Changes how a user likes the web admin to look: of theme, times, timezone, density and has_keys what the object names.';
