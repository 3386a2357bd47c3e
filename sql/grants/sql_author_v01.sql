REVOKE ALL ON FUNCTION pgcron.must_be_sql_author(), pgcron.cron_job_sql_author(), pgcron.cron_request_sql_author() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION pgcron.must_be_sql_author() TO pgcron_worker;  -- as the triggers of others' statements
