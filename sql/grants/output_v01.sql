-- Workers also delete: while a run goes on its last 64 KiB move, and what falls out of them goes.
GRANT SELECT, INSERT, UPDATE, DELETE ON pgcron.cron_log_line, pgcron.cron_log_output TO pgcron_worker;
GRANT SELECT ON pgcron.cron_log_line, pgcron.cron_log_output TO pgcron_reader;
