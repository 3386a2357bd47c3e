-- Functions are everybody's when they are made. URLs and secrets of channels are for those who send: workers and owners.
DO $$
DECLARE
  made regprocedure;
BEGIN
  FOR made IN SELECT oid FROM pg_proc WHERE pronamespace = 'pgcron'::regnamespace AND proname IN ('channel_address', 'tell_failures', 'tell_recoveries', 'ping_ends',
      'acknowledge', 'mark_read', 'name_matches', 'dispatch_outbox', 'muted_until', 'delivery_backoff', 'take_deliveries', 'settle_delivery', 'look_around', 'delivery_in',
      'channel_id', 'add_channel', 'edit_channel', 'remove_channel', 'mute', 'unmute', 'retry_deliveries', 'test_channel',
      'cron_outbox_notify', 'cron_channel_before', 'cron_channel_audit') LOOP
    EXECUTE format('REVOKE ALL ON FUNCTION %s FROM PUBLIC', made);
    EXECUTE format('GRANT EXECUTE ON FUNCTION %s TO pgcron_worker', made);
  END LOOP;
END $$;
GRANT SELECT ON pgcron.cron_alert, pgcron.cron_watch, pgcron.cron_channel, pgcron.cron_mute, pgcron.cron_delivery TO pgcron_worker;
GRANT INSERT, UPDATE, DELETE ON pgcron.cron_alert, pgcron.cron_delivery TO pgcron_worker;
GRANT UPDATE ON pgcron.cron_watch TO pgcron_worker;
GRANT SELECT ON pgcron.cron_alert, pgcron.cron_watch, pgcron.cron_mute, pgcron.cron_delivery TO pgcron_reader;
GRANT SELECT (id, name, address, events, tags, jobs, is_enabled, created_at, updated_at) ON pgcron.cron_channel TO pgcron_reader;
