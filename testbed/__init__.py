"""What tests, benches and screenshots try the product on: servers, processes, browsers and ports of their own.

Knows nothing of tests: whatever starts something real and ends it again is here, what a test says about it is not.
Nothing here is part of the product, and the product imports none of it.
"""

from pathlib import Path

ROOT = Path(__file__).parents[1]
"""The checkout."""
RUN_VARIABLE = "RUNLANE_TEST_RUN"
"""Every process of a run has this in its environment, with the run's folder; see ``testbed.reaper``."""
