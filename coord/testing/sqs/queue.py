"""One queue: what happens to messages between being sent and being deleted.

Owns every rule about visibility, receipts, order, counting and ageing, for standard and FIFO
queues. Pure: times come from outside, as seconds of one clock, and nothing waits. One thread.

On receipts, stricter than Amazon where its pages allow both, because a worker that passes here
must pass there on its worst day:

- Deleting with a receipt that is not the message's latest does nothing. A standard queue says
  nothing about it ("the request will succeed, but the message might not be deleted"); a FIFO queue
  refuses it.
- Deleting with the latest receipt after its time is over works on a standard queue while nobody
  has received the message again, and is refused by a FIFO queue. Both as recorded at Amazon.
- Extending works only while the message is in flight under that very receipt. Amazon has been
  seen to extend one whose time was over; its page says that this may fail.

A message that a standard queue delivers twice on purpose has two receipts that are valid beside
each other, as at Amazon, where another server gave out its copy: neither consumer is told.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from coord.testing.sqs.attributes import HIDDEN_MAX_S, QueueAttributes
from coord.testing.sqs.errors import SqsError, beyond_limit, invalid_value
from coord.testing.sqs.lanes import FifoLane, StandardLane
from coord.testing.sqs.message import Content, Message, State, new_id
from coord.testing.sqs.recall import Handed, Recall, Sent, unchanged
from coord.testing.sqs.receipts import Receipts
from coord.testing.sqs.tally import Tally
from coord.testing.sqs.timers import Ages, Timers

__all__ = ["IN_FLIGHT_MAX", "PURGE_EVERY_S", "Order", "Queue"]

IN_FLIGHT_MAX = 120_000
PURGE_EVERY_S = 60.0
_SEQUENCE_START = 18_850_000_000_000_000_000
_SEQUENCE_STEP = 256
_UNAVAILABLE = "Message does not exist or is not available for visibility timeout change."


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What a sender asks for beside the content."""

    delay_s: int | None = None
    group: str | None = None
    deduplication: str | None = None


