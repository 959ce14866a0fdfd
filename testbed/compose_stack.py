"""The compose file as plain processes: exactly its commands, environment and order, on real servers.

What a container engine would do is done here by hand: names of services become ports on loopback, images become the
programs in them, and the image of the product becomes a copy of what the Dockerfile puts in it, in a folder that
nothing may write to.
"""

import contextlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import psycopg
import redis
import yaml

from runlane.launcher.redis_server import command as redis_command
from runlane.launcher.redis_server import on_port
from testbed import ROOT
from testbed.ports import free_port
from testbed.postgres_server import PostgresServer
from testbed.waiting import PATIENCE_S

ENVIRONMENT = {"REDIS_PASSWORD": "redis-secret", "POSTGRES_PASSWORD": "postgres-secret", "RUNLANE_CONCURRENCY": "5"}
ENVIRONMENT |= {"RUNLANE_USER_HEADER": "X-Forwarded-User"}
# Every app listens on the same port, at an address of its own, as containers do.
HOSTS = {"app": "127.0.0.1", "app2": "127.0.0.2"}
_VARIABLE = re.compile(r"\$\{(\w+)(?::([-?])([^}]*))?\}")


def compose_text(*, own_worker: bool = False) -> str:
    """The file; ``own_worker``: with the service for an image of one's own, which stands in it as a comment."""
    text = (ROOT / "docker-compose.yml").read_text()
    return re.sub(r"^  # (  .*|my-worker:)$", r"  \1", text, flags=re.MULTILINE) if own_worker else text


def compose_file(environ: dict[str, str], *, own_worker: bool = False) -> dict[str, Any]:
    """The file as Docker reads it, with variables of ``environ`` in place; ``own_worker`` as in ``compose_text``."""

    def value(match: re.Match[str]) -> str:
        name, kind, other = match.groups()
        if environ.get(name):
            return environ[name]
        assert kind == "-", f"{name} is not set: {other}"
        return other

    def filled(part: Any) -> Any:
        if isinstance(part, dict):
            return {key: filled(each) for key, each in part.items()}
        if isinstance(part, list):
            return [filled(each) for each in part]
        return _VARIABLE.sub(value, part).replace("$$", "$") if isinstance(part, str) else part

    return dict(filled(yaml.safe_load(compose_text(own_worker=own_worker))))


def image_tree(folder: Path) -> Path:
    """What the last stage of the Dockerfile copies, in a folder."""
    tree = folder / "image"
    (folder / "tmp").mkdir(parents=True, exist_ok=True)
    for line in (ROOT / "Dockerfile").read_text().split("FROM ")[-1].splitlines():
        match line.split():
            case ["COPY", "--from=build", source, target] if source.startswith("/srv/runlane/"):
                _copy(ROOT / source.removeprefix("/srv/runlane/"), tree / target)
            case ["RUN", "ln", "-s", place, target, *_]:
                (tree / target).symlink_to(folder / place.strip("/"))
            case ["COPY", source, target] if not source.startswith("--"):
                _copy(ROOT / source, tree / (source if target == "./" else target))
    return tree


def image_environ() -> dict[str, str]:
    """What the last stage of the Dockerfile sets."""
    of_image = (ROOT / "Dockerfile").read_text().split("ENV ")[-1].split("COPY")[0]
    return dict(re.findall(r"(\w+)=(\S+?)(?: \\)?$", of_image, re.MULTILINE))


