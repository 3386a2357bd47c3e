REVOKE ALL ON FUNCTION pgcron.job_changes(pg_snapshot) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION pgcron.job_changes(pg_snapshot) TO pgcron_reader;
REVOKE ALL ON FUNCTION pgcron.forecast_starts(uuid[], timestamptz, timestamptz, integer, integer) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION pgcron.forecast_starts(uuid[], timestamptz, timestamptz, integer, integer) TO pgcron_reader;
