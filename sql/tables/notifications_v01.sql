-- Notifications: what goes wrong is an alert, what is worth telling is a row of cron_outbox, and each channel that wants it gets a
-- delivery. Everything up to the delivery is SQL; only sending one needs a worker.

-- An open alert is a condition that goes on: a streak of failures, a job that is late. One alert, one notification.
CREATE TABLE pgcron.cron_alert (
  id uuid PRIMARY KEY DEFAULT pgcron.uuid_v7(),
  kind text NOT NULL,
  job_id uuid REFERENCES pgcron.cron_job ON DELETE CASCADE,
  job_name text,
  source_id uuid,
  last_seq bigint,
  count integer NOT NULL DEFAULT 1,
  detail jsonb NOT NULL DEFAULT '{}',
  opened_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  told_at timestamptz,
  acknowledged_at timestamptz,
  acknowledged_by text,
  resolved_at timestamptz,
  CONSTRAINT cron_alert_kind_values CHECK (kind IN ('failing', 'late', 'missed', 'slow', 'unsuccessful', 'no_worker', 'fleet_silent')),
  CONSTRAINT cron_alert_count_range CHECK (count >= 1),
  CONSTRAINT cron_alert_acknowledged CHECK ((acknowledged_at IS NULL) = (acknowledged_by IS NULL) AND length(acknowledged_by) <= 200),
  CONSTRAINT cron_alert_finite_times CHECK (GREATEST(opened_at, told_at, acknowledged_at, resolved_at) < '9000-01-01 00:00:00+00')
);
CREATE UNIQUE INDEX cron_alert_open_idx ON pgcron.cron_alert (job_id, kind) NULLS NOT DISTINCT WHERE resolved_at IS NULL;
CREATE INDEX cron_alert_job_idx ON pgcron.cron_alert (job_id, kind, id);

-- When somebody looked last for what nobody's transaction tells, and the limits of that look. Its lock: one worker looks.
CREATE TABLE pgcron.cron_watch (
  id smallint PRIMARY KEY DEFAULT 1,
  looked_at timestamptz,
  every_ms bigint NOT NULL DEFAULT 15000,
  no_worker_after_ms bigint NOT NULL DEFAULT 300000,
  silent_after_ms bigint NOT NULL DEFAULT 120000,
  CONSTRAINT cron_watch_one_row CHECK (id = 1),
  CONSTRAINT cron_watch_range CHECK (every_ms BETWEEN 100 AND 3600000 AND no_worker_after_ms BETWEEN 0 AND 2678400000
    AND silent_after_ms BETWEEN 1000 AND 2678400000),
  CONSTRAINT cron_watch_finite_times CHECK (looked_at < '9000-01-01 00:00:00+00')
) WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 200);
INSERT INTO pgcron.cron_watch DEFAULT VALUES;

-- What of a channel's URL may be seen: its scheme, and the host where that is no secret. Tokens may be anywhere else in it.
CREATE FUNCTION pgcron.channel_address(p_url text) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog AS $$
  SELECT substring(p_url FROM '^[^:]+://') || CASE
    WHEN p_url ~ '^((webhook\+)?https?|mailtos?)://' AND p_url !~ '://[^/]*/.*@'  -- a password may hold a slash
      THEN coalesce(substring(p_url FROM '://(?:[^/]*@)?([A-Za-z0-9._-]+(?::[0-9]{1,5})?)(?:[/?#].*)?$') || '/', '') ELSE '' END || '***'
$$;
COMMENT ON FUNCTION pgcron.channel_address(text) IS 'A channel''s URL without anything that may be a secret.';

CREATE TABLE pgcron.cron_channel (
  id uuid PRIMARY KEY DEFAULT pgcron.uuid_v7(),
  name text NOT NULL,
  url text NOT NULL,
  address text NOT NULL GENERATED ALWAYS AS (pgcron.channel_address(url)) STORED,
  secret text,
  events text[],
  tags text[],
  jobs text[],
  is_enabled boolean NOT NULL DEFAULT true,
  created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  updated_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  CONSTRAINT cron_channel_name_key UNIQUE (name),
  CONSTRAINT cron_channel_name_form CHECK (length(name) BETWEEN 1 AND 100 AND name !~ '[[:cntrl:]]' AND name = btrim(name)),
  CONSTRAINT cron_channel_url_form CHECK (length(url) <= 4000 AND url ~ '^[a-z][a-z0-9+.-]{1,40}://[^[:space:][:cntrl:]]+$'),
  CONSTRAINT cron_channel_secret_form CHECK (length(secret) BETWEEN 16 AND 200 AND secret !~ '[[:cntrl:]]'),
  CONSTRAINT cron_channel_events_values CHECK (cardinality(events) > 0 AND events <@ ARRAY['failed', 'recovered', 'auto_disabled', 'late',
    'missed', 'slow', 'unsuccessful', 'no_worker', 'fleet_silent', 'test']),
  CONSTRAINT cron_channel_filters_form CHECK (cardinality(tags) BETWEEN 1 AND 50 AND array_position(tags, NULL) IS NULL
    AND cardinality(jobs) BETWEEN 1 AND 50 AND array_position(jobs, NULL) IS NULL)
);

