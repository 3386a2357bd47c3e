"""The tables as SQLAlchemy models, for queries. The database's own definition is sql/tables; a test compares the two.

What a column means is said once, in the database: see its COMMENT (sql/comments).
"""

from pgcron_py.storage.models.base import Base
from pgcron_py.storage.models.fleet import (
    CronAlone,
    CronBlackout,
    CronGeneration,
    CronHandler,
    CronLease,
    CronLimit,
    CronMeta,
    CronReaper,
    CronRetryBudget,
    CronWorker,
)
from pgcron_py.storage.models.jobs import (
    CronBackfill,
    CronJob,
    CronLog,
    CronLogLine,
    CronLogOutput,
    CronMiss,
    CronRequest,
)
from pgcron_py.storage.models.notifications import (
    CronAlert,
    CronChannel,
    CronDelivery,
    CronMute,
    CronOutbox,
    CronWatch,
)
from pgcron_py.storage.models.records import (
    CronActorKey,
    CronAudit,
    CronAuditSeal,
    CronDaily,
    CronDailyMark,
)
from pgcron_py.storage.models.web import (
    ApiToken,
    AppLink,
    AppOnce,
    AppRole,
    AppRolePermission,
    AppRunNow,
    AppSession,
    AppSignInThrottle,
    AppUser,
    CronBulk,
    CronBulkItem,
)

__all__ = [
    "ApiToken",
    "AppLink",
    "AppOnce",
    "AppRole",
    "AppRolePermission",
    "AppRunNow",
    "AppSession",
    "AppSignInThrottle",
    "AppUser",
    "Base",
    "CronActorKey",
    "CronAlert",
    "CronAlone",
    "CronAudit",
    "CronAuditSeal",
    "CronBackfill",
    "CronBlackout",
    "CronBulk",
    "CronBulkItem",
    "CronChannel",
    "CronDaily",
    "CronDailyMark",
    "CronDelivery",
    "CronGeneration",
    "CronHandler",
    "CronJob",
    "CronLease",
    "CronLimit",
    "CronLog",
    "CronLogLine",
    "CronLogOutput",
    "CronMeta",
    "CronMiss",
    "CronMute",
    "CronOutbox",
    "CronReaper",
    "CronRequest",
    "CronRetryBudget",
    "CronWatch",
    "CronWorker",
]
