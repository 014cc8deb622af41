"""Kills, pauses and restarts of the workers of a depot, for as long as there is work."""

from __future__ import annotations

import random
import signal
import time
from collections import Counter
from collections.abc import Callable, Sequence

from tests.integration.queue.depot import Depot, Hauler

__all__ = ["rage"]

_EVERY_S = 0.6
_LOOK_S = 0.05


def rage(
    depot: Depot,
    start: Callable[[], Hauler],
    workers: int,
    *,
    pause_s: float,
    within_s: float,
    more: Sequence[Callable[[], None]] = (),
    every_s: float = _EVERY_S,
    seed: int = 7,
) -> Counter[str]:
    """Strike one worker after the other until the queue is empty; how often each strike fell.

    `pause_s`: for how long a worker is stopped. `more`: strikes of another kind. Those who are
    killed or ended are replaced. All are ended in order at the end.
    """
    draw = random.Random(seed)
    live = [start() for _ in range(workers)]
    paused: list[tuple[float, Hauler]] = []
    struck: Counter[str] = Counter()
    end_s = time.monotonic() + within_s
    next_s = time.monotonic() + every_s
    while not depot.is_empty():
        now = time.monotonic()
        assert now < end_s, (
            f"not empty within {within_s:g} s: {depot.queue.depth()}\n{depot.logs()}"
        )
        for due_s, hauler in [one for one in paused if one[0] <= now]:
            paused.remove((due_s, hauler))
            hauler.signal(signal.SIGCONT)
            live.append(hauler)
        if now >= next_s and live:
            next_s = now + every_s
            what = draw.choice(["killed", "paused", "ended", *(["struck"] if more else [])])
            struck[what] += 1
            if what == "struck":
                draw.choice(more)()
                continue
            hauler = live.pop(draw.randrange(len(live)))
            if what == "paused":
                hauler.signal(signal.SIGSTOP)
                paused.append((now + pause_s, hauler))
            else:
                hauler.signal(signal.SIGKILL if what == "killed" else signal.SIGTERM)
                live.append(start())
        time.sleep(_LOOK_S)
    for _, hauler in paused:
        hauler.signal(signal.SIGCONT)
    for hauler in [*live, *(hauler for _, hauler in paused)]:
        hauler.end()
    return struck
