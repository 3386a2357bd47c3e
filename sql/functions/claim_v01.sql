-- The last word of a claim that was written before its jobs are due: it waits, holding their locks, for the instant itself, and is
-- committed then. What people did meanwhile wins. An edit of one of its jobs waits for its locks, and so is seen; a pause of
-- the fleet and a new rule wait for nothing, and are looked for. Any of them ends this claim, and the jobs are claimed again the usual way.
-- A sleep wakes within a millisecond, so the last one is waited for on the clock.
CREATE FUNCTION pgcron.claim_stands(p_at timestamptz) RETURNS void LANGUAGE plpgsql SET search_path = pgcron, pg_catalog, pg_temp AS $$
DECLARE
  early double precision := extract(epoch FROM p_at - clock_timestamp());
BEGIN
  IF early > 0.0015 THEN
    PERFORM pg_sleep(early - 0.001);
  END IF;
  IF pgcron.has_rules() OR EXISTS (SELECT FROM pgcron.cron_meta m WHERE m.paused_at IS NOT NULL)
      OR EXISTS (SELECT FROM pg_locks l WHERE l.locktype = 'transactionid' AND NOT l.granted AND l.transactionid = pg_current_xact_id()::xid) THEN
    RAISE EXCEPTION 'a claim that was written ahead of its time gives way to what was done meanwhile' USING ERRCODE = '40001';
  END IF;
  WHILE clock_timestamp() < p_at LOOP
    NULL;
  END LOOP;
END $$;
COMMENT ON FUNCTION pgcron.claim_stands(timestamptz) IS
  'Waits for the instant for which this transaction has claimed jobs ahead of time; raises 40001 when somebody waits for one of them, paused the fleet or set a rule.';
