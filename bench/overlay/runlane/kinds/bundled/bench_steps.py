"""Reports as many steps as it is given, without a pause. For benches; never part of the product."""

from runlane.define.kind import Kind, Params


class BenchStepsParams(Params):
    steps: int = 5


KIND = Kind(name="bench_steps", title="Bench: steps", description="Reports steps.", params=BenchStepsParams)
