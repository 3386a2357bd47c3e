REVOKE ALL ON pgcron.cron_audit_seal FROM PUBLIC;
REVOKE ALL ON FUNCTION pgcron.audit_hash(bytea, pgcron.cron_audit), pgcron.seal_audit(integer), pgcron.verify_audit(), pgcron.state_at(timestamptz), pgcron.revert(uuid) FROM PUBLIC;
GRANT SELECT ON pgcron.cron_audit_seal TO pgcron_worker, pgcron_reader;
GRANT EXECUTE ON FUNCTION pgcron.seal_audit(integer) TO pgcron_worker;
GRANT EXECUTE ON FUNCTION pgcron.audit_hash(bytea, pgcron.cron_audit), pgcron.verify_audit(), pgcron.state_at(timestamptz) TO pgcron_worker, pgcron_reader;
