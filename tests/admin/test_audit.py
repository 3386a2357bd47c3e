"""The audit over the API: filtered, page by page, as a whole, verified and undone."""

from __future__ import annotations

import json
from typing import Any

UNKNOWN = "0192f0c1-2345-7000-8000-000000000000"


def job(connection: Any, name: str) -> str:
    statement = "INSERT INTO pgcron.cron_job (name, schedule, handler) VALUES (%s, '0 3 * * *', 'h') RETURNING id"
    return str(connection.execute(statement, (name,)).fetchone()[0])


def all_pages(browser: Any, path: str) -> list[Any]:
    entries = []
    while path:
        answer = browser.get(path)
        assert answer.status_code == 200, answer.text
        entries += answer.json()
        path = answer.links.get("next", {}).get("url", "")
    return entries


def test_entries_come_newest_first_and_each_once_however_short_the_pages(boss: Any, connection: Any) -> None:
    id_ = job(connection, "paged")
    with connection.transaction():  # a transaction's entries may share their instant
        for number in range(25):
            connection.execute("UPDATE pgcron.cron_job SET description = %s WHERE id = %s", (str(number), id_))
    entries = all_pages(boss, f"/api/audit?jobId={id_}&limit=4")
    assert [it["newValues"].get("description") for it in entries] == [*map(str, reversed(range(25))), None]
    assert [it["action"] for it in entries] == ["job_changed"] * 25 + ["job_created"]
    assert len({it["id"] for it in entries}) == 26


def test_filters_find_by_actor_action_time_and_any_word(site: Any, boss: Any, connection: Any) -> None:
    id_ = job(connection, "found")
    connection.execute("SELECT pgcron.disable('found', 'because of 100%_certainty')")
    (middle,) = connection.execute("SELECT clock_timestamp()").fetchone()
    connection.execute("SELECT pgcron.enable('found')")
    boss.post("/api/fleet/pause", {"reason": "a drill, no more"})
    boss.post("/api/fleet/resume", {})

    def found(**query: str) -> list[str]:
        answer = boss.http.get("/api/audit", params=query)
        assert answer.status_code == 200, answer.text
        return [it["action"] for it in answer.json()]

    assert found(jobId=id_) == ["job_enabled", "job_disabled", "job_created"]
    assert found(jobId=id_, action="job_disabled") == ["job_disabled"]
    assert found(jobId=id_, until=middle.isoformat()) == ["job_disabled", "job_created"]
    assert found(jobId=id_, since=middle.isoformat()) == ["job_enabled"]
    assert found(search="100%_CERTAIN", jobId=id_) == ["job_enabled", "job_disabled"]
    assert found(search="100xxcertain", jobId=id_) == []
    assert found(actor="web:the-boss", action="fleet_paused") == ["fleet_paused"]
    assert found(actor="web:nobody") == []
    assert found(search="a drill, no more") == ["fleet_resumed", "fleet_paused"]
    for wrong in ({"since": "yesterday"}, {"until": "9999-99-99"}, {"cursor": "x"}):
        answer = boss.http.get("/api/audit", params=wrong)
        assert (answer.status_code, answer.json()["field"]) == (422, next(iter(wrong)))


def test_an_entry_says_what_changed_field_by_field(boss: Any, connection: Any) -> None:
    id_ = job(connection, "detailed")
    connection.execute("UPDATE pgcron.cron_job SET schedule = '0 4 * * *', description = 'new' WHERE id = %s", (id_,))
    newest = boss.get(f"/api/audit?jobId={id_}&limit=1").json()[0]
    entry = boss.get(f"/api/audit/{newest['id']}").json()
    assert entry["changes"] == [
        {"field": "description", "before": None, "after": "new"},
        {"field": "schedule", "before": "0 3 * * *", "after": "0 4 * * *"},
    ]
    assert (entry["canRevert"], entry["sealPosition"], entry["jobVersion"]) == (True, None, 2)
    connection.execute("SELECT pgcron.seal_audit()")
    assert boss.get(f"/api/audit/{newest['id']}").json()["sealPosition"] > 0
    assert boss.get(f"/api/audit/{UNKNOWN}").status_code == 404