CREATE TABLE pgcron.cron_mute (
  id uuid PRIMARY KEY DEFAULT pgcron.uuid_v7(),
  channel_id uuid REFERENCES pgcron.cron_channel ON DELETE CASCADE,
  job_id uuid REFERENCES pgcron.cron_job ON DELETE CASCADE,
  starts_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  ends_at timestamptz NOT NULL,
  reason text,
  muted_by text NOT NULL,
  created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  CONSTRAINT cron_mute_window CHECK (starts_at < ends_at),
  CONSTRAINT cron_mute_words_length CHECK (length(reason) <= 1000 AND length(muted_by) <= 200),
  CONSTRAINT cron_mute_finite_times CHECK (ends_at < '9000-01-01 00:00:00+00' AND starts_at > '1900-01-01 00:00:00+00')
);
CREATE INDEX cron_mute_ends_idx ON pgcron.cron_mute (ends_at);

-- One message to one receiver: of an outbox row to a channel, or a ping of a run to its job's ping_url. next_attempt_at is also the
-- lease of whoever sends it just now: a worker that dies meanwhile leaves it to the others.
CREATE TABLE pgcron.cron_delivery (
  id uuid PRIMARY KEY DEFAULT pgcron.uuid_v7(),
  seq bigint NOT NULL GENERATED ALWAYS AS IDENTITY,
  kind text NOT NULL DEFAULT 'notification',
  outbox_id uuid REFERENCES pgcron.cron_outbox ON DELETE CASCADE,
  channel_id uuid REFERENCES pgcron.cron_channel ON DELETE CASCADE,
  alert_id uuid,
  job_id uuid REFERENCES pgcron.cron_job ON DELETE CASCADE,
  run_id uuid,
  ping text,
  lane uuid NOT NULL GENERATED ALWAYS AS (coalesce(channel_id, job_id)) STORED,
  state text NOT NULL DEFAULT 'PENDING',
  is_muted boolean NOT NULL DEFAULT false,
  attempts integer NOT NULL DEFAULT 0,
  next_attempt_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  claim_token uuid,
  last_error text,
  created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  ended_at timestamptz,
  CONSTRAINT cron_delivery_kind_values CHECK (kind IN ('notification', 'ping')),
  CONSTRAINT cron_delivery_of_kind CHECK (CASE kind
    WHEN 'notification' THEN outbox_id IS NOT NULL AND channel_id IS NOT NULL AND job_id IS NULL AND ping IS NULL
    ELSE outbox_id IS NULL AND channel_id IS NULL AND job_id IS NOT NULL AND run_id IS NOT NULL AND ping IN ('success', 'fail') END),
  CONSTRAINT cron_delivery_state_values CHECK (state IN ('PENDING', 'DELIVERED', 'GIVEN_UP', 'SKIPPED')),
  CONSTRAINT cron_delivery_ended CHECK ((state = 'PENDING') = (ended_at IS NULL)),
  CONSTRAINT cron_delivery_error_length CHECK (length(last_error) <= 1000),
  CONSTRAINT cron_delivery_finite_times CHECK (GREATEST(next_attempt_at, created_at, ended_at) < '9000-01-01 00:00:00+00'),
  CONSTRAINT cron_delivery_outbox_channel_key UNIQUE (outbox_id, channel_id)
) WITH (fillfactor = 80);
CREATE INDEX cron_delivery_due_idx ON pgcron.cron_delivery (next_attempt_at) WHERE state = 'PENDING';
-- No index leads with the lane of notifications: one channel may have thousands, and a plan made before that would walk them for each.
CREATE INDEX cron_delivery_order_idx ON pgcron.cron_delivery (alert_id, lane, seq) WHERE state = 'PENDING' AND alert_id IS NOT NULL;
CREATE INDEX cron_delivery_pings_idx ON pgcron.cron_delivery (job_id, seq) WHERE state = 'PENDING' AND kind = 'ping';
CREATE INDEX cron_delivery_alert_idx ON pgcron.cron_delivery (alert_id) WHERE alert_id IS NOT NULL;
CREATE INDEX cron_delivery_given_up_idx ON pgcron.cron_delivery (ended_at) WHERE state = 'GIVEN_UP';

CREATE INDEX cron_job_pinged_idx ON pgcron.cron_job (id) WHERE ping_url IS NOT NULL;
