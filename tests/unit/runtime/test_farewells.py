"""Endings that are told at bad moments."""

from __future__ import annotations

import gc
import threading

from coord import Coordinator, Role
from coord.core import events as e
from coord.core.commands import Command

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

            def collecting(event: e.Event) -> list[Command]:
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
