"""What is beside a job's timeline: facts, parameters, result, files, re-runs, how to follow it elsewhere."""

import reflex as rx

from jobs_app import routes
from jobs_app.job.files import document, picture
from jobs_app.job.saved import SHOWN_STEPS, SavedState
from jobs_app.job.state import Fact, JobPage, Relation
from jobs_app.job.tree.components import json_tree
from jobs_app.job.tree.state import Trees
from jobs_app.ui.basics import ago, card, heading, status_badge
from jobs_app.ui.styles import MONO_BLOCK


def about_job() -> rx.Component:
    return rx.vstack(
        _facts(),
        _params(),
        _result(),
        _saved(),
        _artifacts(),
        _family(),
        _follow(),
        spacing="4",
        min_width="0",
    )


def _facts() -> rx.Component:
    return card(heading("Details"), rx.data_list.root(rx.foreach(JobPage.facts, _fact), size="1"), width="100%")


def _fact(fact: rx.Var[Fact]) -> rx.Component:
    return rx.data_list.item(
        rx.data_list.label(fact["label"], min_width="110px"),
        rx.data_list.value(
            rx.cond(
                fact["is_time"],
                ago(fact["value"]),
                rx.text(fact["value"], style={"overflow_wrap": "anywhere"}),
            )
        ),
        key=fact["label"],
    )


def tree_card(title: str, name: str) -> rx.Component:
    """The tree called ``name``; see ``Trees``."""
    return card(heading(title), _tree(name))


def _tree(name: str) -> rx.Component:
    return json_tree(
        name,
        Trees.rows[name],
        Trees.searches.get(name, ""),
        Trees.toggle,
        Trees.load_rest,
        Trees.find,
        Trees.copy,
    )


def _params() -> rx.Component:
    return tree_card("Parameters", "params")


def _result() -> rx.Component:
    return rx.cond(Trees.rows.contains("result"), tree_card("Result", "result"))


def _saved() -> rx.Component:
    """What the job keeps over its attempts."""
    return rx.cond(
        SavedState.found,
        card(
            heading("Saved state"),
            rx.cond(
                SavedState.steps_done > 0,
                rx.el.details(
                    rx.el.summary(f"Finished steps: {SavedState.steps_done}"),
                    rx.cond(
                        SavedState.steps_done > SavedState.steps.length(),
                        rx.text(f"The last {SHOWN_STEPS}:", size="1", color_scheme="gray"),
                    ),
                    rx.el.ul(rx.foreach(SavedState.steps, lambda name: rx.el.li(name)), class_name="done-steps"),
                    class_name="small",
                    id="done-steps",
                ),
            ),
            rx.cond(
                SavedState.once.length() > 0,
                rx.text("Done once: ", SavedState.once.join(", "), size="2", class_name="anywhere", margin_top="6px"),
            ),
            rx.cond(Trees.rows.contains("saved"), rx.box(_tree("saved"), margin_top="10px")),
            rx.text(
                "Kept over attempts: a retry goes on with it, or starts without it.",
                size="1",
                color_scheme="gray",
                margin_top="8px",
            ),
            id="saved-state",
        ),
    )


def _artifacts() -> rx.Component:
    return rx.cond(
        JobPage.artifacts.length() > 0,
        card(
            heading("Files"),
            rx.flex(
                rx.foreach(
                    JobPage.artifacts,
                    lambda file: rx.cond(
                        file["is_image"],
                        picture(file["name"], file["href"], file["size"]),
                        document(file["name"], file["href"], file["size"], file["preview"]),
                    ),
                ),
                gap="10px",
                wrap="wrap",
            ),
            id="files",
        ),
    )


def _family() -> rx.Component:
    return rx.cond(
        JobPage.family.length() > 0,
        card(
            heading("Runs of this job"),
            rx.vstack(rx.foreach(JobPage.family, _relation), spacing="2", width="100%"),
            id="family",
        ),
    )


def _relation(job: rx.Var[Relation]) -> rx.Component:
    return rx.hstack(
        rx.cond(job["depth"] > 0, rx.icon("corner-down-right", size=13, color="var(--gray-8)")),
        rx.cond(
            job["status"] == "",
            rx.text(job["short_id"], " (deleted)", size="2", color_scheme="gray"),
            rx.cond(
                job["is_this"],
                rx.text(job["short_id"], " (this)", size="2", weight="medium", white_space="nowrap"),
                rx.link(job["short_id"], href=routes.job(job["id"]), size="2"),
            ),
        ),
        status_badge(job["status"]),
        rx.spacer(),
        rx.text(ago(job["created_at"]), size="1", color_scheme="gray"),
        rx.cond(
            job["is_this"] | (job["status"] == ""),
            rx.fragment(),
            rx.link("compare", href=routes.compare(JobPage.row["id"], job["id"]), size="1"),
        ),
        padding_left="calc(" + job["depth"].to_string() + " * 14px)",
        align="center",
        width="100%",
        wrap="wrap",
        key=job["id"],
    )


def _follow() -> rx.Component:
    return card(
        heading(
            "Follow from a terminal",
            rx.icon_button(
                rx.icon("copy", size=14),
                variant="ghost",
                size="1",
                aria_label="Copy the command",
                on_click=JobPage.copy_follow_command,
            ),
        ),
        rx.el.pre(JobPage.follow_command, style=MONO_BLOCK, tab_index=0),
        width="100%",
    )
