"""The registry of kinds in SQL: what workers bring is there, whole, however many start at once."""

import asyncio
import time
from dataclasses import replace
from datetime import timedelta

import pytest

from runlane.audit import acting_as
from runlane.clock import utc_now
from runlane.db.database import Database
from runlane.define.params import Params
from runlane.errors import KindInUse, KindNotFound
from runlane.kinds.store import KindStore
from runlane.model.limits import KindLimit, Rate
from tests.support.kinds import bundled, kind_of

pytestmark = pytest.mark.databases


class Wide(Params):
    zebra: int
    ant: float = 2**60 + 0.5
    big: int = 12345678901234567890123


@pytest.fixture
def kinds_store(database) -> KindStore:
    return KindStore(database)


async def test_a_kind_comes_back_as_it_was_brought(kinds_store):
    kind = kind_of(Wide, rate=Rate(3, 60.0), max_running=2, tags=("gpu", "big"), summary="{zebra}", timeout_s=2.5)

    assert await kinds_store.register([kind], "worker-1") == {}

    [found] = await kinds_store.all()
    assert found.kind == kind
    assert list(found.kind.params_schema["properties"]) == ["zebra", "ant", "big"], "in the order of the form"
    assert (found.standing.digest, found.standing.brought_by, found.standing.schema_version) == (
        kind.digest,
        "worker-1",
        1,
    )
    assert await kinds_store.limits() == {"made": KindLimit(2, Rate(3, 60.0))}
    assert await kinds_store.standings() == {"made": found.standing}


async def test_the_version_that_was_registered_later_counts_and_changes_of_the_schema_are_counted(kinds_store):
    first = kind_of(name="made")
    await kinds_store.register([first], "worker-1")
    [before] = await kinds_store.all()

    await kinds_store.register([replace(first, title="Renamed")], "worker-2")
    await kinds_store.register([kind_of(Wide, "made")], "worker-3")
    await kinds_store.register([kind_of(Wide, "made")], "worker-4")

    [now] = await kinds_store.all()
    assert now.kind == kind_of(Wide, "made")
    assert (now.standing.schema_version, now.standing.brought_by) == (2, "worker-4")
    assert now.standing.registered_at == before.standing.registered_at
    assert now.standing.last_brought_at > before.standing.last_brought_at


async def test_many_workers_that_start_at_once_register_all_that_each_of_them_brings(kinds_store, database_url):
    others = [Database(database_url) for _ in range(4)]
    stores = [kinds_store, *map(KindStore, others)]
    shared = [kind_of(name=f"shared_{n}") for n in range(20)]

    try:
        await asyncio.gather(
            *(stores[n % 5].register([*shared[n:], *shared[:n], kind_of(name=f"own_{n}")], f"w-{n}") for n in range(15))
        )
    finally:
        for other in others:
            await other.close()

    standings = await kinds_store.standings()
    assert standings.keys() == {*(f"shared_{n}" for n in range(20)), *(f"own_{n}" for n in range(15))}
    assert {standing.schema_version for standing in standings.values()} == {1}


async def test_a_kind_that_is_refused_keeps_no_other_from_registering(kinds_store):
    huge = kind_of(name="huge", description="x" * 5_000_000)
    foreign = kind_of(name="foreign", params_schema={"properties": {"a": {"$ref": "http://127.0.0.1:1/a"}}})

    refused = await kinds_store.register([huge, *bundled(), foreign], "worker-1")

    assert refused.keys() == {"huge", "foreign"}
    assert "The kind 'huge' takes 50" in refused["huge"]
    assert (await kinds_store.standings()).keys() == {kind.name for kind in bundled()}


async def test_a_row_that_cannot_be_read_keeps_no_other_from_being_read(kinds_store, plain_sql, caplog):
    await kinds_store.register([kind_of(name="good"), kind_of(name="odd")], "worker-1")
    plain_sql("UPDATE kind SET definition = '{\"name\"\\: 5}' WHERE name = 'odd'")

    assert [found.kind.name for found in await kinds_store.all()] == ["good"]
    assert "The kind 'odd' is left out" in caplog.text


async def test_a_kind_that_workers_still_bring_is_not_removed(kinds_store, plain_sql):
    await kinds_store.register([kind_of(name="made"), kind_of(name="other")], "worker-1")
    long_ago = utc_now() - timedelta(days=31)
    plain_sql("UPDATE kind SET last_brought_at = :at", at=f"{long_ago:%Y-%m-%d %H:%M:%S.%f}")
    await kinds_store.brought(["made"], "worker-2")

    with pytest.raises(KindInUse, match=r"'made' was last brought by the worker worker-2 on 2.* for 30 days"):
        await kinds_store.remove("made")
    assert (await kinds_store.standings()).keys() == {"made", "other"}


async def test_a_kind_that_nobody_has_brought_for_long_is_removed_and_the_audit_says_who_did_it(
    kinds_store, plain_sql, audit
):
    await kinds_store.register([kind_of(name="made"), kind_of(name="other")], "worker-1")
    long_ago = utc_now() - timedelta(days=30, minutes=1)
    plain_sql("UPDATE kind SET last_brought_at = :at", at=f"{long_ago:%Y-%m-%d %H:%M:%S.%f}")

    with acting_as("Zoë"):
        await kinds_store.remove("made")

    assert (await kinds_store.standings()).keys() == {"other"}
    [action] = await audit.page()
    assert (action.who, action.action, action.target, action.name) == ("Zoë", "remove", "kind", "made")
    with pytest.raises(KindNotFound):
        await kinds_store.remove("made")


async def test_two_thousand_kinds_are_registered_and_read_in_no_time(kinds_store):
    many = [kind_of(Wide, f"kind_{n}") for n in range(2000)]
    began = time.process_time()

    assert await kinds_store.register(many, "worker-1") == {}
    assert await kinds_store.register(many, "worker-2") == {}

    assert len(await kinds_store.all()) == len(await kinds_store.find([kind.name for kind in many])) == 2000
    assert time.process_time() - began < 10
