"""The messages that wait to be received, in the order in which a queue gives them out.

Owns two orders: that of standard queues, with the messages of noisy groups behind the others, and
that of FIFO queues, group by group. Knows no clock: whoever calls says what is visible.

Fair queues as modelled: a group is noisy while it has at least 30 messages and more than a tenth
of all messages in flight, and then its messages wait behind those of all others. Amazon also
looks at processing time, and says neither when a group stops being noisy.
"""

from __future__ import annotations

import heapq
import random
from collections import deque
from collections.abc import Callable
from typing import Protocol

from coord.testing.sqs.message import Message

__all__ = ["FifoLane", "Lane", "StandardLane"]

_NOISY_MIN = 30
_NOISY_SHARE = 0.1

Accept = Callable[[Message], bool]


class Lane(Protocol):
    """Where visible messages wait. Entries of messages that have changed their place are void.

    As many as `window` messages at the head may change places, where no order is promised.
    """

    window: int

    def put(self, message: Message) -> None:
        """The message is visible now."""
        ...

    def take(self, number: int, accept: Accept) -> list[Message]:
        """Up to `number` messages, in order, that go in flight now, where `accept` agrees;
        where it does not, the message has gone elsewhere.
        """
        ...

    def landed(self, message: Message) -> None:
        """A message is in flight no more."""
        ...


class StandardLane:
    """In the order of becoming visible, noisy groups last, shuffled if told to."""

    def __init__(self, window: int = 1) -> None:
        self.window = window
        self._main: deque[tuple[Message, int]] = deque()
        self._side: deque[tuple[Message, int]] = deque()
        self._flying: dict[str, int] = {}
        self._flying_all = 0

    def put(self, message: Message) -> None:
        self._main.append((message, message.stamp))

    def take(self, number: int, accept: Accept) -> list[Message]:
        if self.window > 1:
            self._mix()
        taken: list[Message] = []
        while len(taken) < number:
            message = self._next()
            if message is None:
                break
            if accept(message):
                taken.append(message)
                self._flying_all += 1
                if message.group is not None:
                    self._flying[message.group] = self._flying.get(message.group, 0) + 1
        return taken

    def landed(self, message: Message) -> None:
        self._flying_all -= 1
        if message.group is not None:
            left = self._flying[message.group] - 1
            if left:
                self._flying[message.group] = left
            else:
                del self._flying[message.group]

    def _next(self) -> Message | None:
        """The next message: of a group that was noisy and is not any more, of the quiet ones, of
        the noisy ones. A message moves aside at most once.
        """
        side, main = self._side, self._main
        while side and side[0][0].stamp != side[0][1]:
            side.popleft()
        if side and not self._noisy(side[0][0]):
            return side.popleft()[0]
        while main:
            message, stamp = main.popleft()
            if message.stamp != stamp:
                continue
            if not self._noisy(message):
                return message
            side.append((message, stamp))
        return side.popleft()[0] if side else None

    def _noisy(self, message: Message) -> bool:
        if message.group is None:
            return False
        flying = self._flying.get(message.group, 0)
        return flying >= _NOISY_MIN and flying > _NOISY_SHARE * self._flying_all

    def _mix(self) -> None:
        head = [self._main.popleft() for _ in range(min(self.window, len(self._main)))]
        random.shuffle(head)
        self._main.extendleft(head)


class _Group:
    """The visible messages of one FIFO group in their order, and how many are in flight."""

    __slots__ = ("flying", "listed", "name", "waiting")

    def __init__(self, name: str) -> None:
        self.name = name
        self.waiting: list[tuple[int, int, Message]] = []
        self.flying = 0
        self.listed = False


class FifoLane:
    """By group, each in the order of sending; a group with a message in flight gives none."""

    def __init__(self) -> None:
        self.window = 1  # without effect: order is what a FIFO queue promises
        self._groups: dict[str, _Group] = {}
        self._free: deque[_Group] = deque()

    def put(self, message: Message) -> None:
        name = message.group or ""
        group = self._groups.get(name)
        if group is None:
            group = self._groups[name] = _Group(name)
        heapq.heappush(group.waiting, (message.number, message.stamp, message))
        self._list(group)

    def take(self, number: int, accept: Accept) -> list[Message]:
        """As many as possible of one group before the next group's turn comes."""
        taken: list[Message] = []
        while self._free and len(taken) < number:
            group = self._free.popleft()
            group.listed = False
            while group.waiting and len(taken) < number:
                _, stamp, message = heapq.heappop(group.waiting)
                if message.stamp == stamp and accept(message):
                    taken.append(message)
                    group.flying += 1
            self._list(group)
        return taken

    def landed(self, message: Message) -> None:
        group = self._groups[message.group or ""]
        group.flying -= 1
        self._list(group)

    def _list(self, group: _Group) -> None:
        """Make the group's turn come if it may give messages; forget it if nothing is left."""
        if group.flying:
            return
        if not group.waiting:
            self._groups.pop(group.name, None)
        elif not group.listed:
            group.listed = True
            self._free.append(group)
