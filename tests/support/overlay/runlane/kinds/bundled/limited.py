"""As ``record``, with a limit of its own."""

from runlane.define.kind import Kind

from .record import RecordParams

KIND = Kind(name="limited", title="Record", description="", params=RecordParams, max_running=2)
