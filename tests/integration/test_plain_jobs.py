"""Plain functions as jobs: in processes of their own, with the context, and ended for good by cancel and time limit."""

import psutil

from testbed.waiting import until
from tests.support.kinds import WITH_PLAIN


async def test_a_plain_function_runs_beside_the_worker_with_all_of_its_context(client, start_worker, tmp_path):
    worker = await start_worker(RUNLANE_JOBS=WITH_PLAIN)

    job_id = await client.submit("plain", params={"path": str(tmp_path / "pids"), "fails": True})
    job = await client.job_is(job_id, "completed")

    events = await client.events(job_id)
    assert (job["attempt"], job["result"]["total"]) == (2, 3)
    assert job["result"]["pid"] != worker.process.pid
    assert [event["message"] for event in events if event["type"] == "progress"] == ["Page 1", "Page 2", "Page 2"]
    printed = [event for event in events if event["type"] == "log"]
    assert [event["message"] for event in printed] == ["at page 1", "at page 2", "at page 2"]
    assert printed[0]["data"] == {"level": "info", "logger": "stdout"}
    [failed] = [event for event in events if (event["data"] or {}).get("failed_attempt")]
    assert failed["data"]["error"]["type"] == "LookupError"
    assert "plain_steered.py" in failed["data"]["error"]["traceback"]
    assert "runlane/engine" not in failed["data"]["error"]["traceback"]


async def test_a_cancel_ends_a_plain_function_that_listens_to_nothing_and_all_that_it_started(
    client, start_worker, tmp_path, api
):
    await start_worker(RUNLANE_JOBS=WITH_PLAIN, RUNLANE_CANCEL_GRACE_S="0.5")
    pids = tmp_path / "pids"
    job_id = await client.submit("plain", params={"path": str(pids), "spins": True})

    async def started():
        return pids.read_text().split() if pids.exists() else []

    running = [psutil.Process(int(pid)) for pid in await until(started, lambda found: len(found) == 2)]
    await api.post(f"/api/jobs/{job_id}/cancel")

    job = await client.job_is(job_id, "cancelled")
    assert job["message"] == "Cancelled while it ran."
    assert [each.is_running() and each.status() != psutil.STATUS_ZOMBIE for each in running] == [False, False]


async def test_a_worker_that_is_killed_takes_its_plain_functions_with_it(client, start_worker, tmp_path):
    worker = await start_worker(RUNLANE_JOBS=WITH_PLAIN)
    pids = tmp_path / "pids"
    await client.submit("plain", params={"path": str(pids), "spins": True})

    async def started():
        return pids.read_text().split() if pids.exists() else []

    running = [psutil.Process(int(pid)) for pid in await until(started, lambda found: len(found) == 2)]
    worker.signal(9)

    async def alive():
        return [each for each in running if each.is_running() and each.status() != psutil.STATUS_ZOMBIE]

    await until(alive, lambda found: not found)
