"""Cron expressions and intervals: the times they name, through leap years and summer time, and what is refused."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from runlane.errors import InvalidInput
from runlane.schedules.recurrence import MAX_CRON, recurrence

BERLIN = ZoneInfo("Europe/Berlin")


def berlin(*at: int) -> datetime:
    return datetime(*at, tzinfo=BERLIN)


def local_times(cron: str, after: datetime, count: int = 3) -> list[str]:
    times = recurrence(cron, None, "Europe/Berlin").next_times(after, after, count)
    assert all(at.tzinfo is UTC for at in times)
    return [at.astimezone(BERLIN).strftime("%m-%d %H:%M %z") for at in times]


def test_a_cron_expression_means_the_clock_of_its_zone():
    assert local_times("30 9 * * 1-5", berlin(2026, 11, 20, 12)) == [
        "11-23 09:30 +0100",
        "11-24 09:30 +0100",
        "11-25 09:30 +0100",
    ]


def test_a_time_that_a_day_does_not_have_comes_at_the_end_of_the_gap():
    assert local_times("30 2 * * *", berlin(2026, 3, 28, 12), 2) == ["03-29 03:00 +0200", "03-30 02:30 +0200"]


def test_a_time_that_a_day_has_twice_comes_once():
    assert local_times("30 2 * * *", berlin(2026, 10, 24, 12), 2) == ["10-25 02:30 +0200", "10-26 02:30 +0100"]


def test_a_pattern_follows_the_clock_on_the_wall_through_the_doubled_hour():
    times = local_times("*/30 * * * *", berlin(2026, 10, 25, 1, 50), 4)

    assert times == ["10-25 02:00 +0200", "10-25 02:30 +0200", "10-25 02:00 +0100", "10-25 02:30 +0100"]


def test_a_leap_day_comes_every_four_years():
    times = recurrence("0 0 29 2 *", None, "UTC").next_times(datetime(2026, 1, 1, tzinfo=UTC), berlin(2026, 1, 1), 2)

    assert [at.year for at in times] == [2028, 2032]


def test_an_interval_does_not_drift_however_late_it_is_asked():
    anchor = datetime(2026, 1, 1, tzinfo=UTC)
    every = recurrence(None, 7.5, "UTC")

    assert every.next_after(anchor, anchor) == anchor + timedelta(seconds=7.5)
    late = anchor + timedelta(seconds=7.5 * 1000 + 3)
    assert every.next_after(late, anchor) == anchor + timedelta(seconds=7.5 * 1001)


@pytest.mark.parametrize("interval_s", [1.0, 0.1 + 0.2 + 0.7, 1 / 3 + 1, 86_400.0])
def test_the_next_time_is_never_the_one_it_is_asked_from(interval_s):
    every = recurrence(None, interval_s, "UTC")
    anchor = at = datetime(2026, 1, 1, tzinfo=UTC)

    for _ in range(1000):
        following = every.next_after(at, anchor)
        assert at < following <= at + timedelta(seconds=interval_s + 1e-5)
        at = following


@pytest.mark.parametrize(
    ("cron", "why"),
    [
        ("* * * *", "has 4 fields"),
        ("* * * * * *", "has 6 fields"),
        ("@daily", "has 1 field,"),
        ("", "has 0 fields"),
        ("61 * * * *", "has '61' as its minute, which must be 0 to 59; or *"),
        ("🙂 * * * *", "has '🙂' as its minute"),
        ("*/0 * * * *", "as its minute"),
        ("0 0 31 2 *", "names a day that none of its months has"),
        ("0 0 * * 8", "has '8' as its day of the week, which must be 0 to 7"),
        ("0" * MAX_CRON + " * * * *", "more than 100 allowed"),
    ],
)
def test_a_cron_expression_that_makes_no_sense_is_refused_with_the_reason(cron, why):
    with pytest.raises(InvalidInput, match=why) as refusal:
        recurrence(cron, None, "UTC")

    assert refusal.value.errors[0].field == "cron"


@pytest.mark.parametrize("interval_s", [0.0, -1.0, 0.999, 1e12])
def test_an_interval_that_makes_no_sense_is_refused(interval_s):
    with pytest.raises(InvalidInput, match="must be from 1 to"):
        recurrence(None, interval_s, "UTC")


@pytest.mark.parametrize(("cron", "interval_s"), [(None, None), ("* * * * *", 60.0)])
def test_both_or_neither_of_cron_and_interval_are_refused(cron, interval_s):
    with pytest.raises(InvalidInput, match="either cron or interval_s"):
        recurrence(cron, interval_s, "UTC")


@pytest.mark.parametrize("zone", ["Europe/Berln", "", "../etc/passwd", "Mars/Olympus", "x" * 100])
def test_a_zone_that_does_not_exist_is_refused(zone):
    with pytest.raises(InvalidInput, match="there is no time zone"):
        recurrence("* * * * *", None, zone)


def test_the_refusal_of_a_zone_names_the_closest():
    with pytest.raises(InvalidInput, match="Did you mean 'Europe/Berlin'"):
        recurrence("* * * * *", None, "Europe/Berln")
