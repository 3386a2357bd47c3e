"""Jobs, their runs and what runs wrote, requests, misses."""

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


class CronJob(Base):
    __tablename__ = "cron_job"
    id: Mapped[UUID] = mapped_column(Uuid, primary_key=True, server_default=FetchedValue())
    name: Mapped[str] = mapped_column(Text)
    description: Mapped[str | None] = mapped_column(Text)
    schedule: Mapped[str] = mapped_column(Text)
    extra_schedules: Mapped[list[str]] = mapped_column(ARRAY(Text), server_default=FetchedValue())
    excluded_schedules: Mapped[list[str]] = mapped_column(ARRAY(Text), server_default=FetchedValue())
    timezone: Mapped[str] = mapped_column(Text, server_default=FetchedValue())
    start_at: Mapped[datetime | None] = mapped_column(instant())
    end_at: Mapped[datetime | None] = mapped_column(instant())
    max_runs: Mapped[int | None] = mapped_column(BigInteger)
    handler: Mapped[str] = mapped_column(Text)
    args: Mapped[Any] = mapped_column(JSONB, server_default=FetchedValue())
    is_enabled: Mapped[bool] = mapped_column(Boolean, server_default=FetchedValue())
    is_locked: Mapped[bool] = mapped_column(Boolean, server_default=FetchedValue())
    owner: Mapped[str | None] = mapped_column(Text)
    tags: Mapped[list[str]] = mapped_column(ARRAY(Text), server_default=FetchedValue())
    queue: Mapped[str] = mapped_column(Text, server_default=FetchedValue())
    priority: Mapped[int] = mapped_column(SmallInteger, server_default=FetchedValue())
    runs_alone: Mapped[bool] = mapped_column(Boolean, server_default=FetchedValue())
    min_version: Mapped[str | None] = mapped_column(Text)
    origin: Mapped[str] = mapped_column(Text, server_default=FetchedValue())
    app: Mapped[str | None] = mapped_column(Text)
    release: Mapped[str | None] = mapped_column(Text)
    declared_schedule: Mapped[str | None] = mapped_column(Text)
    declaration: Mapped[Any] = mapped_column(JSONB, nullable=True)
    undeclared_at: Mapped[datetime | None] = mapped_column(instant())
    is_exclusive: Mapped[bool] = mapped_column(Boolean, server_default=FetchedValue())
    overlap_policy: Mapped[str] = mapped_column(Text, server_default=FetchedValue())
    max_running: Mapped[int] = mapped_column(Integer, server_default=FetchedValue())
    catchup_policy: Mapped[str] = mapped_column(Text, server_default=FetchedValue())
    catchup_window_ms: Mapped[int | None] = mapped_column(BigInteger)
    starting_deadline_ms: Mapped[int | None] = mapped_column(BigInteger)
    timeout_ms: Mapped[int | None] = mapped_column(BigInteger)
    max_attempts: Mapped[int] = mapped_column(Integer, server_default=FetchedValue())
    backoff_ms: Mapped[int] = mapped_column(BigInteger, server_default=FetchedValue())
    backoff_max_ms: Mapped[int] = mapped_column(BigInteger, server_default=FetchedValue())
    retry_on: Mapped[list[str]] = mapped_column(ARRAY(Text), server_default=FetchedValue())
    no_retry_on: Mapped[list[str]] = mapped_column(ARRAY(Text), server_default=FetchedValue())
    memory_limit_mib: Mapped[int | None] = mapped_column(Integer)
    is_idempotent: Mapped[bool] = mapped_column(Boolean, server_default=FetchedValue())
    jitter_ms: Mapped[int] = mapped_column(BigInteger, server_default=FetchedValue())
    dst_gap: Mapped[str | None] = mapped_column(Text)
    dst_fold: Mapped[str | None] = mapped_column(Text)
    max_consecutive_failures: Mapped[int | None] = mapped_column(Integer, server_default=FetchedValue())
    notify_on_failure: Mapped[bool] = mapped_column(Boolean, server_default=FetchedValue())
    retention_days: Mapped[int | None] = mapped_column(Integer)
    retention_count: Mapped[int | None] = mapped_column(Integer)
    log_level: Mapped[str] = mapped_column(Text, server_default=FetchedValue())
    must_succeed_every_ms: Mapped[int | None] = mapped_column(BigInteger)
    late_after_ms: Mapped[int | None] = mapped_column(BigInteger)
    slow_after_ms: Mapped[int | None] = mapped_column(BigInteger)
    slow_factor: Mapped[float | None] = mapped_column(Double)
    ping_url: Mapped[str | None] = mapped_column(Text)
    disabled_at: Mapped[datetime | None] = mapped_column(instant())
    disabled_by: Mapped[str | None] = mapped_column(Text)
    disabled_reason: Mapped[str | None] = mapped_column(Text)
    disabled_until: Mapped[datetime | None] = mapped_column(instant())
    schedule_error: Mapped[str | None] = mapped_column(Text)
    skip_until: Mapped[datetime | None] = mapped_column(instant())
    anchor_at: Mapped[datetime] = mapped_column(instant(), server_default=FetchedValue())
    next_scheduled_for: Mapped[datetime | None] = mapped_column(instant())
    next_run_at: Mapped[datetime | None] = mapped_column(instant())
    next_request_at: Mapped[datetime | None] = mapped_column(instant())
    claim_at: Mapped[datetime | None] = mapped_column(instant(), server_default=FetchedValue())
    requests_waiting: Mapped[bool] = mapped_column(Boolean, server_default=FetchedValue())
    needs_plan: Mapped[bool] = mapped_column(Boolean, server_default=FetchedValue())
    replan_at: Mapped[datetime | None] = mapped_column(instant())
    replan_reason: Mapped[str | None] = mapped_column(Text)
    planned: Mapped[Any] = mapped_column(JSONB, nullable=True)
    planned_from: Mapped[datetime | None] = mapped_column(instant())
    ledger_from: Mapped[datetime] = mapped_column(instant(), server_default=FetchedValue())
    covers_from: Mapped[datetime] = mapped_column(instant(), server_default=FetchedValue())
    run_seq: Mapped[int] = mapped_column(BigInteger, server_default=FetchedValue())
    scheduled_runs: Mapped[int] = mapped_column(BigInteger, server_default=FetchedValue())
    running_count: Mapped[int] = mapped_column(Integer, server_default=FetchedValue())
    last_run_at: Mapped[datetime | None] = mapped_column(instant())
    last_completed_at: Mapped[datetime | None] = mapped_column(instant())
    success_count: Mapped[int] = mapped_column(BigInteger, server_default=FetchedValue())
    failure_count: Mapped[int] = mapped_column(BigInteger, server_default=FetchedValue())
    consecutive_failures: Mapped[int] = mapped_column(Integer, server_default=FetchedValue())
    strikes_from_seq: Mapped[int] = mapped_column(BigInteger, server_default=FetchedValue())
    duration_sum_ms: Mapped[int] = mapped_column(BigInteger, server_default=FetchedValue())
    average_duration: Mapped[float | None] = mapped_column(Double, server_default=FetchedValue())
    archived_success: Mapped[int] = mapped_column(BigInteger, server_default=FetchedValue())
    archived_failure: Mapped[int] = mapped_column(BigInteger, server_default=FetchedValue())
    archived_duration_sum_ms: Mapped[int] = mapped_column(BigInteger, server_default=FetchedValue())
    version: Mapped[int] = mapped_column(Integer, server_default=FetchedValue())
    created_at: Mapped[datetime] = mapped_column(instant(), server_default=FetchedValue())
    updated_at: Mapped[datetime] = mapped_column(instant(), server_default=FetchedValue())


