"""All pages."""

from __future__ import annotations

from litestar import Router

from pgcron_admin.assets import show_asset
from pgcron_admin.screens import audit, entry, jobs, output, overview, run, run_export, runs, schedule, workers
from pgcron_admin.screens.failures import PAGE_HANDLERS

SCREEN_ROUTES = Router(
    "/",
    route_handlers=[
        entry.show_sign_in,
        entry.sign_in_here,
        entry.sign_out_here,
        overview.show_overview,
        jobs.list_jobs,
        jobs.show_rows,
        jobs.show_job,
        *(jobs.deed(word) for word in jobs.DEEDS),
        schedule.edit_schedule,
        schedule.preview_draft,
        schedule.save_schedule,
        runs.list_runs,
        runs.show_run_rows,
        runs.list_errors,
        runs.change_runs,
        run_export.export_runs,
        run.show_run,
        run.cancel_run,
        run.retry_run,
        output.download_output,
        workers.list_workers,
        audit.list_entries,
        audit.revert_entry,
        show_asset,
    ],
    exception_handlers=PAGE_HANDLERS,
    include_in_schema=False,
)
