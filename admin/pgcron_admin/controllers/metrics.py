"""`/metrics`, for Prometheus: with a token of its own, and only where one is set."""

from __future__ import annotations

import hmac
from typing import Any

from litestar import MediaType, Request, Response, get
from litestar.di import NamedDependency

from pgcron_admin.metrics import CONTENT_TYPE, Metrics
from pgcron_admin.permissions import open_to_all
from pgcron_admin.settings import AdminSettings
from pgcron_py.errors import NotFound, NotSignedIn


@get("/metrics", guards=[open_to_all], include_in_schema=False, media_type=MediaType.TEXT)
async def show_metrics(
    request: Request[Any, Any, Any], settings: NamedDependency[AdminSettings], metrics: NamedDependency[Metrics]
) -> Response[bytes]:
    """The metrics of this process."""
    if settings.metrics_token is None:
        raise NotFound("metrics are off", hint="set PGCRON_ADMIN_METRICS_TOKEN")
    wanted = f"Bearer {settings.metrics_token.get_secret_value()}"
    if not hmac.compare_digest(request.headers.get("authorization", "").encode(), wanted.encode()):
        raise NotSignedIn("metrics need their token", hint="send PGCRON_ADMIN_METRICS_TOKEN as a bearer token")
    return Response(metrics.text(), media_type=CONTENT_TYPE)
