"""Changing jobs, kinds and the queue over REST while real workers run."""

from ipaddress import ip_network
from uuid import UUID

import pytest

from testbed.waiting import until


async def test_a_waiting_job_is_edited_promoted_and_moved_to_the_front(api, client):
    job_id = await client.submit("web_agent", delay_s=3600)

    edited = await api.patch(f"/api/jobs/{job_id}", json={"priority": 4, "params": {"steps": 2}})
    assert (edited.status_code, edited.json()["priority"], edited.json()["params"]["steps"]) == (200, 4, 2)
    assert (await api.post(f"/api/jobs/{job_id}/promote")).json()["status"] == "queued"
    assert (await api.post(f"/api/jobs/{job_id}/promote")).status_code == 409
    other = await client.submit("noop")
    assert (await api.post(f"/api/jobs/{other}/front")).json()["priority"] == 5

    [last, *_] = (await api.get("/api/audit", params={"q": job_id})).json()["items"]
    assert (last["action"], last["name"], last["who"]) == ("promote", job_id, "REST from 127.0.0.1")


async def test_a_running_job_is_not_edited(api, client, start_worker):
    await start_worker()
    job_id = await client.submit("slow")
    await client.job_is(job_id, "running")

    for reply in (
        await api.patch(f"/api/jobs/{job_id}", json={"priority": 4}),
        await api.post(f"/api/jobs/{job_id}/promote"),
        await api.post(f"/api/jobs/{job_id}/front"),
    ):
        assert reply.status_code == 409
        assert "is running" in reply.json()["detail"]
    await api.post(f"/api/jobs/{job_id}/cancel")


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"priority": 10**9}, "priority"),
        ({"priority": "high"}, "priority"),
        ({"params": {"steps": -1}}, "params.steps"),
        ({"params": []}, "params"),
        ({"status": "completed"}, "status"),
        ({"max_attempts": 0}, "max_attempts"),
        ({"scheduled_for": "2030-01-01T00:00:00Z"}, "scheduled_for"),
    ],
)
async def test_an_edit_that_makes_no_sense_is_refused(api, client, body, field):
    job_id = await client.submit("web_agent")

    reply = await api.patch(f"/api/jobs/{job_id}", json=body)

    assert (reply.status_code, reply.json()["errors"][0]["field"]) == (422, field)
    assert (await client.job(job_id))["version"] == 1


async def test_one_kind_is_paused_while_others_run(api, client, start_worker):
    await start_worker()
    reply = await api.patch("/api/kinds/noop", json={"paused": True})
    assert (reply.status_code, reply.json()["paused"]) == (200, True)
    held, free = await client.submit("noop"), await client.submit("flaky", params={"failures": 0})

    await client.job_is(free, "completed")
    assert (await client.job(held))["status"] == "queued"
    await api.patch("/api/kinds/noop", json={"paused": False})

    await client.job_is(held, "completed")


async def test_a_kind_runs_no_more_at_once_than_is_set(api, client, start_worker):
    await start_worker()
    await api.patch("/api/kinds/slow", json={"max_running": 1})
    jobs = [await client.submit("slow") for _ in range(3)]

    async def running():
        return [job_id for job_id in jobs if (await client.job(job_id))["status"] == "running"]

    await until(running, lambda found: len(found) == 1)
    await api.patch("/api/kinds/slow", json={"max_running": None})

    await until(running, lambda found: len(found) == 3)
    await api.post("/api/jobs/bulk", json={"action": "cancel", "ids": jobs})


