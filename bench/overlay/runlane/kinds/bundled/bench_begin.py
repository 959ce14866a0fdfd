"""Returns when its first line ran. For benches; never part of the product."""

from runlane.define.kind import Kind, Params


class BenchBeginParams(Params):
    pass


KIND = Kind(name="bench_begin", title="Bench: begin", description="Returns when it began.", params=BenchBeginParams)