def _copy(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    if source.is_dir():
        shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__", "external"))
    else:
        shutil.copy(source, target)


@dataclass
class Running:
    """A service's process, and what it wrote."""

    process: subprocess.Popen[bytes]
    log: Path


class ComposeStack:
    """The services of the file, started in the order in which they depend on each other; each may be killed."""

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="runlane-compose-"))
        self.file = compose_file(ENVIRONMENT)
        self.tree = image_tree(self.folder)
        self.ports = {name: free_port() for name in ("redis", "app", "proxy", "proxy-http")}
        self.postgres = PostgresServer("runlane", ENVIRONMENT["POSTGRES_PASSWORD"])
        self.ports["postgres"] = self.postgres.port
        self.running: dict[str, Running] = {}

    @property
    def url(self) -> str:
        return self.address("app")

    @property
    def site(self) -> str:
        return f"https://127.0.0.1:{self.ports['proxy']}"

    def address(self, app: str) -> str:
        return f"http://{HOSTS[app]}:{self.ports['app']}"

    def order(self) -> list[str]:
        """The services without those of profiles, each after those it depends on."""
        services = {name: each for name, each in self.file["services"].items() if "profiles" not in each}
        ordered: list[str] = []
        while len(ordered) < len(services):
            free = [n for n, s in services.items() if n not in ordered and set(s.get("depends_on", ())) <= set(ordered)]
            assert free, f"{set(services) - set(ordered)} wait for each other"
            ordered += free
        return ordered

    def up(self) -> None:
        for name in self.order():
            self.start(name)
        self.ready()

    def start(self, name: str, instance: str = "", **more: str) -> None:
        """Start a service, and return when the condition that others wait for holds; ``more``: for its environment."""
        service = self.file["services"][name]
        place = instance or name
        match name:
            case "postgres":
                self.postgres.start()
                if not self._has_database():
                    self.postgres.create(service["environment"]["POSTGRES_DB"])
            case "redis":
                data = self.folder / "redis"
                data.mkdir(exist_ok=True)
                assert service["command"][0] == "redis-server"
                self._spawn(place, [*redis_command(data, on_port(self.ports["redis"])), *service["command"][1:]], {})
                self._until(self._redis_answers)
            case "migrate":
                self._spawn(place, self._command(service), self._environ(service))
                assert self.running[place].process.wait(60) == 0, self.log(place)
            case "proxy":
                caddy = [str(Path(sys.executable).parent / "caddy"), "run", "--adapter", "caddyfile", "--config"]
                self._spawn(place, [*caddy, str(ROOT / "deploy" / "Caddyfile")], self._proxy_environ(service) | more)
            case "app":
                environ = self._environ(service)
                # as whoever publishes the proxy on a port of its own has to list it
                origins = f"{environ['RUNLANE_ALLOWED_ORIGINS']},{self.site}"
                here = {"HOST": HOSTS[place], "PORT": str(self.ports["app"]), "RUNLANE_ALLOWED_ORIGINS": origins}
                self._spawn(place, self._command(service), environ | here | more)
            case _:
                self._spawn(place, self._command(service), self._environ(service) | more)

    def start_own(self, programs: Path, instance: str = "my-worker", **more: str) -> None:
        """Start a worker of one's own, which the file has as a comment, with the programs of its image in a folder."""
        service = compose_file(ENVIRONMENT, own_worker=True)["services"]["my-worker"]
        program, *words = service["command"]
        environ = self._environ(service) | more
        self._spawn(instance, [str(programs / program), *words], environ, cwd=self.folder / "tmp")

    def ready(self) -> None:
        """Return once the app reports that jobs can run."""
        self._until(lambda: self.answers(f"{self.url}/readyz"))

    def kill(self, name: str) -> None:
        if name == "postgres":
            self.postgres.kill()
            return
        self.running[name].process.kill()
        self.running[name].process.wait()

    def stop(self, name: str) -> int:
        """SIGTERM, as ``docker stop`` sends it; the exit code."""
        self.running[name].process.terminate()
        return self.running[name].process.wait(30)

    def down(self) -> None:
        for each in self.running.values():
            if each.process.poll() is None:
                each.process.kill()
                each.process.wait()
        self.postgres.stop()
        shutil.rmtree(self.folder)

    def log(self, name: str) -> str:
        return self.running[name].log.read_text()

    def health(self, name: str) -> int:
        """The exit code of a service's own health check; that of the image if it has none."""
        service = self.file["services"][name]
        if "healthcheck" in service:
            test = service["healthcheck"]["test"]
            assert test[0] == "CMD"
            words = test[1:]
        else:
            found = re.search(r"HEALTHCHECK .*CMD \[(.*)\]", (ROOT / "Dockerfile").read_text())
            assert found
            words = [word.strip().strip('"') for word in found[1].split(",")]
        environ = self._environ(service) | {"PORT": str(self.ports["app"])}
        return subprocess.run([sys.executable, *words[1:]], env=environ, cwd=self.tree, capture_output=True).returncode

    def memory_bytes(self, name: str) -> int:
        """What a process holds in memory."""
        pid = self.running[name].process.pid
        found = re.search(r"VmRSS:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
        return int(found[1]) * 1024 if found else 0

    def written(self) -> list[str]:
        """What is in the image's folder that was not put there."""
        fresh = image_tree(self.folder / "again")
        before = {path.relative_to(fresh) for path in fresh.rglob("*")}
        found = [str(path.relative_to(self.tree)) for path in self.tree.rglob("*")]
        shutil.rmtree(self.folder / "again")
        return [path for path in found if Path(path) not in before]

    @staticmethod
    def answers(url: str) -> bool:
        with contextlib.suppress(httpx.TransportError):
            return httpx.get(url, verify=False).status_code == 200
        return False

    def _command(self, service: dict[str, Any]) -> list[str]:
        python, *words = service["command"]
        assert python == "python"
        return [sys.executable, *words]

    def _environ(self, service: dict[str, Any]) -> dict[str, str]:
        """The service's and the image's environment, with names that are known here."""
        own = {name: str(value) for name, value in service["environment"].items()}
        for name in ("redis", "postgres"):
            own = {key: re.sub(rf"@{name}:\d+", f"@127.0.0.1:{self.ports[name]}", value) for key, value in own.items()}
        home = self.folder / "tmp"
        here = {
            "HOST": "127.0.0.1",
            "RUNLANE_DATA_DIR": str(self.folder / "data"),
            "HOME": str(home),
            "TMPDIR": str(home),
        }
        return image_environ() | own | here | {"PATH": os.environ["PATH"]}

    def _proxy_environ(self, service: dict[str, Any]) -> dict[str, str]:
        return {
            **{name: str(value) for name, value in service["environment"].items()},
            "RUNLANE_SITE": self.site,
            "RUNLANE_HTTP_PORT": str(self.ports["proxy-http"]),
            "RUNLANE_UPSTREAM": HOSTS["app"],
            "RUNLANE_UPSTREAM_PORT": str(self.ports["app"]),
            "XDG_DATA_HOME": str(self.folder / "caddy"),
            "XDG_CONFIG_HOME": str(self.folder / "caddy"),
            "HOME": str(self.folder),
        }

    def _spawn(self, name: str, command: list[str], environ: dict[str, str], cwd: Path | None = None) -> None:
        log = self.folder / f"{name}.log"
        with log.open("ab") as out:
            process = subprocess.Popen(command, env=environ or None, cwd=cwd or self.tree, stdout=out, stderr=out)
        self.running[name] = Running(process, log)

    def _redis_answers(self) -> bool:
        with (
            contextlib.suppress(redis.ConnectionError),
            redis.Redis(port=self.ports["redis"], password=ENVIRONMENT["REDIS_PASSWORD"]) as client,
        ):
            return bool(client.ping())
        return False

    def _has_database(self) -> bool:
        with contextlib.suppress(psycopg.OperationalError), psycopg.connect(self.postgres.url("runlane")):
            return True
        return False

    def _until(self, holds: Any) -> None:
        ends_at = time.monotonic() + PATIENCE_S
        while not holds():
            assert time.monotonic() < ends_at, "\n".join(each.log.read_text()[-2000:] for each in self.running.values())
            time.sleep(0.05)


@contextlib.contextmanager
def stack() -> Iterator[ComposeStack]:
    """The services, to be started; all end with the block."""
    made = ComposeStack()
    try:
        yield made
    finally:
        made.down()
