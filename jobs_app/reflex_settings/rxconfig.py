"""Reflex's settings. The product's own are in ``runlane.settings``; this file only hands over what Reflex needs."""

from typing import Any

import reflex as rx
from reflex_base.constants import StateManagerMode

from runlane.settings import settings

_config = settings()


class ApiOfDev(rx.plugins.Plugin):
    """With ``make dev`` a server of its own serves the pages; it passes on what is of the API: one address is enough.

    Where the API is, ``runlane run --dev`` tells by ``DEV_API``.
    """

    def pre_compile(self, **context: Any) -> None:
        context["add_modify_task"]("vite.config.js", passing_on)


def passing_on(vite_config: str) -> str:
    """The configuration of the pages' own server, with the API passed on."""
    before, server, after = vite_config.partition("  server: {\n")
    assert server, "Reflex writes its configuration in another way now"
    paths = ", ".join(f'"{path}": process.env.DEV_API' for path in ("/api", "/metrics", "/healthz", "/readyz"))
    return f"{before}{server}    proxy: process.env.DEV_API ? {{ {paths} }} : {{}},\n{after}"


config = rx.Config(
    app_name="jobs_app",
    app_module_import="jobs_app.app",
    telemetry_enabled=False,
    show_built_with_reflex=False,
    # pages keep nothing that must survive a restart, and one process serves them
    state_manager_mode=StateManagerMode.MEMORY,
    backend_host=_config.host,
    cors_allowed_origins=[
        f"http://127.0.0.1:{_config.port}",
        f"http://localhost:{_config.port}",
        *_config.allowed_origins,
    ],
    plugins=[
        rx.plugins.RadixThemesPlugin(
            theme=rx.theme(accent_color="indigo", gray_color="slate", radius="medium", scaling="95%")
        ),
        ApiOfDev(),
    ],
    disable_plugins=[rx.plugins.SitemapPlugin],
)
