"""What all models share."""

from __future__ import annotations

from sqlalchemy import DateTime, MetaData
from sqlalchemy.orm import DeclarativeBase


def instant() -> DateTime:
    """Every time is a timestamptz."""
    return DateTime(timezone=True)


class Base(DeclarativeBase):
    metadata = MetaData(schema="pgcron")
