"""``runlane run``: the whole product with one command, and nothing left behind when it ends.

Refuses to start, in one sentence, what cannot work; builds the pages of a checkout if they changed; starts a
Redis-compatible server unless ``REDIS_URL`` names one, a worker and the app; prints the address when they answer;
restarts what dies. SIGTERM or Ctrl-C ends everything within five seconds, a second one at once.
"""

import asyncio
import contextlib
import logging
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator, Awaitable, Iterable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

from runlane import installation
from runlane.client.link import DEFAULT_URL
from runlane.db import schema
from runlane.engine.ready import READY_FD
from runlane.errors import StartRefused
from runlane.launcher import redis_server, ui_build
from runlane.launcher.data_folder import DataFolder
from runlane.launcher.local_server import free_port, is_ready
from runlane.launcher.supervisor import Child, Guard, Supervisor
from runlane.predecessor import take_over_database
from runlane.private_files import make_folder
from runlane.settings import Settings, check_network

PYTHON = sys.executable
# Without the current folder, in which a user's ``email.py`` may lie: the worker adds it when it has imported ours.
OURS_ALONE = ("-P",)
WORKER = [PYTHON, *OURS_ALONE, "-m", "runlane", "worker"]
# What the Redis-compatible server says that is advice for other machines, or says what we have just said.
NO_NEWS = ("Memory overcommit", "Received SIGTERM scheduling shutdown", "ready to exit, bye bye")
CHECK_EVERY_S = 0.05
WATCHED = ("runlane", "worker")

log = logging.getLogger("launcher")
logging.getLogger("watchfiles").setLevel(logging.WARNING)  # it reports each change, and so do we


class Launch:
    """One run of the product."""

    def __init__(self, config: Settings, folder: DataFolder, *, dev: bool) -> None:
        self._config = config
        self._folder = folder
        self._dev = dev
        self._guard = Guard(folder.lock_fd)
        self._children = Supervisor(self._guard)
        self._stop = asyncio.Event()
        self._open = contextlib.ExitStack()
        self._app_port = free_port() if dev else config.port

    async def run(self) -> None:
        """Start everything, and return when everything has ended after a signal.

        Raises:
            StartRefused: a part may not start.
        """
        self._listen_to_signals()
        try:
            async with self._until_stopped():
                await self._start()
        finally:
            await self._children.end()
            self._guard.dismiss()
            self._open.close()

    async def _start(self) -> None:
        redis_url = self._config.redis_url or self._start_redis()
        await _bring_tables(self._config.resolved_database_url)
        if installation.is_checkout() and not self._dev:
            await ui_build.build_if_changed(installation.HOME, self._guard)
        env = self._environment(redis_url)
        worker = self._child("worker", WORKER, env)
        self._children.add(worker)
        self._children.add(self._app(env))
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._children.refusal())
            tasks.create_task(self._announce())
            if self._dev:
                tasks.create_task(_restart_on_change(worker, (installation.HOME / name for name in WATCHED)))
            elif self._config.jobs:
                tasks.create_task(self._follow_sources(worker, env))

    async def _follow_sources(self, worker: Child, env: dict[str, str]) -> None:
        """Give the worker's place to a new one whenever a Python file in this folder has changed.

        The new one takes over when it is ready. One that cannot import a module has said so, and the old code goes on.
        """
        from watchfiles import PythonFilter, awatch

        async for _ in awatch(Path.cwd(), watch_filter=PythonFilter()):
            with pipe_end() as (ready, fd):
                new = self._child("worker", WORKER, env | {READY_FD: str(fd)}, fds=(fd,), on_trial=True)
                if await self._children.replace(worker, new, ready):
                    worker = new
                    log.info("Your code has changed; the worker runs it now.")
                else:
                    log.error("Your code has changed, and cannot be run as it is; the old code goes on.")

    def _start_redis(self) -> str:
        folder = self._folder.path / "redis"
        make_folder(folder)
        place = self._open.enter_context(redis_server.socket_in(folder))
        command = redis_server.command(folder, redis_server.on_socket(place))
        self._children.add(self._child("redis", command, dict(os.environ), on_line=_pass_on))
        return f"unix://{quote(str(place))}"

    def _app(self, env: dict[str, str]) -> Child:
        if not self._dev:
            return self._child("app", [PYTHON, *OURS_ALONE, "-m", "jobs_app"], env)
        page, api = str(self._config.port), str(self._app_port)
        origins = f"http://localhost:{page},http://127.0.0.1:{page}"
        passed_on = {"RUNLANE_ALLOWED_ORIGINS": origins, "DEV_API": f"http://127.0.0.1:{api}"}
        command = [str(Path(PYTHON).parent / "reflex"), "run", "--env", "dev"]
        command += ["--frontend-port", page, "--backend-port", api]
        return self._child("app", command, ui_build.environment(env) | passed_on, cwd=installation.HOME)

    def _child(
        self, name: str, command: list[str], env: dict[str, str], *, cwd: Path | None = None, **more: Any
    ) -> Child:
        return Child(name, command, self._guard, env=env, cwd=cwd or Path.cwd(), **more)

    def _environment(self, redis_url: str) -> dict[str, str]:
        return {
            **os.environ,
            "PYTHONUNBUFFERED": "1",
            "HOST": self._config.host,
            "PORT": str(self._config.port),
            "REDIS_URL": redis_url,
            "DATABASE_URL": self._config.resolved_database_url,
            "RUNLANE_DATA_DIR": str(self._folder.path),
            "RUNLANE_CONCURRENCY": str(self._config.concurrency),
            "RUNLANE_JOBS": ",".join(self._config.jobs),
            **_path_of_checkout(),
        }

    async def _announce(self) -> None:
        host = reachable(self._config.host)
        while not await asyncio.to_thread(is_ready, host, self._app_port):
            await asyncio.sleep(CHECK_EVERY_S)
        self._children.all_run()
        shown = f"[{host}]" if ":" in host else host
        url = f"http://{'localhost' if self._dev else shown}:{self._config.port}"
        print(f"Ready: {url}", flush=True)
        if url != DEFAULT_URL and not self._dev:
            print(f"For commands and programs in other terminals: export RUNLANE_URL={url}", flush=True)

    def _listen_to_signals(self) -> None:
        def stop() -> None:
            if self._stop.is_set():
                self._children.kill()
            self._stop.set()

        for signum in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            asyncio.get_running_loop().add_signal_handler(signum, stop)

    @contextlib.asynccontextmanager
    async def _until_stopped(self) -> AsyncIterator[None]:
        """The block is cancelled, and left quietly, when a signal stops the run."""
        me = asyncio.current_task()
        assert me is not None
        watch = asyncio.create_task(self._stop.wait())
        watch.add_done_callback(lambda done: None if done.cancelled() else me.cancel())
        try:
            yield
        except asyncio.CancelledError:
            if not self._stop.is_set():
                raise
            me.uncancel()
            log.info("Stopping.")
        except BaseExceptionGroup as group:
            refused, rest = group.split(StartRefused)
            if refused is None or rest is not None:
                raise
            raise refused.exceptions[0] from None
        finally:
            watch.cancel()


