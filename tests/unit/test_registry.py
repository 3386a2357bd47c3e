"""Declaring jobs in code: what is taken, what is refused, and how an application is found."""

from __future__ import annotations

import sys
import textwrap
from datetime import timedelta
from pathlib import Path

import pytest

from pgcron_py import InvalidDeclaration, JobContext, PgCron, PgCronError
from pgcron_py.handlers import bound_arguments, signature_of
from pgcron_py.registry import load_app


def declare(app: PgCron, name: str = "j", schedule: str = "@daily", **options: object):
    def function() -> None: ...

    return app.cron_job(name, schedule, **options)(function)  # type: ignore[arg-type]  # test data


def test_a_declaration_carries_its_options_in_the_units_of_its_columns() -> None:
    app = PgCron("a", release="1")
    declare(app, timeout=timedelta(minutes=2), jitter=1.5, idempotent=True, tags=["x"], max_consecutive_failures=None)
    declaration = app.declarations["j"]
    assert (declaration.timeout_ms, declaration.jitter_ms, declaration.is_idempotent, declaration.tags) == (
        120_000,
        1500,
        True,
        ("x",),
    )
    assert declaration.max_consecutive_failures is None
    assert declaration.notify_on_failure


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"schedule": "61 * * * *"}, "'j': Invalid cron expression"),
        ({"schedule": "0 0 30 2 *"}, "'j': Invalid cron expression"),
        ({"timezone": "Mars/Olympus"}, "'j': timezone: unknown time zone 'Mars/Olympus'"),
        ({"name": ""}, "1 to 200"),
        ({"name": "a\nb"}, "1 to 200"),
        ({"timeout": -1}, "timeout is -1"),
        ({"timeout": 0}, "timeout_ms is 0"),
        ({"max_attempts": 0}, "max_attempts is 0"),
        ({"max_attempts": 1.5}, "max_attempts is 1.5"),
        ({"backoff": 60, "backoff_max": 1}, "backoff_max is less"),
        ({"catchup_policy": "some"}, "catchup_policy is 'some': it must be one of skip, latest, all"),
        ({"jitter": "soon"}, "jitter is 'soon'"),
        ({"overlap_policy": "buffer"}, "overlap_policy is 'buffer': it must be one of skip, buffer_one"),
        ({"max_running": 2}, "max_running is 2"),
        ({"overlap_policy": "buffer_all", "max_running": 2}, "max_running is 2"),
        ({"overlap_policy": "allow_all", "max_running": 0}, "max_running is 0"),
    ],
)
def test_a_bad_declaration_is_refused_with_job_and_reason(options: dict[str, object], message: str) -> None:
    with pytest.raises(InvalidDeclaration, match=message):
        declare(PgCron("a"), **options)  # type: ignore[arg-type]  # test data


def test_a_name_declared_twice_is_refused() -> None:
    app = PgCron("a")
    declare(app)
    with pytest.raises(InvalidDeclaration, match="'j': declared twice"):
        declare(app)


def handlers() -> PgCron:
    app = PgCron("a")

    @app.handler("nothing")
    def nothing() -> None: ...

    @app.handler("context")
    def context(job: JobContext) -> None: ...

    @app.handler("typed")
    def typed(ctx, days: int, when: str = "now") -> None: ...  # type: ignore[no-untyped-def]  # named ctx is enough

    @app.handler("anything")
    def anything(**args: object) -> None: ...

    @app.handler("positional")
    def positional(*args: object) -> None: ...

    return app


def test_signatures_are_understood() -> None:
    app = handlers()
    assert signature_of(app.handlers["nothing"]).context is None
    assert signature_of(app.handlers["context"]).context == "job"
    assert set(signature_of(app.handlers["typed"]).arguments) == {"days", "when"}
    with pytest.raises(InvalidDeclaration, match="positional"):
        signature_of(app.handlers["positional"])


def test_arguments_are_typed_from_the_signature() -> None:
    app = handlers()
    assert bound_arguments("j", signature_of(app.handlers["typed"]), {"days": "3"}) == {"days": 3}
    assert bound_arguments("j", signature_of(app.handlers["anything"]), {"x": 1}) == {"x": 1}
    assert bound_arguments("j", signature_of(app.handlers["context"]), {"x": 1}) == {}  # a context carries them


@pytest.mark.parametrize(
    ("handler", "args", "message"),
    [
        ("typed", {}, r"'j': args lacks \['days'\]"),
        ("typed", {"days": "many"}, "'j': argument 'days' is 'many'"),
        ("typed", {"days": 1, "x": 2}, r"'j': args has \['x'\]"),
        ("nothing", {"x": 1}, r"'j': args has \['x'\]"),
    ],
)
def test_arguments_that_do_not_fit_are_named(handler: str, args: dict[str, object], message: str) -> None:
    with pytest.raises(InvalidDeclaration, match=message):
        bound_arguments("j", signature_of(handlers().handlers[handler]), args)


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.syspath_prepend(str(tmp_path))
    made: list[str] = []

    def write(source: str) -> str:
        name = f"pgcron_test_app_{len(made)}_{tmp_path.name.replace('-', '_')}"
        (tmp_path / f"{name}.py").write_text(textwrap.dedent(source))
        made.append(name)
        return name

    yield write
    for name in made:
        sys.modules.pop(name, None)


def test_an_application_is_found_by_module_alone_or_with_its_attribute(module) -> None:
    path = module(
        """
        from pgcron_py import PgCron
        app = PgCron("shop", release="2.0")
        @app.cron_job("j", "@daily")
        class _: pass
    """.replace("class _: pass", "def f(): ...")
    )
    assert load_app(path).name == load_app(f"{path}:app").name == "shop"


def test_methods_are_declared_in_the_class_body(module) -> None:
    path = module("""
        from pgcron_py import PgCron, JobContext
        app = PgCron("shop")
        class Service:
            @app.cron_job("j", "@daily", args={"n": 1})
            async def tidy(self, ctx: JobContext, n: int) -> None: ...
    """)
    handler = load_app(path).handlers[f"{path}:Service.tidy"]
    assert (handler.owner, handler.is_async) == ("Service", True)


@pytest.mark.parametrize(
    ("source", "attribute", "message"),
    [
        ("x = 1", "", "no PgCron application"),
        ("x = 1", ":x", "'x' is int"),
        ("x = 1", ":y", "'y' is NoneType"),
        ("from pgcron_py import PgCron\na, b = PgCron('a'), PgCron('b')", "", "2 PgCron applications"),
        ("import nonexistent_thing", "", "nonexistent_thing"),
        (
            "from pgcron_py import PgCron\na = PgCron('a')\n@a.cron_job('j', '* * *')\ndef f(): ...",
            "",
            "'j': Invalid cron expression",
        ),
        (
            "from pgcron_py import PgCron\na = PgCron('a')\n@a.cron_job('j', '@daily', args={'x': 1})\ndef f(): ...",
            "",
            "'j': args has",
        ),
    ],
)
def test_an_application_that_can_not_be_taken_says_why(module, source: str, attribute: str, message: str) -> None:
    with pytest.raises(PgCronError, match=message):
        load_app(module(source) + attribute)


def test_names_that_begin_with_pgcron_are_ours() -> None:
    app = PgCron("x")
    with pytest.raises(InvalidDeclaration, match=r"handlers named pgcron\.… come with pgcron"):
        app.handler("pgcron.mine")(lambda: None)
    with pytest.raises(InvalidDeclaration, match="come with pgcron"):
        app.cron_job("j", "@daily", handler="pgcron.sql")(lambda: None)
    assert app.handlers == {}
