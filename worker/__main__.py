"""``python -m worker``: runs the jobs in ``worker/tasks``, as ``runlane worker worker.tasks`` does."""

from runlane.engine import process

if __name__ == "__main__":
    process.main(["worker.tasks"])
