"""Returns at once: the shortest job there is."""

from runlane.define.kind import Kind, Params


class NoopParams(Params):
    pass


KIND = Kind(name="noop", title="No-op", description="Returns at once.", params=NoopParams, group="demo")
