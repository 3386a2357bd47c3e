-- How somebody likes the web admin to look. Theirs alone: nobody else's pages change, and so it is in no audit.

CREATE TABLE pgcron.app_preferences (
  user_id uuid PRIMARY KEY REFERENCES pgcron.app_user ON DELETE CASCADE,
  theme text NOT NULL DEFAULT 'system',
  times text NOT NULL DEFAULT 'job',
  timezone text NOT NULL DEFAULT 'UTC',
  density text NOT NULL DEFAULT 'comfortable',
  has_keys boolean NOT NULL DEFAULT true,
  updated_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  CONSTRAINT app_preferences_values CHECK (theme IN ('system', 'light', 'dark') AND times IN ('job', 'mine', 'utc')
    AND density IN ('comfortable', 'compact') AND length(timezone) BETWEEN 1 AND 64),
  CONSTRAINT app_preferences_finite_times CHECK (updated_at < '9000-01-01 00:00:00+00')
);
COMMENT ON TABLE pgcron.app_preferences IS 'How users like the web admin to look; who has no row has the defaults.';
COMMENT ON COLUMN pgcron.app_preferences.user_id IS 'The user.';
COMMENT ON COLUMN pgcron.app_preferences.theme IS 'system (as their device says), light or dark.';
COMMENT ON COLUMN pgcron.app_preferences.times IS 'In which zone times are shown: of each job, mine (timezone), or utc.';
COMMENT ON COLUMN pgcron.app_preferences.timezone IS 'Their own zone, an IANA name.';
COMMENT ON COLUMN pgcron.app_preferences.density IS 'comfortable or compact tables.';
COMMENT ON COLUMN pgcron.app_preferences.has_keys IS 'Whether single letters are shortcuts (WCAG 2.1.4).';
COMMENT ON COLUMN pgcron.app_preferences.updated_at IS 'When they were changed last.';
