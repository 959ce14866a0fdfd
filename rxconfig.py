"""Reflex's settings. The product's own are in ``jobs.settings``; this file only hands over what Reflex needs."""

import reflex as rx

from jobs.settings import settings

_config = settings()

config = rx.Config(
    app_name="jobs_app",
    telemetry_enabled=False,
    show_built_with_reflex=False,
    # pages keep nothing that must survive a restart, and one process serves them
    state_manager_mode="memory",
    backend_host=_config.host,
    cors_allowed_origins=[
        f"http://127.0.0.1:{_config.port}",
        f"http://localhost:{_config.port}",
        *_config.allowed_origins,
    ],
    plugins=[
        rx.plugins.RadixThemesPlugin(
            theme=rx.theme(accent_color="indigo", gray_color="slate", radius="medium", scaling="95%")
        )
    ],
    disable_plugins=[rx.plugins.SitemapPlugin],
)
