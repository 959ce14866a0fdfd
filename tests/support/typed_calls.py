"""Calls that type checkers accept, and calls that they refuse: those in lines that are marked as wrong.

Read by ``tests/unit/test_types.py``, which has mypy and pyright check it; never imported.
"""

import asyncio
from collections.abc import AsyncIterator, Iterator
from datetime import timedelta
from typing import Annotated, assert_type
from uuid import UUID

from pydantic import BaseModel, Field

from runlane import Client, Context, GiveUp, JobFailed, Resource, Run, SyncClient, SyncContext, SyncRun, job


class Found(BaseModel):
    total: int


class Browser:
    async def read(self, url: str, page: int) -> int:
        return len(url) + page


class Order(BaseModel):
    number: int
    items: list[str] = []


@Resource
async def chromium() -> AsyncIterator[Browser]:
    yield Browser()


@Resource
def archive() -> Iterator[dict[str, bytes]]:
    yield {}


@job(timeout=300, max_attempts=3, retry_on=(TimeoutError,), max_running=2, tags=("browser",))
async def crawl(ctx: Context, url: str, pages: int = 2, browser: Browser = chromium) -> Found:
    """Crawls a shop."""
    total = 0
    async for page in ctx.steps(range(1, pages + 1), "Page {}"):
        total += await browser.read(url, page)
        await ctx.save(total=total)
    if not total:
        raise GiveUp("nothing there")
    return Found(total=total)


@job
async def add(a: int, b: Annotated[int, Field(ge=0)] = 0) -> int:
    return a + b


@job
def resize(path: str, width: int) -> tuple[int, int]:
    return width, len(path)


@job(timeout=timedelta(minutes=5), rate="30/min", summary="{path}")
def pack(ctx: SyncContext, path: str, store: dict[str, bytes] = archive) -> None:
    ctx.progress(1, 2)
    for part in ctx.steps(["a", "b"]):
        ctx.log(part)


@job
async def ship(order: Order) -> UUID: ...  # type: ignore[empty-body] # pyright: ignore[reportReturnType]


async def called_directly(ctx: Context) -> None:
    assert_type(await crawl(ctx, "https://a", pages=1), Found)
    assert_type(await add(1), int)
    assert_type(resize("a", 1), tuple[int, int])
    await crawl(ctx)  # wrong
    await crawl("https://a")  # wrong
    await add("1")  # wrong
    resize("a", "1")  # wrong


async def submitted(client: Client) -> None:
    run = await client.submit(crawl, url="https://a", pages=3)
    assert_type(run, Run[Found])
    assert_type(await run.result(timeout=60), Found)
    async for event in run:
        assert_type(event.progress, float)
        assert_type(event.message, str)
    assert_type(await (await client.submit(add, 1, b=2)).result(), int)
    assert_type(await (await client.submit(resize, path="a", width=2)).result(), tuple[int, int])
    assert_type(await (await client.submit(pack, "a")).result(), None)
    assert_type(await client.submit(ship, Order(number=1)), Run[UUID])
    urgent = client.with_options(priority=5, delay_s=1.5, max_attempts=1, idempotency_key="a")
    assert_type(urgent, Client)
    await urgent.submit(add, a=1)
    await client.submit("add", a=1, anything="goes")
    await asyncio.gather(*(client.submit(add, n) for n in range(3)))

    await client.submit(crawl)  # wrong
    await client.submit(crawl, url="https://a", page=3)  # wrong
    await client.submit(crawl, url="https://a", pages="3")  # wrong
    await client.submit(crawl, "https://a", 1, Browser(), 2)  # wrong
    await client.submit(add, 1, 2, 3)  # wrong
    await client.submit(add)  # wrong
    await client.submit(resize, path=1, width=2)  # wrong
    await client.submit(ship, number=1)  # wrong
    await client.submit("add", 1)  # wrong
    await client.submit(crawl.fn, url="https://a")  # wrong
    client.with_options(urgency=5)  # wrong
    text: str = await run.result()  # wrong
    await run.result("60")  # wrong
    print(text)


async def submitted_many(client: Client) -> None:
    runs = await client.submit_many(add, [{"a": 1}, {"a": 2, "b": 3}])
    assert_type(runs, list[Run[int]])
    await client.submit_many(ship, [Order(number=1)])
    await client.submit_many("add", [{"a": 1}])
    await client.submit_many(add, [1, 2])  # wrong
    await client.submit_many(add)  # wrong


async def attached(client: Client, job_id: UUID) -> None:
    assert_type(await client.run(job_id, crawl).result(), Found)
    client.run(str(job_id))
    client.run(5)  # wrong
    async for each in client.list(status=["failed"], kind="crawl", limit=5):
        assert_type(each.kind, str)
    await client.list()  # wrong
    (await client.get(job_id)).nothing  # wrong  # noqa: B018
    try:
        await client.run(job_id).result()
    except JobFailed as failure:
        assert_type(failure.traceback, str)


def without_async(client: SyncClient) -> None:
    run = client.submit(crawl, url="https://a")
    assert_type(run, SyncRun[Found])
    assert_type(run.result(timeout=5).total, int)
    for event in run:
        assert_type(event.version, int)
    assert_type(client.with_options(priority=1).submit(add, 1), SyncRun[int])
    assert_type(client.submit_many(add, [{"a": 1}]), list[SyncRun[int]])
    assert_type(client.run("a", resize).result(), tuple[int, int])
    assert_type(client.get(run.id).kind, str)
    assert_type([each.kind for each in client.list(limit=3)], list[str])
    assert_type(client.queue().paused, bool)
    assert_type(client.artifact(run.id, "a.txt"), bytes)
    client.submit(crawl)  # wrong
    client.submit(add, a="1")  # wrong
    client.get()  # wrong
    client.get(run.id, 2)  # wrong
    client.list(limit="3")  # wrong
    client.artifact(run.id)  # wrong
    text: str = client.submit(add, 1).result()  # wrong
    print(text)