@pytest.mark.parametrize(
    ("address", "body", "field"),
    [
        ("/api/kinds/noop", {"max_running": 0}, "max_running"),
        ("/api/kinds/noop", {"max_running": -1}, "max_running"),
        ("/api/kinds/noop", {"max_running": 10**9}, "max_running"),
        ("/api/kinds/noop", {"rate": {"count": 0, "seconds": 0}}, "rate.count"),
        ("/api/kinds/noop", {"rate": {"count": 1, "seconds": 0}}, "rate.seconds"),
        ("/api/kinds/noop", {"rate": "1/s"}, "rate"),
        ("/api/queue", {"concurrency": 0}, "concurrency"),
        ("/api/queue", {"concurrency": -1}, "concurrency"),
        ("/api/queue", {"concurrency": 10**9}, "concurrency"),
    ],
)
async def test_limits_that_make_no_sense_are_refused(api, address, body, field):
    reply = await api.patch(address, json=body)

    assert (reply.status_code, reply.json()["errors"][0]["field"]) == (422, field)
    assert (await api.get("/api/audit")).json()["items"] == []


async def test_the_second_of_two_people_is_refused(api):
    version = (await api.get("/api/queue")).json()["version"]
    await api.patch("/api/queue", json={"concurrency": 7, "version": version})

    reply = await api.patch("/api/queue", json={"concurrency": 3, "version": version})

    assert (reply.status_code, reply.json()["title"]) == (409, "Someone else changed this")
    assert "concurrency 7" in reply.json()["detail"]
    assert (await api.patch("/api/kinds/nothing", json={"paused": True})).status_code == 404


async def test_kinds_tell_which_workers_run_them(api, start_worker):
    assert (await api.get("/api/kinds")).json()[0]["workers"] == 0

    await start_worker()

    async def workers():
        return (await api.get("/api/workers")).json()

    [worker] = await until(workers, lambda found: len(found) == 1)
    kind = (await api.get("/api/kinds")).json()[0]
    assert (kind["workers"], kind["worker_ids"], kind["outdated_workers"]) == (1, [worker["id"]], [])
    assert worker["memory_bytes"] > 1_000_000


async def test_what_a_worker_runs_is_listed_as_sql_has_it(api, active, client, start_worker):
    """The worker says so itself only every two seconds."""
    await start_worker()
    [worker] = await until(active.registry.all, bool)
    stale = worker.model_copy(update={"running": [UUID(int=1)]})

    job_id = await client.submit("slow")
    await client.job_is(job_id, "running")
    await active.registry.beat(stale)

    [listed] = (await api.get("/api/workers")).json()
    assert listed["running"] == [job_id]


@pytest.mark.parametrize(
    ("header", "peer", "named", "who"),
    [
        ("x-forwarded-user", "10.0.0.7", "ada", "ada"),
        ("X-Forwarded-User", "::ffff:10.0.0.7", "ada", "ada"),
        ("X-Forwarded-User", "127.0.0.1", "ada", "ada"),
        ("X-Forwarded-User", "10.0.1.7", "ada", "REST from 10.0.1.7"),
        ("X-Forwarded-User", "an unknown address", "ada", "REST from an unknown address"),
        ("X-Forwarded-User", "10.0.0.7", "\x00\n", "REST from 10.0.0.7"),
        (None, "10.0.0.7", "ada", "REST from 10.0.0.7"),
    ],
)
def test_a_user_is_named_by_a_trusted_proxy_alone(header, peer, named, who):
    from jobs_app.server.request_user import Naming

    assert Naming(header, [ip_network("10.0.0.0/24")]).name({"X-Forwarded-User": named}, peer, "REST from") == who


async def test_a_running_job_has_a_lease_and_every_job_a_size(api, client, active, start_worker):

    await start_worker()
    runs, waits = await client.submit("slow"), await client.submit("noop", delay_s=60)
    await client.job_is(runs, "running")

    leases = await active.queue.leases([UUID(runs), UUID(waits)])
    sizes = await active.reader.sizes([UUID(runs), UUID(waits)])

    assert list(leases) == [UUID(runs)]
    assert 0 < leases[UUID(runs)] <= active.config.lease_s
    assert sizes[UUID(runs)] >= len('{"seconds":1}')
    await api.post(f"/api/jobs/{runs}/cancel")
