"""Users of the web admin, what signs them in, and what its API keeps."""

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
    LargeBinary,
    Text,
    Uuid,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from pgcron_py.storage.models.base import Base, instant


class AppRole(Base):
    __tablename__ = "app_role"
    name: Mapped[str] = mapped_column(Text, primary_key=True)
    description: Mapped[str] = mapped_column(Text)


class AppRolePermission(Base):
    __tablename__ = "app_role_permission"
    role: Mapped[str] = mapped_column(
        Text, ForeignKey("pgcron.app_role.name", onupdate="CASCADE", ondelete="CASCADE"), primary_key=True
    )
    permission: Mapped[str] = mapped_column(Text, primary_key=True)


class AppUser(Base):
    __tablename__ = "app_user"
    id: Mapped[UUID] = mapped_column(Uuid, primary_key=True, server_default=FetchedValue())
    name: Mapped[str] = mapped_column(Text)
    password_hash: Mapped[str | None] = mapped_column(Text)
    role: Mapped[str] = mapped_column(Text, ForeignKey("pgcron.app_role.name", onupdate="CASCADE"))
    extra_permissions: Mapped[list[str]] = mapped_column(ARRAY(Text), server_default=FetchedValue())
    is_enabled: Mapped[bool] = mapped_column(Boolean, server_default=FetchedValue())
    created_at: Mapped[datetime] = mapped_column(instant(), server_default=FetchedValue())
    updated_at: Mapped[datetime] = mapped_column(instant(), server_default=FetchedValue())
    password_changed_at: Mapped[datetime | None] = mapped_column(instant())
    last_sign_in_at: Mapped[datetime | None] = mapped_column(instant())


class AppPreferences(Base):
    __tablename__ = "app_preferences"
    user_id: Mapped[UUID] = mapped_column(Uuid, ForeignKey("pgcron.app_user.id", ondelete="CASCADE"), primary_key=True)
    theme: Mapped[str] = mapped_column(Text, server_default=FetchedValue())
    times: Mapped[str] = mapped_column(Text, server_default=FetchedValue())
    timezone: Mapped[str] = mapped_column(Text, server_default=FetchedValue())
    density: Mapped[str] = mapped_column(Text, server_default=FetchedValue())
    has_keys: Mapped[bool] = mapped_column(Boolean, server_default=FetchedValue())
    updated_at: Mapped[datetime] = mapped_column(instant(), server_default=FetchedValue())


class AppSession(Base):
    __tablename__ = "app_session"
    id: Mapped[UUID] = mapped_column(Uuid, primary_key=True, server_default=FetchedValue())
    id_hash: Mapped[bytes] = mapped_column(LargeBinary)
    user_id: Mapped[UUID] = mapped_column(Uuid, ForeignKey("pgcron.app_user.id", ondelete="CASCADE"))
    created_at: Mapped[datetime] = mapped_column(instant(), server_default=FetchedValue())
    last_seen_at: Mapped[datetime] = mapped_column(instant(), server_default=FetchedValue())
    expires_at: Mapped[datetime] = mapped_column(instant())
    ip: Mapped[str | None] = mapped_column(Text)
    user_agent: Mapped[str | None] = mapped_column(Text)
    revoked_at: Mapped[datetime | None] = mapped_column(instant())


class ApiToken(Base):
    __tablename__ = "api_token"
    id: Mapped[str] = mapped_column(Text, primary_key=True)
    user_id: Mapped[UUID] = mapped_column(Uuid, ForeignKey("pgcron.app_user.id", ondelete="CASCADE"))
    name: Mapped[str] = mapped_column(Text)
    secret_hash: Mapped[bytes] = mapped_column(LargeBinary)
    scopes: Mapped[list[str]] = mapped_column(ARRAY(Text))
    created_at: Mapped[datetime] = mapped_column(instant(), server_default=FetchedValue())
    expires_at: Mapped[datetime] = mapped_column(instant())
    last_used_at: Mapped[datetime | None] = mapped_column(instant())
    last_used_ip: Mapped[str | None] = mapped_column(Text)
    revoked_at: Mapped[datetime | None] = mapped_column(instant())


