"""The fault proxy before a queue under test, which tells what it does to the connections.

Owns the words for it. The proxy behaves as it does elsewhere.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from coord.lab.queue_faults import QueueFaults
from coord.testing.proxy import FaultProxy
from coord.testing.proxy.direction import Direction
from coord.testing.proxy.engine import Admission, WayName
from coord.testing.proxy.thread import EngineThread
from coord.testing.proxy.trigger import Then, Trigger
from coord.testing.proxy.way import Conditions

__all__ = ["ToldProxy"]

_ALL = "proxy."
_RESET, _TEAR, _ADMIT = f"{_ALL}reset", f"{_ALL}tear", f"{_ALL}admit"
_MOVED = "moved"  # which heal() leaves as it is
_REQUEST = f"{_ALL}request."


class ToldProxy(FaultProxy):
    """One whose faults are told to `faults`, from whichever of its methods they come."""

    def __init__(self, target: tuple[str, int], faults: QueueFaults) -> None:
        super().__init__(target)
        self._told = faults
        self._home = target
        self._trapped = 0
        self.requests = _ToldDirection(self._thread, "requests", faults)
        self.replies = _ToldDirection(self._thread, "replies", faults)

    @property
    def target(self) -> tuple[str, int]:
        """As the base's; another server than the first one is a fault."""
        return self._target

    @target.setter
    def target(self, target: tuple[str, int]) -> None:
        if target == self._home:
            self._told.heal(_MOVED)
            self._aim(target)
            return
        with self._told.striking(_MOVED, "moved"):
            self._aim(target)

    def reset(self) -> None:
        with self._told.striking(_RESET, "reset"):
            super().reset()
        self._told.heal(_RESET)

    def tear(self, every_s: float | None) -> None:
        if every_s is None:
            self._told.heal(_TEAR)
            super().tear(None)
            return
        with self._told.striking(_TEAR, "tear"):
            super().tear(every_s)

    def admit(self, how: Admission) -> None:
        if how == "serve":
            self._told.heal(_ADMIT)
            super().admit(how)
            return
        with self._told.striking(_ADMIT, how):
            super().admit(how)

    def on_request(
        self,
        match: bytes | Callable[[bytes], bool],
        then: Then = "lose_reply",
        *,
        times: int | None = 1,
    ) -> Trigger:
        if then == "pass":
            return super().on_request(match, then, times=times)
        self._trapped += 1
        name = _flow("requests") if then == "hold" else _REQUEST
        kind = then.replace("_", "-")
        with self._told.striking(f"{name}{self._trapped}.", kind) as struck:
            trigger = super().on_request(match, then, times=times)
            if then != "hold":  # that stands until it is mended
                struck.over = lambda: not trigger.armed
        return trigger

    def heal(self) -> None:
        self._told.heal(_ALL)
        super().heal()


def _flow(name: WayName) -> str:
    return f"{_ALL}{name}.flow."


class _ToldDirection(Direction):
    def __init__(self, thread: EngineThread, name: WayName, faults: QueueFaults) -> None:
        super().__init__(thread, name)
        self._told = faults
        self._conditions = f"{_ALL}{name}.conditions"
        self._flow = _flow(name)

    def set(self, **conditions: Any) -> None:  # noqa: ANN401 (the base's, all with defaults)
        if Conditions(**conditions) == Conditions():
            self._told.heal(self._conditions)
            super().set(**conditions)
            return
        with self._told.striking(self._conditions, "network"):
            super().set(**conditions)

    def hold(self) -> None:
        with self._told.striking(self._flow, "hold"):
            super().hold()

    def drop(self) -> None:
        with self._told.striking(self._flow, "drop"):
            super().drop()

    def mend(self, **how: float) -> None:
        self._told.heal(self._flow)
        super().mend(**how)
