"""One row of the list, compiled once and drawn again only when its own job changes.

It binds state, unlike a component: a handler passed in would be a new one at each update of the page, and every row
would be drawn again.
"""

import reflex as rx

from jobs_app import routes
from jobs_app.dashboard.job_list import WIDE, row_actions
from jobs_app.dashboard.list_view import COLUMNS
from jobs_app.dashboard.live_state import LiveDashboard
from jobs_app.dashboard.selection.state import Selection
from jobs_app.job.actions import Actions
from jobs_app.live.effects import trigger
from jobs_app.ui.basics import ago, held_up, mono, one_line, progress_bar, status_badge, status_color, ticking
from jobs_app.ui.job_rows import Hot, Row
from jobs_app.ui.styles import TABULAR
from runlane.model.status import JobStatus

NARROW: dict[str, object] = {
    "display": rx.breakpoints(initial="block", md="none"),
    "margin_top": "4px",
    "max_width": "34vw",
}


def job_rows(
    rows: rx.Var[list[Row]], hot: rx.Var[dict[str, Hot]], columns: rx.Var[list[str]], address: rx.Var[str]
) -> rx.Component:
    return rx.foreach(
        rows,
        lambda row: job_row(
            row=row,
            now=_newest(row, hot),
            columns=columns,
            address=address,
            selected=Selection.selected.contains(row["id"]),
            waits_for=held_up(
                _newest(row, hot)["status"],
                row["kind"],
                LiveDashboard.paused,
                LiveDashboard.paused_kinds,
                row["lacks_worker"],
            ),
            key=row["id"],
        ),
    )


def _newest(row: rx.Var[Row], hot: rx.Var[dict[str, Hot]]) -> rx.Var[Hot]:
    """What was broadcast about the job, unless the list was read later than that."""
    known = hot[row["id"]]
    is_newer = rx.cond(hot.contains(row["id"]), known["version"] > row["live"]["version"], False)
    return rx.cond(is_newer, known, row["live"]).to(Hot)


@rx.memo
def job_row(
    row: rx.Var[Row],
    now: rx.Var[Hot],
    columns: rx.Var[list[str]],
    address: rx.vars.StringVar[str],
    selected: rx.Var[bool],
    waits_for: rx.Var[str],
    rest: rx.RestProp,
) -> rx.Component:
    job_id = row["id"]
    return rx.table.row(
        rx.table.cell(
            rx.checkbox(
                checked=selected,
                on_click=lambda pointer: trigger(Selection.toggle, job_id, pointer),
                aria_label="Select job " + row["short_id"],
            ),
            width="32px",
        ),
        rx.table.row_header_cell(
            rx.flex(
                rx.link(
                    row["title"],
                    href=routes.job(job_id) + address,
                    weight="medium",
                    id="row-" + job_id,
                    title=row["title"],
                    class_name="job-title",
                ),
                rx.cond(row["of_kind"] != "", rx.text(row["of_kind"], size="1", color_scheme="gray")),
                mono(row["short_id"], color_scheme="gray"),
                column_gap="8px",
                align="baseline",
                # its own title has a line to itself, which is cut: the table stays as wide as its panel
                wrap=rx.cond(row["of_kind"] != "", "wrap", "nowrap"),
                white_space="nowrap",
                class_name=rx.cond(row["of_kind"] != "", "job-name own", "job-name"),
            ),
        ),
        rx.table.cell(
            status_badge(now["status"], now["cancelling"]),
            rx.cond(
                now["attempts"] != "",
                rx.box(rx.text("attempt ", now["attempts"], size="1", color_scheme="gray")),
            ),
            rx.box(_progress(now, waits_for), **NARROW),
        ),
        *[rx.cond(columns.contains(name), _cell(name, row, now, waits_for)) for name in COLUMNS],
        rx.table.cell(
            row_actions(
                now["status"],
                trigger(Actions.cancel, job_id),
                trigger(Actions.retry, job_id),
                trigger(Actions.ask_delete, job_id),
            ),
            width="112px",
        ),
        rest,
        align="center",
        custom_attrs={"data-job": job_id, "data-status": now["status"], "data-selected": selected},
    )


def _cell(name: str, row: rx.Var[Row], now: rx.Var[Hot], waits_for: rx.Var[str]) -> rx.Component:
    match name:
        case "progress":
            # no width of its own: a long message is cut, and the table stays as wide as its panel
            return rx.table.cell(_progress(now, waits_for), width="40%", max_width="0", **WIDE)
        case "created":
            return rx.table.cell(rx.text(ago(row["created_at"]), size="2"), **WIDE)
        case "took":
            return rx.table.cell(_took(now), **WIDE)
        case "worker":
            return rx.table.cell(one_line(row["worker"], size="2", max_width="160px"), **WIDE)
        case _:
            return rx.table.cell(rx.text(row[name], size="2", style=TABULAR, white_space="nowrap"), **WIDE)


def _took(now: rx.Var[Hot]) -> rx.Component:
    return rx.cond(
        now["status"] == JobStatus.RUNNING.value,
        ticking(now["started_at"]),
        rx.text(now["duration"], size="2", style=TABULAR, white_space="nowrap"),
    )


def _progress(now: rx.Var[Hot], waits_for: rx.Var[str]) -> rx.Component:
    return rx.vstack(
        rx.cond(
            now["due"] != "",
            rx.text("Due ", rx.moment(now["due"], from_now=True, interval=1000), size="2", title=now["due"]),
            one_line(rx.cond(waits_for != "", waits_for, now["message"]), size="2", width="100%"),
        ),
        rx.cond(
            now["status"] == JobStatus.RUNNING.value,
            progress_bar(now["progress"], status_color(now["status"])),
        ),
        spacing="2",
        width="100%",
        min_width="0",
    )
