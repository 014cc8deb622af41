"""What the fleet looks like where nobody leads: who has messages in hand, and which are stuck.

Owns the present of the mode `queue`. A worker "leads" the items that it has in hand, and a shard is
without anybody while one of its items is stuck: handed out, not done, and with nobody who can act.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping

from coord.lab.chaos.led_scene import LedScene
from coord.lab.chaos.scene import Column, State, Worker
from coord.lab.measure.events import Act, Backlog, End, Lead, Record
from coord.lab.work.modes import HANDLERS, TAU_S, Mode
from coord.model import ClaimKey

__all__ = ["QueueScene"]

_FRESH_S = 1.0


class QueueScene(LedScene):
    """The present of a mode without leaders. Fed by one thread, read by the same."""

    def __init__(self, mode: Mode, members: Iterable[str]) -> None:
        super().__init__(mode, members)
        self.handled: Counter[str] = Counter()
        """How many items each worker has done."""
        self._open: dict[ClaimKey, float] = {}
        """The items that are due and not done, and since when."""
        self._taken: set[ClaimKey] = set()
        self._acted_s: dict[str, float] = {}
        self._late_s = float("-inf")
        self.awaits_work = False  # what waited for the first workers would take long to work off

    @property
    def most(self) -> int:
        """As many items as one worker can have in hand."""
        return HANDLERS

    def take(self, records: Iterable[Record], now_s: float) -> None:
        """Follow what was written, and whether anything has been left lying."""
        super().take(records, now_s)
        if all(worker.state is not State.AWAY for worker in self.workers.values()):
            self.awaits_work = True
        if now_s - min(self._open.values(), default=now_s) > TAU_S:
            self._late_s = now_s

    def _take(self, record: Record) -> None:
        if isinstance(record, Backlog) and record.seat is not None:
            key = ClaimKey(record.role, 1, record.shard, record.seat)
            self._open[key] = record.t
        changed_s = self.changed_s
        super()._take(record)
        if isinstance(record, Lead | End):  # items come and go all the time: no sign of unrest
            self.changed_s = changed_s

    def _begin(self, worker: Worker, lead: Lead) -> None:
        super()._begin(worker, lead)
        self._taken.add(lead.key)

    def _count(self, act: Act) -> None:
        super()._count(act)
        if act.fenced and act.accepted:
            self.handled[act.who.member] += 1
            self._acted_s[act.who.member] = act.t
            self._open.pop(act.key, None)
            self._taken.discard(act.key)

    def _redraw(self, last: Column, column: Column) -> None:
        """Hands fill and empty many times a column: show the most."""
        most = {name: max(last.held.get(name, 0), held) for name, held in column.held.items()}
        super()._redraw(last, Column(column.states, most, column.unled))

    # --- what the script asks ----------------------------------------------------------------

    def unled(self) -> list[int]:
        """The partitions with an item that is stuck."""
        moving = {key for w in self.workers.values() if w.acting for key in w.leads}
        return sorted({key.shard for key in self._taken - moving})

    def steady(self, now_s: float, *, quiet_s: float) -> bool:
        """Whether all are there and at work, none has changed lately, and nothing has lain."""
        if any(w.state is not State.UP for w in self.workers.values()):
            return False
        if now_s - max(self.changed_s, self._late_s) < quiet_s:
            return False
        return all(
            now_s - self._acted_s.get(name, float("-inf")) < _FRESH_S for name in self.workers
        )

    def taken_over(self, lost: Mapping[ClaimKey, int]) -> bool:
        """Whether each of these items is done, and whatever else its holders got after it."""
        holders = [w for w in self.workers.values() if w.state is not State.UP]
        stuck = any(key in self._open for w in holders for key in w.leads)
        return not stuck and not any(key in self._open for key in lost)
