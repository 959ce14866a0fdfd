"""The shortest job there is."""

from runlane import job


@job(title="No-op", group="demo")
async def noop() -> None:
    """Returns at once."""
