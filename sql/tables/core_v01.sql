-- The tables of schema pgcron. Read sql/README.md first: it explains what a row of each means and who may change it.

-- Time-ordered ids that are the same on PostgreSQL 15 to 18: a random UUID whose first 48 bits are replaced by
-- the database's clock in milliseconds (RFC 9562, version 7).
CREATE FUNCTION pgcron.uuid_v7() RETURNS uuid LANGUAGE sql VOLATILE PARALLEL SAFE SET search_path = pg_catalog AS $$
  SELECT encode(set_bit(set_bit(overlay(uuid_send(gen_random_uuid())
      PLACING substring(int8send((extract(epoch FROM clock_timestamp()) * 1000)::bigint) FROM 3) FROM 1 FOR 6),
      52, 1), 53, 1), 'hex')::uuid
$$;
COMMENT ON FUNCTION pgcron.uuid_v7() IS 'A time-ordered UUID, version 7, from the database''s clock.';

CREATE TABLE pgcron.cron_job (
  id uuid PRIMARY KEY DEFAULT pgcron.uuid_v7(),
  name text NOT NULL,
  description text,
  schedule text NOT NULL,
  extra_schedules text[] NOT NULL DEFAULT '{}',
  excluded_schedules text[] NOT NULL DEFAULT '{}',
  timezone text NOT NULL DEFAULT 'UTC',
  start_at timestamptz,
  end_at timestamptz,
  max_runs bigint,
  handler text NOT NULL,
  args jsonb NOT NULL DEFAULT '{}',
  is_enabled boolean NOT NULL DEFAULT true,
  is_locked boolean NOT NULL DEFAULT false,
  owner text,
  tags text[] NOT NULL DEFAULT '{}',
  queue text NOT NULL DEFAULT 'default',
  priority smallint NOT NULL DEFAULT 0,
  runs_alone boolean NOT NULL DEFAULT false,
  min_version text,
  -- where the definition comes from
  origin text NOT NULL DEFAULT 'sql',
  app text,
  release text,
  declared_schedule text,
  declaration jsonb,
  undeclared_at timestamptz,
  -- policies
  is_exclusive boolean NOT NULL DEFAULT true,
  overlap_policy text NOT NULL DEFAULT 'skip',
  max_running integer NOT NULL DEFAULT 1,
  catchup_policy text NOT NULL DEFAULT 'latest',
  catchup_window_ms bigint,
  starting_deadline_ms bigint,
  timeout_ms bigint,
  max_attempts integer NOT NULL DEFAULT 1,
  backoff_ms bigint NOT NULL DEFAULT 1000,
  backoff_max_ms bigint NOT NULL DEFAULT 60000,
  retry_on text[] NOT NULL DEFAULT '{}',
  no_retry_on text[] NOT NULL DEFAULT '{}',
  memory_limit_mib integer,
  is_idempotent boolean NOT NULL DEFAULT false,
  jitter_ms bigint NOT NULL DEFAULT 0,
  dst_gap text,
  dst_fold text,
  max_consecutive_failures integer DEFAULT 3,
  notify_on_failure boolean NOT NULL DEFAULT true,
  retention_days integer,
  retention_count integer,
  log_level text NOT NULL DEFAULT 'all',
  must_succeed_every_ms bigint,
  late_after_ms bigint,
  slow_after_ms bigint,
  slow_factor double precision,
  ping_url text,
  -- why and since when it does not run
  disabled_at timestamptz,
  disabled_by text,
  disabled_reason text,
  disabled_until timestamptz,
  schedule_error text,
  skip_until timestamptz,
  -- the plan: written by workers under the row's lock
  anchor_at timestamptz NOT NULL DEFAULT date_trunc('second', clock_timestamp()),
  next_scheduled_for timestamptz,
  next_run_at timestamptz,
  next_request_at timestamptz,
  claim_at timestamptz GENERATED ALWAYS AS (LEAST(next_run_at, next_request_at)) STORED,
  requests_waiting boolean NOT NULL DEFAULT false,
  needs_plan boolean NOT NULL DEFAULT true,
  replan_at timestamptz,
  replan_reason text,
  planned jsonb,
  planned_from timestamptz,
  ledger_from timestamptz NOT NULL DEFAULT clock_timestamp(),
  covers_from timestamptz NOT NULL DEFAULT clock_timestamp(),
  -- counters: moved in the transaction of the run they count
  run_seq bigint NOT NULL DEFAULT 0,
  scheduled_runs bigint NOT NULL DEFAULT 0,
  running_count integer NOT NULL DEFAULT 0,
  last_run_at timestamptz,
  last_completed_at timestamptz,
  success_count bigint NOT NULL DEFAULT 0,
  failure_count bigint NOT NULL DEFAULT 0,
  consecutive_failures integer NOT NULL DEFAULT 0,
  strikes_from_seq bigint NOT NULL DEFAULT 0,
  duration_sum_ms bigint NOT NULL DEFAULT 0,
  average_duration double precision GENERATED ALWAYS AS
    (CASE WHEN success_count > 0 THEN duration_sum_ms::double precision / success_count END) STORED,
  archived_success bigint NOT NULL DEFAULT 0,
  archived_failure bigint NOT NULL DEFAULT 0,
  archived_duration_sum_ms bigint NOT NULL DEFAULT 0,
  -- moved by definition columns only
  version integer NOT NULL DEFAULT 1,
  created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  updated_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  CONSTRAINT cron_job_name_key UNIQUE (name),
  -- Rules of definition columns are asked by a trigger (see triggers/job_rules_v01.sql), only when such a column is written: an UPDATE compiles
  -- and evaluates every CHECK of its table, and claims and finishes write this one all the time (measured: 0.4 ms a statement).
  CONSTRAINT cron_job_counts CHECK (running_count >= 0 AND success_count >= 0 AND failure_count >= 0
    AND consecutive_failures >= 0 AND run_seq >= 0 AND scheduled_runs >= 0),
  -- psycopg can't read infinity: one such row would break every claim.
  CONSTRAINT cron_job_finite_times CHECK (
    GREATEST(planned_from, next_scheduled_for, next_run_at, next_request_at, ledger_from, covers_from, last_run_at, last_completed_at) < '9000-01-01 00:00:00+00'
    AND LEAST(planned_from, next_scheduled_for, next_run_at, next_request_at, ledger_from, covers_from, last_run_at, last_completed_at) > '1900-01-01 00:00:00+00')
) WITH (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 200,
        autovacuum_analyze_scale_factor = 0.05);

