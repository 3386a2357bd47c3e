-- `@every 1h30m` and `30 seconds`: fixed intervals, in whole seconds. The twin of pgcron_py/timetable/duration.py.

CREATE FUNCTION pgcron.schedule_duration_hint(rest text) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE
  WHEN rest ~ '^[0-9]{1,3}d' THEN format('days are hours here: write %sh', substring(rest FROM '^[0-9]+')::integer * 24)
  WHEN rest ~ '^[0-9]*\.[0-9]' THEN 'no fractions: write 1h30m for 1.5h'
  ELSE 'write numbers with units ns, us, ms, s, m, h, without blanks: @every 1h30m'
END;
COMMENT ON FUNCTION pgcron.schedule_duration_hint(text) IS 'What to write instead of a duration that cannot be read.';

CREATE FUNCTION pgcron.schedule_every_seconds(duration text, at_column integer) RETURNS integer
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE SET search_path = pgcron, pg_catalog, pg_temp AS $$
DECLARE
  rest text := duration;
  part text[];
  nanoseconds numeric := 0;  -- 83 parts of 17 digits are more than a bigint holds
BEGIN
  LOOP
    part := regexp_match(rest, '^([0-9]{1,17})(ns|us|µs|ms|s|m|h)(?![a-zµ])');
    EXIT WHEN part IS NULL;
    nanoseconds := nanoseconds + part[1]::numeric * CASE part[2] WHEN 'ns' THEN 1 WHEN 'ms' THEN 1000000 WHEN 's' THEN 1000000000
      WHEN 'm' THEN 60000000000 WHEN 'h' THEN 3600000000000 ELSE 1000 END;
    rest := substr(rest, length(part[1]) + length(part[2]) + 1);
  END LOOP;
  IF rest <> '' OR duration = '' THEN
    PERFORM pgcron.schedule_refuse('duration', 'cannot read the duration ' || pgcron.schedule_quote(duration),
                                   at_column + length(duration) - length(rest), 'duration', pgcron.schedule_duration_hint(rest));
  ELSIF nanoseconds % 1000000000 <> 0 THEN
    PERFORM pgcron.schedule_refuse('interval_fraction', 'an interval is whole seconds', at_column, 'duration',
                                   'the finest interval is @every 1s');
  ELSIF nanoseconds NOT BETWEEN 1000000000 AND 366 * 86400 * 1000000000::numeric THEN
    PERFORM pgcron.schedule_refuse('interval_range', 'an interval is 1 s to 366 days', at_column, 'duration', '366 days are 8784h');
  END IF;
  RETURN nanoseconds / 1000000000;
END $$;
COMMENT ON FUNCTION pgcron.schedule_every_seconds(text, integer) IS 'The seconds of 1h30m.';

CREATE FUNCTION pgcron.schedule_words_hint(digits text, unit text) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE regexp_replace(lower(unit), 's$', '')
  WHEN 'minute' THEN format('use @every %sm', digits)
  WHEN 'min' THEN format('use @every %sm', digits)
  WHEN 'hour' THEN format('use @every %sh', digits)
  WHEN 'sec' THEN format('use @every %ss', digits)
  WHEN 'day' THEN format('use @every %sh', digits::integer * 24)
  ELSE 'write 30 seconds, @every 5m or a cron text'
END;
COMMENT ON FUNCTION pgcron.schedule_words_hint(text, text) IS 'What to write instead of `5 minutes`.';

CREATE FUNCTION pgcron.schedule_counted_seconds(body text, at_column integer) RETURNS integer
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE SET search_path = pgcron, pg_catalog, pg_temp AS $$
DECLARE
  parts text[] := regexp_match(body, '^([0-9]+)[ \t]+([A-Za-z]+)$');
  count integer;
BEGIN
  IF parts IS NULL THEN
    RETURN NULL;
  ELSIF lower(parts[2]) NOT IN ('second', 'seconds') THEN
    PERFORM pgcron.schedule_refuse('seconds_unit', pgcron.schedule_quote(parts[2]) || ': only seconds can be counted in words', at_column,
      'duration', pgcron.schedule_words_hint(coalesce(nullif(ltrim(left(parts[1], 4), '0'), ''), '1'), parts[2]));
  END IF;
  count := CASE WHEN length(parts[1]) <= 4 THEN parts[1]::integer ELSE 9999 END;
  IF count NOT BETWEEN 1 AND 59 THEN
    PERFORM pgcron.schedule_refuse('seconds_range', 'N seconds takes 1 to 59', at_column, 'duration',
                                   CASE WHEN count > 0 THEN format('use @every %ss', parts[1]) END);
  END IF;
  RETURN count;
END $$;
COMMENT ON FUNCTION pgcron.schedule_counted_seconds(text, integer) IS 'The seconds of `30 seconds`; NULL when the text is nothing of the kind.';

CREATE FUNCTION pgcron.schedule_interval(every_seconds integer) RETURNS pgcron.timetable
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE SET search_path = pgcron, pg_catalog, pg_temp AS $$
DECLARE
  t pgcron.timetable;
BEGIN
  t.kind := 'interval';
  t.every_seconds := every_seconds;
  t.canonical := '@every ' || concat(nullif(every_seconds / 3600, 0) || 'h', nullif(every_seconds / 60 % 60, 0) || 'm',
                                     nullif(every_seconds % 60, 0) || 's');
  RETURN t;
END $$;
COMMENT ON FUNCTION pgcron.schedule_interval(integer) IS 'The timetable of an interval.';
