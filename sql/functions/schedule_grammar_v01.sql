-- From text to timetable: aliases, @reboot, intervals, and cron texts of 5, 6 or 7 fields. The twin of
-- pgcron_py/timetable/grammar.py.

CREATE FUNCTION pgcron.schedule_compact(members bit varying, low integer) RETURNS text
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE SET search_path = pgcron, pg_catalog, pg_temp AS $$
DECLARE
  parts text[] := '{}';
  start integer := 1;
  length integer;
BEGIN
  LOOP
    length := position(B'1' IN substring(members FROM start)) - 1;
    EXIT WHEN length < 0;
    start := start + length;
    length := position(B'0' IN substring(members FROM start) || B'0') - 1;
    parts := parts || CASE length
      WHEN 1 THEN (low + start - 1)::text
      WHEN 2 THEN format('%s,%s', low + start - 1, low + start)
      ELSE format('%s-%s', low + start - 1, low + start + length - 2) END;
    start := start + length;
  END LOOP;
  RETURN nullif(array_to_string(parts, ','), '');
END $$;
COMMENT ON FUNCTION pgcron.schedule_compact(bit varying, integer) IS
  'A set as cron writes it: 0,5-7,9. Three in a row make a range. NULL when empty.';

CREATE FUNCTION pgcron.schedule_field(field text, word text, at_column integer, seed text) RETURNS pgcron.schedule_field
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE SET search_path = pgcron, pg_catalog, pg_temp AS $$
DECLARE
  spec pgcron.schedule_spec := pgcron.schedule_spec(field);
  parts text[] := string_to_array(CASE WHEN word = '?' AND field IN ('day_of_month', 'day_of_week') THEN '*' ELSE word END, ',');
  item pgcron.schedule_item;
  first pgcron.schedule_item;
  members bit varying := repeat('0', spec.last - spec.low + 1)::bit varying;
  specials text[] := '{}';
  whole boolean := false;
  item_column integer := at_column;
BEGIN
  FOR n IN 1..cardinality(parts) LOOP
    IF parts[n] = '' THEN
      PERFORM pgcron.schedule_refuse('syntax', 'an empty list item', item_column, field, 'remove the extra comma');
    END IF;
    item := pgcron.schedule_item(spec, parts[n], item_column, seed);
    item_column := item_column + length(parts[n]) + 1;
    IF n = 1 THEN
      first := item;
    END IF;
    members := members | item.members;
    whole := whole OR item.star AND item.step = 1;
    IF item.special <> '' THEN
      specials := specials || item.special;
    END IF;
  END LOOP;
  IF field = 'day_of_month' AND cardinality(parts) > 1 AND array_to_string(specials, ',') ~ 'W' THEN
    PERFORM pgcron.schedule_refuse('w_in_list', 'W stands alone in its field', at_column, field, 'make it a job of its own');
  END IF;
  IF cardinality(specials) > 1 THEN
    specials := ARRAY(SELECT DISTINCT special COLLATE "C" FROM unnest(specials) special ORDER BY 1);
  END IF;
  IF (whole OR first.star) AND position(B'0' IN members) = 0 THEN
    RETURN (field, '*', members, true, '{}'::text[], at_column)::pgcron.schedule_field;
  ELSIF first.star THEN
    word := concat_ws(',', '*/' || first.step, pgcron.schedule_compact(members & ~first.members, spec.low),
                      nullif(array_to_string(specials, ','), ''));
  ELSE
    word := concat_ws(',', pgcron.schedule_compact(members, spec.low), nullif(array_to_string(specials, ','), ''));
  END IF;
  RETURN (field, word, members, first.star, specials, at_column)::pgcron.schedule_field;
END $$;
COMMENT ON FUNCTION pgcron.schedule_field(text, text, integer, text) IS 'Reads one field of a cron text.';

CREATE FUNCTION pgcron.schedule_refuse_count(source text, words text[]) RETURNS void
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE SET search_path = pgcron, pg_catalog, pg_temp AS $$
DECLARE
  count integer := cardinality(words);
  at_column integer;
BEGIN
  at_column := CASE WHEN count > 7 THEN length(substring(source FROM '^[ \t]*(?:[^ \t]+[ \t]+){7}')) + 1
                    ELSE length(rtrim(source, E' \t')) + 1 END;
  PERFORM pgcron.schedule_refuse('field_count',
    format('%s field%s, but a cron text has 5, 6 or 7', count, CASE count WHEN 1 THEN '' ELSE 's' END), at_column, NULL,
    '5: minute hour day-of-month month day-of-week; 6: second first; 7: second first and year last');
END $$;
COMMENT ON FUNCTION pgcron.schedule_refuse_count(text, text[]) IS 'Refuses a cron text with too many or too few fields.';

