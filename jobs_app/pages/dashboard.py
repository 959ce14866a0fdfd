"""The dashboard: what runs now, a form to start a job, and the list of all jobs."""

import reflex as rx

from jobs.kinds import catalogue
from jobs.models import JobStatus
from jobs_app.components.frame import delete_dialog, page_frame
from jobs_app.components.job_list import (
    empty_list,
    export_menu,
    job_table,
    list_trouble,
    pager,
    search_box,
    status_tabs,
)
from jobs_app.components.slots import slots_panel
from jobs_app.components.start_form import start_form
from jobs_app.live import Live
from jobs_app.state.actions import Actions
from jobs_app.state.board import BoardState
from jobs_app.state.start import KindChoice, StartForm


def dashboard() -> rx.Component:
    return page_frame(
        rx.vstack(
            slots_panel(
                Live.slots,
                Live.workers,
                Live.paused,
                Live.counts[JobStatus.QUEUED.value].to(int),
                Actions.pause,
                Actions.resume,
            ),
            rx.grid(
                rx.box(_start(), grid_column=rx.breakpoints(initial="1", lg="2"), grid_row="1", min_width="0"),
                rx.box(_list(), grid_column="1", grid_row=rx.breakpoints(initial="2", lg="1"), min_width="0"),
                columns=rx.breakpoints(initial="minmax(0, 1fr)", lg="minmax(0, 1fr) 320px"),
                gap="16px",
                width="100%",
                align_items="start",
            ),
            spacing="4",
            width="100%",
        ),
        feed=Live.feed,
        dialog=confirm_delete(),
    )


def confirm_delete() -> rx.Component:
    """The question before a deletion, on every page that can delete."""
    return delete_dialog(Actions.doomed, Actions.delete, Actions.keep, Actions.forget_dialog)


def _start() -> rx.Component:
    return start_form(
        [KindChoice(name=kind.name, title=kind.title) for kind in catalogue()],
        StartForm.kind,
        StartForm.description,
        StartForm.fields,
        StartForm.errors,
        StartForm.trouble,
        StartForm.choose,
        StartForm.submit,
    )


def _list() -> rx.Component:
    filtered = (BoardState.status != "") | (BoardState.search != "")
    return rx.vstack(
        status_tabs(BoardState.status, Live.counts, BoardState.show_status),
        rx.hstack(
            search_box(BoardState.search, BoardState.find),
            rx.spacer(),
            export_menu(BoardState.export_query),
            width="100%",
            spacing="2",
            wrap="wrap",
        ),
        list_trouble(BoardState.trouble),
        rx.cond(
            BoardState.rows.length() > 0,
            job_table(BoardState.rows, Live.hot, Actions.cancel, Actions.retry, Actions.ask_delete),
            empty_list(BoardState.loaded, filtered, BoardState.show_all),
        ),
        pager(
            BoardState.page_number,
            BoardState.next_cursor != "",
            BoardState.previous_page,
            BoardState.next_page,
        ),
        spacing="3",
        width="100%",
    )
