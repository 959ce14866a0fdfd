"""The registry of kinds over REST: what a worker brings can be submitted at once, without a restart of the server."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest
from redis import Redis

from runlane.clock import utc_now
from runlane.composition import compose
from runlane.db.database import Database
from runlane.define.params import Params, Secret
from runlane.kinds.catalogue import Catalogue
from runlane.kinds.live import LiveKinds
from runlane.queue import keys
from runlane.queue.change_feed import RedisEvents
from runlane.queue.client import JobQueue
from testbed.waiting import until
from tests.support.jobs import worker
from tests.support.kinds import WITH_STEERED, bundled, kind_of


class Crawl(Params):
    url: str
    pages: int = 2
    token: Secret = ""


CRAWL = kind_of(Crawl, "crawl", title="Crawl", summary="{pages} pages of {url} {token}", tags=("browser",))


@pytest.fixture
async def other(config):
    """What another process, such as a worker, has: a catalogue of its own, on the same servers."""
    database, queue = Database(config.resolved_database_url), JobQueue(str(config.redis_url))
    events, kinds = RedisEvents(str(config.redis_url)), Catalogue()
    services = compose(database, queue, events, kinds, config)
    yield LiveKinds(services.kinds, kinds, queue, services.limits, str(config.redis_url))
    for part in (queue, events, database):
        await part.close()


async def names(api) -> set[str]:
    return {kind["name"] for kind in (await api.get("/api/kinds")).json()}


async def test_what_a_worker_registers_is_listed_and_described_at_once(api, active, other, kinds_heard):
    assert "crawl" not in await names(api)
    await until(lambda: _listeners(active), lambda count: count >= 1)

    await other.register([CRAWL], "worker-1")

    await until(lambda: names(api), lambda found: "crawl" in found)
    [kind] = [kind for kind in (await api.get("/api/kinds")).json() if kind["name"] == "crawl"]
    assert kind["params_schema"]["required"] == ["url"]
    assert (kind["defaults"], kind["tags"], kind["brought_by"]) == ({"pages": 2, "token": ""}, ["browser"], "worker-1")
    assert (kind["workers"], kind["worker_ids"]) == (0, [])
    described = (await api.get("/api/openapi.json")).json()["components"]["schemas"]
    assert described["crawl-params"]["required"] == ["url"]
    assert "crawl" in described["Submission"]["properties"]["kind"]["enum"]
    assert kinds_heard


@pytest.fixture
def kinds_heard(catalogued):
    heard: list[int] = []
    end = catalogued.on_change(lambda: heard.append(catalogued.version))
    yield heard
    end()


async def _listeners(active) -> int:
    [(_, count)] = await active.queue.redis.pubsub_numsub(keys.KINDS_CHANGED)
    return int(count)


async def test_a_job_is_submitted_before_the_server_has_heard_of_its_kind(api, active, other):
    """The announcement is lost; whoever waited for the worker to be ready is not refused."""
    await other._store.register([CRAWL], "worker-1")

    reply = await api.post("/api/jobs", json={"kind": "crawl", "params": {"url": "a", "token": "hunter2"}})

    assert (reply.status_code, reply.json()["title"]) == (201, "2 pages of a ••••••")
    batch = await api.post("/api/jobs/batch", json={"jobs": [{"kind": "crawl", "params": {"url": "b"}}]})
    assert batch.json()["items"][0]["title"] == "2 pages of b"
    found = (await api.get("/api/jobs", params={"q": "pages of"})).json()["items"]
    assert [job["title"] for job in found] == ["2 pages of b", "2 pages of a ••••••"]
    assert "hunter2" not in str([job["title"] for job in found])


async def test_an_edit_of_the_parameters_changes_the_title(api, other):
    await other.register([CRAWL], "worker-1")
    job = (await api.post("/api/jobs", json={"kind": "crawl", "params": {"url": "a"}, "delay_s": 3600})).json()

    edited = await api.patch(f"/api/jobs/{job['id']}", json={"params": {"url": "b", "pages": 5}})

    assert edited.json()["title"] == "5 pages of b"
    [last, *_] = (await api.get("/api/audit", params={"q": job["id"]})).json()["items"]
    assert "title" not in last["after"]


async def test_what_the_schema_refuses_is_named(api, other):
    await other.register([CRAWL], "worker-1")

    reply = await api.post("/api/jobs", json={"kind": "crawl", "params": {"pages": "many", "depth": 1}})

    assert reply.status_code == 422
    assert {error["field"]: error["message"] for error in reply.json()["errors"]} == {
        "params.depth": "is not a known field; remove it",
        "params.pages": "must be a whole number",
        "params.url": "is required",
    }


async def test_workers_with_another_version_of_a_kind_are_named(api, active, other):
    await other.register([CRAWL], "new")
    for name, digest, more in (
        ("new", CRAWL.digest, {"tags": ["browser", "gpu"]}),
        ("old", "0123456789abcdef", {"tags": ["browser"]}),
        ("other-tags", CRAWL.digest, {"tags": ["gpu"]}),
    ):
        await active.registry.beat(worker(name, kinds=["crawl"], digests={"crawl": digest}, **more))
    await active.registry.beat(worker("of-0.1", kinds=["crawl"]))
    await active.registry.beat(worker("quiet", kinds=["crawl"], tags=["browser"], state="quiet"))

    [kind] = [kind for kind in (await api.get("/api/kinds")).json() if kind["name"] == "crawl"]

    assert kind["workers"] == 3, "not the quiet one, nor the one with other tags"
    assert set(kind["worker_ids"]) == {"new", "old", "other-tags", "of-0.1", "quiet"}
    assert kind["outdated_workers"] == ["old"]


async def test_the_limit_of_a_kind_holds_from_its_registration_whoever_sets_limits_next(api, active, other):
    await active.queue.set_limits(active.limits.current, generation=1)

    await other.register([kind_of(name="crawl", max_running=3)], "worker-1")
    await api.patch("/api/queue", json={"concurrency": 7})

    with Redis.from_url(str(active.config.redis_url)) as redis:
        assert redis.hget(keys.LIMITS, "max:crawl") == b"3"


async def test_a_kind_that_is_paused_stays_so_while_only_workers_know_it(api, active, other, plain_sql):
    await active.queue.set_limits(active.limits.current, generation=1)
    await other.register([kind_of(name="crawl")], "worker-1")
    await until(lambda: names(api), lambda found: "crawl" in found)
    await api.patch("/api/kinds/crawl", json={"paused": True})

    plain_sql("DELETE FROM kind")
    await active.kinds.load()
    await api.patch("/api/queue", json={"concurrency": 7})

    with Redis.from_url(str(active.config.redis_url)) as redis:
        assert redis.hget(keys.LIMITS, "paused:crawl") == b"1"


async def test_a_kind_is_removed_by_a_person_when_no_worker_has_brought_it_for_long(api, other, plain_sql):
    await other.register([kind_of(name="shop/crawl")], "worker-1")
    await until(lambda: names(api), lambda found: "shop/crawl" in found)

    refused = await api.delete("/api/kinds/shop/crawl")
    assert (refused.status_code, refused.json()["title"]) == (409, "This kind is still in use")

    long_ago = utc_now() - timedelta(days=31)
    plain_sql("UPDATE kind SET last_brought_at = :at", at=f"{long_ago:%Y-%m-%d %H:%M:%S.%f}")
    assert (await api.delete("/api/kinds/shop/crawl")).status_code == 204
    assert "shop/crawl" not in await names(api)
    assert (await api.delete("/api/kinds/shop/crawl")).status_code == 404
    assert (await api.post("/api/jobs", json={"kind": "shop/crawl"})).status_code == 422


async def test_a_schedule_of_a_kind_gives_its_jobs_a_title(api, other):
    await other.register([CRAWL], "worker-1")
    await until(lambda: names(api), lambda found: "crawl" in found)
    draft = {"name": "hourly", "kind": "crawl", "params": {"url": "a"}, "interval_s": 3600}
    schedule = (await api.post("/api/schedules", json=draft)).json()

    job = (await api.post(f"/api/schedules/{schedule['id']}/run")).json()

    assert job["title"] == "2 pages of a"


async def test_a_catalogue_is_read_again_after_the_connection_to_redis_was_lost(other, config):
    following = asyncio.create_task(other.run())
    seen: Any = other._kinds

    async def listens() -> int:
        [(_, count)] = await other._queue.redis.pubsub_numsub(keys.KINDS_CHANGED)
        return int(count)

    await until(listens, lambda count: count == 1)
    await other._store.register([kind_of(name="missed")], "worker-1")
    with Redis.from_url(str(config.redis_url)) as redis:
        redis.client_kill_filter(_type="pubsub")

    async def found() -> bool:
        return "missed" in seen

    await until(found)
    following.cancel()


async def test_the_bundled_kinds_are_what_the_api_lists(api):
    assert await names(api) == {kind.name for kind in bundled()}


async def test_a_worker_that_starts_brings_its_kinds_to_a_server_that_serves(api, client, start_worker):
    assert "steered" not in await names(api)

    await start_worker(RUNLANE_JOBS=WITH_STEERED)

    job_id = await client.submit("noop")
    await client.job_is(job_id, "completed")
    [kind] = [kind for kind in (await api.get("/api/kinds")).json() if kind["name"] == "steered"]
    assert (kind["workers"], kind["outdated_workers"]) == (1, [])
