"""A queue, a worker's intake and its handlers in virtual time, around a real admission.

Single-threaded and exact: events in order of time, nothing waits. The queue delivers what has been
visible for longest, ten at most, and each answer takes a round trip. A handler takes the time that
`work` gives it; with a `resource` it holds one of so many places meanwhile, and waits for it.
"""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Callable, Iterable
from functools import partial
from itertools import count
from random import Random

from coord.tasks.queue.admission import Admission
from coord.tasks.queue.hand import InHand, Outcome, Patience
from coord.tasks.queue.spi import Message, QueueLimits
from coord.testing.clock import ManualClock

PATIENCE = Patience(30.0, 12 * 3600.0)
ROUND_TRIP_S = 0.005


def limits(max_receives: int | None = 10, *, ordered: bool = False) -> QueueLimits:
    return QueueLimits(
        kind="virtual",
        batch_size=10,
        max_wait_s=20.0,
        max_hidden_s=12 * 3600.0,
        max_delay_s=900.0,
        max_body_bytes=1_000_000,
        ordered=ordered,
        max_receives=max_receives,
    )


class World:
    """`send`, then `run_until`. Afterwards `latency` holds, by tenant, how long messages took."""

    def __init__(
        self,
        admission: Admission,
        work: Callable[[Random], float],
        *,
        resource: int | None = None,
        max_receives: int | None = 10,
        ordered: bool = False,
        seed: int = 1,
    ) -> None:
        self.admission = admission
        self.clock = ManualClock(0.0)
        self.random = Random(seed)
        self.latency: dict[str, list[tuple[float, float]]] = {}
        self.received: Counter[int] = Counter()
        self.deferrals: Counter[str] = Counter()
        self.deferred_of: Counter[int] = Counter()
        self.done: Counter[int] = Counter()
        self.running = 0
        self.most_running: list[tuple[int, int]] = []
        self.work = work
        self._places = resource
        self._in_line: list[InHand] = []
        self._order = count()
        self._events: list[tuple[float, int, Callable[[], None]]] = []
        self._visible: list[tuple[float, int, int]] = []  # since when, order, message
        self._sent: dict[int, tuple[float, str]] = {}
        self._asks = False
        self._max_receives = max_receives
        self.dead: list[int] = []
        admission.opened(limits(max_receives, ordered=ordered))

    # ------------------------------------------------------------------------- the queue

    def at(self, when_s: float, what: Callable[[], None]) -> None:
        heapq.heappush(self._events, (when_s, next(self._order), what))

    def send(self, arrivals: Iterable[tuple[float, str]]) -> None:
        """Messages of tenants, each at its time."""
        for when_s, tenant in arrivals:
            number = len(self._sent)
            self._sent[number] = (when_s, tenant)
            self.at(when_s, partial(self._show, number))

    def _show(self, number: int) -> None:
        heapq.heappush(self._visible, (self.clock.now(), next(self._order), number))
        self._ask()

    def _ask(self) -> None:
        """The intake: asks whenever there is room and nobody asks yet."""
        if self._asks:
            return
        now = self.clock.now()
        for deferral in self.admission.excess(self.running, now):
            number = int(deferral.hand.message.id)
            self.deferrals[deferral.reason] += 1
            self.deferred_of[number] += 1
            self.at(now + deferral.rest_s, partial(self._show, number))
        room = min(10, self.admission.room(self.running, now))
        self._start()
        if room > 0 and self._visible:
            self._asks = True
            self.at(now + ROUND_TRIP_S, partial(self._answer, room))

    def _answer(self, room: int) -> None:
        self._asks = False
        now = self.clock.now()
        hands: list[InHand] = []
        while self._visible and len(hands) < room:
            _, _, number = heapq.heappop(self._visible)
            if self._max_receives is not None and self.received[number] >= self._max_receives:
                self.dead.append(number)
                continue
            self.received[number] += 1
            sent_at_s, tenant = self._sent[number]
            message = Message(
                id=str(number),
                receipt=f"{number}.{self.received[number]}",
                body="{}",
                received=self.received[number],
                group=tenant,
                sent_at_s=sent_at_s,
            )
            hands.append(InHand(message, now - ROUND_TRIP_S, PATIENCE, self.clock))
        self.admission.put(hands, now)
        self._start()
        self._ask()

    # ----------------------------------------------------------------------- the handlers

    def _start(self) -> None:
        now = self.clock.now()
        while (hand := self.admission.take(self.running, now)) is not None:
            self.running += 1
            self.most_running.append((self.running, self.admission.limit))
            hand.began_s = now
            self._in_line.append(hand)
        self._serve()

    def _serve(self) -> None:
        while self._in_line and (self._places is None or self._places > 0):
            hand = self._in_line.pop(0)
            if self._places is not None:
                self._places -= 1
            took_s = self.work(self.random)
            self.at(self.clock.now() + took_s, partial(self._end, hand))

    def _end(self, hand: InHand) -> None:
        now, message = self.clock.now(), hand.message
        if self._places is not None:
            self._places += 1
        hand.outcome = Outcome.DONE
        self.admission.ended(hand, now - hand.began_s, self.running, now)
        self.running -= 1
        self.done[int(message.id)] += 1
        self.latency.setdefault(message.group, []).append((now, now - message.sent_at_s))
        self._start()
        self._ask()

    def run_until(self, end_s: float) -> None:
        """All events up to then, and a look of the worker four times a second."""
        while True:
            look_s = self.clock.now() + 0.25
            next_s = min(self._events[0][0] if self._events else look_s, look_s)
            if next_s > end_s:
                self.clock.set(end_s)
                return
            self.clock.set(next_s)
            if self._events and self._events[0][0] <= next_s:
                heapq.heappop(self._events)[2]()
            else:
                self._start()
                self._ask()

    @property
    def sent(self) -> int:
        """How many were sent."""
        return len(self._sent)

    def tenant_of(self, number: int) -> str:
        """Whose message that is."""
        return self._sent[number][1]

    def p99_s(self, tenants: Iterable[str], from_s: float, to_s: float) -> float:
        """Of the messages of these that were sent in that time."""
        found = sorted(
            took_s
            for tenant in tenants
            for ended_s, took_s in self.latency.get(tenant, [])
            if from_s <= ended_s - took_s < to_s
        )
        return found[int(len(found) * 0.99)]


def arrivals(
    tenant: str, per_second: float, from_s: float, to_s: float, random: Random
) -> list[tuple[float, str]]:
    """At random, at that rate."""
    found, when_s = [], from_s + random.expovariate(per_second)
    while when_s < to_s:
        found.append((when_s, tenant))
        when_s += random.expovariate(per_second)
    return found
