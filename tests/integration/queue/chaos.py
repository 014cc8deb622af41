"""Kills, pauses and restarts of the workers of a depot, for as long as there is work.

Strikes are aimed: a worker is stopped first, and then its journal says whether it had a handler
running. So what is claimed of workers that are struck at work does not hang on luck.
"""

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
_SIGNALS = {
    "killed": signal.SIGKILL,
    "paused": signal.SIGSTOP,
    "ended": signal.SIGTERM,
    "struck": signal.SIGCONT,
}


class _Aim:
    """Who is at work, as the journal says; each line of it is read once."""

    def __init__(self, depot: Depot) -> None:
        self._path = depot.folder / "journal"
        self._read = 0
        self._open: dict[str, set[tuple[str, str]]] = {}

    def stopped_at_work(self, haulers: Sequence[Hauler]) -> Hauler | None:
        """Stop the first of these that has a handler running, and leave it so."""
        for hauler in haulers:
            if not self._is_at_work(hauler):
                continue
            hauler.stop()
            if self._is_at_work(hauler):
                return hauler
            hauler.signal(signal.SIGCONT)
        return None

    def _is_at_work(self, hauler: Hauler) -> bool:
        self._read_on()
        return bool(self._open.get(hauler.name))

    def _read_on(self) -> None:
        if not self._path.exists():
            return
        with self._path.open("rb") as journal:
            journal.seek(self._read)
            text = journal.read()
        text = text[: text.rfind(b"\n") + 1]
        self._read += len(text)
        for line in text.decode().splitlines():
            _, what, message, received, name, _ = line.split(" ", 5)
            mine = self._open.setdefault(name, set())
            if what == "start":
                mine.add((message, received))
            elif what in {"completed", "known", "told", "ended"}:
                mine.discard((message, received))


def rage(
    depot: Depot,
    start: Callable[[], Hauler],
    workers: int,
    *,
    pause_s: float,
    within_s: float,
    more: Sequence[Callable[[], None]] = (),
    every_s: float = _EVERY_S,
    most: float = float("inf"),
) -> Counter[str]:
    """Strike one worker after the other until the queue is empty; how often each strike fell.

    `pause_s`: for how long a worker is stopped. `more`: strikes of another kind. `most`: so many in
    all. Each strikes a worker that is at work, and waits for one; the first is killed. Those who
    are killed or ended are replaced; in the end all are ended in order.
    """
    draw = random.Random(7)
    live = [start() for _ in range(workers)]
    aim = _Aim(depot)
    paused: list[tuple[float, Hauler]] = []
    struck: Counter[str] = Counter()
    end_s = time.monotonic() + within_s
    next_s = 0.0
    while not depot.is_empty():
        now = time.monotonic()
        assert now < end_s, (
            f"not empty within {within_s:g} s: {depot.queue.depth()}\n{depot.logs()}"
        )
        for due_s, hauler in [one for one in paused if one[0] <= now]:
            paused.remove((due_s, hauler))
            hauler.signal(signal.SIGCONT)
            live.append(hauler)
        draw.shuffle(live)
        due = now >= next_s and struck.total() < most
        victim = aim.stopped_at_work(live) if due else None
        if victim is not None:
            next_s = now + every_s
            what = draw.choice(["killed", "paused", "ended", *(["struck"] if more else [])])
            what = what if struck else "killed"
            struck[what] += 1
            victim.signal(_SIGNALS[what])
            if what == "struck":
                draw.choice(more)()
                continue
            live.remove(victim)
            if what == "paused":
                paused.append((now + pause_s, victim))
                continue
            victim.signal(signal.SIGCONT)
            live.append(start())
        time.sleep(_LOOK_S)
    for _, hauler in paused:
        hauler.signal(signal.SIGCONT)
    for hauler in [*live, *(hauler for _, hauler in paused)]:
        hauler.end()
    return struck
