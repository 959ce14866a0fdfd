"""Looking after Redis and the database, and the whole chain, on real ones."""

import asyncio
import contextlib
import json
import sqlite3

import pytest

from runlane.errors import NotHere, Unavailable
from runlane.maintenance.redis import RedisInfo, troubles
from runlane.maintenance.service import Maintenance
from runlane.model.snapshot import Deleted
from testbed.waiting import until

pytestmark = pytest.mark.databases

INFO = RedisInfo(
    version="Redis 7",
    uptime_s=1,
    memory_bytes=10,
    memory_peak_bytes=10,
    memory_limit_bytes=0,
    eviction_policy="noeviction",
    clients=1,
    blocked_clients=0,
    commands_a_second=0,
    append_only=True,
    last_save_ok=True,
    last_append_ok=True,
    role="master",
    ping_ms=1.0,
    round_trip_ms=1.0,
    clock_ahead_s=0.0,
    slow=[],
    troubles=[],
)


async def test_redis_tells_how_it_is(api, active):
    info = (await api.get("/api/redis")).json()

    assert info["memory_bytes"] > 100_000
    assert 0 < info["round_trip_ms"] < 2000
    assert info["role"] == "master"
    await active.queue.redis.config_set("slowlog-log-slower-than", 0)
    await active.queue.redis.set("secret-key", "secret-value")
    await active.queue.redis.config_set("slowlog-log-slower-than", 10_000)
    slow = (await api.get("/api/redis")).json()["slow"]
    assert {"SET"} <= {entry["command"].upper() for entry in slow}
    assert "secret" not in json.dumps(slow)


@pytest.mark.parametrize(
    ("what", "said"),
    [
        ({}, None),
        ({"eviction_policy": "allkeys-lru"}, None),
        ({"eviction_policy": "allkeys-lru", "memory_limit_bytes": 100}, "Redis may throw waiting jobs away"),
        ({"memory_limit_bytes": 11}, "Redis has used more than nine tenths"),
        ({"last_append_ok": False}, "Redis could not write to its disk"),
        ({"append_only": False}, "Redis keeps no append-only file"),
        ({"role": "slave"}, "This Redis is a slave, which takes no writes"),
        ({"round_trip_ms": None}, "A published message did not arrive"),
        ({"clock_ahead_s": -30.0}, "The clock of Redis is 30.0 s off"),
    ],
)
def test_what_is_wrong_with_redis_is_said(what, said):
    found = troubles(RedisInfo(**{**vars(INFO), **what}))

    assert [text[: len(said)] for text in found] == [said] if said else found == []


async def test_every_question_of_the_pages_is_answered_from_an_index(api, client, database_kind):
    await client.submit("noop")

    info = (await api.get("/api/database")).json()

    assert (info["system"].lower(), info["bytes"] > 0) == (database_kind, True)
    assert all(use["index"] for use in info["indexes"]), info["indexes"]


async def test_the_database_is_checked_tidied_and_copied_while_jobs_come(api, client, tmp_path, database_path):
    jobs = {await client.submit("noop") for _ in range(20)}

    checked = (await api.post("/api/database/check")).json()
    backup = await api.get("/api/database/backup")
    more = await client.submit("noop")
    tidied = await api.post("/api/database/vacuum", json={"confirm": "vacuum"})

    assert checked["faults"] == []
    assert "attachment" in backup.headers["content-disposition"]
    assert int(backup.headers["content-length"]) == len(backup.content)
    copy = tmp_path / "copy.db"
    copy.write_bytes(backup.content)
    with sqlite3.connect(copy) as db:
        assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        assert db.execute("SELECT count(*) FROM job").fetchone() == (len(jobs),)
    assert tidied.status_code == 200
    assert (await client.job(more))["status"] == "queued"
    assert list(tmp_path.glob("backup-*")) == []
    said = [item["action"] for item in (await api.get("/api/audit")).json()["items"]]
    assert said == ["vacuum", "check"]


async def test_a_backup_is_written_once_for_all_who_ask_meanwhile(active, database_path, monkeypatch):
    first, second = await asyncio.gather(active.maintenance.backup(), active.maintenance.backup())
    parts = [chunk async for chunk in second.read()]

    assert first is second
    assert sum(map(len, parts)) == second.size_bytes
    monkeypatch.setattr("runlane.maintenance.service.SHARED_FOR_S", 0.0)
    with pytest.raises(Unavailable, match="is still being downloaded, and there is room for one"):
        await active.maintenance.backup()
    for reader in (first, second):
        reader.close()
    assert first._file.closed
    another = await active.maintenance.backup()
    assert another is not first
    another.close()


