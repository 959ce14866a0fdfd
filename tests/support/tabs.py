"""A browser tab without a browser: its root state, on a service of twins, and the ways to move in it."""

import json
from collections.abc import Callable
from urllib.parse import parse_qsl
from uuid import UUID

import pytest
import reflex as rx
from reflex.istate.data import RouterData

import jobs_app.app  # noqa: F401 - registers the pages, which gives states the parts of their address
from jobs_app import routes, runtime
from jobs_app.dashboard.state import BoardState
from jobs_app.live.event_log import EventLog
from jobs_app.live.hub import Hub
from jobs_app.runtime import Runtime
from jobs_app.server.watch import Watch
from runlane.alerts.service import Alerts
from runlane.alerts.store import AlertStore
from runlane.maintenance.redis import RedisMaintenance
from runlane.maintenance.service import Maintenance

NOBODY = str(UUID(int=1))


@pytest.fixture
async def tab(world):
    """The root state of a browser tab, on a runtime of twins."""
    hub = Hub(world.events, world.store)
    alerts = Alerts(AlertStore(world.database), world.service.kinds)
    event_log = EventLog(hub, world.registry, world.store)
    runtime.use(
        Runtime(
            world.service,
            world.schedules,
            hub,
            world.registry,
            world.queue,
            world.config,
            event_log,
            world.operations,
            RedisMaintenance(world.config.resolved_redis_url),
            Maintenance(world.database, world.config.resolved_database_url, world.config.data_dir),
            alerts,
            Watch(alerts, world.service, world.registry, event_log),
        )
    )
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

    async def go(board: BoardState, leads: rx.event.EventSpec) -> str:
        [path] = [json.loads(str(value)) for name, value in leads.args if str(name) == "path"]
        _, _, query = path.partition("?")
        visit(routes.DASHBOARD, path, **dict(parse_qsl(query)))
        await board.load()
        return path

    return go
