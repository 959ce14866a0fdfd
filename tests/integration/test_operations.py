"""Many jobs at once over REST, while a real worker runs; and what becomes of it when the server starts again."""

import pytest

from jobs_app import composition
from testbed.waiting import until
from tests.support.kinds import bundled

pytestmark = pytest.mark.databases


async def over(api, address):
    async def read():
        return (await api.get(address)).json()

    return await until(read, lambda found: found["state"] in ("done", "stopped"))


async def begun(api, **body):
    reply = await api.post("/api/operations", json=body)
    assert reply.status_code == 202, reply.text
    return reply.headers["location"]


async def test_cleaning_is_previewed_done_and_listed(api, client):
    jobs = [await client.submit("noop") for _ in range(6)]
    body = {"action": "clean", "filter": {"status": ["queued"], "kind": ["noop"]}}

    preview = (await api.post("/api/operations/preview", json=body)).json()
    assert (preview["affected"], preview["left_alone"]) == (len(jobs), {})
    assert preview["bytes"] > 100 * len(jobs)
    done = await over(api, await begun(api, **body))

    assert (done["state"], done["done"], done["who"]) == ("done", len(jobs), "REST from 127.0.0.1")
    assert done["filter"] == {"statuses": ["queued"], "kinds": ["noop"]}
    assert (await api.get("/api/jobs")).json()["items"] == []
    assert [item["id"] for item in (await api.get("/api/operations")).json()["items"]] == [done["id"]]


async def test_waiting_jobs_are_drained_while_others_run(api, client, start_worker, active):
    await api.patch("/api/queue", json={"concurrency": 1})
    await start_worker()
    runs = await client.submit("slow")
    await client.job_is(runs, "running")
    for _ in range(5):
        await client.submit("noop")

    await over(api, await begun(api, action="clean", filter={"status": ["queued", "scheduled"]}))

    assert [job["id"] for job in (await api.get("/api/jobs")).json()["items"]] == [runs]
    assert await active.queue.redis.zcard("runlane:queue:noop") == 0
    done = await over(api, await begun(api, action="obliterate", filter={}, confirm="obliterate"))
    assert (done["done"], (await api.get("/api/jobs")).json()["items"]) == (1, [])


async def test_a_deletion_of_many_is_undone(api, client):
    ids = {await client.submit("noop") for _ in range(6)}
    address = await begun(api, action="delete", filter={})
    deleted = await over(api, address)
    assert (await api.get("/api/jobs")).json()["items"] == []

    reply = await api.post(f"{address}/undo")
    assert reply.status_code == 202, reply.text
    restored = await over(api, reply.headers["location"])

    assert (restored["action"], restored["undoes"], restored["done"]) == ("restore", deleted["id"], 6)
    assert {job["id"] for job in (await api.get("/api/jobs")).json()["items"]} == ids
    assert (await api.get(address)).json()["state"] == "undone"
    assert (await api.post(f"{address}/undo")).status_code == 409
    assert (await api.post("/api/operations", json={"action": "restore", "filter": {}})).status_code == 422


async def test_an_operation_goes_on_when_the_server_is_started_again(config):
    async with composition.serving(config) as first:
        from runlane.model.requests import Submission

        await first.kinds.register(bundled(), "earlier-worker")
        await first.service.submit_many([Submission(kind="noop") for _ in range(50)])
        begun_then = await first.operations.store.insert("cancel", runtime_filter(), 50)
    async with composition.serving(config) as second:
        done = await until(lambda: second.operations.get(begun_then.id), lambda found: found.state.is_over)

    assert done.done + done.left_alone == 50


def runtime_filter():
    from runlane.search.matching import JobFilter

    return JobFilter()


async def test_a_request_that_would_do_nothing_is_refused(api, client):
    await client.submit("noop")

    reply = await api.post("/api/operations", json={"action": "clean", "filter": {"status": ["failed"]}})

    assert (reply.status_code, reply.json()["title"]) == (409, "There is nothing to do")
    assert reply.json()["detail"] == "The filter matches no job; nothing was begun."


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"action": "explode", "filter": {}}, "action"),
        ({"action": "clean"}, "filter"),
        ({"action": "clean", "filter": {"q": "status:"}}, "filter.q"),
        ({"action": "obliterate", "filter": {}}, "body"),
        ({"action": "obliterate", "filter": {}, "confirm": "yes"}, "body"),
        ({"action": "clean", "filter": {}}, "body"),
        ({"action": "clean", "filter": {"q": " "}, "confirm": "yes"}, "body"),
    ],
)
async def test_an_invalid_request_begins_nothing(api, client, body, field):
    await client.submit("noop")

    reply = await api.post("/api/operations", json=body)

    assert reply.status_code == 422
    assert reply.json()["errors"][0]["field"] == field
    assert (await api.get("/api/operations")).json()["items"] == []
    assert (await api.get("/api/operations/01a20baf-4ca9-71da-8661-d00d04472fb0")).status_code == 404
