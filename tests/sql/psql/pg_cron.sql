-- A script written for pg_cron, as its documentation and its users do things; nothing in it knows of pgcron.
\set SHOW_CONTEXT never
\pset null -
\echo == Delete old data on Saturday at 3:30 am, and vacuum every day at 10:00 am
SELECT cron.schedule('30 3 * * 6', $$DELETE FROM event WHERE at < now() - interval '1 week'$$);
SELECT cron.schedule('nightly-vacuum', '0 10 * * *', 'VACUUM');
\echo == Change to vacuum at 3:00 am: the same number
SELECT cron.schedule('nightly-vacuum', '0 3 * * *', 'VACUUM');
\echo == Every 5 seconds, and on the last day of each month; the text stays as it was written
SELECT cron.schedule('process-updates', '5 seconds', 'CALL process_updates()');
SELECT cron.schedule('process-payroll', '0 12 $ * *', 'CALL process_payroll()');
SELECT cron.schedule('odd', ' 17  sEcOnDs ', 'SELECT 1'), cron.schedule('one', '1 second', 'SELECT 1');
SELECT cron.schedule('start', '@restart', 'SELECT 1'), cron.schedule('start too', '@reboot', 'SELECT 1'), cron.schedule('daily', '@daily', 'SELECT 1');
SELECT cron.schedule('names', '*/15 9-17 1,15,$ jan-mar,DEC mon-fri', 'SELECT 1'), cron.schedule('long step', '*/60 */24 * * *', 'SELECT 1');
SELECT jobid, schedule, command, nodename, database = current_database() AS is_here, username, active, jobname FROM cron.job ORDER BY jobid;
\d cron.job
\d cron.job_run_details
\echo == Stop scheduling
SELECT cron.unschedule('nightly-vacuum');
SELECT cron.unschedule(1);
SELECT cron.unschedule(jobid) FROM cron.job WHERE jobname LIKE 'start%';
\echo == What is not there, and what is no schedule
SELECT cron.unschedule('nightly-vacuum');
SELECT cron.unschedule(1);
SELECT cron.schedule('@restar', 'SELECT 1');
SELECT cron.schedule('x', '1 minute', 'SELECT 1');
SELECT cron.schedule('x', '0 seconds', 'SELECT 1');
SELECT cron.schedule('x', '60 seconds', 'SELECT 1');
SELECT cron.schedule('x', '-1 seconds', 'SELECT 1');
SELECT cron.schedule('x', '50 seconds c', 'SELECT 1');
SELECT cron.schedule('x', '* * * *', 'SELECT 1');
SELECT cron.schedule('x', '0 0 * * * *', 'SELECT 1');
SELECT cron.schedule('x', '61 * * * *', 'SELECT 1');
SELECT cron.schedule('x', 'H 0 L * *', 'SELECT 1');
SELECT cron.schedule('x', '@every 5m', 'SELECT 1');
SELECT cron.schedule(NULL, 'SELECT 1');
SELECT cron.schedule('x', '* * * * *', NULL);
SELECT cron.schedule(NULL, '* * * * *', 'SELECT 1');
SELECT cron.unschedule(NULL::text);
\echo == Changing a job
SELECT cron.alter_job(job_id := 3, schedule := '10 seconds');
SELECT cron.alter_job(3, active := false);
SELECT cron.alter_job(3, command := 'CALL other()');
SELECT jobid, schedule, command, active FROM cron.job WHERE jobid = 3;
SELECT cron.alter_job(3);
SELECT cron.alter_job(NULL, active := true);
SELECT cron.alter_job(99, active := true);
SELECT cron.alter_job(3, database := 'hopefully_not_there');
UPDATE cron.job SET active = true WHERE jobid = 3;
UPDATE cron.job SET nodename = '' WHERE jobid = 3;
UPDATE cron.job SET nodename = 'elsewhere' WHERE jobid = 3;
SELECT jobid, active, nodename FROM cron.job WHERE jobid = 3;
INSERT INTO cron.job (schedule, command, nodename, nodeport, database, username) VALUES ('0 4 * * *', 'VACUUM', 'localhost', 5432, current_database(), current_user) RETURNING jobid > 10 AS made;
DELETE FROM cron.job WHERE schedule = '0 4 * * *';
\echo == Other databases
SELECT cron.schedule_in_database('weekly-vacuum', '0 4 * * 0', 'VACUUM', 'postgres');
SELECT cron.schedule_in_database('weekly-vacuum', '0 4 * * 0', 'VACUUM', 'hopefully_not_there');
INSERT INTO cron.connection (database, connection) VALUES ('postgres', 'maintenance');
SELECT cron.schedule_in_database('weekly-vacuum', '0 4 * * 0', 'VACUUM', 'postgres') > 10 AS made;
SELECT jobname, database, username FROM cron.job WHERE database = 'postgres';
\echo == Others: only with the right to, and only their own
SET SESSION AUTHORIZATION t_marco;
SELECT cron.schedule('mine', '* * * * *', 'SELECT 1');
RESET SESSION AUTHORIZATION;
GRANT USAGE ON SCHEMA cron TO t_marco;
SET SESSION AUTHORIZATION t_marco;
SELECT cron.schedule('mine', '* * * * *', 'SELECT 1');
SELECT cron.alter_job(3, active := false);
RESET SESSION AUTHORIZATION;
GRANT pgcron_sql_author TO t_marco;
SET SESSION AUTHORIZATION t_marco;
SELECT cron.schedule('mine', '* * * * *', 'SELECT 1') > 10 AS made;
SELECT cron.schedule('process-updates', '* * * * *', 'SELECT 2') > 10 AS made_one_of_the_same_name;
SELECT schedule, command, username, jobname FROM cron.job ORDER BY jobid;
SELECT cron.unschedule(3);
SELECT cron.alter_job(3, active := false);
SELECT cron.schedule_in_database('his', '* * * * *', 'SELECT 1', current_database(), 't_owner');
SELECT cron.alter_job(jobid, username := 't_owner') FROM cron.job WHERE jobname = 'mine';
UPDATE cron.job SET active = false;
DELETE FROM cron.job;
SELECT * FROM cron.entry;
SELECT cron.save_job('x', '* * * * *', 'SELECT 1', NULL, NULL, true);
SELECT name FROM pgcron.cron_job;
SELECT count(*) FROM cron.job_run_details;
RESET SESSION AUTHORIZATION;
SET ROLE t_marco;
SELECT cron.unschedule('mine');
RESET ROLE;
SELECT cron.schedule_in_database('his', '* * * * *', 'SELECT 1', current_database(), 't_marco') > 10 AS made;
SELECT cron.schedule_in_database('nobody''s', '* * * * *', 'SELECT 1', current_database(), 't_nobody');
SELECT cron.schedule_in_database('nobody''s', '* * * * *', 'SELECT 1', current_database(), 'pgcron_owner');
SELECT jobname, username, active FROM cron.job WHERE username = 't_marco' ORDER BY jobname;
\echo == What it became
SELECT name, schedule, timezone, handler, args, overlap_policy, catchup_policy, max_consecutive_failures AS strikes, owner, tags FROM pgcron.cron_job
 WHERE name LIKE 'cron.%process%' OR name LIKE 'cron.%odd' ORDER BY created_at;
