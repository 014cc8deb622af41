"""Scheduled tasks without a leader: any worker puts what is due on the queue.

Owns one thread that plans all scheduled tasks of a worker. Law: that a unit was put on the queue is
written in the ledger under a key of its own, so of all workers one sends it. One that dies between
sending and writing has it sent twice; the second message finds the unit done, since the unit has a
record too, whoever runs it.
"""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Sequence

from coord.errors import CoordError, Fenced, InProgress
from coord.tasks.ledger import Ledger
from coord.tasks.mark import TaskSpec
from coord.tasks.queue.asking import ended_in
from coord.tasks.queue.payload import Codec, outgoing
from coord.tasks.queue.spi import Queue
from coord.tasks.runner.notes import LedgerNotes, enqueued_key, kept_s
from coord.tasks.runner.round import Rounds
from coord.tasks.schedule import TickPart
from coord.telemetry.log import bound_logger

__all__ = ["Enqueuer"]

_REST_S = 1.0
_LONGEST_S = 15.0

_log = bound_logger("coord.tasks")


class Enqueuer:
    """Plans `specs` until it is stopped. `wall` is the wall clock that schedules go by."""

    def __init__(
        self,
        queue: Queue,
        specs: Sequence[TaskSpec],
        ledger: Ledger,
        codec: Codec,
        *,
        wall: Callable[[], float],
    ) -> None:
        self._queue = queue
        self._ledger = ledger
        self._codec = codec
        self._wall = wall
        self._over = threading.Event()
        self.is_paused = False
        """Whether to put nothing on the queue for now; what is due then counts as missed."""
        self._pauses: dict[str, float] = {}
        self._tasks = [(spec, _rounds(spec, ledger, queue.name)) for spec in specs]
        self._thread = threading.Thread(target=self._run, name="coord-queue-ticks", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def close(self, timeout_s: float) -> bool:
        """Put nothing more on the queue; whether it ended in time."""
        self._over.set()
        return ended_in(self._thread, timeout_s)

    def _run(self) -> None:
        pause_s = 0.0
        while not self._over.wait(pause_s):
            pause_s = _REST_S
            if not self.is_paused:
                pause_s = min(self._turn(spec, rounds) for spec, rounds in self._tasks)

    def _turn(self, spec: TaskSpec, rounds: Rounds) -> float:
        """Put on the queue what is due of one task; when to look again, from now."""
        now_s = self._wall()
        try:
            plan, elsewhere = rounds.plan(now_s, {})
            for skip in plan.skipped:
                _log.info(
                    "tick-skipped",
                    task=spec.name,
                    why=skip.why.value,
                    first=str(skip.first),
                    last=str(skip.last),
                    part=skip.part,
                    units=skip.units,
                )
            sent = [self._send(spec, unit, rounds.parts_of(unit.tick)) for unit in plan.start]
        except Exception as error:  # noqa: BLE001  without this thread nothing is ever due
            return self._failed(spec, error)
        self._pauses.pop(spec.name, None)
        if elsewhere or plan.waiting or not all(sent):
            return _REST_S
        # A little later than due, each worker by as much as its dice say: one is enough to send.
        return min(_LONGEST_S, max(0.0, plan.look_again_s - now_s) + random.uniform(0, 0.05))

    def _failed(self, spec: TaskSpec, error: Exception) -> float:
        """Tell, and rest: longer each time, so that a ledger that is away is told of seldom."""
        _log.warning("plan-failed", task=spec.name, why=str(error) or type(error).__name__)
        longer_s = 2 * self._pauses.get(spec.name, 0.0)
        pause_s = self._pauses[spec.name] = min(_LONGEST_S, max(_REST_S, longer_s))
        return random.uniform(pause_s / 2, pause_s)

    def _send(self, spec: TaskSpec, unit: TickPart, parts: int) -> bool:
        """Put one unit on the queue, unless that was done; False if somebody else is at it."""
        name = f"{spec.name}/{unit.tick}/{unit.part}"

        def send() -> dict[str, float]:
            message = outgoing(
                spec.name,
                {},
                codec=self._codec,
                group=name if self._queue.limits.ordered else "",
                dedup=name if self._queue.limits.ordered else "",
                tick=str(unit.tick),
                part=unit.part,
                parts=parts,
            )
            (answer,) = self._queue.send([message])
            if isinstance(answer, CoordError):
                raise answer
            return {"at_s": self._wall()}

        try:
            self._ledger.once(enqueued_key(spec.name, unit), send, keep_s=kept_s(spec))
        except (InProgress, Fenced):
            return False
        return True


def _rounds(spec: TaskSpec, ledger: Ledger, group: str) -> Rounds:
    schedule = spec.schedule
    assert schedule is not None  # noqa: S101  only scheduled tasks are handed in
    notes = LedgerNotes(ledger, spec, schedule, scope="", token=0, is_queue=True)
    return Rounds(notes, schedule, spec.policies(group), parts=spec.parts or 1)
