"""A term: one tenure of one claim, as user code sees it.

Owns the user's handle: what it may ask, wait for and say. Cannot renew anything and decides
nothing; the deadlines are the lease's, the rules are the core's.

There is no `is_leader()`: its answer would be stale on arrival. `check()` says that the deadline
has not passed *now*; between the check and the act a pause of any length may fall. What must not
happen under an old leadership has to be refused by the resource, which is what the token is for.
"""

from __future__ import annotations

import threading
from contextlib import suppress
from types import TracebackType
from typing import Protocol, Self

from coord.clock import Clock
from coord.core import events as e
from coord.core.commands import StartTerm
from coord.core.lease import Lease
from coord.errors import ConfigError, ForkedProcess, LeadershipLost
from coord.model import EndingKind
from coord.runtime.hooks import Hooks

__all__ = ["Step", "Term", "TermOwner"]

_OVER = Lease("over")
_HANGING = threading.Lock()
"""Two that begin to wait for one term at the same moment wait on one bell."""
_INF = float("inf")


class TermOwner(Protocol):
    """What a term needs of whoever gave it: the engine, or the stand-in of `fake_term`."""

    forked: bool

    @property
    def clock(self) -> Clock:
        """The clock of the deadlines."""
        ...

    @property
    def hooks(self) -> Hooks:
        """Who is told."""
        ...

    def post(self, *events: e.Event) -> None:
        """Take in what user code did."""
        ...

    def term_over(self, term: Term, kind: EndingKind | None) -> None:
        """User code of the term has stopped."""
        ...


