"""Real worker processes on a real Redis: jobs of every kind, accidents of every sort.

A worker process takes a second of a core to start, so these take one or two.
"""

import signal
import textwrap

import pytest

from testbed.waiting import until

pytestmark = pytest.mark.databases


async def test_a_web_agent_takes_its_steps_a_beat_apart_and_completes(client, start_worker):
    await start_worker()

    job = await client.job_is(await client.submit("web_agent", params={"steps": 5, "step_seconds": 0.2}), "completed")

    steps = [e for e in await client.events(job["id"]) if e["type"] == "progress"]
    assert [step["message"] for step in steps[:3]] == [
        "Navigating to page",
        "Waiting for page to load",
        "Reading page content",
    ]
    assert [step["progress"] for step in steps] == [0, 20, 40, 60, 80]
    assert job["progress"] == 100
    assert job["result"]["steps"] == 5
    assert job["result"]["seconds"] >= 1.0


async def test_a_failing_job_is_failed_with_its_traceback(client, start_worker):
    await start_worker()

    job = await client.job_is(await client.submit("always_fails", params={"message": "no"}), "failed")

    assert (job["error"]["type"], job["error"]["message"]) == ("RuntimeError", "no")
    assert "always_fails.py" in job["error"]["traceback"]


async def test_a_flaky_job_is_tried_until_it_completes(client, start_worker):
    await start_worker()

    job = await client.job_is(await client.submit("flaky", params={"failures": 3}), "completed")

    assert (job["attempt"], job["result"]) == (4, {"failures": 3, "attempts": 4})
    statuses = [e["status"] for e in await client.events(job["id"]) if e["type"] == "status"]
    assert statuses == ["queued", "running", *["scheduled", "queued", "running"] * 3, "completed"]


async def test_a_stubborn_job_stops_at_the_second_cancel(client, start_worker, api):
    await start_worker()
    job_id = await client.submit("stubborn", params={"seconds": 600})
    await until(lambda: client.job(job_id), lambda job: job["message"] == "Working, and not listening")

    first = await api.post(f"/api/jobs/{job_id}/cancel")
    await until(lambda: client.events(job_id), lambda events: any("Swallowed" in e["message"] for e in events))
    second = await api.post(f"/api/jobs/{job_id}/cancel")

    assert first.status_code == 202
    assert second.status_code in (202, 409), "its worker tells a handler again by itself, and that may have been first"
    assert first.json()["cancel_requested_at"] is not None
    await client.job_is(job_id, "cancelled")


async def test_every_line_of_a_noisy_job_is_kept_in_order_with_its_file(client, start_worker, api):
    await start_worker()

    job = await client.job_is(await client.submit("noisy", params={"lines": 1000}), "completed")

    lines = [e["message"] for e in await client.events(job["id"]) if e["type"] == "log"]
    assert lines == [f"Line {n} of 1000" for n in range(1, 1001)]
    [artifact] = (await api.get(f"/api/jobs/{job['id']}/artifacts")).json()["items"]
    download = await api.get(f"/api/jobs/{job['id']}/artifacts/{artifact['id']}")
    assert download.text.splitlines() == lines
    assert download.headers["content-disposition"].startswith("attachment")


async def test_a_big_result_comes_back_whole(client, start_worker):
    await start_worker()

    job = await client.job_is(await client.submit("big_result", params={"bytes": 2_000_000}), "completed")

    assert len(job["result"]["text"]) == 2_000_000


async def test_a_result_beyond_the_limit_fails_with_a_sentence(client, start_worker):
    await start_worker(RUNLANE_MAX_RESULT_BYTES="1000")

    job = await client.job_is(await client.submit("big_result", params={"bytes": 5000}, max_attempts=1), "failed")

    assert "RUNLANE_MAX_RESULT_BYTES" in job["error"]["message"]


async def test_never_more_than_five_jobs_run_at_once(client, start_worker, api):
    await start_worker()
    ids = [await client.submit("slow", params={"seconds": 600}) for _ in range(8)]

    async def running_and_queued():
        counts = (await api.get("/api/queue")).json()["counts"]
        return counts["running"], counts["queued"]

    await until(running_and_queued, lambda counts: counts == (5, 3))
    await client.job_is(ids[0], "running")
    await api.post(f"/api/jobs/{ids[0]}/cancel")
    await until(running_and_queued, lambda counts: counts == (5, 2))


async def test_a_queued_job_that_is_cancelled_never_runs(client, start_worker, api):
    job_id = await client.submit("noop")
    await api.post(f"/api/jobs/{job_id}/cancel")
    await start_worker()

    await client.job_is(await client.submit("noop"), "completed")

    assert (await client.job(job_id))["started_at"] is None


async def test_a_stopped_worker_hands_its_jobs_back_without_costing_an_attempt(client, start_worker):
    worker = await start_worker(RUNLANE_STOP_GRACE_S="0")
    job_id = await client.submit("slow", params={"seconds": 600}, max_attempts=1)
    for _ in range(2):
        await client.job_is(job_id, "running")

        worker.signal(signal.SIGTERM)

        assert await worker.ends() == 0
        assert (await client.job(job_id))["status"] == "queued"
        worker = await start_worker(RUNLANE_STOP_GRACE_S="0")

    assert (await client.job_is(job_id, "running"))["attempt"] == 1


