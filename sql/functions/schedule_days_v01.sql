-- On which days a timetable fires: a month at a time, each month a bit string of its days.

CREATE FUNCTION pgcron.schedule_nearest_weekday(first date, length integer, day integer) RETURNS integer LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE extract(isodow FROM first + day - 1)::integer
  WHEN 6 THEN CASE day WHEN 1 THEN 3 ELSE day - 1 END
  WHEN 7 THEN CASE day WHEN length THEN day - 2 ELSE day + 1 END
  ELSE day
END;
COMMENT ON FUNCTION pgcron.schedule_nearest_weekday(date, integer, integer) IS
  'The weekday nearest to a day of the month that begins on first, within that month.';

CREATE FUNCTION pgcron.schedule_dates(t pgcron.timetable, first date, length integer) RETURNS bit varying
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE SET search_path = pgcron, pg_catalog, pg_temp AS $$
DECLARE
  dates bit varying := substring(t.days FROM 1 FOR length);
  special text;
  day integer;
BEGIN
  FOREACH special IN ARRAY t.day_specials LOOP
    day := CASE special WHEN 'L' THEN length
      WHEN 'LW' THEN pgcron.schedule_nearest_weekday(first, length, length)
      ELSE pgcron.schedule_nearest_weekday(first, length, rtrim(special, 'W')::integer) END;
    -- A month that has no day n has no weekday near it: 31W is not LW.
    IF special IN ('L', 'LW') OR rtrim(special, 'W')::integer <= length THEN
      dates := set_bit(dates, day - 1, 1);
    END IF;
  END LOOP;
  RETURN dates;
END $$;
COMMENT ON FUNCTION pgcron.schedule_dates(pgcron.timetable, date, integer) IS 'Days of a month that the day-of-month field names.';

CREATE FUNCTION pgcron.schedule_weekdays(t pgcron.timetable, first date, length integer) RETURNS bit varying
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE SET search_path = pgcron, pg_catalog, pg_temp AS $$
DECLARE
  first_weekday integer := extract(dow FROM first);
  week bit varying := t.weekdays;
  dates bit varying := substring(week || week || week || week || week || week FROM first_weekday + 1 FOR length);
  special text;
  day integer;
BEGIN
  FOREACH special IN ARRAY t.weekday_specials LOOP
    day := 1 + (left(special, 1)::integer - first_weekday + 7) % 7;  -- the first such weekday
    day := day + 7 * CASE WHEN right(special, 1) = 'L' THEN (length - day) / 7 ELSE right(special, 1)::integer - 1 END;
    IF day <= length THEN
      dates := set_bit(dates, day - 1, 1);
    END IF;
  END LOOP;
  RETURN dates;
END $$;
COMMENT ON FUNCTION pgcron.schedule_weekdays(pgcron.timetable, date, integer) IS 'Days of a month that the day-of-week field names.';

CREATE FUNCTION pgcron.schedule_month(t pgcron.timetable, first date) RETURNS bit varying
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE SET search_path = pgcron, pg_catalog, pg_temp AS $$
DECLARE
  length integer := (first + interval '1 month')::date - first;
BEGIN
  IF t.both_days THEN
    RETURN pgcron.schedule_dates(t, first, length) & pgcron.schedule_weekdays(t, first, length);
  END IF;
  RETURN pgcron.schedule_dates(t, first, length) | pgcron.schedule_weekdays(t, first, length);
END $$;
COMMENT ON FUNCTION pgcron.schedule_month(pgcron.timetable, date) IS
  'The firing days of the month that begins on first, by Vixie cron''s day rule.';

CREATE FUNCTION pgcron.schedule_next_month(t pgcron.timetable, first date) RETURNS date
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE SET search_path = pgcron, pg_catalog, pg_temp AS $$
DECLARE
  year integer := extract(year FROM first);
  month integer := extract(month FROM first);
  hop integer;
BEGIN
  IF t.years IS NOT NULL THEN
    hop := position(B'1' IN substring(t.years FROM greatest(year, 1970) - 1969));
    IF hop = 0 THEN
      RETURN NULL;
    ELSIF greatest(year, 1970) + hop - 1 > year THEN
      year := greatest(year, 1970) + hop - 1;
      month := 1;
    END IF;
  END IF;
  hop := position(B'1' IN substring(t.months FROM month));
  IF hop = 0 THEN
    RETURN pgcron.schedule_next_month(t, make_date(year + 1, 1, 1));
  END IF;
  RETURN make_date(year, month + hop - 1, 1);
END $$;
COMMENT ON FUNCTION pgcron.schedule_next_month(pgcron.timetable, date) IS
  'The first month from this one on that the month and year fields name, or NULL when there is no more.';

CREATE FUNCTION pgcron.schedule_next_day(t pgcron.timetable, from_day date) RETURNS date
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE SET search_path = pgcron, pg_catalog, pg_temp AS $$
DECLARE
  first date := date_trunc('month', from_day::timestamp);
  -- What fires at all fires within 40 years (29 February of one weekday, across 2100), but for years far ahead.
  end_year integer := least(9000, CASE WHEN t.years IS NULL THEN extract(year FROM from_day) + 51 ELSE 2100 END);
  day integer := extract(day FROM from_day);
  hop integer;
BEGIN
  IF pgcron.schedule_next_month(t, first) IS DISTINCT FROM first THEN
    first := pgcron.schedule_next_month(t, first);
    day := 1;
  END IF;
  WHILE extract(year FROM first) < end_year LOOP
    hop := position(B'1' IN substring(pgcron.schedule_month(t, first) FROM day));
    IF hop > 0 THEN
      RETURN first + day + hop - 2;
    END IF;
    first := pgcron.schedule_next_month(t, (first + interval '1 month')::date);
    day := 1;
  END LOOP;
  RETURN NULL;
END $$;
COMMENT ON FUNCTION pgcron.schedule_next_day(pgcron.timetable, date) IS
  'The first firing day from a day on, or NULL when there is no more; the database keeps no instant after 8999.';
