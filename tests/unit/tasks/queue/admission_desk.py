"""An admission on a desk: a worker of it that does what a test says."""

from __future__ import annotations

from coord.tasks.queue.admission import Admission, Fair, FixedLimit, Quota
from coord.tasks.queue.hand import InHand, Outcome
from coord.tasks.queue.spi import Message
from coord.testing.clock import ManualClock
from tests.unit.tasks.queue.admission_world import PATIENCE, limits


class Desk:
    """An admission, and a worker that does what it says when it is told to."""

    def __init__(
        self, admission: Admission, *, max_receives: int | None = 10, ordered: bool = False
    ) -> None:
        self.clock = ManualClock()
        self.admission = admission
        self.running: list[InHand] = []
        self.put_in: list[InHand] = []
        self.begun: list[InHand] = []
        self.deferred: list[InHand] = []
        self.rests: list[tuple[float, str]] = []
        self._numbers = 0
        admission.opened(limits(max_receives, ordered=ordered))

    def put(self, tenants: str, *, received: int = 1, attribute: str = "") -> list[InHand]:
        """One message of each tenant that is named by a letter."""
        hands = []
        for tenant in tenants:
            self._numbers += 1
            message = Message(
                id=str(self._numbers),
                receipt=f"r{self._numbers}",
                body="{}",
                received=received,
                group="" if attribute else tenant,
                attributes={attribute: tenant} if attribute else {},
                sent_at_s=self.clock.now(),
            )
            hands.append(InHand(message, self.clock.now(), PATIENCE, self.clock))
        self.put_in += hands
        self.admission.put(hands, self.clock.now())
        return hands

    def take(self) -> InHand | None:
        hand = self.admission.take(len(self.running), self.clock.now())
        if hand is not None:
            self.running.append(hand)
            self.begun.append(hand)
        return hand

    def take_all(self) -> str:
        """Whose messages begin now."""
        found = []
        while (hand := self.take()) is not None:
            found.append(self.tenant_of(hand))
        return "".join(found)

    @staticmethod
    def tenant_of(hand: InHand) -> str:
        return hand.message.group or next(iter(hand.message.attributes.values()), "")

    def end(self, hand: InHand, seconds: float = 1.0) -> None:
        hand.outcome = Outcome.DONE
        self.admission.ended(hand, seconds, len(self.running), self.clock.now())
        self.running.remove(hand)

    def end_all(self, seconds: float = 1.0) -> None:
        for hand in list(self.running):
            self.end(hand, seconds)

    def give_back(self) -> list[InHand]:
        found = self.admission.excess(len(self.running), self.clock.now())
        self.deferred += [one.hand for one in found]
        self.rests += [(one.rest_s, one.reason) for one in found]
        return [one.hand for one in found]

    def room(self) -> int:
        return self.admission.room(len(self.running), self.clock.now())

    def work_steadily(self, tenants: str, for_s: float, each_s: float = 1.0) -> None:
        """These run one handler each all the time, and so make a habit of it."""
        end_s = self.clock.now() + for_s
        while self.clock.now() < end_s:
            self.put(tenants)
            self.take_all()
            self.clock.advance(each_s)
            self.end_all(each_s)


def fair(limit: int, *, tenant: str = "", quota: Quota | None = None) -> Fair:
    return Fair(FixedLimit(limit), tenant=tenant, quota=quota, draw=lambda: 0.5)
