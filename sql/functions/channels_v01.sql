-- What people do to channels and to the noise that they make. URLs and secrets go in and never come out: `address` is what is shown.

CREATE FUNCTION pgcron.channel_id(p_name text) RETURNS uuid LANGUAGE plpgsql STABLE SET search_path = pgcron, pg_catalog, pg_temp AS $$
DECLARE
  found_id uuid;
BEGIN
  SELECT id INTO found_id FROM pgcron.cron_channel WHERE name = p_name;
  IF NOT FOUND THEN
    RAISE EXCEPTION 'no channel is named %', quote_literal(p_name) USING ERRCODE = 'PC012', HINT = 'SELECT name FROM pgcron.cron_channel lists them';
  END IF;
  RETURN found_id;
END $$;
COMMENT ON FUNCTION pgcron.channel_id(text) IS 'The id of the channel with this name; raises not_found (PC012).';

-- The messages of CHECKs would show the whole row, its URL too: what they ask for is asked for before.
CREATE FUNCTION pgcron.cron_channel_before() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  events_known text[] := ARRAY['failed', 'recovered', 'auto_disabled', 'late', 'missed', 'slow', 'unsuccessful', 'no_worker', 'fleet_silent', 'test'];
BEGIN
  IF length(NEW.name) NOT BETWEEN 1 AND 100 OR NEW.name ~ '[[:cntrl:]]' OR NEW.name <> btrim(NEW.name) THEN
    RAISE EXCEPTION 'the name of a channel has 1 to 100 characters, no control characters, and no spaces at its ends'
      USING ERRCODE = 'PC014', DETAIL = 'field: name';
  ELSIF NEW.name IS DISTINCT FROM (CASE WHEN TG_OP = 'UPDATE' THEN OLD.name END) AND EXISTS (SELECT FROM pgcron.cron_channel WHERE name = NEW.name) THEN
    RAISE EXCEPTION 'another channel is named %', quote_literal(NEW.name) USING ERRCODE = 'PC014', DETAIL = 'field: name', HINT = 'choose another name';
  ELSIF length(NEW.url) > 4000 OR NEW.url !~ '^[a-z][a-z0-9+.-]{1,40}://[^[:space:][:cntrl:]]+$' THEN
    RAISE EXCEPTION 'that is no URL of a channel' USING ERRCODE = 'PC014', DETAIL = 'field: url',
      HINT = 'write webhook+https://host/path, or a URL of apprise such as mailtos://user:password@host or slack://token';
  ELSIF length(NEW.secret) NOT BETWEEN 16 AND 200 OR NEW.secret ~ '[[:cntrl:]]' THEN
    RAISE EXCEPTION 'a secret has 16 to 200 characters' USING ERRCODE = 'PC014', DETAIL = 'field: secret';
  ELSIF NEW.secret IS NOT NULL AND NEW.url !~ '^webhook\+' THEN
    RAISE EXCEPTION 'only webhook+https:// signs with a secret' USING ERRCODE = 'PC014', DETAIL = 'field: secret';
  ELSIF cardinality(NEW.events) = 0 OR NOT NEW.events <@ events_known THEN
    RAISE EXCEPTION 'these are no events: %', array_to_string(ARRAY(SELECT unnest(NEW.events) EXCEPT SELECT unnest(events_known)), ', ')
      USING ERRCODE = 'PC014', DETAIL = 'field: events', HINT = 'events are ' || array_to_string(events_known, ', ');
  END IF;
  NEW.updated_at := clock_timestamp();
  RETURN NEW;
END $$;
CREATE TRIGGER cron_channel_before BEFORE INSERT OR UPDATE ON pgcron.cron_channel FOR EACH ROW EXECUTE FUNCTION pgcron.cron_channel_before();

CREATE FUNCTION pgcron.cron_channel_audit() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = pgcron, pg_catalog, pg_temp AS $$
DECLARE
  hidden text[] := '{id,url,secret,created_at,updated_at}';
  old_values jsonb := CASE WHEN TG_OP <> 'INSERT' THEN to_jsonb(OLD) - hidden || jsonb_build_object('has_secret', OLD.secret IS NOT NULL) END;
  new_values jsonb := CASE WHEN TG_OP <> 'DELETE' THEN to_jsonb(NEW) - hidden || jsonb_build_object('has_secret', NEW.secret IS NOT NULL) END;
