-- Arguments of jobs against the parameters that their handlers published.

CREATE FUNCTION pgcron.publish_handlers(p_app text, p_release text, p_handlers jsonb) RETURNS void LANGUAGE sql
SET search_path = pgcron, pg_catalog, pg_temp AS $$
  INSERT INTO pgcron.cron_handler AS h (name, app, release, description, is_async, is_transactional, parameters)
  SELECT x.name, p_app, p_release, nullif(left(x.description, 500), ''), coalesce(x.is_async, false), coalesce(x.transactional, false),
         CASE WHEN octet_length(x.parameters::text) <= 65536 THEN x.parameters END
    FROM jsonb_to_recordset(p_handlers) AS x (name text, description text, is_async boolean, transactional boolean, parameters jsonb)
   WHERE length(x.name) BETWEEN 1 AND 300 ORDER BY x.name
  ON CONFLICT (name) DO UPDATE SET (app, release, description, is_async, is_transactional, parameters, published_at) =
    (excluded.app, excluded.release, excluded.description, excluded.is_async, excluded.is_transactional, excluded.parameters, clock_timestamp())
    WHERE (h.app, h.release, h.description, h.is_async, h.is_transactional, h.parameters)
      IS DISTINCT FROM (excluded.app, excluded.release, excluded.description, excluded.is_async, excluded.is_transactional, excluded.parameters)
      AND NOT coalesce(h.app = excluded.app AND pgcron.release_numbers(h.release) > pgcron.release_numbers(excluded.release), false)
$$;
COMMENT ON FUNCTION pgcron.publish_handlers(text, text, jsonb) IS
  'Remembers a release''s handlers and their parameters; those of a newer release of the same application stay.';

