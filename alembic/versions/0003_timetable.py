"""Schedules in SQL: the grammar, the days and the rule where clocks change."""

from alembic import op

from pgcron_py.resources import execute_sql_files

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

FILES = (
    "types/timetable_v01.sql",
    "functions/schedule_items_v01.sql",
    "functions/schedule_days_v01.sql",
    "functions/schedule_intervals_v01.sql",
    "functions/schedule_grammar_v01.sql",
    "functions/schedule_walls_v01.sql",
    "functions/next_runs_v01.sql",
    "functions/job_next_runs_v01.sql",
    "functions/check_schedule_text_v02.sql",
    "functions/plan_job_v02.sql",
    "grants/timetable_v01.sql",
)


def upgrade() -> None:
    execute_sql_files(op.get_bind().connection.dbapi_connection, FILES)


def downgrade() -> None:
    driver = op.get_bind().connection.dbapi_connection
    execute_sql_files(driver, ["functions/check_schedule_text_v01.sql"])
    driver.execute("DROP FUNCTION pgcron.plan_job(pgcron.cron_job, timestamptz)")
    execute_sql_files(driver, ["functions/plan_job_v01.sql"])
    driver.execute("""
        DO $$
        DECLARE item regprocedure;
        BEGIN
          FOR item IN SELECT oid FROM pg_proc WHERE pronamespace = 'pgcron'::regnamespace
              AND (proname LIKE 'schedule\\_%' OR proname IN ('next_runs', 'job_next_runs', 'validate_schedule', 'jittered_start')) LOOP
            EXECUTE format('DROP FUNCTION %s CASCADE', item);
          END LOOP;
        END $$;
        DROP TYPE pgcron.timetable, pgcron.schedule_field, pgcron.schedule_item, pgcron.schedule_spec;
    """)
