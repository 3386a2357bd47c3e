-- A schedule as values. Sets are bit strings: the bit at n (from the left, from 0) stands for the field's first value
-- plus n, so that "the next one from here" is one position() and no loop.
CREATE TYPE pgcron.schedule_spec AS (
  name text, words text, low integer, high integer, last integer, max_step integer, hash_high integer, unit text, names text[]);
COMMENT ON TYPE pgcron.schedule_spec IS
  'What a field may hold: low to high as written (7 is Sunday), last where * ends, hash_high where H ends, unit for a hint with @every.';

CREATE TYPE pgcron.schedule_item AS (members bit varying, star boolean, step integer, special text);
COMMENT ON TYPE pgcron.schedule_item IS 'One item of a list: the values it names, or a special such as L, 15W, 1#2.';

CREATE TYPE pgcron.schedule_field AS (
  name text, canonical text, members bit varying, star boolean, specials text[], at_column integer);
COMMENT ON TYPE pgcron.schedule_field IS 'A field after parsing. star: it begins with *, which the day rule and the DST rule ask.';

CREATE TYPE pgcron.timetable AS (
  kind text, canonical text, every_seconds integer,
  seconds bit varying, minutes bit varying, hours bit varying, months bit varying, years bit varying,
  days bit varying, day_specials text[], weekdays bit varying, weekday_specials text[],
  both_days boolean, wildcard boolean);
COMMENT ON TYPE pgcron.timetable IS
  'A parsed schedule: kind cron, interval or reboot. years: NULL when any. both_days: a day matches both day fields, else either.';
