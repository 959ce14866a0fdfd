"""Writes down when its code runs, and does what a test asks of it."""

from runlane.define.kind import Kind, Params


class RecordParams(Params):
    """``until`` is a file: the job runs until it is there, and a ``stubborn`` one swallows every cancel until then."""

    path: str = ""
    until: str = ""
    seconds: float = 0.0
    stubborn: bool = False
    block_s: float = 0.0
    fails: bool = False
    talks: bool = False
    ends_housekeeping: bool = False
    wants_retry: bool = False
    in_thread: bool = False


KIND = Kind(name="record", title="Record", description="", params=RecordParams, max_attempts=5)
