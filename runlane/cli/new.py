"""``runlane new``: a project of one's own, with a job, its test, and all it takes to deploy it.

The files are in ``project``, where they are those of a project named ``my-jobs``; they end in ``.txt`` so that no tool
takes them for our own. Whatever they say of ``my_jobs`` and ``my-jobs``, they say of the new name.
"""

import keyword
import re
import sys
from importlib import resources
from pathlib import Path
from typing import Annotated

import typer

from runlane.cli.exits import REFUSED, end
from runlane.version import __version__

_NAME = re.compile(r"[a-z][a-z0-9_-]*")
# where the name of a file in the package is not that of the file in the project
_RENAMED = {"gitignore": ".gitignore"}


def new(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Of the folder, such as my-jobs.", show_default=False)],
) -> None:
    """Make a folder with a project of your own: one job, its test, and a Dockerfile."""
    module = name.replace("-", "_")
    if why := _fault(name, module):
        end(f"{name!r} {why}. Names have small letters, digits, - and _, such as my-jobs.", REFUSED)
    folder = Path(name)
    try:
        folder.mkdir()
    except FileExistsError:
        end(f"There is already {folder} in this folder; choose another name, or remove it.", REFUSED)
    except OSError as exc:
        end(f"The folder {folder} cannot be made: {exc.strerror}. Fix that, or go to another folder.", REFUSED)
    for file, text in files(name).items():
        (folder / file).write_text(text, encoding="utf-8")
    print(f"Made {folder} with one job, in {module}.py, and its test. Next:\n")
    print(f"    cd {folder}\n    runlane run {module}")


def files(name: str) -> dict[str, str]:
    """The text of each file of a project of this name."""
    module, project = name.replace("-", "_"), name.replace("_", "-")
    found = {}
    for template in (resources.files("runlane.cli") / "project").iterdir():
        file = template.name.removesuffix(".txt")
        text = template.read_text(encoding="utf-8")
        text = text.replace("my_jobs", module).replace("my-jobs", project).replace("RUNLANE_NEWEST", __version__)
        found[_RENAMED.get(file, file).replace("my_jobs", module)] = text
    return found


def _fault(name: str, module: str) -> str:
    """Why no project can have this name; nothing if one can."""
    if not _NAME.fullmatch(name) or name.endswith(("-", "_")):
        return "is no name of a module"
    if keyword.iskeyword(module) or module in sys.stdlib_module_names:
        return "is a word of Python's own"
    if module in ("runlane", "jobs_app"):
        return "is a package of Runlane"
    return ""
