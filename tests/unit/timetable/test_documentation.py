"""docs/schedules.md tells the truth: its tables are read and tried."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from pgcron_py.errors import InvalidSchedule
from pgcron_py.timetable import describe, next_runs, parse

PAGE = (Path(__file__).parents[3] / "docs" / "schedules.md").read_text()


def rows(*header: str) -> list[list[str]]:
    return list(_rows(header))


def _rows(header: tuple[str, ...]) -> Iterator[list[str]]:
    lines = iter(PAGE.splitlines())
    wanted = f"| {' | '.join(header)} |"
    for line in lines:
        if line == wanted:
            next(lines)
            for row in lines:
                if not row.startswith("|"):
                    return
                yield [cell.strip().strip("`") for cell in row.strip("|").split(" | ")]


def instants(text: str) -> list[datetime]:
    return [datetime.fromisoformat(part.strip()).replace(tzinfo=UTC) for part in text.split(",")]


@pytest.mark.parametrize(("_form", "example", "_meaning"), rows("form", "example", "meaning"))
def test_each_form_is_taken(_form: str, example: str, _meaning: str) -> None:
    parse(example)


@pytest.mark.parametrize(("_item", "example", "canonical"), rows("item", "example", "becomes"))
def test_each_item_becomes_what_the_page_says(_item: str, example: str, canonical: str) -> None:
    assert parse(example).canonical == canonical


@pytest.mark.parametrize(("text", "code", "hint"), rows("text", "code", "hint"))
def test_each_refusal_has_the_code_and_hint_of_the_page(text: str, code: str, hint: str) -> None:
    with pytest.raises(InvalidSchedule) as caught:
        parse(text)
    assert (caught.value.code, caught.value.hint) == (code, hint)


@pytest.mark.parametrize(
    ("text", "zone", "after", "runs"), rows("schedule", "zone", "asked after (UTC)", "next runs (UTC)")
)
def test_each_run_across_a_clock_change_is_true(text: str, zone: str, after: str, runs: str) -> None:
    expected = instants(runs)
    assert next_runs(text, zone, instants(after)[0], len(expected)) == expected


def test_the_day_rules_examples_are_true() -> None:
    start = datetime(2026, 1, 31, tzinfo=UTC)
    days = {text: next_runs(text, "UTC", start, 8) for text, _ in rows("schedule", "fires on")}
    assert len(days) == 3
    assert all(run.day == 13 or run.isoweekday() == 5 for run in days["0 9 13 * 5"])
    assert all(run.isoweekday() == 5 for run in days["0 9 * * 5"])
    assert all(run.isoweekday() == 5 and run.day % 2 == 1 for run in days["0 9 */2 * 5"])


def test_every_warning_of_the_page_is_one_and_every_one_is_on_the_page() -> None:
    from pgcron_py.timetable import cautions

    source = Path(cautions.__file__).read_text()
    on_the_page = {code for cell, _ in rows("code", "when") for code in re.findall(r"[a-z_]+", cell)}
    assert on_the_page == set(re.findall(r'Warning\(\s*"(\w+)"', source))


def test_every_code_of_a_refusal_is_on_the_page() -> None:
    package = Path(parse.__code__.co_filename).parent
    source = "".join((package / f"{name}.py").read_text() for name in ("grammar", "items", "duration"))
    found = re.findall(r'(?:refusal|_refuse)\(\s*"(\w+)"', source) + re.findall(r'\), "(\w+)", "', source)
    assert len(set(found)) > 20
    assert [code for code in set(found) if f"`{code}`" not in PAGE] == []


def test_the_code_sample_runs() -> None:
    sample = re.search(r"```python\n(.*?)```", PAGE, re.DOTALL)
    assert sample
    names: dict[str, object] = {"after": datetime(2026, 1, 1, tzinfo=UTC)}
    exec(sample[1], names)
    assert names["parse"] is parse
    assert names["describe"] is describe