class Term:
    """Leadership of one seat of one shard, from being given until it is over.

    Guarantees: while `check()` returns, this member's session was proven by the store recently
    enough that, with clocks within the configured drift and a store that keeps its promises,
    nobody else holds the claim at that moment; a deposal (`coord depose`, or by a peer) excepted,
    which frees the claim first and is noticed here with the next reading of the group.

    Does not guarantee: that an act begun after `check()` lands before the deadline. Give `token`
    to the resource (see `coord.fencing`) so that it can refuse what comes late.

    Threads: all methods may be called from any thread of the process that made the coordinator;
    the term belongs to one piece of user code, which must stop when `wait()` returns False or
    `check()` raises.
    """

    __slots__ = (
        "_asked",
        "_bell",
        "_clock",
        "_cycled",
        "_lease",
        "_owner",
        "_resting",
        "key",
        "number",
        "role",
        "token",
        "told_over",
        "why",
    )

    def __init__(self, owner: TermOwner, given: StartTerm) -> None:
        self.key = given.key
        """(role, generation, shard, seat): also the scope of a fencing guard."""
        self.token = given.token
        """The fencing token: larger than that of every earlier term of this key."""
        self.role = given.role
        """The role as this member declared it."""
        self.number = given.number
        """Counts the terms of this process."""
        self.why = ""
        """Why the term ended or is ending; empty while it goes on."""
        self.told_over = False
        self._owner = owner
        self._lease = given.lease
        self._clock = owner.clock
        self._asked = False
        self._bell: threading.Lock | None = None
        self._cycled = False
        self._resting = False

    def __repr__(self) -> str:
        state = f"ending: {self.why}" if self._asked else "leading"
        return f"<Term {self.key} token={self.token} {state}>"

    @property
    def generation(self) -> int:
        """The generation of the role's shape."""
        return self.key.generation

    @property
    def shard(self) -> int:
        """Which shard this term leads, from 0."""
        return self.key.shard

    @property
    def seat(self) -> int:
        """Which of the shard's co-leaders this term is, from 0."""
        return self.key.seat

    @property
    def deadline_s(self) -> float:
        """The moment on the boot clock at which `check()` will raise if nothing renews.

        It moves with every proven heartbeat; minus infinity once the term is over.
        """
        return self._lease.trusted_until_s

    @property
    def stopping(self) -> bool:
        """Whether the work has been asked to stop, or should stop because proof is missing."""
        return self._asked or self._clock.now() >= self._lease.stop_at_s

    def check(self) -> None:
        """Raise `LeadershipLost` if the deadline has passed or the term is over.

        Costs about two clock reads. See the class for what it does not guarantee.
        """
        if self._clock.now() >= self._lease.trusted_until_s:
            raise self.loss()

    def loss(self) -> Exception:
        """The error that says why this term is over."""
        if self._owner.forked:
            return ForkedProcess(
                f"term {self.key} was used in a forked child",
                cure="Make the coordinator after the fork, in the process that uses it.",
            )
        why = self.why or "no heartbeat was acknowledged before its deadline"
        return LeadershipLost(
            f"term {self.key} (token {self.token}) is over: {why}",
            cure="Stop this work; a later term will be given to whoever leads then.",
        )

    def wait(self, timeout_s: float) -> bool:
        """Rest for `timeout_s`, or until the term ends; return whether it still goes on.

        Returns False as soon as the term ends or is asked to, and at the latest `stop_grace_s`
        before the deadline if no heartbeat is proven. While resting, the term owes no progress;
        coming back here after having worked counts as not being wedged.
        """
        self.rest()
        end = self._clock.now() + timeout_s
        goes_on = self._sleep_until(end)
        self.work()
        return goes_on

    def _sleep_until(self, end_s: float) -> bool:
        bell = self._hang_bell()
        while True:
            now = self._clock.now()
            stop_at = self._lease.stop_at_s
            if self._asked or now >= stop_at:
                return False
            if now >= end_s:
                return True
            if bell.acquire(timeout=min(end_s - now, stop_at - now, threading.TIMEOUT_MAX)):
                with suppress(RuntimeError):  # it was rung again in between
                    bell.release()

    def _hang_bell(self) -> threading.Lock:
        """What to wait on: a lock that is held until the end is asked for.

        An event at a hundredth of the cost, and made only for whoever waits: the thousands of
        terms that one loop serves wait on none of their own. It is there before `_asked` is looked
        at, and `_ring` sets that before it looks here: one of them sees the other.
        """
        if self._bell is None:
            with _HANGING:
                if self._bell is None:
                    bell = threading.Lock()
                    bell.acquire()
                    self._bell = bell
        return self._bell

    def _ring(self) -> None:
        """End the waiting of whoever waits, now or later. Any thread, any number of times."""
        self._asked = True
        if self._bell is not None:
            with suppress(RuntimeError):  # it was rung before
                self._bell.release()

    def rest(self) -> None:
        """User code rests from now on (`wait` says this for you)."""
        event = self.resting(self._owner.clock.now())
        if event is not None:
            self._owner.post(event)

    def work(self) -> None:
        """User code works again from now on (`wait` says this for you)."""
        self._owner.post(self.working(self._owner.clock.now()))

    def resting(self, now: float) -> e.WorkRested | None:
        """The event of `rest`; None if it rests already."""
        cycled = self.begin_rest()
        return None if cycled is None else e.WorkRested(now, self.number, cycled)

    def working(self, now: float) -> e.WorkBegan:
        """The event of `work`."""
        self.end_rest()
        return e.WorkBegan(now, self.number)

    def begin_rest(self) -> bool | None:
        """Note that user code rests; whether it has worked before, None if it rests already."""
        if self._resting:
            return None
        self._resting = True
        cycled, self._cycled = self._cycled, True
        return cycled

    def end_rest(self) -> None:
        """Note that user code works."""
        self._resting = False

    def progress(self) -> None:
        """Say that something got done: the progress timeout begins anew.

        Say it where work is committed, not in a thread or a heartbeat of its own: then a leader
        that does nothing would look alive.
        """
        self._owner.post(e.WorkProgressed(self._owner.clock.now(), self.number))
        self._owner.hooks.progressed(self.key, self.token)

    def step(self, *, max_s: float) -> Step:
        """Declare one longer step: no progress is owed for `max_s` seconds from now.

        Use it as `with term.step(max_s=300): …`; afterwards the usual timeout holds again, and so
        it does from a `progress()` inside: that is how a step ends. Raises `ConfigError` unless
        `max_s` is a number above 0.
        """
        if not 0 < max_s < _INF:
            raise ConfigError(f"a step of {max_s} s", cure="It must be a number above 0.")
        self._owner.post(e.WorkBegan(self._owner.clock.now(), self.number, max_s))
        return Step(self)

    # --- for the runtime ---------------------------------------------------------------------

    def ask_to_stop(self, why: str, *, now_over: bool) -> None:
        """The core wants this term to end; `now_over` says that the claim is gone already."""
        self.why = self.why or why
        if now_over:
            self._lease = _OVER
        self._ring()

    def end(self, kind: EndingKind | None) -> None:
        """User code of this term has stopped, for good. Idempotent.

        In a forked child it does nothing: the term is its parent's, and so may be any lock here.
        """
        if self._owner.forked:
            return
        self.why = self.why or "its work ended"
        self._lease = _OVER
        self._ring()
        self._owner.term_over(self, kind)

    @property
    def lost(self) -> bool:
        """Whether `check` would raise, or the end was asked for."""
        return self._asked or self._clock.now() >= self._lease.trusted_until_s

    @property
    def in_doubt(self) -> bool:
        """Whether the claim is gone, or its session was not proven in time."""
        return self._clock.now() >= self._lease.stop_at_s

    @property
    def is_resting(self) -> bool:
        """Whether user code is inside `wait`."""
        return self._resting

    @property
    def until_stop_s(self) -> float:
        """How long until `wait` must return False if nothing renews."""
        return max(0.0, self._lease.stop_at_s - self._clock.now())

    def report_failure(self, text: str, error: BaseException) -> None:
        """User code of this term raised."""
        self._owner.hooks.failed_work(self.key, text, error)

    @property
    def asked(self) -> bool:
        """Whether the work had to end: if it ends now, that is not by its own wish.

        The deadline counts as well as the core's word: work that saw `wait` return False may be
        back before the core has noticed anything, and must not pass for work that was done.
        """
        return self.stopping


class Step:
    """A declared longer step; leaving it restores the usual progress timeout."""

    __slots__ = ("_term",)

    def __init__(self, term: Term) -> None:
        self._term = term

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._term.work()
