"""The page of addresses that do not exist."""

import reflex as rx

from jobs_app import routes
from jobs_app.page_frame import page


def not_found() -> rx.Component:
    return page(
        rx.center(
            rx.vstack(
                rx.icon("map-pin-off", size=28, color="var(--gray-8)"),
                rx.heading("There is no such page", as_="h1", size="4"),
                rx.link("Go to the dashboard", href=routes.DASHBOARD),
                align="center",
            ),
            padding="80px 16px",
        ),
        dialogs=rx.fragment(),
    )
