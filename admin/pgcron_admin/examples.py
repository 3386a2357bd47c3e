"""An example of each body, for the OpenAPI document and docs/api-routes.md. A test decodes them all."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

ID = "0192f0c1-2345-7000-8000-000000000000"
EXAMPLES: Mapping[str, dict[str, Any]] = {
    "SignInBody": {"name": "ana", "password": "correct horse battery staple"},
    "PasswordBody": {"current": "correct horse battery staple", "new": "another horse battery staple"},
    "TokenBody": {"name": "deploy", "scopes": ["cron.view", "cron.trigger"], "days": 90},
    "NewUserBody": {"name": "ben", "role": "operator"},
    "UserBody": {"isEnabled": False, "reason": "left the company"},
    "EnableBody": {"reason": "the shop is open again"},
    "DisableBody": {"reason": "stocktaking", "until": "2027-01-02T06:00:00Z"},
    "TriggerBody": {"reason": "month end", "args": {"shop": 17}},
    "ScheduleBody": {"schedule": "30 4 * * *", "timezone": "Europe/Berlin", "reason": "after the backup"},
    "NewJobBody": {
        "name": "nightly-report", "schedule": "0 3 * * *", "timezone": "Europe/Berlin", "handler": "shop.reports:nightly",
        "args": {"shop": 17}, "tags": ["shop"], "timeoutMs": 600_000, "reason": "a new shop",
    },
    "JobBody": {"timeoutMs": 900_000, "owner": None, "reason": "it takes longer at month end"},
    "ReasonBody": {"reason": "not needed today"},
    "CancelBody": {"reason": "stuck", "force": False},
    "PreviewBody": {"schedule": "0 0 * * mon-fri", "timezone": "Europe/Berlin", "viewTimezone": "America/New_York"},
    "PlanBody": {"schedule": "0 4 * * *", "count": 10},
    "BackfillBody": {"from": "2026-11-01T00:00:00Z", "to": "2026-11-02T00:00:00Z", "perMinute": 10, "reason": "the shop was closed"},
    "BulkBody": {"action": "disable", "filter": {"tags": ["shop"], "enabled": True}, "reason": "stocktaking"},
    "SwitchBody": {"reason": "the disk is full"},
    "BlackoutBody": {"name": "release", "action": "delay", "startsAt": "2027-01-04T20:00:00Z", "endsAt": "2027-01-04T22:00:00Z", "tag": "shop", "reason": "release 42"},
    "LimitBody": {"kind": "tag", "name": "shop", "maxRunning": 4, "reason": "the shop's database is small"},
    "AcknowledgeBody": {"reason": "we are on it"},
    "ReadBody": {"ids": [ID]},
    "NewChannelBody": {"name": "on-call", "url": "webhook+https://hooks.example.com/pgcron", "events": ["failed", "recovered"], "makeSecret": True},
    "ChannelBody": {"isEnabled": False, "reason": "a new address follows"},
    "MuteBody": {"until": "2027-01-04T22:00:00Z", "reason": "release 42"},
    "AgainBody": {"channelId": ID},
    "RevertBody": {"reason": "a mistake"},
}  # fmt: skip
