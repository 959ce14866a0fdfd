"""A job's timeline: attempts as lanes, each step as a bar on a common axis, log lines between them, and the replay.

The axis is a CSS variable of the list: while a job runs only that changes, and no line is drawn again.
"""

import reflex as rx
from reflex.vars import var_operation, var_operation_return

from jobs_app.job.timeline.rows import OPEN, SORTS, Lane, Line
from jobs_app.live.effects import BoundHandler
from jobs_app.ui.basics import status_badge, status_color
from jobs_app.ui.styles import TABULAR


def lanes(attempts: rx.Var[list[Lane]], chosen: rx.Var[int], on_choose: object) -> rx.Component:
    """Each attempt as a bar on one axis; a click shows the lines of that one."""
    return rx.cond(
        attempts.length() > 1,
        rx.vstack(
            rx.foreach(attempts, lambda lane: _lane(lane, chosen, on_choose)),
            spacing="1",
            width="100%",
            margin_bottom="12px",
            id="attempts",
        ),
    )


def _lane(lane: rx.Var[Lane], chosen: rx.Var[int], on_choose: BoundHandler) -> rx.Component:
    return rx.el.button(
        rx.hstack(
            rx.text("Attempt ", lane["number"], size="1", weight="medium", white_space="nowrap"),
            status_badge(lane["status"]),
            rx.text(lane["duration"], size="1", color_scheme="gray", style=TABULAR, white_space="nowrap"),
            rx.text(lane["message"], size="1", color_scheme="gray", class_name="one-line"),
            spacing="2",
            align="center",
            min_width="0",
        ),
        rx.el.div(
            rx.el.div(
                class_name="bar",
                custom_attrs={
                    "style": {
                        "left": lane["left"].to_string() + "%",
                        "width": lane["width"].to_string() + "%",
                        "background": "var(--" + status_color(lane["status"]).to(str) + "-9)",
                    }
                },
            ),
            class_name="track",
        ),
        type="button",
        class_name="lane",
        aria_pressed=chosen == lane["number"],
        on_click=on_choose(lane["number"]),
        key=lane["started_at"],
    )


@var_operation
def running_for(started_at: rx.Var[str], now: rx.Var[str]) -> object:
    """How many seconds a job has been running; both are times of the server."""
    return var_operation_return(f"((Date.parse({now}) - Date.parse({started_at})) / 1000 || 0)", var_type=float)


@var_operation
def live_lines(
    tail: rx.Var[list[Line]],
    loaded_version: rx.Var[int],
    show: rx.Var[str],
    search: rx.Var[str],
    attempt: rx.Var[int],
) -> object:
    """The lines that were broadcast since the last reading and match: the browser's half of ``Timeline._matches``."""
    return var_operation_return(
        f"{tail}.filter(line => line.version > {loaded_version} && ({show} === '' || line.sorts.includes({show})) && "
        f"line.text.toLowerCase().includes({search}.toLowerCase()) && ({attempt} === 0 || line.attempt === {attempt}))",
        var_type=list[Line],
    )


def timeline(
    blocks: rx.Var[list[list[Line]]],
    live: rx.Var[list[Line]],
    ended: rx.Var[dict[str, float]],
    span_s: rx.vars.NumberVar[float],
    follow: rx.Var[bool],
    replay_s: rx.vars.NumberVar[float],
) -> rx.Component:
    """``blocks`` were read, ``live`` came after them.

    ``replay_s``: lines after that moment are faint; negative when nothing is replayed.
    """

    def shown(line: rx.Var[Line]) -> rx.Component:
        return timeline_line(
            line=line,
            took_s=rx.cond(ended.contains(line["version"].to_string()), ended[line["version"].to_string()], -1.0),
            faint=rx.cond(replay_s >= 0, line["from_s"] > replay_s, False),
            key=line["version"].to_string(),
        )

    rows = rx.box(
        rx.foreach(
            blocks,
            lambda block: rx.el.ol(rx.foreach(block, shown), class_name="block", key=block[0]["version"].to_string()),
        ),
        rx.el.ol(rx.foreach(live, shown)),
        class_name="timeline",
        custom_attrs={"style": rx.Var.create({"--span": rx.cond(span_s > 0.001, span_s, 0.001)})},
    )
    frame = {"max_height": "560px", "overflow_y": "auto", "id": "timeline", "tab_index": 0, "aria_label": "Timeline"}
    return rx.cond(follow, rx.auto_scroll(rows, **frame), rx.box(rows, role="group", **frame))