-- The claim's only index: one probe for each (queue, handler) that a worker serves, oldest due first.
CREATE INDEX cron_job_claim_idx ON pgcron.cron_job (queue, handler, claim_at) WHERE is_enabled AND NOT needs_plan AND claim_at IS NOT NULL;
CREATE INDEX cron_job_needs_plan_idx ON pgcron.cron_job (id) WHERE needs_plan;
CREATE INDEX cron_job_disabled_until_idx ON pgcron.cron_job (disabled_until) WHERE NOT is_enabled AND disabled_until IS NOT NULL;
CREATE INDEX cron_job_prioritised_idx ON pgcron.cron_job (id) WHERE priority <> 0;
CREATE INDEX cron_job_alone_idx ON pgcron.cron_job (id) WHERE runs_alone;
CREATE INDEX cron_job_app_idx ON pgcron.cron_job (app) WHERE app IS NOT NULL;

CREATE TABLE pgcron.cron_worker (
  id uuid PRIMARY KEY,
  state text NOT NULL DEFAULT 'LIVE',
  host text NOT NULL,
  pid integer NOT NULL,
  version text NOT NULL,
  app text,
  release text,
  queues text[],
  handlers jsonb NOT NULL DEFAULT '[]',
  concurrency integer NOT NULL,
  drain_requested_at timestamptz,
  drain_requested_by text,
  drain_reason text,
  started_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  ended_at timestamptz,
  CONSTRAINT cron_worker_state_values CHECK (state IN ('LIVE', 'DRAINING', 'GONE', 'DEAD')),
  CONSTRAINT cron_worker_drain_length CHECK (length(drain_requested_by) <= 200 AND length(drain_reason) <= 1000),
  CONSTRAINT cron_worker_finite_times CHECK (GREATEST(started_at, ended_at, drain_requested_at) < '9000-01-01 00:00:00+00')
);
CREATE INDEX cron_worker_live_idx ON pgcron.cron_worker (started_at) WHERE state IN ('LIVE', 'DRAINING');

