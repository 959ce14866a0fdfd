"""When something recurs: a cron expression in a time zone, or an interval. Pure arithmetic on aware times.

Cron expressions are parsed by ``cronsim``, which follows Debian's cron when daylight saving time begins or ends: a
fixed time that a day does not have comes at the end of the gap, one that a day has twice comes once, and patterns such
as ``*/30`` follow local time. An interval counts from its anchor, so that being late once makes no later occurrence
late.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import islice
from zoneinfo import ZoneInfo, available_timezones

from cronsim import CronSim, CronSimError

from runlane.errors import InvalidInput
from runlane.text import counted, suggestion

MAX_CRON = 100
MIN_INTERVAL_S = 1.0
MAX_INTERVAL_S = 366 * 86_400.0
CRON_FIELDS = 5
# In their order, with the values that each may have.
_FIELDS = {
    "minute": "0 to 59",
    "hour": "0 to 23",
    "day of the month": "1 to 31, or L for the last",
    "month": "1 to 12, or JAN to DEC",
    "day of the week": "0 to 7, or SUN to SAT",
}
_ANY_DAY = datetime(2024, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Recurrence:
    """Either ``cron``, in ``timezone`` (an IANA name), or ``interval_s``. Made by ``recurrence``, which validates."""

    cron: str | None
    interval_s: float | None
    timezone: str

    def times_after(self, moment: datetime, anchor: datetime) -> Iterator[datetime]:
        """Every occurrence after ``moment``, in UTC; the intervals are counted from ``anchor``."""
        if self.cron is not None:
            local = moment.astimezone(ZoneInfo(self.timezone))
            for at in CronSim(self.cron, local):
                yield at.astimezone(UTC)
        elif self.interval_s is not None:
            number = math.floor((moment - anchor).total_seconds() / self.interval_s)
            while True:
                number += 1
                at = anchor + timedelta(seconds=number * self.interval_s)
                if at > moment:
                    yield at.astimezone(UTC)

    def next_after(self, moment: datetime, anchor: datetime) -> datetime:
        return next(self.times_after(moment, anchor))

    def next_times(self, moment: datetime, anchor: datetime, count: int = 5) -> list[datetime]:
        return list(islice(self.times_after(moment, anchor), count))


def recurrence(cron: str | None, interval_s: float | None, timezone: str) -> Recurrence:
    """The recurrence, validated.

    Raises:
        InvalidInput: both or neither are given, or one is not valid; the message says which and why.
    """
    if (cron is None) == (interval_s is None):
        raise InvalidInput.of("cron", "give either cron or interval_s")
    if timezone not in available_timezones():
        hint = suggestion(timezone, available_timezones())
        raise InvalidInput.of("timezone", f"there is no time zone {timezone!r}.{hint} An example is Europe/Berlin.")
    if cron is not None:
        _check_cron(cron)
    elif interval_s is not None and not MIN_INTERVAL_S <= interval_s <= MAX_INTERVAL_S:
        raise InvalidInput.of("interval_s", f"must be from {MIN_INTERVAL_S:.0f} to {MAX_INTERVAL_S:.0f} seconds")
    return Recurrence(cron, interval_s, timezone)


def _check_cron(cron: str) -> None:
    if len(cron) > MAX_CRON:
        raise InvalidInput.of("cron", f"has {len(cron)} characters, more than {MAX_CRON} allowed")
    fields = cron.split()
    if len(fields) != CRON_FIELDS:
        raise InvalidInput.of(
            "cron",
            f"has {counted(len(fields), 'field')}, but must have {CRON_FIELDS}: minute, hour, day of the month, month, "
            "day of the week; an example is 30 2 * * 1-5",
        )
    try:
        next(CronSim(cron, _ANY_DAY))
    except CronSimError as exc:
        raise InvalidInput.of("cron", _what_is_wrong(fields)) from exc
    except StopIteration as exc:
        raise InvalidInput.of("cron", "names a time that never comes") from exc


def _what_is_wrong(fields: list[str]) -> str:
    """Which of the fields is not valid by itself; if each is, no day matches all of them."""
    for index, (text, (name, allowed)) in enumerate(zip(fields, _FIELDS.items(), strict=True)):
        alone = ["*"] * CRON_FIELDS
        alone[index] = text
        try:
            CronSim(" ".join(alone), _ANY_DAY)
        except CronSimError:
            return f"has {text!r} as its {name}, which must be {allowed}; or *, or */n, or a list or a range of those"
    return "names a day that none of its months has"
