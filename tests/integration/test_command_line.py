"""``runlane`` as a client, against an app and a worker as people start them."""

import asyncio
import contextlib
import json
import os
import re
import signal
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest

from runlane import Client
from runlane.cli.app import main
from runlane.cli.following import MAX_STREAMS
from runlane.model.status import JobStatus
from testbed import ROOT
from testbed.waiting import PATIENCE_S, until
from tests.support.terminals import cells, in_terminal

RUNLANE = (sys.executable, "-m", "runlane")
WIDE = "Köln 東京 🚲 e\u0301"


@dataclass
class Ended:
    """What a command left."""

    code: int
    out: str
    err: str

    @property
    def json(self):
        return json.loads(self.out)


@pytest.fixture
async def client(place) -> AsyncIterator[Client]:
    async with Client(place.url) as opened:
        yield opened


@pytest.fixture
def runlane(place, capsys, monkeypatch):
    """Runs a command in a thread of this process, where it has an event loop of its own."""
    monkeypatch.setenv("RUNLANE_URL", place.url)

    async def run(*words: str) -> Ended:
        def ended() -> int:
            with pytest.raises(SystemExit) as exit_:
                main([str(word) for word in words])
            return int(exit_.value.code or 0)

        capsys.readouterr()
        code = await asyncio.to_thread(ended)
        return Ended(code, *capsys.readouterr())

    return run


async def test_a_job_is_submitted_with_the_types_of_its_kind_and_prints_its_id(runlane, client):
    done = await runlane("submit", "web_agent", "steps=1", "step_seconds=0", "goal=7", "--priority", "3")

    job = await client.get(done.out.strip())
    assert (done.code, job.kind, job.priority) == (0, "web_agent", 3)
    assert job.params == {"steps": 1, "step_seconds": 0, "goal": "7", "start_url": "https://example.com"}
    assert f"Job {job.short_id} (web_agent) is" in done.err
    assert f"runlane follow {job.short_id}" in done.err


async def test_one_that_is_waited_for_prints_its_result_alone(runlane):
    done = await runlane("submit", "big_result", "bytes=100", "--wait")

    assert done.code == 0
    assert done.json
    assert re.search(r"^\d\d:\d\d:\d\d  \w{8}    0%  running: Started\.$", done.err, re.MULTILINE)
    assert re.search(r"^✓ \w{8}  big_result completed in \d+\.\d s$", done.err, re.MULTILINE)


async def test_one_that_fails_or_is_cancelled_ends_with_code_1(runlane, client):
    failed = await runlane("submit", "always_fails", f"message={WIDE}", "--max-attempts", "1", "--wait")
    waiting = asyncio.create_task(
        runlane("submit", "slow", "seconds=600", "--key", "cancelled-one", "--wait", "--json")
    )
    same = client.with_options(idempotency_key="cancelled-one")
    run = await same.submit("slow", seconds=600)
    await until(run.get, lambda job: job.status is JobStatus.RUNNING)
    await run.cancel()
    cancelled = await waiting

    assert (failed.code, failed.out) == (1, "")
    assert re.search(rf"^✗ \w{{8}}  always_fails failed in .* s  RuntimeError: {WIDE}$", failed.err, re.MULTILINE)
    assert (cancelled.code, cancelled.json["status"]) == (1, "cancelled")
    assert cancelled.err == f"Job {run.id.hex[-8:]} (slow) was cancelled.\n"


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ("web_agent steps=many", "steps: must be a whole number"),
        ("web_agent step=3", "step: is not a known field"),
        ("web_agnt steps=3", "kind: there is no kind 'web_agnt'. Did you mean 'web_agent'?"),
        ("noop --priority 5000", "priority: "),
    ],
)
async def test_what_the_server_refuses_is_said_by_field_with_code_2(runlane, words, sentence):
    refused = await runlane("submit", *words.split())

    assert (refused.code, refused.out) == (2, "")
    assert refused.err.startswith(sentence)


