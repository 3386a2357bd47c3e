"""What a worker is told when it starts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class WorkerConfig:
    """What a worker needs to know. Times in seconds. busy_share: see GivingWay. builtins: what the handlers that come with pgcron may do."""

    database_url: str
    app: str
    concurrency: int = 100
    processes: int = 4
    cancel_grace: float = 2.0
    queues: list[str] | None = None
    lease_ttl: float = 30.0
    beat: float = 6.0
    shutdown_grace: float = 30.0
    log_level: str = "info"
    log_retention_days: int = 90
    busy_share: float = 0.1
    builtins: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Launch:
    """A worker with what is around it. is_debug: errors are told with their traces."""

    worker: WorkerConfig
    log_format: str
    health_host: str
    health_port: int | None
    is_debug: bool = False
