"""Imports the modules that hold a worker's jobs."""

import importlib
import logging
import pkgutil
import sys
import traceback
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

from runlane.define.job import Job, defined
from runlane.define.refusal import DefinitionError
from runlane.errors import StartRefused

log = logging.getLogger(__name__)

AnyJob = Job[..., ..., Any, Any]


@dataclass
class Loaded:
    """The jobs by name, and the reason for each module that is off here."""

    jobs: dict[str, AnyJob] = field(default_factory=dict)
    off: dict[str, str] = field(default_factory=dict)


def load(modules: Sequence[str]) -> Loaded:
    """The jobs of these modules, and of the modules in them where they are packages.

    A module that cannot be imported is off, and keeps no other from running. They are looked for in the current folder
    too.

    Raises:
        StartRefused: none of them has a job.
    """
    if "" not in sys.path and str(Path.cwd()) not in sys.path:
        sys.path.insert(0, str(Path.cwd()))
    loaded = Loaded()
    for name in modules:
        for module in _imported(name, loaded.off):
            loaded.jobs.update({each.name: each for each in vars(module).values() if isinstance(each, Job)})
    known = {id(each) for each in defined().values()}
    loaded.jobs = {name: each for name, each in loaded.jobs.items() if id(each) in known}
    if not loaded.jobs:
        names = ", ".join(modules)
        reasons = " ".join(loaded.off.values()) or "Put @job before a function in one of them."
        raise StartRefused(f"There is no job in {names} (RUNLANE_JOBS). {reasons}")
    return loaded


def _imported(name: str, off: dict[str, str]) -> Iterator[ModuleType]:
    """This module, and all below it."""
    try:
        module = importlib.import_module(name)
    except (Exception, SystemExit) as exc:  # whatever an import may raise
        off[name] = f"The module {name} cannot be imported: {_last_line(exc)}"
        log.error("The jobs of the module %r are off in this worker. %s", name, off[name], exc_info=_of_the_user(exc))
        return
    if why := _is_another(name, module):
        off[name] = why
        log.error("%s", why)
        return
    yield module
    for found in pkgutil.iter_modules(getattr(module, "__path__", ()), f"{name}."):
        if not found.name.rpartition(".")[2].startswith("_"):
            yield from _imported(found.name, off)


def _is_another(name: str, module: ModuleType) -> str:
    """A sentence, if a file in the current folder is meant by this name and another one was imported: ``email.py``."""
    here = Path.cwd().resolve()
    file = getattr(module, "__file__", None)
    if not (here / f"{name}.py").is_file() or (file and Path(file).resolve().is_relative_to(here)):
        return ""
    return f"Python has another module {name}, in {file or 'itself'}; rename your file {name}.py."


def _of_the_user(exc: BaseException) -> BaseException | None:
    """``exc`` with its traceback from the user's first line on; nothing where its sentence says it all."""
    if isinstance(exc, DefinitionError):
        return None
    frame = exc.__traceback__
    while frame is not None and (
        frame.tb_frame.f_code.co_filename == __file__ or "importlib" in frame.tb_frame.f_code.co_filename
    ):
        frame = frame.tb_next
    return exc.with_traceback(frame)


def _last_line(exc: BaseException) -> str:
    """What was raised and where: ``my_jobs.py, line 3: NameError: name 'x' is not defined``."""
    if isinstance(exc, DefinitionError):
        return str(exc)
    lines = traceback.format_exception_only(exc)
    where = ""
    if not isinstance(exc, SyntaxError):
        frames = [each for each in traceback.extract_tb(exc.__traceback__) if "importlib" not in each.filename]
        frames = [each for each in frames if each.filename != __file__]
        where = f"{Path(frames[-1].filename).name}, line {frames[-1].lineno}: " if frames else ""
    elif exc.filename:
        where = f"{Path(exc.filename).name}, line {exc.lineno}: "
    return where + lines[-1].strip()
