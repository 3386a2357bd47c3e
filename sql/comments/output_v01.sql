COMMENT ON TABLE pgcron.cron_log_line IS 'Output of runs: of each the first and the last 64 KiB, line by line, without secrets.';
COMMENT ON COLUMN pgcron.cron_log_line.run_id IS 'The run that wrote it.';
COMMENT ON COLUMN pgcron.cron_log_line.line_no IS 'Number of the line within its run, from 1; where numbers are missing, lines were dropped.';
COMMENT ON COLUMN pgcron.cron_log_line.stream IS 'stdout, stderr or log (a logging record; also the line that says what was dropped).';
COMMENT ON COLUMN pgcron.cron_log_line.level IS 'Level of a logging record; DROPPED for the line that says what was dropped.';
COMMENT ON COLUMN pgcron.cron_log_line.at IS 'When the line was written, by the database''s clock.';
COMMENT ON COLUMN pgcron.cron_log_line.text IS 'The line without its end; at most 8192 characters.';

COMMENT ON TABLE pgcron.cron_log_output IS 'How much a run wrote and how much of it is kept. Runs without output have no row.';
COMMENT ON COLUMN pgcron.cron_log_output.run_id IS 'The run.';
COMMENT ON COLUMN pgcron.cron_log_output.lines IS 'Lines that it wrote.';
COMMENT ON COLUMN pgcron.cron_log_output.bytes IS 'Bytes that it wrote, line ends included.';
COMMENT ON COLUMN pgcron.cron_log_output.dropped_lines IS 'Lines that are not kept.';
COMMENT ON COLUMN pgcron.cron_log_output.dropped_bytes IS 'Bytes that are not kept.';
COMMENT ON COLUMN pgcron.cron_log_output.is_complete IS 'The run has ended and nothing more comes. False for ever after a crash.';
COMMENT ON COLUMN pgcron.cron_log_output.updated_at IS 'When this row changed last.';
