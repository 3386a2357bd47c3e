-- From readings of the wall clock to instants, across gaps and folds, by Debian cron's rule. The twin of
-- pgcron_py/timetable/dst.py and plan.py.
--
-- Instants are timestamps in UTC here: with them a day is 24 hours. The zone is the session's: `AT TIME ZONE 'CET'` would
-- take CET for an abbreviation, an hour east of Greenwich in summer too; SET TimeZone takes it for the zone.

CREATE FUNCTION pgcron.schedule_wall_at(instant timestamp) RETURNS timestamp LANGUAGE sql STABLE PARALLEL SAFE
RETURN (instant AT TIME ZONE 'UTC')::timestamp;
COMMENT ON FUNCTION pgcron.schedule_wall_at(timestamp) IS 'What clocks show in the session''s zone at an instant (UTC).';

-- PostgreSQL's choice: the second pass of a fold; a reading in a gap, by the clock from before it.
CREATE FUNCTION pgcron.schedule_instant_of(wall timestamp) RETURNS timestamp LANGUAGE sql STABLE PARALLEL SAFE
RETURN wall::timestamptz AT TIME ZONE 'UTC';
COMMENT ON FUNCTION pgcron.schedule_instant_of(timestamp) IS
  'The instant (UTC) of a reading in the session''s zone; of two, the later.';

CREATE FUNCTION pgcron.schedule_first_pass(wall timestamp, second_pass timestamp) RETURNS timestamp
LANGUAGE plpgsql STABLE PARALLEL SAFE SET search_path = pgcron, pg_catalog, pg_temp AS $$
DECLARE
  -- No fold is longer than a day: 25 hours before its second pass its first has not begun to end.
  turned_back interval := pgcron.schedule_wall_at(second_pass - interval '25 hours') + interval '25 hours' - wall;
BEGIN
  IF turned_back > interval '0' AND pgcron.schedule_wall_at(second_pass - turned_back) = wall THEN
    RETURN second_pass - turned_back;
  END IF;
  RETURN NULL;
END $$;
COMMENT ON FUNCTION pgcron.schedule_first_pass(timestamp, timestamp) IS
  'The first of two instants that show the same reading; NULL when it comes once.';

CREATE FUNCTION pgcron.schedule_change_between(low timestamp, high timestamp) RETURNS timestamp
LANGUAGE plpgsql STABLE PARALLEL SAFE SET search_path = pgcron, pg_catalog, pg_temp AS $$
DECLARE
  later_offset interval := pgcron.schedule_wall_at(high) - high;
  middle timestamp;
BEGIN
  WHILE high - low > interval '1 second' LOOP
    middle := date_trunc('second', low + (high - low) / 2);
    IF pgcron.schedule_wall_at(middle) - middle = later_offset THEN
      high := middle;
    ELSE
      low := middle;
    END IF;
  END LOOP;
  RETURN high;
END $$;
COMMENT ON FUNCTION pgcron.schedule_change_between(timestamp, timestamp) IS
  'The instant in (low, high] at which the session''s zone changes its offset; there is one.';

CREATE FUNCTION pgcron.schedule_next_onward(t pgcron.timetable, run_after_gap boolean, first_pass boolean, wall timestamp) RETURNS timestamp
LANGUAGE plpgsql STABLE PARALLEL SAFE SET search_path = pgcron, pg_catalog, pg_temp AS $$
DECLARE
  found timestamp;
  instant timestamp;
  shown timestamp;
  change timestamp;
BEGIN
  LOOP
    found := pgcron.schedule_next_wall(t, wall);
    instant := pgcron.schedule_instant_of(found);
    shown := pgcron.schedule_wall_at(instant);
    IF found IS NULL OR shown = found THEN
      RETURN CASE WHEN first_pass THEN coalesce(pgcron.schedule_first_pass(found, instant), instant) ELSE instant END;
    END IF;
    change := pgcron.schedule_change_between(instant - (shown - found), instant);
    IF run_after_gap THEN
      RETURN change;
    END IF;
    wall := pgcron.schedule_wall_at(change);
  END LOOP;
END $$;
COMMENT ON FUNCTION pgcron.schedule_next_onward(pgcron.timetable, boolean, boolean, timestamp) IS
  'The first instant (UTC) of a reading from wall on, which no earlier pass can hold.';

-- The idea: walk the readings in order; one in a gap becomes the gap's end or nothing, one in a fold the first pass, the
-- second, or both. Only a fold that `after` itself lies in needs more than one look.
CREATE FUNCTION pgcron.schedule_next_instant(
  t pgcron.timetable, run_after_gap boolean, first_pass boolean, second_pass boolean, after timestamp) RETURNS timestamp
LANGUAGE plpgsql STABLE PARALLEL SAFE SET search_path = pgcron, pg_catalog, pg_temp AS $$
DECLARE
  wall timestamp := pgcron.schedule_wall_at(after);
  late timestamp := pgcron.schedule_instant_of(wall);
  early timestamp := pgcron.schedule_first_pass(wall, late);
  change timestamp;
  fold_end timestamp;
  found timestamp;
BEGIN
  IF early IS NULL THEN
    RETURN pgcron.schedule_next_onward(t, run_after_gap, first_pass, wall + interval '1 second');
  END IF;
  change := pgcron.schedule_change_between(early, late);
  fold_end := change + (wall - early);
  IF after < change AND first_pass THEN
    found := pgcron.schedule_next_wall(t, wall + interval '1 second');
    IF found < fold_end THEN
      RETURN found - (wall - early);
    END IF;
  END IF;
  IF second_pass THEN
    found := pgcron.schedule_next_wall(t, CASE WHEN after < change THEN change + (wall - late) ELSE wall + interval '1 second' END);
    IF found < fold_end THEN
      RETURN found - (wall - late);
    END IF;
  END IF;
  RETURN pgcron.schedule_next_onward(t, run_after_gap, first_pass, fold_end);
