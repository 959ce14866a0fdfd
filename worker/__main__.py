"""``python -m worker``: runs the bundled jobs. A project of your own needs no more than this, and one file a job."""

from runlane.engine import process

if __name__ == "__main__":
    process.main("worker.tasks")
