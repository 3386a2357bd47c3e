-- What must be true at any instant. Each invariant is one query, so it sees one snapshot; each must return no row.
CREATE FUNCTION pgcron.check_invariants() RETURNS TABLE (invariant text, job text, detail text) LANGUAGE plpgsql STABLE
SET search_path = pgcron, pg_catalog, pg_temp AS $$
#variable_conflict use_column
BEGIN
  -- Counters are exact: what is on the row is what is in the log plus what retention took away.
  RETURN QUERY
    SELECT 'counters_exact', j.name, format('success %s/%s, failure %s/%s, duration %s/%s ms (on the job/in the log)',
        j.success_count, j.archived_success + coalesce(l.successes, 0), j.failure_count, j.archived_failure + coalesce(l.failures, 0),
        j.duration_sum_ms, j.archived_duration_sum_ms + coalesce(l.duration_ms, 0))
    FROM cron_job j LEFT JOIN (
      SELECT job_id, count(*) FILTER (WHERE status = 'SUCCESS') AS successes, count(*) FILTER (WHERE status = 'FAILED') AS failures,
             coalesce(sum(duration) FILTER (WHERE status = 'SUCCESS'), 0) AS duration_ms
        FROM cron_log GROUP BY job_id) l ON l.job_id = j.id
    WHERE j.success_count <> j.archived_success + coalesce(l.successes, 0)
       OR j.failure_count <> j.archived_failure + coalesce(l.failures, 0)
       OR j.duration_sum_ms <> j.archived_duration_sum_ms + coalesce(l.duration_ms, 0);

  RETURN QUERY
    SELECT 'one_running_if_exclusive', j.name, format('%s RUNNING rows', count(*))
    FROM cron_log l JOIN cron_job j ON j.id = l.job_id
    WHERE l.status = 'RUNNING' AND l.is_exclusive GROUP BY j.id, j.name HAVING count(*) > 1;

  RETURN QUERY
    SELECT 'job_and_runs_agree', j.name, format('running_count %s, RUNNING rows %s', j.running_count, coalesce(l.running, 0))
    FROM cron_job j LEFT JOIN (SELECT job_id, count(*) AS running FROM cron_log WHERE status = 'RUNNING' GROUP BY job_id) l ON l.job_id = j.id
    WHERE j.running_count <> coalesce(l.running, 0);

  RETURN QUERY
    SELECT 'runs_do_not_overlap', j.name, format('run %s began at %s, before run %s ended at %s', l.seq, l.started_at, l.seq - 1, l.previous_end)
    FROM (SELECT job_id, seq, started_at, is_exclusive,
                 lag(coalesce(completed_at, 'infinity')) OVER w AS previous_end, lag(is_exclusive) OVER w AS previous_exclusive
            FROM cron_log WINDOW w AS (PARTITION BY job_id ORDER BY seq)) l
    JOIN cron_job j ON j.id = l.job_id
    WHERE l.is_exclusive AND l.previous_exclusive AND l.previous_end > l.started_at;

  RETURN QUERY
    SELECT 'seq_dense', j.name, format('run_seq %s, log has %s rows from %s to %s', j.run_seq, coalesce(l.n, 0), l.first, l.last)
    FROM cron_job j LEFT JOIN (SELECT job_id, count(*) AS n, min(seq) AS first, max(seq) AS last FROM cron_log GROUP BY job_id) l ON l.job_id = j.id
    WHERE (l.n IS NULL AND j.run_seq <> j.archived_success + j.archived_failure)
       OR l.last <> j.run_seq OR l.n <> j.run_seq - j.archived_success - j.archived_failure;

  RETURN QUERY
    SELECT 'no_running_of_dead_worker', j.name, format('run %s is RUNNING on worker %s, which is %s', l.id, l.worker_id, coalesce(w.state, 'unknown'))
    FROM cron_log l JOIN cron_job j ON j.id = l.job_id LEFT JOIN cron_worker w ON w.id = l.worker_id
    WHERE l.status = 'RUNNING' AND coalesce(w.state, 'unknown') NOT IN ('LIVE', 'DRAINING');

  -- Only while somebody beats: with no worker alive nobody can reap, and the next one to start will.
  RETURN QUERY
    SELECT 'no_running_past_lease', j.name, format('run %s, lease of worker %s ended at %s', l.id, l.worker_id, e.lease_until)
    FROM cron_log l JOIN cron_job j ON j.id = l.job_id JOIN cron_lease e ON e.worker_id = l.worker_id
    WHERE l.status = 'RUNNING' AND e.lease_until < clock_timestamp() - interval '20 s'
      AND EXISTS (SELECT FROM cron_lease o WHERE o.lease_until > clock_timestamp()
                   AND o.beat_at > e.lease_until + interval '20 s'
                   AND EXISTS (SELECT FROM cron_worker w WHERE w.id = o.worker_id AND w.started_at < e.lease_until));

  -- The ledger has no holes: runs, waiting occurrences and misses of the schedule follow one another from the horizon to the plan.
  RETURN QUERY
    SELECT 'ledger_contiguous', j.name, format('an element covers from %s, the one before it ends at %s', c.covers_from, c.previous_to)
    FROM (SELECT e.job_id, e.covers_from, lag(e.covers_to) OVER (PARTITION BY e.job_id ORDER BY e.covers_from, e.covers_to) AS previous_to
            FROM (SELECT job_id, covers_from, covers_to FROM cron_log WHERE covers_to IS NOT NULL
                  UNION ALL SELECT job_id, covers_from, covers_to FROM cron_request WHERE state = 'PENDING' AND covers_to IS NOT NULL
                  UNION ALL SELECT job_id, covers_from, covers_to FROM cron_miss) e
            JOIN cron_job h ON h.id = e.job_id WHERE e.covers_to > h.ledger_from) c
    JOIN cron_job j ON j.id = c.job_id
    WHERE c.covers_from <> coalesce(c.previous_to, j.ledger_from);

  RETURN QUERY
    SELECT 'ledger_reaches_plan', j.name, format('ledger ends at %s, the job goes on from %s, next is %s', coalesce(e.covered_to, j.ledger_from),
        j.covers_from, j.next_scheduled_for)
    FROM cron_job j LEFT JOIN (
      SELECT job_id, max(covers_to) AS covered_to FROM (
        SELECT job_id, covers_to FROM cron_log WHERE covers_to IS NOT NULL
        UNION ALL SELECT job_id, covers_to FROM cron_request WHERE state = 'PENDING' AND covers_to IS NOT NULL
        UNION ALL SELECT job_id, covers_to FROM cron_miss) x GROUP BY job_id) e ON e.job_id = j.id
    WHERE j.covers_from <> GREATEST(e.covered_to, j.ledger_from)
       OR (j.is_enabled AND NOT j.needs_plan AND j.next_scheduled_for <= j.covers_from);

  RETURN QUERY
    SELECT 'strikes_right', j.name, format('consecutive_failures %s, strikes in the log %s', j.consecutive_failures, coalesce(s.strikes, 0))
    FROM cron_job j LEFT JOIN (
      SELECT l.job_id, count(*) AS strikes FROM cron_log l JOIN cron_job k ON k.id = l.job_id
       WHERE l.is_strike AND l.seq > k.strikes_from_seq GROUP BY l.job_id) s ON s.job_id = j.id
    WHERE j.consecutive_failures <> coalesce(s.strikes, 0);

  RETURN QUERY
    SELECT 'strikes_disable', j.name, format('%s consecutive failures of %s, yet enabled', j.consecutive_failures, j.max_consecutive_failures)
    FROM cron_job j WHERE j.is_enabled AND j.consecutive_failures >= j.max_consecutive_failures;

  RETURN QUERY
    SELECT 'disabled_has_no_request', j.name, format('%s pending', count(*))
    FROM cron_job j JOIN cron_request r ON r.job_id = j.id AND r.state = 'PENDING' WHERE NOT j.is_enabled GROUP BY j.id, j.name;

  RETURN QUERY
    SELECT 'claimed_request_has_run', j.name, format('request %s is CLAIMED without its run', r.id)
    FROM cron_request r JOIN cron_job j ON j.id = r.job_id
    WHERE r.state = 'CLAIMED' AND r.ended_at > j.ledger_from
      AND NOT EXISTS (SELECT FROM cron_log l WHERE l.id = r.run_id AND l.request_id = r.id);

  -- A pending request that no claim can see would wait for ever.
  RETURN QUERY
    SELECT 'pending_request_is_visible', j.name, format('pending from %s, the job looks at %s', min(r.run_after), j.next_request_at)
    FROM cron_job j JOIN cron_request r ON r.job_id = j.id AND r.state = 'PENDING'
    GROUP BY j.id, j.name, j.next_request_at, j.requests_waiting, j.running_count
    HAVING NOT (j.requests_waiting AND j.running_count > 0) AND (j.next_request_at IS NULL OR j.next_request_at > min(r.run_after));

  RETURN QUERY
    SELECT 'change_audited', j.name, format('version %s has no audit entry', j.version)
    FROM cron_job j WHERE NOT EXISTS (SELECT FROM cron_audit a WHERE a.job_id = j.id AND a.job_version = j.version);

  -- Each ended run is counted on its day, or will be: by the mark, not by any clock.
  RETURN QUERY
    SELECT 'days_exact', j.name, format('success %s/%s, failure %s/%s (on the job/on its days and not counted yet)', j.success_count,
        coalesce(d.successes, 0) + coalesce(u.successes, 0), j.failure_count, coalesce(d.failures, 0) + coalesce(u.failures, 0))
    FROM cron_job j
    LEFT JOIN (SELECT job_id, sum(success_count) AS successes, sum(failure_count) AS failures FROM cron_daily GROUP BY job_id) d ON d.job_id = j.id
    LEFT JOIN (SELECT l.job_id, count(*) FILTER (WHERE l.status = 'SUCCESS') AS successes, count(*) FILTER (WHERE l.status = 'FAILED') AS failures
                 FROM cron_log l LEFT JOIN cron_daily_mark m ON m.job_id = l.job_id
                WHERE m.job_id IS NULL OR l.seq > m.seq OR l.seq = ANY (m.open_seqs) GROUP BY l.job_id) u ON u.job_id = j.id
    WHERE j.success_count <> coalesce(d.successes, 0) + coalesce(u.successes, 0)
       OR j.failure_count <> coalesce(d.failures, 0) + coalesce(u.failures, 0);
END $$;
COMMENT ON FUNCTION pgcron.check_invariants() IS
  'Every broken invariant with its job and evidence; no row means that all hold. Also: pgcron check.';
