"""The REST API: runs now within a limit, requests that count once, bulk actions."""

from alembic import op

from pgcron_py.resources import execute_sql_files

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

FILES = ("tables/api_v01.sql", "functions/api_v01.sql", "functions/bulk_v02.sql", "grants/api_v01.sql")
FUNCTIONS = (
    "cancel_bulk", "bulk_step", "bulk_deed", "take_bulk", "begin_bulk", "end_once", "begin_once", "run_now_limited", "refuse_haste",
    "run_now_wait", "has_worker", "lock_job",
)  # fmt: skip


def upgrade() -> None:
    execute_sql_files(op.get_bind().connection.dbapi_connection, FILES)


def downgrade() -> None:
    driver = op.get_bind().connection.dbapi_connection
    for name in FUNCTIONS:
        driver.execute(f"DROP FUNCTION pgcron.{name}")
    driver.execute(
        "REVOKE ALL ON FUNCTION pgcron.check_schedules(pgcron.cron_job), pgcron.check_schedule_text(text, text) FROM pgcron_reader"
    )
    driver.execute("DROP TABLE pgcron.cron_bulk_item, pgcron.cron_bulk, pgcron.app_once, pgcron.app_run_now")
    driver.execute("DROP INDEX pgcron.cron_log_failures_idx")
