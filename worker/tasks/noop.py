"""Does nothing."""

from runlane.engine.progress import Progress
from runlane.kinds.bundled.noop import NoopParams


async def run(params: NoopParams, job: Progress) -> None:
    return None
