-- What the REST API keeps: runs now that were accepted lately, answers to requests that may come twice, and bulk actions.

-- Unlogged: a crash of the server forgets who asked in the last minute, which harms nobody.
CREATE UNLOGGED TABLE pgcron.app_run_now (
  id bigint PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
  subject text NOT NULL,
  at timestamptz NOT NULL DEFAULT clock_timestamp(),
  CONSTRAINT app_run_now_form CHECK (length(subject) BETWEEN 1 AND 250 AND at < '9000-01-01 00:00:00+00')
) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 200);
CREATE INDEX app_run_now_subject_idx ON pgcron.app_run_now (subject, at);
CREATE INDEX app_run_now_at_idx ON pgcron.app_run_now (at);
COMMENT ON TABLE pgcron.app_run_now IS 'Runs now that the web admin accepted in the last minute: what its rate limit counts.';
COMMENT ON COLUMN pgcron.app_run_now.id IS 'Identity.';
COMMENT ON COLUMN pgcron.app_run_now.subject IS 'Whose limit it counts for: user … or jwt ….';
COMMENT ON COLUMN pgcron.app_run_now.at IS 'When it was accepted.';

CREATE TABLE pgcron.app_once (
  subject text NOT NULL,
  key text NOT NULL,
  request_hash bytea NOT NULL,
  answer jsonb,
  created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  PRIMARY KEY (subject, key),
  CONSTRAINT app_once_form CHECK (length(subject) BETWEEN 1 AND 250 AND length(key) BETWEEN 1 AND 200 AND octet_length(request_hash) = 32),
  CONSTRAINT app_once_finite_times CHECK (created_at < '9000-01-01 00:00:00+00')
);
CREATE INDEX app_once_created_idx ON pgcron.app_once (created_at);
COMMENT ON TABLE pgcron.app_once IS 'Requests to the REST API with an Idempotency-Key, and what they were answered: for a day.';
COMMENT ON COLUMN pgcron.app_once.subject IS 'Who asked: user … or jwt …. Keys of others are no matter.';
COMMENT ON COLUMN pgcron.app_once.key IS 'The key, as it was sent.';
COMMENT ON COLUMN pgcron.app_once.request_hash IS 'SHA-256 of method, path and body: the key is good for this request only.';
COMMENT ON COLUMN pgcron.app_once.answer IS 'The answer; NULL only inside the transaction that makes it.';
COMMENT ON COLUMN pgcron.app_once.created_at IS 'When it was asked first.';