class CronLog(Base):
    __tablename__ = "cron_log"
    id: Mapped[UUID] = mapped_column(Uuid, primary_key=True, server_default=FetchedValue())
    job_id: Mapped[UUID] = mapped_column(Uuid, ForeignKey("pgcron.cron_job.id", ondelete="CASCADE"))
    seq: Mapped[int] = mapped_column(BigInteger)
    status: Mapped[str] = mapped_column(Text, server_default=FetchedValue())
    reason: Mapped[str | None] = mapped_column(Text)
    is_strike: Mapped[bool] = mapped_column(Boolean, server_default=FetchedValue())
    is_exclusive: Mapped[bool] = mapped_column(Boolean, server_default=FetchedValue())
    cause: Mapped[str] = mapped_column(Text)
    scheduled_for: Mapped[datetime | None] = mapped_column(instant())
    covers_from: Mapped[datetime | None] = mapped_column(instant())
    covers_to: Mapped[datetime | None] = mapped_column(instant())
    attempt: Mapped[int] = mapped_column(Integer, server_default=FetchedValue())
    worker_id: Mapped[UUID] = mapped_column(Uuid)
    request_id: Mapped[UUID | None] = mapped_column(Uuid)
    requested_by: Mapped[str | None] = mapped_column(Text)
    finish_token: Mapped[UUID | None] = mapped_column(Uuid)
    backend_pid: Mapped[int | None] = mapped_column(Integer)
    backend_start: Mapped[datetime | None] = mapped_column(instant())
    started_at: Mapped[datetime] = mapped_column(instant(), server_default=FetchedValue())
    completed_at: Mapped[datetime | None] = mapped_column(instant())
    duration: Mapped[int | None] = mapped_column(BigInteger)
    error: Mapped[str | None] = mapped_column(Text)
    stack_trace: Mapped[str | None] = mapped_column(Text)
    run_metadata: Mapped[Any] = mapped_column("metadata", JSONB, nullable=True)  # `metadata` is SQLAlchemy's own
    result: Mapped[Any] = mapped_column(JSONB, nullable=True)
    progress: Mapped[Any] = mapped_column(JSONB, nullable=True)
    cancel_requested_at: Mapped[datetime | None] = mapped_column(instant())
    cancel_requested_by: Mapped[str | None] = mapped_column(Text)
    cancel_reason: Mapped[str | None] = mapped_column(Text)
    cancel_is_forced: Mapped[bool] = mapped_column(Boolean, server_default=FetchedValue())
    skip_reason: Mapped[str | None] = mapped_column(Text)
    args: Mapped[Any] = mapped_column(JSONB, server_default=FetchedValue())
    handler: Mapped[str] = mapped_column(Text)
    job_version: Mapped[int] = mapped_column(Integer)
    schedule: Mapped[str] = mapped_column(Text)


