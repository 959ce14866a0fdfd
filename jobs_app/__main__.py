"""Serve the built app: ``python -m jobs_app``. One process, one port: pages, API and websocket.

The three variables that make Reflex serve a build instead of making one are internal to Reflex 0.10; they are named
here alone, and an end-to-end test starts the product this way. The build brings a list of the pages with it, without
which Reflex would write one at its start.
"""

import asyncio
import contextlib
import logging
import os
import resource
import signal
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING

from granian.constants import HTTPModes, Interfaces
from granian.http import HTTP1Settings
from granian.server.embed import Server

from runlane import installation
from runlane.background import end_on_sigterm, end_tasks
from runlane.db import schema
from runlane.errors import StartRefused
from runlane.logs import configure, refuse
from runlane.queue.redis_client import check_or_wait_for
from runlane.settings import Settings, check_network, settings

if TYPE_CHECKING:
    from jobs_app.server.admission import Admission  # which leads to Reflex, before the variables are set

SERVE_A_BUILD = {
    "REFLEX_ENV_MODE": "prod",
    "__REFLEX_SKIP_COMPILE": "true",
    "__REFLEX_MOUNT_FRONTEND_COMPILED_APP": "true",
    # a tab that vanished without closing its connection is detected within half a minute
    "REFLEX_SOCKET_INTERVAL": "10",
    "REFLEX_SOCKET_TIMEOUT": "20",
}

REFLEX_SETTINGS = Path(__file__).parent / "reflex_settings"
# What a wheel brings: the build, and the list of its pages.
INSTALLED_PAGES = Path(__file__).parent / "web"

MAX_CONNECTIONS = 10_000
# Connections that wait to be accepted; the server's default is 128, which as many tabs reach.
BACKLOG = 1024
# How long a client may take for the headers of a request, and how long an idle connection is kept open.
HEADERS_WITHIN_MS = 10_000
# Less than the ten seconds after which ``docker stop`` kills the process.
STOPPED_WITHIN_S = 8.0

log = logging.getLogger(__name__)


async def serve(config: Settings) -> None:
    """Answer requests until a signal says stop."""
    # Reflex takes its settings from the rxconfig.py of the current folder, in which a user may have another one
    with contextlib.chdir(REFLEX_SETTINGS):
        from jobs_app.app import admission, app  # reads the variables above
    from jobs_app.server.security import of_plain_paths

    server = Server(
        of_plain_paths(app()),
        address=config.host,
        port=config.port,
        interface=Interfaces.ASGI,
        http=HTTPModes.http1,
        backlog=BACKLOG,
        backpressure=MAX_CONNECTIONS,
        http1_settings=HTTP1Settings(header_read_timeout=HEADERS_WITHIN_MS),
        log_enabled=False,
    )
    loop = asyncio.get_running_loop()

    stop = asyncio.Event()
    for signum in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(signum, stop.set)
    stopping = asyncio.create_task(_stop_on_signal(stop, server, admission))
    await server.serve()
    await end_tasks(stopping)


async def _stop_on_signal(signalled: asyncio.Event, server: Server, admission: "Admission") -> None:
    await signalled.wait()
    patience = threading.Timer(STOPPED_WITHIN_S, _give_up, (asyncio.get_running_loop(),))
    patience.daemon = True
    patience.start()
    server.stop()  # type: ignore[no-untyped-call]  # granian types this class in part
    await admission.end()


def _give_up(loop: asyncio.AbstractEventLoop) -> None:
    """End this process though some task goes on; the log names it. Everything that was answered is in SQL."""
    for task in asyncio.all_tasks(loop):
        where = [f"{frame.f_code.co_filename}:{frame.f_lineno}" for frame in task.get_stack()]
        log.warning("Still running %g s after the signal to stop: %s, at %s", STOPPED_WITHIN_S, task.get_name(), where)
    log.error("The server did not stop within %g s; it is ended.", STOPPED_WITHIN_S)
    logging.shutdown()
    os._exit(0)


def _allow_many_connections() -> None:
    """Raise the limit of open files as far as allowed: systems start with 1,024 or 256."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = 2 * MAX_CONNECTIONS
    limit = needed if hard == resource.RLIM_INFINITY else min(needed, hard)
    if soft != resource.RLIM_INFINITY and soft < limit:
        resource.setrlimit(resource.RLIMIT_NOFILE, (limit, hard))


def built_pages() -> Path:
    """The folder in which Reflex looks for the build. ``REFLEX_WEB_WORKDIR`` may name another one.

    Raises:
        StartRefused: this installation was made without pages.
    """
    if given := os.environ.get("REFLEX_WEB_WORKDIR"):
        return Path(given)
    if installation.is_checkout():
        return installation.HOME / ".web"
    if not INSTALLED_PAGES.is_dir():
        raise StartRefused(
            "This installation of runlane was built without its pages. Install a wheel that `make wheel` has built."
        )
    return INSTALLED_PAGES


def main() -> None:
    end_on_sigterm()
    try:
        config = settings()
        configure("app", config.log_level, config.log_format)
        check_network(config)
        check_or_wait_for(config.resolved_redis_url)
        schema.check_or_wait_for(config.resolved_database_url)
        _allow_many_connections()
        os.environ.update(SERVE_A_BUILD, REFLEX_WEB_WORKDIR=str(built_pages()))
        import uvloop

        uvloop.run(serve(config))
    except StartRefused as exc:
        refuse("app", exc.message)
        sys.exit(2)


if __name__ == "__main__":
    main()
