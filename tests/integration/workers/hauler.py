"""A process that works a queue off and writes down what happens: the queues' test subject.

    python -m tests.integration.workers.hauler '{"url": …, "name": …, "folder": …}'

Each event is one line of FOLDER/journal: `at what message received name detail`, `at` on the boot
clock, which all processes of the machine share. A write of that size to a file that is open for
appending is one step. SIGTERM ends the process in order.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from coord.clock import SYSTEM_CLOCK
from coord.errors import JobCancelled, StoreUnavailable
from coord.tasks import Job, Worker, task
from coord.tasks.backoff import Backoff
from coord.tasks.opening import open_queue
from coord.tasks.queue.admission import Fixed
from coord.tasks.queue.engine import Settings
from coord.tasks.queue.hand import InHand
from coord.tasks.queue.log import LogListener
from coord.tasks.queue.runs import Ended
from coord.tasks.queue.spi import Message, Queue

_STEP_S = 0.005
_AGAIN_S = 0.2


class Journal:
    """What one process writes down."""

    def __init__(self, folder: str, name: str) -> None:
        self._name = name
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT
        self._file = os.open(f"{folder}/journal", flags)

    def add(self, what: str, message: str, received: int, detail: object = "-") -> None:
        """One line, with the present moment."""
        self.add_at(SYSTEM_CLOCK.now(), what, message, received, detail)

    def add_at(self, at: float, what: str, message: str, received: int, detail: object) -> None:
        """One line, with an earlier moment."""
        line = f"{at:.6f} {what} {message} {received} {self._name} {detail}\n"
        os.write(self._file, line.encode())


class Told(LogListener):
    """Writes down until when each message is trusted, and how each run ended."""

    def __init__(self, journal: Journal) -> None:
        super().__init__("hauler")
        self._journal = journal

    def began(self, hand: InHand) -> None:
        """It is trusted until then."""
        self._note("trusted", hand, hand.deadline_s)

    def extended(self, hand: InHand) -> None:
        """It is trusted for longer."""
        self._note("trusted", hand, hand.deadline_s)

    def ended(self, hand: InHand, end: Ended, seconds: float) -> None:
        """It has its outcome."""
        super().ended(hand, end, seconds)
        self._note("ended", hand, end.outcome.value)

    def overran(self, hand: InHand) -> None:
        """Others may have it, and it is worked on still."""
        super().overran(hand)
        self._note("overrun", hand, hand.why.replace(" ", "-"))

    def _note(self, what: str, hand: InHand, detail: object) -> None:
        self._journal.add(what, hand.message.id, hand.message.received, detail)


class Watched:
    """A queue whose deliveries are written down, with the moment before and after the request."""

    def __init__(self, queue: Queue, journal: Journal) -> None:
        self._queue = queue
        self._journal = journal

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401  whatever a queue has
        return getattr(self._queue, name)

    def receive(self, count: int, *, wait_s: float, visibility_s: float) -> Sequence[Message]:
        """As the queue does."""
        found = self._queue.receive(count, wait_s=wait_s, visibility_s=visibility_s)
        for message in found:
            self._journal.add("received", message.id, message.received)
        return found


def tasks_of(journal: Journal, folder: str) -> list[Any]:
    """What this process can do. `n` names the work for ever."""

    def note(what: str, job: Job, detail: object = "-") -> None:
        journal.add(what, job.unit.message, job.token, detail)

    def hold(job: Job, seconds: float, held: str) -> None:
        """Work so long, or until a file shows; each look is written down by what it proves."""
        end_s = SYSTEM_CLOCK.now() + seconds
        last_s = SYSTEM_CLOCK.now()
        try:
            while (now := SYSTEM_CLOCK.now()) < end_s and not (held and Path(held).exists()):
                job.check()
                last_s = now
                time.sleep(_STEP_S)
        except JobCancelled:
            journal.add_at(last_s, "last-ok", job.unit.message, job.token, "-")
            note("told", job)
            raise

    @task("haul")
    def haul(job: Job, n: int, s: float = 0.0) -> None:
        """Work under `once`: completes once whatever happens."""
        ran = []
        note("start", job, n)

        def effect() -> int:
            hold(job, s, "")
            ran.append(n)
            return n

        job.once(f"haul/{n}", effect)
        note("completed" if ran else "known", job, n)

    @task("plain")
    def plain(job: Job, n: int, s: float = 0.0, fails: float = 0.0, held: str = "") -> None:
        """Work for so long; fails now and then."""
        note("start", job, n)
        hold(job, s, f"{folder}/{held}" if held else "")
        if random.random() < fails:
            raise ValueError("as was asked for")
        note("success", job, n)

    @task("coro")
    async def coro(job: Job, n: int, s: float = 0.0) -> None:
        """Work for so long on the loop."""
        note("start", job, n)
        try:
            await asyncio.sleep(s)
        except asyncio.CancelledError:
            note("told", job)
            raise
        note("success", job, n)

    return [haul, plain, coro, _deaf(note, folder)]


def _deaf(note: Callable[..., None], folder: str) -> Any:  # noqa: ANN401  a marked function
    @task("deaf", timeout=1.0)
    def deaf(job: Job, n: int, held: str) -> None:
        """Hang until a file shows, whatever it is told: in the first run of the first message."""
        note("start", job, n)
        while n == 0 and job.token == 1 and not Path(folder, held).exists():
            time.sleep(_STEP_S)
        note("success", job, n)

    return deaf


def _opened(url: str, opened: Mapping[str, Any]) -> Queue:
    """The queue, also if the way to it is cut just now, as a supervisor would get it."""
    while True:
        try:
            return open_queue(url, **opened)
        except StoreUnavailable:
            time.sleep(_AGAIN_S)


def main(given: str) -> None:
    """Serve until SIGTERM."""
    wanted = json.loads(given)
    folder, name = wanted.pop("folder"), wanted.pop("name")
    journal = Journal(folder, name)
    settings = Settings(
        visibility_s=wanted.pop("visibility_s"),
        wait_s=wanted.pop("wait_s", 1.0),
        backoff=Backoff(base_s=wanted.pop("base_s", 0.2), most_s=1.0),
    )
    if "ahead" in wanted:
        wanted["admission"] = Fixed(wanted.pop("concurrency"), ahead=wanted.pop("ahead"))
    worker = Worker(
        wanted.pop("url"),
        tasks=tasks_of(journal, folder),
        settings=settings,
        listener=Told(journal),
        opener=lambda url, **opened: Watched(_opened(url, opened), journal),  # type: ignore[arg-type]
        **wanted,
    )
    worker.start()
    sys.stdout.write(f"{os.getpid()}\n")
    sys.stdout.flush()
    worker.run()
    journal.add("counts", "-", 0, json.dumps(dict(worker.counts)).replace(" ", ""))


if __name__ == "__main__":
    main(sys.argv[1])
