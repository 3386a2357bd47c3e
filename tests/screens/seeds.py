"""What pages about people, alerts and rules show: beside the jobs of support/showcase.py."""

from __future__ import annotations

import httpx
from screens.conftest import Site, Tab

STATEMENTS = (
    "SELECT pgcron.add_channel('ops-mail', 'mailtos://robot:hunter2hunter2@mail.example.com?to=ops@example.com')",
    "SELECT pgcron.add_channel('pager', 'webhook+https://hooks.example.com/pager/9f8e7d', ARRAY['failed', 'recovered', 'no_worker'], ARRAY['finance'], NULL, 'a secret of twenty letters')",
    "SELECT pgcron.add_channel('reports', 'slack://TOKEN/TOKEN/TOKEN', NULL, NULL, ARRAY['weekly-*'])",
    "INSERT INTO pgcron.cron_alert (kind, job_id, job_name, count, detail, opened_at, told_at) SELECT 'failing', id, name, 4, "
    '\'{"error": "ConnectionError: the mail server refused the connection (421)", "run": "send-invoices#60"}\', clock_timestamp() - interval \'52 min\', clock_timestamp() - interval \'52 min\' '
    "FROM pgcron.cron_job WHERE name = 'send-invoices'",
    "INSERT INTO pgcron.cron_alert (kind, job_id, job_name, count, detail, opened_at, told_at, acknowledged_at, acknowledged_by) SELECT 'slow', id, name, 2, "
    "'{\"duration_ms\": 95000, \"limit_ms\": 60000}', clock_timestamp() - interval '3 h', clock_timestamp() - interval '3 h', clock_timestamp() - interval '2 h', 'web:ana' "
    "FROM pgcron.cron_job WHERE name = 'weekly-report'",
    "INSERT INTO pgcron.cron_alert (kind, job_id, job_name, count, detail, opened_at, told_at, resolved_at) SELECT 'late', id, name, 1, '{\"limit_ms\": 60000}', "
    "clock_timestamp() - interval '2 d', clock_timestamp() - interval '2 d', clock_timestamp() - interval '47 h' FROM pgcron.cron_job WHERE name = 'nightly-close'",
    "INSERT INTO pgcron.cron_outbox (event, job_id, job_name, alert_id, payload) SELECT 'failed', job_id, job_name, id, detail || '{\"consecutive_failures\": 1, \"max_consecutive_failures\": 5}' "
    "FROM pgcron.cron_alert WHERE kind = 'failing'",
    "SELECT pgcron.dispatch_outbox(100)",
    "UPDATE pgcron.cron_delivery SET state = 'GIVEN_UP', attempts = 12, ended_at = clock_timestamp(), last_error = '503 Service Unavailable' "
    "WHERE channel_id = (SELECT id FROM pgcron.cron_channel WHERE name = 'pager')",
    "UPDATE pgcron.cron_delivery SET state = 'DELIVERED', attempts = 1, ended_at = clock_timestamp() WHERE channel_id = (SELECT id FROM pgcron.cron_channel WHERE name = 'ops-mail')",
    "SELECT pgcron.mute(NULL, 'sync-stock', clock_timestamp() + interval '5 h', NULL, 'the warehouse counts its stock')",
    "SELECT pgcron.set_blackout('year-end closing', '2027-12-31 18:00+01', '2028-01-01 06:00+01', p_timezone => 'Europe/Berlin', p_tag => 'finance', p_action => 'delay', p_reason => 'the ledger is closed')",
    "SELECT pgcron.set_blackout('weekly maintenance', p_schedule => '0 22 * * fri', p_duration => interval '8 h', p_timezone => 'Europe/Berlin', p_action => 'skip')",
)


def seed_people_and_alerts(site: Site) -> None:
    """Once: tests of a module share a site."""
    if site.value("SELECT count(*) FROM pgcron.cron_channel WHERE name = 'reports'"):
        return
    for statement in STATEMENTS:
        site.do(statement)
    site.people.add("ana", "super_admin", "cron.sql.edit")
    site.people.add("ben@example.com", "operator")
    site.people.add("carla", "viewer")
    site.do("UPDATE pgcron.app_user SET is_enabled = false WHERE name = 'carla'")
    site.people.token("super-admin", "super_admin", scopes=["cron.view", "cron.trigger"])


def tab_of(site: Site, name: str, role: str = "super_admin", *, scripts: bool = True, phone: bool = False) -> Tab:
    """A tab of a user of their own, so that what they prefer is nobody else's."""
    tab = site.tab(None, scripts=scripts, phone=phone)
    cookie = site.people.session(site.url, name, role).cookie
    assert cookie is not None
    tab.page.context.add_cookies([{"name": "pgcron_dev", "value": cookie, "domain": "127.0.0.1", "path": "/"}])
    return tab


class Visitor:
    """Somebody who looks and sends forms without JavaScript, and without a browser."""

    def __init__(self, site: Site, name: str, role: str = "super_admin") -> None:
        self.session = site.people.session(site.url, name, role)
        self.origin = site.url

    def get(self, path: str) -> str:
        answer = self.session.http.get(path, follow_redirects=True)
        assert answer.status_code == 200, answer.text
        return answer.text

    def send(self, path: str, **fields: object) -> httpx.Response:
        """fields: as the form's; a list for check boxes."""
        form = {"csrf": self.session.csrf or "", **fields}
        return self.session.http.post(path, data=form, headers={"Origin": self.origin})
