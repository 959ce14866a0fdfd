"""What the queue's scripts promise, on a real server: order, limits, leases, and claims that are another's."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from uuid import UUID

import pytest
from uuid_utils.compat import uuid7

from runlane.clock import utc_now
from runlane.engine.heartbeat import Heartbeat, ProcessProbe
from runlane.model.limits import KindLimit, Limits, Rate
from runlane.model.snapshot import JobSnapshot
from runlane.model.status import JobStatus
from runlane.queue.claims import LAST_CALL_MS, Claim, Claims
from runlane.queue.client import JobQueue
from runlane.queue.redis_client import ANSWER_TIMEOUT_S
from runlane.queue.worker_registry import WorkerInfo, WorkerState
from testbed.waiting import PATIENCE_S, until
from tests.support.cutting_proxy import cutting_proxy

LEASE_S = 0.3
# Who is not woken waits for longer than any test.
NEVER_S = 3600.0
KINDS = ["noop", "slow", "old"]


@pytest.fixture
async def queue(redis_server) -> AsyncIterator[JobQueue]:
    made = JobQueue(redis_server.url)
    yield made
    await made.close()


@pytest.fixture
async def worker(queue, redis_server) -> AsyncIterator[Callable[..., Claims]]:
    """The claims of a worker by name; by default it knows two of the three kinds."""
    made: list[Claims] = []

    def make(name: str, kinds: list[str] = KINDS[:2], lease_s: float = LEASE_S) -> Claims:
        made.append(Claims(queue.redis, redis_server.url, name, kinds, lease_s, idle_read_s=NEVER_S))
        return made[-1]

    yield make
    for claims in made:
        await claims.close()


@pytest.fixture
def enqueue(queue):
    async def enqueue(count: int = 1, kind: str = "noop", **more) -> list[UUID]:
        jobs = [_queued(kind, **more) for _ in range(count)]
        await queue.enqueue(jobs)
        return [job.id for job in jobs]

    return enqueue


def _queued(kind: str, priority: int = 0, ago_s: float = 0) -> JobSnapshot:
    at = utc_now() - timedelta(seconds=ago_s)
    return JobSnapshot(
        **{"id": uuid7(), "kind": kind, "params": {}, "status": JobStatus.QUEUED, "progress": 0, "message": ""},
        **{"attempt": 1, "max_attempts": 1, "priority": priority, "version": 1, "created_at": at, "queued_at": at},
    )


@pytest.fixture
def limit(queue):
    async def limit(concurrency: int = 5, *, paused: bool = False, **kinds: KindLimit) -> None:
        async def read() -> Limits:
            return Limits(concurrency=concurrency, paused=paused, kinds=kinds)

        await queue.set_limits(read, generation=0)

    return limit


def ids(claims: list[Claim]) -> list[UUID]:
    return [claim.job_id for claim in claims]


async def test_jobs_are_claimed_by_priority_then_due_time_then_arrival_over_all_kinds(worker, enqueue, limit):
    await limit()
    now = await enqueue(2)
    [due_before] = await enqueue(1, "slow", ago_s=60)
    [important] = await enqueue(1, "slow", priority=1)

    claimed = await worker("one").claim([], 5)

    assert ids(claimed.claims) == [important, due_before, *now]
    assert [claim.token.split("|")[:2] for claim in claimed.claims[:1]] == [["slow", "one"]]
    assert all(claim.body for claim in claimed.claims)


async def test_no_more_than_the_limit_are_claimed_by_all_workers_together(worker, enqueue, limit):
    await limit(3)
    await enqueue(10)
    one, two = worker("one"), worker("two")

    first, second = await one.claim([], 2), await two.claim([], 2)
    none = await two.claim([], 2)

    assert (len(first.claims), len(second.claims), none.claims) == (2, 1, [])
    assert (none.room, none.concurrency) == (0, 3)
    assert len((await two.claim(first.claims, 5)).claims) == 2


async def test_nothing_is_claimed_while_paused_or_of_a_kind_the_worker_does_not_know(worker, enqueue, limit):
    await enqueue(1)
    await enqueue(1, "old")
    claims = worker("one")

    await limit(paused=True)
    assert (await claims.claim([], 5)).claims == []
    await limit()
    assert len((await claims.claim([], 5)).claims) == 1

    assert len((await worker("old one", ["old"]).claim([], 5)).claims) == 1


async def test_a_kinds_own_limit_counts_its_jobs_on_all_workers_and_leaves_room_for_others(worker, enqueue, limit):
    await limit(noop=KindLimit(max_running=2))
    await enqueue(5)
    [other] = await enqueue(1, "slow", ago_s=-10)
    one, two = worker("one"), worker("two")

    first = await one.claim([], 1)
    second = await two.claim([], 5)

    assert len(first.claims) == 1
    assert len(second.claims) == 2
    assert other in ids(second.claims)
    assert len((await two.claim(first.claims, 5)).claims) == 1


async def test_a_rate_is_kept_and_the_worker_learns_when_it_allows_more(worker, enqueue, limit):
    await limit(noop=KindLimit(rate=Rate(2, NEVER_S)))
    await enqueue(3)
    claims = worker("one")

    first = await claims.claim([], 5)
    refused = await claims.claim(first.claims, 5)

    assert (len(first.claims), refused.claims) == (2, [])
    assert 0 < refused.wait_s <= NEVER_S
    await limit(noop=KindLimit(rate=Rate(2, 0.001)))
    await until(lambda: claims.claim([], 5), lambda claimed: len(claimed.claims) == 1)


async def test_an_emptied_redis_gives_nothing_until_its_limits_are_back(worker, enqueue, limit, redis_server):
    await limit()
    await enqueue(1)
    with redis_server.client() as admin:
        admin.delete("runlane:limits")

    assert (await worker("one").claim([], 5)).emptied
    await limit()
    assert len((await worker("one").claim([], 5)).claims) == 1


async def test_a_slot_is_passed_on_only_to_a_job_claimed_in_the_same_call(worker, enqueue, limit):
    await limit(1)
    claims = worker("one")
    [first_id] = await enqueue(1)
    [first] = (await claims.claim([], 1)).claims

    nothing = await claims.claim([], 1, passing=[first])
    assert (nothing.claims, nothing.passed, nothing.room) == ([], 0, 0)

    [second_id] = await enqueue(1)
    given = await claims.claim([], 1, passing=[first])
    assert (ids(given.claims), given.passed, given.room) == ([second_id], 1, 0)
    assert (await worker("two").claim([], 1)).claims == []

    freed = await claims.claim([first, *given.claims], 0)
    assert freed.room == 1
    assert first_id != second_id


async def test_a_claim_that_is_anothers_by_now_cannot_be_given_up_renewed_or_restored(worker, enqueue, limit):
    await limit()
    await enqueue(1)
    [claim] = (await worker("one").claim([], 1)).claims
    late = Claim(claim.job_id, "noop|another|0")
    other = worker("another")

    await other.release([late])

    assert await other.restore([late]) == {claim.job_id}
    assert (await other.claim([], 1)).room == 4


async def test_a_job_that_waits_again_while_its_old_claim_lasts_is_claimed_only_after_that(
    worker, enqueue, limit, queue
):
    await limit()
    one, two = worker("one"), worker("two")
    job = _queued("noop")
    await queue.enqueue([job])
    [claim] = (await one.claim([], 1)).claims
    await queue.enqueue([job])  # retried, while the code of the attempt before still runs

    assert (await two.claim([], 5)).claims == []
    assert (await two.claim([], 5)).claims == []
    await one.release([claim])

    assert ids((await two.claim([], 5)).claims) == [job.id]


async def test_what_is_due_goes_to_one_worker_and_to_the_next_only_if_that_does_nothing(worker, queue, limit):
    await limit()
    await queue.remind("soon", utc_now() + timedelta(seconds=NEVER_S))
    one, two = worker("one"), worker("two")

    early = await one.due()
    assert early.names == []
    assert 0 < early.next_s <= NEVER_S + 1
    await queue.remind("soon", utc_now())
    due = await until(one.due, lambda due: due.names)

    assert due.names == ["soon"]
    assert (await two.due()).names == []


async def test_a_lease_that_is_over_is_found_with_its_token_and_a_renewed_one_is_not(worker, enqueue, limit):
    await limit()
    await enqueue(1)
    [claim] = (await worker("one").claim([], 1)).claims
    other = worker("two")

    lost = await until(other.due, lambda due: due.lost)

    assert lost.lost == [Claim(claim.job_id, claim.token)]
    await other.release(lost.lost)
    assert (await other.claim([], 1)).room == 5


async def test_a_worker_that_renews_at_the_last_call_for_a_lease_that_is_over_keeps_its_job(
    worker, enqueue, limit, redis_server
):
    await limit()
    await enqueue(1)
    [claim] = (await worker("one").claim([], 1)).claims
    other = worker("two")
    await asyncio.sleep(LEASE_S)  # as if Redis had been away: nobody could renew, or find it

    assert (await other.due()).lost == []
    assert await worker("one", lease_s=60).restore([claim]) == set()

    with redis_server.client() as admin:
        [(_, ends_ms)] = admin.zrange("runlane:leases", 0, -1, withscores=True)
    await asyncio.sleep(LAST_CALL_MS / 1000)
    assert (await other.due()).lost == []
    assert ends_ms % 1 == 0, "a later end of this lease is called again"


async def test_a_connection_that_has_died_unnoticed_costs_a_heartbeat_no_lease_and_blames_no_job(
    worker, enqueue, limit, redis_server, caplog
):
    await limit()
    await enqueue(1)
    [claim] = (await worker("one").claim([], 1)).claims
    loop, others, beats = asyncio.get_running_loop(), worker("two"), []

    def describe() -> WorkerInfo:
        beats.append(loop.time())
        state = {"running": [claim.job_id], "slots": 5, "state": WorkerState.RUNNING}
        return WorkerInfo(id="one", host="here", pid=1, started_at=utc_now(), last_seen_at=utc_now(), **state)

    async def has_beaten():
        return len(beats)

    probe = ProcessProbe(describe, lambda: [claim], lambda missing: None, lambda name: None, lambda job_id: None)
    async with cutting_proxy(redis_server.port, 0.0) as way:
        heartbeat = Heartbeat(way.url, LEASE_S, probe, loop)
        heartbeat.start()
        await until(has_beaten)
        await until(others.due, lambda due: not due.lost)
        way.deafen()
        lost, cut_at = [], loop.time()
        while loop.time() < cut_at + LEASE_S + 2 * ANSWER_TIMEOUT_S:
            lost += (await others.due()).lost
            await asyncio.sleep(0.02)
        await asyncio.to_thread(heartbeat.stop)

    assert lost == []
    assert [record for record in caplog.records if record.levelno >= logging.ERROR] == []


async def test_running_jobs_without_a_lease_are_adopted_and_their_worker_takes_them_back(worker, limit, redis_server):
    await limit()
    job_id, claims = uuid7(), worker("one")

    assert await claims.adopt([(job_id, "noop")]) == 1
    assert await claims.adopt([(job_id, "noop")]) == 0
    assert await claims.restore([Claim(job_id, "noop|one|7")]) == set()

    assert await worker("two").restore([Claim(job_id, "noop|two|1")]) == {job_id}
    with redis_server.client() as admin:
        assert admin.hget("runlane:owners", str(job_id)) == "noop|one|7"
        assert admin.hget("runlane:running", "noop") == "1"


async def test_an_idle_worker_is_woken_by_a_job_of_its_kinds(worker, enqueue, limit):
    await limit()
    waiting = asyncio.create_task(worker("one").wait_for_work())
    await asyncio.sleep(0)

    await enqueue(1, "slow")

    await asyncio.wait_for(waiting, PATIENCE_S)


async def test_a_claim_that_leaves_room_wakes_another_for_what_still_waits(worker, enqueue, limit):
    await limit()
    await enqueue(3)
    one, two = worker("one"), worker("two")
    await one.wait_for_work()

    await one.claim([], 1)

    await asyncio.wait_for(two.wait_for_work(), PATIENCE_S)


async def test_the_counts_are_right_after_many_claims_given_up_in_any_order(worker, enqueue, limit, redis_server):
    await limit(50)
    await enqueue(60)
    await enqueue(60, "slow")
    workers = [worker("one"), worker("two")]
    held: list[list[Claim]] = [[], []]
    for turn in range(40):
        at = turn % 2
        ending = held[at][:: turn % 3 + 1]
        held[at] = [claim for claim in held[at] if claim not in ending]
        held[at] += (await workers[at].claim(ending, turn % 7)).claims

    with redis_server.client() as admin:
        kinds = [claim.token.split("|")[0] for claim in (*held[0], *held[1])]
        running = admin.hgetall("runlane:running")
        assert {kind: int(running.get(kind, 0)) for kind in KINDS[:2]} == {k: kinds.count(k) for k in KINDS[:2]}
        assert admin.hlen("runlane:owners") == admin.zcard("runlane:leases") == len(kinds)
