"""pgcron next: a schedule explained without a database."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner, Result

from pgcron_py.cli import cli


def following(*args: str) -> Result:
    return CliRunner().invoke(cli, ["next", *args], env={"PGCRON_DATABASE_URL": None})


def test_it_tells_the_sentence_and_the_runs_in_the_zone_and_in_utc() -> None:
    done = following("0 3 * * *", "--tz", "Europe/Berlin", "--after", "2026-03-28T12:00", "-n", "2")
    assert done.exit_code == 0
    sentence, header, first, second = done.stdout.splitlines()
    assert sentence == "At 03:00, Europe/Berlin time"
    assert header.split() == ["Europe/Berlin", "UTC", "from", "now"]
    assert first.startswith("Sun 2026-03-29 03:00:00 CEST +02:00  2026-03-29 01:00:00Z")
    assert second.startswith("Mon 2026-03-30 03:00:00 CEST +02:00")


def test_a_time_without_an_offset_is_in_the_zone() -> None:
    done = following("* * * * *", "--tz", "Asia/Tokyo", "--after", "2026-01-01T09:00", "-n", "1", "--json")
    assert json.loads(done.stdout)["next_runs"] == ["2026-01-01T00:01:00Z"]


def test_zones_without_letters_show_their_offset_once() -> None:
    done = following("0 3 * * *", "--tz", "America/Sao_Paulo", "--after", "2026-03-28T12:00", "-n", "1")
    assert "Sun 2026-03-29 03:00:00 -03:00  2026" in done.stdout


def test_warnings_go_to_stderr() -> None:
    done = following("30 2 * * *", "--tz", "Europe/Berlin", "--after", "2026-03-01")
    assert "Warning: clocks skip 02:00-03:00 on 2026-03-29" in done.stderr


def test_json_has_the_canonical_text_and_the_warnings() -> None:
    found = json.loads(following("0 9 * * mon-fri", "--after", "2026-01-01", "--json").stdout)
    assert found["canonical"] == "0 9 * * 1-5"
    assert found["sentence"] == "At 09:00, Monday through Friday, UTC time"
    assert len(found["next_runs"]) == 5
    assert found["warnings"] == []


def test_a_reboot_has_no_time() -> None:
    done = following("@reboot")
    assert done.exit_code == 0
    assert "no run has a time that can be told beforehand" in done.stderr


def test_the_jobs_name_decides_what_h_means() -> None:
    assert following("H 3 * * *", "--name", "a").stdout != following("H 3 * * *", "--name", "b").stdout


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (
            ("61 * * * *",),
            "Error: minute (column 1): 61 is outside 0-59\n    61 * * * *\n    ^\n  hint: minute is 0 to 59\n",
        ),
        (("",), "Error: the schedule is empty\n  hint: write five fields"),
        (("0 0 30 2 *",), "can never fire"),
        (("\x1b[31m",), "Error: "),
        (("x" * 400,), "Error: "),
        (("0 3 * * *", "--tz", "Mars/X"), "Error: unknown time zone 'Mars/X'\n  hint: use an IANA name"),
        (("0 3 * * *", "--after", "soon"), "Error: 'soon' is no time\n  hint: write 2026-03-29"),
        (("0 3 * * *", "--after", "0001-01-01"), "Error: "),
        (("0 3 * * *", "--after", "9999-12-31"), "Error: "),
        (("0 3 * * *", "-n", "0"), "Error: Invalid value for '-n'"),
        ((), "Error: Missing argument 'EXPR'"),
    ],
)
def test_what_can_not_be_read_is_wrong_usage(args: tuple[str, ...], message: str) -> None:
    done = following(*args)
    assert (done.exit_code, done.stdout) == (2, "")
    assert message in done.stderr
    assert "\x1b" not in done.stderr
