"""Which claims this worker has, and how far each is: its code runs, its end is being recorded, it can be given up.

A job's slot is free for the next as soon as its code has ended: it is passed on in the call that claims the next job.
The claim itself, and with it the lease, stays until the end is recorded.
"""

from collections.abc import Iterable, Sequence
from uuid import UUID

from runlane.queue.claims import Claim


class Slots:
    """The claims of one worker process."""

    def __init__(self) -> None:
        self._held: dict[UUID, Claim] = {}
        self._ending: dict[UUID, Claim] = {}
        self._passed: set[str] = set()
        self._to_release: list[Claim] = []

    @property
    def held(self) -> list[Claim]:
        """The claims whose leases are to be kept. Safe to ask from another thread."""
        return list(self._held.values())

    @property
    def used(self) -> int:
        """How many jobs' code runs or is about to."""
        return len(self._held) - len(self._ending)

    @property
    def idle(self) -> bool:
        """Nothing is held, and nothing is left to give up."""
        return not (self._held or self._to_release)

    @property
    def to_pass(self) -> list[Claim]:
        """Claims whose slots another job may take over."""
        return [claim for claim in self._ending.values() if claim.token not in self._passed]

    def take(self, claims: Iterable[Claim]) -> list[Claim]:
        """Hold new claims; those of them that can run. A job whose earlier attempt still runs here cannot."""
        new = [claim for claim in claims if claim.job_id not in self._held]
        self._held |= {claim.job_id: claim for claim in new}
        return new

    def get(self, job_ids: Iterable[UUID]) -> list[Claim]:
        """The held claims of these jobs."""
        return [self._held[job_id] for job_id in job_ids if job_id in self._held]

    def code_ended(self, claim: Claim) -> None:
        self._ending[claim.job_id] = claim

    def passed_on(self, claims: Iterable[Claim]) -> None:
        """Other jobs have taken over the slots of these."""
        self._passed |= {claim.token for claim in claims}

    def release(self, claim: Claim) -> bool:
        """Have a claim given up with the next call; whether that is urgent, since its slot is still taken."""
        self._drop(claim)
        self._to_release.append(claim)
        urgent = claim.token not in self._passed
        self._passed.discard(claim.token)
        return urgent

    def abandon(self, claim: Claim) -> None:
        """Let a claim run out: its code cannot be ended, and nobody may start the job before this process ends."""
        self._drop(claim)

    def take_released(self) -> list[Claim]:
        """The claims to give up now; ``put_back`` them if that fails."""
        released, self._to_release = self._to_release, []
        return released

    def put_back(self, released: Sequence[Claim]) -> None:
        self._to_release = [*released, *self._to_release]

    def _drop(self, claim: Claim) -> None:
        for claims in (self._held, self._ending):
            if claims.get(claim.job_id) is claim:
                del claims[claim.job_id]
