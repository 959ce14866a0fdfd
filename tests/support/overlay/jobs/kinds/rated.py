"""As ``record``, with a limit of its own."""

from jobs.kinds import Kind
from jobs.limits import Rate

from .record import RecordParams

KIND = Kind(name="rated", title="Record", description="", params=RecordParams, rate=Rate(3, 3.0))
