"""Small pieces that every page uses: badges, times, progress bars, callouts."""

import reflex as rx

from jobs_app.ui.job_rows import DELETED, KIND_PAUSED, NO_WORKER, QUEUE_PAUSED
from jobs_app.ui.styles import CARD, MONO, ONE_LINE, STATUS_COLOR, STATUS_ICON, STATUS_LABEL, TABULAR
from runlane.model.status import JobStatus


def status_badge(status: rx.Var[str], cancelling: rx.Var[bool] | bool = False) -> rx.Component:
    """The status in its colour and in words; a running job that was asked to stop is shown as such."""
    badges = [(s.value, _badge(STATUS_LABEL[s], STATUS_COLOR[s], STATUS_ICON[s])) for s in JobStatus]
    badge: rx.Component = rx.cond(
        cancelling,
        _badge("Stopping", STATUS_COLOR[JobStatus.CANCELLED], "hand"),
        rx.match(status, *badges, (DELETED, _badge("Deleted", "gray", "trash-2")), rx.fragment()),
    )
    return badge


def _badge(label: str, color: str, icon: str) -> rx.Component:
    return rx.badge(
        rx.icon(icon, size=12), label, color_scheme=color, variant="soft", high_contrast=True, white_space="nowrap"
    )


def held_up(
    status: rx.Var[str],
    kind: rx.Var[str],
    paused: rx.Var[bool],
    paused_kinds: rx.Var[list[str]],
    lacks_worker: rx.Var[bool],
) -> rx.Var[str]:
    """What keeps a queued job from starting though a slot may be free; empty if nothing does."""
    why = rx.cond(paused_kinds.contains(kind), KIND_PAUSED, rx.cond(lacks_worker, NO_WORKER, ""))
    why = rx.cond(paused, QUEUE_PAUSED, why)
    reason: rx.Var[str] = rx.cond(status == JobStatus.QUEUED.value, why, "").to(str)
    return reason


def status_color(status: rx.Var[str]) -> rx.Var[str]:
    color: rx.Var[str] = rx.match(status, *[(s.value, STATUS_COLOR[s]) for s in JobStatus], "gray")
    return color


def ago(at: rx.Var[str]) -> rx.Component:
    """How long ago, kept current by the browser; the exact time on hover."""
    time: rx.Component = rx.cond(
        at != "",
        rx.el.time(
            rx.moment(at, from_now=True, interval=10_000),
            title=at,
            date_time=at,
            style=TABULAR,
            white_space="nowrap",
        ),
        rx.fragment(),
    )
    return time


def ticking(since: rx.Var[str]) -> rx.Component:
    """How long something has been going on, ticking in the browser without asking the server."""
    return rx.el.time(
        rx.moment(since, duration_from_now=True, interval=1000, format="D[d] H:*m:ss", trim=True),
        title=since,
        date_time=since,
        style=TABULAR,
        white_space="nowrap",
    )


def grouped(number: rx.Var[int]) -> rx.Var[str]:
    """A whole number with its thousands apart."""
    return rx.Var(f"({number!s} ?? 0).toLocaleString('en-US')", _var_data=number._get_all_var_data()).to(str)


def progress_bar(percent: rx.Var[int], color: rx.Var[str] | str = "blue", label: str = "Progress") -> rx.Component:
    return rx.progress(
        value=percent,
        color_scheme=color,
        size="1",
        width="100%",
        aria_label=label,
        duration="0s",
        variant="soft",
    )


def card(*children: rx.Component, **props: object) -> rx.Component:
    return rx.box(*children, style={**CARD, "padding": "16px"}, **{"width": "100%", **props})


def or_nothing(rows: rx.Var[list[object]], filled: rx.Component, nothing: str) -> rx.Component:
    """``filled``, which shows the rows; a sentence instead if there are none."""
    shown: rx.Component = rx.cond(rows.length() > 0, filled, rx.text(nothing, size="2", color_scheme="gray"))
    return shown


def heading(text: str | rx.Var[str], *beside: rx.Component) -> rx.Component:
    return rx.hstack(
        rx.heading(text, as_="h2", size="3", weight="medium"),
        rx.spacer(),
        *beside,
        align="center",
        width="100%",
        margin_bottom="12px",
    )


def mono(text: rx.Var[str] | str, **props: object) -> rx.Component:
    return rx.text(text, as_="span", font_family=MONO, size="1", **props)


def one_line(text: rx.Var[str], **props: object) -> rx.Component:
    """Text that is cut at the edge; all of it on hover."""
    return rx.text(text, as_="div", style=ONE_LINE, title=text, **props)


def callout(text: str | rx.Var[str], icon: str = "info", color: str = "amber", **props: object) -> rx.Component:
    return rx.callout(
        text, icon=icon, color_scheme=color, size="1", width="100%", role="status", high_contrast=True, **props
    )


def question(
    *,
    is_open: rx.Var[bool],
    title: str | rx.Var[str],
    text: rx.Component | str | rx.Var[str],
    go: str | rx.Var[str],
    on_go: object,
    on_open_change: object,
    keep: str = "Keep it",
    more: rx.Component | None = None,
    disabled: rx.Var[bool] | bool = False,
) -> rx.Component:
    """Ask before something that cannot be taken back; ``more`` stands between the text and the buttons."""
    return rx.alert_dialog.root(
        rx.alert_dialog.content(
            rx.alert_dialog.title(title),
            rx.alert_dialog.description(text, size="2"),
            more or rx.fragment(),
            rx.hstack(
                rx.alert_dialog.cancel(rx.button(keep, variant="soft", color_scheme="gray")),
                rx.alert_dialog.action(
                    rx.button(
                        go,
                        variant="soft",
                        high_contrast=True,
                        color_scheme="tomato",
                        on_click=on_go,
                        disabled=disabled,
                    )
                ),
                justify="end",
                spacing="3",
                margin_top="16px",
            ),
            max_width="440px",
        ),
        open=is_open,
        on_open_change=on_open_change,
    )


def small_button(label: str, on_click: object) -> rx.Component:
    return rx.button(label, size="1", variant="soft", color_scheme="gray", on_click=on_click, custom_attrs=once())


# The second click of a double click does nothing there, nor does a key that is held down.
ONCE_SCRIPT = """
addEventListener('click', (e) => {
  if (e.detail > 1 && e.target.closest?.('[data-once]')) { e.preventDefault(); e.stopPropagation(); }
}, true);
addEventListener('keydown', (e) => {
  if (e.repeat && e.key === 'Enter' && e.target.matches?.('input, [data-once]')) e.preventDefault();
}, true);
"""


def once() -> dict[str, object]:
    """The attributes of a button that does something once, however fast it is clicked again; see ``ONCE_SCRIPT``.

    Made again for each, since Reflex writes what it makes of other arguments in them.
    """
    return {"data-once": ""}


def icon_button(icon: str, label: str, on_click: object, color: str = "gray") -> rx.Component:
    return rx.icon_button(
        rx.icon(icon, style={"width": "16px", "height": "16px"}),
        variant="ghost",
        color_scheme=color,
        size="2",
        title=label,
        aria_label=label,
        on_click=on_click,
        custom_attrs=once(),
    )
