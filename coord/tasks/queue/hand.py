"""A message in hand: until when nobody else can have it, and what becomes of it.

Owns that deadline and the rule that moves it. Asks nothing of the queue.

The safety argument: the queue hides a message for `visibility_s` from its *answer*; we count from
before the request was sent, and take off what our clock may be slower than the queue's (`drift`).
So while `now < until_s` no correct queue has shown it to anybody else. Only an acknowledged change
of visibility moves the deadline, never backwards, and never beyond `ceiling_s`: what the queue
allows in all (`latest_s`: twelve hours on SQS), or what the task's timeout does. Work is asked to
stop `grace_s` before. Shown by `tests/unit/tasks/queue/test_leases.py`.
"""

from __future__ import annotations

from enum import Enum

from coord.clock import Clock
from coord.errors import JobCancelled
from coord.tasks.job import Job
from coord.tasks.queue.spi import Message

__all__ = ["InHand", "Outcome", "Patience"]


class Outcome(Enum):
    """What became of a message; what the worker counts, logs and tells the queue by."""

    DONE = "done"  # delete it
    FAILED = "failed"  # the handler raised: back after a growing time
    PARKED = "parked"  # nobody here can read it: back after a growing time, told at each
    DEFERRED = "deferred"  # not now: there is no room, or another run is at it
    RETURNED = "returned"  # given back untouched, at once
    LAPSED = "lapsed"  # it may be visible to others already: say nothing of it to the queue


class Patience:
    """The times of one worker's messages, in seconds."""

    __slots__ = ("drift", "grace_s", "max_hidden_s", "renew_s", "retry_s", "visibility_s")

    def __init__(self, visibility_s: float, max_hidden_s: float, *, drift: float = 0.002) -> None:
        self.visibility_s = visibility_s
        self.max_hidden_s = max_hidden_s
        self.drift = drift
        self.grace_s = visibility_s / 10
        self.renew_s = visibility_s / 3
        self.retry_s = visibility_s / 30


class InHand:
    """One delivered message until it is done with. Deadlines are read by any thread, no lock."""

    __slots__ = (
        "_clock",
        "_patience",
        "began_s",
        "ceiling_s",
        "ceiling_why",
        "entry",
        "is_full",
        "job",
        "latest_s",
        "message",
        "outcome",
        "over",
        "until_s",
        "why",
    )

    def __init__(
        self, message: Message, sent_at_s: float, patience: Patience, clock: Clock
    ) -> None:
        self.message = message
        self.latest_s = sent_at_s + patience.max_hidden_s * (1 - patience.drift)
        self.ceiling_s = self.latest_s
        self.ceiling_why = "the queue hides no message for longer in all"
        self.began_s = 0.0
        self.until_s = min(self.ceiling_s, sent_at_s + patience.visibility_s * (1 - patience.drift))
        self.outcome: Outcome | None = None
        self.is_full = False  # it has all the time that it can get
        self.over = False  # see `let_go`
        self.job: Job | None = None
        self.why = ""
        self.entry: dict[InHand, None] | None = None  # with which others it is extended
        self._patience = patience
        self._clock = clock

    def __repr__(self) -> str:
        return f"<InHand {self.message.id} {self.outcome.value if self.outcome else 'held'}>"

    def stands_under(self, job: Job) -> None:
        """Work on it begins; whoever does it is told when it lapses, or at once if it has."""
        self.job = job
        if self.why:
            job.cancel(self.why)

    def bound(self, end_s: float) -> None:
        """Work on it may take until `end_s`: it is not kept from others for longer."""
        if (ceiling_s := end_s + self._patience.grace_s) < self.ceiling_s:
            self.ceiling_s, self.ceiling_why = ceiling_s, "the timeout of its task is over"
            self.is_full = self.until_s >= ceiling_s
            self.until_s = min(self.until_s, ceiling_s)

    def let_go(self) -> None:
        """The queue has been told the outcome, or need not be: extend it no more. Any thread.

        The book forgets it now and not when it is due, or a fast worker would keep all that it did
        in the last ten seconds in its memory.
        """
        self.over = True
        if (entry := self.entry) is not None:
            entry.pop(self, None)

    def extended(self, seconds: float, sent_at_s: float) -> None:
        """The queue hides it for `seconds` more, by a request that was sent then."""
        until_s = min(self.ceiling_s, sent_at_s + seconds * (1 - self._patience.drift))
        self.until_s = max(self.until_s, until_s)
        self.is_full = seconds < self._patience.visibility_s

    def lapse(self, why: str) -> None:
        """It is, or may be, somebody else's: whoever works on it is told. For good."""
        self.why = self.why or why
        self.until_s = float("-inf")
        if self.job is not None:
            self.job.cancel(self.why)

    @property
    def lapsed(self) -> bool:
        """Whether it was given up: it may be somebody else's."""
        return bool(self.why)

    def is_lost(self, now: float) -> bool:
        """Whether it may be somebody else's by now, noticed or not: then say nothing of it to the
        queue, whose old receipts may touch what another worker holds.
        """
        return now >= self.until_s

    @property
    def stop_at_s(self) -> float:
        """When work on it is to stop unless it is extended before."""
        return self.until_s - self._patience.grace_s

    # ------------------------------------------------------- what a job stands on (`job.Ground`)

    @property
    def deadline_s(self) -> float:
        """Until when nobody else can have it, on the boot clock."""
        return self.until_s

    @property
    def stopping(self) -> bool:
        """Whether work on it should stop."""
        return self._clock.now() >= self.stop_at_s

    def loss(self) -> JobCancelled:
        """Why it is not ours any more."""
        why = self.why or "its visibility could not be extended in time"
        return JobCancelled(f"message {self.message.id} may be visible to other workers: {why}")

    def progress(self) -> None:
        """A message owes none: its lease goes on for as long as its timeout allows."""

    def rest(self) -> None:
        """As `progress`."""

    def work(self) -> None:
        """As `progress`."""
