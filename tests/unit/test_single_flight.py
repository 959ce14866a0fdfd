"""What many tabs show alike is read once for all of them, and by each runtime for itself."""

import asyncio
import dataclasses

import pytest

from jobs_app import runtime
from jobs_app.admin.overview import overview
from jobs_app.server.single_flight import Caches, Shared
from tests.support.jobs import submitted


class Source:
    """Something to read, that counts how often it is."""

    def __init__(self) -> None:
        self.reads = 0
        self.let_go = asyncio.Event()
        self.broken = False

    async def read(self) -> int:
        self.reads += 1
        await self.let_go.wait()
        if self.broken:
            raise OSError("away")
        return self.reads


@pytest.fixture
def source():
    return Source()


async def test_whoever_asks_while_it_is_read_is_given_the_same_answer(source):
    cache = Caches().of(Shared[int](60.0))
    asked = [asyncio.create_task(cache.get(source.read)) for _ in range(20)]

    source.let_go.set()

    assert await asyncio.gather(*asked) == [1] * 20


async def test_answers_are_kept_by_key_until_they_are_forgotten(source):
    cache = Caches().of(Shared[int](60.0))
    source.let_go.set()

    assert [await cache.get(source.read, key) for key in ("a", "b", "a")] == [1, 2, 1]
    cache.forget()
    assert await cache.get(source.read, "a") == 3


async def test_what_is_no_longer_fresh_is_read_again(source):
    cache = Caches().of(Shared[int](-1.0))
    source.let_go.set()

    assert [await cache.get(source.read) for _ in range(2)] == [1, 2]


async def test_a_failure_is_told_and_not_kept(source):
    cache = Caches().of(Shared[int](60.0))
    source.let_go.set()
    source.broken = True
    with pytest.raises(OSError):
        await cache.get(source.read)
    source.broken = False

    assert await cache.get(source.read) == 2


async def test_each_cache_is_of_one_thing_and_of_one_owner():
    first, other = Shared[int](60.0), Shared[int](60.0)
    caches = Caches()

    assert caches.of(first) is caches.of(first)
    assert caches.of(first) is not caches.of(other)
    assert caches.of(first) is not Caches().of(first)


async def test_a_second_runtime_shows_nothing_that_the_first_has_read(tab, service):
    assert (await overview()).counts["queued"] == 0
    await submitted(service)

    runtime.use(dataclasses.replace(runtime.current(), caches=Caches()))

    assert (await overview()).counts["queued"] == 1
