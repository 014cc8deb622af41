"""Many members in one process, coming and going: at most one acts for a shard at any moment."""

from __future__ import annotations

import random
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from coord import Coordinator, Role, Term
from coord.model import ClaimKey, View
from tests.unit.runtime.conftest import Start, Started
from tests.unit.runtime.support import BOUND_S, sees

MEMBERS, SHARDS, OPERATIONS = 8, 200, 30
_MORE = range(3, 40)
ROLE = Role("many", shards=SHARDS, progress_timeout_s=None)


class Guard:
    """Knows who is inside, and keeps what should never happen."""

    def __init__(self) -> None:
        self.acts = 0
        self.wrong: list[str] = []
        self._inside: dict[ClaimKey, int] = {}
        self._last: dict[ClaimKey, int] = {}
        self._lock = threading.Condition()

    @contextmanager
    def acting(self, term: Term) -> Iterator[None]:
        term.check()
        with self._lock:
            self.acts += 1
            other = self._inside.setdefault(term.key, term.token)
            if other != term.token:
                self.wrong.append(f"{term} while {other} is inside")
            if term.token < self._last.get(term.key, 0):
                self.wrong.append(f"{term} after {self._last[term.key]}")
            self._last[term.key] = max(term.token, self._last.get(term.key, 0))
            self._lock.notify_all()
        yield
        with self._lock:
            if self._inside.get(term.key) == term.token:
                del self._inside[term.key]

    def act(self, term: Term) -> None:
        with self.acting(term):
            threading.Event().wait(0.001)  # long enough for another to come in

    def await_acts(self, number: int) -> None:
        """Until there were so many more of them."""
        with self._lock:
            goal = self.acts + number
            assert self._lock.wait_for(lambda: self.acts >= goal, BOUND_S)


def serve_by_threads(fleet: Coordinator, guard: Guard) -> None:
    def work(term: Term) -> None:
        while term.wait(0.02):
            guard.act(term)

    fleet.serve(ROLE, work)


def serve_as_sets(fleet: Coordinator, guard: Guard) -> None:
    def work() -> None:
        for terms in fleet.held(ROLE):
            while terms.wait(0.02):
                for term in terms:
                    guard.act(term)

    threading.Thread(target=work, name="sets").start()


def all_led(view: View) -> bool:
    held = [claim for claim in view.claims.values() if claim.session in view.members]
    return len(held) == SHARDS


@pytest.mark.parametrize("seed", [1, 2, *(pytest.param(n, marks=pytest.mark.soak) for n in _MORE)])
def test_members_that_come_and_go_never_act_twice_for_a_shard(start: Start, seed: int) -> None:
    chance, guard, running = random.Random(seed), Guard(), list[Started]()
    serving = (serve_by_threads, serve_as_sets)

    def join(number: int) -> None:
        member = start(f"m{number}")
        chance.choice(serving)(member.fleet, guard)
        running.append(member)

    for number in range(MEMBERS // 2):
        join(number)
    for number in range(MEMBERS // 2, MEMBERS // 2 + OPERATIONS):
        if len(running) == MEMBERS or (len(running) > 1 and chance.random() < 0.5):
            running.pop(chance.randrange(len(running))).fleet.close()
        else:
            join(number)
        sees(running[0].fleet, all_led)
        guard.await_acts(SHARDS)
    for member in running:
        member.fleet.close()

    assert guard.wrong == []
    for member in running:
        assert member.told.count("report", "stop-forced") == 0
        assert member.told.count("report", "session-given-up") == 0