class AppLink(Base):
    __tablename__ = "app_link"
    token_hash: Mapped[bytes] = mapped_column(LargeBinary, primary_key=True)
    user_id: Mapped[UUID] = mapped_column(Uuid, ForeignKey("pgcron.app_user.id", ondelete="CASCADE"))
    created_by: Mapped[str] = mapped_column(Text, server_default=FetchedValue())
    created_at: Mapped[datetime] = mapped_column(instant(), server_default=FetchedValue())
    expires_at: Mapped[datetime] = mapped_column(instant())
    used_at: Mapped[datetime | None] = mapped_column(instant())


class AppSignInThrottle(Base):
    __tablename__ = "app_sign_in_throttle"
    key: Mapped[bytes] = mapped_column(LargeBinary, primary_key=True)
    attempts: Mapped[int] = mapped_column(Integer, server_default=FetchedValue())
    last_at: Mapped[datetime] = mapped_column(instant(), server_default=FetchedValue())
    blocked_until: Mapped[datetime] = mapped_column(instant(), server_default=FetchedValue())


class AppRunNow(Base):
    __tablename__ = "app_run_now"
    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    subject: Mapped[str] = mapped_column(Text)
    at: Mapped[datetime] = mapped_column(instant(), server_default=FetchedValue())


class AppOnce(Base):
    __tablename__ = "app_once"
    subject: Mapped[str] = mapped_column(Text, primary_key=True)
    key: Mapped[str] = mapped_column(Text, primary_key=True)
    request_hash: Mapped[bytes] = mapped_column(LargeBinary)
    answer: Mapped[Any | None] = mapped_column(JSONB)
    created_at: Mapped[datetime] = mapped_column(instant(), server_default=FetchedValue())


class CronBulk(Base):
    __tablename__ = "cron_bulk"
    id: Mapped[UUID] = mapped_column(Uuid, primary_key=True, server_default=FetchedValue())
    action: Mapped[str] = mapped_column(Text)
    params: Mapped[Any] = mapped_column(JSONB, server_default=FetchedValue())
    chosen: Mapped[Any] = mapped_column(JSONB)
    state: Mapped[str] = mapped_column(Text, server_default=FetchedValue())
    total: Mapped[int] = mapped_column(Integer)
    done: Mapped[int] = mapped_column(Integer, server_default=FetchedValue())
    unchanged: Mapped[int] = mapped_column(Integer, server_default=FetchedValue())
    refused: Mapped[int] = mapped_column(Integer, server_default=FetchedValue())
    cancelled: Mapped[int] = mapped_column(Integer, server_default=FetchedValue())
    requested_by: Mapped[str] = mapped_column(Text)
    subject: Mapped[str] = mapped_column(Text)
    user_id: Mapped[UUID | None] = mapped_column(Uuid)
    reason: Mapped[str | None] = mapped_column(Text)
    request_id: Mapped[str | None] = mapped_column(Text)
    address: Mapped[str | None] = mapped_column(Text)
    application: Mapped[str | None] = mapped_column(Text)
    created_at: Mapped[datetime] = mapped_column(instant(), server_default=FetchedValue())
    started_at: Mapped[datetime | None] = mapped_column(instant())
    not_before: Mapped[datetime] = mapped_column(instant(), server_default=FetchedValue())
    ended_at: Mapped[datetime | None] = mapped_column(instant())
    ended_by: Mapped[str | None] = mapped_column(Text)
    end_reason: Mapped[str | None] = mapped_column(Text)


class CronBulkItem(Base):
    __tablename__ = "cron_bulk_item"
    bulk_id: Mapped[UUID] = mapped_column(Uuid, ForeignKey("pgcron.cron_bulk.id", ondelete="CASCADE"), primary_key=True)
    n: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    job_id: Mapped[UUID] = mapped_column(Uuid)
    job_name: Mapped[str | None] = mapped_column(Text)
    outcome: Mapped[str | None] = mapped_column(Text)
    code: Mapped[str | None] = mapped_column(Text)
    message: Mapped[str | None] = mapped_column(Text)
    request_id: Mapped[UUID | None] = mapped_column(Uuid)
    at: Mapped[datetime | None] = mapped_column(instant())
