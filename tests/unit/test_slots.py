"""Which claims a worker has, and which slots it may pass on."""

from uuid import uuid4

from runlane.engine.slots import Slots
from runlane.queue.claims import Claim


def claim(job_id=None, number=0):
    return Claim(job_id or uuid4(), f"noop|worker|{number}")


def test_a_job_whose_code_has_ended_uses_no_slot_but_keeps_its_lease_until_it_is_given_up():
    slots, one = Slots(), claim()
    slots.take([one])

    slots.code_ended(one)

    assert (slots.used, slots.held, slots.to_pass) == (0, [one], [one])
    slots.release(one)
    assert (slots.held, slots.take_released(), slots.idle) == ([], [one], True)


def test_giving_up_is_urgent_unless_the_slot_was_passed_on():
    slots, one, two = Slots(), claim(number=1), claim(number=2)
    slots.take([one, two])
    slots.code_ended(one)
    slots.code_ended(two)

    slots.passed_on([one])

    assert slots.to_pass == [two]
    assert slots.release(one) is False
    assert slots.release(two) is True


def test_a_job_that_still_runs_here_cannot_be_taken_again():
    slots, running = Slots(), claim(number=1)
    slots.take([running])

    assert slots.take([claim(running.job_id, number=2)]) == []
    assert slots.held == [running]


def test_what_could_not_be_given_up_is_given_up_with_the_next_call():
    slots, one, two = Slots(), claim(number=1), claim(number=2)
    slots.take([one, two])
    slots.release(one)
    failed = slots.take_released()
    slots.release(two)

    slots.put_back(failed)

    assert not slots.idle
    assert slots.take_released() == [one, two]


def test_an_abandoned_claim_is_neither_kept_nor_given_up():
    slots, one = Slots(), claim()
    slots.take([one])

    slots.abandon(one)

    assert (slots.held, slots.take_released(), slots.idle) == ([], [], True)