CREATE FUNCTION pgcron.json_type_fits(p_value jsonb, p_type text) RETURNS boolean LANGUAGE sql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog AS $$
  SELECT CASE p_type WHEN 'integer' THEN CASE WHEN jsonb_typeof(p_value) = 'number' THEN (p_value #>> '{}')::numeric % 1 = 0 ELSE false END
                     ELSE jsonb_typeof(p_value) = p_type END
$$;
COMMENT ON FUNCTION pgcron.json_type_fits(jsonb, text) IS 'Whether a value is of a type of JSON schema; 3.0 is an integer there.';

-- The part of JSON schema that signatures become. Patterns and formats are left to the handler's own process.
CREATE FUNCTION pgcron.schema_complaint(p_value jsonb, p_schema jsonb, p_path text, p_root jsonb) RETURNS text
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE SET search_path = pgcron, pg_catalog, pg_temp AS $$
DECLARE
  types text[] := CASE jsonb_typeof(p_schema -> 'type') WHEN 'string' THEN ARRAY[p_schema ->> 'type']
    WHEN 'array' THEN ARRAY(SELECT jsonb_array_elements_text(p_schema -> 'type')) END;
  kind text := jsonb_typeof(p_value);
  number numeric;
  complaint text;
  key text;
  item jsonb;
BEGIN
  IF p_schema ? '$ref' THEN
    RETURN pgcron.schema_complaint(p_value, p_root #> string_to_array(substr(p_schema ->> '$ref', 3), '/'), p_path, p_root);
  ELSIF p_schema ? 'anyOf' OR p_schema ? 'oneOf' THEN
    FOR item IN SELECT jsonb_array_elements(coalesce(p_schema -> 'anyOf', p_schema -> 'oneOf')) LOOP
      IF pgcron.schema_complaint(p_value, item, p_path, p_root) IS NULL THEN
        RETURN NULL;
      END IF;
      complaint := concat_ws(', or ', complaint, coalesce(item ->> 'type', item ->> 'format', 'another form'));
    END LOOP;
    RETURN format('%s is %s: it must be %s', p_path, left(p_value::text, 100), complaint);
  END IF;
  IF types IS NOT NULL AND NOT EXISTS (SELECT FROM unnest(types) AS t (type_) WHERE pgcron.json_type_fits(p_value, t.type_)) THEN
    RETURN format('%s is %s: it must be of type %s', p_path, left(p_value::text, 100), array_to_string(types, ' or '));
  ELSIF p_schema ? 'enum' AND NOT p_schema -> 'enum' @> jsonb_build_array(p_value) THEN
    RETURN format('%s is %s: it must be one of %s', p_path, left(p_value::text, 100), left(p_schema ->> 'enum', 300));
  ELSIF p_schema ? 'const' AND p_schema -> 'const' <> p_value THEN
    RETURN format('%s is %s: it must be %s', p_path, left(p_value::text, 100), left(p_schema ->> 'const', 300));
  END IF;
  IF kind = 'number' THEN
    number := (p_value #>> '{}')::numeric;
    IF number < (p_schema ->> 'minimum')::numeric OR number > (p_schema ->> 'maximum')::numeric
      OR number <= (p_schema ->> 'exclusiveMinimum')::numeric OR number >= (p_schema ->> 'exclusiveMaximum')::numeric THEN
      RETURN format('%s is %s: it must be %s', p_path, number, concat_ws(' and ', 'at least ' || (p_schema ->> 'minimum'),
        'at most ' || (p_schema ->> 'maximum'), 'more than ' || (p_schema ->> 'exclusiveMinimum'), 'less than ' || (p_schema ->> 'exclusiveMaximum')));
    END IF;
  ELSIF kind = 'string' THEN
    IF length(p_value #>> '{}') NOT BETWEEN coalesce((p_schema ->> 'minLength')::integer, 0) AND coalesce((p_schema ->> 'maxLength')::integer, 2147483647) THEN
      RETURN format('%s has %s characters: it must have %s', p_path, length(p_value #>> '{}'),
        concat_ws(' and ', 'at least ' || (p_schema ->> 'minLength'), 'at most ' || (p_schema ->> 'maxLength')));
    END IF;
  ELSIF kind = 'array' THEN
    IF jsonb_array_length(p_value) NOT BETWEEN coalesce((p_schema ->> 'minItems')::integer, 0) AND coalesce((p_schema ->> 'maxItems')::integer, 2147483647) THEN
      RETURN format('%s has %s items: it must have %s', p_path, jsonb_array_length(p_value),
        concat_ws(' and ', 'at least ' || (p_schema ->> 'minItems'), 'at most ' || (p_schema ->> 'maxItems')));
    ELSIF jsonb_typeof(p_schema -> 'items') = 'object' THEN
      FOR i IN 0..jsonb_array_length(p_value) - 1 LOOP
        complaint := pgcron.schema_complaint(p_value -> i, p_schema -> 'items', format('%s[%s]', p_path, i), p_root);
        EXIT WHEN complaint IS NOT NULL;
      END LOOP;
    END IF;
  ELSIF kind = 'object' THEN
    SELECT r INTO key FROM jsonb_array_elements_text(coalesce(p_schema -> 'required', '[]')) r WHERE NOT p_value ? r LIMIT 1;
    IF FOUND THEN
      RETURN format('%s lacks %s, which the handler needs', p_path, key);
    END IF;
    FOR key, item IN SELECT e.key, e.value FROM jsonb_each(p_value) e LOOP
      IF p_schema -> 'properties' ? key THEN
        complaint := pgcron.schema_complaint(item, p_schema -> 'properties' -> key, p_path || '.' || key, p_root);
      ELSIF p_schema -> 'additionalProperties' = 'false' THEN
        complaint := format('%s has %s, which the handler doesn''t take', p_path, key);
      ELSIF jsonb_typeof(p_schema -> 'additionalProperties') = 'object' THEN
        complaint := pgcron.schema_complaint(item, p_schema -> 'additionalProperties', p_path || '.' || key, p_root);
      END IF;
      EXIT WHEN complaint IS NOT NULL;
    END LOOP;
  END IF;
  RETURN complaint;
END $$;
COMMENT ON FUNCTION pgcron.schema_complaint(jsonb, jsonb, text, jsonb) IS
  'What is wrong with a JSON value by a JSON schema, in words with the path to it; NULL when it fits.';

CREATE FUNCTION pgcron.check_args(p_handler text, p_args jsonb) RETURNS void LANGUAGE plpgsql STABLE
SET search_path = pgcron, pg_catalog, pg_temp AS $$
DECLARE
  parameters jsonb;
  complaint text;
BEGIN
  SELECT h.parameters INTO parameters FROM pgcron.cron_handler h WHERE h.name = p_handler;
  complaint := pgcron.schema_complaint(p_args, parameters, 'args', parameters);
  IF complaint IS NOT NULL THEN
    RAISE EXCEPTION '%', complaint USING ERRCODE = 'PC014', DETAIL = 'field: args',
      HINT = format('handler %s takes %s', p_handler, coalesce(nullif((SELECT string_agg(p.key || coalesce(' (' || (p.value ->> 'type') || ')', ''), ', ')
        FROM jsonb_each(parameters -> 'properties') p), ''), 'no arguments'));
  END IF;
END $$;
COMMENT ON FUNCTION pgcron.check_args(text, jsonb) IS
  'Raises invalid_arguments (PC014) for arguments that the handler, as its newest release published it, does not take; an unknown handler takes any.';
