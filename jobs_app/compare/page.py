"""Two runs side by side: parameters, steps with what they took, and how they ended."""

import reflex as rx

from jobs_app import routes
from jobs_app.compare.comparison import Pair, StepPair
from jobs_app.compare.state import MAX_STEPS, Comparison
from jobs_app.page_frame import page
from jobs_app.ui.basics import ago, callout, card, heading, mono, status_badge
from jobs_app.ui.job_rows import Row


def compare_page() -> rx.Component:
    left, right = Comparison.left, Comparison.right
    return page(
        rx.link(
            rx.hstack(rx.icon("arrow-left", size=15), "Back to the job", spacing="1", align="center"),
            href=routes.job(left["id"]),
            size="2",
        ),
        rx.heading("Compare two runs", as_="h1", size="6", margin_y="12px"),
        rx.cond(Comparison.trouble != "", callout(Comparison.trouble, icon="triangle-alert", color="tomato")),
        rx.cond(
            Comparison.loaded & (Comparison.trouble == "") & (right["id"] == ""),
            callout("There is no other run of this kind to compare with."),
        ),
        _choice(),
        rx.cond(
            Comparison.loaded & (right["id"] != ""),
            rx.vstack(
                rx.grid(_side(left), _side(right), columns="2", gap="16px", width="100%"),
                _pairs("How they ended", Comparison.facts, "ends"),
                _pairs("Parameters", Comparison.params, "params"),
                _steps(),
                spacing="4",
                width="100%",
            ),
        ),
        dialogs=rx.fragment(),
    )


def _choice() -> rx.Component:
    return rx.cond(
        Comparison.choices.length() > 0,
        rx.hstack(
            rx.el.label("With", html_for="with", style={"font_size": "var(--font-size-2)"}),
            rx.el.select(
                rx.foreach(
                    Comparison.choices,
                    lambda job: rx.el.option(
                        job["short_id"] + " · " + job["live"]["status"] + " · " + job["created_at"].split(".")[0],
                        value=job["id"],
                    ),
                ),
                value=Comparison.right["id"],
                on_change=lambda other: rx.redirect(routes.compare(Comparison.left["id"], other)),
                id="with",
                class_name="select",
            ),
            align="center",
            margin_bottom="12px",
        ),
    )


def _side(job: rx.Var[Row]) -> rx.Component:
    return card(
        rx.flex(
            rx.link(job["title"], href=routes.job(job["id"]), weight="medium", class_name="anywhere"),
            rx.cond(job["of_kind"] != "", rx.text(job["of_kind"], size="1", color_scheme="gray")),
            mono(job["short_id"], color_scheme="gray"),
            status_badge(job["live"]["status"]),
            gap="8px",
            wrap="wrap",
            align="center",
        ),
        rx.text(ago(job["created_at"]), size="1", color_scheme="gray"),
    )


def _pairs(title: str, pairs: rx.Var[list[Pair]], name: str) -> rx.Component:
    return card(
        heading(title),
        rx.cond(
            pairs.length() > 0,
            rx.box(
                rx.table.root(
                    rx.table.body(
                        rx.foreach(
                            pairs,
                            lambda pair: rx.table.row(
                                rx.table.row_header_cell(pair["label"], width="20%"),
                                rx.table.cell(pair["left"], class_name="anywhere", width="40%"),
                                rx.table.cell(pair["right"], class_name="anywhere", width="40%"),
                                key=pair["label"],
                                class_name=rx.cond(pair["differs"], "differs", ""),
                            ),
                        )
                    ),
                    size="1",
                ),
                overflow_x="auto",
            ),
            rx.text("Neither has any.", size="2", color_scheme="gray"),
        ),
        id=name,
    )


def _steps() -> rx.Component:
    return card(
        heading("Steps"),
        rx.cond(
            Comparison.steps.length() > 0,
            rx.el.ol(rx.foreach(Comparison.steps, _step), class_name="steps-compared"),
            rx.text("Neither has any.", size="2", color_scheme="gray"),
        ),
        rx.cond(
            Comparison.cut,
            rx.text(f"Only the first {MAX_STEPS:,} steps of each are compared.", size="2", color_scheme="gray"),
        ),
        id="steps",
    )


def _step(step: rx.Var[StepPair]) -> rx.Component:
    def side(text: rx.Var[str], took: rx.Var[str], width: rx.Var[float]) -> rx.Component:
        return rx.el.div(
            rx.el.span(text, class_name="one-line"),
            rx.cond(
                text == "",  # it has no such step
                rx.el.span(),
                rx.el.span(
                    rx.el.span(class_name="bar", custom_attrs={"style": {"width": width.to_string() + "%"}}),
                    class_name="track",
                ),
            ),
            rx.el.span(took, class_name="took"),
            class_name="step-side",
        )

    return rx.el.li(
        side(step["left"], step["left_took"], step["left_width"]),
        side(step["right"], step["right_took"], step["right_width"]),
        key=step["number"].to_string(),
        class_name=rx.cond(step["differs"], "differs", ""),
    )