class CronLogLine(Base):
    __tablename__ = "cron_log_line"
    run_id: Mapped[UUID] = mapped_column(Uuid, ForeignKey("pgcron.cron_log.id", ondelete="CASCADE"), primary_key=True)
    line_no: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    stream: Mapped[str] = mapped_column(Text)
    level: Mapped[str | None] = mapped_column(Text)
    at: Mapped[datetime] = mapped_column(instant())
    text: Mapped[str] = mapped_column(Text)


class CronLogOutput(Base):
    __tablename__ = "cron_log_output"
    run_id: Mapped[UUID] = mapped_column(Uuid, ForeignKey("pgcron.cron_log.id", ondelete="CASCADE"), primary_key=True)
    lines: Mapped[int] = mapped_column(BigInteger)
    bytes: Mapped[int] = mapped_column(BigInteger)
    dropped_lines: Mapped[int] = mapped_column(BigInteger, server_default=FetchedValue())
    dropped_bytes: Mapped[int] = mapped_column(BigInteger, server_default=FetchedValue())
    is_complete: Mapped[bool] = mapped_column(Boolean, server_default=FetchedValue())
    updated_at: Mapped[datetime] = mapped_column(instant(), server_default=FetchedValue())


class CronRequest(Base):
    __tablename__ = "cron_request"
    id: Mapped[UUID] = mapped_column(Uuid, primary_key=True, server_default=FetchedValue())
    job_id: Mapped[UUID] = mapped_column(Uuid, ForeignKey("pgcron.cron_job.id", ondelete="CASCADE"))
    cause: Mapped[str] = mapped_column(Text, server_default=FetchedValue())
    state: Mapped[str] = mapped_column(Text, server_default=FetchedValue())
    run_after: Mapped[datetime] = mapped_column(instant(), server_default=FetchedValue())
    requested_by: Mapped[str] = mapped_column(Text, server_default=FetchedValue())
    idempotency_key: Mapped[str | None] = mapped_column(Text)
    args: Mapped[Any] = mapped_column(JSONB, nullable=True)
    scheduled_for: Mapped[datetime | None] = mapped_column(instant())
    covers_from: Mapped[datetime | None] = mapped_column(instant())
    covers_to: Mapped[datetime | None] = mapped_column(instant())
    overlap_policy: Mapped[str | None] = mapped_column(Text)
    backfill_id: Mapped[UUID | None] = mapped_column(Uuid, ForeignKey("pgcron.cron_backfill.id", ondelete="CASCADE"))
    attempt: Mapped[int] = mapped_column(Integer, server_default=FetchedValue())
    run_id: Mapped[UUID | None] = mapped_column(Uuid)
    cancelled_by: Mapped[str | None] = mapped_column(Text)
    cancel_reason: Mapped[str | None] = mapped_column(Text)
    created_at: Mapped[datetime] = mapped_column(instant(), server_default=FetchedValue())
    ended_at: Mapped[datetime | None] = mapped_column(instant())


