"""The state of the system, minute by minute."""

from datetime import timedelta

import pytest

from runlane.clock import utc_now
from runlane.metrics.samples import MINUTES_KEPT
from tests.support.jobs import submitted

pytestmark = pytest.mark.databases


@pytest.fixture
def take(service, counts, samples):
    async def take_at(at):
        return await samples.take(at, await counts.all(), 2, at - timedelta(seconds=5))

    return take_at


async def test_a_minute_is_sampled_once_whoever_does_it(service, take, samples):
    await submitted(service)
    now = utc_now()

    assert [await take(now), await take(now)] == [True, False]
    [sample] = await samples.since(now - timedelta(hours=1))
    assert (sample.queued, sample.completed, sample.workers, sample.oldest_queued_s) == (1, 0, 2, 5.0)
    assert sample.bytes > 0


async def test_of_old_samples_one_an_hour_is_kept(service, take, samples):
    now = utc_now()
    past = (now - MINUTES_KEPT - timedelta(hours=2)).replace(minute=0)
    for minute in (0, 1, 30):
        await take(past + timedelta(minutes=minute))

    await take(now)

    kept = await samples.since(past - timedelta(hours=1))
    assert [sample.at.minute for sample in kept][:-1] == [0]


async def test_growth_is_known_once_there_is_an_hour_to_compute_it_from(service, take, samples):
    now = utc_now()
    assert (await samples.growth(now)).bytes_per_day is None
    await take(now - timedelta(hours=12))
    for _ in range(200):
        await submitted(service)

    growth = await samples.growth(now)

    assert growth.bytes_per_day > 0
    if growth.free_bytes is None:  # the disk is another machine's
        assert growth.days_left is None
    else:
        assert growth.days_left == pytest.approx(growth.free_bytes / growth.bytes_per_day)
