"""Every sort of Redis address, on real servers: the queue, the announcements and the workers work on each."""

import asyncio
import contextlib
import logging
import ssl
import subprocess
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from runlane.background import end_tasks
from runlane.errors import StartRefused
from runlane.launcher.redis_server import command, on_port
from runlane.model.snapshot import Deleted
from runlane.queue import keys
from runlane.queue.change_feed import Feed, RedisEvents
from runlane.queue.client import JobQueue
from runlane.queue.redis_client import (
    REDIS_TROUBLE,
    check_or_wait_for,
    check_server,
    place,
    sentinel_address,
    sync_redis,
)
from runlane.queue.worker_registry import WorkerRegistry
from testbed.ports import free_port
from testbed.redis_server import RedisServer
from testbed.waiting import until
from tests.support.jobs import queued, worker

StartServer = Callable[..., RedisServer]


@pytest.fixture
def start_server(tmp_path) -> Iterator[StartServer]:
    started: list[RedisServer] = []

    def start(*options: str, password: str = "") -> RedisServer:
        folder = tmp_path / f"redis-{len(started)}"
        folder.mkdir()
        server = RedisServer(folder, *options, password=password)
        started.append(server)
        server.start()
        return server

    yield start
    for server in started:
        server.stop()


async def all_works(url: str) -> None:
    """A job is enqueued, a worker beats, an announcement is received."""
    queue, events, registry = JobQueue(url), RedisEvents(url), WorkerRegistry(url)
    job = queued()
    received: list[object] = []

    async def listen() -> None:
        async for item in events.listen():
            received.append(item)

    async def what_was_received() -> list[object]:
        return received

    listening = asyncio.create_task(listen())
    await until(what_was_received)

    await queue.enqueue([job])
    await events.publish([Deleted(deleted=(job.id,))])
    await registry.beat(worker("a"))

    assert await until(what_was_received, lambda items: len(items) == 2) == [Feed.UP, Deleted(deleted=(job.id,))]
    assert await queue.missing([job]) == set()
    assert [w.id for w in await registry.all()] == ["a"]
    with sync_redis(url) as client:
        assert client.zcard(f"{keys.QUEUE}noop") == 1
    await end_tasks(listening)
    for part in (queue, events, registry):
        await part.close()


async def test_a_server_with_a_password(start_server):
    server = start_server(password="s3cret")

    assert check_server(server.url) is None
    await all_works(server.url)


async def test_a_unix_socket(start_server, tmp_path):
    start_server("--unixsocket", str(tmp_path / "redis.sock"))

    await all_works(f"unix://{tmp_path}/redis.sock?db=3")


@asynccontextmanager
async def tls_in_front_of(port: int, folder: Path) -> AsyncIterator[tuple[int, Path]]:
    """A port that speaks TLS and leads to ``port``, and the certificate to trust."""
    certificate, key = folder / "cert.pem", folder / "key.pem"
    request = ["-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", "-subj", "/CN=localhost"]
    named = ["-addext", "subjectAltName=DNS:localhost", "-keyout", str(key), "-out", str(certificate)]
    process = await asyncio.create_subprocess_exec("openssl", "req", *request, *named, stderr=subprocess.DEVNULL)
    assert await process.wait() == 0
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate, key)

    async def copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while chunk := await reader.read(65536):
                writer.write(chunk)
                await writer.drain()
        except OSError:
            pass
        finally:
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()

    serving: set[asyncio.Task[None] | None] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        serving.add(asyncio.current_task())
        upstream_reader, upstream_writer = await asyncio.open_connection("127.0.0.1", port)
        await asyncio.gather(copy(reader, upstream_writer), copy(upstream_reader, writer))

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context)
    yield server.sockets[0].getsockname()[1], certificate
    server.close()
    await asyncio.gather(*(task for task in serving if task))


async def test_tls(start_server, tmp_path):
    server = start_server()
    async with tls_in_front_of(server.port, tmp_path) as (port, certificate):
        queue = JobQueue(f"rediss://localhost:{port}/0?ssl_ca_certs={certificate}")
        job = queued()

        await queue.enqueue([job])

        assert await queue.missing([job]) == set()
        await queue.close()
        untrusting = JobQueue(f"rediss://localhost:{port}/0")
        with pytest.raises(REDIS_TROUBLE):
            await untrusting.ping()
        await untrusting.close()


@pytest.fixture
def sentinel(start_server, tmp_path) -> Iterator[tuple[str, RedisServer, RedisServer]]:
    """A Sentinel address, the master it leads to, and the replica that takes over."""
    login = ("--masterauth", "s3cret", "--shutdown-timeout", "0")
    master = start_server(*login, password="s3cret")
    replica = start_server(*login, "--replicaof", "127.0.0.1", str(master.port), password="s3cret")
    port = free_port()
    program = command(tmp_path, on_port(port))[0]
    settings = tmp_path / "sentinel.conf"
    settings.write_text(
        f"port {port}\nbind 127.0.0.1\ndir {tmp_path}\nrequirepass s3cret\n"
        f"sentinel monitor jobs 127.0.0.1 {master.port} 1\nsentinel auth-pass jobs s3cret\n"
        "sentinel down-after-milliseconds jobs 500\nsentinel failover-timeout jobs 3000\n"
    )
    process = subprocess.Popen([program, str(settings), "--sentinel"], stdout=subprocess.DEVNULL)
    yield f"redis+sentinel://:s3cret@127.0.0.1:{free_port()},127.0.0.1:{port}/jobs/0", master, replica
    process.terminate()
    process.wait(10)


