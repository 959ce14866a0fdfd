"""The queue without SQL: a worker that claims no-ops, runs them and gives them up, and records nothing anywhere.

What it does a second is the ceiling of our Redis half; what the product does beside it is the price of durability.

    python -m bench.redis_half  # a worker, as the benches start it
"""

import asyncio
import json
import os
import time
from pathlib import Path

import uvloop

from runlane.queue.claims import Claim, Claims
from runlane.queue.client import JobQueue


async def _noop() -> None:
    pass


async def main() -> None:
    url, slots, count = os.environ["REDIS_URL"], int(os.environ["BENCH_SLOTS"]), int(os.environ["BENCH_COUNT"])
    queue = JobQueue(url)
    claims = Claims(queue.redis, url, "half", ["noop"], 10.0)
    ended: list[Claim] = []
    done = 0
    began_at = 0.0
    while done < count:
        claimed = await claims.claim(ended, slots)
        began_at = began_at or time.time()
        await asyncio.gather(*(asyncio.create_task(_noop()) for _ in claimed.claims))
        ended = claimed.claims
        done += len(ended)
    await claims.release(ended)
    Path(os.environ["BENCH_RATE"]).write_text(json.dumps(count / (time.time() - began_at)))
    await claims.close()
    await queue.close()


if __name__ == "__main__":
    uvloop.run(main())
