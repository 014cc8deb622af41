"""Receives of FIFO queues whose answers were lost, so that what they gave out is not lost too.

Owns which of them may be asked for again, and when. Opens nothing. Why: of a group, nobody is given
anything while one of its messages is in flight. So an answer that does not arrive blocks its groups
for a whole visibility, although nobody works on them. Amazon gives the same messages with the same
receipts to a request that names the same `ReceiveRequestAttemptId`
([ReceiveMessage](https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_ReceiveMessage.html)).
Rules and their reasons:

- An id is asked for again only after a failure that may have been applied, and with the same number
  and visibility. Once an answer to it was read it is never used again: from then on its messages
  may be deleted, and their visibility changed, and Amazon says that an id is void by that.
- It is asked for only while a whole call still fits into the visibility that it asked for, counted
  from before it was sent. Later its messages may have been given to somebody else, and nobody says
  what the id means then. And only within five minutes, for which Amazon remembers it.
- That call does not wait: what was lost is there, or is not. A request whose connection broke may
  go on waiting at Amazon for as long as it was to wait, and be given messages then. So where there
  was nothing, it is asked for once more after that time.
"""

from __future__ import annotations

import secrets
import threading
from dataclasses import dataclass

__all__ = ["Attempt", "Attempts"]

_REMEMBERED_S = 300.0
_DRIFT = 0.002
"""How much slower than Amazon's our clock may run: as for leases (`coord.tasks.queue.hand`)."""


@dataclass(slots=True)
class Attempt:
    """One receive. Moments on the boot clock; `next_s`: when it was asked for last, or is to be."""

    id: str
    count: int
    visibility_s: int
    waits_until_s: float
    over_s: float
    next_s: float


class Attempts:
    """Those that were lost. Any thread: each is given to one at a time."""

    def __init__(self, timeout_s: float) -> None:
        self._timeout_s = timeout_s
        self._lock = threading.Lock()
        self._lost: list[Attempt] = []

    def new(self, count: int, visibility_s: int, *, wait_s: float, now: float) -> Attempt:
        """One that is about to be made."""
        remembered_s = min(visibility_s, _REMEMBERED_S) * (1 - _DRIFT)
        return Attempt(
            id=secrets.token_hex(16),
            count=count,
            visibility_s=visibility_s,
            waits_until_s=now + wait_s,
            over_s=now + remembered_s - self._timeout_s,
            next_s=now,
        )

    def lost(self, attempt: Attempt) -> None:
        """Whether it was applied is not known."""
        with self._lock:
            self._lost.append(attempt)

    def was_empty(self, attempt: Attempt) -> None:
        """It was asked for again, and there was nothing, yet."""
        if attempt.next_s < attempt.waits_until_s:
            attempt.next_s = attempt.waits_until_s
            self.lost(attempt)

    def again(self, count: int, visibility_s: int, now: float) -> Attempt | None:
        """One to be asked for again by somebody who wants so many messages for so long."""
        with self._lock:
            self._lost = [one for one in self._lost if now < one.over_s]
            for place, one in enumerate(self._lost):
                if now >= one.next_s and one.count <= count and one.visibility_s == visibility_s:
                    one.next_s = now
                    return self._lost.pop(place)
        return None
