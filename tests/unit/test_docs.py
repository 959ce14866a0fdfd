"""What the documents say exists, exists."""

import re

import pytest

from tests.support import ROOT


@pytest.mark.parametrize("name", ["reliability.md", "admin.md"])
def test_every_test_that_a_document_names_exists(name):
    named = set(re.findall(r"`(test_\w+)`", (ROOT / "docs" / name).read_text()))
    defined: set[str] = set()
    for path in (ROOT / "tests").rglob("test_*.py"):
        defined |= set(re.findall(r"def (test_\w+)\(", path.read_text()))

    assert named
    assert named <= defined, f"named, but not there: {sorted(named - defined)}"
