-- A run that is deleted before it was counted (by a DELETE in psql; retention counts first) is counted by the deleting statement.
-- What the log no longer has is known by the mark: statistics take the days from cron_daily up to there.
CREATE FUNCTION pgcron.cron_log_count() RETURNS trigger LANGUAGE plpgsql SET search_path = pgcron, pg_catalog, pg_temp AS $$
DECLARE
  parts pgcron.daily_part[];
BEGIN
  PERFORM 1 FROM pgcron.cron_job j WHERE j.id IN (SELECT d.job_id FROM deleted d) ORDER BY j.id FOR NO KEY UPDATE;
  SELECT array_agg(ROW(d.job_id, pgcron.utc_day(d.started_at), d.status = 'SUCCESS', d.started_at, d.duration,
             pgcron.lag_ms(d.cause, d.scheduled_for, d.started_at), NULL)::pgcron.daily_part) INTO parts
    FROM deleted d JOIN pgcron.cron_job j ON j.id = d.job_id LEFT JOIN pgcron.cron_daily_mark m ON m.job_id = d.job_id
   WHERE d.status <> 'RUNNING' AND (m.job_id IS NULL OR d.seq > m.seq OR d.seq = ANY (m.open_seqs));
  IF parts IS NOT NULL THEN
    PERFORM pgcron.add_to_daily(parts);
  END IF;
  INSERT INTO pgcron.cron_daily_mark AS m (job_id, purged_to)
  SELECT d.job_id, max(d.started_at) FROM deleted d JOIN pgcron.cron_job j ON j.id = d.job_id GROUP BY d.job_id ORDER BY d.job_id
  ON CONFLICT (job_id) DO UPDATE SET purged_to = GREATEST(m.purged_to, excluded.purged_to);
  RETURN NULL;
END $$;
CREATE TRIGGER cron_log_count AFTER DELETE ON pgcron.cron_log REFERENCING OLD TABLE AS deleted
  FOR EACH STATEMENT EXECUTE FUNCTION pgcron.cron_log_count();