BEGIN
  IF TG_OP = 'UPDATE' AND (OLD.url, OLD.secret) IS DISTINCT FROM (NEW.url, NEW.secret) THEN
    new_values := new_values || '{"url_or_secret": "changed"}';
  END IF;
  INSERT INTO pgcron.cron_audit (action, old_values, new_values)
  VALUES (CASE TG_OP WHEN 'INSERT' THEN 'channel_created' WHEN 'UPDATE' THEN 'channel_changed' ELSE 'channel_removed' END, old_values, new_values);
  RETURN NULL;
END $$;
CREATE TRIGGER cron_channel_audit AFTER INSERT OR UPDATE OR DELETE ON pgcron.cron_channel FOR EACH ROW EXECUTE FUNCTION pgcron.cron_channel_audit();

CREATE FUNCTION pgcron.add_channel(p_name text, p_url text, p_events text[] DEFAULT NULL, p_tags text[] DEFAULT NULL, p_jobs text[] DEFAULT NULL,
  p_secret text DEFAULT NULL) RETURNS uuid LANGUAGE sql SECURITY DEFINER SET search_path = pgcron, pg_catalog, pg_temp AS $$
  INSERT INTO pgcron.cron_channel (name, url, events, tags, jobs, secret) VALUES (p_name, p_url, p_events, p_tags, p_jobs, p_secret) RETURNING id
$$;
COMMENT ON FUNCTION pgcron.add_channel(text, text, text[], text[], text[], text) IS
  'Adds a channel: a URL of apprise, or webhook+https:// with a secret to sign with; events, tags of jobs and names of jobs (with *) that it wants, NULL: all.';

CREATE FUNCTION pgcron.edit_channel(p_name text, p_changes jsonb) RETURNS void LANGUAGE plpgsql SECURITY DEFINER SET search_path = pgcron, pg_catalog, pg_temp AS $$
DECLARE
  unknown text;
BEGIN
  SELECT min(key) INTO unknown FROM jsonb_object_keys(p_changes) key WHERE key NOT IN ('name', 'url', 'secret', 'events', 'tags', 'jobs', 'is_enabled');
  IF unknown IS NOT NULL THEN
    RAISE EXCEPTION 'a channel has no %', unknown USING ERRCODE = 'PC014', DETAIL = 'field: ' || unknown;
  END IF;
  UPDATE pgcron.cron_channel c SET name = n.name, url = n.url, secret = n.secret, events = n.events, tags = n.tags, jobs = n.jobs, is_enabled = n.is_enabled
    FROM pgcron.cron_channel o CROSS JOIN LATERAL jsonb_populate_record(o, p_changes) n
   WHERE o.id = pgcron.channel_id(p_name) AND c.id = o.id;
END $$;
COMMENT ON FUNCTION pgcron.edit_channel(text, jsonb) IS
  'Changes of a channel what the object names: name, url, secret, events, tags, jobs, is_enabled; null takes a secret or a filter away.';

CREATE FUNCTION pgcron.remove_channel(p_name text) RETURNS void LANGUAGE sql SECURITY DEFINER SET search_path = pgcron, pg_catalog, pg_temp AS $$
  DELETE FROM pgcron.cron_channel WHERE id = pgcron.channel_id(p_name)
$$;
COMMENT ON FUNCTION pgcron.remove_channel(text) IS 'Removes a channel, and what waited to be sent to it.';

CREATE FUNCTION pgcron.mute(p_channel text DEFAULT NULL, p_job text DEFAULT NULL, p_until timestamptz DEFAULT NULL, p_from timestamptz DEFAULT NULL,
  p_reason text DEFAULT NULL) RETURNS uuid LANGUAGE plpgsql SECURITY DEFINER SET search_path = pgcron, pg_catalog, pg_temp AS $$
