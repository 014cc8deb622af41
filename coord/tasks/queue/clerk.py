"""The loop that keeps messages hidden, and gives back what is not done.

Owns one thread for both, since both are changes of visibility and ten fit into a call. Law: leases
come first; what is given back can wait, a lease cannot. It survives whatever the queue answers, and
says nothing to the queue of a message that may be somebody else's.

It looks after what runs, too: at a handler that goes on long after its task's timeout, however long
its message is hidden. A look costs no request, and one that ends in time costs nothing.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Sequence

from coord.clock import Clock
from coord.errors import StoreError, StoreRefused
from coord.tasks.queue.asking import ended_in, passing
from coord.tasks.queue.hand import InHand, Patience
from coord.tasks.queue.leases import LeaseBook
from coord.tasks.queue.listener import Listener
from coord.tasks.queue.spi import Hide, Queue
from coord.tasks.queue.vital import VitalThread

__all__ = ["Clerk"]

_LONG_S = 3600.0
_INF = float("inf")


class Clerk:
    """`took` and `give_back` from any thread. `running` says which messages are worked on.

    On its thread: `listener` hears, and `fell` and `overran` are told of messages that lapsed or
    were given up, and of handlers that go on when others may have theirs.
    """

    def __init__(
        self,
        queue: Queue,
        patience: Patience,
        clock: Clock,
        *,
        listener: Listener,
        running: Callable[[], Sequence[InHand]],
        fell: Callable[[InHand], None],
        overran: Callable[[InHand], None],
    ) -> None:
        self._queue = queue
        self._patience = patience
        self._clock = clock
        self._listener = listener
        self._running = running
        self._fell = fell
        self._overran = overran
        self._size = queue.limits.batch_size
        self._book = LeaseBook(patience, self._size)
        self._lock = threading.Lock()
        self._back: deque[tuple[InHand, float]] = deque()
        self._bell = threading.Event()
        self._end_s = _INF
        self._thread = VitalThread(self._run, "coord-queue-leases")

    def start(self, broke: Callable[[Exception], None]) -> None:
        """Begin. `broke` hears of an error that ends the thread, which is not done without."""
        self._thread.begin(broke)

    def took(self, hands: Sequence[InHand], sent_at_s: float) -> None:
        """These were received by a request that was sent then."""
        with self._lock:
            wakes = self._book.next_s > sent_at_s + self._patience.renew_s
            self._book.take(hands, sent_at_s)
        if wakes:
            self._bell.set()

    def give_back(self, hand: InHand, seconds: float) -> None:
        """Nothing more is done with it here; others may have it in so many seconds."""
        self._back.append((hand, seconds))
        self._bell.set()

    def close(self, timeout_s: float) -> bool:
        """Give back what is left, and stop; whether that was done within the timeout."""
        self._end_s = self._clock.now() + timeout_s
        self._bell.set()
        return ended_in(self._thread, timeout_s) and not self._back

    def _run(self) -> None:
        while True:
            self._bell.clear()
            self._give_up()
            self._extend()
            while (batch := self._next_back()) and self._give_back(batch):
                self._extend()
            now = self._clock.now()
            is_over = self._end_s < _INF
            if now >= self._end_s or (is_over and not self._back):
                return
            self._bell.wait(max(0.0, min(self._book.next_s - now, self._longest_s())))

    def _longest_s(self) -> float:
        """For how long it may sleep, whatever the leases say."""
        if self._back:
            return self._patience.retry_s
        is_idle = self._book.next_s == _INF and not self._running()
        return _LONG_S if is_idle else self._patience.look_s

    def _give_up(self) -> None:
        with self._lock:
            self._back += self._book.give_up(self._running(), self._clock.now())

    def _extend(self) -> None:
        while True:
            with self._lock:
                sent_at_s = self._clock.now()
                hands = self._book.due(sent_at_s)
                fallen, overruns = self._book.fallen(), self._book.overruns(sent_at_s)
            for hand in fallen:
                self._fell(hand)
            for hand in overruns:
                self._overran(hand)
            if not hands:
                return
            changes = self._book.changes(hands, sent_at_s)
            answers = self._hide(changes)
            now = self._clock.now()
            with self._lock:
                self._book.answered(hands, changes, answers, sent_at_s=sent_at_s, now=now)
            for hand, error in zip(hands, answers, strict=True):
                if error is None:
                    self._listener.extended(hand)

    def _next_back(self) -> list[tuple[InHand, float]]:
        back = self._back
        return [back.popleft() for _ in range(min(self._size, len(back)))]

    def _give_back(self, batch: Sequence[tuple[InHand, float]]) -> bool:
        """Whether the queue took them all, or never will. The others are tried again for as long
        as they are ours; then they come back by themselves.
        """
        now = self._clock.now()
        changes = []
        ours = []
        for hand, seconds in batch:
            if now >= hand.hidden_s:
                hand.let_go()
            else:
                ours.append((hand, seconds))
                rest_s = min(seconds, max(0.0, hand.latest_s - now))
                changes.append(Hide(hand.message.receipt, rest_s))
        if not ours:
            return True
        again = []
        for one, answer in zip(ours, self._hide(changes), strict=True):
            if answer is None or isinstance(answer, StoreRefused):
                one[0].let_go()
            else:
                again.append(one)
        self._back.extendleft(reversed(again))
        return not again

    def _hide(self, changes: Sequence[Hide]) -> list[StoreError | None]:
        return passing(lambda: self._queue.hide(changes), len(changes), self._listener.trouble)