-- Apart from cron_worker: a claim locks the worker's row FOR SHARE while the beat updates this one, so neither waits.
CREATE TABLE pgcron.cron_lease (
  worker_id uuid PRIMARY KEY REFERENCES pgcron.cron_worker ON DELETE CASCADE,
  lease_until timestamptz NOT NULL,
  ttl_ms integer NOT NULL,
  beat_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  was_renewed boolean NOT NULL DEFAULT false,
  CONSTRAINT cron_lease_finite_times CHECK (GREATEST(lease_until, beat_at) < '9000-01-01 00:00:00+00')
) WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 200);

CREATE TABLE pgcron.cron_request (
  id uuid PRIMARY KEY DEFAULT pgcron.uuid_v7(),
  job_id uuid NOT NULL REFERENCES pgcron.cron_job ON DELETE CASCADE,
  cause text NOT NULL DEFAULT 'manual',
  state text NOT NULL DEFAULT 'PENDING',
  run_after timestamptz NOT NULL DEFAULT clock_timestamp(),
  requested_by text NOT NULL DEFAULT session_user,
  idempotency_key text,
  args jsonb,
  scheduled_for timestamptz,
  covers_from timestamptz,
  covers_to timestamptz,
  overlap_policy text,
  attempt integer NOT NULL DEFAULT 1,
  run_id uuid,
  cancelled_by text,
  cancel_reason text,
  created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  ended_at timestamptz,
  -- Other rules are asked by a trigger (see triggers/request_rules_v01.sql): claims write only what these are about.
  CONSTRAINT cron_request_cancel CHECK (state = 'CANCELLED' OR cancelled_by IS NULL AND cancel_reason IS NULL),
  CONSTRAINT cron_request_ended CHECK (ended_at BETWEEN '1900-01-01 00:00:00+00' AND '9000-01-01 00:00:00+00'),
  CONSTRAINT cron_request_state_values CHECK (state IN ('PENDING', 'CLAIMED', 'CANCELLED', 'EXPIRED')),
  CONSTRAINT cron_request_idempotency_key UNIQUE (job_id, idempotency_key)
) WITH (fillfactor = 80, autovacuum_vacuum_scale_factor = 0.05);
CREATE UNIQUE INDEX cron_request_one_manual_idx ON pgcron.cron_request (job_id) WHERE state = 'PENDING' AND cause = 'manual';
CREATE INDEX cron_request_pending_idx ON pgcron.cron_request (job_id, run_after, id) WHERE state = 'PENDING';

CREATE TABLE pgcron.cron_log (
  id uuid PRIMARY KEY DEFAULT pgcron.uuid_v7(),
  job_id uuid NOT NULL REFERENCES pgcron.cron_job ON DELETE CASCADE,
  seq bigint NOT NULL,
  status text NOT NULL DEFAULT 'RUNNING',
  reason text,
  is_strike boolean NOT NULL DEFAULT false,
  is_exclusive boolean NOT NULL DEFAULT true,
  cause text NOT NULL,
  scheduled_for timestamptz,
  covers_from timestamptz,
  covers_to timestamptz,
  attempt integer NOT NULL DEFAULT 1,
  worker_id uuid NOT NULL,
  request_id uuid,
  requested_by text,
  finish_token uuid,
  backend_pid integer,
  backend_start timestamptz,
  started_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  completed_at timestamptz,
  duration bigint,
  error text,
  stack_trace text,
  metadata jsonb,
  result jsonb,
  progress jsonb,
  cancel_requested_at timestamptz,
  cancel_requested_by text,
  cancel_reason text,
  cancel_is_forced boolean NOT NULL DEFAULT false,
  skip_reason text,
  args jsonb NOT NULL DEFAULT '{}',
  handler text NOT NULL,
  job_version integer NOT NULL,
  schedule text NOT NULL,
  CONSTRAINT cron_log_job_seq_key UNIQUE (job_id, seq),
  CONSTRAINT cron_log_status_values CHECK (status IN ('RUNNING', 'SUCCESS', 'FAILED')),
  CONSTRAINT cron_log_reason_values CHECK (reason IN ('error', 'timeout', 'crashed', 'lost', 'tx_broken', 'output_limit',
    'shutdown', 'cancelled', 'db_error', 'orphaned_claim', 'neighbour')),
  CONSTRAINT cron_log_reason_of_failed CHECK ((status = 'FAILED') = (reason IS NOT NULL)),
  CONSTRAINT cron_log_strike_of_failed CHECK (status = 'FAILED' OR NOT is_strike),
  CONSTRAINT cron_log_skip_of_success CHECK (status = 'SUCCESS' OR skip_reason IS NULL),
  CONSTRAINT cron_log_words_length CHECK (length(cancel_requested_by) <= 200 AND length(cancel_reason) <= 1000 AND length(skip_reason) <= 10000),
  CONSTRAINT cron_log_cause_values CHECK (cause IN ('schedule', 'manual', 'retry', 'backfill', 'buffered')),
  CONSTRAINT cron_log_covers CHECK (covers_from < covers_to AND CASE cause WHEN 'schedule' THEN covers_from IS NOT NULL AND covers_to IS NOT NULL
    WHEN 'buffered' THEN (covers_from IS NULL) = (covers_to IS NULL) ELSE covers_from IS NULL AND covers_to IS NULL END),
  CONSTRAINT cron_log_completed CHECK ((status = 'RUNNING') = (completed_at IS NULL) AND completed_at >= started_at),
  CONSTRAINT cron_log_duration_range CHECK (duration >= 0),
  CONSTRAINT cron_log_error_length CHECK (length(error) <= 10000 AND length(stack_trace) <= 200000),
  CONSTRAINT cron_log_finite_times CHECK (
    GREATEST(scheduled_for, covers_from, covers_to, started_at, completed_at) < '9000-01-01 00:00:00+00'
    AND LEAST(scheduled_for, covers_from, covers_to, started_at, completed_at) > '1900-01-01 00:00:00+00')
) WITH (fillfactor = 85, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_insert_scale_factor = 0.05);

