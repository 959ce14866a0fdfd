"""A project of a user's own, made into a wheel and installed beside Runlane as ``deploy/worker.Dockerfile`` does it."""

import re
import shlex
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

from testbed import ROOT

PROJECT = ROOT / "tests" / "support" / "user_project"


def build_wheel(folder: Path) -> Path:
    """A wheel of the project, built in a copy, as docs/deploy.md says; this environment has what builds it."""
    copy = shutil.copytree(PROJECT, folder / "project", ignore=shutil.ignore_patterns("__pycache__"))
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation"]
    subprocess.run([*command, "--wheel-dir", "dist", "."], cwd=copy, check=True)
    [wheel] = (copy / "dist").glob("*.whl")
    return wheel


def install(dist: Path, folder: Path) -> Path:
    """The programs of a venv in which the recipe's own words installed what is in ``dist``.

    What the wheels need comes from this environment, by its path, so that nothing is downloaded; Runlane and the
    project are those of the wheels alone.
    """
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder)], check=True)
    recipe = (ROOT / "deploy" / "worker.Dockerfile").read_text()
    [version] = re.findall(r"^ARG RUNLANE_VERSION=(.*)$", recipe, re.MULTILINE)
    [asked] = re.findall(r"^RUN pip install (.*)$", recipe, re.MULTILINE)
    words = shlex.split(asked.replace("${RUNLANE_VERSION}", version).replace("/dist", str(dist)))
    expanded = [str(path) for word in words for path in (dist.glob(Path(word).name) if "*" in word else [word])]
    command = [sys.executable, "-m", "pip", "--python", str(folder / "bin" / "python"), "install", "--quiet"]
    subprocess.run([*command, "--no-index", "--no-deps", *expanded], check=True)
    [site] = folder.glob("lib/python*/site-packages")  # afterwards, or pip would take Runlane for installed
    (site / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return folder / "bin"
