"""The way of a user's project to a server, as ``docs/deploy.md`` has it: a wheel, an image, workers.

A venv stands for the image of ``deploy/worker.Dockerfile``.
"""

import json
import os
import subprocess
import sys
import zipfile

import pytest

from tests.support.user_projects import build_wheel

SAY_WHAT_IT_BRINGS = """
import json, my_jobs
from runlane.define.job import defined
print(json.dumps({name: [job.is_async, job.kind.tags] for name, job in defined().items()}))
"""


@pytest.fixture(scope="module")
def project_wheel(tmp_path_factory):
    return build_wheel(tmp_path_factory.mktemp("user"))


def test_the_wheel_of_a_project_holds_its_module_and_no_file_of_runlane(project_wheel):
    names = {name.partition("/")[0] for name in zipfile.ZipFile(project_wheel).namelist()}

    assert names == {"my_jobs.py", "my_jobs-0.1.0.dist-info"}


def test_its_module_brings_its_jobs_from_where_it_is_installed(project_wheel, tmp_path):
    environ = os.environ | {"PYTHONPATH": str(project_wheel)}
    command = [sys.executable, "-c", SAY_WHAT_IT_BRINGS]
    done = subprocess.run(command, cwd=tmp_path, env=environ, capture_output=True, text=True)

    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {"crawl": [True, []], "fibonacci": [False, []], "screenshot": [True, ["browser"]]}
