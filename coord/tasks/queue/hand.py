"""A message in hand: until when nobody else can have it, and what becomes of it.

Owns that deadline and the rule that moves it. Asks nothing of the queue.

The safety argument: the queue hides a message for `visibility_s` from its *answer*; we count from
before the request was sent, and take off what our clock may be slower than the queue's (`drift`).
So while `now < hidden_s` no correct queue has shown it to anybody else. Only an acknowledged change
of visibility moves that moment on; one that may show the message earlier moves it back before it is
sent. Work may trust the message until then, and never beyond `ceiling_s`: what the queue allows in
all (`latest_s`: twelve hours on SQS), or what the task's timeout does. It is asked to stop
`grace_s` before. Shown by `tests/unit/tasks/queue/test_leases.py`.

A handler that still runs a grace after its task's timeout is *given up*: nothing of it is trusted
any more, and the queue is to show its message at `show_s`, a rest later, as for one that failed.
That it ends ever, nobody can know; a message that waited for it would be lost with it, and the rest
of its FIFO group behind it. So others may have it while that handler runs on. Its timeout was its
right to go on: its `check` raises, and the ledger and every token take the newer delivery's side.
It is counted and told (`LeaseBook.overruns`). docs/decisions/queue-giving-up.md says what else was
possible. One that says no progress for its task's `progress_timeout` is told, and from then on it
is as if its timeout were over.
"""

from __future__ import annotations

from enum import Enum

from coord.clock import Clock
from coord.errors import JobCancelled
from coord.tasks.job import Job
from coord.tasks.queue.silence import Silence
from coord.tasks.queue.spi import Message

__all__ = ["InHand", "Outcome", "Patience"]

_MOST_LOOK_S = 1.0
"""How often what runs is looked at, at the least: a handler may hang however long leases are."""


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

    __slots__ = ("drift", "grace_s", "look_s", "max_hidden_s", "renew_s", "retry_s", "visibility_s")

    def __init__(self, visibility_s: float, max_hidden_s: float, *, drift: float = 0.002) -> None:
        self.visibility_s = visibility_s
        self.max_hidden_s = max_hidden_s
        self.drift = drift
        self.grace_s = visibility_s / 10
        self.renew_s = visibility_s / 3
        self.retry_s = visibility_s / 30
        self.look_s = min(self.grace_s / 2, _MOST_LOOK_S)


class InHand:
    """One delivered message until it is done with. Deadlines are read by any thread, no lock."""

    __slots__ = (
        "_clock",
        "_patience",
        "began_s",
        "ceiling_s",
        "ceiling_why",
        "entry",
        "hidden_s",
        "is_full",
        "is_timed",
        "job",
        "latest_s",
        "message",
        "outcome",
        "over",
        "show_s",
        "silence",
        "why",
    )

    def __init__(
        self, message: Message, sent_at_s: float, patience: Patience, clock: Clock
    ) -> None:
        self.message = message
        self.latest_s = sent_at_s + patience.max_hidden_s * (1 - patience.drift)
        self.ceiling_s = self.latest_s
        self.ceiling_why = "the queue hides no message for longer in all"
        self.show_s = self.latest_s  # when the queue is to show it if nothing else is said
        self.began_s = 0.0
        hidden_s = sent_at_s + patience.visibility_s * (1 - patience.drift)
        self.hidden_s = min(self.latest_s, hidden_s)
        self.outcome: Outcome | None = None
        self.is_timed = False  # its ceiling is its task's timeout
        self.is_full = False  # it has all the time that it can get
        self.over = False  # see `let_go`
        self.job: Job | None = None
        self.silence: Silence | None = None  # its task says how long it may get nothing done
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

    def bound(self, end_s: float, rest_s: float = 0.0, why: str = "") -> None:
        """Work on it may take until `end_s`. If it goes on for a grace after that, it is given up,
        and others are to have it `rest_s` later.
        """
        if (ceiling_s := end_s + self._patience.grace_s) < self.ceiling_s:
            self.ceiling_why = why or "the timeout of its task is over"
            self.show_s = min(self.latest_s, ceiling_s + rest_s)
            self.ceiling_s = ceiling_s
            self.is_timed = True
            self.is_full = False  # if it is hidden for longer, the queue has to be told

    def look_for_silence(self, silence: Silence, now: float) -> None:
        """Tell whoever works on it if nothing got done for too long, and bound it from then on."""
        job = self.job  # it may come to its end meanwhile
        if silence.is_told or job is None or now < silence.late_s:
            return
        silence.is_told = True
        self.bound(now, silence.rest_s, silence.why)
        job.cancel(silence.why)

    def let_go(self) -> None:
        """The queue has been told the outcome, or need not be: extend it no more. Any thread.

        The book forgets it now and not when it is due, or a fast worker would keep all that it did
        in the last ten seconds in its memory.
        """
        self.over = True
        if (entry := self.entry) is not None:
            entry.pop(self, None)

    def asks(self, seconds: float, now: float) -> None:
        """The queue is about to be told to hide it for `seconds`: for less than it does, perhaps,
        and perhaps without an answer.
        """
        if seconds < self._patience.visibility_s:
            self.hidden_s = min(self.hidden_s, self._hidden_s(seconds, now))

    def extended(self, seconds: float, sent_at_s: float) -> None:
        """The queue hides it for `seconds`, by a request that was sent then."""
        hidden_s = self._hidden_s(seconds, sent_at_s)
        self.is_full = seconds < self._patience.visibility_s
        self.hidden_s = hidden_s if self.is_full else max(self.hidden_s, hidden_s)

    def _hidden_s(self, seconds: float, sent_at_s: float) -> float:
        return min(self.latest_s, sent_at_s + seconds * (1 - self._patience.drift))

    def lapse(self, why: str) -> None:
        """It is, or may be, somebody else's: whoever works on it is told. For good."""
        self.hidden_s = float("-inf")
        self.give_up(why)

    def give_up(self, why: str) -> None:
        """Whoever works on it has no right to it any more, and is told; it is hidden still."""
        self.why = self.why or why
        self.ceiling_s = float("-inf")
        if (job := self.job) is not None:  # it may come to its end meanwhile
            job.cancel(self.why)

    @property
    def lapsed(self) -> bool:
        """Whether it was given up: it may be somebody else's, or will be."""
        return bool(self.why)

    def is_lost(self, now: float) -> bool:
        """Whether it was given up, or may be somebody else's by now, noticed or not: then whoever
        works on it says nothing of it to the queue, whose old receipts may touch what another
        worker holds.
        """
        return bool(self.why) or now >= self.hidden_s

    def is_overdue(self, now: float) -> bool:
        """Whether it is to be given up, since its handler goes on long after its timeout."""
        return self.is_timed and now >= self.ceiling_s and not self.why and self.outcome is None

    @property
    def until_s(self) -> float:
        """Until when work may trust it."""
        return min(self.hidden_s, self.ceiling_s)

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
        """Something got done. Without a `progress_timeout` a message owes none: its lease goes on
        for as long as its timeout allows.
        """
        if self.silence is not None:
            self.silence.began(self._clock.now())

    def rest(self) -> None:
        """Whoever works on it rests, and owes nothing meanwhile."""
        if self.silence is not None:
            self.silence.rests(self._clock.now())

    def work(self) -> None:
        """It goes on, and owes progress from now on."""
        if self.silence is not None:
            self.silence.works(self._clock.now())
