"""What a browser has to load: everything of the admin's, compressed as servers send it."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from pathlib import Path

import pytest

from pgcron_admin.assets import FOLDER
from support.figures import KEY

MOST_KB = 140


@pytest.mark.skipif(not (FOLDER / "manifest.json").exists(), reason="the assets aren't built: make assets")
def test_all_assets_together_weigh_less_than_140_kb(record_property: Callable[[str, object], None]) -> None:
    weights = {
        path.name.split(".")[0] + path.suffix: _weight(path)
        for path in FOLDER.iterdir()
        if path.suffix != ".json" and not path.name.startswith(".")
    }
    record_property(
        KEY,
        f"assets, gz: {sum(weights.values()) / 1000:.0f} kB ({', '.join(f'{name} {weight / 1000:.0f}' for name, weight in sorted(weights.items()))})",
    )
    assert sum(weights.values()) < MOST_KB * 1000


def _weight(path: Path) -> int:
    return len(path.read_bytes()) if path.suffix == ".woff2" else len(gzip.compress(path.read_bytes(), 6))
