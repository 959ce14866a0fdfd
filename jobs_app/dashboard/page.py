"""The dashboard: what runs now, a form to start a job, and the list of all jobs."""

import reflex as rx

from jobs_app.admin.queue.components import operation_bars
from jobs_app.admin.queue.live_state import LiveOperations
from jobs_app.admin.queue.state import AdminQueue
from jobs_app.dashboard.failures.components import failure_groups
from jobs_app.dashboard.failures.state import FailureGroups
from jobs_app.dashboard.filters import export_menu, list_trouble, saved_views, search_box, status_tabs, view_menu
from jobs_app.dashboard.job_list import empty_list, job_table, newer_jobs, pager
from jobs_app.dashboard.live_state import LiveDashboard
from jobs_app.dashboard.row import job_rows
from jobs_app.dashboard.selection.components import bulk_dialog, bulk_progress, bulk_report, selection_bar
from jobs_app.dashboard.selection.state import Selection
from jobs_app.dashboard.slots.components import slots_panel
from jobs_app.dashboard.state import JobList, Views
from jobs_app.job.actions import Actions
from jobs_app.live.state import Live
from jobs_app.page_frame import page
from jobs_app.submit.page import start_card
from jobs_app.ui.frame import delete_dialog, retry_dialog
from runlane.model.status import JobStatus


def dashboard() -> rx.Component:
    return page(
        rx.heading("Jobs", as_="h1", class_name="only-read"),
        rx.el.div(Live.spoken, role="status", aria_live="polite", class_name="only-read", id="spoken"),
        rx.vstack(
            slots_panel(
                LiveDashboard.slots,
                LiveDashboard.workers,
                LiveDashboard.paused,
                LiveDashboard.counts[JobStatus.QUEUED.value].to(int),
                LiveDashboard.counts[JobStatus.SCHEDULED.value].to(int),
                LiveDashboard.next,
                Actions.pause,
                Actions.resume,
            ),
            rx.grid(
                rx.box(start_card(), grid_column=rx.breakpoints(initial="1", lg="2"), grid_row="1", min_width="0"),
                rx.box(_list(), grid_column="1", grid_row=rx.breakpoints(initial="2", lg="1"), min_width="0"),
                columns=rx.breakpoints(initial="minmax(0, 1fr)", lg="minmax(0, 1fr) 320px"),
                gap="16px",
                width="100%",
                align_items="start",
            ),
            spacing="4",
            width="100%",
        ),
        dialogs=rx.fragment(job_questions(), _confirm_bulk()),
    )


def job_questions() -> rx.Component:
    """What is asked before a deletion and before a retry, on every page that can do both."""
    return rx.fragment(
        delete_dialog(Actions.pending_delete, Actions.delete, Actions.keep, Actions.forget_dialog),
        retry_dialog(Actions.pending_retry, Actions.kept, Actions.retry_from, Actions.forget_retry),
    )


def _confirm_bulk() -> rx.Component:
    return bulk_dialog(
        Selection.action, Selection.affected, Selection.left_alone, Selection.confirm, Selection.forget_question
    )


def _list() -> rx.Component:
    filtered = (JobList.status != "") | (JobList.search != "")
    return rx.vstack(
        status_tabs(JobList.status, LiveDashboard.counts, JobList.show_status),
        rx.hstack(
            search_box(JobList.search, JobList.suggested, JobList.find, JobList.suggest),
            rx.spacer(),
            saved_views(Views.saved, Views.show, Views.save, Views.remove),
            view_menu(JobList.size, JobList.columns, JobList.show_many, JobList.show_column),
            export_menu(JobList.export_query),
            width="100%",
            spacing="2",
            wrap="wrap",
        ),
        list_trouble(JobList.trouble, JobList.wrong),
        operation_bars(LiveOperations.operations, AdminQueue.stop, AdminQueue.undo),
        failure_groups(FailureGroups.groups, Selection.ask_group),
        newer_jobs(JobList.newer, JobList.size, JobList.show_newer),
        rx.cond(
            JobList.rows.length() > 0,
            job_table(
                job_rows(JobList.rows, LiveDashboard.hot, JobList.columns, JobList.address),
                JobList.columns,
                JobList.sort,
                JobList.rows.map(lambda row: Selection.selected.contains(row["id"])),
                JobList.sort_by,
                Selection.toggle_page,
                JobList.hold,
                JobList.let_go,
                JobList.held,
            ),
            rx.cond(JobList.trouble == "", empty_list(JobList.loaded, filtered, JobList.show_all)),
        ),
        pager(
            JobList.page_number,
            JobList.next_cursor != "",
            JobList.previous_page,
            JobList.next_page,
        ),
        rx.box(  # over the page: nothing under the pointer moves when a row is selected
            bulk_progress(Selection.working, Selection.done, Selection.total, Selection.stop),
            bulk_report(
                Selection.report, Selection.reasons, Selection.undoable, Selection.undo_deletion, Selection.dismiss
            ),
            selection_bar(
                Selection.selected,
                Selection.whole,
                Selection.matching_text,
                JobList.export_query,
                Selection.ask,
                Selection.select_all_matching,
                Selection.clear,
            ),
            class_name="afloat",
        ),
        spacing="3",
        width="100%",
    )
