"""What is kept about jobs: the audit and its seals, days added up."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import (
    ARRAY,
    BigInteger,
    Date,
    FetchedValue,
    ForeignKey,
    Integer,
    LargeBinary,
    Text,
    Uuid,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from pgcron_py.storage.models.base import Base, instant


class CronActorKey(Base):
    __tablename__ = "cron_actor_key"
    id: Mapped[int] = mapped_column(Integer, primary_key=True, server_default=FetchedValue())
    key: Mapped[bytes] = mapped_column(LargeBinary, server_default=FetchedValue())


class CronAudit(Base):
    __tablename__ = "cron_audit"
    id: Mapped[UUID] = mapped_column(Uuid, primary_key=True, server_default=FetchedValue())
    at: Mapped[datetime] = mapped_column(instant(), server_default=FetchedValue())
    action: Mapped[str] = mapped_column(Text)
    job_id: Mapped[UUID | None] = mapped_column(Uuid)
    job_name: Mapped[str | None] = mapped_column(Text)
    job_version: Mapped[int | None] = mapped_column(Integer)
    old_values: Mapped[Any] = mapped_column(JSONB, nullable=True)
    new_values: Mapped[Any] = mapped_column(JSONB, nullable=True)
    actor: Mapped[str | None] = mapped_column(Text)
    reason: Mapped[str | None] = mapped_column(Text)
    request_id: Mapped[str | None] = mapped_column(Text)
    db_role: Mapped[str] = mapped_column(Text, server_default=FetchedValue())
    application: Mapped[str | None] = mapped_column(Text)
    client_address: Mapped[str | None] = mapped_column(Text)
    transaction_id: Mapped[int] = mapped_column(BigInteger, server_default=FetchedValue())


class CronAuditSeal(Base):
    __tablename__ = "cron_audit_seal"
    position: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    audit_id: Mapped[UUID] = mapped_column(Uuid)
    entry_at: Mapped[datetime] = mapped_column(instant())
    hash: Mapped[bytes] = mapped_column(LargeBinary)
    sealed_at: Mapped[datetime] = mapped_column(instant(), server_default=FetchedValue())


class CronDaily(Base):
    __tablename__ = "cron_daily"
    job_id: Mapped[UUID] = mapped_column(Uuid, ForeignKey("pgcron.cron_job.id", ondelete="CASCADE"), primary_key=True)
    day: Mapped[date] = mapped_column(Date, primary_key=True)
    run_count: Mapped[int] = mapped_column(BigInteger, server_default=FetchedValue())
    success_count: Mapped[int] = mapped_column(BigInteger, server_default=FetchedValue())
    failure_count: Mapped[int] = mapped_column(BigInteger, server_default=FetchedValue())
    duration_sum_ms: Mapped[int] = mapped_column(BigInteger, server_default=FetchedValue())
    duration_max_ms: Mapped[int | None] = mapped_column(BigInteger)
    duration_histogram: Mapped[list[int] | None] = mapped_column(ARRAY(Integer))
    lag_count: Mapped[int] = mapped_column(BigInteger, server_default=FetchedValue())
    lag_sum_ms: Mapped[int] = mapped_column(BigInteger, server_default=FetchedValue())
    lag_max_ms: Mapped[int | None] = mapped_column(BigInteger)
    lag_histogram: Mapped[list[int] | None] = mapped_column(ARRAY(Integer))
    downtime_ms: Mapped[int] = mapped_column(BigInteger, server_default=FetchedValue())
    first_run_at: Mapped[datetime | None] = mapped_column(instant())
    last_run_at: Mapped[datetime | None] = mapped_column(instant())


class CronDailyMark(Base):
    __tablename__ = "cron_daily_mark"
    job_id: Mapped[UUID] = mapped_column(Uuid, ForeignKey("pgcron.cron_job.id", ondelete="CASCADE"), primary_key=True)
    seq: Mapped[int] = mapped_column(BigInteger, server_default=FetchedValue())
    open_seqs: Mapped[list[int]] = mapped_column(ARRAY(BigInteger), server_default=FetchedValue())
    judged_to: Mapped[datetime | None] = mapped_column(instant())
    success_streak: Mapped[int] = mapped_column(BigInteger, server_default=FetchedValue())
    failure_streak: Mapped[int] = mapped_column(BigInteger, server_default=FetchedValue())
    longest_failure_streak: Mapped[int] = mapped_column(BigInteger, server_default=FetchedValue())
    last_success_at: Mapped[datetime | None] = mapped_column(instant())
    last_failure_at: Mapped[datetime | None] = mapped_column(instant())
    purged_to: Mapped[datetime | None] = mapped_column(instant())
    updated_at: Mapped[datetime] = mapped_column(instant(), server_default=FetchedValue())
