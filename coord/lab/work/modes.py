"""The four ways that the lab compares, three of leading and a queue, and their timings.

Owns these choices and nothing else. All durations in seconds.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from coord.config import Role
from coord.lab.work.app import PARTITIONS

__all__ = [
    "ARCHIVE_S",
    "BAR_S",
    "BATCH",
    "FEED_S",
    "HANDLERS",
    "ITEM_ROWS",
    "MODES",
    "PROGRESS_TIMEOUT_S",
    "REST_S",
    "TAU_S",
    "Mode",
    "mode_named",
    "visibility_s",
]

PROGRESS_TIMEOUT_S = 1.0
"""How long a term may go without progress; on a queue, how long an item may take."""
BAR_S = 3.0
"""How long a worker that wedged is barred from what it led then. Short for production: it lets a
short run show that a mended worker gets its share again."""

ARCHIVE_S = 0.1
"""How long an act takes between its check and its deletions: the window for a stale act."""
REST_S = 0.005
"""How long a leader rests between two acts. So it is inside the window for 9/10 of its time."""
FEED_S = 0.08
"""How often one row of every partition expires: a leader finds work whenever it looks."""
ITEM_ROWS = 2
"""How many rows of a partition are one item of the queue. They expire at once, every so many times
`FEED_S`: the same rows a second as where somebody leads, and about as many acts as with a leader
for each partition."""
HANDLERS = 5
"""How many items one worker handles at once. Three can do all that falls due, with a third to spare
for a slow machine."""
BATCH = 60
"""How many rows one act takes at most."""
TAU_S = 0.4
"""After how long without anything done, though work is due, a leader counts as faux."""


_LEAST_VISIBILITY_S = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Mode:
    """One way of sharing the work. `headline` says what it is; what it costs, the run must show.

    `queue`: nobody leads; the shards are partitions of a queue that all workers take from.
    """

    name: str
    shards: int
    seats: int
    headline: str
    queue: bool = False

    @property
    def role(self) -> Role:
        """The role that every worker of this mode serves; each mode has one of its own name.

        Of a queue: only the name under which its events stand. No store ever sees it.
        """
        return Role(
            f"reaper-{self.name}",
            shards=self.shards,
            seats=self.seats,
            progress_timeout_s=PROGRESS_TIMEOUT_S,
            bar_s=BAR_S,
            rest_s=0.5,
        )

    @property
    def claims(self) -> int:
        """How many claims there are to hold."""
        return self.shards * self.seats


MODES = (
    Mode(
        name="single",
        shards=1,
        seats=1,
        headline=f"one leader deletes from all {PARTITIONS} partitions",
    ),
    Mode(
        name="localized",
        shards=PARTITIONS,
        seats=1,
        headline=f"{PARTITIONS} shards, a leader for each partition",
    ),
    Mode(
        name="co-leaders",
        shards=1,
        seats=3,
        headline=f"three leaders, each deletes from all {PARTITIONS} partitions",
    ),
    Mode(
        name="queue",
        shards=PARTITIONS,
        seats=1,
        headline=f"no leader, no store: messages of {ITEM_ROWS} rows each, from a queue in a file",
        queue=True,
    ),
)


def visibility_s(ttl_s: float) -> float:
    """How long the queue hides a message in hand: the ttl, or the least that a worker takes."""
    return max(ttl_s, _LEAST_VISIBILITY_S)


def mode_named(name: str, *, shards: int | None = None, seats: int | None = None) -> Mode:
    """The mode of that name, with so many shards and seats; raises KeyError."""
    mode = {mode.name: mode for mode in MODES}[name]
    return replace(mode, shards=shards or mode.shards, seats=seats or mode.seats)