class CronMiss(Base):
    __tablename__ = "cron_miss"
    id: Mapped[UUID] = mapped_column(Uuid, primary_key=True, server_default=FetchedValue())
    job_id: Mapped[UUID] = mapped_column(Uuid, ForeignKey("pgcron.cron_job.id", ondelete="CASCADE"))
    reason: Mapped[str] = mapped_column(Text)
    covers_from: Mapped[datetime] = mapped_column(instant())
    covers_to: Mapped[datetime] = mapped_column(instant())
    first_scheduled_for: Mapped[datetime] = mapped_column(instant())
    last_scheduled_for: Mapped[datetime] = mapped_column(instant())
    count: Mapped[int] = mapped_column(BigInteger)
    is_lower_bound: Mapped[bool] = mapped_column(Boolean, server_default=FetchedValue())
    created_at: Mapped[datetime] = mapped_column(instant(), server_default=FetchedValue())
    updated_at: Mapped[datetime] = mapped_column(instant(), server_default=FetchedValue())


class CronBackfill(Base):
    __tablename__ = "cron_backfill"
    id: Mapped[UUID] = mapped_column(Uuid, primary_key=True, server_default=FetchedValue())
    job_id: Mapped[UUID] = mapped_column(Uuid, ForeignKey("pgcron.cron_job.id", ondelete="CASCADE"))
    from_at: Mapped[datetime] = mapped_column(instant())
    to_at: Mapped[datetime] = mapped_column(instant())
    overlap_policy: Mapped[str] = mapped_column(Text)
    per_minute: Mapped[int | None] = mapped_column(Integer)
    total: Mapped[int] = mapped_column(Integer)
    requested_by: Mapped[str] = mapped_column(Text)
    reason: Mapped[str | None] = mapped_column(Text)
    created_at: Mapped[datetime] = mapped_column(instant(), server_default=FetchedValue())
    cancelled_at: Mapped[datetime | None] = mapped_column(instant())
    cancelled_by: Mapped[str | None] = mapped_column(Text)
