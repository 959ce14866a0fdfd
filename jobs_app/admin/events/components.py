"""The list of events, which grows as they happen, and the table of what people did."""

import reflex as rx

from jobs_app.admin.events.rows import ActionRow
from jobs_app.live.event_log import LogLine
from jobs_app.ui.basics import ago, card, heading, mono, or_nothing
from jobs_app.ui.toolbar import choice, download_button, find_box, pause_button, toolbar

WHAT = {"job": "Jobs", "worker": "Workers", "setting": "Settings", "alert": "Alerts", "system": "System"}
COLOR = {"job": "blue", "worker": "grass", "setting": "amber", "alert": "tomato", "system": "tomato"}


def event_lines(
    lines: rx.Var[list[LogLine]],
    text: rx.vars.StringVar[str],
    what: rx.vars.StringVar[str],
    paused: rx.Var[bool],
    on_find: object,
    on_show: object,
    on_pause: object,
) -> rx.Component:
    def shown(line: rx.Var[LogLine]) -> rx.Var[bool]:
        words = (line["text"] + " " + line["who"] + " " + line["href"]).lower()
        return ((what == "") | (line["what"] == what)) & words.contains(text)

    return card(
        toolbar(
            find_box("Find in the events", on_find),
            choice([("", "Everything"), *WHAT.items()], value=what, on_change=on_show, aria_label="What to show"),
            pause_button(paused, on_pause, resume="Go on"),
            rx.spacer(),
            download_button("/api/events?format=ndjson&what=" + what + "&q=" + text, "Download"),
            margin_bottom="12px",
        ),
        or_nothing(
            lines,
            rx.el.ol(
                rx.foreach(lines, lambda line: rx.cond(shown(line), _line(line))),
                class_name="event-lines",
                aria_label="Events, newest first",
            ),
            "Nothing has happened since the server started.",
        ),
        id="events",
    )


def _line(line: rx.Var[LogLine]) -> rx.Component:
    badges = [(name, _badge(name)) for name in WHAT]
    return rx.el.li(
        rx.el.time(rx.moment(line["at"], format="HH:mm:ss.SSS"), date_time=line["at"], class_name="when"),
        rx.match(line["what"], *badges, rx.fragment()),
        rx.el.span(
            rx.cond(
                line["href"] != "", rx.link(line["text"], href=line["href"], size="2"), rx.text(line["text"], size="2")
            ),
            rx.cond(line["who"] != "", rx.text("by ", line["who"], size="1", color_scheme="gray")),
            class_name="anywhere",
        ),
        key=line["number"].to_string(),
        custom_attrs={"data-what": line["what"]},
    )


def _badge(name: str) -> rx.Component:
    return rx.badge(name, color_scheme=COLOR[name], variant="soft", high_contrast=True, justify_self="start")


def audit_table(
    actions: rx.Var[list[ActionRow]],
    text: rx.Var[str],
    more: rx.Var[bool],
    on_find: object,
    on_older: object,
    on_newest: object,
) -> rx.Component:
    return card(
        heading(
            "Who did what",
            rx.form(
                rx.input(
                    name="q",
                    placeholder="Who, what, which, or a value",
                    aria_label="Find in the audit",
                    default_value=text,
                    key=text,
                    width="260px",
                ),
                on_submit=on_find,
                width="auto",
            ),
        ),
        or_nothing(
            actions,
            rx.box(
                rx.table.root(
                    rx.table.header(
                        rx.table.row(
                            *[
                                rx.table.column_header_cell(title)
                                for title in ("When", "Who", "What", "Which", "Change")
                            ]
                        )
                    ),
                    rx.table.body(rx.foreach(actions, _action)),
                    size="1",
                ),
                overflow_x="auto",
            ),
            "Nobody has done anything that matches.",
        ),
        rx.flex(
            rx.button("Newest", size="1", variant="soft", color_scheme="gray", on_click=on_newest),
            rx.button("Older", size="1", variant="soft", color_scheme="gray", on_click=on_older, disabled=~more),
            gap="8px",
            margin_top="10px",
        ),
        id="audit",
    )


def _action(action: rx.Var[ActionRow]) -> rx.Component:
    return rx.table.row(
        rx.table.cell(ago(action["at"])),
        rx.table.cell(action["who"]),
        rx.table.cell(action["what"], white_space="nowrap"),
        rx.table.cell(
            rx.cond(
                action["href"] != "",
                rx.link(mono(action["name"]), href=action["href"]),
                mono(action["name"]),
            )
        ),
        rx.table.cell(action["change"], class_name="anywhere"),
        key=action["id"],
        custom_attrs={"data-action": action["what"]},
    )
