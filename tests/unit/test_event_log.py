"""The last things that happened, in words."""

import asyncio

import pytest

from jobs_app.live import event_log as module
from jobs_app.live.event_log import MAX_LINES, EventLog, describe
from jobs_app.live.hub import Hub
from runlane.audit import AuditLog, acting_as
from runlane.background import end_tasks
from runlane.model.requests import QueueChange
from testbed.waiting import until
from tests.support.jobs import submitted, worker


@pytest.fixture
async def log(world, monkeypatch):
    """An event log at work, which looks around without waiting long."""
    monkeypatch.setattr(module, "POLL_EVERY_S", 0.01)
    hub = Hub(world.events, world.store)
    found = EventLog(hub, world.registry, AuditLog(world.database))
    tasks = [asyncio.create_task(loop()) for loop in (*found.loops().values(), hub.run)]
    await until(lambda: _value(hub.listeners), lambda count: count == 1)
    yield found
    await end_tasks(*tasks)


async def _value(value):
    return value


async def texts(log, **wanted):
    return [line["text"] for line in log.lines(**wanted)]


async def test_jobs_that_change_status_are_told_with_who_did_it(log, service):
    job = await submitted(service)
    with acting_as("ada"):
        await service.cancel(job.id)
        await service.delete(job.id)

    await until(lambda: texts(log, what="job"), lambda lines: len(lines) == 3)
    deleted, cancelled, queued = log.lines(what="job")
    assert queued["text"] == f"No-op {job.short_id}: Waiting for a free slot."
    assert (cancelled["text"], cancelled["who"]) == (
        f"No-op {job.short_id}: Cancelled before it started.",
        "ada",
    )
    assert deleted["text"] == f"Job {job.short_id} was deleted."
    assert queued["number"] < cancelled["number"] < deleted["number"]


async def test_settings_and_workers_are_listed(log, service, world, limits_service):
    await until(lambda: _value(log._states), lambda states: states is not None)  # what was there before is no event
    with acting_as("ada"):
        await limits_service.change_queue(QueueChange(concurrency=7))
    await world.registry.beat(worker())

    await until(lambda: texts(log), lambda lines: "Worker host-1 has come." in lines)
    [line] = await until(lambda: _value(log.lines(what="setting")), bool)
    assert (line["text"], line["who"]) == ("change queue: concurrency none → 7", "ada")
    await world.registry.leave("host-1")
    await until(lambda: texts(log), lambda lines: "Worker host-1 has stopped." in lines)


async def test_lines_are_found_by_words_and_numbers(log):
    log.add("system", "One")
    log.add("job", "Two", who="Ada")

    assert await texts(log, text="ADA") == ["Two"]
    assert await texts(log, after=log.lines(text="One")[0]["number"]) == ["Two"]
    assert await texts(log, what="worker") == []


def test_only_the_last_are_kept(world):
    log = EventLog(Hub(world.events, world.store), world.registry, AuditLog(world.database))
    for number in range(MAX_LINES + 10):
        log.add("system", str(number))

    assert len(log.lines()) == MAX_LINES
    assert log.lines()[0]["text"] == str(MAX_LINES + 9)


async def test_long_values_are_cut_in_words(service, audit):
    from runlane.model.requests import JobPatch

    job = await submitted(service, kind="web_agent")
    await service.edit(job.id, JobPatch(params={"goal": "x" * 500}))

    [action] = await audit.page()
    assert len(describe(action)) < 400
