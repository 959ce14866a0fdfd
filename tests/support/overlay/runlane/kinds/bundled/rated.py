"""As ``record``, with a limit of its own."""

from runlane.define.kind import Kind
from runlane.model.limits import Rate

from .record import RecordParams

KIND = Kind(name="rated", title="Record", description="", params=RecordParams, rate=Rate(3, 3.0))
