"""The queue's figures beside plain arq 0.28.0, in the same run, one after the other, on the same Redis.

The whole durable path: a real worker process, a SQLite file, Redis with an append-only file; rows, timelines and
announcements included. Prints a table of medians and writes ``bench/results/<time>.json``.

    python -m bench.engine --rounds 3
    python -m bench.engine --rounds 1 --only drain,pick_up
"""

import argparse
import asyncio
import contextlib
import json
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import uvloop
from arq.jobs import SerializationError

from bench import report
from bench.plain_arq import AS_IT_COMES, CANCELLED, STARTED, TUNED, PlainArq, Setting, empty
from bench.report import ARQ, HALF, OURS, Figures
from bench.report import TUNED as ARQ_TUNED
from bench.stack import ROOT, Ours, Process, Stage
from runlane.core.service import MAX_IN_BATCH
from runlane.model.limits import Limits
from runlane.queue.client import JobQueue
from testbed.waiting import until

ARQS: tuple[tuple[str, Setting], ...] = ((ARQ, AS_IT_COMES), (ARQ_TUNED, TUNED))
SINGLE, BATCH, DRAIN = 500, 5_000, 10_000
# Jobs for plain arq at its defaults, which gets 200 done a second however many wait.
SLOW_DRAIN = 2_000
NAPS, NAP_S = 100, 0.2
IDLE_S = 15.0
WINDOW_S = 8.0
BACKLOGS = (1_000, 100_000, 1_000_000)
LEASE_S = 10.0


