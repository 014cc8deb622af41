"""The heartbeat thread: it renews, and does nothing else.

Owns when a heartbeat is sent and what its answer moves, so that no claim, view or slow batch of the
control thread can delay one. Knows no rule: the machine says when a heartbeat is due, and says
nothing when the control thread has not ticked for too long.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from coord.core import commands as c
from coord.core import events as e

if TYPE_CHECKING:
    from coord.runtime.engine import Engine

__all__ = ["Heart"]

_NEVER = float("-inf")


class Heart:
    """The loop of one member's heartbeats. Its waits share the engine's lock."""

    def __init__(self, engine: Engine, lock: threading.Lock) -> None:
        self._engine = engine
        self._lock = lock
        self._wanted = threading.Condition(lock)
        self._sleeps_until_s = _NEVER
        self.sent_at_s: float | None = None
        """When the heartbeat was sent that has not come back yet; None: it is back."""

    def notice(self, *, waiting: bool) -> None:
        """Under the lock: wake if a heartbeat waits, or is due sooner than it was."""
        if waiting or self._engine.machine.pulse_s < self._sleeps_until_s:
            self._wanted.notify_all()

    def beat(self) -> None:
        """The thread: until the engine has finished."""
        engine = self._engine
        while not engine.finished.is_set():
            with self._lock:
                now = engine.clock.now()
                engine.step(e.Pulse(now))
                command = engine.take_beat()
                quiet_s = now - engine.machine.member.last_tick_s
                stuck = quiet_s > engine.machine.member.timing.control_timeout_s
                if command is None and not stuck:
                    self._rest(now)
            if command is not None:
                self._renew(command)
            elif stuck:
                self._stand_in(now)

    def _rest(self, now: float) -> None:
        engine = self._engine
        left = min(engine.machine.pulse_s - now, engine.machine.member.timing.heartbeat_s)
        if left > 0 and not engine.finished.is_set():
            self._sleeps_until_s = engine.machine.pulse_s
            self._wanted.wait(left)
            self._sleeps_until_s = _NEVER

    def _renew(self, command: c.Heartbeat) -> None:
        engine = self._engine
        self.sent_at_s = engine.clock.now()
        event = engine.call(command)
        self.sent_at_s = None
        with self._lock:
            engine.step(event)
        engine.hooks.trusted(engine.machine.member.keeper.lease.trusted_until_s)

    def _stand_in(self, now: float) -> None:
        """The control thread is stuck: say so, and let no work outlive the lease unnoticed."""
        engine = self._engine
        for report in engine.take_reports():
            engine.hooks.report(report.kind, report.detail)
        if now >= engine.machine.member.keeper.lease.trusted_until_s:
            for term in engine.crew.terms():
                engine.crew.overruns.add(term, now)
        engine.crew.overruns.judge(now)
        with self._lock:
            self._rest(now)
