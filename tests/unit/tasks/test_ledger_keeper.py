"""The threads that renew: asked for at a bad moment, or not to be had."""

from __future__ import annotations

import threading

import pytest

from coord.clock import SYSTEM_CLOCK
from coord.tasks.ledger import Attempt, Ledger, State, keeper
from coord.testing.memory_ledger import MemoryLedger

_BOUND_S = 20.0


def test_what_is_asked_for_while_the_thread_works_is_not_overslept(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It may have looked before: once it slept a second then, which is longer than some leases."""
    monkeypatch.setattr(keeper, "_LONGEST_WAIT_S", 1000.0)
    calls = 0
    twice = threading.Event()

    def work() -> float:
        nonlocal calls
        calls += 1
        if calls == 1:  # another thread asks after this one has looked, and before it sleeps
            loop.wake_by(SYSTEM_CLOCK.now())
        else:
            twice.set()
        return float("inf")

    loop = keeper._Loop(SYSTEM_CLOCK, "test-keeper", work)
    loop.wake_by(SYSTEM_CLOCK.now())
    try:
        assert twice.wait(_BOUND_S)
    finally:
        loop.close(_BOUND_S)


@pytest.mark.parametrize("name", ["coord-ledger-renewing", "coord-ledger-telling"])
def test_a_thread_that_is_not_to_be_had_fails_one_attempt_and_no_more(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Once no attempt of that ledger was ever renewed again, nor told that it was lost."""
    start, refusals = threading.Thread.start, [1]

    def starting(thread: threading.Thread) -> None:
        if thread.name == name and refusals and refusals.pop():
            raise RuntimeError("can't start new thread")
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", starting)
    ledger = Ledger(MemoryLedger(), lease_s=300.0)
    try:
        with pytest.raises(RuntimeError, match="can't start"):
            ledger.begin("k")
        assert ledger.look(["k"])["k"].state is State.FAILED, "others need not wait for a lease"
        again = ledger.begin("k")
        assert isinstance(again, Attempt)
        alive = {thread.name for thread in threading.enumerate()}
        assert {"coord-ledger-renewing", "coord-ledger-telling"} <= alive
        again.done()
    finally:
        ledger.close()
