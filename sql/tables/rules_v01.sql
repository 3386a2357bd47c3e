-- Rules of the fleet that claims obey: blackout windows, limits, and who runs alone.

CREATE TABLE pgcron.cron_blackout (
  id uuid PRIMARY KEY DEFAULT pgcron.uuid_v7(),
  name text NOT NULL,
  job_id uuid REFERENCES pgcron.cron_job ON DELETE CASCADE,
  tag text,
  action text NOT NULL DEFAULT 'skip',
  starts_at timestamptz,
  ends_at timestamptz,
  schedule text,
  timezone text NOT NULL DEFAULT 'UTC',
  duration_ms bigint,
  reason text,
  created_by text NOT NULL DEFAULT session_user,
  created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  CONSTRAINT cron_blackout_name_key UNIQUE (name),
  CONSTRAINT cron_blackout_name_form CHECK (length(name) BETWEEN 1 AND 200 AND name !~ '[[:cntrl:]]' AND name = btrim(name)),
  CONSTRAINT cron_blackout_action_values CHECK (action IN ('skip', 'delay')),
  CONSTRAINT cron_blackout_scope CHECK (job_id IS NULL OR tag IS NULL),
  CONSTRAINT cron_blackout_time CHECK (CASE WHEN schedule IS NULL
    THEN starts_at IS NOT NULL AND ends_at IS NOT NULL AND starts_at < ends_at AND duration_ms IS NULL
    ELSE starts_at IS NULL AND ends_at IS NULL AND duration_ms IS NOT NULL END),
  CONSTRAINT cron_blackout_duration_range CHECK (duration_ms BETWEEN 1000 AND 2678400000),
  CONSTRAINT cron_blackout_lengths CHECK (length(tag) <= 200 AND length(timezone) BETWEEN 1 AND 64 AND length(reason) <= 1000
    AND length(created_by) <= 200),
  CONSTRAINT cron_blackout_finite_times CHECK (ends_at < '9000-01-01 00:00:00+00' AND starts_at > '1900-01-01 00:00:00+00')
);
COMMENT ON TABLE pgcron.cron_blackout IS 'Windows in which jobs do not start: once (starts_at to ends_at), or each time a schedule fires for so long.';
COMMENT ON COLUMN pgcron.cron_blackout.id IS 'Its id.';
COMMENT ON COLUMN pgcron.cron_blackout.name IS 'Its name, unique.';
COMMENT ON COLUMN pgcron.cron_blackout.job_id IS 'The job it is for; NULL, as tag, = for all.';
COMMENT ON COLUMN pgcron.cron_blackout.tag IS 'Jobs with this tag; NULL, as job_id, = for all.';
COMMENT ON COLUMN pgcron.cron_blackout.action IS 'What becomes of an occurrence in the window: skip (a miss, blackout) or delay (it starts when the window ends).';
COMMENT ON COLUMN pgcron.cron_blackout.starts_at IS 'Begin of a window that comes once.';
COMMENT ON COLUMN pgcron.cron_blackout.ends_at IS 'End of a window that comes once; the instant itself is free.';
COMMENT ON COLUMN pgcron.cron_blackout.schedule IS 'When a window begins that comes again and again.';
COMMENT ON COLUMN pgcron.cron_blackout.timezone IS 'The IANA zone of schedule.';
COMMENT ON COLUMN pgcron.cron_blackout.duration_ms IS 'How long each of these windows lasts, milliseconds.';
COMMENT ON COLUMN pgcron.cron_blackout.reason IS 'Why.';
COMMENT ON COLUMN pgcron.cron_blackout.created_by IS 'Who made it, or changed it last.';
COMMENT ON COLUMN pgcron.cron_blackout.created_at IS 'When it was made.';

CREATE TABLE pgcron.cron_limit (
  kind text NOT NULL,
  name text NOT NULL,
  max_running integer,
  per_minute integer,
  burst integer NOT NULL DEFAULT 1,
  spent_until timestamptz NOT NULL DEFAULT clock_timestamp(),
  created_by text NOT NULL DEFAULT session_user,
  created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  CONSTRAINT cron_limit_pkey PRIMARY KEY (kind, name),
  CONSTRAINT cron_limit_kind_values CHECK (kind IN ('queue', 'tag', 'handler')),
  CONSTRAINT cron_limit_name_length CHECK (length(name) BETWEEN 1 AND 300 AND length(created_by) <= 200),
  CONSTRAINT cron_limit_some CHECK (max_running IS NOT NULL OR per_minute IS NOT NULL),
  CONSTRAINT cron_limit_range CHECK (max_running BETWEEN 0 AND 100000 AND per_minute BETWEEN 1 AND 1000000 AND burst BETWEEN 1 AND 1000000),
  CONSTRAINT cron_limit_finite_times CHECK (spent_until < '9000-01-01 00:00:00+00')
) WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 200);
COMMENT ON TABLE pgcron.cron_limit IS 'How much of a queue, a tag or a handler may run at a time, or start in a minute, in the whole fleet. Claims lock the row, then count.';
COMMENT ON COLUMN pgcron.cron_limit.kind IS 'What name names: queue, tag or handler.';
COMMENT ON COLUMN pgcron.cron_limit.name IS 'The queue, the tag or the handler.';
COMMENT ON COLUMN pgcron.cron_limit.max_running IS 'Most runs at a time; 0 = none start; NULL = no such limit.';
COMMENT ON COLUMN pgcron.cron_limit.per_minute IS 'Most starts in a minute, on average; NULL = no such limit.';
COMMENT ON COLUMN pgcron.cron_limit.burst IS 'So many of them may start at once after a pause.';
COMMENT ON COLUMN pgcron.cron_limit.spent_until IS 'The bucket of per_minute: each start moves it on by its share of a minute.';
COMMENT ON COLUMN pgcron.cron_limit.created_by IS 'Who set it last.';
COMMENT ON COLUMN pgcron.cron_limit.created_at IS 'When it was made.';

-- The gate that a worker closes for a job that runs alone, so that the others' runs come to an end.
CREATE TABLE pgcron.cron_alone (
  id smallint PRIMARY KEY DEFAULT 1,
  job_id uuid NOT NULL REFERENCES pgcron.cron_job ON DELETE CASCADE,
  worker_id uuid NOT NULL,
  run_seq bigint NOT NULL,
  closed_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  CONSTRAINT cron_alone_one_row CHECK (id = 1)
) WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 200);
COMMENT ON TABLE pgcron.cron_alone IS 'At most one row: the job that waits to run alone. It holds the others back until the job has started, or its worker''s lease lapses: see alone_gate().';
COMMENT ON COLUMN pgcron.cron_alone.id IS 'Always 1.';
COMMENT ON COLUMN pgcron.cron_alone.job_id IS 'The job that waits.';
COMMENT ON COLUMN pgcron.cron_alone.worker_id IS 'The worker that is going to run it.';
COMMENT ON COLUMN pgcron.cron_alone.run_seq IS 'run_seq of the job when it began to wait: once that moves, it has started.';
COMMENT ON COLUMN pgcron.cron_alone.closed_at IS 'Since when it waits.';
