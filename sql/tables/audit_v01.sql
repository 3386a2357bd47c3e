-- The chain that makes a changed or missing audit entry visible. Sealed after the fact, over what is committed: no writer waits for another.
CREATE TABLE pgcron.cron_audit_seal (
  position bigint PRIMARY KEY,
  audit_id uuid NOT NULL UNIQUE,
  entry_at timestamptz NOT NULL,
  hash bytea NOT NULL,
  sealed_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  CONSTRAINT cron_audit_seal_range CHECK (position > 0 AND octet_length(hash) = 32)
);
COMMENT ON TABLE pgcron.cron_audit_seal IS 'A hash for each audit entry, over the entry and the hash before it. Append-only. See verify_audit().';
COMMENT ON COLUMN pgcron.cron_audit_seal.position IS 'Place in the chain: 1, 2, 3, without gaps.';
COMMENT ON COLUMN pgcron.cron_audit_seal.audit_id IS 'The entry of cron_audit.';
COMMENT ON COLUMN pgcron.cron_audit_seal.entry_at IS 'When the entry was written.';
COMMENT ON COLUMN pgcron.cron_audit_seal.hash IS 'SHA-256 of the hash before it and of the entry as JSON.';
COMMENT ON COLUMN pgcron.cron_audit_seal.sealed_at IS 'When it was sealed: some seconds after it was written.';
CREATE TRIGGER cron_audit_seal_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON pgcron.cron_audit_seal
  FOR EACH STATEMENT EXECUTE FUNCTION pgcron.append_only();