DECLARE
  window_id uuid;
  begins timestamptz := coalesce(p_from, clock_timestamp());
BEGIN
  IF p_until IS NULL OR p_until <= GREATEST(begins, clock_timestamp()) THEN
    RAISE EXCEPTION 'until is %, which is not after now and the window''s begin', coalesce(p_until::text, 'not given')
      USING ERRCODE = 'PC014', DETAIL = 'field: until', HINT = 'a window has an end to come';
  END IF;
  INSERT INTO pgcron.cron_mute (channel_id, job_id, starts_at, ends_at, reason, muted_by)
  VALUES (CASE WHEN p_channel IS NOT NULL THEN pgcron.channel_id(p_channel) END, CASE WHEN p_job IS NOT NULL THEN pgcron.job_id(p_job) END,
    begins, p_until, left(p_reason, 1000), left(pgcron.actor(), 200)) RETURNING id INTO window_id;
  RETURN window_id;
END $$;
COMMENT ON FUNCTION pgcron.mute(text, text, timestamptz, timestamptz, text) IS
  'Holds messages back for a time: of a channel, about a job, or all. What is still wrong at the end is told then; the rest is not.';

CREATE FUNCTION pgcron.unmute(p_channel text DEFAULT NULL, p_job text DEFAULT NULL) RETURNS integer LANGUAGE plpgsql SECURITY DEFINER SET search_path = pgcron, pg_catalog, pg_temp AS $$
DECLARE
  channel uuid := CASE WHEN p_channel IS NOT NULL THEN pgcron.channel_id(p_channel) END;
  job uuid := CASE WHEN p_job IS NOT NULL THEN pgcron.job_id(p_job) END;
  ended integer;
BEGIN
  DELETE FROM pgcron.cron_mute WHERE channel_id IS NOT DISTINCT FROM channel AND job_id IS NOT DISTINCT FROM job AND ends_at > clock_timestamp();
  GET DIAGNOSTICS ended = ROW_COUNT;
  UPDATE pgcron.cron_delivery SET next_attempt_at = clock_timestamp() WHERE state = 'PENDING' AND is_muted;  -- other windows are looked at then
  PERFORM pg_notify('pgcron', 'outbox');
  RETURN ended;
END $$;
COMMENT ON FUNCTION pgcron.unmute(text, text) IS 'Ends the windows that mute() made for just this: of this channel, about this job, or all; how many.';

CREATE FUNCTION pgcron.retry_deliveries(p_channel text DEFAULT NULL) RETURNS integer LANGUAGE plpgsql SECURITY DEFINER SET search_path = pgcron, pg_catalog, pg_temp AS $$
DECLARE
  channel uuid := CASE WHEN p_channel IS NOT NULL THEN pgcron.channel_id(p_channel) END;
  again integer;
BEGIN
  UPDATE pgcron.cron_delivery SET state = 'PENDING', ended_at = NULL, next_attempt_at = clock_timestamp(), attempts = CASE state WHEN 'GIVEN_UP' THEN 0 ELSE attempts END
   WHERE (state = 'GIVEN_UP' OR state = 'PENDING' AND claim_token IS NULL AND NOT is_muted) AND kind = 'notification' AND (channel IS NULL OR channel_id = channel);
  GET DIAGNOSTICS again = ROW_COUNT;
  PERFORM pg_notify('pgcron', 'outbox');
  RETURN again;
END $$;
COMMENT ON FUNCTION pgcron.retry_deliveries(text) IS 'Sends at once what was given up or waits for its next attempt, to a channel or to all; how many.';

CREATE FUNCTION pgcron.test_channel(p_name text) RETURNS uuid LANGUAGE sql SECURITY DEFINER SET search_path = pgcron, pg_catalog, pg_temp AS $$
  INSERT INTO pgcron.cron_outbox (event, payload) VALUES ('test', jsonb_build_object('channel', pgcron.channel_id(p_name), 'by', pgcron.actor())) RETURNING id
$$;
COMMENT ON FUNCTION pgcron.test_channel(text) IS 'Has a worker send a test message to a channel; the message''s id.';
