"""The tests of a job as its author writes them: the guide's example, whole."""

import asyncio
import logging
from collections.abc import AsyncIterator

from runlane import Context, Resource, job
from runlane.testing import run_job


class Shop:
    """Where a client of a real shop would be; a test that reaches it has forgotten its fake."""

    async def price(self, product: str) -> float:
        raise ConnectionError(f"A test asked the real shop for the price of {product}.")


@Resource
async def shop() -> AsyncIterator[Shop]:
    yield Shop()


@job(name="example_prices", max_attempts=3, backoff=[60, 600], retry_on=TimeoutError)
async def prices(ctx: Context, products: list[str], shop: Shop = shop) -> float:
    """Adds up what products cost."""
    async for product in ctx.steps(products, "Price of {}"):
        await ctx.save(total=ctx.saved("total", 0.0) + await shop.price(product))
        await asyncio.sleep(60)  # the shop allows one request a minute
    logging.getLogger(__name__).info("Read %d prices", len(products))
    return ctx.saved("total")  # type: ignore[no-any-return]


class FakeShop(Shop):
    def __init__(self, *answers: float | Exception) -> None:
        self._answers = list(answers)

    async def price(self, product: str) -> float:
        answer = self._answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer


async def test_it_adds_up_prices():
    outcome = await run_job(prices, products=["tea", "cup"], resources={shop: FakeShop(4.5, 9.0)})

    assert outcome.result == 13.5
    assert outcome.steps == ["Price of tea", "Price of cup"]
    assert [line.text for line in outcome.logs] == ["Read 2 prices"]


async def test_it_goes_on_after_a_timeout():
    outcome = await run_job(prices, products=["tea", "cup"], resources={shop: FakeShop(4.5, TimeoutError(), 9.0)})

    assert outcome.result == 13.5
    assert (outcome.attempts, outcome.pauses_s) == (2, [60])


async def test_a_cancelled_job_keeps_what_it_has():
    fakes = {shop: FakeShop(4.5, 9.0)}

    cancelled = await run_job(prices, products=["tea", "cup"], resources=fakes, cancel_at="Price of cup")
    again = await run_job(prices, products=["tea", "cup"], resources=fakes, saved=cancelled.saved)

    assert (cancelled.status, cancelled.saved.values) == ("cancelled", {"total": 4.5})
    assert again.result == 13.5