END $$;
COMMENT ON FUNCTION pgcron.schedule_next_instant(pgcron.timetable, boolean, boolean, boolean, timestamp) IS
  'The first instant (UTC) of a cron timetable strictly after another, in the session''s zone.';

CREATE FUNCTION pgcron.schedule_use_zone(name text) RETURNS void
LANGUAGE plpgsql VOLATILE SET search_path = pgcron, pg_catalog, pg_temp AS $$
BEGIN
  -- SHOW gives the name as the time zone database spells it. PostgreSQL also takes POSIX rules such as UTC+2 or Foo/GMT-1:
  -- they hold digits, which IANA gives to no other zones than these. What a host calls localtime is no zone of ours.
  IF length(name) <= 64 AND name COLLATE "C" ~ '^[A-Za-z][A-Za-z0-9_+-]*(/[A-Za-z0-9_+-]+)*$'
    AND name COLLATE "C" !~ '^(localtime$|posixrules$|Factory$|right/|posix/)'
    AND (name COLLATE "C" !~ '[0-9]' OR name COLLATE "C" ~
      '^((EST5E|CST6C|MST7M|PST8P)DT|(Etc/)?GMT[+-]?0|Etc/GMT(-[1-9]|-1[0-4]|[+][1-9]|[+]1[0-2]))$') THEN
    BEGIN
      PERFORM set_config('TimeZone', name, true);
      IF current_setting('TimeZone') = name THEN
        RETURN;
      END IF;
    EXCEPTION WHEN invalid_parameter_value THEN
      NULL;  -- told below
    END;
  END IF;
  RAISE EXCEPTION 'unknown time zone %', quote_literal(left(name, 64))
    USING ERRCODE = 'PC013', DETAIL = 'zone: ' || left(name, 64), HINT = 'use an IANA name such as Europe/Berlin or UTC';
END $$;
COMMENT ON FUNCTION pgcron.schedule_use_zone(text) IS
  'Makes the zone of this IANA name, spelled exactly, the transaction''s. Raises unknown_time_zone (PC013).';

CREATE FUNCTION pgcron.schedule_whole_second(instant timestamptz, parameter text) RETURNS timestamp
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE SET search_path = pgcron, pg_catalog, pg_temp AS $$
DECLARE
  utc timestamp := instant AT TIME ZONE 'UTC';
BEGIN
  IF utc IS NULL OR extract(year FROM utc) NOT BETWEEN 1900 AND 9000 THEN
    RAISE EXCEPTION '%: % is outside the years 1900 to 9000', parameter, coalesce(utc::text, 'NULL')
      USING ERRCODE = 'datetime_field_overflow', HINT = 'give an instant of these years';
  END IF;
  RETURN date_trunc('second', utc);
END $$;
COMMENT ON FUNCTION pgcron.schedule_whole_second(timestamptz, text) IS
  'An instant in UTC, cut to the second: occurrences are whole seconds.';

CREATE FUNCTION pgcron.next_runs(
  p_schedule text, p_timezone text, p_after timestamptz DEFAULT clock_timestamp(), p_n integer DEFAULT 5,
  p_anchor timestamptz DEFAULT NULL, p_name text DEFAULT '', p_dst_gap text DEFAULT NULL, p_dst_fold text DEFAULT NULL)
RETURNS SETOF timestamptz LANGUAGE plpgsql STABLE ROWS 5 COST 5000
SET search_path = pgcron, pg_catalog, pg_temp SET TimeZone = 'UTC' AS $$
DECLARE
  t pgcron.timetable := pgcron.schedule_parse(p_schedule, p_name);
  gap text := coalesce(p_dst_gap, CASE WHEN t.wildcard THEN 'skip' ELSE 'run_after' END);
  fold text := coalesce(p_dst_fold, CASE WHEN t.wildcard THEN 'both' ELSE 'first' END);
  anchor timestamp := pgcron.schedule_whole_second(coalesce(p_anchor, 'epoch'), 'p_anchor');
  every interval := make_interval(secs => t.every_seconds);
  instant timestamp;
BEGIN
  IF gap NOT IN ('run_after', 'skip') OR fold NOT IN ('first', 'both', 'second') THEN
    RAISE EXCEPTION 'p_dst_gap is run_after or skip, p_dst_fold is first, both or second'
      USING ERRCODE = 'invalid_parameter_value', HINT = 'leave them out for Debian cron''s rule';
  END IF;
  PERFORM pgcron.schedule_use_zone(p_timezone);
  instant := pgcron.schedule_whole_second(p_after, 'p_after');
  IF t.kind = 'interval' THEN
    instant := date_bin(every, instant, anchor);
  END IF;
  FOR n IN 1..least(p_n, 10000) LOOP
    instant := CASE t.kind
      WHEN 'cron' THEN pgcron.schedule_next_instant(t, gap = 'run_after', fold <> 'second', fold <> 'first', instant)
      WHEN 'interval' THEN instant + every END;
    EXIT WHEN instant IS NULL OR extract(year FROM instant) >= 9000;
    RETURN NEXT instant AT TIME ZONE 'UTC';
  END LOOP;
END $$;
COMMENT ON FUNCTION pgcron.next_runs(text, text, timestamptz, integer, timestamptz, text, text, text) IS
  'The first p_n (at most 10,000) instants of a schedule strictly after p_after; fewer when there are no more. p_anchor: what @every counts from (default the Unix epoch). p_name: the job''s, for H. Raises PC002 for the schedule, PC013 for the zone.';
