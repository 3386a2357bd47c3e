"""Workers and the rules of the fleet: leases, handlers, limits, blackouts."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import (
    ARRAY,
    BigInteger,
    Boolean,
    Double,
    FetchedValue,
    ForeignKey,
    Integer,
    SmallInteger,
    Text,
    Uuid,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from pgcron_py.storage.models.base import Base, instant


class CronWorker(Base):
    __tablename__ = "cron_worker"
    id: Mapped[UUID] = mapped_column(Uuid, primary_key=True)
    state: Mapped[str] = mapped_column(Text, server_default=FetchedValue())
    host: Mapped[str] = mapped_column(Text)
    pid: Mapped[int] = mapped_column(Integer)
    version: Mapped[str] = mapped_column(Text)
    app: Mapped[str | None] = mapped_column(Text)
    release: Mapped[str | None] = mapped_column(Text)
    queues: Mapped[list[str] | None] = mapped_column(ARRAY(Text))
    handlers: Mapped[Any] = mapped_column(JSONB, server_default=FetchedValue())
    concurrency: Mapped[int] = mapped_column(Integer)
    drain_requested_at: Mapped[datetime | None] = mapped_column(instant())
    drain_requested_by: Mapped[str | None] = mapped_column(Text)
    drain_reason: Mapped[str | None] = mapped_column(Text)
    started_at: Mapped[datetime] = mapped_column(instant(), server_default=FetchedValue())
    ended_at: Mapped[datetime | None] = mapped_column(instant())


class CronLease(Base):
    __tablename__ = "cron_lease"
    worker_id: Mapped[UUID] = mapped_column(
        Uuid, ForeignKey("pgcron.cron_worker.id", ondelete="CASCADE"), primary_key=True
    )
    lease_until: Mapped[datetime] = mapped_column(instant())
    ttl_ms: Mapped[int] = mapped_column(Integer)
    beat_at: Mapped[datetime] = mapped_column(instant(), server_default=FetchedValue())
    was_renewed: Mapped[bool] = mapped_column(Boolean, server_default=FetchedValue())


class CronReaper(Base):
    __tablename__ = "cron_reaper"
    id: Mapped[int] = mapped_column(SmallInteger, primary_key=True, server_default=FetchedValue())
    last_tick: Mapped[datetime] = mapped_column(instant(), server_default=FetchedValue())


class CronGeneration(Base):
    __tablename__ = "cron_generation"
    generation: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    started_at: Mapped[datetime] = mapped_column(instant(), server_default=FetchedValue())
    worker_id: Mapped[UUID] = mapped_column(Uuid)


class CronMeta(Base):
    __tablename__ = "cron_meta"
    id: Mapped[int] = mapped_column(SmallInteger, primary_key=True, server_default=FetchedValue())
    schema_version: Mapped[int] = mapped_column(Integer)
    min_worker_schema: Mapped[int] = mapped_column(Integer)
    system_identifier: Mapped[str] = mapped_column(Text, server_default=FetchedValue())
    database_oid: Mapped[int] = mapped_column(BigInteger, server_default=FetchedValue())
    adopted_at: Mapped[datetime] = mapped_column(instant(), server_default=FetchedValue())
    adopted_by: Mapped[str] = mapped_column(Text, server_default=FetchedValue())
    paused_at: Mapped[datetime | None] = mapped_column(instant())
    paused_by: Mapped[str | None] = mapped_column(Text)
    paused_reason: Mapped[str | None] = mapped_column(Text)


class CronRetryBudget(Base):
    __tablename__ = "cron_retry_budget"
    id: Mapped[int] = mapped_column(SmallInteger, primary_key=True, server_default=FetchedValue())
    per_second: Mapped[float] = mapped_column(Double, server_default=FetchedValue())
    burst: Mapped[int] = mapped_column(Integer, server_default=FetchedValue())
    spent_until: Mapped[datetime] = mapped_column(instant(), server_default=FetchedValue())


class CronHandler(Base):
    __tablename__ = "cron_handler"
    name: Mapped[str] = mapped_column(Text, primary_key=True)
    app: Mapped[str | None] = mapped_column(Text)
    release: Mapped[str | None] = mapped_column(Text)
    description: Mapped[str | None] = mapped_column(Text)
    is_async: Mapped[bool] = mapped_column(Boolean, server_default=FetchedValue())
    is_transactional: Mapped[bool] = mapped_column(Boolean, server_default=FetchedValue())
    parameters: Mapped[Any] = mapped_column(JSONB, nullable=True)
    published_at: Mapped[datetime] = mapped_column(instant(), server_default=FetchedValue())


class CronLimit(Base):
    __tablename__ = "cron_limit"
    kind: Mapped[str] = mapped_column(Text, primary_key=True)
    name: Mapped[str] = mapped_column(Text, primary_key=True)
    max_running: Mapped[int | None] = mapped_column(Integer)
    per_minute: Mapped[int | None] = mapped_column(Integer)
    burst: Mapped[int] = mapped_column(Integer, server_default=FetchedValue())
    spent_until: Mapped[datetime] = mapped_column(instant(), server_default=FetchedValue())
    created_by: Mapped[str] = mapped_column(Text, server_default=FetchedValue())
    created_at: Mapped[datetime] = mapped_column(instant(), server_default=FetchedValue())


class CronBlackout(Base):
    __tablename__ = "cron_blackout"
    id: Mapped[UUID] = mapped_column(Uuid, primary_key=True, server_default=FetchedValue())
    name: Mapped[str] = mapped_column(Text)
    job_id: Mapped[UUID | None] = mapped_column(Uuid, ForeignKey("pgcron.cron_job.id", ondelete="CASCADE"))
    tag: Mapped[str | None] = mapped_column(Text)
    action: Mapped[str] = mapped_column(Text, server_default=FetchedValue())
    starts_at: Mapped[datetime | None] = mapped_column(instant())
    ends_at: Mapped[datetime | None] = mapped_column(instant())
    schedule: Mapped[str | None] = mapped_column(Text)
    timezone: Mapped[str] = mapped_column(Text, server_default=FetchedValue())
    duration_ms: Mapped[int | None] = mapped_column(BigInteger)
    reason: Mapped[str | None] = mapped_column(Text)
    created_by: Mapped[str] = mapped_column(Text, server_default=FetchedValue())
    created_at: Mapped[datetime] = mapped_column(instant(), server_default=FetchedValue())


class CronAlone(Base):
    __tablename__ = "cron_alone"
    id: Mapped[int] = mapped_column(SmallInteger, primary_key=True, server_default=FetchedValue())
    job_id: Mapped[UUID] = mapped_column(Uuid, ForeignKey("pgcron.cron_job.id", ondelete="CASCADE"))
    worker_id: Mapped[UUID] = mapped_column(Uuid)
    run_seq: Mapped[int] = mapped_column(BigInteger)
    closed_at: Mapped[datetime] = mapped_column(instant(), server_default=FetchedValue())
