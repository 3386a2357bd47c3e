-- Runs for occurrences of the past, on somebody's wish.

CREATE TABLE pgcron.cron_backfill (
  id uuid PRIMARY KEY DEFAULT pgcron.uuid_v7(),
  job_id uuid NOT NULL REFERENCES pgcron.cron_job ON DELETE CASCADE,
  from_at timestamptz NOT NULL,
  to_at timestamptz NOT NULL,
  overlap_policy text NOT NULL,
  per_minute integer,
  total integer NOT NULL,
  requested_by text NOT NULL,
  reason text,
  created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  cancelled_at timestamptz,
  cancelled_by text,
  CONSTRAINT cron_backfill_range CHECK (from_at <= to_at AND total >= 1 AND per_minute BETWEEN 1 AND 1000000),
  CONSTRAINT cron_backfill_overlap_policy_values CHECK (overlap_policy IN ('skip', 'buffer_one', 'buffer_all', 'cancel_other',
    'terminate_other', 'allow_all')),
  CONSTRAINT cron_backfill_lengths CHECK (length(requested_by) <= 200 AND length(cancelled_by) <= 200 AND length(reason) <= 1000),
  CONSTRAINT cron_backfill_finite_times CHECK (to_at < '9000-01-01 00:00:00+00' AND from_at > '1900-01-01 00:00:00+00')
);
CREATE INDEX cron_backfill_job_idx ON pgcron.cron_backfill (job_id, created_at);
ALTER TABLE pgcron.cron_request ADD COLUMN backfill_id uuid REFERENCES pgcron.cron_backfill ON DELETE CASCADE,
  ADD CONSTRAINT cron_request_backfill CHECK ((backfill_id IS NOT NULL) <= (cause = 'backfill'));
CREATE INDEX cron_request_backfill_idx ON pgcron.cron_request (backfill_id, state) WHERE backfill_id IS NOT NULL;

COMMENT ON TABLE pgcron.cron_backfill IS 'Backfills: each asks for a run of every occurrence in a range of the past, through requests of cause backfill.';
COMMENT ON COLUMN pgcron.cron_backfill.id IS 'Its id.';
COMMENT ON COLUMN pgcron.cron_backfill.job_id IS 'The job.';
COMMENT ON COLUMN pgcron.cron_backfill.from_at IS 'Begin of the range, which belongs to it.';
COMMENT ON COLUMN pgcron.cron_backfill.to_at IS 'End of the range, which belongs to it.';
COMMENT ON COLUMN pgcron.cron_backfill.overlap_policy IS 'What becomes of an occurrence whose turn comes while the job runs: buffer_all (it waits), skip (it is left out), buffer_one, cancel_other, terminate_other, or allow_all.';
COMMENT ON COLUMN pgcron.cron_backfill.per_minute IS 'Most starts in a minute; NULL = one after the other as fast as they go.';
COMMENT ON COLUMN pgcron.cron_backfill.total IS 'How many occurrences it asked for.';
COMMENT ON COLUMN pgcron.cron_backfill.requested_by IS 'Who asked.';
COMMENT ON COLUMN pgcron.cron_backfill.reason IS 'Why.';
COMMENT ON COLUMN pgcron.cron_backfill.created_at IS 'When it was asked for.';
COMMENT ON COLUMN pgcron.cron_backfill.cancelled_at IS 'When its waiting occurrences were cancelled.';
COMMENT ON COLUMN pgcron.cron_backfill.cancelled_by IS 'Who cancelled them.';
COMMENT ON COLUMN pgcron.cron_request.backfill_id IS 'The backfill that it is part of.';
