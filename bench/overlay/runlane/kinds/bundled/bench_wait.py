"""Waits and reports nothing; writes down when it was cancelled. For benches; never part of the product."""

from runlane.define.kind import Kind, Params


class BenchWaitParams(Params):
    seconds: float = 60.0
    cancelled_path: str = ""


KIND = Kind(name="bench_wait", title="Bench: wait", description="Waits.", params=BenchWaitParams)
