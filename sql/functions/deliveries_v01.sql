-- Delivery at least once: outbox rows are dispatched to channels, then taken, sent and settled. No transaction is open while one is sent.

-- A job's name against a pattern in which * stands for anything.
CREATE FUNCTION pgcron.name_matches(p_name text, p_pattern text) RETURNS boolean LANGUAGE sql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog AS $$
  SELECT p_name LIKE replace(replace(replace(replace(p_pattern, '\', '\\'), '_', '\_'), '%', '\%'), '*', '%')
$$;
COMMENT ON FUNCTION pgcron.name_matches(text, text) IS 'Whether a name is like a pattern in which * stands for anything.';

-- What concerns no job goes to channels without a filter of jobs, and to those that name the event.
CREATE FUNCTION pgcron.dispatch_outbox(p_limit integer) RETURNS integer LANGUAGE plpgsql SET search_path = pgcron, pg_catalog, pg_temp AS $$
DECLARE
  messages uuid[];
BEGIN
  SELECT array_agg(o.id) INTO messages FROM (
    SELECT x.id FROM pgcron.cron_outbox x WHERE x.dispatched_at IS NULL ORDER BY x.seq LIMIT p_limit FOR UPDATE SKIP LOCKED) o;
  IF messages IS NULL THEN
    RETURN 0;
  END IF;
  INSERT INTO pgcron.cron_delivery (outbox_id, channel_id, alert_id)
  SELECT o.id, c.id, o.alert_id FROM pgcron.cron_outbox o LEFT JOIN pgcron.cron_job j ON j.id = o.job_id
    JOIN pgcron.cron_channel c ON (c.is_enabled OR o.event = 'test') AND CASE
      WHEN o.payload ? 'channel' THEN c.id = (o.payload ->> 'channel')::uuid
      WHEN c.events IS NULL THEN true ELSE o.event = ANY (c.events) END
   WHERE o.id = ANY (messages) AND (o.payload ? 'channel' OR CASE
      WHEN o.job_id IS NULL THEN c.tags IS NULL AND c.jobs IS NULL OR o.event = ANY (c.events)
      ELSE (c.tags IS NULL OR j.tags && c.tags)
       AND (c.jobs IS NULL OR EXISTS (SELECT FROM unnest(c.jobs) p WHERE pgcron.name_matches(o.job_name, p))) END)
   ORDER BY o.seq
  ON CONFLICT (outbox_id, channel_id) DO NOTHING;
  UPDATE pgcron.cron_outbox SET dispatched_at = clock_timestamp() WHERE id = ANY (messages);
  RETURN cardinality(messages);
END $$;
COMMENT ON FUNCTION pgcron.dispatch_outbox(integer) IS 'Makes the deliveries of new outbox rows, one for each channel that wants it; how many rows there were.';

CREATE FUNCTION pgcron.muted_until(p_channel uuid, p_job uuid) RETURNS timestamptz LANGUAGE sql STABLE SET search_path = pgcron, pg_catalog, pg_temp AS $$
  SELECT max(m.ends_at) FROM pgcron.cron_mute m
   WHERE m.starts_at <= clock_timestamp() AND m.ends_at > clock_timestamp()
     AND (m.channel_id IS NULL OR m.channel_id = p_channel) AND (m.job_id IS NULL OR m.job_id = p_job)
$$;
COMMENT ON FUNCTION pgcron.muted_until(uuid, uuid) IS 'Until when messages about this job are not sent to this channel; NULL: they are.';

-- Seconds before the next attempt: 10, 30, 90, … at most an hour, more or less.
CREATE FUNCTION pgcron.delivery_backoff(p_attempts integer) RETURNS interval LANGUAGE sql VOLATILE SET search_path = pg_catalog AS $$
  SELECT LEAST(10 * 3.0 ^ LEAST(p_attempts - 1, 10), 3600) * (0.8 + 0.4 * random()) * interval '1 s'
$$;
COMMENT ON FUNCTION pgcron.delivery_backoff(integer) IS 'How long to wait after so many failed attempts.';

-- Takes what is due, of each lane (a channel, or the pings of a job) the oldest, none of p_busy: one that hangs delays itself only.
-- Within an alert, the order is kept: nobody hears of a recovery before the failure. A message that was muted is sent after the
-- window if its alert is still open then. p_lease_ms: after so long it is anybody's again.
CREATE FUNCTION pgcron.take_deliveries(p_limit integer, p_lease_ms integer, p_busy uuid[] DEFAULT '{}')
RETURNS TABLE (id uuid, token uuid, kind text, attempt integer, lane uuid, url text, secret text, message jsonb)
LANGUAGE plpgsql SET search_path = pgcron, pg_catalog, pg_temp SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off AS $$
#variable_conflict use_column
DECLARE
  due uuid[];
BEGIN
  WHILE pgcron.dispatch_outbox(200) = 200 LOOP END LOOP;

  SELECT array_agg(h.id) INTO due FROM (
    SELECT f.id FROM (
      SELECT DISTINCT ON (x.lane) x.id, x.next_attempt_at FROM pgcron.cron_delivery x
       WHERE x.state = 'PENDING' AND x.next_attempt_at <= (SELECT clock_timestamp()) AND NOT x.lane = ANY (p_busy)
         AND NOT EXISTS (SELECT FROM pgcron.cron_delivery e WHERE e.state = 'PENDING' AND e.alert_id = x.alert_id AND e.lane = x.lane AND e.seq < x.seq)
       ORDER BY x.lane, x.seq) f
     ORDER BY f.next_attempt_at LIMIT p_limit) h;
  SELECT array_agg(d.id) INTO due FROM (
    SELECT x.id FROM pgcron.cron_delivery x
     WHERE x.id = ANY (due) AND x.state = 'PENDING' AND x.next_attempt_at <= clock_timestamp() ORDER BY x.seq FOR UPDATE SKIP LOCKED) d;

  UPDATE pgcron.cron_delivery d SET is_muted = true, next_attempt_at = m.until FROM (
    SELECT x.id, pgcron.muted_until(x.channel_id, o.job_id) AS until FROM pgcron.cron_delivery x JOIN pgcron.cron_outbox o ON o.id = x.outbox_id
     WHERE x.id = ANY (due) AND o.event <> 'test') m
   WHERE d.id = m.id AND m.until IS NOT NULL;

  UPDATE pgcron.cron_delivery d SET state = s.state, ended_at = clock_timestamp(), claim_token = NULL, last_error = coalesce(s.why, d.last_error)
    FROM (SELECT x.id, v.* FROM pgcron.cron_delivery x LEFT JOIN pgcron.cron_outbox o ON o.id = x.outbox_id
      LEFT JOIN pgcron.cron_channel c ON c.id = x.channel_id LEFT JOIN pgcron.cron_alert a ON a.id = x.alert_id CROSS JOIN LATERAL (
        SELECT 'SKIPPED', 'its alert was not told either' WHERE o.event = 'recovered'
          AND EXISTS (SELECT FROM pgcron.cron_delivery t WHERE t.channel_id = x.channel_id AND t.alert_id = x.alert_id AND t.state = 'SKIPPED')
          AND NOT EXISTS (SELECT FROM pgcron.cron_delivery t WHERE t.channel_id = x.channel_id AND t.alert_id = x.alert_id AND t.state = 'DELIVERED')
        UNION ALL SELECT 'SKIPPED', 'muted, and over since' WHERE x.is_muted AND o.event <> 'recovered' AND a.resolved_at IS NOT NULL
        UNION ALL SELECT 'SKIPPED', 'the channel is disabled' WHERE NOT c.is_enabled AND o.event <> 'test'
        UNION ALL SELECT 'SKIPPED', 'too old' WHERE x.kind = 'ping' AND x.created_at < clock_timestamp() - interval '1 h'
        UNION ALL SELECT 'GIVEN_UP', NULL WHERE x.attempts >= 12  -- whoever sent it never came to say how it went
        LIMIT 1) v (state, why)
     WHERE x.id = ANY (due) AND x.next_attempt_at <= clock_timestamp()) s
   WHERE d.id = s.id;
  DELETE FROM pgcron.cron_delivery d WHERE d.id = ANY (due) AND d.kind = 'ping' AND d.state <> 'PENDING';

  RETURN QUERY
  WITH taken AS (
    UPDATE pgcron.cron_delivery d SET attempts = d.attempts + 1, claim_token = gen_random_uuid(), is_muted = false,
      next_attempt_at = clock_timestamp() + p_lease_ms * interval '1 ms'
     WHERE d.id = ANY (due) AND d.state = 'PENDING' AND d.next_attempt_at <= clock_timestamp()
    RETURNING d.*
  )
  SELECT t.id, t.claim_token, t.kind, t.attempts, t.lane, coalesce(c.url, j.ping_url), c.secret,
    CASE t.kind WHEN 'ping' THEN jsonb_build_object('ping', t.ping, 'run_id', t.run_id, 'error', left(l.error, 1000), 'reason', l.reason)
      ELSE jsonb_build_object('id', o.id, 'event', o.event, 'at', o.created_at, 'job', o.job_name, 'run_id', o.run_id, 'alert_id', o.alert_id,
        'database', current_database(), 'payload', o.payload) END
    FROM taken t LEFT JOIN pgcron.cron_outbox o ON o.id = t.outbox_id LEFT JOIN pgcron.cron_channel c ON c.id = t.channel_id
    LEFT JOIN pgcron.cron_job j ON j.id = t.job_id LEFT JOIN pgcron.cron_log l ON l.id = t.run_id
   WHERE c.url IS NOT NULL OR j.ping_url IS NOT NULL ORDER BY t.seq;
END $$;
COMMENT ON FUNCTION pgcron.take_deliveries(integer, integer, uuid[]) IS
  'Takes deliveries that are due, for p_lease_ms, with all that is needed to send them; for workers.';

-- Only by whoever took it last. A ping that was superseded by a later one of its job is not tried again.
CREATE FUNCTION pgcron.settle_delivery(p_delivery uuid, p_token uuid, p_error text) RETURNS text
LANGUAGE plpgsql SET search_path = pgcron, pg_catalog, pg_temp AS $$
DECLARE
  it record;
  outcome text;
BEGIN
  SELECT * INTO it FROM pgcron.cron_delivery WHERE id = p_delivery AND claim_token = p_token AND state = 'PENDING' FOR UPDATE;
  IF NOT FOUND THEN
    RETURN 'LOST';
  ELSIF p_error IS NULL THEN
    outcome := 'DELIVERED';
  ELSIF it.attempts >= 12 THEN
    outcome := 'GIVEN_UP';
  ELSIF it.kind = 'ping' AND EXISTS (SELECT FROM pgcron.cron_delivery n WHERE n.state = 'PENDING' AND n.kind = 'ping' AND n.job_id = it.job_id AND n.seq > it.seq) THEN
    outcome := 'SKIPPED';
  ELSE
    outcome := 'PENDING';
  END IF;
  IF it.kind = 'ping' AND outcome <> 'PENDING' THEN
    DELETE FROM pgcron.cron_delivery WHERE id = p_delivery;
  ELSE
    UPDATE pgcron.cron_delivery SET state = outcome, claim_token = NULL, last_error = left(p_error, 1000),
      ended_at = CASE WHEN outcome <> 'PENDING' THEN clock_timestamp() END,
      next_attempt_at = CASE WHEN outcome = 'PENDING' THEN clock_timestamp() + pgcron.delivery_backoff(attempts) ELSE next_attempt_at END
     WHERE id = p_delivery;
  END IF;
  RETURN outcome;
END $$;
COMMENT ON FUNCTION pgcron.settle_delivery(uuid, uuid, text) IS
  'Enters how an attempt ended (NULL: well): DELIVERED, PENDING (it is tried again), GIVEN_UP, SKIPPED, or LOST (somebody else has it).';

-- A hint for idle notifiers: rare, because only what opens or resolves an alert is written here.
CREATE FUNCTION pgcron.cron_outbox_notify() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  PERFORM pg_notify('pgcron', 'outbox');
  RETURN NULL;
END $$;
CREATE TRIGGER cron_outbox_notify AFTER INSERT ON pgcron.cron_outbox FOR EACH STATEMENT EXECUTE FUNCTION pgcron.cron_outbox_notify();

CREATE FUNCTION pgcron.delivery_in() RETURNS double precision LANGUAGE sql VOLATILE SET search_path = pgcron, pg_catalog, pg_temp AS $$
  SELECT CASE WHEN EXISTS (SELECT FROM pgcron.cron_outbox o WHERE o.dispatched_at IS NULL) THEN 0 ELSE
    (SELECT extract(epoch FROM min(d.next_attempt_at) - clock_timestamp()) FROM pgcron.cron_delivery d WHERE d.state = 'PENDING') END
$$;
COMMENT ON FUNCTION pgcron.delivery_in() IS 'In how many seconds a delivery is due, 0 or less when one is; NULL: none waits.';

-- Each statement sees what those before it did: an alert that was just opened is due.
CREATE FUNCTION pgcron.look_around(OUT pinged jsonb, OUT due_in double precision)
LANGUAGE plpgsql SET search_path = pgcron, pg_catalog, pg_temp AS $$
BEGIN
  PERFORM pgcron.check_alerts();
  PERFORM pgcron.seal_audit(5000);  -- one look for the whole fleet: what a bulk change wrote must not wait for hours
  SELECT coalesce(jsonb_object_agg(j.id, j.ping_url), '{}') INTO pinged FROM pgcron.cron_job j WHERE j.ping_url IS NOT NULL;
  due_in := pgcron.delivery_in();
END $$;
COMMENT ON FUNCTION pgcron.look_around() IS
  'All that a worker asks when a glance found reason to, in one statement: alerts, the audit''s seal, which jobs are pinged, in how many seconds a delivery is due (NULL: none waits).';
