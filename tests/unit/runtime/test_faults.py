"""The whole runtime over a store whose requests get lost, late and stuck: at most one acts.

Each act is made under one lock together with its check, so nothing can come between the two. Then
an act of an older token after one of a newer token can mean one thing only: two members trusted
themselves at the same moment.
"""

from __future__ import annotations

import random
import threading
from itertools import count
from typing import Any

import pytest

from coord import Coordinator, LeadershipLost, Role, Term, Timing
from coord.clock import SYSTEM_CLOCK, Clock
from coord.model import ClaimKey
from coord.runtime import coordinator as coordinator_module
from coord.spi import OpenedStore
from coord.testing import Fate, FaultyStore, MemoryServer
from coord.testing.faults import Delivery, Request
from tests.unit.runtime.support import Recorder, sees

MEMBERS, SHARDS = 5, 20
TIMING = Timing.of(0.6, settle_s=0.05, claim_timeout_s=0.1)
_FAULTS = (Fate.LOSE_REQUEST, Fate.LOSE_REPLY, Fate.HOLD, Fate.REFUSE)
_MORE = range(3, 40)
ROLE = Role("many", shards=SHARDS, progress_timeout_s=None)


def rest(seconds: float) -> None:
    threading.Event().wait(seconds)


class Weather:
    """A plan that draws lots, until it is mended: single faults, and storms around one member.

    Held requests land later, when it pleases.
    """

    def __init__(self, seed: int) -> None:
        self._chance = random.Random(seed)
        self._held: list[Request[Any]] = []
        self._storms: dict[str, tuple[float, Fate]] = {}
        self._lock = threading.Lock()
        self.bad = True

    def decide(self, request: Request[Any]) -> Delivery:
        with self._lock:
            late = self._held.pop() if self._held and self._chance.random() < 0.2 else None
            delivery = self._drawn(request.sender) if self.bad else Delivery()
        if late is not None:
            late.land()
        return delivery

    def _drawn(self, sender: str) -> Delivery:
        chance, now = self._chance, SYSTEM_CLOCK.now()
        until, fate = self._storms.get(sender, (0.0, Fate.DELIVER))
        if now < until:
            return Delivery(fate)
        if chance.random() < 0.04:
            length_s = chance.uniform(0.2, 2.5) * TIMING.ttl_s
            self._storms[sender] = (now + length_s, chance.choice(_FAULTS))
        if chance.random() < 0.1:
            return Delivery(chance.choice(_FAULTS))
        return Delivery(request_s=max(0.0, chance.uniform(-0.03, 0.03)))

    def hold(self, request: Request[Any]) -> None:
        with self._lock:
            self._held.append(request)


class Resource:
    """Takes every act whose check succeeds, and keeps what should never happen."""

    def __init__(self) -> None:
        self.acts = 0
        self.wrong: list[str] = []
        self._newest: dict[ClaimKey, int] = {}
        self._lock = threading.Lock()

    def act(self, term: Term) -> None:
        with self._lock:
            term.check()
            self.acts += 1
            newest = self._newest.get(term.key, 0)
            if term.token < newest:
                self.wrong.append(f"{term} was trusted after {newest} had acted")
            self._newest[term.key] = max(newest, term.token)

    def work(self, term: Term) -> None:
        try:
            while term.wait(0.01):
                for _ in range(3):
                    self.act(term)
                    rest(0.005)
        except LeadershipLost:
            pass


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
@pytest.mark.parametrize("seed", [1, 2, *(pytest.param(n, marks=pytest.mark.soak) for n in _MORE)])
def test_no_two_members_trust_themselves_at_once_whatever_the_network_does(
    monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    server, weather, resource = MemoryServer(), Weather(seed), Resource()

    senders = count()

    def open_store(_url: str, *, clock: Clock = SYSTEM_CLOCK, timeout_s: float) -> OpenedStore:
        store = FaultyStore(
            server.store(clock),
            weather,
            clock=clock,
            sender=str(next(senders)),
            timeout_s=timeout_s,
            pass_time=rest,
        )
        return OpenedStore(store, "g")

    monkeypatch.setattr(coordinator_module, "open_store", open_store)
    told = [Recorder() for _ in range(MEMBERS)]
    fleets = [
        Coordinator("memory://x/g", member=f"m{n}", timing=TIMING, hooks=hooks, start_timeout_s=9)
        for n, hooks in enumerate(told)
    ]
    try:
        for fleet in fleets:
            fleet.start()
            fleet.serve(ROLE, resource.work)
        rest(4.0)
        weather.bad = False
        sees(fleets[0], lambda view: len(view.members) == MEMBERS)
        sees(
            fleets[0],
            lambda view: sum(c.session is not None for c in view.claims.values()) == SHARDS,
        )
        before = resource.acts
        told[0].await_told("called", "Heartbeat", times=told[0].count("called", "Heartbeat") + 2)
    finally:
        weather.bad = False
        for fleet in fleets:
            fleet.close()
    assert resource.wrong == []
    assert resource.acts > before > 100
    lost = sum(t.count("report", "session-given-up") for t in told)
    assert lost >= 3, "the weather was too fair"
