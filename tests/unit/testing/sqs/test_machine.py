"""Random calls against a model that is too simple to be wrong, in virtual time."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    MultipleResults,
    RuleBasedStateMachine,
    initialize,
    invariant,
    multiple,
    rule,
)

from coord.testing.sqs.message import Message
from tests.unit.testing.sqs.desk import Desk, Refused

RECEIVES_MAX = 3


@dataclass
class Entry:
    """A message as the model sees it."""

    body: str
    group: str | None
    visible_s: float
    receives: int = 0
    receipt: str | None = None
    gone: bool = False
    dead: bool = False


@dataclass(frozen=True)
class Held:
    """A receipt, and what the model knows of its message."""

    receipt: str
    entry: Entry = field(hash=False, compare=False)


class QueueMachine(RuleBasedStateMachine):
    """One queue with dead letters; `fifo` is set by the two classes below."""

    fifo = False
    receipts: Bundle[Held] = Bundle("receipts")

    @initialize()
    def begin(self) -> None:
        kind = ".fifo" if self.fifo else ""
        attributes = {"FifoQueue": "true"} if self.fifo else {}
        self.desk = Desk(f"q{kind}", attributes)
        self.dead = self.desk.make(f"dead{kind}", **attributes)
        self.desk.call(
            "SetQueueAttributes",
            QueueUrl=self.desk.queue,
            Attributes={
                "RedrivePolicy": f'{{"deadLetterTargetArn": "{self.desk.arn(self.dead)}", '
                f'"maxReceiveCount": {RECEIVES_MAX}}}'
            },
        )
        self.entries: dict[str, Entry] = {}
        self.sent = 0

    @property
    def now_s(self) -> float:
        return self.desk.clock.now()

    @rule(delay_s=st.integers(0, 5), group=st.sampled_from("abc"))
    def send(self, delay_s: int, group: str) -> None:
        self.sent += 1
        body = f"{self.sent:06d}"
        more: dict[str, object] = {"DelaySeconds": delay_s}
        if self.fifo:
            more = {"MessageGroupId": group, "MessageDeduplicationId": body}
            delay_s = 0
        self.desk.send(body, **more)
        self.entries[body] = Entry(body, group if self.fifo else None, self.now_s + delay_s)

    @rule(
        target=receipts,
        number=st.integers(1, 10),
        hidden_s=st.integers(0, 10),
    )
    def receive(self, number: int, hidden_s: int) -> MultipleResults[Held]:
        visible = self.receivable()
        found = self.desk.receive(number, VisibilityTimeout=hidden_s)
        held = []
        for message in found:
            entry = visible[message["Body"]]
            entry.receives += 1
            assert message["Attributes"]["ApproximateReceiveCount"] == str(entry.receives)
            assert entry.receives <= RECEIVES_MAX
            entry.receipt = message["ReceiptHandle"]
            entry.visible_s = self.now_s + hidden_s
            held.append(Held(message["ReceiptHandle"], entry))
        bodies = [message["Body"] for message in found]
        assert len(set(bodies)) == len(bodies)
        if len(found) < number:  # then whatever else was there is a dead letter now
            for body, entry in visible.items():
                if body not in bodies:
                    assert entry.receives >= RECEIVES_MAX or self.fifo
        self.bury()
        self.check_order(visible, bodies)
        return multiple(*held)

    @rule(held=receipts)
    def delete(self, held: Held) -> None:
        entry = held.entry
        current = entry.receipt == held.receipt and not entry.dead
        if self.fifo and not entry.gone and not entry.dead:
            if current and entry.visible_s > self.now_s:
                self.desk.delete(held.receipt)
                entry.gone = True
            else:
                with pytest.raises(Refused, match="has expired"):
                    self.desk.delete(held.receipt)
            return
        self.desk.delete(held.receipt)
        entry.gone = entry.gone or current

    @rule(held=receipts, hidden_s=st.integers(0, 10))
    def change(self, held: Held, hidden_s: int) -> None:
        entry = held.entry
        current = entry.receipt == held.receipt and not entry.gone and not entry.dead
        if current and entry.visible_s > self.now_s:
            self.desk.change(held.receipt, hidden_s)
            entry.visible_s = self.now_s + hidden_s
        else:
            with pytest.raises(Refused):
                self.desk.change(held.receipt, hidden_s)

    @rule(by_s=st.sampled_from([0.5, 1, 3, 10]))
    def pass_time(self, by_s: float) -> None:
        self.desk.advance(by_s)

    @invariant()
    def nothing_is_lost_and_counts_are_true(self) -> None:
        here = [each for each in self.entries.values() if not each.gone and not each.dead]
        ready, flying, delayed = self.desk.counts()
        hidden = [each for each in here if each.visible_s > self.now_s]
        assert ready == len(here) - len(hidden)
        assert delayed == sum(each.receipt is None for each in hidden)
        assert flying == len(hidden) - delayed
        dead = sum(each.dead for each in self.entries.values())
        assert self.desk.counts(self.dead)[0] == dead

    def receivable(self) -> dict[str, Entry]:
        """What a receive may give: visible, and of no group that has a message in flight."""
        here = {
            body: each for body, each in self.entries.items() if not each.gone and not each.dead
        }
        busy = {each.group for each in here.values() if self.fifo and each.visible_s > self.now_s}
        return {
            body: each
            for body, each in here.items()
            if each.visible_s <= self.now_s and (each.group is None or each.group not in busy)
        }

    def bury(self) -> None:
        """Which messages a receive has moved: the fake is asked, the model checks that it may."""
        tally = self.desk.tally("q.fifo" if self.fifo else "q")
        known = sum(each.dead for each in self.entries.values())
        candidates = [
            each
            for each in self.entries.values()
            if not each.gone
            and not each.dead
            and each.receives >= RECEIVES_MAX
            and each.visible_s <= self.now_s
        ]
        moved = tally.buried - known
        assert moved <= len(candidates)
        if moved:
            arrived = {message.content.body for message in self._in_dead_queue()}
            for each in candidates:
                each.dead = each.body in arrived
            assert sum(each.dead for each in self.entries.values()) == tally.buried

    def _in_dead_queue(self) -> list[Message]:
        name = "dead.fifo" if self.fifo else "dead"
        return list(self.desk.service.queues[name]._messages.values())

    def check_order(self, visible: dict[str, Entry], bodies: list[str]) -> None:
        """In each group, the first that were visible, in order."""
        if not self.fifo:
            return
        for group in "abc":
            there = [
                body
                for body, each in sorted(visible.items())
                if each.group == group and not each.dead
            ]
            taken = [body for body in bodies if visible[body].group == group]
            assert taken == there[: len(taken)]


class StandardMachine(QueueMachine):
    """A standard queue."""


class FifoMachine(QueueMachine):
    """A FIFO queue."""

    fifo = True


TestStandard = StandardMachine.TestCase
TestFifo = FifoMachine.TestCase
for _case in (TestStandard, TestFifo):
    _case.settings = settings(stateful_step_count=30)
