"""The messages that were received and have not begun, and who may take the next one.

Owns the hand-over from the thread that receives to the threads that work, and the count of what
runs. Decides nothing of its own: how many may run, and whose turn it is, says the admission.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence

from coord.clock import Clock
from coord.tasks.queue.admission import Admission, Deferral, Load
from coord.tasks.queue.hand import InHand

__all__ = ["Backlog"]


_NAP_S = 0.25  # how often time alone is let change whose turn it is


class Backlog:
    """Any thread. `take` blocks; everything else is quick.

    Whoever has ended one and can work on is given the next under the same lock, by the same look at
    the clock: with quick handlers, locks and clocks are what a message costs.

    `deferred` is called for what is given back, on the thread that asks for room; `limited` when
    the limit has moved, with the new one and why, on the thread that reports an end.
    """

    def __init__(
        self,
        admission: Admission,
        clock: Clock,
        *,
        deferred: Callable[[Deferral], None],
        limited: Callable[[int, str], None],
    ) -> None:
        self._admission = admission
        self._clock = clock
        self._deferred = deferred
        self._limited = limited
        self._limit = admission.limit
        self._changed = threading.Condition()
        self._room = threading.Event()
        self._running = 0
        self._idle = 0
        self._is_called = False  # a thread was woken, and has not looked yet
        self._is_held = False  # something waits for a limit of its own, beside free capacity
        self._is_over = False

    @property
    def running(self) -> int:
        """How many messages are being worked on."""
        return self._running

    @property
    def waiting(self) -> int:
        """How many were received and have not begun."""
        return self._admission.waiting

    @property
    def has_plenty(self) -> bool:
        """Whether more is in hand than may run at once. What is held back does not count."""
        admission = self._admission
        return not self._is_held and self._running + admission.waiting > admission.limit

    @property
    def is_short(self) -> bool:
        """Whether something could begin, as far as numbers go, and no thread is there for it."""
        admission = self._admission
        return not self._idle and admission.waiting > 0 and self._running < admission.limit

    def load(self) -> Load:
        """How the admission stands."""
        with self._changed:
            return self._admission.load(self._running, self._clock.now())

    def room(self) -> int:
        """How many more may be received now: what could begin soon, and no more.

        What waits in the way of others is given back first.
        """
        with self._changed:
            now = self._clock.now()
            excess = self._admission.excess(self._running, now)
            room = self._admission.room(self._running, now)
        for one in excess:
            self._deferred(one)
        return room

    def wait_for_room(self, timeout_s: float) -> None:
        """Until something has ended, at most."""
        self._room.wait(timeout_s)
        self._room.clear()

    def put(self, hands: Sequence[InHand]) -> bool:
        """These may begin; False after `close`: then nothing was taken."""
        with self._changed:
            if self._is_over:
                return False
            self._admission.put(hands, self._clock.now())
            self._call()
            return True

    def _call(self) -> None:
        """Under the lock: see that a thread looks, one at a time. It calls the next if need be.

        Handlers that take no time are then run by one warm thread instead of by ten that wait for
        each other.
        """
        if self._idle and not self._is_called and self._admission.waiting:
            self._is_called = True
            self._changed.notify()

    def take(self) -> InHand | None:
        """The next to begin, now counted as running; None when there will be none."""
        with self._changed:
            while not self._is_over:
                if (hand := self._next(self._clock.now())) is not None:
                    return hand
                self._idle += 1
                self._changed.wait(_NAP_S if self._admission.waiting else None)
                self._idle -= 1
                # Also if it was its own timeout that woke it: then it looks instead of whoever was
                # called, whose call may have met a timeout just so.
                self._is_called = False
            return None

    def take_now(self) -> InHand | None:
        """As `take`; None also if nothing may begin at the moment. Blocks nobody."""
        admission = self._admission
        if not admission.waiting or self._running >= admission.limit:  # no need to ask with locks
            return None
        with self._changed:
            return self._next(self._clock.now())

    def _next(self, now: float) -> InHand | None:
        """Under the lock: what begins now, if anything does."""
        if self._is_over:
            return None
        hand = self._admission.take(self._running, now)
        if hand is None:
            self._is_held = self._admission.waiting > 0 and self._running < self._admission.limit
            return None
        self._is_held = False
        hand.began_s = now
        self._running += 1
        self._call()
        return hand

    def ended(self, hand: InHand, seconds: float, *, and_next: bool = False) -> InHand | None:
        """Work on one has stopped; its outcome stands in it. `and_next`: the caller works on the
        next one, which is returned if there is one.
        """
        following = None
        with self._changed:
            now = self._clock.now()
            self._running -= 1
            self._admission.ended(hand, seconds, self._running + 1, now)
            limit, before = self._admission.limit, self._limit
            self._limit = limit
            if and_next:
                following = self._next(now)
            else:
                self._call()
        if not self._room.is_set():
            self._room.set()
        if limit != before:
            self._limited(limit, self._admission.why)
        return following

    def empty(self) -> list[InHand]:
        """What was waiting, to be given back."""
        with self._changed:
            return self._admission.drain()

    def close(self) -> list[InHand]:
        """Nobody takes any more; what was waiting, to be given back."""
        with self._changed:
            self._is_over = True
            self._changed.notify_all()
            left = self._admission.drain()
        self._room.set()
        return left
