"""FIFO groups in hand: one message of a group at a time, in the order in which they came.

Owns that order. Pure. A queue that is ordered delivers several messages of one group at once, and
nothing of it to others meanwhile. The next begins only when the one before is *deleted*: else it
would have been done first if that delete never landed. When one of them comes to nothing, those
behind it go back untouched, so that the queue can deliver them after it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

from coord.tasks.queue.hand import InHand

__all__ = ["Groups"]


class Groups:
    """The groups of one worker. Its caller locks."""

    def __init__(self) -> None:
        self._lines: dict[str, deque[InHand]] = {}

    def enter(self, hands: Sequence[InHand]) -> list[InHand]:
        """These were received, in this order; which of them may begin."""
        ready = []
        for hand in hands:
            line = self._lines.setdefault(hand.message.group, deque())
            line.append(hand)
            if len(line) == 1:
                ready.append(hand)
        return ready

    def gone(self, hand: InHand) -> InHand | None:
        """It is deleted; which one of its group may begin now."""
        line = self._lines.get(hand.message.group)
        if line is None or line[0] is not hand:
            return None
        line.popleft()
        if line:
            return line[0]
        del self._lines[hand.message.group]
        return None

    def failed(self, hand: InHand) -> list[InHand]:
        """It came to nothing; which ones behind it must go back."""
        line = self._lines.get(hand.message.group)
        if line is None or hand not in line:
            return []
        del self._lines[hand.message.group]
        found = list(line)
        return found[found.index(hand) + 1 :]
