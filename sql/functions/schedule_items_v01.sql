-- One item of a cron field, read strictly. The twin of pgcron_py/timetable/items.py: same values, same refusals.
--
-- Functions whose body is RETURN are parsed when they are made: no search_path can change them, and they are inlined.

CREATE FUNCTION pgcron.schedule_spec(field text) RETURNS pgcron.schedule_spec LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE field
  WHEN 'second' THEN ROW('second', 'second', 0, 59, 59, 59, 59, 's', NULL)::pgcron.schedule_spec
  WHEN 'minute' THEN ROW('minute', 'minute', 0, 59, 59, 59, 59, 'm', NULL)::pgcron.schedule_spec
  WHEN 'hour' THEN ROW('hour', 'hour', 0, 23, 23, 23, 23, 'h', NULL)::pgcron.schedule_spec
  WHEN 'day_of_month' THEN ROW('day_of_month', 'day-of-month', 1, 31, 31, 31, 28, 'd', NULL)::pgcron.schedule_spec
  WHEN 'month' THEN ROW('month', 'month', 1, 12, 12, 12, 12, NULL,
    '{jan,feb,mar,apr,may,jun,jul,aug,sep,oct,nov,dec}'::text[])::pgcron.schedule_spec
  WHEN 'day_of_week' THEN ROW('day_of_week', 'day-of-week', 0, 7, 6, 7, 6, 'd',
    '{sun,mon,tue,wed,thu,fri,sat}'::text[])::pgcron.schedule_spec
  WHEN 'year' THEN ROW('year', 'year', 1970, 2099, 2099, 129, 2099, NULL, NULL)::pgcron.schedule_spec
END;
COMMENT ON FUNCTION pgcron.schedule_spec(text) IS 'Bounds and words of a field of a schedule.';

CREATE FUNCTION pgcron.schedule_refuse(code text, message text, at_column integer, field text, hint text) RETURNS void
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE SET search_path = pgcron, pg_catalog, pg_temp AS $$
DECLARE
  place text := format('column: %s, code: %s', at_column, code);
BEGIN
  IF field IS NOT NULL THEN
    place := format('field: %s, %s', field, place);
    IF field <> 'duration' THEN
      message := format('%s (column %s): %s', replace(field, '_', '-'), at_column, message);
    END IF;
  END IF;
  IF hint IS NULL THEN
    RAISE EXCEPTION USING ERRCODE = 'PC002', MESSAGE = message, DETAIL = place;
  END IF;
  RAISE EXCEPTION USING ERRCODE = 'PC002', MESSAGE = message, DETAIL = place, HINT = hint;
END $$;
COMMENT ON FUNCTION pgcron.schedule_refuse(text, text, integer, text, text) IS
  'Raises invalid_schedule (PC002); its DETAIL is `field: minute, column: 3, code: step_zero`, without the field when the whole text is at fault.';