async def test_a_client_that_goes_away_leaves_no_backup_behind(api, active, database_path, monkeypatch):
    monkeypatch.setattr("runlane.maintenance.service.CHUNK_BYTES", 1000)
    made = []
    backup = active.maintenance.backup

    async def noted():
        made.append(await backup())
        return made[-1]

    monkeypatch.setattr(active.maintenance, "backup", noted)
    app = api._transport.app

    async def gone(message):
        if message["type"] == "http.response.body":
            raise OSError("the client is gone")

    scope = {"type": "http", "method": "GET", "path": "/api/database/backup", "query_string": b"", "headers": []}
    scope |= {"headers": [(b"host", b"localhost")], "asgi": {"spec_version": "2.4"}, "client": ("127.0.0.1", 1)}
    with contextlib.suppress(Exception):
        await app(scope, None, gone)

    assert [copy._file.closed for copy in made] == [True]


async def test_a_backup_that_cannot_be_made_is_refused_in_words(api, active, database_path, monkeypatch):
    monkeypatch.setattr(active.maintenance, "_folder", database_path)  # a file: nothing fits in there

    refused = await api.get("/api/database/backup")

    assert refused.status_code == 503
    assert refused.json()["detail"].startswith(f"No copy could be made in {database_path}: ")


async def test_a_broken_database_says_what_is_broken(active, config):
    path = config.data_dir / "broken.db"
    with sqlite3.connect(path) as db:
        db.execute("CREATE TABLE t (x TEXT)")
        db.executemany("INSERT INTO t VALUES (?)", [("word " * 50,)] * 500)
        db.execute("CREATE INDEX i ON t (x)")
    db.close()
    torn = bytearray(path.read_bytes())
    torn[8192:8292] = b"\xff" * 100
    path.write_bytes(torn)
    broken = Maintenance(active.database, active.audit, f"sqlite:///{path}", config.data_dir)

    assert (await broken.check()).faults != []
    for rewrite in (broken.backup, broken.vacuum):
        with pytest.raises(Unavailable, match="The database is damaged: "):
            await rewrite()
    assert list(config.data_dir.glob("backup-*")) == []


async def test_nothing_is_vacuumed_unasked(api):
    assert (await api.post("/api/database/vacuum", json={})).status_code == 422
    assert (await api.post("/api/database/vacuum", json={"confirm": "yes"})).status_code == 422


async def test_a_database_server_has_tools_of_its_own(active, config):
    with pytest.raises(NotHere, match="pg_dump"):
        await Maintenance(active.database, active.audit, "postgresql://db/runlane", config.data_dir).check()


async def test_a_canary_goes_through_the_whole_chain_and_leaves_nothing(api, start_worker):
    await start_worker()

    passed = (await api.post("/api/diagnostics/canary")).json()

    assert passed["passed"], passed
    assert passed["said"].startswith("All parts work")
    assert all(hop["ms"] is not None for hop in passed["hops"])
    assert (await api.get("/api/jobs")).json()["items"] == []


async def test_a_canary_whose_end_is_announced_before_its_beginning_has_gone_through(
    api, active, start_worker, monkeypatch
):
    """The worker announces the end; this process was too busy to announce first what it had submitted."""
    await start_worker()
    publish = active.hub._events.publish

    async def publish_late(changes):
        await publish([change for change in changes if isinstance(change, Deleted)])

    monkeypatch.setattr(active.hub._events, "publish", publish_late)

    passed = (await api.post("/api/diagnostics/canary")).json()

    assert passed["passed"], passed


async def test_a_canary_tells_where_the_chain_is_broken(api, active, monkeypatch):
    monkeypatch.setattr("jobs_app.admin.system.diagnostics.SELF_TEST_WITHIN_S", 0.5)

    stopped = (await api.post("/api/diagnostics/canary")).json()

    assert (stopped["passed"], stopped["said"]) == (
        False,
        "It stopped before it was claimed by a worker. No worker took it. Look at the workers, and at what else waits.",
    )
    assert (await api.get("/api/jobs")).json()["items"] == []
    await api.patch("/api/queue", json={"paused": True})
    paused = await api.post("/api/diagnostics/canary")
    assert (paused.status_code, "The queue is paused" in paused.json()["detail"]) == (409, True)
    await api.patch("/api/queue", json={"paused": False})
    await api.patch("/api/kinds/noop", json={"paused": True})
    paused = await api.post("/api/diagnostics/canary")
    assert (paused.status_code, "The kind noop" in paused.json()["detail"]) == (409, True)


async def test_diagnostics_hold_no_secret_and_nothing_of_any_job(api, client, start_worker, database_kind):
    await start_worker()
    await client.submit("report", params={"title": "private matter", "source": {"api_key": "secret-key"}})

    async def read():
        return (await api.get("/api/diagnostics")).json()

    found = await until(read, lambda told: bool(told["workers"]))

    text = json.dumps(found)
    assert "secret-key" not in text
    assert "private matter" not in text
    assert found["database"]["system"].lower() == database_kind
    assert found["redis"]["role"] == "master"
    assert found["settings"]["RUNLANE_CONCURRENCY"] == 5
    assert found["packages"]["reflex"]
