"""The tables as SQLAlchemy models, for queries. The database's own definition is sql/tables; a test compares the two.

What a column means is said once, in the database: see its COMMENT (sql/comments).
"""

from __future__ import annotations

from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import (
    ARRAY,
    BigInteger,
    Boolean,
    Date,
    DateTime,
    Double,
    FetchedValue,
    ForeignKey,
    Identity,
    Integer,
    LargeBinary,
    MetaData,
    SmallInteger,
    Text,
    Uuid,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column


def _instant() -> DateTime:
    """Every time is a timestamptz."""
    return DateTime(timezone=True)


class Base(DeclarativeBase):
    metadata = MetaData(schema="pgcron")


class CronAudit(Base):
    __tablename__ = "cron_audit"
    id: Mapped[UUID] = mapped_column(Uuid, primary_key=True, server_default=FetchedValue())
    at: Mapped[datetime] = mapped_column(_instant(), server_default=FetchedValue())
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
    entry_at: Mapped[datetime] = mapped_column(_instant())
    hash: Mapped[bytes] = mapped_column(LargeBinary)
    sealed_at: Mapped[datetime] = mapped_column(_instant(), server_default=FetchedValue())


class CronAlone(Base):
    __tablename__ = "cron_alone"
    id: Mapped[int] = mapped_column(SmallInteger, primary_key=True, server_default=FetchedValue())
    job_id: Mapped[UUID] = mapped_column(Uuid, ForeignKey("pgcron.cron_job.id", ondelete="CASCADE"))
    worker_id: Mapped[UUID] = mapped_column(Uuid)
    run_seq: Mapped[int] = mapped_column(BigInteger)
    closed_at: Mapped[datetime] = mapped_column(_instant(), server_default=FetchedValue())


class CronBackfill(Base):
    __tablename__ = "cron_backfill"
    id: Mapped[UUID] = mapped_column(Uuid, primary_key=True, server_default=FetchedValue())
    job_id: Mapped[UUID] = mapped_column(Uuid, ForeignKey("pgcron.cron_job.id", ondelete="CASCADE"))
    from_at: Mapped[datetime] = mapped_column(_instant())
    to_at: Mapped[datetime] = mapped_column(_instant())
    overlap_policy: Mapped[str] = mapped_column(Text)
    per_minute: Mapped[int | None] = mapped_column(Integer)
    total: Mapped[int] = mapped_column(Integer)
    requested_by: Mapped[str] = mapped_column(Text)
    reason: Mapped[str | None] = mapped_column(Text)
    created_at: Mapped[datetime] = mapped_column(_instant(), server_default=FetchedValue())
    cancelled_at: Mapped[datetime | None] = mapped_column(_instant())
    cancelled_by: Mapped[str | None] = mapped_column(Text)


class CronBlackout(Base):
    __tablename__ = "cron_blackout"
    id: Mapped[UUID] = mapped_column(Uuid, primary_key=True, server_default=FetchedValue())
    name: Mapped[str] = mapped_column(Text)
    job_id: Mapped[UUID | None] = mapped_column(Uuid, ForeignKey("pgcron.cron_job.id", ondelete="CASCADE"))
    tag: Mapped[str | None] = mapped_column(Text)
    action: Mapped[str] = mapped_column(Text, server_default=FetchedValue())
    starts_at: Mapped[datetime | None] = mapped_column(_instant())
    ends_at: Mapped[datetime | None] = mapped_column(_instant())
    schedule: Mapped[str | None] = mapped_column(Text)
    timezone: Mapped[str] = mapped_column(Text, server_default=FetchedValue())
    duration_ms: Mapped[int | None] = mapped_column(BigInteger)
    reason: Mapped[str | None] = mapped_column(Text)
    created_by: Mapped[str] = mapped_column(Text, server_default=FetchedValue())
    created_at: Mapped[datetime] = mapped_column(_instant(), server_default=FetchedValue())


class CronHandler(Base):
    __tablename__ = "cron_handler"
    name: Mapped[str] = mapped_column(Text, primary_key=True)
    app: Mapped[str | None] = mapped_column(Text)
    release: Mapped[str | None] = mapped_column(Text)
    description: Mapped[str | None] = mapped_column(Text)
    is_async: Mapped[bool] = mapped_column(Boolean, server_default=FetchedValue())
    is_transactional: Mapped[bool] = mapped_column(Boolean, server_default=FetchedValue())
    parameters: Mapped[Any] = mapped_column(JSONB, nullable=True)
    published_at: Mapped[datetime] = mapped_column(_instant(), server_default=FetchedValue())


class CronLimit(Base):
    __tablename__ = "cron_limit"
    kind: Mapped[str] = mapped_column(Text, primary_key=True)
    name: Mapped[str] = mapped_column(Text, primary_key=True)
    max_running: Mapped[int | None] = mapped_column(Integer)
    per_minute: Mapped[int | None] = mapped_column(Integer)
    burst: Mapped[int] = mapped_column(Integer, server_default=FetchedValue())
    spent_until: Mapped[datetime] = mapped_column(_instant(), server_default=FetchedValue())
    created_by: Mapped[str] = mapped_column(Text, server_default=FetchedValue())
    created_at: Mapped[datetime] = mapped_column(_instant(), server_default=FetchedValue())


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
    first_run_at: Mapped[datetime | None] = mapped_column(_instant())
    last_run_at: Mapped[datetime | None] = mapped_column(_instant())


class CronDailyMark(Base):
    __tablename__ = "cron_daily_mark"
    job_id: Mapped[UUID] = mapped_column(Uuid, ForeignKey("pgcron.cron_job.id", ondelete="CASCADE"), primary_key=True)
    seq: Mapped[int] = mapped_column(BigInteger, server_default=FetchedValue())
    open_seqs: Mapped[list[int]] = mapped_column(ARRAY(BigInteger), server_default=FetchedValue())
    judged_to: Mapped[datetime | None] = mapped_column(_instant())
    success_streak: Mapped[int] = mapped_column(BigInteger, server_default=FetchedValue())
    failure_streak: Mapped[int] = mapped_column(BigInteger, server_default=FetchedValue())
    longest_failure_streak: Mapped[int] = mapped_column(BigInteger, server_default=FetchedValue())
    last_success_at: Mapped[datetime | None] = mapped_column(_instant())
    last_failure_at: Mapped[datetime | None] = mapped_column(_instant())
    purged_to: Mapped[datetime | None] = mapped_column(_instant())
    updated_at: Mapped[datetime] = mapped_column(_instant(), server_default=FetchedValue())


class CronGeneration(Base):
    __tablename__ = "cron_generation"
    generation: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    started_at: Mapped[datetime] = mapped_column(_instant(), server_default=FetchedValue())
    worker_id: Mapped[UUID] = mapped_column(Uuid)


class CronJob(Base):
    __tablename__ = "cron_job"
    id: Mapped[UUID] = mapped_column(Uuid, primary_key=True, server_default=FetchedValue())
    name: Mapped[str] = mapped_column(Text)
    description: Mapped[str | None] = mapped_column(Text)
    schedule: Mapped[str] = mapped_column(Text)
    extra_schedules: Mapped[list[str]] = mapped_column(ARRAY(Text), server_default=FetchedValue())
    excluded_schedules: Mapped[list[str]] = mapped_column(ARRAY(Text), server_default=FetchedValue())
    timezone: Mapped[str] = mapped_column(Text, server_default=FetchedValue())
    start_at: Mapped[datetime | None] = mapped_column(_instant())
    end_at: Mapped[datetime | None] = mapped_column(_instant())
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
    undeclared_at: Mapped[datetime | None] = mapped_column(_instant())
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
    disabled_at: Mapped[datetime | None] = mapped_column(_instant())
    disabled_by: Mapped[str | None] = mapped_column(Text)
    disabled_reason: Mapped[str | None] = mapped_column(Text)
    disabled_until: Mapped[datetime | None] = mapped_column(_instant())
    schedule_error: Mapped[str | None] = mapped_column(Text)
    skip_until: Mapped[datetime | None] = mapped_column(_instant())
    anchor_at: Mapped[datetime] = mapped_column(_instant(), server_default=FetchedValue())
    next_scheduled_for: Mapped[datetime | None] = mapped_column(_instant())
    next_run_at: Mapped[datetime | None] = mapped_column(_instant())
    next_request_at: Mapped[datetime | None] = mapped_column(_instant())
    claim_at: Mapped[datetime | None] = mapped_column(_instant(), server_default=FetchedValue())
    requests_waiting: Mapped[bool] = mapped_column(Boolean, server_default=FetchedValue())
    needs_plan: Mapped[bool] = mapped_column(Boolean, server_default=FetchedValue())
    replan_at: Mapped[datetime | None] = mapped_column(_instant())
    replan_reason: Mapped[str | None] = mapped_column(Text)
    planned: Mapped[Any] = mapped_column(JSONB, nullable=True)
    planned_from: Mapped[datetime | None] = mapped_column(_instant())
    ledger_from: Mapped[datetime] = mapped_column(_instant(), server_default=FetchedValue())
    covers_from: Mapped[datetime] = mapped_column(_instant(), server_default=FetchedValue())
    run_seq: Mapped[int] = mapped_column(BigInteger, server_default=FetchedValue())
    scheduled_runs: Mapped[int] = mapped_column(BigInteger, server_default=FetchedValue())
    running_count: Mapped[int] = mapped_column(Integer, server_default=FetchedValue())
    last_run_at: Mapped[datetime | None] = mapped_column(_instant())
    last_completed_at: Mapped[datetime | None] = mapped_column(_instant())
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
    created_at: Mapped[datetime] = mapped_column(_instant(), server_default=FetchedValue())
    updated_at: Mapped[datetime] = mapped_column(_instant(), server_default=FetchedValue())


class CronLease(Base):
    __tablename__ = "cron_lease"
    worker_id: Mapped[UUID] = mapped_column(
        Uuid, ForeignKey("pgcron.cron_worker.id", ondelete="CASCADE"), primary_key=True
    )
    lease_until: Mapped[datetime] = mapped_column(_instant())
    ttl_ms: Mapped[int] = mapped_column(Integer)
    beat_at: Mapped[datetime] = mapped_column(_instant(), server_default=FetchedValue())
    was_renewed: Mapped[bool] = mapped_column(Boolean, server_default=FetchedValue())


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
    scheduled_for: Mapped[datetime | None] = mapped_column(_instant())
    covers_from: Mapped[datetime | None] = mapped_column(_instant())
    covers_to: Mapped[datetime | None] = mapped_column(_instant())
    attempt: Mapped[int] = mapped_column(Integer, server_default=FetchedValue())
    worker_id: Mapped[UUID] = mapped_column(Uuid)
    request_id: Mapped[UUID | None] = mapped_column(Uuid)
    requested_by: Mapped[str | None] = mapped_column(Text)
    finish_token: Mapped[UUID | None] = mapped_column(Uuid)
    backend_pid: Mapped[int | None] = mapped_column(Integer)
    backend_start: Mapped[datetime | None] = mapped_column(_instant())
    started_at: Mapped[datetime] = mapped_column(_instant(), server_default=FetchedValue())
    completed_at: Mapped[datetime | None] = mapped_column(_instant())
    duration: Mapped[int | None] = mapped_column(BigInteger)
    error: Mapped[str | None] = mapped_column(Text)
    stack_trace: Mapped[str | None] = mapped_column(Text)
    run_metadata: Mapped[Any] = mapped_column("metadata", JSONB, nullable=True)  # `metadata` is SQLAlchemy's own
    result: Mapped[Any] = mapped_column(JSONB, nullable=True)
    progress: Mapped[Any] = mapped_column(JSONB, nullable=True)
    cancel_requested_at: Mapped[datetime | None] = mapped_column(_instant())
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
    at: Mapped[datetime] = mapped_column(_instant())
    text: Mapped[str] = mapped_column(Text)


class CronLogOutput(Base):
    __tablename__ = "cron_log_output"
    run_id: Mapped[UUID] = mapped_column(Uuid, ForeignKey("pgcron.cron_log.id", ondelete="CASCADE"), primary_key=True)
    lines: Mapped[int] = mapped_column(BigInteger)
    bytes: Mapped[int] = mapped_column(BigInteger)
    dropped_lines: Mapped[int] = mapped_column(BigInteger, server_default=FetchedValue())
    dropped_bytes: Mapped[int] = mapped_column(BigInteger, server_default=FetchedValue())
    is_complete: Mapped[bool] = mapped_column(Boolean, server_default=FetchedValue())
    updated_at: Mapped[datetime] = mapped_column(_instant(), server_default=FetchedValue())


class CronMeta(Base):
    __tablename__ = "cron_meta"
    id: Mapped[int] = mapped_column(SmallInteger, primary_key=True, server_default=FetchedValue())
    schema_version: Mapped[int] = mapped_column(Integer)
    min_worker_schema: Mapped[int] = mapped_column(Integer)
    system_identifier: Mapped[str] = mapped_column(Text, server_default=FetchedValue())
    database_oid: Mapped[int] = mapped_column(BigInteger, server_default=FetchedValue())
    adopted_at: Mapped[datetime] = mapped_column(_instant(), server_default=FetchedValue())
    adopted_by: Mapped[str] = mapped_column(Text, server_default=FetchedValue())
    paused_at: Mapped[datetime | None] = mapped_column(_instant())
    paused_by: Mapped[str | None] = mapped_column(Text)
    paused_reason: Mapped[str | None] = mapped_column(Text)


class CronMiss(Base):
    __tablename__ = "cron_miss"
    id: Mapped[UUID] = mapped_column(Uuid, primary_key=True, server_default=FetchedValue())
    job_id: Mapped[UUID] = mapped_column(Uuid, ForeignKey("pgcron.cron_job.id", ondelete="CASCADE"))
    reason: Mapped[str] = mapped_column(Text)
    covers_from: Mapped[datetime] = mapped_column(_instant())
    covers_to: Mapped[datetime] = mapped_column(_instant())
    first_scheduled_for: Mapped[datetime] = mapped_column(_instant())
    last_scheduled_for: Mapped[datetime] = mapped_column(_instant())
    count: Mapped[int] = mapped_column(BigInteger)
    is_lower_bound: Mapped[bool] = mapped_column(Boolean, server_default=FetchedValue())
    created_at: Mapped[datetime] = mapped_column(_instant(), server_default=FetchedValue())
    updated_at: Mapped[datetime] = mapped_column(_instant(), server_default=FetchedValue())


class CronOutbox(Base):
    __tablename__ = "cron_outbox"
    id: Mapped[UUID] = mapped_column(Uuid, primary_key=True, server_default=FetchedValue())
    seq: Mapped[int] = mapped_column(BigInteger, Identity(always=True))
    event: Mapped[str] = mapped_column(Text)
    job_id: Mapped[UUID | None] = mapped_column(Uuid)
    job_name: Mapped[str | None] = mapped_column(Text)
    run_id: Mapped[UUID | None] = mapped_column(Uuid)
    alert_id: Mapped[UUID | None] = mapped_column(Uuid)
    payload: Mapped[Any] = mapped_column(JSONB, server_default=FetchedValue())
    created_at: Mapped[datetime] = mapped_column(_instant(), server_default=FetchedValue())
    dispatched_at: Mapped[datetime | None] = mapped_column(_instant())
    read_at: Mapped[datetime | None] = mapped_column(_instant())
    read_by: Mapped[str | None] = mapped_column(Text)


class CronReaper(Base):
    __tablename__ = "cron_reaper"
    id: Mapped[int] = mapped_column(SmallInteger, primary_key=True, server_default=FetchedValue())
    last_tick: Mapped[datetime] = mapped_column(_instant(), server_default=FetchedValue())


class CronRequest(Base):
    __tablename__ = "cron_request"
    id: Mapped[UUID] = mapped_column(Uuid, primary_key=True, server_default=FetchedValue())
    job_id: Mapped[UUID] = mapped_column(Uuid, ForeignKey("pgcron.cron_job.id", ondelete="CASCADE"))
    cause: Mapped[str] = mapped_column(Text, server_default=FetchedValue())
    state: Mapped[str] = mapped_column(Text, server_default=FetchedValue())
    run_after: Mapped[datetime] = mapped_column(_instant(), server_default=FetchedValue())
    requested_by: Mapped[str] = mapped_column(Text, server_default=FetchedValue())
    idempotency_key: Mapped[str | None] = mapped_column(Text)
    args: Mapped[Any] = mapped_column(JSONB, nullable=True)
    scheduled_for: Mapped[datetime | None] = mapped_column(_instant())
    covers_from: Mapped[datetime | None] = mapped_column(_instant())
    covers_to: Mapped[datetime | None] = mapped_column(_instant())
    overlap_policy: Mapped[str | None] = mapped_column(Text)
    backfill_id: Mapped[UUID | None] = mapped_column(Uuid, ForeignKey("pgcron.cron_backfill.id", ondelete="CASCADE"))
    attempt: Mapped[int] = mapped_column(Integer, server_default=FetchedValue())
    run_id: Mapped[UUID | None] = mapped_column(Uuid)
    cancelled_by: Mapped[str | None] = mapped_column(Text)
    cancel_reason: Mapped[str | None] = mapped_column(Text)
    created_at: Mapped[datetime] = mapped_column(_instant(), server_default=FetchedValue())
    ended_at: Mapped[datetime | None] = mapped_column(_instant())


class CronRetryBudget(Base):
    __tablename__ = "cron_retry_budget"
    id: Mapped[int] = mapped_column(SmallInteger, primary_key=True, server_default=FetchedValue())
    per_second: Mapped[float] = mapped_column(Double, server_default=FetchedValue())
    burst: Mapped[int] = mapped_column(Integer, server_default=FetchedValue())
    spent_until: Mapped[datetime] = mapped_column(_instant(), server_default=FetchedValue())


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
    drain_requested_at: Mapped[datetime | None] = mapped_column(_instant())
    drain_requested_by: Mapped[str | None] = mapped_column(Text)
    drain_reason: Mapped[str | None] = mapped_column(Text)
    started_at: Mapped[datetime] = mapped_column(_instant(), server_default=FetchedValue())
    ended_at: Mapped[datetime | None] = mapped_column(_instant())


class CronAlert(Base):
    __tablename__ = "cron_alert"
    id: Mapped[UUID] = mapped_column(Uuid, primary_key=True, server_default=FetchedValue())
    kind: Mapped[str] = mapped_column(Text)
    job_id: Mapped[UUID | None] = mapped_column(Uuid, ForeignKey("pgcron.cron_job.id", ondelete="CASCADE"))
    job_name: Mapped[str | None] = mapped_column(Text)
    source_id: Mapped[UUID | None] = mapped_column(Uuid)
    last_seq: Mapped[int | None] = mapped_column(BigInteger)
    count: Mapped[int] = mapped_column(Integer, server_default=FetchedValue())
    detail: Mapped[Any] = mapped_column(JSONB, server_default=FetchedValue())
    opened_at: Mapped[datetime] = mapped_column(_instant(), server_default=FetchedValue())
    told_at: Mapped[datetime | None] = mapped_column(_instant())
    acknowledged_at: Mapped[datetime | None] = mapped_column(_instant())
    acknowledged_by: Mapped[str | None] = mapped_column(Text)
    resolved_at: Mapped[datetime | None] = mapped_column(_instant())


class CronChannel(Base):
    __tablename__ = "cron_channel"
    id: Mapped[UUID] = mapped_column(Uuid, primary_key=True, server_default=FetchedValue())
    name: Mapped[str] = mapped_column(Text)
    url: Mapped[str] = mapped_column(Text)
    address: Mapped[str] = mapped_column(Text, server_default=FetchedValue())
    secret: Mapped[str | None] = mapped_column(Text)
    events: Mapped[list[str] | None] = mapped_column(ARRAY(Text))
    tags: Mapped[list[str] | None] = mapped_column(ARRAY(Text))
    jobs: Mapped[list[str] | None] = mapped_column(ARRAY(Text))
    is_enabled: Mapped[bool] = mapped_column(Boolean, server_default=FetchedValue())
    created_at: Mapped[datetime] = mapped_column(_instant(), server_default=FetchedValue())
    updated_at: Mapped[datetime] = mapped_column(_instant(), server_default=FetchedValue())


class CronDelivery(Base):
    __tablename__ = "cron_delivery"
    id: Mapped[UUID] = mapped_column(Uuid, primary_key=True, server_default=FetchedValue())
    seq: Mapped[int] = mapped_column(BigInteger, Identity(always=True))
    kind: Mapped[str] = mapped_column(Text, server_default=FetchedValue())
    outbox_id: Mapped[UUID | None] = mapped_column(Uuid, ForeignKey("pgcron.cron_outbox.id", ondelete="CASCADE"))
    channel_id: Mapped[UUID | None] = mapped_column(Uuid, ForeignKey("pgcron.cron_channel.id", ondelete="CASCADE"))
    alert_id: Mapped[UUID | None] = mapped_column(Uuid)
    job_id: Mapped[UUID | None] = mapped_column(Uuid, ForeignKey("pgcron.cron_job.id", ondelete="CASCADE"))
    run_id: Mapped[UUID | None] = mapped_column(Uuid)
    ping: Mapped[str | None] = mapped_column(Text)
    lane: Mapped[UUID] = mapped_column(Uuid, server_default=FetchedValue())
    state: Mapped[str] = mapped_column(Text, server_default=FetchedValue())
    is_muted: Mapped[bool] = mapped_column(Boolean, server_default=FetchedValue())
    attempts: Mapped[int] = mapped_column(Integer, server_default=FetchedValue())
    next_attempt_at: Mapped[datetime] = mapped_column(_instant(), server_default=FetchedValue())
    claim_token: Mapped[UUID | None] = mapped_column(Uuid)
    last_error: Mapped[str | None] = mapped_column(Text)
    created_at: Mapped[datetime] = mapped_column(_instant(), server_default=FetchedValue())
    ended_at: Mapped[datetime | None] = mapped_column(_instant())


class CronMute(Base):
    __tablename__ = "cron_mute"
    id: Mapped[UUID] = mapped_column(Uuid, primary_key=True, server_default=FetchedValue())
    channel_id: Mapped[UUID | None] = mapped_column(Uuid, ForeignKey("pgcron.cron_channel.id", ondelete="CASCADE"))
    job_id: Mapped[UUID | None] = mapped_column(Uuid, ForeignKey("pgcron.cron_job.id", ondelete="CASCADE"))
    starts_at: Mapped[datetime] = mapped_column(_instant(), server_default=FetchedValue())
    ends_at: Mapped[datetime] = mapped_column(_instant())
    reason: Mapped[str | None] = mapped_column(Text)
    muted_by: Mapped[str] = mapped_column(Text)
    created_at: Mapped[datetime] = mapped_column(_instant(), server_default=FetchedValue())


class CronWatch(Base):
    __tablename__ = "cron_watch"
    id: Mapped[int] = mapped_column(SmallInteger, primary_key=True, server_default=FetchedValue())
    looked_at: Mapped[datetime | None] = mapped_column(_instant())
    every_ms: Mapped[int] = mapped_column(BigInteger, server_default=FetchedValue())
    no_worker_after_ms: Mapped[int] = mapped_column(BigInteger, server_default=FetchedValue())
    silent_after_ms: Mapped[int] = mapped_column(BigInteger, server_default=FetchedValue())
