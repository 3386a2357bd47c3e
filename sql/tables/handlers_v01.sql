-- What workers said of their handlers; it outlives them, so that arguments are checked with no worker alive.
CREATE TABLE pgcron.cron_handler (
  name text PRIMARY KEY,
  app text,
  release text,
  description text,
  is_async boolean NOT NULL DEFAULT false,
  is_transactional boolean NOT NULL DEFAULT false,
  parameters jsonb,
  published_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  CONSTRAINT cron_handler_name_length CHECK (length(name) BETWEEN 1 AND 300),
  CONSTRAINT cron_handler_parameters_object CHECK (jsonb_typeof(parameters) = 'object' AND octet_length(parameters::text) <= 65536)
);
COMMENT ON TABLE pgcron.cron_handler IS 'The handlers that workers have, or had, as the newest release published them.';
COMMENT ON COLUMN pgcron.cron_handler.name IS 'Its name: what cron_job.handler names.';
COMMENT ON COLUMN pgcron.cron_handler.app IS 'The application that has it.';
COMMENT ON COLUMN pgcron.cron_handler.release IS 'The release of the application that published it last; an older one does not replace it.';
COMMENT ON COLUMN pgcron.cron_handler.description IS 'The first line of its docstring.';
COMMENT ON COLUMN pgcron.cron_handler.is_async IS 'It is an `async def`: its runs share a process.';
COMMENT ON COLUMN pgcron.cron_handler.is_transactional IS 'Its effects commit together with the record of its run.';
COMMENT ON COLUMN pgcron.cron_handler.parameters IS 'A JSON schema of its arguments, made from its signature; NULL = any arguments.';
COMMENT ON COLUMN pgcron.cron_handler.published_at IS 'When that was published.';
