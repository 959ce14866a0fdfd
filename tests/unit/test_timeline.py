"""A job's timeline: bars, lanes, the proof of a cancel, tracebacks; narrowing and replaying it in a tab."""

import asyncio
from datetime import timedelta

import pytest

from jobs_app.compare import comparison
from jobs_app.job.timeline import rows as timeline_rows
from jobs_app.job.timeline.state import FIRST_LINES, MAX_LINES, MORE_LINES, Timeline, shown_lines
from runlane.clock import utc_now
from runlane.core.attempts import HandlerMessage, cancel_delivered, cancelled, completed, failed
from runlane.model.snapshot import JobError, JobEvent
from runlane.model.status import EventType
from runlane.model.tracebacks import frames, top_frame
from testbed.attempts import end_attempt, report_attempt, start_attempt
from tests.support.jobs import BOOM, NOON, running

pytestmark = pytest.mark.databases

TRACEBACK = """Traceback (most recent call last):
  File "/app/worker/tasks/scrape.py", line 12, in run
    await fetch(url)
  File "/venv/lib/python3.11/site-packages/httpx/_client.py", line 900, in get
    raise TimeoutError
TimeoutError: 10 s are over
"""


def step(text, progress=None):
    return HandlerMessage(EventType.PROGRESS, message=text, progress=progress, data={"step": True})


def log(text, level="info"):
    return HandlerMessage(EventType.LOG, log_message=text, data={"level": level})


async def job_with_reports(service, *notes, **more):
    """A running job whose handler reported these one after the other."""
    job = await running(service, **more)
    for note in notes:
        await asyncio.sleep(0.002)  # apart on the clock
        await report_attempt(service, job.id, job.attempt, [note])
    return job


async def test_a_step_lasts_until_the_next_one_or_the_end_of_its_attempt(service, store):
    job = await job_with_reports(service, step("One"), log("in between"), step("Two"))
    await end_attempt(service, completed(job.id, 1, None))
    events = await store.events(job.id)

    lines = timeline_rows.lines(events, timeline_rows.starts(events))

    took = {line["text"]: line["took_s"] for line in lines}
    at = {event.message: event.at for event in events}
    assert took["One"] == (at["Two"] - at["One"]).total_seconds()
    assert took["Two"] == (at["Completed."] - at["Two"]).total_seconds()
    assert took["in between"] == timeline_rows.NO_BAR


async def test_the_step_under_way_is_open(service, store):
    job = await job_with_reports(service, step("One"))
    events = await store.events(job.id)

    assert timeline_rows.lines(events, timeline_rows.starts(events))[-1]["took_s"] == timeline_rows.OPEN


async def test_attempts_are_lanes_on_one_axis(service, store, reconciler):
    job = await running(service, max_attempts=3)
    await end_attempt(service, failed(job.id, 1, BOOM, retry_at=utc_now()))
    await reconciler.queue_due([job.id], utc_now())
    await start_attempt(service, job.id, "worker-2")
    await end_attempt(service, completed(job.id, 2, None))

    first, second = timeline_rows.lanes(await store.events(job.id), utc_now())

    assert (first["status"], second["status"]) == ("failed", "completed")
    assert first["left"] == 0.0
    assert first["left"] + first["width"] <= second["left"] + 0.6
    assert second["left"] + second["width"] <= 100


async def test_a_cancel_is_proved_stage_by_stage(service, store):
    job = await running(service)
    asked = await service.cancel(job.id)

    def at(events, job):
        return {stage["label"]: bool(stage["at"]) for stage in timeline_rows.proof(job, events)}

    assert at(await store.events(job.id), asked) == {
        "Requested": True,
        "Seen by the worker": False,
        "Cleaned up": False,
        "Cancelled": False,
    }
    await report_attempt(service, job.id, 1, [cancel_delivered()])
    await end_attempt(service, cancelled(job.id, 1, "Cancelled while it ran.", code_ended_at=utc_now()))
    assert set(at(await store.events(job.id), await store.get(job.id)).values()) == {True}


async def test_a_job_that_nobody_cancelled_has_no_proof_of_it(service, store):
    job = await running(service)

    assert timeline_rows.proof(job, await store.events(job.id)) == []


async def test_a_handler_that_did_not_stop_is_not_shown_as_cleaned_up(service, store):
    job = await running(service)
    await service.cancel(job.id)
    await end_attempt(service, cancelled(job.id, 1, "Cancelled; it did not stop in time."))

    stages = timeline_rows.proof(await store.get(job.id), await store.events(job.id))

    assert {stage["label"]: stage["at"] for stage in stages}["Cleaned up"] == ""


async def test_a_timeline_is_narrowed_by_sort_words_and_attempt(service, tab):
    job = await job_with_reports(service, step("One"), log("fine"), log("odd", "warning"))
    timeline = await tab.get_state(Timeline)
    await timeline.read(job)

    async def texts(act):
        await act
        return [line["text"] for line in shown_lines(timeline)]

    assert await texts(timeline.narrow("problems")) == ["odd"]
    assert await texts(timeline.narrow("logs")) == ["fine", "odd"]
    assert await texts(timeline.find("FIN")) == ["fine"]
    await timeline.find("")
    assert await texts(timeline.narrow("nonsense")) == ["Waiting for a free slot.", "Started.", "One", "fine", "odd"]
    assert "Waiting for a free slot." in await texts(timeline.choose_attempt(1))
    assert await texts(timeline.choose_attempt(2)) == []