async def test_parameters_come_from_a_file_or_from_json_and_the_same_key_gives_the_same_job(runlane, tmp_path):
    (tmp_path / "params.json").write_text('{"steps": 2, "step_seconds": 0}')

    first = await runlane(
        *("submit", "web_agent", "goal=go", "--params", f"@{tmp_path}/params.json", "--delay", "1h"),
        *("--key", "from-file", "--json"),
    )
    again = await runlane(
        *("submit", "web_agent", "--params", '{"steps": 2, "step_seconds": 0, "goal": "go"}', "--delay", "1h"),
        *("--key", "from-file", "--json"),
    )

    assert first.json["params"]["goal"] == "go"
    assert first.json["params"]["steps"] == 2
    assert first.json["status"] == "scheduled"
    assert again.json["id"] == first.json["id"]


async def test_a_job_is_shown_by_the_end_of_its_id(runlane, client):
    run = await client.submit("always_fails", message="nobody\x1b[2J there")
    await client.ended(run.id)

    shown = await runlane("show", str(run.id)[-8:].upper())
    exact = await runlane("show", run.id, "--json")
    several = await runlane("show", run.id, run.id, "--json")
    none = await runlane("show", run.id, "ffffffff")

    assert shown.code == 0
    assert re.search(rf"^Id +{run.id}$", shown.out, re.MULTILINE)
    assert re.search(r"^Error +RuntimeError: nobody\\x1b\[2J there$", shown.out, re.MULTILINE)
    assert "Traceback" in shown.out
    assert exact.json == (await client.get(run.id)).model_dump(mode="json")
    assert [job["id"] for job in several.json] == [str(run.id)] * 2
    assert (none.code, none.err) == (2, "There is no job whose id ends in ffffffff. It may have been deleted.\n")
    assert str(run.id) in none.out, "the other one is shown all the same"


async def test_results_are_printed_and_a_job_without_one_says_why(runlane, client):
    done = await client.submit("web_agent", steps=1, step_seconds=0)
    failed = await client.with_options(max_attempts=1).submit("always_fails", message="no")
    later = await client.with_options(delay_s=3600).submit("noop")
    await client.ended(done.id)
    await client.ended(failed.id)

    one, several, none = (
        await runlane("result", done.id),
        await runlane("result", done.id, failed.id, "--json"),
        await runlane("result", later.id),
    )

    assert (one.code, one.json["steps"]) == (0, 1)
    assert several.json == [one.json, None]
    assert (several.code, several.err) == (
        1,
        f"Job {failed.id.hex[-8:]} (always_fails) failed in attempt 1: RuntimeError: no\n",
    )
    assert none.code == 2
    assert "is scheduled, so it has no result yet" in none.err


async def test_jobs_are_cancelled_retried_and_deleted_many_at_once(runlane, client):
    ids = [run.id for run in await client.with_options(delay_s=3600).submit_many("noop", [{}, {}])]

    cancelled = await runlane("cancel", *ids)
    again = await runlane("cancel", *ids, "--json")
    retried = await runlane("retry", *ids, "--from-start", "--json")
    for each in ids:
        await client.ended(each)
    deleted = await runlane("delete", *ids)
    missing = await runlane("delete", ids[0].hex[-8:])

    assert (cancelled.code, cancelled.out.count("(noop) is cancelled.")) == (0, 2)
    assert (again.code, again.json, again.err.count("has already been cancelled")) == (2, [], 2)
    assert (retried.code, [job["attempt"] for job in retried.json]) == (0, [2, 2])
    assert deleted.out == "2 jobs are deleted, with their timelines and artifacts.\n"
    assert missing.code == 2


