"""``python -m bench.worker``: a worker with the bundled jobs and those of ``bench.jobs``."""

from bench.stack import JOBS
from runlane.engine import process

if __name__ == "__main__":
    process.main(JOBS)
