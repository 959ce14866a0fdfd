"""A browser tab without a browser: its root state, on a service of twins, and the ways to move in it."""

import dataclasses
import json
from collections.abc import Callable
from urllib.parse import parse_qsl
from uuid import UUID

import pytest
import reflex as rx
from reflex.istate.data import RouterData

import jobs_app.app  # noqa: F401 - registers the pages, which gives states the parts of their address
from jobs_app import routes, runtime
from jobs_app.composition import build
from jobs_app.dashboard.state import JobList

NOBODY = str(UUID(int=1))


@pytest.fixture
async def tab(world):
    """The root state of a browser tab, on a runtime of twins."""
    built = build(
        world.config,
        world.services,
        world.service.kinds,
        database=world.database,
        queue=world.queue,
        events=world.events,
        registry=world.registry,
    )
    runtime.use(dataclasses.replace(built, operations=world.operations))
    yield rx.State(_reflex_internal_init=True)
    runtime.use(None)


@pytest.fixture
def visit(tab) -> Callable[..., None]:
    """Opens an address in the tab."""

    def go(route: str, path: str, **query: str) -> None:
        headers = {"origin": "http://localhost:8000"}
        tab.router = RouterData.from_router_data(
            {"pathname": route, "asPath": path, "query": query, "headers": headers}
        )

    return go


@pytest.fixture
def follow(visit):
    """Goes where a page of the dashboard leads to, and reads the list there; the address."""

    async def go(job_list: JobList, leads: rx.event.EventSpec) -> str:
        [path] = [json.loads(str(value)) for name, value in leads.args if str(name) == "path"]
        _, _, query = path.partition("?")
        visit(routes.DASHBOARD, path, **dict(parse_qsl(query)))
        await job_list.load()
        return path

    return go