class Engine:
    """One run's measurements; each method is one line or a few of the table."""

    def __init__(self, stage: Stage, figures: Figures) -> None:
        self._stage = stage
        self._figures = figures

    async def enqueue(self) -> None:
        """How many jobs a second can be handed over: one by one, and in bulk."""
        async with self._stage.ours() as ours:
            self._note("enqueue single, jobs/s", OURS, SINGLE / await _timed(_each(ours, SINGLE)))
            self._note("enqueue batch, jobs/s", OURS, BATCH / await _timed(ours.submit_many("noop", BATCH)))
        async with self._stage.ours() as ours, ours.app() as client:
            body = {"jobs": [{"kind": "noop"}] * MAX_IN_BATCH}

            async def post() -> None:
                for _ in range(BATCH // MAX_IN_BATCH):
                    (await client.post("/api/jobs/batch", json=body)).raise_for_status()

            await client.post("/api/jobs/batch", json=body)
            self._note("enqueue batch over REST, jobs/s", OURS, BATCH / await _timed(post()))
        for name, setting in ARQS[:1]:
            async with empty(self._stage, setting) as arq:
                single = SINGLE / await _timed(arq.enqueue_many(SINGLE, 1, "noop"))
                batch = BATCH / await _timed(arq.enqueue_many(BATCH, 100, "noop"))
                self._note("enqueue single, jobs/s", name, single)
                self._note("enqueue batch, jobs/s", name, batch, "arq has no call for many: 100 calls in flight")
                self._note("enqueue batch over REST, jobs/s", name, batch, "beside arq's own call, without REST")

    async def drain(self) -> None:
        """How many no-ops a second one worker gets done."""
        for slots in (5, 100):
            figure = f"drain of no-ops, {slots} at once, jobs/s"
            async with self._stage.ours() as ours:
                await ours.submit_many("noop", DRAIN)
                async with ours.worker(slots, ready=False):
                    await ours.all_ended()
                ends = ours.rows.times("finished_at", "completed")
                self._note(figure, OURS, len(ends) / (max(ends) - min(ours.rows.times("started_at", "completed"))))
            self._note(figure, HALF, await self._redis_half(slots))
            for name, setting in ARQS:
                count = SLOW_DRAIN if name == ARQ else DRAIN
                async with empty(self._stage, setting) as arq:
                    await arq.fill(count)
                    worker = await arq.start_worker(slots)
                    await arq.drained()
                    await worker.stop()
                    times = arq.times()
                    self._note(figure, name, report.drain_rate(times.starts, times.ends))

    async def _redis_half(self, slots: int) -> float:
        async with self._stage.ours() as ours:
            await ours.submit_many("noop", DRAIN)
            queue = JobQueue(self._stage.redis.url)

            async def limits() -> Limits:
                return Limits(concurrency=slots)

            await queue.set_limits(limits, generation=0)
            await queue.close()
            rate = self._stage.folder / "rate"
            environ = {"REDIS_URL": self._stage.redis.url, "BENCH_RATE": str(rate)}
            environ |= {"BENCH_SLOTS": str(slots), "BENCH_COUNT": str(DRAIN)}
            half = Process("bench.redis_half", ROOT, environ, self._stage.folder / "half.log")
            await asyncio.to_thread(half.process.wait, 120)
            return float(json.loads(rate.read_text()))

    async def steps(self) -> None:
        """How many jobs a second that each report five steps, stored and announced."""
        for slots, count in ((5, 2_000), (100, 4_000)):
            figure = f"5 steps a job, {slots} at once, jobs/s"
            async with self._stage.ours() as ours:
                await ours.submit_many("bench_steps", count)
                async with ours.worker(slots, ready=False):
                    await ours.all_ended()
                ends = ours.rows.times("finished_at", "completed")
                self._note(figure, OURS, len(ends) / (max(ends) - min(ours.rows.times("started_at", "completed"))))
            for name, setting in ARQS:
                async with empty(self._stage, setting) as arq:
                    await arq.enqueue_many(1_000 if name == ARQ else count, 20, "steps", 5)
                    worker = await arq.start_worker(slots)
                    await arq.drained()
                    await worker.stop()
                    times = arq.times()
                    self._note(
                        figure,
                        name,
                        report.drain_rate(times.starts, times.ends),
                        "arq: a Redis hash and a PUBLISH each",
                    )

    async def naps(self) -> None:
        """How busy 0.2 s jobs keep five slots."""
        figure = "0.2 s jobs keep 5 slots busy, %"
        async with self._stage.ours() as ours:
            await ours.submit_many("slow", NAPS, {"seconds": NAP_S})
            async with ours.worker(5, ready=False):
                await ours.all_ended()
            took_s = max(ours.rows.times("finished_at", "completed")) - min(ours.rows.times("started_at", "completed"))
            self._note(figure, OURS, 100 * NAPS * NAP_S / (5 * took_s))
        for name, setting in ARQS:
            async with empty(self._stage, setting) as arq:
                await arq.enqueue_many(NAPS, 1, "nap", NAP_S)
                worker = await arq.start_worker(5)
                await arq.drained()
                await worker.stop()
                times = arq.times()
                self._note(figure, name, 100 * NAPS * NAP_S / (5 * (max(times.ends) - min(times.starts))))

    async def pick_up(self) -> None:
        """From the call that submits to the first line of the handler, on an idle worker."""
        figure = "pick-up on an idle worker"
        async with self._stage.ours() as ours, ours.worker(5):
            delays = []
            for _ in range(300):
                called_at = time.time()
                job = await ours.submit("bench_begin")
                done = await until(lambda job=job: ours.services.store.get(job.id), _has_result, every_s=0.005)
                delays.append(done.result - called_at)
            self._figures.delays(figure, OURS, delays, remark="from the call that submits to the handler's first line")
        for name, setting in ARQS:
            async with empty(self._stage, setting) as arq:
                called = []
                async with arq.worker(5):
                    for _ in range(30 if name == ARQ else 100):
                        called.append(time.time())
                        job = await arq.enqueue("noop")
                        await job.result(timeout=10, poll_delay=0.005)
                starts = arq.times().starts[-len(called) :]
                self._figures.delays(figure, name, [b - a for a, b in zip(called, starts, strict=True)])

    async def cancel(self) -> None:
        """From the call that cancels to the handler's ``CancelledError``; of a queued job, to the answer."""
        noted = self._stage.folder / "cancelled"
        async with self._stage.ours() as ours, ours.worker(5):
            noted.write_text("")
            called: dict[str, float] = {}
            for _ in range(100):
                job = await ours.submit("bench_wait", {"cancelled_path": str(noted)})
                await ours.running(1)
                await asyncio.sleep(0.01)
                called[str(job.id)] = time.time()
                await ours.service.cancel(job.id)
                await ours.all_ended()
            reached = dict(line.split() for line in noted.read_text().splitlines())
            delays = [float(reached[name]) - at for name, at in called.items()]
            self._figures.delays("cancel of a running job", OURS, delays, remark="to the handler's CancelledError")
            await ours.submit_many("bench_wait", 5)
            await ours.running(5)
            queued = [await ours.submit("noop") for _ in range(200)]
            took = [await _timed(ours.service.cancel(job.id)) for job in queued]
            self._figures.delays("cancel of a queued job", OURS, took, remark="to the answer; five jobs run")
        for name, setting in ARQS:
            async with empty(self._stage, setting) as arq, arq.worker(5, abortable=True):
                self._figures.delays("cancel of a running job", name, [await self._aborted(arq) for _ in range(15)])

    async def _aborted(self, arq: PlainArq) -> float:
        job = await arq.enqueue("wait", 60.0)
        await arq.redis.blpop(STARTED)
        called_at = time.time()
        aborting = asyncio.create_task(job.abort(timeout=10, poll_delay=0.01))
        _, reached_at = await arq.redis.blpop(CANCELLED)
        with contextlib.suppress(SerializationError):  # arq cannot write a CancelledError as JSON
            await aborting
        return float(reached_at) - called_at

    async def idle(self) -> None:
        """What a worker with nothing to do costs."""
        async with self._stage.ours() as ours, ours.worker(5) as worker:
            await self._idle(OURS, worker)
        for name, setting in ARQS:
            async with empty(self._stage, setting) as arq, arq.worker(5) as worker:
                await self._idle(name, worker)

    async def _idle(self, name: str, worker: Process) -> None:
        await asyncio.sleep(2)
        commands, cpu_s, began = self._stage.redis.commands(), worker.cpu_s(), time.monotonic()
        await asyncio.sleep(IDLE_S)
        took_s = time.monotonic() - began
        self._note("idle: commands/s", name, (self._stage.redis.commands() - commands - 1) / took_s)
        self._note("idle: CPU, % of a core", name, 100 * (worker.cpu_s() - cpu_s) / took_s)

    async def recovery(self) -> None:
        """From ``kill -9`` to the first line of the next attempt, on a worker that waits."""
        async with self._stage.ours() as ours, ours.worker(5) as first:
            job = await ours.submit("slow", {"seconds": 1.0})
            await ours.running(1)
            async with ours.worker(5):
                first.kill()
                killed_at = time.time()
                done = await until(lambda: ours.services.store.get(job.id), _has_result, within_s=60)
                remark = f"lease {LEASE_S:.0f} s; arq's default: 310 s, the longest job's time limit and 10 s"
                self._note("run again after kill -9, s", OURS, done.started_at.timestamp() - killed_at, remark)

    async def room(self) -> None:
        """What a job takes of Redis and of the database."""
        count = 20_000
        async with self._stage.ours() as ours:
            redis_before, file_before = self._stage.redis.used_bytes(), ours.rows.file_bytes()
            await ours.submit_many("noop", count)
            self._note("Redis bytes a queued job", OURS, (self._stage.redis.used_bytes() - redis_before) / count)
            self._note("SQL bytes a queued job", OURS, (ours.rows.file_bytes() - file_before) / count)
            async with ours.worker(100, ready=False):
                await ours.all_ended()
            self._note("Redis bytes an ended job", OURS, (self._stage.redis.used_bytes() - redis_before) / count)
            self._note("SQL bytes an ended job", OURS, (ours.rows.file_bytes() - file_before) / count)
        async with empty(self._stage, AS_IT_COMES) as arq:
            before = self._stage.redis.used_bytes()
            await arq.fill(count)
            self._note("Redis bytes a queued job", ARQ, (self._stage.redis.used_bytes() - before) / count)

    async def backlog(self) -> None:
        """Whether a long queue slows its worker down; ours goes on from one length to the next."""
        async with self._stage.ours() as ours:
            for length in BACKLOGS:
                await ours.submit_many("noop", length)
                async with ours.worker(5, ready=False):
                    await ours.began()
                    await asyncio.sleep(min(1.0, length / 10_000))
                    rate = await ours.rate_for(min(WINDOW_S, length / 5_000))
                    self._note(f"drain with {length:,} queued, 5 at once, jobs/s", OURS, rate)
                    if length < BACKLOGS[-1]:
                        await ours.all_ended()
        for name, setting in ARQS[1:]:
            for length in BACKLOGS:
                async with empty(self._stage, setting) as arq:
                    await arq.fill(length)
                    worker = await arq.start_worker(5)
                    rate = await arq.rate_for(min(WINDOW_S, length / 5_000))
                    self._note(f"drain with {length:,} queued, 5 at once, jobs/s", name, rate)
                    worker.kill()

    def _note(self, figure: str, system: str, value: float, remark: str = "") -> None:
        self._figures.note(figure, system, value, remark=remark)
        print(f"{figure:55} {system:10} {report.shown(value)}", flush=True)


async def _each(ours: Ours, count: int) -> None:
    for _ in range(count):
        await ours.submit("noop")


async def _timed(call: Awaitable[object]) -> float:
    began = time.perf_counter()
    await call
    return time.perf_counter() - began


def _has_result(job: object) -> bool:
    return getattr(job, "finished_at", None) is not None


EVERY_ROUND = ("enqueue", "drain", "steps", "naps", "pick_up", "cancel", "idle")
ONCE = ("recovery", "room", "backlog")


async def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--rounds", type=int, default=3)
    options.add_argument("--only", default=",".join((*EVERY_ROUND, *ONCE)), help="names of measurements")
    given = options.parse_args()
    chosen = given.only.split(",")
    figures = Figures()
    with tempfile.TemporaryDirectory() as folder:
        stage = Stage(Path(folder))
        stage.start()
        try:
            engine = Engine(stage, figures)
            about = report.machine() | {"redis": stage.redis.version()}
            print(about, flush=True)
            measurements: list[Callable[[], Awaitable[None]]] = [
                getattr(engine, name) for _ in range(given.rounds) for name in EVERY_ROUND if name in chosen
            ]
            for measure in [*measurements, *(getattr(engine, name) for name in ONCE if name in chosen)]:
                await measure()
        finally:
            stage.redis.stop()
    print("\n" + figures.table())
    print(f"Written to {report.write(about, figures.as_json())}.")


if __name__ == "__main__":
    uvloop.run(main())  # as the app does