@rx.memo
def timeline_line(
    line: rx.Var[Line], took_s: rx.vars.NumberVar[float], faint: rx.Var[bool], rest: rx.RestProp
) -> rx.Component:
    """One line; ``took_s`` when the step ended after the line was read, else negative."""
    is_open = rx.cond(took_s < 0, line["took_s"] == OPEN, False)
    width_s = rx.cond(took_s >= 0, took_s, line["took_s"])
    return rx.el.li(
        rx.el.span(line["since_start"], title=line["at"], class_name="when"),
        rx.el.span(class_name="dot"),
        rx.el.span(
            rx.cond(
                (line["level"] == "") | (line["level"] == "info"),
                "",
                rx.el.span(line["level"], class_name="level"),
            ),
            rx.cond(line["logger"] != "", rx.el.span(line["logger"], class_name="logger"), ""),
            rx.el.span(line["text"]),
            class_name="what",
        ),
        rx.cond(
            line["took_s"] >= OPEN,
            rx.el.span(
                rx.el.span(
                    class_name=rx.cond(is_open, "bar open", "bar"),
                    custom_attrs={
                        "style": {
                            "left": "calc(" + line["from_s"].to_string() + " / var(--span) * 100%)",
                            "width": rx.cond(
                                is_open,
                                "calc((var(--span) - " + line["from_s"].to_string() + ") / var(--span) * 100%)",
                                "calc(" + width_s.to_string() + " / var(--span) * 100%)",
                            ),
                        }
                    },
                ),
                class_name="track",
            ),
            rx.el.span(class_name="no-bar"),
        ),
        rx.el.span(
            rx.cond(line["took"] != "", line["took"], rx.cond(took_s >= 0, _rounded(took_s), "")), class_name="took"
        ),
        rest,
        class_name="line",
        custom_attrs={
            "data-type": line["type"],
            "data-level": line["level"],
            "data-status": line["status"],
            "data-version": line["version"],
            "data-faint": faint,
        },
    )


def _rounded(seconds: rx.Var[float]) -> rx.Var[str]:
    text: rx.Var[str] = rx.Var(f"({seconds!s}).toFixed(1)", _var_data=seconds._get_all_var_data())
    return text.to(str) + " s"


def _act(icon: str, label: str, on_click: object) -> rx.Component:
    return rx.icon_button(rx.icon(icon, size=14), variant="soft", size="1", aria_label=label, on_click=on_click)


def timeline_tools(
    show: rx.Var[str],
    search: rx.Var[str],
    follow: rx.Var[bool],
    on_show: object,
    on_find: object,
    on_follow: object,
    on_copy: object,
    download_href: rx.Var[str],
) -> rx.Component:
    """What narrows a timeline, and what takes it away."""
    return rx.flex(
        rx.el.select(
            rx.el.option("Everything", value=""),
            *[rx.el.option(label, value=name) for name, label in SORTS.items()],
            value=show,
            on_change=on_show,
            aria_label="Which lines",
            class_name="select",
        ),
        rx.input(
            value=search,
            placeholder="Find in the timeline",
            aria_label="Find in the timeline",
            on_change=on_find.debounce(150),
            width=rx.breakpoints(initial="100%", sm="180px"),
            size="1",
        ),
        rx.text(
            rx.hstack(rx.switch(checked=follow, on_change=on_follow, size="1"), "Follow", spacing="2", align="center"),
            as_="label",
            size="1",
        ),
        rx.spacer(),
        rx.button(rx.icon("copy", size=13), "Copy", size="1", variant="soft", color_scheme="gray", on_click=on_copy),
        rx.el.a(
            rx.icon("download", size=13),
            "Log",
            href=download_href,
            download=True,
            custom_attrs={"reloadDocument": True},
            class_name="rt-reset rt-BaseButton rt-Button rt-r-size-1 rt-variant-soft",
            data_accent_color="gray",
        ),
        gap="8px",
        align="center",
        wrap="wrap",
        margin_bottom="10px",
    )


def replay_bar(
    at_s: rx.Var[float],
    span_s: rx.Var[float],
    replaying: rx.Var[bool],
    playing: rx.Var[bool],
    step: rx.Var[str],
    progress: rx.Var[int],
    on_scrub: object,
    on_play: object,
    on_pause: object,
    on_end: object,
) -> rx.Component:
    """The scrubber of an ended job: what it did at any moment."""
    return rx.box(
        rx.hstack(
            rx.cond(playing, _act("pause", "Pause the replay", on_pause), _act("play", "Replay", on_play)),
            rx.el.input(
                type="range",
                value=at_s.to_string(),
                min="0",
                max=span_s.to_string(),
                step="any",
                on_change=on_scrub.throttle(60),
                aria_label="Moment of the replay, in seconds",
                class_name="scrubber",
            ),
            rx.text(_rounded(at_s), size="1", style=TABULAR, white_space="nowrap"),
            rx.cond(
                replaying,
                rx.button("End replay", size="1", variant="ghost", color_scheme="gray", on_click=on_end),
            ),
            spacing="3",
            align="center",
            width="100%",
        ),
        rx.cond(
            replaying,
            rx.text(progress, " % ", step, size="2", margin_top="6px", style=TABULAR, id="replayed"),
        ),
        width="100%",
        margin_bottom="10px",
        id="replay",
    )
