"""Terms for unit tests of work functions: no store, no session, no thread, no waiting.

Owns a stand-in for whoever gives terms. Knows no election: the test decides when the term ends.
What it hands out is the runtime's own `Term`, so `check()`, `stopping` and `deadline_s` follow the
rules of a real one on a clock that the test moves.

    def test_reap_stops_when_it_is_told_to():
        term = fake_term("reaper", waits=2)
        reap(term)
        assert term.progressed == 2
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator
from itertools import repeat

from coord.config import Role, Timing
from coord.core import events as e
from coord.core.commands import StartTerm
from coord.core.lease import Lease
from coord.model import ClaimKey, EndingKind
from coord.runtime.aio_term import AsyncTerm
from coord.runtime.hooks import Hooks
from coord.runtime.term import Term
from coord.spi import Proof
from coord.testing.clock import ManualClock

__all__ = ["FakeAsyncTerm", "FakeTerm", "fake_term"]


class _Owner:
    """What a term tells its engine, kept for the test to read."""

    def __init__(self, clock: ManualClock) -> None:
        self.forked = False
        self.clock = clock
        self.hooks = Hooks()
        self.heard: list[e.Event] = []

    def post(self, *events: e.Event) -> None:
        self.heard += events

    def term_over(self, term: Term, kind: EndingKind | None) -> None:
        """Nobody else needs to know."""


class FakeTerm(Term):
    """A term that ends when the test says so. Made by `fake_term`.

    `wait` returns at once. It lets its timeout pass on the test's clock, with the deadline renewed
    as a healthy member's would be, and then answers as scripted.
    """

    __slots__ = ("_answers", "_given", "_heard", "_timing", "clock", "waits")

    def __init__(
        self, owner: _Owner, given: StartTerm, *, answers: Iterator[bool], timing: Timing
    ) -> None:
        super().__init__(owner, given)
        self.clock = owner.clock
        """The clock that `check()` reads. Move it to let time pass without a heartbeat."""
        self.waits: list[float] = []
        """The timeout of each `wait` so far."""
        self._answers = answers
        self._given = given.lease
        self._heard = owner.heard
        self._timing = timing
        self.renew()

    @property
    def progressed(self) -> int:
        """How often the work has called `progress()`."""
        return sum(isinstance(event, e.WorkProgressed) for event in self._heard)

    @property
    def steps(self) -> list[float]:
        """`max_s` of each longer step that the work has declared."""
        found = [event.max_s for event in self._heard if isinstance(event, e.WorkBegan)]
        return [max_s for max_s in found if max_s is not None]

    def wait(self, timeout_s: float) -> bool:
        """As `Term.wait`, without the waiting; False also when the script says so."""
        self.waits.append(timeout_s)
        self.rest()
        if not self.stopping:
            self.clock.advance(max(timeout_s, 0.0))
            self.renew()
            if not next(self._answers, False):
                self.ask_to_stop("the script of the test is over")
        self.work()
        return not self.stopping

    def renew(self) -> None:
        """A heartbeat is proven now: the deadline is a ttl away again, unless the term is over."""
        proof = Proof(sent_at_s=self.clock.now(), ttl_s=self._timing.ttl_s)
        self._given.extend(proof, self._timing)

    def ask_to_stop(self, why: str = "the test asks it to", *, now_over: bool = False) -> None:
        """The work should stop: `wait` returns False from now on; `check` still succeeds."""
        super().ask_to_stop(why, now_over=now_over)

    def expire(self) -> None:
        """The leadership is gone: `check` raises `LeadershipLost` from now on."""
        super().ask_to_stop("the test let it expire", now_over=True)

    def as_async(self) -> FakeAsyncTerm:
        """The same term for coroutines; its `wait` yields to the event loop once."""
        return FakeAsyncTerm(self)


class FakeAsyncTerm(AsyncTerm):
    """A `FakeTerm` for coroutines."""

    __slots__ = ("fake",)

    def __init__(self, fake: FakeTerm) -> None:
        super().__init__(fake)
        self.fake = fake

    async def wait(self, timeout_s: float) -> bool:
        """As `FakeTerm.wait`."""
        await asyncio.sleep(0)
        return self.fake.wait(timeout_s)


def fake_term(
    role: str | Role = "fake",
    *,
    shard: int = 0,
    seat: int = 0,
    generation: int = 1,
    token: int = 1,
    waits: int | Iterable[bool] | None = None,
    ttl_s: float = 10.0,
    clock: ManualClock | None = None,
) -> FakeTerm:
    """A term for a unit test, to be passed wherever a `Term` is expected, guards included.

    `waits` scripts `wait()`: a number of times that it returns True, or the answers one by one;
    afterwards the term is asked to stop. None: it goes on until `ask_to_stop()` or `expire()`.
    """
    answers: Iterator[bool] = repeat(True)  # noqa: FBT003 (the answer of `wait`)
    if waits is not None:
        answers = iter([True] * waits if isinstance(waits, int) else list(waits))
    found = role if isinstance(role, Role) else Role(role)
    clock = ManualClock() if clock is None else clock
    given = StartTerm(
        number=1,
        key=ClaimKey(found.name, generation, shard, seat),
        token=token,
        role=found,
        lease=Lease("fake"),
        asked_s=clock.now(),
    )
    return FakeTerm(_Owner(clock), given, answers=answers, timing=Timing.of(ttl_s))
