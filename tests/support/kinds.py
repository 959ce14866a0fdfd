"""The kinds that workers of tests bring: the bundled ones, and those that tests steer."""

from runlane.engine.loading import load
from runlane.kinds.catalogue import Catalogue

STEERED = "tests.support.steered_jobs"
# For RUNLANE_JOBS of a worker.
WITH_STEERED = f"worker.tasks,{STEERED}"


def bundled() -> Catalogue:
    """The kinds of ``worker/tasks``."""
    return Catalogue([job.kind for job in load(["worker.tasks"]).jobs.values()])


def with_steered() -> Catalogue:
    """Those, and the kinds of ``steered_jobs``."""
    return Catalogue([job.kind for job in load(["worker.tasks", STEERED]).jobs.values()])
