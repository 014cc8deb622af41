"""What befalls a queue under test, told to the event logs of the fleets that work it off.

Owns the marks, and which of these faults stand. What is done, and how it is healed, is the fake's
and the proxy's: they are the same as everywhere, and tell here what they are asked to do. A fault
of a queue strikes everybody (member "*"); its kinds begin with `queue-`.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count

from coord.lab.measure.faults import EVERYBODY
from coord.telemetry import EventLog

__all__ = ["PREFIX", "QueueFault", "QueueFaults"]

PREFIX = "queue-"
"""How the kinds of all these faults begin."""

_NUMBERS = count(1)


def _never() -> bool:
    return False


@dataclass(slots=True, kw_only=True)
class QueueFault:
    """One that stands. `over`: whether it has ended by itself meanwhile, asked now and then."""

    kind: str
    mark: str
    over: Callable[[], bool] = _never


class QueueFaults:
    """The faults of one queue, each under a name of its own. One thread."""

    def __init__(self) -> None:
        self._standing: dict[str, QueueFault] = {}
        self._logs: list[EventLog] = []
        self._begin: list[Callable[[], None]] = []

    def tell(self, log: EventLog, begin: Callable[[], None]) -> None:
        """Write all faults into this log too, first those that stand now.

        `begin` is called before each blow: the fleet is at rest when it returns, or it raises.
        """
        for fault in self._standing.values():
            for phase in ("begin", "effect"):
                log.fault(fault.kind, fault.mark, phase, member=EVERYBODY, pid=0)
        self._logs.append(log)
        self._begin.append(begin)

    def forget(self) -> None:
        """Tell nobody any more: what follows is no fault, but the end."""
        self._logs.clear()
        self._begin.clear()

    def stands(self, name: str) -> bool:
        """Whether the fault of that name does."""
        return name in self._standing

    @contextmanager
    def striking(self, name: str, kind: str) -> Iterator[QueueFault]:
        """Record a blow that falls while the block runs, and stands from then on.

        It takes the place of one of the same name. One that could not fall is marked as ended.
        """
        self.heal(name)
        for begin in self._begin:
            begin()
        whole = f"{PREFIX}{kind}"
        fault = QueueFault(kind=whole, mark=f"{whole}-{os.getpid()}-{next(_NUMBERS)}")
        self._write(fault, "begin")
        try:
            yield fault
        except BaseException:
            self._write(fault, "end")
            raise
        self._write(fault, "effect")
        self._standing[name] = fault

    def heal(self, prefix: str) -> None:
        """Record that the faults whose names begin so are about to be healed."""
        for name in [name for name in self._standing if name.startswith(prefix)]:
            self._write(self._standing.pop(name), "end")

    def look(self) -> None:
        """Record the end of those that have ended by themselves."""
        for name in [name for name, fault in self._standing.items() if fault.over()]:
            self.heal(name)

    def _write(self, fault: QueueFault, phase: str) -> None:
        for log in self._logs:
            log.fault(fault.kind, fault.mark, phase, member=EVERYBODY, pid=0)
