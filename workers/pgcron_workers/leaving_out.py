"""Imports without what they would take along and nobody here needs: every worker has it in its memory otherwise."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def left_out(*modules: str) -> Iterator[None]:
    """What is imported within does without these, as if they were not installed; those that are loaded already stay."""
    absent = [module for module in modules if module not in sys.modules]
    for module in absent:
        sys.modules[module] = None  # type: ignore[assignment]  # how Python marks what can't be had
    try:
        yield
    finally:
        for module in absent:
            del sys.modules[module]