CREATE TABLE pgcron.cron_bulk (
  id uuid PRIMARY KEY DEFAULT pgcron.uuid_v7(),
  action text NOT NULL,
  params jsonb NOT NULL DEFAULT '{}',
  chosen jsonb NOT NULL,
  state text NOT NULL DEFAULT 'PENDING',
  total integer NOT NULL,
  done integer NOT NULL DEFAULT 0,
  unchanged integer NOT NULL DEFAULT 0,
  refused integer NOT NULL DEFAULT 0,
  cancelled integer NOT NULL DEFAULT 0,
  requested_by text NOT NULL,
  subject text NOT NULL,
  user_id uuid,
  reason text,
  request_id text,
  address text,
  application text,
  created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  started_at timestamptz,
  not_before timestamptz NOT NULL DEFAULT clock_timestamp(),
  ended_at timestamptz,
  ended_by text,
  end_reason text,
  CONSTRAINT cron_bulk_action_values CHECK (action IN ('enable', 'disable', 'run', 'cancel', 'tag', 'untag', 'notify')),
  CONSTRAINT cron_bulk_state_values CHECK (state IN ('PENDING', 'RUNNING', 'DONE', 'CANCELLED')),
  CONSTRAINT cron_bulk_ended CHECK ((state IN ('DONE', 'CANCELLED')) = (ended_at IS NOT NULL)),
  CONSTRAINT cron_bulk_counts CHECK (LEAST(done, unchanged, refused, cancelled) >= 0 AND done + unchanged + refused + cancelled <= total),
  CONSTRAINT cron_bulk_objects CHECK (jsonb_typeof(params) = 'object' AND jsonb_typeof(chosen) = 'object'
    AND octet_length(params::text) <= 10000 AND octet_length(chosen::text) <= 10000),
  CONSTRAINT cron_bulk_lengths CHECK (length(requested_by) BETWEEN 1 AND 200 AND length(subject) BETWEEN 1 AND 250 AND length(reason) <= 1000
    AND length(request_id) <= 200 AND length(address) <= 100 AND length(application) <= 200 AND length(ended_by) <= 200 AND length(end_reason) <= 1000),
  CONSTRAINT cron_bulk_finite_times CHECK (GREATEST(created_at, started_at, not_before, ended_at) < '9000-01-01 00:00:00+00')
);
CREATE INDEX cron_bulk_open_idx ON pgcron.cron_bulk (not_before) WHERE state IN ('PENDING', 'RUNNING');
COMMENT ON TABLE pgcron.cron_bulk IS 'Bulk actions of the web admin: one deed on many jobs, done step by step by whichever process of it takes the next step.';
COMMENT ON COLUMN pgcron.cron_bulk.id IS 'Identity.';
COMMENT ON COLUMN pgcron.cron_bulk.action IS 'enable, disable, run, cancel, tag, untag or notify.';
COMMENT ON COLUMN pgcron.cron_bulk.params IS 'What the action needs besides: tag, until, value, force, overlap.';
COMMENT ON COLUMN pgcron.cron_bulk.chosen IS 'How the jobs were chosen: {"ids": 3}, or the filter that they matched when it was asked.';
COMMENT ON COLUMN pgcron.cron_bulk.state IS 'PENDING, RUNNING, DONE or CANCELLED.';
COMMENT ON COLUMN pgcron.cron_bulk.total IS 'How many jobs.';
COMMENT ON COLUMN pgcron.cron_bulk.done IS 'How many were changed.';
COMMENT ON COLUMN pgcron.cron_bulk.unchanged IS 'How many were so already.';
COMMENT ON COLUMN pgcron.cron_bulk.refused IS 'How many refused, or are gone.';
COMMENT ON COLUMN pgcron.cron_bulk.cancelled IS 'How many it did not come to.';
COMMENT ON COLUMN pgcron.cron_bulk.requested_by IS 'Who asked: the actor of each change in the audit.';
COMMENT ON COLUMN pgcron.cron_bulk.subject IS 'Whose rate limit its runs count for.';
COMMENT ON COLUMN pgcron.cron_bulk.user_id IS 'The user, who must be enabled and permitted at each step; NULL: known by a JWT.';
COMMENT ON COLUMN pgcron.cron_bulk.reason IS 'Why, as the audit has it for each change.';
COMMENT ON COLUMN pgcron.cron_bulk.request_id IS 'The request that asked for it.';
COMMENT ON COLUMN pgcron.cron_bulk.address IS 'The address that asked for it.';
COMMENT ON COLUMN pgcron.cron_bulk.application IS 'The session or token that asked for it.';
COMMENT ON COLUMN pgcron.cron_bulk.created_at IS 'When it was asked for.';
COMMENT ON COLUMN pgcron.cron_bulk.started_at IS 'When its first step was made.';
COMMENT ON COLUMN pgcron.cron_bulk.not_before IS 'No step before this instant: runs now wait for their rate limit.';
COMMENT ON COLUMN pgcron.cron_bulk.ended_at IS 'When it was done or cancelled.';
COMMENT ON COLUMN pgcron.cron_bulk.ended_by IS 'Who cancelled it.';
COMMENT ON COLUMN pgcron.cron_bulk.end_reason IS 'Why it was cancelled.';

CREATE TABLE pgcron.cron_bulk_item (
  bulk_id uuid NOT NULL REFERENCES pgcron.cron_bulk ON DELETE CASCADE,
  n integer NOT NULL,
  job_id uuid NOT NULL,
  job_name text,
  outcome text,
  code text,
  message text,
  request_id uuid,
  at timestamptz,
  PRIMARY KEY (bulk_id, n),
  CONSTRAINT cron_bulk_item_outcome_values CHECK (outcome IN ('done', 'unchanged', 'refused', 'cancelled')),
  CONSTRAINT cron_bulk_item_ended CHECK ((outcome IS NULL) = (at IS NULL) AND at < '9000-01-01 00:00:00+00'),
  CONSTRAINT cron_bulk_item_lengths CHECK (length(code) <= 5 AND length(message) <= 2000)
) WITH (fillfactor = 80);
CREATE INDEX cron_bulk_item_open_idx ON pgcron.cron_bulk_item (bulk_id, n) WHERE outcome IS NULL;
COMMENT ON TABLE pgcron.cron_bulk_item IS 'The jobs of a bulk action, and what became of each.';
COMMENT ON COLUMN pgcron.cron_bulk_item.bulk_id IS 'The bulk action.';
COMMENT ON COLUMN pgcron.cron_bulk_item.n IS 'From 1, in the order in which they are done: by id of the job, as everybody locks them.';
COMMENT ON COLUMN pgcron.cron_bulk_item.job_id IS 'The job; it may be gone.';
COMMENT ON COLUMN pgcron.cron_bulk_item.job_name IS 'Its name when it was chosen; NULL: there was no such job.';
COMMENT ON COLUMN pgcron.cron_bulk_item.outcome IS 'done, unchanged, refused or cancelled; NULL: not yet.';
COMMENT ON COLUMN pgcron.cron_bulk_item.code IS 'SQLSTATE of what it was refused with.';
COMMENT ON COLUMN pgcron.cron_bulk_item.message IS 'Why it was refused.';
COMMENT ON COLUMN pgcron.cron_bulk_item.request_id IS 'The request for a run that was made.';
COMMENT ON COLUMN pgcron.cron_bulk_item.at IS 'When that was.';

-- A page of failures of all jobs asks here; only failures pay for it.
CREATE INDEX cron_log_failures_idx ON pgcron.cron_log (id) WHERE status = 'FAILED';
