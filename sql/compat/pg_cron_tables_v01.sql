-- pg_cron's interface: schema cron, installed on request (`pgcron db install-compat`), safe to repeat. Its jobs are rows of
-- pgcron.cron_job with the handler pgcron.sql; here is only what pg_cron knows about them and pgcron doesn't.

COMMENT ON SCHEMA cron IS 'pg_cron''s interface to pgcron: the same functions and columns, without the extension.';

CREATE SEQUENCE IF NOT EXISTS cron.jobid_seq;
COMMENT ON SEQUENCE cron.jobid_seq IS 'Numbers of jobs, as pg_cron gives them.';

CREATE TABLE IF NOT EXISTS cron.entry (
  jobid bigint PRIMARY KEY DEFAULT nextval('cron.jobid_seq'),
  job_id uuid NOT NULL UNIQUE REFERENCES pgcron.cron_job ON DELETE CASCADE,
  jobname text,
  username text NOT NULL,
  database text NOT NULL,
  schedule text NOT NULL,
  stored text NOT NULL,
  unscheduled_at timestamptz
);
CREATE UNIQUE INDEX IF NOT EXISTS jobname_username_uniq ON cron.entry (jobname, username) WHERE unscheduled_at IS NULL;
COMMENT ON TABLE cron.entry IS 'What pg_cron knows of a job beside what pgcron.cron_job says; read it through cron.job.';
COMMENT ON COLUMN cron.entry.jobid IS 'The number under which cron.unschedule and cron.alter_job know it.';
COMMENT ON COLUMN cron.entry.job_id IS 'The job.';
COMMENT ON COLUMN cron.entry.jobname IS 'Its name, one for each user; NULL when it was scheduled without.';
COMMENT ON COLUMN cron.entry.username IS
  'Whose job it is: who sees and changes it. The command runs as the role of the connection, whoever this is.';
COMMENT ON COLUMN cron.entry.database IS 'The database it was scheduled for; with the user it chooses the connection.';
COMMENT ON COLUMN cron.entry.schedule IS 'The schedule as it was written.';
COMMENT ON COLUMN cron.entry.stored IS 'What became of it in pgcron.cron_job; when that is something else now, somebody changed it there.';
COMMENT ON COLUMN cron.entry.unscheduled_at IS 'When it was unscheduled. It stays, disabled, for its run details, and goes 30 days later.';

CREATE TABLE IF NOT EXISTS cron.connection (
  database text NOT NULL,
  username text NOT NULL DEFAULT '',
  connection text NOT NULL,
  PRIMARY KEY (database, username)
);
COMMENT ON TABLE cron.connection IS
  'Which connection of pgcron.sql runs a user''s jobs for a database. Without a row: `default` for this one, a refusal for others.';
COMMENT ON COLUMN cron.connection.database IS 'A database, as named in cron.schedule_in_database.';
COMMENT ON COLUMN cron.connection.username IS 'Whose jobs; empty = everybody''s who has no row of his own.';
COMMENT ON COLUMN cron.connection.connection IS 'A name from PGCRON_SQL_CONNECTIONS.';
