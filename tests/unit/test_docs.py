"""What the documents say exists, exists; what they tell to run, runs.

A command is a process of its own, which is what most of these take.
"""

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from runlane.core.insertion import NewJob
from runlane.core.store import Store
from runlane.db import schema, transfer
from runlane.db.database import Database
from testbed import ROOT

DOCUMENTS = sorted(
    [ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md")] + list((ROOT / "docs").rglob("*.md"))
)
# what is true of this version; the changelog has the names of each
TODAY = [path for path in DOCUMENTS if path.name != "CHANGELOG.md"]
_LINK = re.compile(r"\[[^\]]*\]\((?!https?:)([^)\s]+)\)")
_BLOCK = re.compile(r"^```(\w*)[^\n]*\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_PATH = re.compile(r"`((?:runlane|jobs_app|worker|tests|testbed|bench|docs|deploy|tools)/[\w./*-]+)`")
OF_VERSION_0_1 = {"python -m jobs", "python -m launcher"}
_COMMAND = re.compile(r"^(make|docker compose|python -m|runlane|curl|cp) ")


@pytest.mark.parametrize("name", ["reliability.md", "admin.md", "deploy.md"])
def test_every_test_that_a_document_names_exists(name):
    named = set(re.findall(r"`(test_\w+)`", (ROOT / "docs" / name).read_text()))
    defined: set[str] = set()
    for path in (ROOT / "tests").rglob("test_*.py"):
        defined |= set(re.findall(r"def (test_\w+)\(", path.read_text()))

    assert named
    assert named <= defined, f"named, but not there: {sorted(named - defined)}"


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_link_inside_leads_somewhere(document):
    for target in _LINK.findall(document.read_text()):
        path, _, anchor = target.partition("#")
        found = document.parent / path if path else document
        assert found.exists(), target
        assert not anchor or anchor in anchors(found), target


def anchors(document: Path) -> set[str]:
    """The places in a document that can be linked to."""
    titles = re.findall(r"^#+ (.+)$", document.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


@pytest.mark.parametrize("document", TODAY, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_path_that_a_document_names_is_there(document):
    named = set(_PATH.findall(document.read_text()))

    assert {path for path in named if not list(ROOT.glob(path.rstrip("/")))} == set()


def test_the_map_of_contributing_names_a_path_for_everything():
    rows = re.findall(r"^\| (.+) \| (.+) \|$", _section("CONTRIBUTING.md", "Where to look"), re.MULTILINE)[1:]

    places = {what: re.findall(r"`([^`]+)`", where) for what, where in rows}
    assert len(places) >= 20
    assert {what for what, paths in places.items() if not paths} == set()
    assert {path for paths in places.values() for path in paths if not (ROOT / path).exists()} == set()


def test_the_way_of_a_job_leads_through_few_files():
    text = (ROOT / "docs" / "architecture.md").read_text()
    files = {path for path in _LINK.findall(text) if path.endswith((".py", ".lua"))}

    assert 10 <= len(files) <= 20


def _section(document: str, title: str) -> str:
    """What stands below a heading of a document."""
    return (ROOT / document).read_text().split(f"\n## {title}\n")[1].split("\n## ")[0]


def commands() -> list[str]:
    """Every command of a code block, and those that a table or a sentence sets as code, on one line each."""
    found = []
    for document in TODAY:
        if document.parent.name == "guide":  # has tests of its own
            continue
        text = document.read_text()
        blocks = [block.replace("\\\n", " ") for language, block in _BLOCK.findall(text) if language in ("", "sh")]
        lines = [line.split("  #")[0].strip() for block in blocks for line in block.splitlines()]
        lines += re.findall(r"`([^`\n]+)`", _BLOCK.sub("", text))
        found += [line for line in lines if _COMMAND.match(line)]
    return sorted(set(found) - OF_VERSION_0_1)


def test_there_are_commands_of_every_sort():
    assert {_COMMAND.match(command)[1] for command in commands()} == {
        "make",
        "docker compose",
        "python -m",
        "runlane",
        "curl",
        "cp",
    }


@pytest.mark.parametrize("command", [c for c in commands() if c.startswith("make ")])
def test_make_knows_what_it_is_told(command):
    words = ["make", "--dry-run", *(word for word in shlex.split(command)[1:] if "…" not in word)]

    assert subprocess.run(words, cwd=ROOT, capture_output=True).returncode == 0, command


@pytest.mark.parametrize("command", [c for c in commands() if c.startswith("python -m ")])
def test_python_knows_what_it_is_told(command):
    """Run for real where that ends by itself, else imported; what they do has tests of its own."""
    _, _, module, *words = shlex.split(command)
    done = subprocess.run(
        [sys.executable, "-m", module, *words, "--help"] if module not in ("worker", "jobs_app") else
        [sys.executable, "-c", f"import importlib.util as u; assert u.find_spec('{module}.__main__')"],
        cwd=ROOT,
        capture_output=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("command", [c for c in commands() if c.startswith("runlane ")])
def test_the_command_runlane_knows_what_it_is_told(command):
    words = [word for word in shlex.split(command)[1:] if not word.isupper()]

    done = subprocess.run([sys.executable, "-m", "runlane", *words, "--help"], cwd=ROOT, capture_output=True)

    assert done.returncode == 0, done.stderr


RUN_ONE_AFTER_THE_OTHER = (
    "cp deploy/env.example .env",
    "runlane migrate",
    "make backup FILE=backups/today.db",
    "make restore FILE=backups/today.db REPLACE=1",
    "make migrate-data FROM=sqlite:///.data/runlane.db TO=postgresql://runlane:password@host:5432/runlane",
    "make backup",
    "make help",
)
RUN_BY_OTHER_TESTS = {
    "make run": "test_a_newcomer.py",
    "make compose-test": "test_compose.py",
    "python -m runlane": "test_upgrade.py",
    **dict.fromkeys(("runlane run", "runlane worker", "runlane app"), "test_upgrade.py"),
    **dict.fromkeys(("python -m venv .venv", "runlane run my_jobs"), "test_wheel.py"),
    "runlane submit greet name=Ada --wait": "test_guide_programs.py",
    "runlane backup FILE": "test_transfer.py",
    **dict.fromkeys(
        (
            'runlane submit web_agent steps=3 goal="Find the opening hours" --wait',
            "runlane list --status failed --limit 10",
            "runlane follow 1a2b3c4d 5e6f7a8b",
            "runlane submit … --wait > result.json",
            "runlane --install-completion",
        ),
        "test_command_line.py",
    ),
    **dict.fromkeys(
        ("python -m jobs_app", "python -m worker", "runlane health", "runlane health --worker"),
        "test_compose.py",
    ),
}
TAKE_LONG = re.compile(
    r"make (test|test-all|coverage|check|bench|wheel|dev|requirements|screenshots)( \w+=.*)?$|python -m bench\."
)
NAME_NO_FILE = ("make restore",)


async def test_what_keeps_and_moves_a_history_does_so_as_it_is_told(tmp_path, session_postgres):
    """In a copy, word for word but for the server's address, with one job, and with all lost after the backup."""
    for name in ("Makefile", "requirements.txt", "runlane", "deploy"):
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
        copy(ROOT / name, tmp_path / name)
    with session_postgres.scratch() as server:
        await _do_as_told(tmp_path, server)


async def _do_as_told(tmp_path: Path, server: str) -> None:
    said = {}
    for command in RUN_ONE_AFTER_THE_OTHER:
        said[command.split(" FILE")[0].split(" FROM")[0]] = run(command, tmp_path, server)
        if command == "runlane migrate":
            await add_a_job(f"sqlite:///{tmp_path}/.data/runlane.db")
        if command.startswith("make backup FILE"):
            shutil.rmtree(tmp_path / ".data")

    assert (tmp_path / ".env").read_text() == (ROOT / "deploy" / "env.example").read_text()
    assert f"is at {schema.newest_revision()}." in said["runlane migrate"]
    assert "Brought back 1 job from backups/today.db" in said["make restore"]
    assert "job: 1 rows alike" in said["make migrate-data"]
    assert transfer.count_jobs(server) == 1
    assert "Wrote 1 job to backups/runlane-" in said["make backup"]
    assert len(list((tmp_path / "backups").iterdir())) == 2
    assert "Start everything" in said["make help"]


def run(command: str, folder: Path, server: str) -> str:
    """What a command says; with the programs of this environment, as if ``make`` had just set it up."""
    programs = Path(sys.executable).parent
    words = shlex.split(command.replace("postgresql://runlane:password@host:5432/runlane", server))
    words += [f"BIN={programs}", "--assume-old=.venv/.stamps/run"] if words[0] == "make" else []
    words[:1] = [sys.executable, "-m", "runlane"] if words[0] == "runlane" else words[:1]
    environ = {name: value for name, value in os.environ.items() if name not in ("DATABASE_URL", "REDIS_URL")}
    done = subprocess.run(words, cwd=folder, env=environ, capture_output=True, text=True)
    assert done.returncode == 0, f"{command}: {done.stderr}"
    return done.stdout


async def add_a_job(url: str) -> None:
    database = Database(url)
    await Store(database).insert([NewJob(kind="noop", params={}, max_attempts=1)])
    await database.close()


def test_every_command_is_run_somewhere_or_takes_long():
    told = {command for command in commands() if command.startswith(("make ", "python -m ", "runlane ", "cp "))}
    there = {path.name for path in (ROOT / "tests").rglob("test_*.py")}

    assert set(RUN_ONE_AFTER_THE_OTHER) <= told
    assert set(RUN_BY_OTHER_TESTS) <= told
    assert set(RUN_BY_OTHER_TESTS.values()) <= there
    left = told - {*RUN_ONE_AFTER_THE_OTHER, *RUN_BY_OTHER_TESTS, *NAME_NO_FILE}
    assert [command for command in sorted(left) if not TAKE_LONG.match(command)] == []


@pytest.mark.parametrize("command", [c for c in commands() if c.startswith("docker compose")])
def test_the_compose_file_has_what_docker_is_told(command):
    services = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]
    profiles = {profile for service in services.values() for profile in service.get("profiles", ())}
    words = shlex.split(command)

    assert {"up", "down", "logs", "exec", "run", "build", "cp"} & set(words)
    if "--profile" in words:
        assert words[words.index("--profile") + 1] in profiles
    if "--scale" in words:
        assert words[words.index("--scale") + 1].split("=")[0] in services
    for verb in ("exec", "run", "logs"):
        if verb in words:
            assert next(word for word in words[words.index(verb) + 1 :] if not word.startswith("-")) in services
    if "cp" in words:
        assert words[words.index("cp") + 1].partition(":")[0] in services


@pytest.mark.parametrize("command", [c for c in commands() if c.startswith("cp ")])
def test_what_is_to_be_copied_is_there(command):
    assert (ROOT / shlex.split(command)[1]).is_file()


def test_curl_is_run_by_the_tests_of_the_readme():
    told = {command for command in commands() if command.startswith("curl")}
    run = (ROOT / "README.md").read_text().replace("\\\n", " ")

    assert all(command in run or command == "curl /healthz" for command in told)


@pytest.mark.parametrize(
    "form", sorted((ROOT / ".github" / "ISSUE_TEMPLATE").glob("*.yml")), ids=lambda path: path.stem
)
def test_the_forms_for_issues_are_what_github_reads(form):
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.github-issue-forms", str(form)]
    found = subprocess.run(command, capture_output=True, text=True)

    assert (found.returncode, found.stderr) == (0, ""), found.stdout


def test_a_commit_is_checked_with_what_make_check_runs():
    [repo] = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"]

    assert (repo["repo"], [hook["entry"] for hook in repo["hooks"]]) == ("local", ["make check"])
