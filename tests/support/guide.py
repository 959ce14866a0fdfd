"""The pages of the guide, and the code on them."""

import re
from dataclasses import dataclass
from pathlib import Path

from testbed import ROOT

GUIDE = ROOT / "docs" / "guide"
PAGES = sorted(path for path in GUIDE.glob("*.md") if path.name != "README.md")
# the pages with code that readers copy: those of the guide, and the README of the repository
WITH_CODE = [*PAGES, ROOT / "README.md"]
_BLOCK = re.compile(r"^```(\w+)([^\n]*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Block:
    """A block of code, the file that it is for, and what it needs."""

    language: str
    file: str
    needs: tuple[str, ...]
    code: str

    @property
    def is_test(self) -> bool:
        return self.file.startswith("test_")


def blocks(page: Path) -> list[Block]:
    found = []
    for language, about, code in _BLOCK.findall(page.read_text()):
        file, *needs = about.split() or [""]
        found.append(Block(language, file, tuple(needs), code))
    return found