CREATE UNIQUE INDEX cron_log_one_running_idx ON pgcron.cron_log (job_id) WHERE status = 'RUNNING' AND is_exclusive;
CREATE UNIQUE INDEX cron_log_occurrence_idx ON pgcron.cron_log (job_id, scheduled_for) WHERE covers_to IS NOT NULL;
CREATE INDEX cron_log_job_started_idx ON pgcron.cron_log (job_id, started_at);
CREATE INDEX cron_log_running_idx ON pgcron.cron_log (worker_id) WHERE status = 'RUNNING';
CREATE INDEX cron_log_failed_idx ON pgcron.cron_log (job_id, seq) WHERE status = 'FAILED';

CREATE TABLE pgcron.cron_miss (
  id uuid PRIMARY KEY DEFAULT pgcron.uuid_v7(),
  job_id uuid NOT NULL REFERENCES pgcron.cron_job ON DELETE CASCADE,
  reason text NOT NULL,
  covers_from timestamptz NOT NULL,
  covers_to timestamptz NOT NULL,
  first_scheduled_for timestamptz NOT NULL,
  last_scheduled_for timestamptz NOT NULL,
  count bigint NOT NULL,
  is_lower_bound boolean NOT NULL DEFAULT false,
  created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  updated_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  CONSTRAINT cron_miss_reason_values CHECK (reason IN ('overlap', 'coalesced', 'too_late', 'disabled', 'paused', 'blackout',
    'excluded', 'skipped_by_user', 'rescheduled', 'buffer_overflow', 'request_cancelled', 'request_expired', 'no_worker', 'ended')),
  CONSTRAINT cron_miss_covers CHECK (covers_from < covers_to AND first_scheduled_for <= last_scheduled_for),
  CONSTRAINT cron_miss_count_range CHECK (count >= 1),
  CONSTRAINT cron_miss_finite_times CHECK (
    GREATEST(covers_to, last_scheduled_for) < '9000-01-01 00:00:00+00' AND LEAST(covers_from, first_scheduled_for) > '1900-01-01 00:00:00+00')
) WITH (fillfactor = 80);
-- A miss that goes on extends the row that ends where it begins.
CREATE UNIQUE INDEX cron_miss_covers_to_idx ON pgcron.cron_miss (job_id, covers_to);

CREATE TABLE pgcron.cron_actor_key (
  id integer PRIMARY KEY DEFAULT 1,
  key bytea NOT NULL DEFAULT sha256(convert_to(gen_random_uuid()::text || gen_random_uuid()::text, 'UTF8')),
  CONSTRAINT cron_actor_key_one CHECK (id = 1)
);
INSERT INTO pgcron.cron_actor_key DEFAULT VALUES;

