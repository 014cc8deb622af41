"""The store of a simulated kind: when it answers, when it ends sessions, what it breaks.

Owns the rules of expiry that differ from the reference store's, and whether requests get through to
it. Numbers are `manners`'; what befalls it is `blows`'.
"""

from __future__ import annotations

import math
from random import Random

from coord.lab.sim.manners import StoreManner
from coord.model import MemberRecord
from coord.testing.faults import Fate
from coord.testing.group_state import GroupState, Manner
from coord.testing.world_link import Fare

__all__ = ["Service", "StoreState"]


class Service:
    """Whether the store answers. While it is stopped, requests wait until it goes on.

    `revoked`: the sessions that it ended against its promise (`StoreManner.stale_revoke`).
    """

    def __init__(self) -> None:
        self.answers = True
        self.refuses = False
        self.revoked: set[str] = set()

    def fare(self, fare: Fare) -> Fare:
        """What becomes of a request while it does not: it waits, or nobody is there to take it."""
        if self.refuses:
            return Fare(Fate.REFUSE, fare.request_ns, fare.reply_ns)
        return Fare(fare.fate, None, fare.reply_ns)


class StoreState(GroupState):
    """A group of a store that is late: see `StoreManner.looks_s`, `late_s`, `lag_s`."""

    store_manner: StoreManner
    dice: Random
    service: Service

    def sweep(self, now_s: float) -> None:
        """A store that stands still ends nothing."""
        if self.service.answers:
            super().sweep(now_s)

    def next_expiry_s(self) -> float:
        """Nor is there a moment at which it would; when it goes on, the next request tells it."""
        return super().next_expiry_s() if self.service.answers else math.inf

    def lead(self, now_s: float) -> None:
        """A server begins to lead: it counts each session's ttl from now."""
        for session in list(self._rows):
            self._renew(now_s, session, self._members[session].seq)

    def open(self, now_s: float, record: MemberRecord, ttl_s: float) -> tuple[str, float]:
        """Make a member live."""
        return super().open(
            now_s, record, math.ceil(ttl_s) if self.store_manner.whole_ttl else ttl_s
        )

    def _renew(self, now_s: float, session: str, seq: int) -> None:
        super()._renew(now_s, session, seq)
        manner, row = self.store_manner, self._rows[session]
        if manner.ends is Manner.SERVER:
            forgotten_s = self.dice.random() * manner.lag_s if manner.lag_s else 0.0
            # what the reference forgets always (its lag) is forgotten by chance
            row.deadline_s += manner.lag_s - forgotten_s + self.dice.uniform(*manner.late_s)
            if manner.looks_s:
                looks = math.ceil(row.deadline_s / manner.looks_s)
                row.deadline_s = looks * manner.looks_s

    def told_dead(self) -> None:
        """The store's watchers are told that somebody died."""
        self.revision += 1

    def revoke(self, dice: Random, chance: float) -> None:
        """End sessions that are alive, as a leader does that was stopped and knows no better."""
        for session in list(self._rows):
            if dice.random() < chance:
                self.service.revoked.add(session)
                self._end(session)
