-- Whoever writes a schedule, psql included, is told at once what is wrong with it, and what to write instead.
CREATE OR REPLACE FUNCTION pgcron.check_schedule_text(schedule text, job_name text) RETURNS void
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE SET search_path = pgcron, pg_catalog, pg_temp AS $$
BEGIN
  PERFORM pgcron.schedule_parse(schedule, job_name);
END $$;
COMMENT ON FUNCTION pgcron.check_schedule_text(text, text) IS
  'Raises invalid_schedule (PC002) when the grammar refuses a schedule of the job of this name, or when it can never fire.';
