-- Naive wall-clock readings that a timetable names: days and times of day, no zone.

CREATE FUNCTION pgcron.schedule_ceil(members bit varying, low integer) RETURNS integer LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN nullif(position(B'1' IN substring(members FROM low + 1)), 0) + low - 1;
COMMENT ON FUNCTION pgcron.schedule_ceil(bit varying, integer) IS
  'The first member from low on, for fields that begin at 0; NULL when there is no more.';

CREATE FUNCTION pgcron.schedule_next_time(t pgcron.timetable, from_second integer) RETURNS integer
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE SET search_path = pgcron, pg_catalog, pg_temp AS $$
DECLARE
  least_hour integer := from_second / 3600;
  least_minute integer := from_second / 60 % 60;
  first_second integer := pgcron.schedule_ceil(t.seconds, 0);
  -- Each field that has no value left carries one into the field above.
  second integer := pgcron.schedule_ceil(t.seconds, from_second % 60);
  minute integer := pgcron.schedule_ceil(t.minutes, least_minute + (second IS NULL)::integer);
  hour integer := pgcron.schedule_ceil(t.hours, least_hour + (minute IS NULL)::integer);
BEGIN
  IF minute IS NULL OR hour > least_hour THEN
    RETURN hour * 3600 + pgcron.schedule_ceil(t.minutes, 0) * 60 + first_second;
  ELSIF second IS NULL OR minute > least_minute THEN
    RETURN hour * 3600 + minute * 60 + first_second;
  END IF;
  RETURN hour * 3600 + minute * 60 + second;
END $$;
COMMENT ON FUNCTION pgcron.schedule_next_time(pgcron.timetable, integer) IS
  'The first time of a day from a second of the day on, as a second of the day; NULL when there is no more.';

CREATE FUNCTION pgcron.schedule_next_wall(t pgcron.timetable, wall timestamp) RETURNS timestamp
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE SET search_path = pgcron, pg_catalog, pg_temp AS $$
DECLARE
  day date := pgcron.schedule_next_day(t, wall::date);
  second integer;
BEGIN
  IF day = wall::date THEN
    second := pgcron.schedule_next_time(t, extract(epoch FROM wall::time)::integer);
    IF second IS NOT NULL THEN
      RETURN day + make_interval(secs => second);
    END IF;
    day := pgcron.schedule_next_day(t, day + 1);
  END IF;
  RETURN day + make_interval(secs => pgcron.schedule_next_time(t, 0));
END $$;
COMMENT ON FUNCTION pgcron.schedule_next_wall(pgcron.timetable, timestamp) IS
  'The first reading from a wall-clock time (whole seconds) on, or NULL when there is no more.';