CREATE TABLE pgcron.cron_audit (
  id uuid PRIMARY KEY DEFAULT pgcron.uuid_v7(),
  at timestamptz NOT NULL DEFAULT clock_timestamp(),
  action text NOT NULL,
  job_id uuid,
  job_name text,
  job_version integer,
  old_values jsonb,
  new_values jsonb,
  actor text,
  reason text,
  request_id text,
  db_role text NOT NULL DEFAULT session_user,
  application text,
  client_address text,
  transaction_id bigint NOT NULL DEFAULT (pg_current_xact_id()::text)::bigint
);
CREATE INDEX cron_audit_job_idx ON pgcron.cron_audit (job_id, job_version);
CREATE INDEX cron_audit_at_idx ON pgcron.cron_audit (at);

CREATE TABLE pgcron.cron_outbox (
  id uuid PRIMARY KEY DEFAULT pgcron.uuid_v7(),
  seq bigint NOT NULL GENERATED ALWAYS AS IDENTITY,
  event text NOT NULL,
  job_id uuid,
  job_name text,
  run_id uuid,
  alert_id uuid,
  payload jsonb NOT NULL DEFAULT '{}',
  created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  dispatched_at timestamptz,
  read_at timestamptz,
  read_by text,
  CONSTRAINT cron_outbox_event_values CHECK (event IN ('failed', 'recovered', 'auto_disabled', 'late', 'missed', 'slow', 'unsuccessful',
    'no_worker', 'fleet_silent', 'test')),
  CONSTRAINT cron_outbox_payload_object CHECK (jsonb_typeof(payload) = 'object'),
  CONSTRAINT cron_outbox_read CHECK ((read_at IS NULL) = (read_by IS NULL) AND length(read_by) <= 200),
  CONSTRAINT cron_outbox_finite_times CHECK (GREATEST(created_at, dispatched_at, read_at) < '9000-01-01 00:00:00+00')
);
CREATE INDEX cron_outbox_undispatched_idx ON pgcron.cron_outbox (seq) WHERE dispatched_at IS NULL;
CREATE INDEX cron_outbox_unread_idx ON pgcron.cron_outbox (seq) WHERE read_at IS NULL;

CREATE TABLE pgcron.cron_generation (
  generation bigint PRIMARY KEY,
  started_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  worker_id uuid NOT NULL
);

CREATE TABLE pgcron.cron_reaper (
  id smallint PRIMARY KEY DEFAULT 1,
  last_tick timestamptz NOT NULL DEFAULT clock_timestamp(),
  CONSTRAINT cron_reaper_one_row CHECK (id = 1)
) WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 200);
INSERT INTO pgcron.cron_reaper DEFAULT VALUES;

-- Retries of the whole fleet beyond `burst` at once are spread over time, `per_second`: spent_until moves on by one retry's
-- share for each, and lags behind the clock by at most the burst (a token bucket, counted in time).
CREATE TABLE pgcron.cron_retry_budget (
  id smallint PRIMARY KEY DEFAULT 1,
  per_second double precision NOT NULL DEFAULT 50,
  burst integer NOT NULL DEFAULT 500,
  spent_until timestamptz NOT NULL DEFAULT clock_timestamp(),
  CONSTRAINT cron_retry_budget_one_row CHECK (id = 1),
  CONSTRAINT cron_retry_budget_range CHECK (per_second BETWEEN 0.001 AND 1000000 AND burst BETWEEN 1 AND 1000000),
  CONSTRAINT cron_retry_budget_finite_times CHECK (spent_until < '9000-01-01 00:00:00+00')
) WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 200);
INSERT INTO pgcron.cron_retry_budget DEFAULT VALUES;

CREATE TABLE pgcron.cron_meta (
  id smallint PRIMARY KEY DEFAULT 1,
  schema_version integer NOT NULL,
  min_worker_schema integer NOT NULL,
  system_identifier text NOT NULL DEFAULT (pg_control_system()).system_identifier::text,
  database_oid bigint NOT NULL DEFAULT 0,
  adopted_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  adopted_by text NOT NULL DEFAULT session_user,
  paused_at timestamptz,
  paused_by text,
  paused_reason text,
  CONSTRAINT cron_meta_one_row CHECK (id = 1)
);
INSERT INTO pgcron.cron_meta (schema_version, min_worker_schema, database_oid)
SELECT 1, 1, oid::bigint FROM pg_database WHERE datname = current_database();
