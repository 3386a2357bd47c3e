REVOKE ALL ON FUNCTION pgcron.job_changes(pg_snapshot) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION pgcron.job_changes(pg_snapshot) TO pgcron_reader;
