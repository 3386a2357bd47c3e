REVOKE ALL ON FUNCTION pgcron.set_preferences(uuid, jsonb) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION pgcron.set_preferences(uuid, jsonb) TO pgcron_web;
GRANT SELECT ON pgcron.app_preferences TO pgcron_web;
-- What the pages of alerts ask: until when, and which channels, as those who send do.
GRANT EXECUTE ON FUNCTION pgcron.muted_until(uuid, uuid), pgcron.name_matches(text, text) TO pgcron_web;
