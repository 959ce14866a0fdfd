"""The walls of the house: who may import whom, who may name what, and which versions really run."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import arq.constants
import pytest
import redis

from runlane.queue import keys
from runlane.queue.claims import script

ROOT = Path(__file__).parents[2]
COMPONENTS = (
    "components.py",
    "slots.py",
    "job_list.py",
    "filters.py",
    "selection.py",
    "timeline.py",
    "tree.py",
    "files.py",
    "form.py",
    "failures.py",
)
PACKAGES = ("runlane", "worker", "jobs_app")


def modules(package: str) -> list[Path]:
    return sorted((ROOT / package).rglob("*.py"))


def imports(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def tops(path: Path) -> set[str]:
    return {name.split(".")[0] for name in imports(path)}


@pytest.mark.parametrize(
    ("package", "forbidden"),
    [
        ("runlane", {"worker", "jobs_app", "reflex", "fastapi", "granian"}),
        ("worker", {"jobs_app", "reflex", "fastapi", "sqlalchemy", "sqlmodel"}),
        ("jobs_app", {"worker", "arq", "sqlalchemy", "sqlmodel", "redis"}),
        ("testbed", {"tests", "bench", "tools"}),
        ("bench", {"tests", "tools"}),
        ("tools", {"tests"}),
        *((package, {"testbed", "tests", "bench", "tools"}) for package in PACKAGES),
    ],
)
def test_imports_follow_the_arrows(package, forbidden):
    wrong = {str(path.relative_to(ROOT)): tops(path) & forbidden for path in modules(package)}

    assert {path: names for path, names in wrong.items() if names} == {}


def test_arq_is_named_in_the_queue_and_the_worker_alone():
    naming = {str(p.relative_to(ROOT)) for package in PACKAGES for p in modules(package) if "arq" in tops(p)}

    assert naming == {"runlane/queue/client.py", "runlane/engine/engine.py"}


def test_sql_is_written_in_the_store_alone():
    naming = {str(p.relative_to(ROOT)) for p in modules("runlane") if tops(p) & {"sqlalchemy", "sqlmodel"}}
    naming = {path for path in naming if "migrations" not in path}

    sql = [
        "db/tables",
        "db/database",
        "db/engines",
        "db/prepared",
        "db/schema",
        "db/transfer",
        "core/transitions",
        "core/counts",
        "core/attempts",
        "core/deletion",
        "core/reruns",
        "core/edits",
        "core/generation",
        "core/store",
        "search/matching",
        "search/text_index",
        "metrics/failures",
        "metrics/statistics",
        "metrics/samples",
        "audit",
        "bulk/store",
        "maintenance/service",
        "alerts/store",
        "kinds/settings_store",
        "schedules/store",
    ]
    assert naming == {f"runlane/{module}.py" for module in sql}


def test_components_know_no_state_but_the_shapes_of_its_rows():
    components = [path for path in modules("jobs_app") if path.name in COMPONENTS or path.parent.name == "ui"]
    wrong = {
        f"{path.relative_to(ROOT)}: {name}"
        for path in components
        for name in imports(path)
        if name.startswith("jobs_app.")
        and (name.split(".")[-1].endswith(("state", "states")) or "broadcaster" in name or name == "jobs_app.runtime")
    }

    assert components
    assert wrong == set()


def test_handlers_know_neither_redis_nor_sql_nor_the_service():
    allowed = {"runlane.kinds", "runlane.engine.progress"}
    wrong = {
        f"{path.name}: {name}"
        for path in modules("worker/tasks")
        if path.name != "__init__.py"
        for name in imports(path)
        if name.startswith(("runlane", "worker", "redis", "sql")) and not any(name.startswith(a) for a in allowed)
    }

    assert wrong == set()


def test_nothing_reads_pickles():
    naming = {str(p) for package in PACKAGES for p in modules(package) if "pickle" in tops(p)}

    assert naming == set()


def test_the_versions_that_run_are_the_pinned_ones():
    pinned = dict(
        line.split("==")
        for line in (ROOT / "requirements.txt").read_text().splitlines()
        if line[:1].isalpha()
        if ";" not in line
    )

    assert arq.VERSION == pinned["arq"] == "0.28.0"
    assert redis.__version__ == pinned["redis"]
    assert redis.__version__.startswith("7.")


@pytest.mark.parametrize("package", PACKAGES)
def test_every_module_says_what_it_is_for(package):
    silent = [str(p.relative_to(ROOT)) for p in modules(package) if not ast.get_docstring(ast.parse(p.read_text()))]

    assert silent == []


def test_a_key_of_redis_is_spelled_in_one_place():
    sources = [path for package in PACKAGES for path in modules(package)] + list((ROOT / "runlane").rglob("*.lua"))
    spelling = {str(path.relative_to(ROOT)) for path in sources if re.search(r"\b(runlane|arq:job):", path.read_text())}

    assert spelling == {"runlane/queue/keys.py"}


def test_scripts_are_given_the_names_of_all_keys():
    assert keys.names()["BODY"] == arq.constants.job_key_prefix
    assert all(name.startswith("runlane:") for constant, name in keys.names().items() if constant != "BODY")
    assert all(f"local {constant} = '{name}'\n" in script("renew") for constant, name in keys.names().items())


@pytest.mark.parametrize("path", sorted((ROOT / "runlane" / "queue" / "lua").glob("*.lua")), ids=lambda path: path.stem)
def test_every_script_names_its_keys_its_arguments_and_its_reply(path):
    header = path.read_text().split("\n\n")[0]
    parts = ("keys.py",) if path.stem == "common" else ("Keys: ", "Arguments: ", "Reply: ")

    assert all(line.startswith("--") for line in header.splitlines())
    assert all(part in header for part in parts)
