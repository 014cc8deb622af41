"""The messages that were received and have not begun, and who may take the next one.

Owns the hand-over from the thread that receives to the threads that work, and the count of what
runs. Decides nothing of its own: how many may run, and whose turn it is, says the admission.

Threads are woken one at a time. While handlers are quick, one warm thread runs what ten would, that
would wait for each other and for the requests beside them: so none is called while one is at work.
Whether it goes on, somebody looks every `_STILL_S` while something waits (`look_after`): behind one
that suddenly takes long nothing waits for longer than twice that.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence

from coord.clock import Clock
from coord.tasks.queue.admission import Admission, Deferral, Load
from coord.tasks.queue.hand import InHand

__all__ = ["Backlog"]


_NAP_S = 0.25  # how often time alone is let change whose turn it is
_QUICK_S = 0.0002
_STILL_S = 0.01
_LATEST = 0.1  # how much the latest duration counts in the average
_MOST_LOOKS = 25


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
        self._busy = 0  # threads that work, and come back
        self._begun = 0
        self._usual_s = 0.0  # how long handlers take
        self._left = threading.Event()  # something waits, and nobody was called for it
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
        return not self._idle and not self._is_quick and self._may_begin

    @property
    def _is_quick(self) -> bool:
        """Whether a thread at work is soon back for what waits."""
        return self._busy > 0 and self._usual_s < _QUICK_S

    @property
    def _may_begin(self) -> bool:
        return self._admission.waiting > 0 and self._running < self._admission.limit

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
            self._is_held = False
            self._call()
            return True

    def _call(self) -> None:
        """Under the lock: see that a thread looks, one at a time. It calls the next if need be."""
        if not self._admission.waiting:
            return
        if self._is_quick:
            if not self._left.is_set():
                self._left.set()
        elif self._idle and not self._is_called:
            self._is_called = True
            self._changed.notify()

    def look_after(self) -> bool:
        """Wait until one more thread is needed, because those at work do not come back; it is
        called if it is there. False when there will be nothing any more.
        """
        begun, looks = -1, 0
        while not self._is_over:
            if looks >= _MOST_LOOKS:
                looks = 0
                self._left.clear()
                if not self._may_begin:
                    self._left.wait()
            time.sleep(_STILL_S)
            if begun != (begun := self._begun):
                looks = 0
            elif self._may_begin and not self._is_held:
                with self._changed:
                    self._usual_s = max(self._usual_s, _STILL_S)
                    self._call()
                return True
            looks += 1
        return False

    def take(self, *, is_back: bool = False) -> InHand | None:
        """The next to begin, now counted as running; None when there will be none. `is_back`: this
        thread took one before.
        """
        with self._changed:
            self._busy -= is_back
            while not self._is_over:
                if (hand := self._next(self._clock.now())) is not None:
                    self._busy += 1
                    self._call()
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
            self._is_held = self._may_begin
            return None
        self._is_held = False
        hand.began_s = now
        self._running += 1
        self._begun += 1
        return hand

    def ended(self, hand: InHand, seconds: float, *, and_next: bool = False) -> InHand | None:
        """Work on one has stopped; its outcome stands in it. `and_next`: the caller works on the
        next one, which is returned if there is one.
        """
        following = None
        with self._changed:
            now = self._clock.now()
            self._running -= 1
            self._usual_s += _LATEST * (seconds - self._usual_s)
            self._admission.ended(hand, seconds, self._running + 1, now)
            limit, before = self._admission.limit, self._limit
            self._limit = limit
            if and_next:
                following = self._next(now)
            if following is not None or not and_next:
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
        self._left.set()
        return left
