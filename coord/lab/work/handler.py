"""The worker of the queue: the same work, taken from messages instead of led.

Owns the task, and how the event log tells of messages what it tells of terms: a message in hand is
a belief, a change of its visibility extends it. Knows no other worker, and nothing of the faults
that will strike it.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from contextlib import closing
from functools import partial
from pathlib import Path

from coord import Job, Worker, task
from coord.clock import SYSTEM_CLOCK
from coord.lab.work import app
from coord.lab.work.deed import Deed
from coord.lab.work.items import TASK, InHand, Item, item_of
from coord.lab.work.modes import HANDLERS, PROGRESS_TIMEOUT_S, REST_S, visibility_s
from coord.lab.work.requests import opened
from coord.tasks.queue.admission import Fixed
from coord.tasks.queue.engine import Settings
from coord.tasks.queue.hand import InHand as Hand
from coord.tasks.queue.hand import Outcome
from coord.tasks.queue.listener import Listener
from coord.tasks.queue.runs import Ended
from coord.telemetry import EventLog

__all__ = ["Handler", "Telling", "handle_messages"]

_WAIT_S = 0.5
_DRAIN_S = 1.0


class Handler:
    """Deletes the rows that a message names. `reap` may run in many threads at once."""

    def __init__(self, database: Path, member: str, events: EventLog) -> None:
        self._database = database
        self._deed = Deed(member, events)
        self._events = events

    def reap(self, job: Job, item: Item) -> None:
        """Handle one item, whether another handler has had it before or not."""
        held = InHand(job, item.key)
        with closing(app.connect(self._database)) as connection:
            while not self._done(held, connection, item.units):
                job.wait(REST_S)
        self._events.progressed(held.key, held.token)

    def _done(self, held: InHand, connection: sqlite3.Connection, units: Sequence[str]) -> bool:
        """Check, then do it; False if others kept the database locked."""
        start_s = SYSTEM_CLOCK.now()
        held.check()
        try:
            self._deed.do(held, connection, units, start_s)
        except sqlite3.OperationalError as error:
            if not app.locked(error):
                raise
            return False
        return True


class Telling(Listener):
    """Writes what becomes of messages into the event log."""

    def __init__(self, events: EventLog) -> None:
        self._events = events

    def began(self, hand: Hand) -> None:
        if hand.job is not None:
            message = hand.message
            self._events.term_began(item_of(message).key, message.received, hand.job.deadline_s)

    def extended(self, hand: Hand) -> None:
        job, message = hand.job, hand.message
        if job is not None and hand.outcome is None:
            self._events.term_extended(item_of(message).key, message.received, job.deadline_s)

    def ended(self, hand: Hand, end: Ended, seconds: float) -> None:
        message = hand.message
        if hand.job is not None:
            self._events.term_ended(item_of(message).key, message.received, end.outcome.value)
        if end.outcome is Outcome.LAPSED:
            self._events.report("lapsed", f"message {message.id}: {end.why}")
        elif end.outcome is Outcome.FAILED:
            self._events.report("late", f"message {message.id}: {end.why}")

    def undeleted(self, hand: Hand, why: str) -> None:
        self._events.report("undeleted", f"message {hand.message.id}: {why}")

    def trouble(self, what: str) -> None:
        self._events.report("queue-trouble", what)


def handle_messages(url: str, member: str, database: Path, *, ttl_s: float) -> None:
    """Take messages and handle them until SIGTERM. Raises what `Worker.start` does.

    The visibility timeout is the ttl that leaders have (1 s at least), and an item may take as long
    as a leader may go without progress.
    """
    with closing(EventLog.from_environment(member)) as events:
        handler = Handler(database, member, events)

        @task(TASK, timeout=PROGRESS_TIMEOUT_S)
        def reap(job: Job, partition: int, number: int, units: list[str]) -> None:
            handler.reap(job, Item(partition, number, units))

        worker = Worker(
            url,
            tasks=[reap],
            settings=Settings(visibility_s=visibility_s(ttl_s), wait_s=_WAIT_S),
            admission=Fixed(HANDLERS, ahead=0),
            drain_s=_DRAIN_S,
            listener=Telling(events),
            opener=partial(opened, events),
        )
        events.member("start")
        worker.run()
        events.member("stop")
