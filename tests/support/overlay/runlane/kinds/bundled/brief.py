"""As ``record``, with a limit of its own."""

from runlane.define.kind import Kind

from .record import RecordParams

KIND = Kind(name="brief", title="Record", description="", params=RecordParams, max_attempts=2, timeout_s=1.0)
