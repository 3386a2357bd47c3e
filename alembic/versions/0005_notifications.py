"""Notifications: alerts, channels, deliveries."""

from alembic import op

from pgcron_py.resources import execute_sql_files

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

FILES = (
    "tables/notifications_v01.sql",
    "functions/alerts_v01.sql",
    "functions/deliveries_v01.sql",
    "functions/channels_v01.sql",
    "comments/notifications_v01.sql",
    "grants/notifications_v01.sql",
)
FUNCTIONS = (
    "tell_failures", "tell_recoveries", "ping_ends", "acknowledge", "mark_read", "name_matches", "dispatch_outbox", "muted_until",
    "delivery_backoff", "take_deliveries", "settle_delivery", "look_around", "delivery_in", "channel_id", "add_channel", "edit_channel",
    "remove_channel", "mute", "unmute", "retry_deliveries", "test_channel",
)  # fmt: skip


def upgrade() -> None:
    execute_sql_files(op.get_bind().connection.dbapi_connection, FILES)


def downgrade() -> None:
    driver = op.get_bind().connection.dbapi_connection
    driver.execute("DROP TRIGGER cron_outbox_notify ON pgcron.cron_outbox")
    driver.execute("DROP INDEX pgcron.cron_job_pinged_idx")
    driver.execute(
        "DROP TABLE pgcron.cron_delivery, pgcron.cron_mute, pgcron.cron_channel, pgcron.cron_watch, pgcron.cron_alert"
    )
    for name in (*FUNCTIONS, "channel_address", "cron_outbox_notify", "cron_channel_before", "cron_channel_audit"):
        driver.execute(f"DROP FUNCTION pgcron.{name}")
