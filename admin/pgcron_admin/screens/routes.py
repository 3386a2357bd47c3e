"""All pages."""

from __future__ import annotations

from litestar import Router

from pgcron_admin.assets import show_asset
from pgcron_admin.screens import (
    audit,
    entry,
    job,
    job_audit,
    job_configuration,
    job_runs,
    job_timing,
    jobs,
    output,
    overview,
    run,
    run_export,
    run_now,
    runs,
    schedule,
    timeline,
    workers,
)
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
        job.show_job,
        job.show_durations,
        *(job.deed(word) for word in job.DEEDS),
        run_now.show_run_form,
        run_now.run_now,
        job_runs.show_job_runs,
        job_timing.show_timing,
        job_configuration.show_configuration,
        job_configuration.delete_job,
        job_audit.show_job_audit,
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
        timeline.show_upcoming,
        timeline.show_heat,
        timeline.show_past,
        workers.list_workers,
        audit.list_entries,
        audit.revert_entry,
        show_asset,
    ],
    exception_handlers=PAGE_HANDLERS,
    include_in_schema=False,
)
