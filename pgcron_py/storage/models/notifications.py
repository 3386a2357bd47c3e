"""Alerts, messages, and where they go."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import (
    ARRAY,
    BigInteger,
    Boolean,
    FetchedValue,
    ForeignKey,
    Identity,
    Integer,
    SmallInteger,
    Text,
    Uuid,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from pgcron_py.storage.models.base import Base, instant


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
    opened_at: Mapped[datetime] = mapped_column(instant(), server_default=FetchedValue())
    told_at: Mapped[datetime | None] = mapped_column(instant())
    acknowledged_at: Mapped[datetime | None] = mapped_column(instant())
    acknowledged_by: Mapped[str | None] = mapped_column(Text)
    resolved_at: Mapped[datetime | None] = mapped_column(instant())


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
    created_at: Mapped[datetime] = mapped_column(instant(), server_default=FetchedValue())
    updated_at: Mapped[datetime] = mapped_column(instant(), server_default=FetchedValue())


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
    next_attempt_at: Mapped[datetime] = mapped_column(instant(), server_default=FetchedValue())
    claim_token: Mapped[UUID | None] = mapped_column(Uuid)
    last_error: Mapped[str | None] = mapped_column(Text)
    created_at: Mapped[datetime] = mapped_column(instant(), server_default=FetchedValue())
    ended_at: Mapped[datetime | None] = mapped_column(instant())


class CronMute(Base):
    __tablename__ = "cron_mute"
    id: Mapped[UUID] = mapped_column(Uuid, primary_key=True, server_default=FetchedValue())
    channel_id: Mapped[UUID | None] = mapped_column(Uuid, ForeignKey("pgcron.cron_channel.id", ondelete="CASCADE"))
    job_id: Mapped[UUID | None] = mapped_column(Uuid, ForeignKey("pgcron.cron_job.id", ondelete="CASCADE"))
    starts_at: Mapped[datetime] = mapped_column(instant(), server_default=FetchedValue())
    ends_at: Mapped[datetime] = mapped_column(instant())
    reason: Mapped[str | None] = mapped_column(Text)
    muted_by: Mapped[str] = mapped_column(Text)
    created_at: Mapped[datetime] = mapped_column(instant(), server_default=FetchedValue())


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
    created_at: Mapped[datetime] = mapped_column(instant(), server_default=FetchedValue())
    dispatched_at: Mapped[datetime | None] = mapped_column(instant())
    read_at: Mapped[datetime | None] = mapped_column(instant())
    read_by: Mapped[str | None] = mapped_column(Text)


class CronWatch(Base):
    __tablename__ = "cron_watch"
    id: Mapped[int] = mapped_column(SmallInteger, primary_key=True, server_default=FetchedValue())
    looked_at: Mapped[datetime | None] = mapped_column(instant())
    every_ms: Mapped[int] = mapped_column(BigInteger, server_default=FetchedValue())
    no_worker_after_ms: Mapped[int] = mapped_column(BigInteger, server_default=FetchedValue())
    silent_after_ms: Mapped[int] = mapped_column(BigInteger, server_default=FetchedValue())
