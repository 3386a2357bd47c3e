"""All pages."""

from __future__ import annotations

from litestar import Router

from pgcron_admin.assets import show_asset
from pgcron_admin.screens import audit, bulk, entry, job_list, jobs, overview, palette, runs, schedule, workers
from pgcron_admin.screens.failures import PAGE_HANDLERS

SCREEN_ROUTES = Router(
    "/",
    route_handlers=[
        entry.show_sign_in,
        entry.sign_in_here,
        entry.sign_out_here,
        overview.show_overview,
        job_list.list_jobs,
        job_list.show_rows,
        job_list.show_panel,
        bulk.confirm_bulk,
        bulk.begin_bulk,
        bulk.list_bulks,
        bulk.show_bulk,
        bulk.cancel_bulk,
        jobs.show_job,
        *(jobs.deed(word) for word in jobs.DEEDS),
        schedule.edit_schedule,
        schedule.preview_draft,
        schedule.save_schedule,
        runs.list_runs,
        runs.show_run,
        workers.list_workers,
        audit.list_entries,
        audit.show_entry,
        audit.revert_entry,
        palette.show_choices,
        show_asset,
    ],
    exception_handlers=PAGE_HANDLERS,
    include_in_schema=False,
)
