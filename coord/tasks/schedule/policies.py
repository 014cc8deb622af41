"""What a task wants done about ticks that come late, overlap, or start all at once.

Owns the choices and the arithmetic of jitter. Knows no schedule and no clock.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from hashlib import sha256

__all__ = ["Missed", "Overlap", "Policies", "jitter_offset_s"]


class Missed(Enum):
    """What becomes of ticks that nobody started while they were due."""

    SKIP = "skip"
    """None of them runs: a tick that is late by more than `grace_s` is dropped."""
    ONCE = "once"
    """The latest one runs, however late; the others are dropped."""
    CATCH_UP = "catch-up"
    """All of the last `window_s` run, the oldest first; the others are dropped."""


class Overlap(Enum):
    """What happens when a tick is due while an earlier one of the same part still runs.

    A tick that was due before the running one began is no overlap: it is being caught up with,
    and waits for its turn.
    """

    SKIP = "skip"
    """The new tick is dropped."""
    QUEUE = "queue"
    """The new tick waits; under `Missed.ONCE` the latest waits and the others are dropped."""
    REPLACE = "replace"
    """The running one is told to stop; the new tick starts when it has stopped."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Policies:
    """How the ticks of one task are treated. Durations in seconds of the wall clock."""

    missed: Missed = Missed.ONCE
    overlap: Overlap = Overlap.SKIP
    window_s: float = 3600.0
    """How far back `Missed.CATCH_UP` looks; also how long a unit may lie in a queue unstarted."""
    grace_s: float = 60.0
    """How late a tick may start under `Missed.SKIP`: a change of leaders is not a missed tick."""
    offset_s: float = 0.0
    """How long after its tick a unit is due: `jitter_offset_s`. The tick's identity stays."""
    most: int = 1000
    """How many ticks `Missed.CATCH_UP` runs at most; those before them are dropped."""


def jitter_offset_s(task: str, salt: str, jitter_s: float) -> float:
    """A task's place in [0, jitter_s): drawn from its name, so equal in every member.

    `salt` is the group's name: the same task of two groups starts at two moments. Tasks of one
    period spread over the jitter; one task always starts at the same distance from its tick.
    """
    digest = sha256(f"{salt}\0{task}".encode()).digest()
    return int.from_bytes(digest[:6], "big") / 2**48 * jitter_s