-- Words of a schedule hold printable ASCII, tabs and µ; quoted as Python's repr() does, so that messages are the same.
CREATE FUNCTION pgcron.schedule_quote(word text) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE
  WHEN position('''' IN word) > 0 AND position('"' IN word) = 0
    THEN '"' || replace(replace(word, '\', '\\'), E'\t', '\t') || '"'
  ELSE '''' || replace(replace(replace(word, '\', '\\'), E'\t', '\t'), '''', '\''') || ''''
END;
COMMENT ON FUNCTION pgcron.schedule_quote(text) IS 'A word of a schedule in quotes, for messages.';

CREATE FUNCTION pgcron.schedule_members(spec pgcron.schedule_spec, low integer, high integer, step integer) RETURNS bit varying
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE SET search_path = pgcron, pg_catalog, pg_temp AS $$
DECLARE
  members bit varying := repeat('0', spec.last - spec.low + 1)::bit varying;
BEGIN
  FOR value IN low..high BY step LOOP
    members := set_bit(members, CASE spec.name WHEN 'day_of_week' THEN value % 7 ELSE value - spec.low END, 1);
  END LOOP;
  RETURN members;
END $$;
COMMENT ON FUNCTION pgcron.schedule_members(pgcron.schedule_spec, integer, integer, integer) IS
  'The set of low to high by steps, in a field; 7 is Sunday.';

CREATE FUNCTION pgcron.schedule_range_hint(spec pgcron.schedule_spec, number integer) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE
  WHEN (spec).name = 'hour' AND number = 24 THEN 'midnight is hour 0'
  WHEN (spec).name = 'day_of_week' AND number >= 1970
    THEN 'a year needs seven fields: second minute hour day-of-month month day-of-week year'
  ELSE format('%s is %s to %s', (spec).words, (spec).low, (spec).high)
END;
COMMENT ON FUNCTION pgcron.schedule_range_hint(pgcron.schedule_spec, integer) IS 'What to write instead of a number that is too large or too long.';

CREATE FUNCTION pgcron.schedule_number(spec pgcron.schedule_spec, digits text, at_column integer) RETURNS integer
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE SET search_path = pgcron, pg_catalog, pg_temp AS $$
BEGIN
  IF length(digits) > 4 THEN
    PERFORM pgcron.schedule_refuse('number_too_long', 'a number has at most 4 digits', at_column, spec.name,
                                   pgcron.schedule_range_hint(spec, NULL));
  END IF;
  RETURN digits::integer;
END $$;
COMMENT ON FUNCTION pgcron.schedule_number(pgcron.schedule_spec, text, integer) IS 'Digits as a number of at most four digits.';

CREATE FUNCTION pgcron.schedule_value(spec pgcron.schedule_spec, word text, at_column integer) RETURNS integer
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE SET search_path = pgcron, pg_catalog, pg_temp AS $$
DECLARE
  number integer;
BEGIN
  IF ascii(word) BETWEEN 48 AND 57 THEN
    number := pgcron.schedule_number(spec, word, at_column);
  ELSE
    number := spec.low + array_position(spec.names, word) - 1;
  END IF;
  IF number IS NULL THEN
    PERFORM pgcron.schedule_refuse('unknown_name', format('%s is not a %s', pgcron.schedule_quote(word), spec.words), at_column, spec.name,
      CASE WHEN spec.names IS NULL THEN format('%s takes numbers, %s to %s', spec.words, spec.low, spec.high)
           ELSE 'write a number or one of ' || array_to_string(spec.names, ', ') END);
  ELSIF number NOT BETWEEN spec.low AND spec.high THEN
    PERFORM pgcron.schedule_refuse('out_of_range', format('%s is outside %s-%s', number, spec.low, spec.high), at_column, spec.name,
                                   pgcron.schedule_range_hint(spec, number));
  END IF;
  RETURN number;
END $$;
COMMENT ON FUNCTION pgcron.schedule_value(pgcron.schedule_spec, text, integer) IS 'A number or a name as the field''s number.';

CREATE FUNCTION pgcron.schedule_step(spec pgcron.schedule_spec, item text, low_word text, digits text, at_column integer) RETURNS integer
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE SET search_path = pgcron, pg_catalog, pg_temp AS $$
DECLARE
  step integer;
  digits_column integer := at_column + length(item) - length(digits);
  hint text;
BEGIN
  IF digits IS NULL THEN
    RETURN 1;
  END IF;
  step := pgcron.schedule_number(spec, digits, digits_column);
  IF step = 0 THEN
    PERFORM pgcron.schedule_refuse('step_zero', 'a step of 0 never moves', digits_column, spec.name, 'write a step of 1 or more');
  ELSIF step > spec.max_step THEN
    hint := CASE
      WHEN low_word IS NOT NULL THEN 'a step longer than the field leaves only the first value: write ' || low_word
      WHEN spec.unit = 'd' AND step <= 366 THEN format('use @every %sh', step * 24)
      WHEN spec.unit <> 'd' THEN format('use @every %s%s', step, spec.unit)
      ELSE format('a step here is at most %s', spec.max_step) END;
    PERFORM pgcron.schedule_refuse('step_too_large', format('step %s is larger than the field', step), digits_column, spec.name, hint);
  END IF;
  RETURN step;
END $$;
COMMENT ON FUNCTION pgcron.schedule_step(pgcron.schedule_spec, text, text, text, integer) IS
  'The step at an item''s end, 1 when there is none. low_word: what stands before it, unless that is * or H.';

CREATE FUNCTION pgcron.schedule_range_end(
  spec pgcron.schedule_spec, item text, at_column integer, low_word text, low integer, high_word text, digits text, high_column integer)
RETURNS integer LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE SET search_path = pgcron, pg_catalog, pg_temp AS $$
DECLARE
  high integer := pgcron.schedule_value(spec, high_word, high_column);
  step text := coalesce('/' || digits, '');
  hint text;
BEGIN
  IF high_word = 'sun' AND low_word <> 'sun' THEN
    high := 7;  -- `fri-sun` is 5-7
  END IF;
  IF low > high THEN
    hint := CASE WHEN spec.name = 'year' THEN format('write %s-%s', high, low)
      ELSE 'write ' || concat_ws(',',
        CASE WHEN low < spec.last THEN format('%s-%s%s', low, spec.last, step) WHEN low = spec.last THEN low::text END,
        CASE WHEN spec.low < high THEN format('%s-%s%s', spec.low, high, step) ELSE spec.low::text END) END;
    PERFORM pgcron.schedule_refuse('backward_range', format('the range %s runs backward', item), at_column, spec.name, hint);
  END IF;
  RETURN high;
END $$;
COMMENT ON FUNCTION pgcron.schedule_range_end(pgcron.schedule_spec, text, integer, text, integer, text, text, integer) IS
  'The end of a range, which may not lie before its start.';

CREATE FUNCTION pgcron.schedule_draw(seed text, field text, size integer) RETURNS integer
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE SET search_path = pgcron, pg_catalog, pg_temp AS $$
DECLARE
  digest bytea := sha256(convert_to(seed, 'UTF8') || '\x00'::bytea || convert_to(field, 'UTF8'));
  drawn integer := 0;
BEGIN
  FOR n IN 0..7 LOOP  -- the first eight bytes as one big-endian number, modulo size
    drawn := (drawn * 256 + get_byte(digest, n)) % size;
  END LOOP;
  RETURN drawn;
END $$;
COMMENT ON FUNCTION pgcron.schedule_draw(text, text, integer) IS
  'A number below size for H, the same for this job''s name and field in every process and release.';

CREATE FUNCTION pgcron.schedule_hashed(spec pgcron.schedule_spec, item text, at_column integer, seed text, parts text[])
RETURNS pgcron.schedule_item LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE SET search_path = pgcron, pg_catalog, pg_temp AS $$
DECLARE
  low integer := spec.low;
  high integer := spec.hash_high;
  step integer := pgcron.schedule_step(spec, item, NULL, parts[3], at_column);
BEGIN
  IF parts[1] IS NOT NULL THEN
    low := pgcron.schedule_value(spec, parts[1], at_column + 2);
    high := pgcron.schedule_range_end(spec, item, at_column, parts[1], low, parts[2], NULL, at_column + 3 + length(parts[1]));
  END IF;
  IF parts[3] IS NULL THEN
    low := low + pgcron.schedule_draw(seed, spec.name, high - low + 1);
    high := low;
  ELSE
    low := low + pgcron.schedule_draw(seed, spec.name, least(step, high - low + 1));
  END IF;
  RETURN (pgcron.schedule_members(spec, low, high, step), false, step, '')::pgcron.schedule_item;
END $$;
COMMENT ON FUNCTION pgcron.schedule_hashed(pgcron.schedule_spec, text, integer, text, text[]) IS 'H, H/n or H(a-b).';

CREATE FUNCTION pgcron.schedule_plain(spec pgcron.schedule_spec, item text, at_column integer, parts text[])
RETURNS pgcron.schedule_item LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE SET search_path = pgcron, pg_catalog, pg_temp AS $$
DECLARE
  low integer := pgcron.schedule_value(spec, parts[1], at_column);
  step integer := pgcron.schedule_step(spec, item, parts[1], parts[3], at_column);
  high integer := low;
  star boolean := false;
BEGIN
  IF parts[2] IS NOT NULL THEN
    high := pgcron.schedule_range_end(spec, item, at_column, parts[1], low, parts[2], parts[3], at_column + 1 + length(parts[1]));
  ELSIF parts[3] IS NOT NULL THEN
    star := low = 0 AND spec.name IN ('second', 'minute', 'hour');  -- `0/5` is written by people who mean `*/5`
    low := CASE spec.name WHEN 'day_of_week' THEN low % 7 ELSE low END;
    high := spec.last;
  END IF;
  RETURN (pgcron.schedule_members(spec, low, high, step), star, step, '')::pgcron.schedule_item;
END $$;
COMMENT ON FUNCTION pgcron.schedule_plain(pgcron.schedule_spec, text, integer, text[]) IS 'v, v/n, a-b or a-b/n.';

-- Things people bring from other crons, and what to write here.
CREATE FUNCTION pgcron.schedule_refuse_stranger(spec pgcron.schedule_spec, lowered text, at_column integer) RETURNS void
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE SET search_path = pgcron, pg_catalog, pg_temp AS $$
DECLARE
  known text[] := CASE
    WHEN lowered ~ '^r(\(.*\))?(/.*)?$' THEN '{random,R (random) is not supported,"use H: spread by the job''s name, stable"}'
    WHEN lowered ~ '^l-[0-9]+w?$' THEN '{last_offset,L-n is not supported,"use L, or a day such as 28"}'
    WHEN lowered ~ '^h\(.*\)/.*$' THEN '{syntax,H(a-b) takes no step,write H/n or H(a-b)}'
    WHEN position('?' IN lowered) > 0 THEN '{question_mark,"? stands alone, and only in a day field",write *}'
    WHEN lowered = 'l' THEN '{syntax,L alone belongs to day-of-month,for the last Friday write 5L in day-of-week}'
    WHEN lowered ~ '^(l|[0-9]+)w$' THEN '{syntax,W belongs to day-of-month,write 15W or LW in day-of-month}'
    WHEN lowered ~ '^.+-.+#.*$' THEN '{syntax,# takes one weekday,"write mon#1,tue#1"}'
    WHEN position('#' IN lowered) > 0 THEN '{syntax,# belongs to day-of-week,write mon#2 in day-of-week for the second Monday}'
    WHEN starts_with(lowered, '-') THEN '{syntax,a negative number,numbers are counted from the field''s first value}'
  END;
BEGIN
  IF known IS NOT NULL THEN
    PERFORM pgcron.schedule_refuse(known[1], known[2], at_column, spec.name, known[3]);
  END IF;
END $$;
COMMENT ON FUNCTION pgcron.schedule_refuse_stranger(pgcron.schedule_spec, text, integer) IS
  'Refuses what other crons know and this one does not, with what to write instead; passes what it does not recognise.';

CREATE FUNCTION pgcron.schedule_special(spec pgcron.schedule_spec, lowered text, at_column integer) RETURNS text
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE SET search_path = pgcron, pg_catalog, pg_temp AS $$
DECLARE
  parts text[];
  weekday integer;
BEGIN
  IF spec.name = 'day_of_month' THEN
    IF lowered IN ('l', '$') THEN
      RETURN 'L';
    ELSIF lowered = 'lw' THEN
      RETURN 'LW';
    ELSIF lowered ~ '^[0-9]+w$' THEN
      RETURN pgcron.schedule_value(spec, rtrim(lowered, 'w'), at_column) || 'W';
    END IF;
  ELSIF spec.name = 'day_of_week' THEN
    parts := regexp_match(lowered, '^([0-9]+|[a-z]+)#([0-9]+)$');
    IF parts IS NOT NULL THEN
      weekday := pgcron.schedule_value(spec, parts[1], at_column) % 7;
      IF parts[2] NOT IN ('1', '2', '3', '4', '5') THEN
        PERFORM pgcron.schedule_refuse('nth_range', format('#%s: a month has weekdays #1 to #5', parts[2]),
                                       at_column + 1 + length(parts[1]), spec.name, 'for the last one write 5L');
      END IF;
      RETURN weekday || '#' || parts[2];
    ELSIF lowered ~ '^([0-9]+|sun|mon|tue|wed|thu|fri|sat)l$' THEN
      RETURN pgcron.schedule_value(spec, left(lowered, -1), at_column) % 7 || 'L';
    END IF;
  END IF;
  RETURN NULL;
END $$;
COMMENT ON FUNCTION pgcron.schedule_special(pgcron.schedule_spec, text, integer) IS
  'The canonical form of L, LW, 15W, 1#2, 5L; NULL for anything else.';

CREATE FUNCTION pgcron.schedule_item(spec pgcron.schedule_spec, item text, at_column integer, seed text)
RETURNS pgcron.schedule_item LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE SET search_path = pgcron, pg_catalog, pg_temp AS $$
DECLARE
  lowered text := lower(item);
  special text;
  parts text[];
  step integer;
BEGIN
  IF spec.name IN ('day_of_month', 'day_of_week') AND lowered ~ '[lw$#]' THEN
    special := pgcron.schedule_special(spec, lowered, at_column);
    IF special IS NOT NULL THEN
      RETURN (pgcron.schedule_members(spec, 1, 0, 1), false, 1, special)::pgcron.schedule_item;
    END IF;
  END IF;
  parts := regexp_match(lowered, '^\*(?:/([0-9]+))?$');
  IF parts IS NOT NULL THEN
    step := pgcron.schedule_step(spec, item, NULL, parts[1], at_column);
    RETURN (pgcron.schedule_members(spec, spec.low, spec.last, step), true, step, '')::pgcron.schedule_item;
  END IF;
  parts := regexp_match(lowered, '^h(?:\(([0-9]+|[a-z]+)-([0-9]+|[a-z]+)\)|/([0-9]+))?$');
  IF parts IS NOT NULL THEN
    RETURN pgcron.schedule_hashed(spec, item, at_column, seed, parts);
  END IF;
  parts := regexp_match(lowered, '^([0-9]+|[a-z]+)(?:-([0-9]+|[a-z]+))?(?:/([0-9]+))?$');
  IF parts IS NULL OR ascii(lowered) IN (ascii('l'), ascii('r')) THEN  -- only these two begin strangers that look plain
    PERFORM pgcron.schedule_refuse_stranger(spec, lowered, at_column);
  END IF;
  IF parts IS NULL THEN
    PERFORM pgcron.schedule_refuse('syntax', 'cannot read ' || pgcron.schedule_quote(item), at_column, spec.name,
      format('write *, */n, a value, a range such as %s-%s, or a list with commas and no blanks', spec.low, spec.low + 2));
  END IF;
  RETURN pgcron.schedule_plain(spec, item, at_column, parts);
END $$;
COMMENT ON FUNCTION pgcron.schedule_item(pgcron.schedule_spec, text, integer, text) IS
  'Reads one item of a list; at_column is where it stands in the user''s text, seed what H is drawn from.';
