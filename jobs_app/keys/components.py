"""Single keys that act, the sheet that lists them, and the command palette.

Which keys count is decided in the browser, before anything is sent: none while a person types, while a dialog or a menu
is open, or together with Alt. The row that has the focus names the job.
"""

from collections.abc import Sequence
from typing import Any

import reflex as rx
from reflex.event import EventHandler
from reflex.vars import ObjectVar
from reflex_components_core.core.window_events import WindowEventListener  # type: ignore[import-untyped]

from jobs_app.keys.rows import Command
from jobs_app.live.effects import BoundHandler
from jobs_app.ui.basics import mono

SHEET = (
    ("?", "this list"),
    ("/", "search the list"),
    ("n", "start a job"),
    ("j  k", "next, previous row; on a job's page the next, previous job"),
    ("Enter", "open the job"),
    ("x", "select the row"),
    ("c", "cancel the job that is open, or of the row"),
    ("r", "retry the job that is open, or of the row"),
    ("g d", "go to the dashboard"),
    ("g a", "go to the admin pages"),
    ("Ctrl K  ⌘ K", "command palette"),
    ("Esc", "close what is open"),
)
KEYS = "?/njkxcrgda"
NOT_THERE = "input,textarea,select,[contenteditable],[role=dialog],[role=alertdialog],[role=menu],[role=listbox]"


def _shortcut(e: ObjectVar[Any]) -> tuple[rx.Var[str], rx.Var[str]]:
    """The key that counts, ``palette`` for Ctrl or ⌘ with K, or nothing; and the job whose row has the focus."""
    # a key that counts must not also do what the browser does with it
    key: rx.Var[str] = rx.Var(
        f"((e) => {{ const command = e.ctrlKey || e.metaKey; "
        f"const busy = e.altKey || !!e.target?.closest?.('{NOT_THERE}'); "
        f"const open = !!document.querySelector('[role=dialog],[role=alertdialog]'); "
        f"const found = command ? (e.key?.toLowerCase() === 'k' ? 'palette' : '') "
        f": (!busy && !open && e.key?.length === 1 && '{KEYS}'.includes(e.key) ? e.key : ''); "
        f"if (found) e.preventDefault(); return found; }})({e!s})"
    )
    job: rx.Var[str] = rx.Var(f"({e!s}.target?.closest?.('[data-job]')?.dataset?.job ?? '')")
    return key.to(str), job.to(str)


class Shortcuts(WindowEventListener):  # type: ignore[misc]  # Reflex's components come without types
    """Listens to the keys of a page."""

    on_key_down: EventHandler[_shortcut]  # type: ignore[type-arg, valid-type]  # how Reflex names an event's arguments


def shortcuts(on_key: BoundHandler) -> rx.Component:
    """Calls ``on_key`` with the key and the job of the focused row."""
    listener: rx.Component = Shortcuts.create(
        on_key_down=lambda key, job: rx.cond(key != "", on_key(key, job), rx.noop())
    )
    return listener


def key_sheet(is_open: rx.Var[bool], on_open_change: object) -> rx.Component:
    rows = [rx.table.row(rx.table.row_header_cell(mono(keys)), rx.table.cell(text)) for keys, text in SHEET]
    return rx.dialog.root(
        rx.dialog.content(
            rx.dialog.title("Keys"),
            rx.dialog.description("They do nothing while you type.", size="2"),
            rx.table.root(rx.table.body(*rows), size="1", margin_y="12px"),
            rx.dialog.close(rx.button("Close", variant="soft", color_scheme="gray")),
            max_width="440px",
        ),
        open=is_open,
        on_open_change=on_open_change,
    )


def palette(
    is_open: rx.Var[bool],
    commands: rx.Var[Sequence[Command]],
    active: rx.Var[int],
    on_type: object,
    on_key: BoundHandler,
    on_enter: object,
    on_choose: object,
    on_open_change: object,
) -> rx.Component:
    """One field that finds pages, actions, kinds to start and jobs."""
    return rx.dialog.root(
        rx.dialog.content(
            rx.dialog.title("Command palette", class_name="only-read"),
            rx.dialog.description("Type to find pages, actions and jobs.", class_name="only-read"),
            rx.form(
                rx.input(
                    name="command",
                    placeholder="Go to, do, or find a job …",
                    aria_label="Command",
                    role="combobox",
                    aria_expanded=True,
                    aria_controls="commands",
                    aria_activedescendant="command-" + active.to_string(),
                    auto_focus=True,
                    auto_complete="off",
                    on_change=on_type.debounce(80),
                    on_key_down=lambda key, _info: rx.cond(
                        (key == "ArrowDown") | (key == "ArrowUp"), on_key(key), rx.noop()
                    ),
                    size="3",
                    width="100%",
                ),
                on_submit=on_enter,
            ),
            rx.el.ul(
                rx.foreach(commands, lambda command, position: _command(command, position, active, on_choose)),
                role="listbox",
                id="commands",
                aria_label="Commands",
                class_name="commands",
            ),
            max_width="560px",
        ),
        open=is_open,
        on_open_change=on_open_change,
    )


def _command(
    command: rx.Var[Command], position: rx.Var[int], active: rx.Var[int], on_choose: BoundHandler
) -> rx.Component:
    return rx.el.li(
        rx.el.span(command["label"]),
        rx.el.span(command["hint"], class_name="hint"),
        role="option",
        id="command-" + position.to_string(),
        aria_selected=position == active,
        on_click=on_choose(command["does"]),
        key=command["does"],
    )
