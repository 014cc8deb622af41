"""Endings that are told at bad moments."""

from __future__ import annotations

import gc
import threading
from collections.abc import Sequence

import pytest

from coord import Coordinator, Role
from coord.core import events as e
from coord.core.commands import Command
from coord.runtime.crew import Crew
from coord.runtime.term import Term
from tests.unit.runtime.support import Recorder

TTL_S = 2.0


class Box:
    """What `except … as error: self.error = error` leaves: a cycle that holds the frame."""

    me: Box
    loop: object


def test_a_loop_that_the_collector_closes_inside_a_step_locks_nobody_out() -> None:
    """Its `finally` ends the term, on the thread that holds the engine's lock."""
    gc.disable()
    try:
        with Coordinator("memory://farewells", member="a", ttl_s=TTL_S) as fleet:
            forget_a_loop(fleet)
            engine = fleet.engine()
            collected = threading.Event()
            step = engine.machine.step

            def collecting(event: e.Event) -> Sequence[Command]:
                control = threading.current_thread().name == "coord-control"
                if control and not collected.is_set():  # once: it takes long where much is loaded
                    gc.collect()
                    collected.set()
                return step(event)

            engine.machine.step = collecting  # type: ignore[method-assign]
            assert collected.wait(10)
            with fleet.lead("another", timeout_s=20) as term:
                term.check()
                status = fleet.status()
            assert [key.role for key in status.held] == ["another"], "the forgotten term has ended"
    finally:
        gc.enable()


def forget_a_loop(fleet: Coordinator) -> None:
    loop = fleet.terms(Role("reaper", rest_s=60.0))
    next(loop).check()
    box = Box()
    box.loop, box.me = loop, box


def test_the_end_of_a_term_is_written_down_before_its_claim_is_released(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """However long the thread whose work has ended is kept from running: here, till the release."""
    told = Recorder()
    over = Crew.over

    def kept_from_running(crew: Crew, term: Term) -> None:
        if term.key.role == "reaper":
            told.await_told("called", "Release")
        over(crew, term)

    monkeypatch.setattr(Crew, "over", kept_from_running)
    with Coordinator("memory://written-down", member="a", ttl_s=TTL_S, hooks=told) as fleet:
        with fleet.lead("reaper", timeout_s=20) as term:
            term.check()
        told.await_told("called", "Release")
    order = [(one.what, one.kind) for one in told.told]
    assert order.index(("ended", "reaper")) < order.index(("called", "Release"))
    tokens = [token for _, token, _ in told.ended]
    assert sorted(set(tokens)) == sorted(tokens), "each end is told once"
