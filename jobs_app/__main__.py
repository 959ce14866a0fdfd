"""Serve the built app: ``python -m jobs_app``. One process, one port: pages, API and websocket.

The three variables that make Reflex serve a build instead of making one are internal to Reflex 0.10; they are named
here alone, and an end-to-end test starts the product this way.
"""

import asyncio
import os
import signal
import sys

from granian.constants import Interfaces
from granian.server.embed import Server

from jobs import schema
from jobs.background import end_when_told
from jobs.errors import StartRefused
from jobs.logs import configure, refuse
from jobs.redis_link import check_or_wait_for
from jobs.settings import Settings, settings

SERVE_A_BUILD = {
    "REFLEX_ENV_MODE": "prod",
    "__REFLEX_SKIP_COMPILE": "true",
    "__REFLEX_MOUNT_FRONTEND_COMPILED_APP": "true",
    # a tab that vanished without a word is noticed within half a minute
    "REFLEX_SOCKET_INTERVAL": "10",
    "REFLEX_SOCKET_TIMEOUT": "20",
}


async def serve(config: Settings) -> None:
    """Answer requests until a signal says stop."""
    from jobs_app.jobs_app import app  # reads the variables above

    server = Server(app(), address=config.host, port=config.port, interface=Interfaces.ASGI, log_enabled=False)
    for signum in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(signum, server.stop)
    await server.serve()


def main() -> None:
    os.environ.update(SERVE_A_BUILD)
    end_when_told()
    try:
        config = settings()
        configure("app", config.log_level, config.log_format)
        check_or_wait_for(config.resolved_redis_url)
        schema.check_or_wait_for(config.resolved_database_url)
        import uvloop

        uvloop.run(serve(config))
    except StartRefused as exc:
        refuse("app", exc.message)
        sys.exit(2)


if __name__ == "__main__":
    main()
