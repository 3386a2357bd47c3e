"""Users of the web admin, and what signs them in."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import ARRAY, Boolean, FetchedValue, ForeignKey, Integer, LargeBinary, Text, Uuid
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
