"""What tests, benches and screenshots try the product on: servers, processes, browsers and ports of their own.

Knows nothing of tests: whatever starts something real and ends it again is here, what a test asserts about it is not.
Nothing here is part of the product, and the product imports none of it.
"""

from pathlib import Path

# The checkout.
ROOT = Path(__file__).parents[1]
# Every process of a run has this in its environment, with the run's folder; see ``testbed.reaper``.
RUN_VARIABLE = "RUNLANE_TEST_RUN"
