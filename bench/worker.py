"""``python -m bench.worker``: a worker with the bundled jobs and those of ``bench.jobs``."""

from bench.jobs import MODULES
from runlane.engine import process

if __name__ == "__main__":
    process.main(MODULES)