def _pass_on(line: str) -> None:
    if any(part in line for part in NO_NEWS):
        return
    log.info("%s", line, extra={"process_name": "redis"})


@contextlib.contextmanager
def pipe_end() -> Iterator[tuple[Awaitable[object], int]]:
    """What comes when a child writes to the descriptor, and that descriptor."""
    read_end, write_end = os.pipe()
    loop = asyncio.get_running_loop()
    written = loop.create_future()
    loop.add_reader(read_end, lambda: None if written.done() else written.set_result(None))
    try:
        yield written, write_end
    finally:
        loop.remove_reader(read_end)
        os.close(read_end)
        os.close(write_end)


async def _bring_tables(url: str) -> None:
    """Wait for the database, so that a signal can end the wait, and bring its tables to this version."""
    waits = schema.until_it_answers(url)
    while (pause_s := await asyncio.to_thread(next, waits, None)) is not None:
        await asyncio.sleep(pause_s)
    if not schema.is_current(url):
        await asyncio.to_thread(schema.migrate, url)


async def _restart_on_change(worker: Child, watched: Iterable[Path]) -> None:
    """Start the worker again whenever a Python file in these folders changes."""
    from watchfiles import PythonFilter, awatch

    async for _ in awatch(*watched, watch_filter=PythonFilter()):
        log.info("A source has changed; the worker starts again.")
        worker.restart()


def _path_of_checkout() -> dict[str, str]:
    """What lets Python find the packages of a checkout in which they are not installed."""
    if not installation.is_checkout():
        return {}
    return {"PYTHONPATH": os.pathsep.join(filter(None, (str(installation.HOME), os.environ.get("PYTHONPATH"))))}


def check(config: Settings) -> None:
    """Return when what must be free is free and what must answer answers.

    Raises:
        StartRefused: one sentence with what is wrong and what to do.
    """
    check_network(config)
    _check_port(config.host, config.port)
    if config.redis_url is not None:
        _check_redis(config.redis_url)


def _check_port(host: str, port: int) -> None:
    try:
        family, kind, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except OSError as exc:
        raise StartRefused(
            f"Port {port} on {host} cannot be used: {exc.strerror}. Stop what uses it, or set PORT or HOST to another."
        ) from exc


def _check_redis(url: str) -> None:
    from runlane.queue.redis_client import check_server, place

    if reason := check_server(url):
        raise StartRefused(
            f"Redis at {place(url)} does not answer ({_one_line(reason)}). Start it, correct REDIS_URL, or unset "
            "REDIS_URL to use the built-in server."
        )


def _one_line(text: str) -> str:
    return " ".join(text.split()).rstrip(".")


def reachable(host: str) -> str:
    """An address that a browser on this machine can open, for one to listen on."""
    return {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)


async def launch(config: Settings, *, dev: bool) -> None:
    """Run the product until a signal stops it; ``dev``: reload pages and worker when a source of them changes.

    Raises:
        StartRefused: it cannot be run.
    """
    if dev and not installation.is_checkout():
        raise StartRefused(
            "`--dev` reloads the sources of Runlane itself, which are in a checkout: use `make dev` there."
        )
    folder = DataFolder(config.data_dir)
    try:
        check(config)
        if config.database_url is None:
            take_over_database(folder.path)
        await Launch(config, folder, dev=dev).run()
    finally:
        folder.release()


def build() -> None:
    """Build the pages if they changed, for a place where nothing of the launcher runs.

    Raises:
        StartRefused: they could not be built, or this copy has no sources of them.
    """
    if not installation.is_checkout():
        raise StartRefused("The pages of this installation are built already; there is nothing to do.")
    with open(os.devnull) as nothing:  # no data folder is locked
        guard = Guard(nothing.fileno())
        try:
            asyncio.run(ui_build.build_if_changed(installation.HOME, guard))
        finally:
            guard.dismiss()
