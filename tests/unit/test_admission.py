"""One client address cannot take the server away from the others."""

import asyncio

import httpx
from starlette.responses import PlainTextResponse

from jobs_app.server.admission import Admission
from testbed.waiting import until


async def test_what_an_address_asks_beyond_its_limit_is_refused_until_something_ends():
    go_on, begun = asyncio.Event(), []

    async def slow(scope, receive, send):
        begun.append(scope["client"][0])
        await go_on.wait()
        await PlainTextResponse("Here.")(scope, receive, send)

    app = Admission(2).wrap(slow)

    async def ask(address: str) -> httpx.Response:
        transport = httpx.ASGITransport(app, client=(address, 1))
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
            return await client.get("/")

    async def number_begun() -> int:
        return len(begun)

    first = [asyncio.create_task(ask("10.0.0.1")) for _ in range(2)]
    await until(number_begun, lambda number: number == 2)
    refused = await ask("10.0.0.1")
    other = asyncio.create_task(ask("10.0.0.2"))
    await until(number_begun, lambda number: number == 3)
    go_on.set()

    assert (refused.status_code, refused.headers["retry-after"]) == (429, "1")
    assert refused.json()["detail"].startswith("10.0.0.1 has 2 requests, streams and pages open here.")
    assert [reply.status_code for reply in await asyncio.gather(*first, other, ask("10.0.0.1"))] == [200] * 4