class Queue:
    """The messages of one queue. Call `settle` with the present moment before anything else."""

    def __init__(
        self, name: str, arn: str, attributes: QueueAttributes, *, created_s: float
    ) -> None:
        self.name = name
        self.arn = arn
        self.attributes = attributes
        self.created_s = created_s
        self.changed_s = created_s
        self.tags: dict[str, str] = {}
        self.tally = Tally()
        self.in_flight_max = IN_FLIGHT_MAX
        self.redelivered: Callable[[], bool] = lambda: False  # whether to deliver a message twice
        self.bury: Callable[[Message, float], bool] = lambda _message, _now_s: False
        self._receipts = Receipts()
        self._sent: Recall[Sent] = Recall()
        self._attempts: Recall[tuple[Handed, ...]] = Recall()
        self._numbers = itertools.count(1)
        self._purged_s: float | None = None
        self._window = 1
        self._empty()

    def _empty(self) -> None:
        self._messages: dict[int, Message] = {}
        self._lane: FifoLane | StandardLane = FifoLane() if self.attributes.fifo else StandardLane()
        self._timers = Timers()
        self._ages = Ages()
        self._counts = [0] * len(State)

    @property
    def fifo(self) -> bool:
        """Whether this is a FIFO queue."""
        return self.attributes.fifo

    def count(self, state: State) -> int:
        """How many messages are in that state."""
        return self._counts[state]

    def next_s(self) -> float | None:
        """When the next message becomes visible by itself."""
        return self._timers.next_s()

    def oldest_s(self) -> float | None:
        """When the oldest message was sent."""
        return self._ages.oldest_s()

    def shuffle(self, window: int) -> None:
        """From now on the first `window` visible messages of a standard queue change places."""
        self._window = window
        self._lane.window = window

    def settle(self, now_s: float) -> None:
        """Let happen what time alone does: visibility returns, delays end, messages age away."""
        for message in self._timers.due(now_s):
            self.tally.lapsed += message.state is State.IN_FLIGHT
            message.twin = None
            self._show(message)
        for message in self._ages.sent_until(now_s - self.attributes.retention_s):
            self.tally.aged += 1
            self._remove(message)

    def send(self, content: Content, order: Order, now_s: float) -> Sent:
        """Take a message in; the first one's names if this is a duplicate of it."""
        key = (order.group if self.attributes.scope_is_group else None, order.deduplication)
        if self.fifo:
            first = self._sent.find(key, now_s)
            if first is not None:
                self.tally.duplicates += 1
                return first
        number = next(self._numbers)
        message = Message(
            id=new_id(),
            content=content,
            sent_s=now_s,
            number=number,
            group=order.group,
            deduplication=order.deduplication,
            sequence=str(_SEQUENCE_START + number * _SEQUENCE_STEP) if self.fifo else None,
        )
        sent = Sent(message.id, message.sequence)
        if self.fifo:
            self._sent.keep(key, sent, now_s)
        self.tally.sent += 1
        delay_s = self.attributes.delay_s if order.delay_s is None else order.delay_s
        self._admit(message, now_s, delay_s)
        return sent

    def accept(self, message: Message, now_s: float, *, source_arn: str | None) -> None:
        """Take in a message of another queue: a dead letter, or one that is moved back."""
        moved = Message(
            id=message.id if source_arn else new_id(),
            content=message.content,
            sent_s=message.sent_s if source_arn and not self.fifo else now_s,
            number=next(self._numbers),
            group=message.group,
            deduplication=message.deduplication,
            sequence=message.sequence,
            source_arn=source_arn,
            receives=message.receives if source_arn else 0,
            first_received_s=message.first_received_s if source_arn else None,
        )
        self._admit(moved, now_s, 0)

    def receive(
        self,
        number: int,
        now_s: float,
        *,
        visibility_s: int | None = None,
        attempt: str | None = None,
        polls_long: bool = False,
    ) -> Sequence[Message]:
        """Up to `number` visible messages, hidden from others for `visibility_s`.

        Raises SqsError when a standard queue has too many in flight and nobody waits.
        """
        hidden_s = self.attributes.visibility_s if visibility_s is None else visibility_s
        again = self._attempts.find(attempt, now_s) if attempt and self.fifo else None
        if attempt and again is not None and unchanged(again):
            found = [handed.message for handed in again]
            for message in found:
                self._hide(message, now_s + hidden_s)
            self._remember(attempt, found, now_s)
            return found
        room = self.in_flight_max - self._counts[State.IN_FLIGHT]
        if room <= 0 and not self.fifo and not polls_long:
            raise beyond_limit(f"{self.in_flight_max} messages are in flight, the maximum.")
        taken = self._lane.take(min(number, room), lambda each: self._takes(each, now_s))
        for message in taken:
            self._hand_out(message, now_s, hidden_s)
        if attempt and self.fifo and taken:
            self._remember(attempt, taken, now_s)
        return taken

    def _remember(self, attempt: str, taken: Sequence[Message], now_s: float) -> None:
        """Who asks again with this id is given these, as long as nobody has touched them."""
        handed = tuple(Handed(each, each.receipt, each.stamp) for each in taken)
        self._attempts.keep(attempt, handed, now_s)

    def delete(self, receipt: str) -> None:
        """Delete a message, as strictly as the top of this file says. Raises SqsError."""
        message = self._messages.get(self._receipts.number(receipt))
        if message is None:
            return  # deleted before
        current = receipt in {message.receipt, message.twin}
        if current and (not self.fifo or message.state is State.IN_FLIGHT):
            self.tally.deleted += 1
            self._remove(message)
            return
        self.tally.stale_deletes += 1
        if self.fifo:
            raise invalid_value(receipt, "ReceiptHandle", "The receipt handle has expired.")

    def change(self, receipt: str, visibility_s: int, now_s: float) -> None:
        """Hide a message in flight for `visibility_s` from now on. Raises SqsError."""
        if not 0 <= visibility_s <= HIDDEN_MAX_S:
            reason = f"VisibilityTimeout must be an integer between 0 and {HIDDEN_MAX_S}."
            raise invalid_value(visibility_s, "VisibilityTimeout", reason)
        message = self._messages.get(self._receipts.number(receipt))
        if message is None or receipt not in {message.receipt, message.twin}:
            self.tally.stale_changes += message is not None
            raise invalid_value(receipt, "ReceiptHandle", _UNAVAILABLE)
        if message.state is not State.IN_FLIGHT:
            if receipt == message.twin:
                return  # the other copy is visible, as it was
            self.tally.stale_changes += 1
            raise SqsError("MessageNotInflight", "The message referred to is not in flight.")
        if now_s + visibility_s > message.received_s + HIDDEN_MAX_S:
            reason = (
                "Total VisibilityTimeout for the message is beyond the limit "
                f"[{HIDDEN_MAX_S} seconds]"
            )
            raise invalid_value(visibility_s, "VisibilityTimeout", reason)
        self.tally.changed += 1
        if visibility_s:
            self._hide(message, now_s + visibility_s)
        else:
            self._show(message)

    def purge(self, now_s: float) -> None:
        """Drop all messages, at once and whatever their state; once in sixty seconds."""
        if self._purged_s is not None and now_s - self._purged_s < PURGE_EVERY_S:
            raise SqsError(
                "PurgeQueueInProgress",
                f"Only one PurgeQueue operation on {self.name} is allowed every 60 seconds.",
            )
        self._purged_s = now_s
        self._empty()

    def take_away(self) -> Message | None:
        """Take out the next visible message for good, to be moved to another queue."""
        for message in self._lane.take(1, lambda _message: True):
            self._lane.landed(message)
            self._remove(message)
            return message
        return None

    def _admit(self, message: Message, now_s: float, delay_s: float) -> None:
        self._messages[message.number] = message
        self._ages.push(message, live=len(self._messages))
        if delay_s > 0:
            message.state = State.DELAYED
            self._counts[State.DELAYED] += 1
            self._timers.push(now_s + delay_s, message, live=self._timed())
        else:
            self._counts[State.READY] += 1
            self._lane.put(message)

    def _takes(self, message: Message, now_s: float) -> bool:
        """Whether the message may be received; otherwise it is a dead letter now."""
        redrive = self.attributes.redrive
        if redrive is None or message.receives < redrive.receives_max:
            return True
        if not self.bury(message, now_s):
            return True  # its dead-letter queue is gone
        self.tally.buried += 1
        self._remove(message)
        return False

    def _hand_out(self, message: Message, now_s: float, hidden_s: int) -> None:
        message.receives += 1
        message.received_s = now_s
        if message.first_received_s is None:
            message.first_received_s = now_s
        message.receipt = self._receipts.new(message.number)
        self.tally.received += 1
        self._move(message, State.IN_FLIGHT)
        twice = not self.fifo and self.redelivered()
        if twice:
            message.twin = message.receipt
        if twice or hidden_s == 0:
            self._show(message)
        else:
            self._timers.push(now_s + hidden_s, message, live=self._timed())

    def _hide(self, message: Message, until_s: float) -> None:
        message.stamp += 1
        self._timers.push(until_s, message, live=self._timed())

    def _show(self, message: Message) -> None:
        """Make it visible: after a delay, or after being in flight."""
        landed = message.state is State.IN_FLIGHT
        self._move(message, State.READY)
        self._lane.put(message)
        if landed:
            self._lane.landed(message)

    def _remove(self, message: Message) -> None:
        landed = message.state is State.IN_FLIGHT
        self._move(message, State.GONE)
        del self._messages[message.number]
        if landed:
            self._lane.landed(message)

    def _move(self, message: Message, state: State) -> None:
        self._counts[message.state] -= 1
        self._counts[state] += 1
        message.state = state
        message.stamp += 1

    def _timed(self) -> int:
        return self._counts[State.DELAYED] + self._counts[State.IN_FLIGHT]
