"""The parts of a worker, and what flows between them.

Owns the path of every message: received, waiting, begun, ended, told to the queue. Knows no signal
and no URL. Law: a message leaves by exactly one door (`_leave`), and each door tells the queue once
or says why it does not.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial

from coord.clock import Clock
from coord.tasks.backoff import Backoff
from coord.tasks.job import Job, Memory
from coord.tasks.loop import Loop
from coord.tasks.queue.admission import Admission, Deferral
from coord.tasks.queue.backlog import Backlog
from coord.tasks.queue.clerk import Clerk
from coord.tasks.queue.crew import Crew
from coord.tasks.queue.deletes import Deletes
from coord.tasks.queue.hand import InHand, Outcome, Patience
from coord.tasks.queue.heard import Heard
from coord.tasks.queue.intake import Intake
from coord.tasks.queue.listener import Listener
from coord.tasks.queue.order import Groups
from coord.tasks.queue.payload import Call, Codec, Handler, JsonCodec
from coord.tasks.queue.pump import Pump
from coord.tasks.queue.runs import Ended, Runs
from coord.tasks.queue.signals import Signals
from coord.tasks.queue.spi import Queue, Reader

__all__ = ["MOST_THREADS", "Engine", "Settings"]

MOST_THREADS = 64
_STOPS = "the worker stops"


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """How a worker treats its messages, in seconds. See `Worker` for what they mean."""

    visibility_s: float = 30.0
    wait_s: float = 5.0
    most_threads: int = MOST_THREADS
    backoff: Backoff = field(default_factory=Backoff)
    codec: Codec = field(default_factory=JsonCodec)
    readers: tuple[Reader, ...] = ()


class Engine:
    """One worker's machinery. `start`, then `stop` from anywhere, then `close`.

    `broke` is told the error of an admission that cannot say what begins next; by then it stops.
    """

    def __init__(
        self,
        queue: Queue,
        handlers: Mapping[str, Handler],
        admission: Admission,
        settings: Settings,
        *,
        memory: Memory,
        clock: Clock,
        listener: Listener,
        broke: Callable[[Exception], None] = lambda _: None,
    ) -> None:
        self._queue = queue
        self._clock = clock
        self._listener = listener = Heard(listener)
        self._settings = settings
        self._runs = Runs(
            handlers,
            queue=queue.name,
            codec=settings.codec,
            readers=settings.readers,
            memory=memory,
            backoff=settings.backoff,
            clock=clock,
            max_receives=queue.limits.max_receives,
        )
        patience = Patience(settings.visibility_s, queue.limits.max_hidden_s)
        admission.opened(queue.limits)
        self._backlog = Backlog(admission, clock, deferred=self._defer, limited=listener.limited)
        self._groups = Groups() if queue.limits.ordered else None
        self._lock = threading.Lock()
        self._running: dict[InHand, Job] = {}
        self._counts: Counter[str] = Counter()
        self._deferrals: Counter[str] = Counter()
        self._latest_sent_s = 0.0
        self._is_stopping = False
        self._is_cancelled = False
        self._paused = ""
        self._told_broken = broke
        self._quiet = threading.Condition()
        self._loop = Loop()
        self._pump: Pump | None = None
        if all(handler.is_async for handler in handlers.values()):
            self._pump = Pump(self._backlog, self._work, self._loop, broke=self._broke)
        most = settings.most_threads
        self._crew = self._pump or Crew(self._backlog, self._work, most, broke=self._broke)
        self._face(queue, patience, listener)

    def _face(self, queue: Queue, patience: Patience, listener: Listener) -> None:
        """What speaks to the queue: for leases, deletes and receives."""
        clock = self._clock
        self._clerk = Clerk(
            queue,
            patience,
            clock,
            listener=listener,
            running=lambda: list(self._running),
            fell=self._fell,
            overran=self._overran,
        )
        self._deletes = Deletes(
            queue,
            clock,
            retry_s=patience.retry_s,
            gone=self._gone,
            lost=self._undeleted,
            failing=listener.trouble,
        )
        self._intake = Intake(
            queue,
            self._backlog,
            patience,
            clock,
            wait_s=self._settings.wait_s,
            received=self._received,
            failing=listener.trouble,
        )

    # ------------------------------------------------------------------------ from outside

    def start(self) -> None:
        """Begin to receive."""
        self._crew.start()
        for part in (self._clerk, self._deletes, self._intake):
            part.start(self._broke)

    @property
    def counts(self) -> Mapping[str, int]:
        """How many messages: "received", and each outcome by its value, which add up to that once
        nothing is in hand.

        Beside these: "redelivered" (received, and not for the first time), "late" (done, when the
        lease was over: it may be run again), "undeleted" (done, and will be run again) and
        "overrun" (still worked on when others might have it).
        """
        with self._lock:
            return {what: n for what, n in self._counts.items() if what != "left"}

    def signals(self, wall_s: float) -> Signals:
        """How the worker stands at that wall time."""
        load, running = self._backlog.load(), self._backlog.running
        sent = [] if load.oldest_sent_s is None else [load.oldest_sent_s]
        if not self._intake.empty_answers:  # what comes next is about as old as what came last
            sent.append(self._latest_sent_s)
        with self._lock:
            deferrals = dict(self._deferrals)
        return Signals.of(load, sent, running=running, deferrals=deferrals, wall_s=wall_s)

    @property
    def running(self) -> int:
        """How many handlers run."""
        return self._backlog.running

    @property
    def is_idle(self) -> bool:
        """Whether nothing is in hand and the latest answer of the queue held nothing."""
        with self._lock:
            in_hand = self._counts["received"] - self._counts["left"]
        return not in_hand and self._intake.empty_answers > 0

    def pause(self, why: str) -> None:
        """Receive nothing until `resume`: give back what has not begun, tell what runs."""
        self._paused = why
        self._intake.is_paused = True
        for hand in self._backlog.empty():
            self._leave(hand, Ended(Outcome.RETURNED, why=why))
        for job in list(self._running.values()):
            job.cancel(why)

    def resume(self) -> None:
        """Receive again."""
        self._paused = ""
        self._intake.is_paused = False

    def stop(self) -> None:
        """Receive no more, and give back at once what has not begun. What runs goes on."""
        self._is_stopping = True
        self._intake.stop()
        try:
            left = self._backlog.close()
        except Exception as error:  # noqa: BLE001  an admission is the user's
            why = f"the admission does not give back what waits: {type(error).__name__}: {error}"
            self._listener.trouble(f"{why}; it comes again when its visibility is over")
            return
        for hand in left:
            self._leave(hand, Ended(Outcome.RETURNED, why=_STOPS))

    def _broke(self, error: Exception) -> None:
        """A thread or the admission is lost: stop, or the worker would idle for ever."""
        self._listener.trouble(f"it cannot go on: {type(error).__name__}: {error}")
        self.stop()
        self._told_broken(error)

    def drain(self, timeout_s: float) -> bool:
        """Wait until no handler runs; whether that came in time."""
        end_s = self._clock.now() + timeout_s
        with self._quiet:
            while self._backlog.running:
                left_s = end_s - self._clock.now()
                if left_s <= 0:
                    return False
                self._quiet.wait(min(left_s, 1.0))
        return True

    def cancel(self) -> None:
        """Their time to end is over: tell every handler to stop, and people which ones these are.
        Those that do stop give their messages back.
        """
        self._is_cancelled = True
        for hand, job in list(self._running.items()):
            self._listener.undrained(hand)
            job.cancel(_STOPS)

    def close(self, timeout_s: float) -> list[str]:
        """End all threads, after `stop`; the names of those that did not end in time.

        What still runs then keeps its message hidden until its time is over, and no longer. Leases
        go on until the deletes have ended: a message that is being deleted must stay hidden, and
        what comes behind it in its group is given back when it is gone.
        """
        waited_s = self._settings.wait_s + timeout_s
        parts: list[tuple[str, Callable[[], bool]]] = [
            ("intake", lambda: self._intake.join(waited_s)),
            ("deletes", lambda: self._deletes.close(timeout_s)),
            ("leases", lambda: self._clerk.close(timeout_s)),
            ("loop", lambda: self._loop.close(timeout_s)),
        ]
        return [name for name, end in parts if not end()]

    # ------------------------------------------------------------------ the path of a message

    def _received(self, hands: list[InHand], sent_at_s: float) -> None:
        with self._lock:
            self._counts["received"] += len(hands)
            self._counts["redelivered"] += sum(hand.message.received > 1 for hand in hands)
            self._latest_sent_s = min(hand.message.sent_at_s for hand in hands)
            ready = hands if self._groups is None else self._groups.enter(hands)
        self._clerk.took(hands, sent_at_s)
        self._put(ready)

    def _put(self, hands: list[InHand]) -> None:
        why = self._paused or _STOPS
        try:
            if not (self._is_stopping or self._paused) and self._backlog.put(hands):
                self._crew.call_up()
                return
        except Exception as error:  # noqa: BLE001  an admission is the user's
            why = f"its admission failed: {type(error).__name__}: {error}"
            self._listener.trouble(why)
        for hand in hands:
            self._leave(hand, Ended(Outcome.RETURNED, why=why))

    def _defer(self, what: Deferral) -> None:
        """Give one back that waits in the way of others; on the receiving thread."""
        hand = what.hand
        if hand.is_lost(self._clock.now()):
            self._leave(hand, Ended(Outcome.LAPSED, why=hand.why))
            return
        self._listener.deferred(what)
        self._leave(hand, Ended(Outcome.DEFERRED, what.rest_s, what.why), what.reason)

    def _work(self, hand: InHand) -> InHand | None:
        """Run one message, on a thread of the crew or on the loop; the next one, if that thread is
        to go on. Whatever happens, it comes to an end.
        """
        error: BaseException | None = None
        job = None
        try:
            found = self._runs.begin(hand)
            if isinstance(found, Ended):
                return self._end(hand, found)
            call, job = found
            self._running[hand] = job
            if why := self._paused or (_STOPS if self._is_cancelled else ""):
                job.cancel(why)  # somebody may have looked at what runs just before
                job.check()
            self._listener.began(hand)
            if call.handler.is_async:
                self._run_async(hand, call, job)
                return None
            self._runs.call(call, job)
        except BaseException as raised:  # noqa: BLE001  a thread that dies would lose the message
            error = raised
        return self._end(hand, self._runs.ended(hand, job, error))

    def _run_async(self, hand: InHand, call: Call, job: Job) -> None:
        run = self._loop.run if self._pump is None else self._loop.begin
        work = partial(self._runs.awaited, call, job)
        run(job, work, partial(self._came_back, hand, job))

    def _came_back(
        self, hand: InHand, job: Job, _result: object, error: BaseException | None
    ) -> None:
        """A coroutine has; on the loop's thread."""
        end = self._runs.ended(hand, job, error)
        if self._pump is None:
            self._end(hand, end, and_next=False)
        else:
            self._pump.go_on(self._end(hand, end))

    def _end(self, hand: InHand, end: Ended, *, and_next: bool = True) -> InHand | None:
        """A message that was begun has come to its end; the next one, if it is asked for."""
        now = self._clock.now()
        self._running.pop(hand, None)
        seconds = now - hand.began_s
        self._listener.ended(hand, end, seconds)
        if end.outcome is Outcome.DONE and hand.is_lost(now):
            with self._lock:
                self._counts["late"] += 1
        self._leave(hand, end)
        following = None
        try:
            following = self._backlog.ended(hand, seconds, and_next=and_next)
        except Exception as error:  # noqa: BLE001  an admission is the user's
            self._broke(error)
        hand.job = None  # it stands on the hand: both are freed now, not by the garbage collector
        if self._is_stopping:
            with self._quiet:
                self._quiet.notify_all()
        return following

    def _leave(self, hand: InHand, end: Ended, reason: str = "in-progress") -> None:
        """The one door out: tell the queue, and see to the rest of its group."""
        hand.outcome = end.outcome
        if end.outcome is Outcome.DONE:
            self._deletes.put(hand)
            return
        with self._lock:
            self._counts[end.outcome.value] += 1
            if end.outcome is Outcome.DEFERRED:
                self._deferrals[reason] += 1
        self._return_followers(hand)
        if end.outcome is Outcome.LAPSED:
            hand.let_go()
        else:
            self._clerk.give_back(hand, end.rest_s)

    def _fell(self, hand: InHand) -> None:
        """One lapsed or was given up; on the leases' thread. If it is worked on, what came after it
        in its group does not wait until its handler ends, if it ever does.
        """
        if hand.job is not None and hand.outcome is None:
            self._return_followers(hand, left=0)

    def _overran(self, hand: InHand) -> None:
        """One is worked on although others may have it; on the leases' thread."""
        with self._lock:
            self._counts["overrun"] += 1
        self._listener.overran(hand)

    def _return_followers(self, hand: InHand, *, left: int = 1) -> None:
        """One leaves without being deleted: what came after it in its group goes back."""
        with self._lock:
            behind = [] if self._groups is None else self._groups.failed(hand)
            self._counts[Outcome.RETURNED.value] += len(behind)
            self._counts["left"] += left + len(behind)
        for follower in behind:
            follower.outcome = Outcome.RETURNED
            self._clerk.give_back(follower, 0.0)

    def _gone(self, hands: list[InHand]) -> None:
        """These are deleted; on the deleting thread."""
        ready: list[InHand] = []
        with self._lock:
            self._counts["left"] += len(hands)
            self._counts[Outcome.DONE.value] += len(hands)
            for hand in hands:
                hand.let_go()
                if self._groups is not None and (follower := self._groups.gone(hand)):
                    ready.append(follower)
        if ready:
            self._put(ready)

    def _undeleted(self, hand: InHand, why: str) -> None:
        """One was done and cannot be deleted; on the deleting thread."""
        hand.let_go()
        with self._lock:
            self._counts[Outcome.DONE.value] += 1
            self._counts["undeleted"] += 1
        self._return_followers(hand)
        self._listener.undeleted(hand, why)
