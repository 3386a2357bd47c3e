-- What a run wrote: its first and its last lines. Written while it goes on, by the supervisor of its worker.
CREATE TABLE pgcron.cron_log_line (
  run_id uuid NOT NULL REFERENCES pgcron.cron_log ON DELETE CASCADE,
  line_no bigint NOT NULL,
  stream text NOT NULL,
  level text,
  at timestamptz NOT NULL,
  text text NOT NULL,
  PRIMARY KEY (run_id, line_no),
  CONSTRAINT cron_log_line_number CHECK (line_no > 0),
  CONSTRAINT cron_log_line_stream_values CHECK (stream IN ('stdout', 'stderr', 'log')),
  CONSTRAINT cron_log_line_length CHECK (octet_length(text) <= 40000 AND length(level) <= 50),
  CONSTRAINT cron_log_line_finite_times CHECK (at < '9000-01-01 00:00:00+00' AND at > '1900-01-01 00:00:00+00')
) WITH (autovacuum_vacuum_scale_factor = 0.05, autovacuum_vacuum_insert_scale_factor = 0.05);

CREATE TABLE pgcron.cron_log_output (
  run_id uuid PRIMARY KEY REFERENCES pgcron.cron_log ON DELETE CASCADE,
  lines bigint NOT NULL,
  bytes bigint NOT NULL,
  dropped_lines bigint NOT NULL DEFAULT 0,
  dropped_bytes bigint NOT NULL DEFAULT 0,
  is_complete boolean NOT NULL DEFAULT false,
  updated_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  CONSTRAINT cron_log_output_counts CHECK (dropped_lines BETWEEN 0 AND lines AND dropped_bytes BETWEEN 0 AND bytes)
) WITH (fillfactor = 80, autovacuum_vacuum_scale_factor = 0.05);
