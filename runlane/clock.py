"""The time, the same for all processes: this machine's clock, corrected when Redis's clock proves it wrong.

Redis's clock decides when jobs are due and leases end; a web server or worker whose own clock is a minute off must not
start jobs a minute late. Redis reads its clock somewhere between a call and its answer; while our clock
agrees with that, it is left alone, so that slow answers do not disturb it.
"""

import time
from datetime import UTC, datetime

# How far Redis's clock is ahead of this machine's, as far as is proven.
_ahead_s = 0.0


def utc_now() -> datetime:
    return datetime.fromtimestamp(time.time() + _ahead_s, UTC)


def learn(sent_s: float, received_s: float, redis_s: float) -> None:
    """Learn that Redis's clock was at ``redis_s`` between two values of ``time.time()``; all in seconds."""
    global _ahead_s
    _ahead_s = min(max(_ahead_s, redis_s - received_s), redis_s - sent_s)


def ahead_s() -> float:
    """How far this machine's clock is ahead of Redis's, in seconds, as far as is proven; negative: behind."""
    return -_ahead_s


def epoch_ms(at: datetime) -> int:
    """Milliseconds since 1970, rounded up, so that nothing is due before its time."""
    return -int(-at.timestamp() * 1000 // 1)
