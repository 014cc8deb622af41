"""Which messages in hand are to be extended, and when: a book that one loop works off.

Owns when each lease is due, what an answer means, and when a lease is lost. Asks nothing, waits for
nothing: times come in, batches go out. Law: a transient error loses no message; it is tried again
until work on the message would have to stop, and then it is lapsed, once and for good. What a
handler does not let go of long after its timeout is given up (`hand`), and shown again.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Sequence
from itertools import count

from coord.errors import StoreError, StoreRefused
from coord.tasks.queue.hand import InHand, Patience
from coord.tasks.queue.spi import Hide

__all__ = ["LeaseBook"]

_INF = float("inf")
_SLACK_S = 1.0  # so much later than it should a look may come on a busy machine
_UNANSWERED = "its visibility could not be extended in time"


class LeaseBook:
    """The leases of one worker. Not safe for several threads at once: its caller locks."""

    def __init__(self, patience: Patience, batch_size: int) -> None:
        self._patience = patience
        self._batch_size = batch_size
        self._due: list[tuple[float, int, dict[InHand, None]]] = []
        self._ends: list[tuple[float, int, InHand]] = []
        self._lapsed: list[tuple[float, int, InHand]] = []
        self._fallen: list[InHand] = []
        self._order = count()
        self._looked_s = _INF

    def take(self, hands: Sequence[InHand], sent_at_s: float) -> None:
        """These were received, or extended, by one request that was sent then."""
        if hands:
            self._enter(sent_at_s + self._patience.renew_s, hands)

    def _enter(self, due_s: float, hands: Sequence[InHand]) -> None:
        entry = dict.fromkeys(hands)
        for hand in hands:
            hand.entry = entry
            if hand.over:  # it was let go just before
                hand.let_go()
        heapq.heappush(self._due, (due_s, next(self._order), entry))

    @property
    def next_s(self) -> float:
        """When there is something to do; infinite if never."""
        return min(
            (heap[0][0] for heap in (self._due, self._ends, self._lapsed) if heap), default=_INF
        )

    def due(self, now: float) -> list[InHand]:
        """The next batch to be extended now; empty when there is none. What cannot be extended any
        more has lapsed.

        One batch at a time, each judged at the moment at which it can be sent: the calls before it
        take time. What comes due shortly goes along: one call carries ten as easily as one.
        """
        while self._ends and self._ends[0][0] <= now:
            self._is_lost(heapq.heappop(self._ends)[2], now)
        found: list[InHand] = []
        if not self._due or self._due[0][0] > now:
            return found
        soon_s = now + self._patience.retry_s
        while self._due and self._due[0][0] <= soon_s and len(found) < self._batch_size:
            due_s, _, entry = heapq.heappop(self._due)
            hands = [hand for hand in list(entry) if self._is_to_be_extended(hand, now)]
            space = self._batch_size - len(found)
            found += hands[:space]
            if hands[space:]:
                self._enter(due_s, hands[space:])
        return found

    def _is_to_be_extended(self, hand: InHand, now: float) -> bool:
        return not hand.over and not self._is_lost(hand, now) and now < hand.show_s

    def _is_lost(self, hand: InHand, now: float) -> bool:
        """Whether it has lapsed, also just now. One whose ceiling is its task's timeout, and which
        the queue hides for long enough, does not lapse by that: see `give_up`.
        """
        is_settled = hand.over or hand.lapsed or (hand.is_timed and hand.is_full)
        if not is_settled and now >= hand.hidden_s - self._patience.grace_s:
            self._lapse(hand, hand.ceiling_why if hand.is_full else _UNANSWERED, hand.hidden_s)
        return hand.lapsed

    def _lapse(self, hand: InHand, why: str, visible_s: float) -> None:
        hand.lapse(why)
        self._fell(hand, visible_s)

    def _fell(self, hand: InHand, visible_s: float) -> None:
        self._fallen.append(hand)
        heapq.heappush(self._lapsed, (visible_s, next(self._order), hand))

    def give_up(self, running: Iterable[InHand], now: float) -> list[tuple[InHand, float]]:
        """Give up those whose handlers go on long after their timeout; which of them the queue has
        to be told to show, and in how many seconds. The others it shows by itself. Tell those that
        get nothing done for too long: their timeout is over now.

        Not earlier than a failed one: what hangs for its whole timeout is no reason to hurry.
        """
        found = []
        away_s = now - self._looked_s - 2 * self._patience.look_s - _SLACK_S
        self._looked_s = now
        for hand in running:
            if (silence := hand.silence) is not None:
                if away_s > 0:
                    silence.excuse(away_s, now)
                hand.look_for_silence(silence, now)
            if not hand.is_overdue(now):
                continue
            hand.give_up(hand.ceiling_why)
            self._fell(hand, hand.show_s)
            if hand.is_full:
                hand.let_go()
            else:
                found.append((hand, max(0.0, hand.show_s - now)))
        return found

    def fallen(self) -> list[InHand]:
        """Those that lapsed or were given up since this was asked last."""
        found, self._fallen = self._fallen, []
        return found

    def overruns(self, now: float) -> list[InHand]:
        """Those that others may have by now, and that are still worked on; each is named once."""
        found = []
        while self._lapsed and self._lapsed[0][0] <= now:
            hand = heapq.heappop(self._lapsed)[2]
            if hand.outcome is None and hand.job is not None:
                found.append(hand)
        return found

    def changes(self, hands: Iterable[InHand], now: float) -> list[Hide]:
        """What to ask the queue for: the usual time again, or what is left until it is to show."""
        usual_s = self._patience.visibility_s
        found = []
        for hand in hands:
            seconds = min(usual_s, hand.show_s - now)
            hand.asks(seconds, now)
            found.append(Hide(hand.message.receipt, seconds))
        return found

    def answered(
        self,
        hands: Sequence[InHand],
        changes: Sequence[Hide],
        answers: Sequence[StoreError | None],
        *,
        sent_at_s: float,
        now: float,
    ) -> None:
        """What the queue said to a batch that was sent then."""
        again: list[InHand] = []
        longer: list[InHand] = []
        for hand, change, error in zip(hands, changes, answers, strict=True):
            if isinstance(error, StoreRefused):
                self._lapse(hand, f"the queue says: {error.cause}", now)
            elif error is not None:
                again.append(hand)
            elif self._is_lost(hand, now):
                pass  # it has been told to stop: what was given up is not taken up again
            else:
                hand.extended(change.seconds, sent_at_s)
                if not hand.is_full:
                    longer.append(hand)
                elif not hand.is_timed:
                    heapq.heappush(self._ends, (hand.stop_at_s, next(self._order), hand))
        self.take(longer, sent_at_s)
        if again:
            stop_s = min(hand.hidden_s for hand in again) - self._patience.grace_s
            self._enter(min(now + self._patience.retry_s, max(now, stop_s)), again)
