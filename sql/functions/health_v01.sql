-- What is wrong, asked of the tables alone: no worker need be alive. One row for each check, always the same ones.

CREATE FUNCTION pgcron.names_of(p_names text[]) RETURNS text LANGUAGE sql IMMUTABLE SET search_path = pg_catalog AS $$
  SELECT array_to_string(p_names[1:3], ', ') || CASE WHEN cardinality(p_names) > 3 THEN format(' and %s more', cardinality(p_names) - 3) ELSE '' END
$$;
COMMENT ON FUNCTION pgcron.names_of(text[]) IS 'The first three names, and how many more there are.';

CREATE FUNCTION pgcron.health_checks() RETURNS TABLE (name text, state text, message text, evidence jsonb) LANGUAGE plpgsql STABLE
SET search_path = pgcron, pg_catalog, pg_temp AS $$
#variable_conflict use_column
DECLARE
  now_ timestamptz := clock_timestamp();
  it record;
  live bigint;
  enabled boolean := EXISTS (SELECT FROM cron_job j WHERE j.is_enabled);
BEGIN
  SELECT m.schema_version AS version, m.paused_at, m.paused_by, m.paused_reason,
         m.system_identifier = (pg_control_system()).system_identifier::text
           AND m.database_oid = (SELECT d.oid::bigint FROM pg_database d WHERE d.datname = current_database()) AS is_itself
    INTO it FROM cron_meta m;
  RETURN QUERY SELECT 'schema', CASE WHEN it.is_itself THEN 'ok' ELSE 'critical' END,
    CASE WHEN it.is_itself THEN format('schema version %s', it.version)
         ELSE 'this database is a copy that nobody adopted: workers refuse it' END,
    jsonb_build_object('schema_version', it.version, 'is_itself', it.is_itself);
  RETURN QUERY SELECT 'paused', CASE WHEN it.paused_at IS NULL THEN 'ok' ELSE 'warning' END,
    CASE WHEN it.paused_at IS NULL THEN 'the fleet is not paused'
         ELSE format('all claims are paused since %s by %s%s', it.paused_at, coalesce(it.paused_by, 'somebody'), coalesce(': ' || it.paused_reason, '')) END,
    jsonb_build_object('paused_at', it.paused_at, 'paused_by', it.paused_by);

  SELECT count(*) INTO live FROM cron_lease e WHERE e.lease_until > now_;
  SELECT count(*) FILTER (WHERE e.lease_until <= now_) AS lapsed, GREATEST(max(e.beat_at), (SELECT r.last_tick FROM cron_reaper r)) AS last_beat
    INTO it FROM cron_lease e;
  RETURN QUERY SELECT 'workers', CASE WHEN live > 0 THEN CASE WHEN it.lapsed > 0 THEN 'warning' ELSE 'ok' END WHEN enabled THEN 'critical' ELSE 'warning' END,
    CASE WHEN live = 0 THEN format('no worker is alive: the fleet is silent since %s', it.last_beat)
         ELSE format('%s alive', live) || CASE WHEN it.lapsed > 0 THEN format(', %s silent beyond their lease', it.lapsed) ELSE '' END END,
    jsonb_build_object('live', live, 'lapsed', it.lapsed, 'last_beat', it.last_beat);

  SELECT count(*) AS n, min(o.claim_at) AS since, array_agg(o.name ORDER BY o.claim_at) AS names INTO it FROM (
    SELECT j.name, j.claim_at FROM cron_job j WHERE j.is_enabled AND NOT j.needs_plan
       AND j.claim_at < now_ - coalesce(j.late_after_ms, 60000) * interval '1 ms' ORDER BY j.claim_at LIMIT 1000) o;
  RETURN QUERY SELECT 'overdue', CASE WHEN it.n = 0 THEN 'ok' WHEN it.since < now_ - interval '5 min' THEN 'critical' ELSE 'warning' END,
    CASE WHEN it.n = 0 THEN 'no job is overdue' ELSE format('%s overdue since up to %s: %s', it.n, date_trunc('second', now_ - it.since), names_of(it.names)) END,
    jsonb_build_object('count', it.n, 'since', it.since, 'jobs', to_jsonb(it.names[1:20]));

  RETURN QUERY
    WITH known AS (SELECT * FROM (VALUES
        ('unsuccessful', 'critical', 'every watched job succeeded in time', 'without a success for longer than they may'),
        ('no_worker', 'warning', 'every handler has a worker', 'enabled, with a handler that no live worker has'),
        ('late', 'warning', 'no watched job is late', 'late'),
        ('slow', 'warning', 'no watched job is slow', 'slower than they should be')) v (kind, state, well, ill)
    ), ill AS (
      SELECT c.kind, c.job_name, bool_or(a.told_at IS NOT NULL) AS is_told FROM alert_conditions(now_) c
        LEFT JOIN cron_alert a ON a.job_id = c.job_id AND a.kind = c.kind AND a.resolved_at IS NULL
       WHERE a.acknowledged_at IS NULL GROUP BY c.kind, c.job_name
    )
    SELECT k.kind, CASE WHEN count(i.job_name) = 0 THEN 'ok' WHEN k.kind = 'no_worker' AND bool_or(i.is_told) THEN 'critical' ELSE k.state END,
      CASE WHEN count(i.job_name) = 0 THEN k.well ELSE format('%s %s: %s', count(*), k.ill, names_of(array_agg(i.job_name ORDER BY i.job_name))) END,
      jsonb_build_object('count', count(i.job_name), 'jobs', coalesce(jsonb_agg(i.job_name ORDER BY i.job_name) FILTER (WHERE i.job_name IS NOT NULL), '[]'))
      FROM known k LEFT JOIN ill i ON i.kind = k.kind GROUP BY k.kind, k.state, k.well, k.ill;

  SELECT count(*) AS n, count(*) FILTER (WHERE f.is_off) AS off, array_agg(f.name ORDER BY f.is_off DESC, f.name) AS names INTO it FROM (
    SELECT j.name, NOT j.is_enabled AS is_off FROM cron_job j LEFT JOIN cron_alert a ON a.job_id = j.id AND a.kind = 'failing' AND a.resolved_at IS NULL
     WHERE a.acknowledged_at IS NULL AND (a.id IS NOT NULL AND j.is_enabled OR NOT j.is_enabled AND j.disabled_by = 'pgcron') LIMIT 1000) f;
  RETURN QUERY SELECT 'failing', CASE WHEN it.n = 0 THEN 'ok' WHEN it.off > 0 THEN 'critical' ELSE 'warning' END,
    CASE WHEN it.n = 0 THEN 'no job fails' ELSE format('%s fail, of which %s were disabled: %s', it.n, it.off, names_of(it.names)) END,
    jsonb_build_object('count', it.n, 'disabled', it.off, 'jobs', to_jsonb(it.names[1:20]));

  SELECT count(*) AS n, array_agg(j.name ORDER BY j.name) AS names INTO it FROM cron_job j WHERE j.schedule_error IS NOT NULL;
  RETURN QUERY SELECT 'schedules', CASE WHEN it.n = 0 THEN 'ok' ELSE 'warning' END,
    CASE WHEN it.n = 0 THEN 'every schedule can be read' ELSE format('%s with a schedule that can''t be read: %s', it.n, names_of(it.names)) END,
    jsonb_build_object('count', it.n, 'jobs', to_jsonb(it.names[1:20]));

  SELECT count(*) AS n, min(l.started_at) AS since INTO it FROM cron_log l LEFT JOIN cron_lease e ON e.worker_id = l.worker_id
   WHERE l.status = 'RUNNING' AND coalesce(e.lease_until, l.started_at) < now_ - interval '30 s';
  RETURN QUERY SELECT 'lost_runs', CASE WHEN it.n = 0 THEN 'ok' ELSE 'warning' END,
    CASE WHEN it.n = 0 THEN 'every run has a live worker' ELSE format('%s RUNNING on workers that are gone: the next worker to start ends them', it.n) END,
    jsonb_build_object('count', it.n, 'since', it.since);

  SELECT count(*) FILTER (WHERE d.state = 'PENDING' AND d.created_at < now_ - interval '5 min') AS late, count(*) FILTER (WHERE d.state = 'GIVEN_UP') AS lost,
         (SELECT count(*) FROM cron_outbox o WHERE o.dispatched_at IS NULL AND o.created_at < now_ - interval '5 min') AS undispatched,
         array_agg(DISTINCT c.name) AS names
    INTO it FROM cron_delivery d LEFT JOIN cron_channel c ON c.id = d.channel_id
   WHERE NOT d.is_muted AND d.kind = 'notification' AND (d.state = 'PENDING' OR d.state = 'GIVEN_UP' AND d.ended_at > now_ - interval '1 day');
  RETURN QUERY SELECT 'notifications', CASE WHEN it.lost > 0 THEN 'critical' WHEN it.late + it.undispatched > 0 THEN 'warning' ELSE 'ok' END,
    CASE WHEN it.lost + it.late + it.undispatched = 0 THEN 'every message was delivered'
         ELSE format('%s given up within a day, %s waiting for more than 5 minutes (channels: %s)', it.lost, it.late + it.undispatched, coalesce(names_of(it.names), 'none')) END,
    jsonb_build_object('given_up', it.lost, 'waiting', it.late + it.undispatched, 'channels', to_jsonb(it.names));

  RETURN QUERY SELECT 'notify_queue', CASE WHEN q.used >= 0.5 THEN 'critical' WHEN q.used >= 0.1 THEN 'warning' ELSE 'ok' END,
    format('the queue of LISTEN and NOTIFY is %s %% full', round((q.used * 100)::numeric, 1)), jsonb_build_object('used', q.used)
    FROM pg_notification_queue_usage() q (used);

  SELECT count(*) AS used, current_setting('max_connections')::integer AS most, current_setting('superuser_reserved_connections')::integer AS reserved
    INTO it FROM pg_stat_activity WHERE backend_type = 'client backend';
  RETURN QUERY SELECT 'connections', CASE WHEN it.used >= (it.most - it.reserved) * 0.95 THEN 'critical' WHEN it.used >= (it.most - it.reserved) * 0.8 THEN 'warning' ELSE 'ok' END,
    format('%s of %s connections are used', it.used, it.most - it.reserved),
    jsonb_build_object('used', it.used, 'max_connections', it.most, 'reserved', it.reserved);

  -- Hot tables: dead rows that vacuum did not take yet, and what keeps it from doing so.
  SELECT count(*) AS n, max(s.n_dead_tup) AS dead, array_agg(s.relname::text ORDER BY s.n_dead_tup DESC) AS names,
         bool_or(s.n_dead_tup > 100000 AND s.n_dead_tup > 2 * s.n_live_tup) AS is_bad INTO it FROM pg_stat_user_tables s
   WHERE s.schemaname = 'pgcron' AND s.n_dead_tup > 10000 AND s.n_dead_tup > s.n_live_tup / 2;
  RETURN QUERY SELECT 'bloat', CASE WHEN it.is_bad THEN 'critical' WHEN it.n > 0 OR o.is_off OR o.age > interval '1 h' THEN 'warning' ELSE 'ok' END,
    concat_ws('; ', CASE WHEN it.n > 0 THEN format('dead rows wait for vacuum in %s (%s in the worst)', names_of(it.names), it.dead) ELSE 'dead rows are few' END,
      CASE WHEN o.is_off THEN 'autovacuum is off' END,
      CASE WHEN o.age > interval '1 h' THEN format('a transaction is open since %s and holds vacuum back (pid %s)', o.since, o.pid) END),
    jsonb_build_object('tables', to_jsonb(it.names), 'dead', it.dead, 'oldest_transaction', o.since, 'pid', o.pid)
    FROM (SELECT current_setting('autovacuum') = 'off' AS is_off, x.since, x.pid, now_ - x.since AS age FROM (VALUES (1)) one
      LEFT JOIN LATERAL (SELECT a.xact_start AS since, a.pid FROM pg_stat_activity a WHERE a.backend_xmin IS NOT NULL AND a.datname = current_database()
        ORDER BY a.xact_start LIMIT 1) x ON true) o;
END $$;
COMMENT ON FUNCTION pgcron.health_checks() IS 'What view pgcron.health shows.';

CREATE VIEW pgcron.health AS SELECT h.name, h.state, h.message, h.evidence FROM pgcron.health_checks() h;
COMMENT ON VIEW pgcron.health IS 'What is wrong, one row for each check; also with no worker alive. Also: pgcron doctor.';
COMMENT ON COLUMN pgcron.health.name IS 'The check.';
COMMENT ON COLUMN pgcron.health.state IS 'ok, warning or critical.';
COMMENT ON COLUMN pgcron.health.message IS 'What was found, in words.';
COMMENT ON COLUMN pgcron.health.evidence IS 'Figures and names behind it.';