async def knows_replica(url: str) -> bool:
    address = sentinel_address(url)
    assert address is not None
    host, port = address.sentinels[-1]
    try:
        with sync_redis(f"redis://:s3cret@{host}:{port}") as client:
            return len(client.execute_command("SENTINEL", "REPLICAS", "jobs")) == 1
    except REDIS_TROUBLE:
        return False


async def test_sentinels_lead_to_the_master(sentinel):
    url, _, _ = sentinel  # its first sentinel is gone
    await until(lambda: knows_replica(url))

    assert check_server(url) is None
    await all_works(url)


@pytest.mark.faults
async def test_after_a_failover_the_queue_works_on_the_new_master_and_listeners_receive_again(sentinel):
    url, master, replica = sentinel
    await until(lambda: knows_replica(url))
    queue, events = JobQueue(url), RedisEvents(url)
    before, after = queued(), queued()
    received: list[object] = []

    async def listen() -> None:
        async for item in events.listen():
            received.append(item)

    async def replicated() -> bool:
        with replica.client() as client:
            return client.zcard(f"{keys.QUEUE}noop") == 1

    async def enqueued() -> bool:
        try:
            await queue.enqueue([after])
        except REDIS_TROUBLE:
            return False
        return True

    async def received_again() -> bool:
        await events.publish([Deleted(deleted=(after.id,))])
        return Deleted(deleted=(after.id,)) in received

    listening = asyncio.create_task(listen())
    await queue.enqueue([before])
    await until(replicated)

    master.kill()

    await until(enqueued)
    assert await queue.missing([before, after]) == set()
    await until(received_again)
    await end_tasks(listening)
    for part in (queue, events):
        await part.close()


async def test_a_connection_to_what_became_a_replica_is_dropped_and_made_again(start_server):
    server = start_server()
    queue = JobQueue(server.url)
    await queue.enqueue([queued()])

    async def connections_made() -> int:
        with server.client() as client:
            return int(client.info("stats")["total_connections_received"])

    made_before = await connections_made()
    with server.client() as client:
        client.replicaof("127.0.0.1", free_port())
    with pytest.raises(REDIS_TROUBLE):
        await queue.forget_reminder("x")
    with server.client() as client:
        client.replicaof("NO", "ONE")
    await queue.enqueue([queued()])

    opened_by_this_test = 3
    assert await connections_made() >= made_before + opened_by_this_test + 1
    await queue.close()


def refusal(url: str) -> str:
    with pytest.raises(StartRefused) as refused:
        check_server(url)
    return refused.value.message


def test_a_cluster_is_refused_with_what_to_use_instead(start_server):
    server = start_server("--cluster-enabled", "yes", "--cluster-port", str(free_port()))

    assert "leads to a Redis Cluster" in refusal(server.url)


@pytest.mark.parametrize("login", ["", ":wrong@", "somebody:s3cret@"])
def test_a_wrong_password_is_refused_and_not_shown(start_server, login):
    server = start_server(password="s3cret")

    message = refusal(f"redis://{login}127.0.0.1:{server.port}/0")

    assert message == f"Redis at 127.0.0.1:{server.port} wants another password than REDIS_URL has."


def test_a_server_that_is_away_is_waited_for(caplog):
    with caplog.at_level(logging.WARNING):
        check_or_wait_for(f"redis://127.0.0.1:{free_port()}")

    assert "waiting for it" in caplog.text


def test_a_server_that_may_throw_jobs_out_is_warned_of(start_server, caplog):
    server = start_server("--maxmemory", "100mb", "--maxmemory-policy", "allkeys-lru")

    check_server(server.url)

    assert "maxmemory-policy allkeys-lru" in caplog.text


@pytest.mark.parametrize(
    "url",
    ["redis+sentinel://host:1/", "redis+sentinel:///jobs", "redis+sentinel://host/jobs", "redis+sentinel://h:1/j/x"],
)
def test_a_sentinel_address_that_leads_nowhere_is_refused(url):
    assert f"REDIS_URL is not a usable address: {url}. A Sentinel address names" in refusal(url)


def test_a_password_that_no_parser_reads_is_not_repeated():
    message = refusal("redis://:hun/ter2@host:6379/0")

    assert "redis://:***@host:6379/0. In a password, write / as %2F" in message
    assert "hun" not in message


def test_a_place_is_named_without_its_secrets():
    assert place("redis://:secret@host:7000/0") == "host:7000"
    assert place("redis+sentinel://:secret@a:1,b:2/jobs") == "jobs of a:1, b:2"
    assert place("unix:///run/redis.sock") == "/run/redis.sock"
