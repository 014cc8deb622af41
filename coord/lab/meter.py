"""How late threads of this machine wake up: the meter of its pauses.

Owns the measuring. Judges nothing, and writes no file. One thread a core, held to it, asks again
and again to sleep for a millisecond and notes on the boot clock how much later it came to run; the
time that it takes for noting counts too, so there is no moment in which a pause is missed. What is
seen is all that keeps a thread of a Python process from running: other work on that core, limits of
its cgroup, a stopped process, steal time, and the suspend of the machine. What is not: how long a
busy interpreter keeps its lock, or a collector its program, in a process of yours.
"""

from __future__ import annotations

import math
import os
import platform
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime

from coord._version import __version__
from coord.clock import SYSTEM_CLOCK
from coord.lab.meter_figures import bucket_of, bucket_s, moments, percentiles
from coord.lab.pauses import PAUSES_SCHEMA

__all__ = ["MOST_CORES", "SLEEP_S", "Measured", "Meter"]

SLEEP_S = 0.001
MOST_CORES = 8
"""More threads would wait for each other's turn in the interpreter."""
_LOOK_S = 0.2
_JOIN_S = 10.0


@dataclass(slots=True)
class _Tally:
    """What one thread has seen. Written by it alone."""

    core: int | None
    """The core that it is held to; None: it may run anywhere."""
    observed_s: float = 0.0
    longest_s: float = 0.0
    wakes: dict[int, int] = field(default_factory=dict)
    pauses: list[tuple[float, float]] = field(default_factory=list)
    """When each began, and how long it was."""


@dataclass(frozen=True, slots=True)
class Measured:
    """All that was seen, once the threads have ended."""

    begun: datetime
    for_s: float
    threshold_s: float
    tallies: Sequence[_Tally]

    @property
    def observed_s(self) -> float:
        """The time of all threads together."""
        return sum(tally.observed_s for tally in self.tallies)

    @property
    def longest_s(self) -> float:
        """The longest pause of any thread, below the threshold or not."""
        return max(tally.longest_s for tally in self.tallies)

    @property
    def pauses_s(self) -> list[float]:
        """The lengths of all above the threshold, in rising order, in whole microseconds."""
        return sorted(_rounded(length) for tally in self.tallies for _, length in tally.pauses)

    def longer_than(self, limit_s: float) -> tuple[int, int]:
        """How many pauses were longer, and how many moments had one; not below the threshold.

        What stops several threads at once is one moment.
        """
        found = [one for tally in self.tallies for one in tally.pauses if one[1] > limit_s]
        return len(found), moments(found)

    def late_s(self) -> dict[str, float | None]:
        """Percentiles of how late a thread runs, at moments that have nothing to do with pauses."""
        found = percentiles(self._wakes(), every_s=SLEEP_S, longest_s=self.longest_s)
        return {name: late and _rounded(late) for name, late in found.items()}

    def content(self, *, interrupted: bool) -> dict[str, object]:
        """All of it, as `coord.pauses/1`."""
        wakes = self._wakes()
        return {
            "schema": PAUSES_SCHEMA,
            "begun": self.begun.isoformat(timespec="seconds"),
            "for_s": round(self.for_s, 6),
            "interrupted": interrupted,
            "observed_s": round(self.observed_s, 6),
            "sleep_s": SLEEP_S,
            "threshold_s": self.threshold_s,
            "clock": "boot",
            "machine": _machine(),
            "versions": {"coord": __version__, "python": platform.python_version()},
            "cores": [
                {
                    "core": tally.core,
                    "observed_s": round(tally.observed_s, 6),
                    "wakes": sum(tally.wakes.values()),
                    "pauses": len(tally.pauses),
                    "max_s": _rounded(tally.longest_s),
                }
                for tally in self.tallies
            ],
            "late_s": self.late_s(),
            "histogram": [
                {"up_to_s": float(f"{bucket_s(number):.3g}"), "wakes": wakes[number]}
                for number in sorted(wakes)
            ],
            "pauses_s": self.pauses_s,
        }

    def _wakes(self) -> dict[int, int]:
        total: dict[int, int] = {}
        for tally in self.tallies:
            for number, count in tally.wakes.items():
                total[number] = total.get(number, 0) + count
        return total


class Meter:
    """Threads that measure, from `running()` to its end. One use."""

    def __init__(self, threshold_s: float) -> None:
        self._threshold_s = threshold_s
        self._tallies = [_Tally(core) for core in _cores()]
        self._begun = datetime.now(UTC)  # for display
        self._begun_s = self._ended_s = SYSTEM_CLOCK.now()
        self._stop = threading.Event()

    @contextmanager
    def running(self) -> Iterator[None]:
        """Measure while the block runs, however it ends."""
        threads = [
            threading.Thread(target=self._watch, args=(tally,), daemon=True)
            for tally in self._tallies
        ]
        self._begun_s = SYSTEM_CLOCK.now()
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            self._stop.set()
            for thread in threads:
                thread.join(_JOIN_S)
            self._ended_s = SYSTEM_CLOCK.now()

    def wait(self, for_s: float, look: Callable[[float], None]) -> None:
        """Wait until so much is measured; `look` is told at times how much is, and may raise."""
        while (measured_s := self.measured_s) < for_s:
            look(measured_s)
            self._stop.wait(min(_LOOK_S, for_s - measured_s))

    @property
    def measured_s(self) -> float:
        """For how long it has been running."""
        return SYSTEM_CLOCK.now() - self._begun_s

    @property
    def longest_s(self) -> float:
        """The longest pause until now."""
        return max(tally.longest_s for tally in self._tallies)

    def measured(self) -> Measured:
        """What was seen; after the block of `running` only."""
        for_s = self._ended_s - self._begun_s
        return Measured(self._begun, for_s, self._threshold_s, self._tallies)

    def _watch(self, tally: _Tally) -> None:
        tally.core = _held_to(tally.core)
        begun_s = last_s = SYSTEM_CLOCK.now()
        while not self._stop.is_set():
            time.sleep(SLEEP_S)
            now_s = SYSTEM_CLOCK.now()
            late_s = max(0.0, now_s - last_s - SLEEP_S)
            number = bucket_of(late_s)
            tally.wakes[number] = tally.wakes.get(number, 0) + 1
            tally.longest_s = max(tally.longest_s, late_s)
            if late_s > self._threshold_s:
                tally.pauses.append((last_s, late_s))
            tally.observed_s = now_s - begun_s
            last_s = now_s


def _rounded(length_s: float) -> float:
    """In whole microseconds, never less than it was: nothing falls below the threshold by it."""
    return math.ceil(length_s * 1e6) / 1e6


def _cores() -> list[int | None]:
    """Those this process may use, or as many of them, evenly chosen, as can be measured at once."""
    if sys.platform != "linux":
        return [None]
    allowed = sorted(os.sched_getaffinity(0))
    count = min(MOST_CORES, len(allowed))
    return [allowed[place * len(allowed) // count] for place in range(count)]


def _held_to(core: int | None) -> int | None:
    """Hold the calling thread to a core; None if that cannot be."""
    if core is None or sys.platform != "linux":
        return None
    try:
        os.sched_setaffinity(0, {core})  # 0: of this thread alone
    except OSError:
        return None
    return core


def _machine() -> dict[str, object]:
    found = platform.uname()
    return {
        "host": found.node,
        "system": found.system,
        "release": found.release,
        "architecture": found.machine,
        "cores": os.cpu_count(),
        "load": [round(load, 2) for load in os.getloadavg()],
    }
