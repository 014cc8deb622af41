"""What has ended: terms whose code has stopped, loops that serve their role no more.

Owns the way from whoever says so to the core. Never waits for the engine's lock: the garbage
collector may close a forgotten loop over terms on any thread, at any moment, and so inside a step
of the very thread that holds it; waiting there would never end, and the member with it. What cannot
be told at once the control thread tells at its next round
(`test_a_loop_that_the_collector_closes_inside_a_step_locks_nobody_out`).

The end of a term is written down before the core hears of it. The core then releases the claim, and
a successor may lead before this thread runs again: a log that tells of the end only then shows two
leaders where there was one (`test_the_end_of_a_term_is_written_down_before_its_claim_is_released`).
"""

from __future__ import annotations

import threading
from collections import deque
from queue import SimpleQueue
from typing import TYPE_CHECKING

from coord.core import events as e
from coord.model import EndingKind
from coord.runtime.bindings import Binding
from coord.runtime.term import Term

if TYPE_CHECKING:
    from coord.runtime.engine import Engine

__all__ = ["Farewells"]


class Farewells:
    """The endings that the core has not heard of. `say` on any thread, `take` under the lock."""

    def __init__(
        self, engine: Engine, lock: threading.Lock, control_inbox: SimpleQueue[None]
    ) -> None:
        self._engine = engine
        self._lock = lock
        self._inbox = control_inbox
        self._waiting: deque[tuple[Term | Binding, EndingKind | None]] = deque()

    def say(self, gone: Term | Binding, kind: EndingKind | None) -> None:
        """Tell the core, or have the control thread do so if somebody is in there."""
        if isinstance(gone, Term):
            self._engine.crew.tell_over(gone)
        self._waiting.append((gone, kind))
        while self._waiting:
            if not self._lock.acquire(blocking=False):
                self._inbox.put(None)
                return
            try:
                ended = self.take()
            finally:
                self._lock.release()
            for term in ended:
                self._engine.crew.over(term)

    def take(self) -> list[Term]:
        """Step with each; returns the terms whose code has ended, for the crew to hear of."""
        ended = []
        crew, clock = self._engine.crew, self._engine.clock
        while self._waiting:
            gone, kind = self._waiting.popleft()
            if isinstance(gone, Binding):
                if crew.leave(gone):
                    self._engine.step(e.RoleDropped(clock.now(), gone.role.name))
            elif crew.remove(gone):
                self._engine.step(e.WorkEnded(clock.now(), gone.number, kind))
                ended.append(gone)
        return ended
