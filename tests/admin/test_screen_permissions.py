"""What each form of alerts, settings and notifications needs: the same as the API's route that it stands for."""

from __future__ import annotations

from typing import Any

from pgcron_admin.controllers import alerts, channels, job_changes, kill_switch, sessions, sign_in, users
from pgcron_admin.permissions import Access, access_of, in_person, routes_of

OF_THE_API = {
    "/preferences": in_person,
    "/settings/password": sign_in.change_password,
    "/settings/sessions/{session_id}/end": sessions.end_one,
    "/settings/sessions/end-others": sessions.end_others,
    "/settings/tokens": sessions.make_token,
    "/settings/tokens/{token_id}/revoke": sessions.revoke_token,
    "/settings/users": users.create_user,
    "/settings/users/{user_id}": users.change_user,
    "/settings/users/{user_id}/link": users.make_link,
    "/settings/kill-switch/pause": kill_switch.pause_fleet,
    "/settings/kill-switch/resume": kill_switch.resume_fleet,
    "/settings/blackouts": kill_switch.set_blackout,
    "/settings/blackouts/{blackout_id}/delete": kill_switch.remove_blackout,
    "/alerts/{alert_id}/acknowledge": alerts.acknowledge_alert,
    "/alerts/inbox/read": alerts.mark_read,
    "/alerts/channels": channels.add_channel,
    "/alerts/channels/{channel_id}": channels.edit_channel,
    "/alerts/channels/{channel_id}/delete": channels.remove_channel,
    "/alerts/channels/{channel_id}/test": channels.test_channel,
    "/alerts/mutes": channels.mute,
    "/alerts/mutes/end": channels.unmute,
    "/alerts/deliveries/retry": channels.retry_deliveries,
    "/jobs/{key}/notifications": job_changes.change_job,
    "/jobs/{key}/notifications/test": channels.test_channel,
}


def test_a_form_needs_what_the_api_needs_for_the_same(app: Any) -> None:
    """Forms call the API's functions past its guards: theirs must be the same."""
    found = {
        path: access_of(handler)
        for method, path, handler in routes_of(app)
        if method == "POST" and (path.startswith(("/settings", "/alerts", "/preferences")) or "/notifications" in path)
    }
    wanted = {path: of if isinstance(of, Access) else access_of(of) for path, of in OF_THE_API.items()}
    assert found == wanted
