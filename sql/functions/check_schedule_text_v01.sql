-- Checked at once, whoever writes: length, characters and the number of fields. The full grammar comes with migration 0003.
CREATE OR REPLACE FUNCTION pgcron.check_schedule_text(schedule text, job_name text) RETURNS void LANGUAGE plpgsql IMMUTABLE AS $$
DECLARE
  fields int;
BEGIN
  IF schedule IS NULL OR btrim(schedule, E' \t') = '' THEN
    RAISE EXCEPTION 'Invalid cron expression: the schedule is empty'
      USING ERRCODE = 'PC002', DETAIL = 'field: schedule', HINT = 'write five fields such as 0 */6 * * *, or @daily, or @every 90m';
  ELSIF length(schedule) > 256 THEN
    RAISE EXCEPTION 'Invalid cron expression: % characters', length(schedule)
      USING ERRCODE = 'PC002', DETAIL = 'field: schedule', HINT = 'a schedule has at most 256 characters';
  ELSIF schedule ~ '[^\t\x20-\x7eµ]' THEN
    RAISE EXCEPTION 'Invalid cron expression: % has a character that no schedule has', quote_literal(schedule)
      USING ERRCODE = 'PC002', DETAIL = 'field: schedule', HINT = 'use printable ASCII characters, blanks and tabs only';
  ELSIF btrim(schedule, E' \t') ~ '^@' OR schedule ~* '^\s*[0-9]+\s+seconds?\s*$' THEN
    RETURN;
  END IF;
  fields := cardinality(regexp_split_to_array(btrim(schedule, E' \t'), '[ \t]+'));
  IF fields NOT BETWEEN 5 AND 7 THEN
    RAISE EXCEPTION 'Invalid cron expression: % has % field%', quote_literal(schedule), fields, CASE fields WHEN 1 THEN '' ELSE 's' END
      USING ERRCODE = 'PC002', DETAIL = 'field: schedule',
      HINT = 'write 5 fields (minute hour day month weekday), 6 with seconds first, or 7 with seconds first and the year last';
  END IF;
END $$;
COMMENT ON FUNCTION pgcron.check_schedule_text(text, text) IS
  'Raises invalid_schedule (PC002) when a schedule''s length, characters or field count are wrong.';