async def test_a_thousand_jobs_are_listed_whole_and_the_newest_by_default(runlane, client):
    runs = await client.with_options(delay_s=3600).submit_many("slow", [{"seconds": 1}] * 1000)

    listed = await runlane("list", "--limit", "1000", "--kind", "slow", "--status", "scheduled")
    some = await runlane("list", "--kind", "slow", "--json")
    found = await runlane("list", "--q", f"id:{runs[7].id}", "--json")

    lines = listed.out.splitlines()
    assert lines[0].split() == ["ID", "STATUS", "DONE", "AGE", "KIND", "TITLE"]
    assert {line.split()[0] for line in lines[1:]} == {str(run.id) for run in runs}
    assert "\x1b" not in listed.out
    assert len(some.json) == 50
    assert [job["params"] for job in found.json] == [{"seconds": 1}]
    few = await runlane("list", "--limit", "2", "--status", "scheduled")
    assert few.err == "These are the newest 2; --limit shows more.\n"


async def test_kinds_workers_and_the_queue(runlane):
    kinds, one = await runlane("kinds"), await runlane("kinds", "web_agent")
    unknown = await runlane("kinds", "web_agnt")
    workers = await runlane("workers", "--json")
    paused = await runlane("pause")
    resumed = await runlane("resume", "--json")

    assert re.search(r"^web_agent +1 +Web agent$", kinds.out, re.MULTILINE)
    assert re.search(r"^steps +integer +10 +How many actions the agent takes\.$", one.out, re.MULTILINE)
    assert (unknown.code, "Did you mean 'web_agent'?" in unknown.err) == (2, True)
    assert workers.json[0]["slots"] > 0
    assert re.match(r"The queue is paused\. \d+ running jobs?, \d+ queued jobs?\.\n", paused.out)
    assert resumed.json["paused"] is False


async def test_many_are_followed_to_their_ends_and_the_worst_of_them_counts(runlane, client):
    good = [run.id for run in await client.submit_many("noop", [{}] * (MAX_STREAMS + 10))]
    bad = await client.with_options(max_attempts=1).submit("always_fails", message="no")

    followed = await runlane("follow", *good)
    mixed = await runlane("follow", good[0], bad.id, "ffffffff")

    assert (followed.code, followed.out.count("noop completed")) == (0, len(good))
    assert mixed.code == 2
    assert "always_fails failed" in mixed.out


async def test_following_as_json_is_the_timeline_one_event_a_line(runlane, client):
    run = await client.submit("noisy", lines=5)

    followed = await runlane("follow", run.id, "--json")

    lines = [json.loads(line) for line in followed.out.splitlines()]
    assert lines == [{"job_id": str(run.id), **event.model_dump(mode="json")} async for event in run]
    assert (lines[-1]["status"], followed.err) == ("completed", "")


async def test_a_job_that_is_deleted_while_it_is_followed_is_said(place, client):
    run = await client.with_options(delay_s=3600).submit("noop")
    process = await started("follow", run.id, "--url", place.url)
    assert b"scheduled: " in await asyncio.wait_for(process.stdout.readline(), PATIENCE_S)

    await run.delete()
    _, err = await asyncio.wait_for(process.communicate(), PATIENCE_S)

    assert process.returncode == 2
    assert err.decode() == f"Job {str(run.id)[-8:]} was deleted while it was followed.\n"


async def test_ctrl_c_leaves_the_job_running_and_says_so(place, client):
    process = await started("submit", "slow", "seconds=600", "--wait", "--url", place.url)
    line = ""
    while "running: Started." not in line:
        line = (await asyncio.wait_for(process.stderr.readline(), PATIENCE_S)).decode()
        assert line

    process.send_signal(signal.SIGINT)
    out, err = await asyncio.wait_for(process.communicate(), PATIENCE_S)

    short = line.split()[1]
    assert (process.returncode, out) == (130, b"")
    assert err.decode().splitlines()[-2:] == [
        f"No longer followed; the job goes on. To follow again: runlane follow {short}",
        f"To stop it: runlane cancel {short}",
    ]
    [job] = [job async for job in client.list(q=f"id:{short}")]
    assert job.status is JobStatus.RUNNING
    await client.cancel(job.id)