-- W, # and nL say which day by themselves.
CREATE FUNCTION pgcron.schedule_check_specials(dom pgcron.schedule_field, dow pgcron.schedule_field) RETURNS void
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE SET search_path = pgcron, pg_catalog, pg_temp AS $$
BEGIN
  IF array_to_string(dom.specials, ',') ~ 'W' AND dow.canonical <> '*' THEN
    PERFORM pgcron.schedule_refuse('beside_restricted_day', 'W cannot stand beside a restricted day-of-week', dom.at_column,
                                   'day_of_month', 'write * in day-of-week, or make two jobs');
  ELSIF cardinality(dow.specials) > 0 AND dom.canonical <> '*' THEN
    PERFORM pgcron.schedule_refuse('beside_restricted_day', '# and nL cannot stand beside a restricted day-of-month', dow.at_column,
                                   'day_of_week', 'write * in day-of-month, or make two jobs');
  END IF;
END $$;
COMMENT ON FUNCTION pgcron.schedule_check_specials(pgcron.schedule_field, pgcron.schedule_field) IS
  'Refuses W, # and nL beside a restricted other day field.';

CREATE FUNCTION pgcron.schedule_fields(source text, seed text) RETURNS pgcron.schedule_field[]
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE SET search_path = pgcron, pg_catalog, pg_temp AS $$
DECLARE
  words text[] := regexp_split_to_array(btrim(source, E' \t'), '[ \t]+');
  names text[] := '{second,minute,hour,day_of_month,month,day_of_week,year}';
  fields pgcron.schedule_field[] := '{}';
  at_column integer := 1;
BEGIN
  IF cardinality(words) NOT BETWEEN 5 AND 7 THEN
    PERFORM pgcron.schedule_refuse_count(source, words);
  ELSIF cardinality(words) = 5 THEN
    names := names[2:6];
  END IF;
  FOR n IN 1..cardinality(words) LOOP
    WHILE substr(source, at_column, 1) IN (' ', E'\t') LOOP
      at_column := at_column + 1;
    END LOOP;
    fields := fields || pgcron.schedule_field(names[n], words[n], at_column, seed);
    at_column := at_column + length(words[n]);
  END LOOP;
  RETURN fields;
END $$;
COMMENT ON FUNCTION pgcron.schedule_fields(text, text) IS 'The fields of a cron text, in its order.';

CREATE FUNCTION pgcron.schedule_cron(source text, seed text) RETURNS pgcron.timetable
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE SET search_path = pgcron, pg_catalog, pg_temp AS $$
DECLARE
  fields pgcron.schedule_field[] := pgcron.schedule_fields(source, seed);
  shift integer := CASE cardinality(fields) WHEN 5 THEN 0 ELSE 1 END;  -- six and seven fields begin with the second
  dom pgcron.schedule_field := fields[shift + 3];
  dow pgcron.schedule_field := fields[shift + 5];
  t pgcron.timetable;
BEGIN
  PERFORM pgcron.schedule_check_specials(dom, dow);
  t.kind := 'cron';
  t.seconds := CASE shift WHEN 0 THEN B'1' ELSE fields[1].members END;
  t.minutes := fields[shift + 1].members;
  t.hours := fields[shift + 2].members;
  t.days := dom.members;
  t.day_specials := dom.specials;
  t.months := fields[shift + 4].members;
  t.weekdays := dow.members;
  t.weekday_specials := dow.specials;
  t.years := CASE WHEN fields[7].canonical <> '*' THEN fields[7].members END;
  t.both_days := dom.star OR dow.star;
  t.wildcard := fields[shift + 1].star OR fields[shift + 2].star;
  FOR n IN 1..cardinality(fields) LOOP
    t.canonical := concat_ws(' ', t.canonical, fields[n].canonical);
  END LOOP;
  -- A start that is no clock. A leap day of each weekday lies in the 28 years after 2000.
  IF pgcron.schedule_next_day(t, CASE cardinality(fields) WHEN 7 THEN date '1970-01-01' ELSE date '2000-01-01' END) IS NULL THEN
    PERFORM pgcron.schedule_refuse('never_fires', 'this schedule can never fire: no such day exists', dom.at_column, 'day_of_month',
                                   'for the last day of the month write L');
  END IF;
  RETURN t;
END $$;
COMMENT ON FUNCTION pgcron.schedule_cron(text, text) IS 'The timetable of a cron text.';

CREATE FUNCTION pgcron.schedule_keyword(body text, at_column integer) RETURNS pgcron.timetable
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE SET search_path = pgcron, pg_catalog, pg_temp AS $$
DECLARE
  t pgcron.timetable;
  argument text := ltrim(substring(body FROM '^[^ \t]+(.*)$'), E' \t');