def test_a_change_is_undone_by_whom_and_why(site: Any, boss: Any, connection: Any) -> None:
    id_ = job(connection, "undone")
    connection.execute("UPDATE pgcron.cron_job SET schedule = '0 5 * * *' WHERE id = %s", (id_,))
    entry = boss.get(f"/api/audit?jobId={id_}&limit=1").json()[0]["id"]
    done = boss.post(f"/api/audit/{entry}/revert", {"reason": "too late in the night"})
    assert done.json() == {"jobId": id_, "job": "undone", "version": 3}
    assert connection.execute("SELECT schedule FROM pgcron.cron_job WHERE id = %s", (id_,)).fetchone() == ("0 3 * * *",)
    newest = boss.get(f"/api/audit?jobId={id_}&limit=1").json()[0]
    assert (newest["actor"], newest["reason"]) == ("web:the-boss", "too late in the night")
    assert newest["requestId"] == done.headers["x-request-id"]


def test_what_cannot_be_undone_says_why(boss: Any, connection: Any) -> None:
    id_ = job(connection, "stubborn")
    created = boss.get(f"/api/audit?jobId={id_}").json()[0]["id"]
    refused = boss.post(f"/api/audit/{created}/revert", {})
    assert (refused.status_code, refused.json()["code"]) == (422, "invalid_arguments")
    connection.execute("UPDATE pgcron.cron_job SET schedule = '0 6 * * *' WHERE id = %s", (id_,))
    changed = boss.get(f"/api/audit?jobId={id_}&limit=1").json()[0]["id"]
    connection.execute("UPDATE pgcron.cron_job SET is_locked = true WHERE id = %s", (id_,))
    assert boss.post(f"/api/audit/{changed}/revert", {}).json()["code"] == "job_locked"
    connection.execute("UPDATE pgcron.cron_job SET is_locked = false WHERE id = %s", (id_,))
    connection.execute("DELETE FROM pgcron.cron_job WHERE id = %s", (id_,))
    assert boss.post(f"/api/audit/{changed}/revert", {}).status_code == 404
    assert boss.post(f"/api/audit/{UNKNOWN}/revert", {}).status_code == 404


def test_an_export_has_an_entry_on_each_line_of_all_parts(boss: Any, connection: Any) -> None:
    id_ = job(connection, "exported")
    with connection.transaction():
        for number in range(2100):
            connection.execute("UPDATE pgcron.cron_job SET description = %s WHERE id = %s", (f"line\n{number}", id_))
    answer = boss.get(f"/api/audit/export?jobId={id_}")
    assert answer.headers["content-type"] == "application/x-ndjson"
    assert "pgcron-audit.ndjson" in answer.headers["content-disposition"]
    entries = [json.loads(line) for line in answer.text.splitlines()]
    assert [it["newValues"]["description"] for it in entries[:-1]] == [f"line\n{n}" for n in reversed(range(2100))]
    assert entries[-1]["action"] == "job_created"
    assert boss.get(f"/api/audit/export?jobId={UNKNOWN}").text == ""
    assert boss.get("/api/audit/export?since=soon").status_code == 422


def test_a_forged_entry_is_found(boss: Any, connection: Any) -> None:
    id_ = job(connection, "forged")
    connection.execute("SELECT pgcron.seal_audit(100000)")
    whole = boss.get("/api/audit/verify").json()
    assert (whole["isIntact"], whole["problems"]) == (True, [])
    assert whole["sealed"] > 0
    connection.execute("ALTER TABLE pgcron.cron_audit DISABLE TRIGGER USER")
    connection.execute("UPDATE pgcron.cron_audit SET actor = 'somebody else' WHERE job_id = %s", (id_,))
    try:
        broken = boss.get("/api/audit/verify").json()
        assert broken["isIntact"] is False
        assert "was changed after it was sealed" in broken["problems"][0]["problem"]
    finally:
        connection.execute("ALTER TABLE pgcron.cron_audit ENABLE TRIGGER USER")