async def test_a_worker_with_a_handler_that_will_not_stop_ends_all_the_same(client, start_worker):
    worker = await start_worker(RUNLANE_STOP_GRACE_S="0")
    job_id = await client.submit("stubborn", params={"seconds": 60})
    await client.job_is(job_id, "running")

    worker.signal(signal.SIGTERM)

    assert await worker.ends() == 0
    assert (await client.job(job_id))["status"] == "queued"


async def test_a_worker_is_listed_with_what_it_runs_and_gone_when_it_stopped(client, start_worker, api):
    worker = await start_worker(RUNLANE_STOP_GRACE_S="0")
    job_id = await client.submit("slow", params={"seconds": 60})

    async def workers():
        return (await api.get("/api/workers")).json()

    [listed] = await until(workers, lambda found: found and found[0]["running"] == [job_id])
    assert (listed["pid"], listed["slots"], listed["state"]) == (worker.process.pid, 5, "running")
    assert (await api.get("/readyz")).status_code == 200

    worker.signal(signal.SIGTERM)
    await worker.ends()

    assert await workers() == []


async def test_a_worker_is_listed_with_the_slots_it_has_now(start_worker, api):
    await start_worker()
    await start_worker(RUNLANE_WORKER_SLOTS="2")

    async def slots():
        return [worker["slots"] for worker in (await api.get("/api/workers")).json()]

    await until(slots, lambda seen: seen == [5, 2])
    await api.patch("/api/queue", json={"concurrency": 8})
    await until(slots, lambda seen: seen == [8, 2])
    await api.patch("/api/queue", json={"concurrency": 1})
    await until(slots, lambda seen: seen == [1, 1])


async def test_an_emptied_redis_loses_no_job(client, start_worker, redis_server):
    ids = [await client.submit("slow", params={"seconds": 0.1}) for _ in range(20)]
    with redis_server.client() as admin:
        admin.flushall()

    await start_worker()

    for job_id in ids:
        await client.job_is(job_id, "completed")


async def test_a_worker_lives_through_a_restart_of_redis_idle_and_busy(client, start_worker, redis_server, api):
    worker = await start_worker()
    busy = await client.submit("slow", params={"seconds": 600})
    await client.job_is(busy, "running")

    with redis_server.away():
        away = await client.submit("noop")

    await client.job_is(away, "completed")
    await api.post(f"/api/jobs/{busy}/cancel")
    await client.job_is(busy, "cancelled")
    assert worker.process.returncode is None
    assert (await client.job(busy))["attempt"] == 1


async def test_nothing_in_redis_is_run_as_code(client, start_worker, redis_server, tmp_path):
    worker = await start_worker()
    proof = tmp_path / "proof"
    pickled = b"cposix\nsystem\n(Vtouch " + str(proof).encode() + b"\ntR."
    job_id = await client.submit("noop", delay_s=0.5)
    with redis_server.client() as admin:
        admin.set(f"arq:job:{job_id}", pickled)
        admin.zadd("runlane:queue:noop", {job_id: 1})
        admin.zadd("runlane:wake:noop", {"1": 0})

        async def claimed():
            return not admin.exists(f"arq:job:{job_id}") and not admin.zscore("runlane:queue:noop", job_id)

        await until(claimed)

    await client.job_is(job_id, "completed")
    assert not proof.exists()
    assert worker.process.returncode is None


async def test_a_job_of_ones_own_is_one_file_in_any_folder(client, start_worker, tmp_path, api):
    (tmp_path / "my_jobs.py").write_text(
        textwrap.dedent(
            """
            from runlane import job

            @job
            async def word_count(text: str) -> dict[str, int]:
                return {"words": len(text.split())}
            """
        )
    )
    await start_worker(cwd=tmp_path, RUNLANE_JOBS="my_jobs")

    async def kinds():
        return {kind["name"]: kind for kind in (await api.get("/api/kinds")).json()}

    known = await until(kinds, lambda found: found.get("word_count", {}).get("workers"))
    job = await client.job_is(await client.submit("word_count", params={"text": "one two two"}), "completed")

    assert (known["word_count"]["title"], job["result"]) == ("Word count", {"words": 3})


async def test_a_worker_whose_resources_close_slowly_has_signed_off_before(client, start_worker, tmp_path, api):
    (tmp_path / "slow_jobs.py").write_text(
        textwrap.dedent(
            """
            import asyncio
            from collections.abc import AsyncIterator
            from pathlib import Path

            from runlane import Resource, job

            @Resource
            async def browser() -> AsyncIterator[int]:
                yield 42
                while not Path("may_close").exists():
                    await asyncio.sleep(0.02)
                Path("closed").touch()

            @job
            async def browse(number: int = browser) -> int:
                return number
            """
        )
    )
    worker = await start_worker(cwd=tmp_path, RUNLANE_JOBS="slow_jobs")
    await client.job_is(await client.submit("browse"), "completed")

    async def workers():
        return (await api.get("/api/workers")).json()

    worker.process.send_signal(signal.SIGTERM)
    await until(workers, lambda found: found == [])
    assert not (tmp_path / "closed").exists(), "it waits for its resource"
    (tmp_path / "may_close").touch()

    assert await worker.ends() == 0
    assert (tmp_path / "closed").exists()
