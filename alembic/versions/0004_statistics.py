"""Statistics: per job and day, what is left of runs when retention has deleted them."""

from alembic import op

from pgcron_py.resources import execute_sql_files

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

FILES = (
    "tables/statistics_v01.sql",
    "functions/histogram_v01.sql",
    "functions/count_runs_v01.sql",
    "functions/retention_v02.sql",
    "functions/statistics_v01.sql",
    "triggers/count_v01.sql",
    "comments/statistics_v01.sql",
    "grants/statistics_v01.sql",
)


def upgrade() -> None:
    execute_sql_files(op.get_bind().connection.dbapi_connection, FILES)


def downgrade() -> None:
    driver = op.get_bind().connection.dbapi_connection
    driver.execute("""
        DROP FUNCTION pgcron.cron_log_count() CASCADE;
        DROP FUNCTION pgcron.statistics_of(text, interval), pgcron.job_statistics(uuid, interval),
          pgcron.count_some_runs(uuid, integer), pgcron.count_runs(uuid[], bigint), pgcron.add_to_daily(pgcron.daily_part[]),
          pgcron.lag_ms(text, timestamptz, timestamptz), pgcron.is_about_to_run(timestamptz), pgcron.utc_day(timestamptz),
          pgcron.purge_runs(integer, uuid, integer, uuid), pgcron.purge_rest(integer, integer), pgcron.uuid_v7_at(timestamptz);
        DROP AGGREGATE pgcron.histogram_sum(integer[]);
        DROP FUNCTION pgcron.histogram_plus(integer[], integer[]), pgcron.histogram_of(integer[]),
          pgcron.quantile(integer[], double precision), pgcron.bucket_of(bigint), pgcron.bucket_ms(integer);
        DROP TYPE pgcron.window_statistics, pgcron.daily_part;
        DROP TABLE pgcron.cron_daily_mark, pgcron.cron_daily;
    """)
    execute_sql_files(driver, ["functions/retention_v01.sql"])
    driver.execute("""
        REVOKE ALL ON FUNCTION pgcron.uuid_v7_at(timestamptz), pgcron.purge_runs(integer, uuid, integer, uuid),
          pgcron.purge_rest(integer, integer) FROM PUBLIC;
        GRANT EXECUTE ON FUNCTION pgcron.uuid_v7_at(timestamptz), pgcron.purge_runs(integer, uuid, integer, uuid),
          pgcron.purge_rest(integer, integer) TO pgcron_worker;
    """)
