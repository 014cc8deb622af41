"""The front door of the queue: a worker that runs tasks for messages.

Owns what users call, and the order of starting and stopping. The machinery is `engine`.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Mapping
from queue import Empty, SimpleQueue
from types import TracebackType
from typing import Any, Self

from coord.clock import SYSTEM_CLOCK, Clock
from coord.errors import ConfigError, StoreUnavailable, UsageError
from coord.model import checked_name
from coord.runtime.stop_signals import stopped_by_signals
from coord.tasks.job import Memory
from coord.tasks.ledger import Ledger
from coord.tasks.mark import spec_of
from coord.tasks.memory import LedgerMemory, NoMemory
from coord.tasks.opening import open_queue
from coord.tasks.queue.admission import Admission, Fair, FixedLimit
from coord.tasks.queue.engine import MOST_THREADS, Engine, Settings
from coord.tasks.queue.heard import Heard
from coord.tasks.queue.listener import Listener
from coord.tasks.queue.log import LogListener
from coord.tasks.queue.pauses import Pauses
from coord.tasks.queue.payload import Handler
from coord.tasks.queue.signals import Signals
from coord.tasks.queue.spi import Queue, Reader
from coord.tasks.runner.enqueuing import Enqueuer

__all__ = ["Worker"]

_LOOK_S = 0.1
_NAP_S = 1.0
_EMPTY_LOOKS = 2
_LEAST_VISIBILITY_S = 1.0
_LEAST_TIMEOUT_S = 0.25
_MOST_TIMEOUT_S = 10.0
_MOST_ENDING_S = 10.0


class Worker:
    """Runs `tasks` for the messages of the queue that `url` names, until it is stopped.

    Guarantees: a message is deleted only after its handler came back; a handler is told (`job`)
    before its message can be visible to another worker, as far as the queue keeps its promises and
    the clocks run within 0.2 % of each other. What was received and not begun is given back when
    the worker stops, at once.

    Does not guarantee: that a message is run once. The queue delivers at least once; put effects
    under `job.once` with a `ledger`.

    `visibility_s`: how long a message is hidden at a time; what it takes others to notice that this
    process died. `concurrency`: how many handlers at once; without it, as many as go without
    slowing each other down. `tenant`: the message attribute that names whose message it is; without
    it, the group. `admission`: all of that instead (`docs/admission.md`). `timeout_s` of a task
    bounds its run.
    `drain_s`: how long running handlers may go on after `stop()`; then they are told to stop.
    `wait_s`: how long a request waits for messages; stopping takes up to that long to let go of the
    queue, although what it holds is given back at once.
    `fleet` and `role`: the URL of a store's group and a role in it; `coord pause FLEET ROLE` then
    pauses this worker within seconds: what has not begun is given back, running handlers are told
    to stop, no tick is enqueued, until `coord resume`.
    `readers`: read messages that no coord has sent, such as `coord_sqs.s3_event("resize")`.
    `opener`: opens the queue as `open_queue` does, for those who want to see each request.

    Threads: `stop` from anywhere, signal handlers included; the rest from one thread.
    """

    def __init__(
        self,
        url: str,
        *,
        tasks: Iterable[Any],
        ledger: str | None = None,
        fleet: str | None = None,
        role: str | None = None,
        visibility_s: float = 30.0,
        concurrency: int | None = None,
        tenant: str = "",
        wait_s: float = 5.0,
        drain_s: float = 30.0,
        readers: Iterable[Reader] = (),
        settings: Settings | None = None,
        admission: Admission | None = None,
        listener: Listener | None = None,
        clock: Clock = SYSTEM_CLOCK,
        opener: Callable[..., Queue] = open_queue,
    ) -> None:
        self.url = url
        marked = list(tasks)
        self._handlers = handlers_of(marked)
        self._scheduled = [spec for spec in map(spec_of, marked) if spec.schedule is not None]
        self._ledger_url = ledger
        self._fleet_role = _fleet_role(fleet, role)
        self._settings = settings or Settings(
            visibility_s=visibility_s,
            wait_s=wait_s,
            most_threads=max(MOST_THREADS, concurrency or 0),
            readers=tuple(readers),
        )
        self._admission = admission or _admission(concurrency, tenant)
        if admission is not None and (concurrency is not None or tenant):
            raise ConfigError(
                "an admission, and a concurrency or a tenant beside it",
                cure="Say both in the admission: Fair(FixedLimit(8), tenant='…').",
            )
        self._listener = listener
        self._drain_s = drain_s
        self._clock = clock
        self._opener = opener
        # A simple queue, because its `put` alone is safe in a signal handler: an event that is set
        # there while this very thread is about to wait for it stays locked for ever.
        self._stops: SimpleQueue[None] = SimpleQueue()
        self._pid = 0
        self._engine: Engine | None = None
        self._queue: Queue | None = None
        self._ledger: Ledger | None = None
        self._enqueuer: Enqueuer | None = None
        self._pauses: Pauses | None = None
        self._last_counts: Mapping[str, int] = {}
        self._failure: Exception | None = None
        if self._scheduled and ledger is None:
            raise ConfigError(
                f"task {self._scheduled[0].name!r} has a schedule, and this worker has no ledger",
                cure="Give it one, ledger='sqlite:///ledger.db': of all workers one must enqueue "
                "each tick.",
            )
        _checked(self._settings, drain_s)

    def start(self) -> Self:
        """Open the queue and begin to receive. If it raises, nothing is left behind.

        `ConfigError`, `MissingExtra`, `StoreRefused` (no such queue, refused credentials),
        `StoreUnavailable`.
        """
        if self._pid:
            raise UsageError(
                "this worker was started before", cure="Make a new one for each start."
            )
        self._pid = os.getpid()
        try:
            self._open()
        except BaseException:
            self.close()
            raise
        return self

    def _open(self) -> None:
        # A lease is renewed at a third of its time and given up at nine tenths: several calls must
        # fail before it is. Not so short that a busy machine is taken for a dead queue, not so long
        # that a worker with long leases cannot stop.
        visibility_s = self._settings.visibility_s
        timeout_s = min(max(visibility_s / 10, _LEAST_TIMEOUT_S), _MOST_TIMEOUT_S)
        queue = self._queue = self._opener(self.url, clock=self._clock, timeout_s=timeout_s)
        if visibility_s > queue.limits.max_hidden_s:
            raise ConfigError(
                f"visibility_s is {visibility_s:g}, and {queue.name} hides a message for "
                f"{queue.limits.max_hidden_s:g} s at the most",
                cure="Use a short one: it is extended for as long as a handler takes.",
            )
        memory: Memory = NoMemory()
        if self._ledger_url is not None:
            self._ledger = Ledger.open(
                self._ledger_url,
                lease_s=visibility_s,
                timeout_s=timeout_s,
                clock=self._clock,
            )
            memory = LedgerMemory(self._ledger)
            if self._scheduled:
                wall = time.time  # noqa: TID251  a schedule is by people's clocks
                self._enqueuer = Enqueuer(
                    queue, self._scheduled, self._ledger, self._settings.codec, wall=wall
                )
        self._engine = Engine(
            queue,
            self._handlers,
            self._admission,
            self._settings,
            memory=memory,
            clock=self._clock,
            listener=self._listener or LogListener(queue.name),
            broke=self._broke,
        )
        if self._fleet_role is not None:
            self._pauses = Pauses(
                *self._fleet_role,
                clock=self._clock,
                timeout_s=timeout_s,
                paused=self._pause,
                resumed=self._resume,
                failing=self._trouble,
            )
            self._pauses.start()
        self._engine.start()
        if self._enqueuer is not None:
            self._enqueuer.start()

    def _pause(self, why: str) -> None:
        engine, enqueuer = self._engine, self._enqueuer
        if enqueuer is not None:
            enqueuer.is_paused = True
        if engine is not None:
            engine.pause(why)
        self._heard().paused(why)

    def _resume(self) -> None:
        engine, enqueuer = self._engine, self._enqueuer
        if engine is not None:
            engine.resume()
        if enqueuer is not None:
            enqueuer.is_paused = False
        self._heard().paused("")

    def _trouble(self, why: str) -> None:
        self._heard().trouble(why)

    def _broke(self, error: Exception) -> None:
        self._failure = self._failure or error
        self.stop()

    def _heard(self) -> Heard:
        return Heard(self._listener or LogListener(self.url))

    def stop(self) -> None:
        """Ask for the end and return at once. Safe in signal handlers, and for handlers."""
        self._stops.put(None)

    def _is_stopped(self, wait_s: float) -> bool:
        """Whether the end was asked for, within so long."""
        try:
            self._stops.get(timeout=wait_s)
        except Empty:
            return False
        self._stops.put(None)
        return True

    def close(self) -> None:
        """Stop in order and wait for it. Idempotent.

        First nothing more is received, and what has not begun is given back; then running handlers
        get `drain_s` to end, their leases extended meanwhile; then they are told to stop, and have
        a tenth of that to do so; only then the leases end and the queue is closed. In a forked
        child it does nothing: all of it is the parent's. Not to be called by a handler, for which
        it would wait: `stop` is.
        """
        self.stop()
        if self._pid != os.getpid():
            return
        engine, self._engine = self._engine, None
        enqueuer, self._enqueuer = self._enqueuer, None
        left: list[str] = []
        end_s = min(self._settings.visibility_s / 5, _MOST_ENDING_S)
        pauses, self._pauses = self._pauses, None
        if pauses is not None and not pauses.close(end_s):
            left.append("pauses")
        if engine is not None:
            engine.stop()
            if not engine.drain(self._drain_s):
                engine.cancel()
                engine.drain(max(1.0, self._drain_s / 10))
            left += engine.close(end_s)
            self._last_counts = engine.counts
        if enqueuer is not None and not enqueuer.close(end_s):
            left.append("ticks")
        if left:
            self._trouble(f"did not end in time: {', '.join(left)}")
        ledger, self._ledger = self._ledger, None
        queue, self._queue = self._queue, None
        for part in (ledger, queue):
            if part is not None:
                part.close()

    def run(self, *, until_empty: bool = False) -> None:
        """Start if need be, and run until `stop()`, SIGTERM or SIGINT, or until nothing is left.

        Nothing left (`until_empty`): no message is ready, in flight (with anybody) or delayed.
        Signal handlers are installed on the main thread only, and put back. Raises what an
        `admission` raised that cannot say any more what begins next, once all has ended.
        """
        with stopped_by_signals(self.stop):
            try:
                if self._engine is None:
                    self.start()
                engine = self._engine
                assert engine is not None  # noqa: S101  it has just been started
                empty = 0
                # In naps: a signal that comes right before the wait is noticed after it.
                while not self._is_stopped(_LOOK_S if until_empty else _NAP_S):
                    if not until_empty:
                        continue
                    empty = empty + 1 if self._is_empty(engine) else 0
                    if empty >= _EMPTY_LOOKS:
                        break
            finally:
                self.close()
        if self._failure is not None:
            raise self._failure

    def _is_empty(self, engine: Engine) -> bool:
        assert self._queue is not None  # noqa: S101  it is open while we run
        if not engine.is_idle:
            return False
        try:
            return not self._queue.depth().undone
        except StoreUnavailable as error:
            self._trouble(str(error))
            return False

    @property
    def counts(self) -> Mapping[str, int]:
        """How many messages were received, and what became of them."""
        return self._engine.counts if self._engine is not None else self._last_counts

    def signals(self) -> Signals:
        """How it stands: load, limit, deferred work, the age of the oldest message. Any thread.

        Raises `UsageError` unless the worker runs.
        """
        engine = self._engine
        if engine is None:
            raise UsageError("a worker that does not run has no signals", cure="Start it first.")
        return engine.signals(time.time())  # noqa: TID251  ages are for people and for scaling

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def _fleet_role(fleet: str | None, role: str | None) -> tuple[str, str] | None:
    if fleet is None and role is None:
        return None
    if fleet is None or role is None:
        raise ConfigError(
            "a worker is paused by a role of a fleet, and one of the two is missing",
            cure="Give both: fleet='etcd://…/prod', role='resize'; or neither.",
        )
    return fleet, checked_name("role", role)


def _admission(concurrency: int | None, tenant: str) -> Admission:
    limit = None if concurrency is None else FixedLimit(concurrency)
    return Fair(limit, tenant=tenant)


def handlers_of(tasks: Iterable[Any]) -> dict[str, Handler]:
    """The tasks by name. `ConfigError` for what is no task, and for two of one name."""
    found: dict[str, Handler] = {}
    for function in tasks:
        spec = spec_of(function)
        if spec.name in found:
            raise ConfigError(
                f"two tasks are named {spec.name!r}", cure="Give one of them another: @task('…')."
            )
        found[spec.name] = Handler.of(
            spec.name,
            function,
            timeout_s=spec.timeout_s,
            progress_timeout_s=spec.progress_timeout_s,
            once=spec.once,
        )
    if not found:
        raise ConfigError("a worker without tasks", cure="Give it at least one: tasks=[…].")
    return found


def _checked(settings: Settings, drain_s: float) -> None:
    seconds = {"wait_s": settings.wait_s, "drain_s": drain_s}
    for name, value in seconds.items():
        if not 0 <= value < float("inf"):
            raise ConfigError(
                f"Worker: {name} is {value}", cure="It must be a number of 0 or more."
            )
    if not _LEAST_VISIBILITY_S <= settings.visibility_s < float("inf"):
        raise ConfigError(
            f"Worker: visibility_s is {settings.visibility_s}",
            cure="It must be 1 or more: what keeps a message hidden takes time itself.",
        )