async def test_the_shell_completes_kinds_parameters_and_ids(place, client):
    run = await client.with_options(delay_s=3600).submit("noop")

    assert "web_agent" in await completed(place.url, "submit we")
    assert await completed(place.url, "submit web_agent step_") == ["step_seconds="]
    assert str(run.id)[-8:] in await completed(place.url, f"cancel {run.id.hex[-8:-6]}")
    assert await completed(place.url, "list --status f") == ["failed"]


async def started(*words) -> asyncio.subprocess.Process:
    """A command as a process of its own."""
    return await asyncio.create_subprocess_exec(
        *(*RUNLANE, *map(str, words)), cwd=ROOT, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )


async def completed(url: str, typed: str) -> list[str]:
    """What bash would offer."""
    words = ["runlane", *typed.split(" ")]
    environ = {
        "_RUNLANE_COMPLETE": "complete_bash",
        "COMP_WORDS": " ".join(words),
        "COMP_CWORD": str(len(words) - 1),
        "RUNLANE_URL": url,
    }
    process = await asyncio.create_subprocess_exec(
        *RUNLANE, cwd=ROOT, env=os.environ | environ, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    out, err = await process.communicate()
    assert err == b""
    return out.decode().split()


@pytest.mark.parametrize("columns", [80, 40])
def test_in_a_terminal_there_are_bars_that_fit_it_and_nothing_of_them_stays(place, columns):
    words = [*RUNLANE, "submit", "web_agent", "steps=3", "step_seconds=0.2", f"goal={WIDE * 10}", "--wait", "--url"]

    session = in_terminal([*words, place.url], columns=columns)

    assert session.code == 0
    assert "━" in session.text
    assert re.search(r" (33|67)% ", session.text)
    assert "\x1b[32m" in session.written
    assert max(cells(line) for line in session.text.splitlines() if "━" in line) <= columns
    assert re.match(r"✓ \w{8}  web_agent completed in \d\.\d s$", session.screen[0])
    assert session.screen[1] == "{"


async def test_of_many_bars_there_are_as_many_as_fit_and_each_ends_as_a_line(place, client):
    runs = await client.submit_many("web_agent", [{"steps": 1, "step_seconds": 0.01}] * 15)

    words = [*RUNLANE, "follow", *(str(run.id) for run in runs), "--url", place.url]
    session = await asyncio.to_thread(in_terminal, words, lines=12)

    assert session.code == 0
    assert [line for line in session.screen if "━" in line] == []
    assert len([line for line in session.screen if line.startswith("✓")]) == len(runs)
    # drawn again and again, one below the other, never more than there is room for
    assert max(len(each.splitlines()) for each in session.written.split("\x1b[2K") if "━" in each) <= 12


@pytest.mark.parametrize("columns", [80, 40])
async def test_a_table_fits_the_terminal_and_cuts_titles_alone(place, client, columns):
    run = await client.with_options(delay_s=3600).submit("web_agent", goal=WIDE * 20)

    session = await asyncio.to_thread(
        in_terminal, [*RUNLANE, "list", "--q", f"id:{run.id}", "--url", place.url], columns=columns
    )

    [row] = [line for line in session.screen if str(run.id)[-8:] in line]
    assert cells(row) <= columns
    assert "scheduled" in row
    assert row.endswith("…")
    assert "Köln" in row


def test_without_colours_there_are_lines_in_a_terminal_too(place):
    words = [*RUNLANE, "submit", "noop", "--wait", "--url", place.url]

    session = in_terminal(words, NO_COLOR="1")

    assert session.code == 0
    assert "\x1b" not in session.written
    assert "noop completed" in session.text


def test_ctrl_c_in_a_terminal_gives_the_cursor_back(place):
    words = [*RUNLANE, "submit", "slow", "seconds=600", "--wait", "--url", place.url]

    session = in_terminal(words, interrupt_at="Taking its time")

    assert session.code == 130
    assert session.written.rindex("\x1b[?25h") > session.written.rindex("\x1b[?25l")
    assert "No longer followed; the job goes on." in session.text
    short = session.screen[-2].split()[-1]
    with contextlib.suppress(SystemExit):
        main(["cancel", short, "--url", place.url])
