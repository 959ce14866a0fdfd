"""Writes many log lines as fast as it can, and attaches them as a file."""

from pydantic import Field

from runlane.define.kind import Kind, Params


class NoisyParams(Params):
    lines: int = Field(1000, ge=0, le=100_000, description="How many log lines it writes.")


KIND = Kind(name="noisy", title="Noisy", description="Writes many log lines.", params=NoisyParams, group="demo")
