"""Trying out jobs in tests, without a server: ``run_job``. For tests with a server there is a fixture of pytest,
``runlane_server``, in ``runlane.pytest_plugin``.
"""

from runlane.testing.outcome import Artifact, LogLine, Outcome
from runlane.testing.run import run_job, run_job_sync

__all__ = ["Artifact", "LogLine", "Outcome", "run_job", "run_job_sync"]
