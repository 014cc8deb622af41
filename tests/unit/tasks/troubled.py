"""A task under one term whose ledger has moods: for the tests of a runner in trouble.

Owns that ledger, the clocks and the term. Judges nothing.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from itertools import count

from coord.config import Role
from coord.errors import Certainty, StoreUnavailable
from coord.spi import Probe
from coord.tasks import Ledger, Tick, spec_of
from coord.tasks.backoff import Backoff
from coord.tasks.job import Unit
from coord.tasks.ledger import State
from coord.tasks.loop import Loop
from coord.tasks.memory import LedgerMemory
from coord.tasks.opening import open_ledger
from coord.tasks.runner.leading import Duty, Leading
from coord.tasks.runner.notes import LedgerNotes
from coord.tasks.runner.round import Rounds
from coord.tasks.spi import Entry, LedgerGuarantees, LedgerStore
from coord.testing.clock import ManualClock
from coord.testing.terms import FakeTerm, fake_term

__all__ = ["START_S", "Moody", "Scene"]

START_S = 1_800_000_000.0
_NUMBERS = count()


class Moody:
    """A ledger store whose next writes fail as `errors` say; and reads too, if `away`."""

    def __init__(self, inner: LedgerStore) -> None:
        self.inner = inner
        self.errors: list[Exception] = []
        self.away: Exception | None = None
        self.keeps: dict[str, float] = {}
        self.requests: Counter[str] = Counter()
        self._left = -1
        self._is_done = False
        self._then: Callable[[], object] = list

    def dies(self, last: int, *, is_done: bool, then: Callable[[], object]) -> None:
        """With the n-th request from now on, done or not; whoever asks is told `then`."""
        self._left, self._is_done, self._then = last, is_done, then

    def revive(self) -> None:
        """For the next life."""
        self._left, self.away = -1, None

    def _asked(self, request: Callable[[], object]) -> None:
        if self.away is not None:
            raise self.away
        self._left -= 1
        if self._left == 0:
            if self._is_done:
                request()
            self._then()
            self.away = StoreUnavailable("its process is dead", certainty=Certainty.UNKNOWN)
            raise self.away

    @property
    def guarantees(self) -> LedgerGuarantees:
        return self.inner.guarantees

    def read(self, keys: Sequence[str]) -> Mapping[str, Entry]:
        self.requests["read"] += 1
        self._asked(lambda: None)
        return self.inner.read(keys)

    def write(self, key: str, body: bytes, *, expect: str | None, keep_s: float) -> str:
        self.requests["write"] += 1
        self._asked(lambda: self.inner.write(key, body, expect=expect, keep_s=keep_s))
        if self.errors:
            raise self.errors.pop(0)
        self.keeps[key] = keep_s
        return self.inner.write(key, body, expect=expect, keep_s=keep_s)

    def probe(self) -> list[Probe]:
        return self.inner.probe()

    def close(self) -> None:
        self.inner.close()


class Scene:
    """One ledger on a moody store, one term, one task."""

    def __init__(self) -> None:
        self.clock = ManualClock(1000.0)
        url = f"memory://troubles-{next(_NUMBERS)}"
        self.store = Moody(open_ledger(url, clock=self.clock))
        self.ledger = Ledger(self.store, clock=self.clock, lease_s=30.0)
        self.terms: list[FakeTerm] = []
        self.backoff_s = 1.0

    def wall(self) -> float:
        return START_S + self.clock.now() - 1000.0

    def leading(self, function: Callable[..., object], waits: int, *, token: int = 1) -> Leading:
        spec = spec_of(function)
        schedule = spec.schedule
        assert schedule is not None
        role = Role("sweep", progress_timeout_s=60.0)
        term = fake_term(role, waits=waits, token=token, clock=self.clock, ttl_s=100.0)
        self.terms.append(term)
        parts = spec.parts or role.shards
        notes = LedgerNotes(self.ledger, spec, schedule, scope=str(term.key), token=token)
        duty = Duty(
            spec=spec,
            function=function,
            is_async=asyncio.iscoroutinefunction(function),
            memory=LedgerMemory(self.ledger),
            loop=Loop(),
            clock=self.clock,
            backoff=Backoff(base_s=self.backoff_s),
            stagger_s=0.0,
            wall=self.wall,
        )
        return Leading(term, duty, notes, Rounds(notes, schedule, spec.policies("g"), parts=parts))

    def state(self, seconds: float, part: int = 0) -> State | None:
        key = str(Unit("sweep", str(Tick.of(START_S + seconds)), part))
        known = self.ledger.look([key]).get(key)
        return None if known is None else known.state
