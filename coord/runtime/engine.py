"""The driver of one machine: two threads, one lock, no election rule.

Owns the threads and the order in which commands are carried out. Knows no rule of the core and no
user code; bindings (`bindings.py`) stand between it and the work.

* The *heartbeat thread* sends heartbeats and does nothing else, so that no claim, view or slow
  batch can delay one. It steps the machine itself with the answer, because a proof must move the
  deadline even while the other thread is inside a store call.
* The *control thread* does everything else, one store call at a time, and ticks between calls.
* User threads step the machine under the lock with what they did; they never call the store.

Python's waits count the monotonic clock, which stops while a machine is suspended; so no wait is
longer than a heartbeat interval, and after each one the boot clock is read anew.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from queue import Empty, SimpleQueue

from coord.clock import Clock
from coord.core import commands as c
from coord.core import events as e
from coord.core.machine import Machine
from coord.core.states import SessionPhase
from coord.effects import Effects
from coord.errors import CoordError, ForkedProcess, InternalError
from coord.model import EndingKind, View
from coord.runtime.bindings import Binding
from coord.runtime.hooks import Hooks
from coord.runtime.term import Term

__all__ = ["Engine"]

_INF = float("inf")


class Engine:
    """One running member."""

    def __init__(
        self,
        machine: Machine,
        effects: Effects,
        clock: Clock,
        hooks: Hooks,
        *,
        on_overrun: Callable[[Term], None],
    ) -> None:
        self.machine = machine
        self.clock = clock
        self.hooks = hooks
        self.forked = False
        self.error: CoordError | None = None
        self.last_trouble = ""
        self._effects = effects
        self._on_overrun = on_overrun
        self._timing = machine.member.timing
        self._lock = threading.Lock()
        self._changed = threading.Condition(self._lock)
        self._beat_wanted = threading.Condition(self._lock)
        self._inbox: SimpleQueue[None] = SimpleQueue()
        self._stop_wanted = False
        self._force_wanted = False
        self._woken = False
        self._heartbeat_sleeps_until_s = -_INF
        self._control_sleeps_until_s = -_INF
        self._queue: deque[c.StoreCommand] = deque()
        self._beats: deque[c.Heartbeat] = deque()
        self._local: deque[c.Command] = deque()
        self._terms: dict[int, Term] = {}
        self._overruns: deque[tuple[float, Term]] = deque()
        self._bindings: dict[str, Binding] = {}
        self._view: View | None = None
        self.finished = threading.Event()
        self._threads = (
            threading.Thread(
                target=self._guarded, args=(self._control,), name="coord-control", daemon=True
            ),
            threading.Thread(
                target=self._guarded, args=(self._heartbeat,), name="coord-heartbeat", daemon=True
            ),
        )

    # --- for everybody -----------------------------------------------------------------------

    def start(self) -> None:
        """Start both threads and ask for a session."""
        with self._lock:
            self._step(e.Start(self.clock.now()))
        for thread in self._threads:
            thread.start()

    def request_stop(self, *, force: bool = False) -> None:
        """Ask for the end. Takes no lock: signal handlers may call it."""
        self._stop_wanted = True
        self._force_wanted = self._force_wanted or force
        self._inbox.put(None)

    def join(self, timeout_s: float) -> bool:
        """Wait for both threads to end; False if they did not in time."""
        if not self.finished.wait(timeout_s):
            return False
        for thread in self._threads:
            if thread.ident is not None and thread is not threading.current_thread():
                thread.join(self._timing.ttl_s)
        return True

    def post(self, *events: e.Event) -> None:
        """Step the machine with what user code did. Any thread."""
        if self.forked:
            raise ForkedProcess(
                "this coordinator belongs to the parent process",
                cure="Make the coordinator after the fork, in the process that uses it.",
            )
        with self._lock:
            for event in events:
                self._step(event)

    def wake(self) -> None:
        """The store's watch says: look again. Takes no lock and never blocks."""
        self._woken = True
        self._inbox.put(None)

    def bind(self, binding: Binding) -> None:
        """Stand ready for a role's terms."""
        with self._lock:
            self._bindings[binding.role.name] = binding
            self._step(e.RoleServed(self.clock.now(), binding.role))

    def unbind(self, binding: Binding) -> None:
        """Stand ready no more."""
        if self.forked:
            return
        with self._lock:
            if self._bindings.get(binding.role.name) is binding:
                del self._bindings[binding.role.name]
                self._step(e.RoleDropped(self.clock.now(), binding.role.name))

    def bound(self, role: str) -> bool:
        """Whether somebody serves this role here."""
        return role in self._bindings

    def term_over(self, term: Term, kind: EndingKind | None) -> None:
        """User code of a term has stopped."""
        if self.forked:
            return
        with self._lock:
            if self._terms.pop(term.number, None) is None:
                return
            self._step(e.WorkEnded(self.clock.now(), term.number, kind))
        self._tell_over(term)

    def _tell_over(self, term: Term) -> None:
        if not term.told_over:
            term.told_over = True
            self.hooks.term_ended(term.key, term.token, term.why)

    def wait_for(self, happened: Callable[[], bool], timeout_s: float | None) -> bool:
        """Wait until `happened()` (called under the lock), the end, or the timeout."""
        end = None if timeout_s is None else self.clock.now() + timeout_s
        with self._changed:
            while not happened():
                if self.finished.is_set() or self.error is not None:
                    return happened()
                left = self._timing.ttl_s if end is None else end - self.clock.now()
                if left <= 0:
                    return False
                self._changed.wait(min(left, self._timing.ttl_s))
            return True

    def snapshot(self) -> tuple[SessionPhase, View | None, list[Term]]:
        """Phase, latest view and running terms at one moment."""
        with self._lock:
            return self.machine.phase, self._view, list(self._terms.values())

    # --- stepping (under the lock) -----------------------------------------------------------

    def _step(self, event: e.Event) -> None:
        for command in self.machine.step(event):
            if isinstance(command, c.Heartbeat):
                self._beats.append(command)
            elif isinstance(command, c.StoreCommand):
                self._queue.append(command)
            else:
                self._local.append(command)
        view = self.machine.member.reading.view
        if view is not self._view:
            self._view = view
            self._changed.notify_all()
        if self._beats or self.machine.pulse_s < self._heartbeat_sleeps_until_s:
            self._beat_wanted.notify()
        waits = self._queue or self._local or self.machine.wake_s < self._control_sleeps_until_s
        if waits and self._inbox.empty() and threading.current_thread() is not self._threads[0]:
            self._inbox.put(None)

    # --- the control thread ------------------------------------------------------------------

    def _guarded(self, body: Callable[[], None]) -> None:
        """Run one thread's loop. If it dies (our bug), end all trust; nobody waits for ever."""
        try:
            body()
        except BaseException as error:
            self._die(error)
            self._finish()
            raise

    def _control(self) -> None:
        while self._control_round():
            pass
        self._finish()

    def _control_round(self) -> bool:
        """One tick, then one store call or one wait. False when all is over."""
        with self._lock:
            now = self.clock.now()
            if self._stop_wanted:
                self._stop_wanted = False
                self._step(e.StopAsked(now, self._force_wanted))
            if self._woken:
                self._woken = False
                self._step(e.Wake(now))
            self._step(e.Tick(now))
            local = list(self._local)
            self._local.clear()
            command = self._queue.popleft() if self._queue else None
            over = self.machine.phase is SessionPhase.STOPPED and command is None
            self._control_sleeps_until_s = self.machine.wake_s
        for item in local:
            self._deliver(item)
        self._judge_overruns(now)
        if command is not None:
            self._perform(command)
        elif over:
            return False
        elif not local:
            self._sleep()
        return True

    def _sleep(self) -> None:
        left = min(self._control_sleeps_until_s - self.clock.now(), self._timing.heartbeat_s)
        if self._overruns:
            left = min(left, self._timing.slack_s)
        try:
            if left > 0:
                self._inbox.get(timeout=left)
            while True:
                self._inbox.get_nowait()
        except Empty:
            pass

    def _perform(self, command: c.StoreCommand) -> None:
        event = self._effects.perform(command)
        self._tell_called(command, event)
        with self._lock:
            self._step(event)
            self._changed.notify_all()
        if isinstance(command, c.OpenSession) and isinstance(event, e.Done):
            self.hooks.trusted(self.machine.member.keeper.lease.trusted_until_s)

    def _tell_called(self, command: c.StoreCommand, event: e.Done | e.Failed) -> None:
        certainty = None
        if isinstance(event, e.Failed):
            certainty = getattr(event.error, "certainty", None)
            certainty = certainty.value if certainty is not None else "unknown"
            self.last_trouble = str(event.error)
        self.hooks.called(type(command).__name__, event.sent_at_s, event.now, certainty=certainty)

    def _deliver(self, command: c.Command) -> None:
        if isinstance(command, c.StartTerm):
            self._begin(command)
        elif isinstance(command, c.StopTerm):
            self._stop_term(command)
        elif isinstance(command, c.Report):
            self.hooks.report(command.kind, command.detail)
        elif isinstance(command, c.Fail):
            self.hooks.report("failed", str(command.error))
            with self._changed:
                self.error = command.error
                self._changed.notify_all()
            for binding in list(self._bindings.values()):
                binding.over()

    def _begin(self, command: c.StartTerm) -> None:
        term = Term(self, command)
        with self._lock:
            self._terms[term.number] = term
            binding = self._bindings.get(command.key.role)
        self.hooks.term_began(
            term.key, term.token, command.lease.trusted_until_s, asked_s=command.asked_s
        )
        if binding is None:
            term.end(None)
        else:
            binding.begin(term)

    def _stop_term(self, command: c.StopTerm) -> None:
        term = self._terms.get(command.number)
        if term is None:
            return
        term.ask_to_stop(command.why, now_over=command.now_over)
        binding = self._bindings.get(command.key.role)
        if binding is not None:
            binding.asked_to_stop(term)
        if command.now_over:
            self._tell_over(term)
            self._overruns.append((self.clock.now() + self._timing.slack_s, term))

    def _judge_overruns(self, now: float) -> None:
        """Code that still runs although its claim is gone: say so, or end the process."""
        while self._overruns and self._overruns[0][0] <= now:
            _, term = self._overruns.popleft()
            if term.number in self._terms:
                self._on_overrun(term)

    # --- the heartbeat thread ----------------------------------------------------------------

    def _heartbeat(self) -> None:
        while True:
            with self._lock:
                now = self.clock.now()
                self._step(e.Pulse(now))
                beat = self._beats.popleft() if self._beats else None
                if beat is None:
                    if self.finished.is_set():
                        return
                    self._heartbeat_sleeps_until_s = self.machine.pulse_s
                    left = min(self.machine.pulse_s - now, self._timing.heartbeat_s)
                    self._beat_wanted.wait(max(left, 0.0))
                    self._heartbeat_sleeps_until_s = -_INF
                    continue
            event = self._effects.perform(beat)
            self._tell_called(beat, event)
            with self._lock:
                self._step(event)
            self.hooks.trusted(self.machine.member.keeper.lease.trusted_until_s)

    # --- the end -----------------------------------------------------------------------------

    def _die(self, error: BaseException) -> None:
        with self._lock:
            self.machine.member.keeper.lease.revoke()
            if self.error is None:
                self.error = InternalError(
                    f"{threading.current_thread().name} died: {type(error).__name__}: {error}",
                    cure="Please report it.",
                )
            self.machine.member.keeper.stopping = True

    def _finish(self) -> None:
        with self._lock:
            self.finished.set()
            self._changed.notify_all()
            self._beat_wanted.notify_all()
            bindings = list(self._bindings.values())
            terms = list(self._terms.values())
        for term in terms:
            term.ask_to_stop("the member has stopped", now_over=True)
        for binding in bindings:
            binding.over()

    def disown(self) -> None:
        """In a forked child: nothing here is ours; every lock may be held for ever."""
        self.forked = True
        self.machine.member.keeper.lease.revoke()
