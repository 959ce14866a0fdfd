"""Workers whose clocks are a minute off: Redis's clock decides what is due and whose lease is over."""

import pytest

from tests.support.farm import LEASE_S

pytestmark = pytest.mark.databases

SHIFT = """
import time

real_time = time.time
time.time = lambda: real_time() + {by_s}
"""


@pytest.fixture
def start_shifted(farm, tmp_path):
    """Starts a worker whose clock is ahead by so many seconds."""

    async def start(by_s):
        folder = tmp_path / f"shifted-{by_s}"
        folder.mkdir()
        (folder / "sitecustomize.py").write_text(SHIFT.format(by_s=by_s))
        return await farm.start(PYTHONPATH=str(folder))

    return start


@pytest.mark.parametrize("by_s", [60, -60])
async def test_a_job_for_later_starts_at_its_time_whatever_the_workers_clock_shows(farm, start_shifted, by_s):
    await start_shifted(by_s)
    now_job = await farm.submit()
    later = await farm.submit(options={"delay_s": 1.5})

    soon, due = await farm.is_(now_job, "completed"), await farm.is_(later, "completed")

    assert 0 <= (due.started_at - due.scheduled_for).total_seconds() < abs(by_s)
    assert 0 <= (soon.finished_at - soon.created_at).total_seconds() < abs(by_s)
    times = [event.at for event in await farm.services.store.events(due.id)]
    assert times == sorted(times)


async def test_leases_are_kept_between_workers_two_minutes_apart(farm, start_shifted):
    await start_shifted(60)
    await start_shifted(-60)
    jobs = await farm.submit_many(5, seconds=2.5 * LEASE_S)

    await farm.all_are(jobs, "completed")

    assert len(farm.record.lines()) == 10, "each began and ended once"
