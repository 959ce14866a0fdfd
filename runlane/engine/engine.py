"""arq's Worker, as the part that claims jobs and gives each a slot; the rest of the product uses only this class.

Functions, context, hooks and job bodies are arq's. Its polling loop is replaced: an idle worker waits for a marker that
enqueueing sets, and one call gives up the jobs that have ended and claims the next. Its in-progress keys and its tries
are replaced by leases and by SQL.
"""

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from typing import TYPE_CHECKING, Any, cast
from uuid import UUID

from arq.connections import ArqRedis
from arq.jobs import SerializationError, deserialize_job_raw
from arq.worker import Worker, func

from runlane.background import end_tasks
from runlane.core.attempts import Start
from runlane.engine.runner import Interruption, Run, Runner
from runlane.engine.slots import Slots
from runlane.engine.writer import Writer
from runlane.errors import Unavailable
from runlane.logs import about_job
from runlane.model.snapshot import JobSnapshot
from runlane.queue.claims import Claim, Claims
from runlane.queue.client import dumps, loads
from runlane.queue.redis_client import REDIS_TROUBLE
from runlane.text import counted

if TYPE_CHECKING:
    from arq.typing import StartupShutdown, WorkerCoroutine

FIRST_PAUSE_S = 0.1
MAX_PAUSE_S = 2.0
RELEASE_WITHIN_S = 0.02
# Jobs claimed in one call.
MAX_AT_ONCE = 200

log = logging.getLogger(__name__)


