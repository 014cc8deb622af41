"""How terms reach user code: a loop over terms, a thread each, or a set that changes.

Owns the hand-over between the control thread and the threads of user code. Knows no rule of who
leads and no deadline. `begin_all`, `asked_to_stop` and `over` are called on the control thread and
never block. In a forked child nothing here touches a lock: it may be held there for ever.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from coord.config import Role
from coord.core import events as e
from coord.errors import LeadershipLost
from coord.model import EndingKind
from coord.runtime.term import Term
from coord.threads import DaemonThread

if TYPE_CHECKING:
    from coord.runtime.engine import Engine

__all__ = [
    "GATHER_STEP_S",
    "Binding",
    "Held",
    "HeldTerms",
    "Loop",
    "Serving",
    "all_resting",
    "all_working",
    "gather_s",
    "outcome",
    "work_raised",
]

_GATHER_S = 25e-6  # a term: ten times what a set costs its loop
_MOST_GATHER_S = 0.25
GATHER_STEP_S = 0.002


class Binding:
    """Stands for the user code of one role."""

    def __init__(self, engine: Engine, role: Role) -> None:
        self.engine = engine
        self.role = role

    def begin_all(self, terms: Sequence[Term]) -> None:
        """These terms are ours: have the work of each begin. At least one."""
        for term in terms:
            self.begin(term)

    def begin(self, term: Term) -> None:
        """A term is ours: have its work begin."""
        raise AssertionError(f"{type(self).__name__} must begin {term}")

    def asked_to_stop(self, term: Term) -> None:
        """A term was asked to stop (its own `wait` knows already)."""

    def over(self) -> None:
        """No further term will come."""


class Loop(Binding):
    """Terms one after another, taken by one loop: `terms()` and `lead()`."""

    def __init__(self, engine: Engine, role: Role) -> None:
        super().__init__(engine, role)
        self._ready: deque[Term] = deque()
        self._changed = threading.Condition()
        self._over = False

    def begin(self, term: Term) -> None:
        """Offer it to the loop."""
        with self._changed:
            if not self._over:
                self._ready.append(term)
                self._changed.notify_all()
                return
        term.end(None)

    def asked_to_stop(self, term: Term) -> None:
        """A term that no loop has taken yet ends at once."""
        with self._changed:
            if term not in self._ready:
                return
            self._ready.remove(term)
        term.end(None)

    def over(self) -> None:
        """Wake the loop: nothing more comes."""
        with self._changed:
            self._over = True
            self._changed.notify_all()

    def take(self, timeout_s: float | None) -> Term | None:
        """The next term; None when there will be none, or none within the timeout."""
        self.engine.check_owner()
        now = self.engine.clock.now
        end_s = None if timeout_s is None else now() + timeout_s
        nap_s = self.engine.machine.member.timing.ttl_s
        with self._changed:
            while True:
                if self._ready:
                    return self._ready.popleft()
                left = nap_s if end_s is None else end_s - now()
                if self._over or left <= 0:
                    return None
                self._changed.wait(min(left, nap_s))

    def abandon(self) -> None:
        """The loop is gone: end what it has not taken."""
        if self.engine.forked:
            return
        with self._changed:
            self.over()
            left = list(self._ready)
            self._ready.clear()
        for term in left:
            term.end(None)


class Serving(Binding):
    """A function called once a term, on a thread of its own."""

    def __init__(self, engine: Engine, role: Role, work: Callable[[Term], object]) -> None:
        super().__init__(engine, role)
        self._work = work

    def begin(self, term: Term) -> None:
        """Start its thread; a system that gives none has failed this term, not the member."""
        name = f"coord-{term.key}"
        try:
            DaemonThread(self._run, name, (term,)).start()
        except RuntimeError as error:
            term.end(work_raised(term, error))

    def _run(self, term: Term) -> None:
        term.end(outcome(self._work, term))


def outcome(work: Callable[[Term], object], term: Term) -> EndingKind | None:
    """Run the work of one term and say how it ended; what it raises is reported, not raised."""
    try:
        work(term)
    except BaseException as error:  # noqa: BLE001 (a thread that exits silently would keep the claim)
        return work_raised(term, error)
    return None if term.asked else EndingKind.RETURNED


def work_raised(term: Term, error: BaseException) -> EndingKind | None:
    """How a term ends whose work raised; reports it, unless it is the term's own end.

    Work that fails while it is stopping has ended, not failed at its job.
    """
    if isinstance(error, LeadershipLost) and term.lost:
        return None
    text = f"the work of {term.key} raised {type(error).__name__}: {error}"
    term.report_failure(text, error)
    return None if term.asked else EndingKind.RAISED


class HeldTerms:
    """The terms of one role that this member holds now, for a single loop that serves them all.

    Iterate over it; `wait` between rounds. It never changes: a new one comes when anything does.
    """

    def __init__(self, binding: Held, terms: tuple[Term, ...]) -> None:
        self._binding = binding
        self._terms = terms

    def __iter__(self) -> Iterator[Term]:
        return iter(self._terms)

    def __len__(self) -> int:
        return len(self._terms)

    def __contains__(self, term: object) -> bool:
        return term in self._terms

    def wait(self, timeout_s: float) -> bool:
        """Rest for `timeout_s`; return whether the set is still the same.

        Returns False as soon as a term was added or asked to stop, and in time before a deadline.
        All terms of the set rest while this waits.
        """
        return self._binding.rest(self._terms, timeout_s)


def all_resting(terms: Iterable[Term], now: float) -> list[e.ManyRested]:
    """The events of `Term.rest`, for all terms that one loop works for."""
    numbers: dict[bool, list[int]] = {False: [], True: []}
    for term in terms:
        cycled = term.begin_rest()
        if cycled is not None:
            numbers[cycled].append(term.number)
    return [e.ManyRested(now, tuple(found), cycled) for cycled, found in numbers.items() if found]


def all_working(terms: Iterable[Term], now: float) -> e.ManyBegan:
    """The event of `Term.work`, for all terms that one loop works for."""
    numbers = []
    for term in terms:
        term.end_rest()
        numbers.append(term.number)
    return e.ManyBegan(now, tuple(numbers))


def gather_s(terms: int) -> float:
    """How long a set of so many terms waits, at most, while more of them are being given.

    Each new set costs its loop something for every term in it; a member that is given thousands
    in batches would spend more on that than on claiming them. Small sets do not wait, and none
    does once the member has nothing more to give (`Engine.giving`).
    """
    return min(_MOST_GATHER_S, terms * _GATHER_S)


class Held(Binding):
    """All terms of a role for one loop: `held()`."""

    def __init__(self, engine: Engine, role: Role) -> None:
        super().__init__(engine, role)
        self._terms: dict[int, Term] = {}
        self._ending: list[Term] = []
        self._changed = threading.Condition()
        self._dirty = True
        self._gathering = False
        self._over = False

    def begin_all(self, terms: Sequence[Term]) -> None:
        """Add them to the next set."""
        with self._changed:
            if not self._over:
                self._terms.update((term.number, term) for term in terms)
                self._mark()
                return
        for term in terms:
            term.end(None)

    def asked_to_stop(self, term: Term) -> None:
        """Leave it out of the next set; it ends when the loop comes for that set."""
        with self._changed:
            if self._terms.pop(term.number, None) is not None:
                self._ending.append(term)
                self._mark()

    def over(self) -> None:
        """Wake the loop: nothing more comes."""
        with self._changed:
            self._over = True
            self._mark()

    def _mark(self) -> None:
        self._dirty = True
        if not self._gathering or self._over:
            self._changed.notify_all()

    def _gather(self) -> None:
        """Under the lock: let more changes come, without being woken by each of them."""
        now = self.engine.clock.now
        end_s = now() + gather_s(len(self._terms))
        self._gathering = True
        while not self._over and self.engine.giving and now() < end_s:
            self._changed.wait(GATHER_STEP_S)
        self._gathering = False

    def next_set(self) -> HeldTerms | None:
        """Called by the loop when it has stopped working on the last set; None at the end."""
        self.engine.check_owner()
        self._end_asked()
        nap_s = self.engine.machine.member.timing.ttl_s
        with self._changed:
            while not self._dirty and not self._over:
                self._changed.wait(nap_s)
            self._gather()
            if self._over:
                return None
            self._dirty = False
            terms = tuple(self._terms.values())
        self._end_asked()
        return HeldTerms(self, terms)

    def _end_asked(self) -> None:
        with self._changed:
            ending, self._ending = self._ending, []
        for term in ending:
            term.end(None)

    def abandon(self) -> None:
        """The loop is gone: end everything."""
        if self.engine.forked:
            return
        with self._changed:
            self._over = True
            terms = [*self._terms.values(), *self._ending]
            self._terms.clear()
            self._ending.clear()
        for term in terms:
            term.end(None if term.asked else EndingKind.RETURNED)

    def rest(self, terms: tuple[Term, ...], timeout_s: float) -> bool:
        """Let all terms of a set rest until the timeout, or until the set is not right any more."""
        now = self.engine.clock.now
        self.engine.post(*all_resting(terms, now()))
        same = self._sleep(terms, now() + timeout_s)
        self.engine.post(all_working(terms, now()))
        return same

    def _sleep(self, terms: tuple[Term, ...], end_s: float) -> bool:
        now = self.engine.clock.now
        nap_s = self.engine.machine.member.timing.heartbeat_s
        with self._changed:
            while True:
                if self._dirty or self._over or any(term.stopping for term in terms[:1]):
                    return False
                left = end_s - now()
                if left <= 0:
                    return True
                self._changed.wait(min(left, nap_s))
