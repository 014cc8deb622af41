"""How badly standard queues deliver: what Amazon promises is at least once, in any order.

Owns the two vices, which are off by default. FIFO queues have none.
"""

from __future__ import annotations

import random
from dataclasses import dataclass

from coord.testing.sqs.queue import Queue

__all__ = ["Mischief"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Mischief:
    """`duplicate_rate`: the share of messages that stay visible while they are delivered.
    `reorder`: so many messages at the head of a queue change places at each receive.
    """

    duplicate_rate: float = 0.0
    reorder: int = 1

    def infect(self, queue: Queue) -> None:
        """Make a queue behave so."""
        rate = self.duplicate_rate
        queue.redelivered = (lambda: random.random() < rate) if rate else (lambda: False)
        queue.shuffle(self.reorder)