class Engine(Worker):
    """Claims jobs and runs them, at most ``slots`` at once in this process; the queue's own limits hold over all.

    ``concurrency`` is how many may run over all workers, until Redis has answered.
    ``on_emptied`` is called when Redis has lost everything, before anything is claimed again; ``on_refused`` with jobs
    that were claimed and did not start.
    """

    def __init__(
        self,
        redis: ArqRedis,
        claims: Claims,
        runner: Runner,
        writer: Writer,
        kinds: Sequence[str],
        *,
        worker_id: str,
        slots: int,
        concurrency: int,
        on_emptied: Callable[[], Awaitable[None]],
        on_refused: Callable[[Sequence[UUID]], Awaitable[None]],
        **hooks: "StartupShutdown",
    ) -> None:
        run = cast("WorkerCoroutine", self._run_entry)
        super().__init__(
            functions=[func(run, name=kind) for kind in kinds],
            queue_name="runlane",
            redis_pool=redis,
            handle_signals=False,
            max_jobs=slots,
            job_serializer=dumps,
            job_deserializer=loads,
            ctx={"redis": redis, "worker_id": worker_id},
            **hooks,  # type: ignore[arg-type]
        )
        self.max_jobs = slots  # arq 0.25 keeps it in a semaphore alone
        self._claims = claims
        self._runner = runner
        self._writer = writer
        self._worker_id = worker_id
        self._on_emptied = on_emptied
        self._on_refused = on_refused
        self._slots = Slots()
        self._release_later: asyncio.TimerHandle | None = None
        self._concurrency = concurrency
        # Whether more jobs waited than were claimed last.
        self._more = False
        self._room = 1
        # Whether a marker was taken and Redis not called since; a call sets it again if others may claim.
        self._took_marker = False
        self._pause_s = FIRST_PAUSE_S
        self._wait_s: float | None = None
        self._restoring: set[asyncio.Task[None]] = set()
        self._loop = asyncio.get_running_loop()
        self._wake = asyncio.Event()
        self._stopping = asyncio.Event()
        self._hurried = asyncio.Event()
        # On command, nothing is claimed for now.
        self.quiet = False

    @property
    def held(self) -> list[Claim]:
        """The claims whose leases are to be kept. Safe to read from another thread."""
        return self._slots.held

    @property
    def slots(self) -> int:
        """How many jobs may run in this process, as Redis last answered. Safe to read from another thread."""
        return min(self.max_jobs, self._concurrency)

    @property
    def stopping(self) -> bool:
        return self._stopping.is_set()

    def claim_soon(self) -> None:
        """Claim what may run: something has changed."""
        self._wake.set()

    def set_quiet(self, quiet: bool) -> None:
        """Claim nothing from now on, or claim again; running jobs go on."""
        if quiet is not self.quiet:
            log.warning("Quiet: claiming no more jobs." if quiet else "Resumed: claiming jobs again.")
        self.quiet = quiet
        self._wake.set()

    async def serve(self, grace_s: float) -> None:
        """Run jobs until ``stop``; then give running ones ``grace_s`` to end, and hand back those that have not."""
        if self.on_startup:
            await self.on_startup(self.ctx)
        main = self.main_task = asyncio.create_task(self.main())
        stopping = asyncio.create_task(self._stopping.wait())
        await asyncio.wait({main, stopping}, return_when=asyncio.FIRST_COMPLETED)
        if main.done():
            main.result()
        if self.tasks:
            log.info("Stopping; %s may go on for up to %.0f s.", counted(len(self.tasks), "job"), grace_s)
        hurried = asyncio.create_task(self._hurried.wait())
        await asyncio.wait({main, hurried}, timeout=grace_s, return_when=asyncio.FIRST_COMPLETED)
        hurried.cancel()
        self._runner.interrupt_all(Interruption.STOP)
        await main
        if self.on_shutdown:
            await self.on_shutdown(self.ctx)

    def stop(self, *, at_once: bool = False) -> None:
        """Claim nothing more and let ``serve`` return, when the running jobs have ended or been handed back."""
        self.allow_pick_jobs = False
        self._stopping.set()
        self._wake.set()
        if at_once:
            self._hurried.set()

    async def main(self) -> None:
        """Claim jobs and run them until ``stop`` was called and nothing is held.

        While others hold slots, it listens though there is no room: they may leave theirs without claiming the next.
        """
        listening: asyncio.Task[None] | None = None
        try:
            while not self._may_end:
                self._wake.clear()
                await self._claim()
                if listening is None and self._claim_limit() and self._slots.used < self._concurrency:
                    listening = asyncio.create_task(self._claims.wait_for_work())
                await self._wait_for_change(listening)
                if listening is not None and listening.done():
                    await self._on_marker(listening)
                    listening = None
        finally:
            if listening is not None:
                self._took_marker = True  # it may take a marker while it is being cancelled
                await end_tasks(listening)
            if self._took_marker:
                with contextlib.suppress(*REDIS_TROUBLE):
                    await self._claims.release([])
        if held := len(self._slots.held):
            log.warning(
                "The database takes no writes; %s left to run again when their leases end.", counted(held, "job")
            )

    @property
    def _may_end(self) -> bool:
        """Stopping, with nothing held; or asked again to stop, while what is held cannot be recorded."""
        return self.stopping and (self._slots.idle or (self._hurried.is_set() and self._writer.holding))

    async def _wait_for_change(self, listening: "asyncio.Task[None] | None") -> None:
        """Return when this process may have a reason to claim."""
        if self._wake.is_set() or self._may_end:
            return
        woken = asyncio.create_task(self._wake.wait())
        waiting = {woken} if listening is None else {woken, listening}
        await asyncio.wait(waiting, timeout=self._wait_s, return_when=asyncio.FIRST_COMPLETED)
        woken.cancel()

    async def _on_marker(self, listening: "asyncio.Task[None]") -> None:
        try:
            listening.result()
            self._took_marker = True
        except REDIS_TROUBLE as exc:
            await self._pause(exc)

    def _claim_limit(self) -> int:
        if self.stopping or self.quiet or self._writer.holding:
            return 0
        return max(0, min(self.max_jobs - self._slots.used, self._concurrency, MAX_AT_ONCE))

    async def _claim(self) -> None:
        """Give up what has ended and claim what may run, in one call; not cancelled half way: claims would be lost."""
        max_count = self._claim_limit()
        if not max_count and self._slots.idle and not self._took_marker:
            return
        if self._release_later is not None:
            self._release_later.cancel()
            self._release_later = None
        released, passing = self._slots.take_released(), self._slots.to_pass
        try:
            claimed = await self._claims.claim(released, max_count, passing)
            if claimed.emptied:
                await self._rebuild()
                return
        except REDIS_TROUBLE as exc:
            if self.stopping and not self._slots.held and (self._hurried.is_set() or self._pause_s == MAX_PAUSE_S):
                log.warning("Redis does not answer (%s); leaving %d leases to expire.", exc, len(released))
                return
            self._slots.put_back(released)
            self._wake.set()
            await self._pause(exc)
            return
        self._took_marker, self._pause_s = False, FIRST_PAUSE_S
        self._room, self._wait_s, self._concurrency = claimed.room, claimed.wait_s, claimed.concurrency
        self._slots.passed_on(passing[: claimed.passed])
        self._more = max_count > 0 and len(claimed.claims) == max_count
        self._begin(claimed.claims, claimed.generation, passing)

    async def _rebuild(self) -> None:
        """Have Redis rebuilt; while the database is away, wait. Raises one of ``REDIS_TROUBLE``."""
        self._wake.set()
        try:
            await self._on_emptied()
        except Unavailable as exc:
            log.warning("Redis cannot be rebuilt yet (%s); trying again in %.1f s.", exc.message, MAX_PAUSE_S)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(MAX_PAUSE_S):
                    await self._stopping.wait()

    def _begin(self, claims: list[Claim], generation: int, offered: list[Claim]) -> None:
        new = self._slots.take(claims)
        if len(new) < len(claims):
            log.warning("An earlier attempt of a job still runs here; the job waits until its new lease is over.")
        if new:
            self._spawn(new[0].token, self._start(new, generation))
        elif set(self._slots.to_pass) <= set(offered):
            self._writer.starts_arrived()  # none will
        if self._more and self._room > 0:
            self._wake.set()

    def _spawn(self, name: str, work: Coroutine[Any, Any, None]) -> None:
        self.tasks[name] = task = asyncio.create_task(work)
        task.add_done_callback(lambda _: self.tasks.pop(name, None))

    async def _pause(self, exc: BaseException) -> None:
        pause_s = FIRST_PAUSE_S if self._hurried.is_set() else self._pause_s
        log.warning("Redis does not answer (%s); trying again in %.1f s.", exc, pause_s)
        await asyncio.sleep(pause_s)
        self._pause_s = min(self._pause_s * 2, MAX_PAUSE_S)

    async def _start(self, claims: list[Claim], generation: int) -> None:
        """Mark claimed jobs as running, all in one write, and run them."""
        runs = {claim.job_id: self._runner.expect(claim.job_id) for claim in claims}
        readable = [claim for claim in claims if self._is_readable(claim)]
        try:
            changes = await self._writer.write(Start([claim.job_id for claim in readable], self._worker_id, generation))
        except Exception:
            log.exception("Jobs could not be started; giving them back.")
            changes = []
        started = {change.job.id: change.job for change in changes or []}
        for claim in claims:
            if job := started.get(claim.job_id):
                self._spawn(f"{claim.token} runs", self._run(claim, job, runs[claim.job_id]))
            else:
                self._runner.forget(claim.job_id)
                self._give_up(claim)
        if refused := [claim for claim in readable if claim.job_id not in started]:
            await self._put_back(refused)

    async def _put_back(self, claims: list[Claim]) -> None:
        """Queue again in Redis jobs that were claimed here and not started, if they still wait."""
        try:
            await self._claims.release(claims)  # a claimed job is not queued
            await self._on_refused([claim.job_id for claim in claims])
        except (*REDIS_TROUBLE, Unavailable) as exc:
            log.warning("Jobs could not be put back; the next reconciliation does it: %s", exc)

    def _is_readable(self, claim: Claim) -> bool:
        try:
            name, (job_id,), *_ = deserialize_job_raw(claim.body or b"", deserializer=self.job_deserializer)
        except (SerializationError, ValueError):
            with about_job(claim.job_id):
                log.warning("The queue's entry is not ours; dropping it.")
            return False
        return name in self.functions and job_id == str(claim.job_id)

    async def _run(self, claim: Claim, job: JobSnapshot, run: Run) -> None:
        run.on_code_end = lambda: self._code_ended(claim)
        try:
            ctx = {**self.ctx, "job_id": str(job.id), "job_try": job.attempt, "job": job, "run": run}
            await self.functions[job.kind].coroutine(ctx, str(job.id))
        finally:
            if run.code_ended:
                self._give_up(claim)
                if run.lingered:  # its next attempt may be waiting, and was not queued while this claim lasted
                    await self._put_back([claim])
            else:  # the process is about to end; nobody may start this job until it has and the lease is over
                self._slots.abandon(claim)
                self._wake.set()

    async def _run_entry(self, ctx: dict[Any, Any], _job_id: str) -> None:
        """The arq function of every kind."""
        await self._runner.run(ctx["job"], ctx["run"], before=self._before(ctx), after=self._after(ctx))
        if self.after_job_end:
            try:
                await self.after_job_end(ctx)
            except Exception:  # the job has ended; what comes after must not end the worker
                log.exception("The hook after_job_end failed.")

    def _before(self, ctx: dict[Any, Any]) -> Callable[[], Awaitable[None]] | None:
        hook = self.on_job_start
        return None if hook is None else lambda: hook(ctx)

    def _after(self, ctx: dict[Any, Any]) -> Callable[[], Awaitable[None]] | None:
        hook = self.on_job_end
        return None if hook is None else lambda: hook(ctx)

    def _code_ended(self, claim: Claim) -> None:
        """The job's slot may be used again for a job that waits, if one does, while its end is being recorded."""
        self._slots.code_ended(claim)
        if self._more:
            self._writer.expect_starts()
            self._wake.set()

    def _give_up(self, claim: Claim) -> None:
        if self._slots.release(claim):
            self._wake.set()
        elif self._release_later is None:
            self._release_later = self._loop.call_later(RELEASE_WITHIN_S, self._wake.set)

    def restore_soon(self, job_ids: Sequence[UUID]) -> None:
        """Claim these jobs again: they run here, and Redis does not list them as ours."""
        restoring = asyncio.create_task(self.restore_running(job_ids))
        self._restoring.add(restoring)
        restoring.add_done_callback(self._restored)

    def _restored(self, restoring: "asyncio.Task[None]") -> None:
        self._restoring.discard(restoring)
        if not restoring.cancelled() and (exc := restoring.exception()):
            log.warning("Leases could not be restored (%s); the next heartbeat tries again.", exc)

    async def restore_running(self, job_ids: Sequence[UUID]) -> None:
        """Claim again what runs here and Redis does not list as ours; what another worker holds by now is interrupted.

        What has not started yet may have been refused, so it waits for the next heartbeat.

        Raises one of ``REDIS_TROUBLE`` when Redis is away.
        """
        begun = self._runner.begun
        claims = self._slots.get([job_id for job_id in job_ids if job_id in begun])
        for job_id in await self._claims.restore(claims) if claims else ():
            self._runner.interrupt(job_id, Interruption.LOST)