BEGIN
  IF lower(substring(body FROM '^[^ \t]+')) = '@every' THEN
    RETURN pgcron.schedule_interval(pgcron.schedule_every_seconds(argument, at_column + length(body) - length(argument)));
  END IF;
  CASE lower(body)
    WHEN '@reboot' THEN
      t.kind := 'reboot';
      t.canonical := '@reboot';
      RETURN t;
    WHEN '@yearly', '@annually' THEN RETURN pgcron.schedule_cron('0 0 1 1 *', '');
    WHEN '@monthly' THEN RETURN pgcron.schedule_cron('0 0 1 * *', '');
    WHEN '@weekly' THEN RETURN pgcron.schedule_cron('0 0 * * 0', '');
    WHEN '@daily', '@midnight' THEN RETURN pgcron.schedule_cron('0 0 * * *', '');
    WHEN '@hourly' THEN RETURN pgcron.schedule_cron('0 * * * *', '');
    ELSE
      PERFORM pgcron.schedule_refuse('unknown_alias', 'unknown alias ' || pgcron.schedule_quote(body), at_column, NULL,
        'known: @yearly, @annually, @monthly, @weekly, @daily, @midnight, @hourly, @reboot, @every 5m');
  END CASE;
END $$;
COMMENT ON FUNCTION pgcron.schedule_keyword(text, integer) IS 'The timetable of a text that begins with @.';

CREATE FUNCTION pgcron.schedule_check_characters(schedule text) RETURNS void
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE SET search_path = pgcron, pg_catalog, pg_temp AS $$
DECLARE
  at_column integer := length(substring(schedule FROM '^[\t -~µ]*')) + 1;
  stranger text := substr(schedule, at_column, 1);
  number integer := ascii(stranger);
BEGIN
  IF stranger = '' THEN
    RETURN;
  ELSIF number < 32 OR number = 127 THEN
    stranger := CASE number WHEN 10 THEN '\n' WHEN 13 THEN '\r' ELSE '\x' || lpad(to_hex(number), 2, '0') END;
    PERFORM pgcron.schedule_refuse('control_character', format('control character ''%s''', stranger), at_column, NULL, 'remove it');
  END IF;
  PERFORM pgcron.schedule_refuse('not_ascii', format('character U+%s is not ASCII', lpad(upper(to_hex(number)), greatest(4, length(to_hex(number))), '0')),
                                 at_column, NULL, 'retype it');
END $$;
COMMENT ON FUNCTION pgcron.schedule_check_characters(text) IS 'Refuses control characters, and what is not ASCII but for µ.';

CREATE FUNCTION pgcron.schedule_parse(schedule text, name text) RETURNS pgcron.timetable
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE SET search_path = pgcron, pg_catalog, pg_temp AS $$
DECLARE
  -- Every text below descends from this one: no locale's idea of letters decides what a schedule means.
  source text COLLATE "C" := coalesce(schedule, '');
  body text COLLATE "C" := btrim(source, E' \t');
  at_column integer := 1 + length(source) - length(ltrim(source, E' \t'));
  counted integer;
BEGIN
  IF length(source) > 256 THEN
    PERFORM pgcron.schedule_refuse('too_long', 'a schedule has at most 256 characters', 257, NULL,
                                   'write ranges and steps in place of long lists');
  END IF;
  PERFORM pgcron.schedule_check_characters(source);
  IF body = '' THEN
    PERFORM pgcron.schedule_refuse('empty', 'the schedule is empty', 1, NULL, 'write five fields, such as 0 3 * * *');
  ELSIF starts_with(body, '@') THEN
    RETURN pgcron.schedule_keyword(body, at_column);
  END IF;
  counted := pgcron.schedule_counted_seconds(body, at_column);
  IF counted IS NOT NULL THEN
    RETURN pgcron.schedule_interval(counted);
  ELSIF lower(body) ~ '^(cron_)?tz=' THEN
    PERFORM pgcron.schedule_refuse('time_zone_prefix', 'a zone is no part of the text', at_column, NULL, 'set the job''s time zone');
  END IF;
  RETURN pgcron.schedule_cron(source, coalesce(name, ''));
END $$;
COMMENT ON FUNCTION pgcron.schedule_parse(text, text) IS
  'Reads a schedule; name is the job''s, which seeds H. Raises invalid_schedule (PC002).';

CREATE FUNCTION pgcron.validate_schedule(p_schedule text, p_name text DEFAULT '') RETURNS text
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE SET search_path = pgcron, pg_catalog, pg_temp AS $$
BEGIN
  RETURN (pgcron.schedule_parse(p_schedule, p_name)).canonical;
END $$;
COMMENT ON FUNCTION pgcron.validate_schedule(text, text) IS
  'The canonical form of a schedule. Raises invalid_schedule (PC002) with field, column and code in DETAIL, and a hint. name: the job''s, for H.';
