"""Start-up registration: code's declarations become rows, admins' edits stay, nothing of others is touched."""

from __future__ import annotations

import asyncio

import psycopg
import pytest

from pgcron_py.app.sync import SyncReport, sync_declarations
from pgcron_py.domain.declaration import JobDeclaration
from pgcron_py.errors import InvalidDeclaration
from support.steps import Stage


def declared(name: str = "clean", schedule: str = "0 */6 * * *", **fields: object) -> JobDeclaration:
    return JobDeclaration(name=name, schedule=schedule, handler="m:f", **fields)  # type: ignore[arg-type]  # test data


def sync(stage: Stage, *declarations: JobDeclaration, app: str = "shop", release: str = "1.0") -> SyncReport:
    return stage.actor().do(lambda connection: sync_declarations(connection, app, release, list(declarations)))


def test_registers_a_new_job(stage: Stage) -> None:
    report = sync(
        stage, declared(description="Deletes old tokens", is_locked=True, tags=("auth",), timezone="Europe/Berlin")
    )
    assert report.created == ["clean"]
    row = stage.row("SELECT * FROM pgcron.cron_job")
    assert (row["origin"], row["app"], row["release"], row["declared_schedule"]) == (
        "code",
        "shop",
        "1.0",
        "0 */6 * * *",
    )
    assert (row["schedule"], row["timezone"], row["is_locked"], row["tags"], row["needs_plan"]) == (
        "0 */6 * * *", "Europe/Berlin", True, ["auth"], False,
    )  # fmt: skip
    assert stage.row("SELECT actor FROM pgcron.cron_audit") == {"actor": "app shop 1.0"}
    assert stage.broken_invariants() == []


def test_updates_an_existing_job(stage: Stage) -> None:
    sync(stage, declared())
    report = sync(stage, declared(schedule="0 3 * * *", timeout_ms=5000), release="1.1")
    assert report.updated == ["clean"]
    row = stage.row("SELECT schedule, timeout_ms, release, version FROM pgcron.cron_job")
    assert row == {"schedule": "0 3 * * *", "timeout_ms": 5000, "release": "1.1", "version": 2}


def test_registering_the_same_again_writes_nothing(stage: Stage) -> None:
    sync(stage, declared())
    before = stage.row("SELECT xmin::text, * FROM pgcron.cron_job")
    assert not sync(stage, declared()).changed
    assert stage.row("SELECT xmin::text, * FROM pgcron.cron_job") == before


def test_an_admins_edit_of_an_unlocked_job_survives_and_other_fields_follow_the_code(stage: Stage) -> None:
    sync(stage, declared())
    stage.do("UPDATE pgcron.cron_job SET schedule = '@hourly'")
    report = sync(stage, declared(schedule="0 3 * * *", queue="slow"), release="1.1")
    assert report.kept == {"clean": ["schedule"]}
    row = stage.row("SELECT schedule, declared_schedule, queue FROM pgcron.cron_job")
    assert row == {"schedule": "@hourly", "declared_schedule": "0 3 * * *", "queue": "slow"}
    sync(stage, declared(schedule="0 4 * * *", queue="slow"), release="1.2")
    assert stage.row("SELECT schedule FROM pgcron.cron_job") == {"schedule": "@hourly"}


def test_a_disabled_job_stays_disabled(stage: Stage) -> None:
    sync(stage, declared())
    stage.do("SELECT pgcron.disable('clean', 'not now')")
    sync(stage, declared(schedule="@daily"), release="1.1")
    assert stage.row("SELECT is_enabled, disabled_reason FROM pgcron.cron_job") == {
        "is_enabled": False,
        "disabled_reason": "not now",
    }


def test_a_locked_job_follows_the_code(stage: Stage) -> None:
    sync(stage, declared(is_locked=True))
    stage.do("UPDATE pgcron.cron_job SET schedule = '@hourly'")  # the owner may
    sync(stage, declared(is_locked=True), release="1.1")
    assert stage.row("SELECT schedule FROM pgcron.cron_job") == {"schedule": "0 */6 * * *"}


def test_a_removed_declaration_is_marked_and_comes_back(stage: Stage) -> None:
    sync(stage, declared("a"), declared("b"))
    report = sync(stage, declared("a"), release="1.1")
    assert report.undeclared == ["b"]
    assert stage.row("SELECT undeclared_at IS NOT NULL AS gone, is_enabled FROM pgcron.cron_job WHERE name = 'b'") == {
        "gone": True, "is_enabled": True,
    }  # fmt: skip
    sync(stage, declared("a"), declared("b"), release="1.2")
    assert stage.row("SELECT undeclared_at FROM pgcron.cron_job WHERE name = 'b'") == {"undeclared_at": None}


def test_other_apps_jobs_are_untouched_and_their_names_are_refused(stage: Stage) -> None:
    sync(stage, declared("theirs"), app="bank")
    before = stage.row("SELECT * FROM pgcron.cron_job")
    sync(stage, declared("mine"))
    assert stage.row("SELECT * FROM pgcron.cron_job WHERE name = 'theirs'") == before
    with pytest.raises(InvalidDeclaration, match=r"'theirs'.*app 'bank' declares"):
        sync(stage, declared("mine"), declared("theirs"))


def test_a_job_made_by_hand_is_not_taken_over(stage: Stage) -> None:
    stage.job("clean", due=None)
    with pytest.raises(InvalidDeclaration, match=r"'clean'.*made by hand"):
        sync(stage, declared())


@pytest.mark.parametrize(("newer", "older"), [("1.10", "1.9"), ("2", "1.99"), ("v1.2.3", "1.2.2")])
def test_an_older_release_changes_nothing(stage: Stage, newer: str, older: str) -> None:
    sync(stage, declared(schedule="@daily"), declared("b"), release=newer)
    report = sync(stage, declared(schedule="@hourly"), release=older)
    assert (report.ignored, report.undeclared) == (["clean"], [])
    assert stage.row("SELECT schedule, release FROM pgcron.cron_job WHERE name = 'clean'") == {
        "schedule": "@daily",
        "release": newer,
    }


def test_ten_workers_that_start_at_once_do_not_fight(stage: Stage) -> None:
    declarations = [declared(f"job {index}") for index in range(30)]

    async def start() -> list[SyncReport]:
        async def one() -> SyncReport:
            async with await psycopg.AsyncConnection.connect(stage.worker_url, autocommit=True) as connection:
                return await sync_declarations(connection, "shop", "1.0", declarations)

        return await asyncio.gather(*(one() for _ in range(10)))

    reports = asyncio.run(start())
    assert sorted(len(report.created) for report in reports) == [0] * 9 + [30]
    assert stage.row("SELECT count(*) AS n, max(version) AS v FROM pgcron.cron_job") == {"n": 30, "v": 1}
