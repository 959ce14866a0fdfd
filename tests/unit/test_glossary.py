"""The words of ``docs/glossary.md`` are the ones used: each is in the code, and what it replaces is nowhere."""

import ast
import functools
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from testbed import ROOT

PACKAGES = ("runlane", "jobs_app", "worker")
# what tells of the past has its words
DOCUMENTS = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
DOCUMENTS = [path for path in DOCUMENTS if path.name not in ("glossary.md", "performance.md")]
# names of the API and of tables, on which others rely
KEPT = {"last_seen_at", "seen_at"}


@dataclass(frozen=True)
class Entry:
    """A row of the table. ``never``: in no name and no document; ``never_a_name``: in no name."""

    word: str
    never: tuple[str, ...]
    never_a_name: tuple[str, ...]


def entries() -> list[Entry]:
    rows = re.findall(r"^\| ([\w -]+) \| .+ \|(.*)\|$", (ROOT / "docs" / "glossary.md").read_text(), re.MULTILINE)
    return [
        Entry(word, tuple(re.findall(r"`([^`]+)`", never)), tuple(re.findall(r"\*([^*]+)\*", never)))
        for word, never in rows
        if word != "word"
    ]


@functools.cache
def sources() -> dict[str, str]:
    """The text of every file of the product."""
    paths = [path for package in PACKAGES for path in sorted((ROOT / package).rglob("*.py"))]
    return {str(path.relative_to(ROOT)): path.read_text() for path in paths}


def words(name: str) -> str:
    """A name as words: ``SelfTest`` and ``self_test`` are "self test"."""
    return " ".join(re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+", name)).lower()


@functools.cache
def names() -> dict[str, set[str]]:
    """Every name that is given in the code, and the files that give it; a file's own name is one."""
    found: dict[str, set[str]] = {}
    for path, text in sources().items():
        for name in {Path(path).stem, *_given(ast.parse(text))} - KEPT:
            found.setdefault(name, set()).add(path)
    return found


def _given(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        match node:
            case ast.ClassDef(name=name) | ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
                yield name
            case ast.arg(arg=name) | ast.Name(id=name, ctx=ast.Store()) | ast.Attribute(attr=name, ctx=ast.Store()):
                yield name


def bans() -> list[str]:
    return sorted({word for entry in entries() for word in (*entry.never, *entry.never_a_name)})


def test_the_table_is_in_order_and_names_each_thing_once():
    listed = [entry.word for entry in entries()]

    assert len(listed) > 30
    assert listed == sorted(set(listed), key=lambda word: word.replace("_", " "))


@pytest.mark.parametrize("word", [entry.word for entry in entries()])
def test_a_word_of_the_glossary_is_one_that_the_code_uses(word):
    pattern = re.compile(rf"\b_?{re.sub(r'[ _-]', '[ _-]?', word)}", re.IGNORECASE)

    assert any(map(pattern.search, sources().values()))


@pytest.mark.parametrize("banned", bans())
def test_a_word_that_the_glossary_replaces_is_in_no_name(banned):
    if banned.endswith("_"):
        wrong = {name: paths for name, paths in names().items() if name.lstrip("_").startswith(banned)}
    else:
        pattern = re.compile(rf"\b{banned}(s|es)?\b")
        wrong = {name: paths for name, paths in names().items() if pattern.search(words(name))}

    assert wrong == {}


@pytest.mark.parametrize("banned", [word for entry in entries() for word in entry.never])
def test_a_word_that_the_glossary_replaces_is_in_no_document(banned):
    pattern = re.compile(rf"\b{banned}(s|es|d|ed|ing)?\b", re.IGNORECASE)
    texts = {str(path.relative_to(ROOT)): re.sub(r"`[^`]*`", "", path.read_text()) for path in DOCUMENTS}

    assert {path: found for path, text in texts.items() if (found := pattern.findall(text))} == {}
