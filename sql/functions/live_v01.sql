-- What changed since somebody looked last, asked of the rows themselves: nobody who claims or finishes pays for it.

CREATE FUNCTION pgcron.job_changes(p_since pg_snapshot DEFAULT NULL, OUT snapshot pg_snapshot, OUT jobs bigint, OUT changed uuid[], OUT marks bigint[])
LANGUAGE sql STABLE SET search_path = pgcron, pg_catalog, pg_temp AS $$
  -- A row's xmin has 32 bits: the epoch comes from the next id. From the oldest transaction that went on at p_since all is told again:
  -- a snapshot does not name subtransactions, in which a finish may be.
  SELECT pg_current_snapshot(), (SELECT count(*) FROM pgcron.cron_job), coalesce(array_agg(c.id), '{}'), coalesce(array_agg(c.mark), '{}')
    FROM (SELECT j.id, n.next - ((n.next - j.xmin::text::bigint) & 4294967295) AS mark
            FROM (SELECT pg_snapshot_xmax(pg_current_snapshot())::text::bigint AS next, coalesce(pg_snapshot_xmin(p_since)::text::bigint, 0) AS oldest OFFSET 0) n
              JOIN pgcron.cron_job j ON n.next - ((n.next - j.xmin::text::bigint) & 4294967295) >= n.oldest) c
$$;
COMMENT ON FUNCTION pgcron.job_changes(pg_snapshot) IS
  'Jobs of which anything changed since the snapshot that the call before returned: definition, plan or counters; with a mark for each, which is the same as long as the row is. With how many jobs there are, for those that are gone.';