async def test_earlier_lines_are_shown_when_asked_for(service, tab):
    job = await running(service)
    await report_attempt(service, job.id, 1, [log(f"line {i}") for i in range(FIRST_LINES + 50)])
    timeline = await tab.get_state(Timeline)
    await timeline.read(job)
    assert (len(shown_lines(timeline)), timeline.earlier) == (FIRST_LINES, True)

    await timeline.show_earlier()

    assert (len(shown_lines(timeline)), timeline.earlier) == (FIRST_LINES + 52, False)


async def test_a_timeline_shows_when_its_older_lines_are_out_of_reach(service, tab):
    job = await running(service)
    await report_attempt(service, job.id, 1, [log(f"line {i}") for i in range(MAX_LINES)])
    timeline = await tab.get_state(Timeline)
    await timeline.read(job)
    assert (timeline.earlier, timeline.at_limit) == (True, False)

    await timeline.find("line 1")
    assert timeline.at_limit
    await timeline.find("")
    for _ in range(MAX_LINES // MORE_LINES):
        assert not timeline.at_limit
        await timeline.show_earlier()

    assert (len(shown_lines(timeline)), timeline.at_limit) == (MAX_LINES, True)


async def test_a_replay_shows_the_step_and_progress_of_its_moment(service, tab):
    job = await job_with_reports(service, step("One", 0.0), step("Two", 50.0))
    await end_attempt(service, completed(job.id, 1, None))
    timeline = await tab.get_state(Timeline)
    await timeline.read(job)
    second = next(line for line in shown_lines(timeline) if line["text"] == "Two")

    timeline.replay_to(second["from_s"] + 0.0005)
    assert (timeline.replay_step, timeline.replay_progress) == ("Two", 50)
    timeline.replay_to(second["from_s"] - 0.0015)
    assert timeline.replay_step == "One"
    timeline.replay_to(1e9)
    assert timeline.replay_s <= timeline.span_s + 0.01
    timeline.end_replay()
    assert not timeline.replaying


def test_our_own_frames_are_set_apart_and_the_innermost_names_the_failure():
    pieces = frames(TRACEBACK)

    assert [piece["ours"] for piece in pieces] == [True, True, False, True]
    assert "\n".join(piece["text"] for piece in pieces) == TRACEBACK.rstrip("\n")
    assert top_frame(TRACEBACK) == "scrape.py:run"
    assert top_frame("") == ""


async def test_two_runs_are_compared_value_by_value_and_step_by_step(service, store):
    left = await job_with_reports(service, step("One"), step("Two"), priority=1)
    await end_attempt(service, completed(left.id, 1, None))
    right = await job_with_reports(service, step("One"))
    await end_attempt(service, failed(right.id, 1, JobError(type="E", message="m"), retry_at=None))
    jobs = [await store.get(job.id) for job in (left, right)]
    jobs[0] = jobs[0].model_copy(update={"params": {"a": {"b": 1}, "c": [1, 2]}})
    jobs[1] = jobs[1].model_copy(update={"params": {"a": {"b": 2}, "c": [1]}})

    pairs = {pair["label"]: pair for pair in comparison.params(*jobs)}
    steps = comparison.steps(*[await store.events(job.id) for job in jobs])

    assert {label: pair["differs"] for label, pair in pairs.items()} == {"a.b": True, "c.0": False, "c.1": True}
    assert [(pair["left"], pair["right"], pair["differs"]) for pair in steps] == [
        ("Started.", "Started.", False),
        ("One", "One", False),
        ("Two", "", True),
    ]
    facts = {pair["label"]: pair for pair in comparison.facts(*jobs)}
    assert facts["Error"] == {"label": "Error", "left": "", "right": "E: m", "differs": True}


async def test_a_step_that_has_not_ended_is_compared_as_under_way(service, store):
    jobs = [await job_with_reports(service, step("One"), step("Two")) for _ in range(2)]

    pairs = comparison.steps(*[await store.events(job.id) for job in jobs])

    assert [(pair["left_took"] == "under way", pair["left_width"] > 0) for pair in pairs] == [
        (False, True),
        (False, True),
        (True, False),
    ]


def test_a_log_line_names_its_level_and_its_logger():
    logged = {"version": 3, "at": NOON, "type": "log", "status": "running", "attempt": 1, "progress": 0}
    data = {"level": "warning", "logger": "httpx"}

    line = timeline_rows.line(JobEvent(**logged, message="Slow.", data=data), NOON)

    assert (line["level"], line["logger"], line["text"]) == ("warning", "httpx", "Slow.")
    assert line["sorts"] == ["logs", "problems"]


def test_a_moment_before_an_attempt_began_has_no_place_on_its_axis():
    now = utc_now()

    assert timeline_rows.duration(now, now - timedelta(seconds=1)) == ""
