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
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from itertools import groupby
from queue import Empty, SimpleQueue
from typing import cast

from coord.clock import Clock
from coord.core import commands as c
from coord.core import events as e
from coord.core.machine import Machine
from coord.core.states import SessionPhase
from coord.effects import Effects
from coord.errors import Certainty, CoordError, ForkedProcess, StoreUnavailable
from coord.model import EndingKind, View
from coord.runtime.bindings import Binding
from coord.runtime.crew import Crew
from coord.runtime.farewells import Farewells
from coord.runtime.heart import Heart
from coord.runtime.hooks import Hooks, HooksChain
from coord.runtime.starving import explained, insist, out_of_memory
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
        self.hooks: Hooks = HooksChain([hooks])
        self.forked = False
        self.stopping = False
        """Whether the end was asked for; never taken back."""
        self.finished = threading.Event()
        self.giving = False
        """Whether terms are being given or taken just now; a hint, read without the lock."""
        self.error: CoordError | None = None
        self.last_trouble = ""
        self._starved = out_of_memory()
        self._effects = effects
        self._timing = machine.member.timing
        self.crew = Crew(clock, self.hooks, grace_s=self._timing.slack_s, on_overrun=on_overrun)
        self._lock = threading.Lock()
        self._changed = threading.Condition(self._lock)
        self._heart = Heart(self, self._lock)
        self._inbox: SimpleQueue[None] = SimpleQueue()
        self._stop_wanted = False
        self._force_wanted = False
        self._woken = False
        self._sleeps_until_s = -_INF
        self._queue: deque[c.StoreCommand] = deque()
        self._beats: deque[c.Heartbeat] = deque()
        self._local: deque[c.Command] = deque()
        self._farewells = Farewells(self, self._lock, self._inbox)
        self._listeners: list[Callable[[], None]] = []
        self._control_thread = self._thread("coord-control", self._control)
        self._heartbeat_thread = self._thread("coord-heartbeat", self._heart.beat)

    def _thread(self, name: str, body: Callable[[], None]) -> threading.Thread:
        return threading.Thread(target=self._guarded, args=(body,), name=name, daemon=True)

    # --- for everybody -----------------------------------------------------------------------

    def start(self) -> None:
        """Start both threads and ask for a session."""
        with self._lock:
            self.step(e.Start(self.clock.now()))
        self._control_thread.start()
        self._heartbeat_thread.start()

    def request_stop(self, *, force: bool = False) -> None:
        """Ask for the end. Takes no lock: signal handlers may call it."""
        self.stopping = True
        self._force_wanted = self._force_wanted or force
        self._stop_wanted = True
        self._inbox.put(None)

    def join(self, timeout_s: float) -> bool:
        """Wait for both threads to end; False if they did not in time."""
        if self._control_thread.ident is None:
            return True  # never started
        if not self.finished.wait(timeout_s):
            return False
        for thread in (self._control_thread, self._heartbeat_thread):
            if thread.ident is not None and thread is not threading.current_thread():
                thread.join(self._timing.ttl_s)
        return True

    def abandon(self, why: str) -> None:
        """Go on without the control thread, which does not come back: nothing is trusted."""
        self._die(StoreUnavailable(why, cure="Look for a store call that does not return."))
        self._finish()

    def check_owner(self) -> None:
        """Raise `ForkedProcess` in a child; touches no lock, for any may be held there for ever."""
        if self.forked:
            raise ForkedProcess(
                "this coordinator belongs to the parent process",
                cure="Make the coordinator after the fork, in the process that uses it.",
            )

    def post(self, *events: e.Event) -> None:
        """Step the machine with what user code did. Any thread."""
        self.check_owner()
        with self._lock:
            for event in events:
                self.step(event)

    def wake(self) -> None:
        """The store's watch says: look again. Takes no lock and never blocks."""
        self._woken = True
        self._inbox.put(None)

    def bind(self, binding: Binding) -> None:
        """Stand ready for a role's terms, once a role; after the end it is told so at once."""
        self.check_owner()
        self.crew.enter(binding)
        with self._lock:
            over = self.over
            if not over:
                self.step(e.RoleServed(self.clock.now(), binding.role))
        if over:
            binding.over()

    def unbind(self, binding: Binding) -> None:
        """Stand ready no more. Nothing happens in a forked child."""
        if self.forked:
            return
        self._farewells.say(binding, None)

    def term_over(self, term: Term, kind: EndingKind | None) -> None:
        """User code of a term has stopped."""
        self._farewells.say(term, kind)

    def listen(self, heard: Callable[[], None]) -> Callable[[], None]:
        """Have `heard()` called after whatever `wait_for` may wait for; returns how to end that.

        Called without the lock, mostly on the control thread; must not block.
        """
        self._listeners.append(heard)
        return lambda: self._listeners.remove(heard)

    def wait_for(self, happened: Callable[[], bool], timeout_s: float | None) -> bool:
        """Wait until `happened()` (called under the lock), the end, or the timeout."""
        self.check_owner()
        end = None if timeout_s is None else self.clock.now() + timeout_s
        with self._changed:
            while not happened():
                if self.over:
                    return False
                left = self._timing.ttl_s if end is None else end - self.clock.now()
                if left <= 0:
                    return False
                self._changed.wait(min(left, self._timing.ttl_s))
            return True

    @property
    def over(self) -> bool:
        """Whether this member has ended, or cannot go on."""
        return self.finished.is_set() or self.error is not None

    @property
    def view(self) -> View | None:
        """The latest view of the group."""
        return self.machine.member.reading.view

    # --- stepping (under the lock) -----------------------------------------------------------

    def step(self, event: e.Event) -> None:
        """Let the machine take in one event, and wake whoever its commands are for."""
        try:
            commands = self.machine.step(event)
        except BaseException as error:  # our bug, or a signal handler that raised in between
            self._distrust(error)
            raise
        for command in commands:
            if isinstance(command, c.Heartbeat):
                self._beats.append(command)
            elif isinstance(command, c.StoreCommand):
                self._queue.append(command)
            else:
                self._local.append(command)
        self._heart.notice(waiting=bool(self._beats))
        waits = self._queue or self._local or self.machine.wake_s < self._sleeps_until_s
        if waits and self._inbox.empty() and threading.current_thread() is not self._control_thread:
            self._inbox.put(None)

    def take_beat(self) -> c.Heartbeat | None:
        """The heartbeat to be sent now."""
        return self._beats.popleft() if self._beats else None

    def take_reports(self) -> list[c.Report]:
        """What is to be told and was not yet; for when the control thread cannot tell it."""
        with self._lock:
            found = [command for command in self._local if isinstance(command, c.Report)]
            rest = [command for command in self._local if not isinstance(command, c.Report)]
            self._local = deque(rest)
        return found

    def call(self, command: c.StoreCommand) -> e.Done | e.Failed:
        """Make one store call, without the lock, and tell of it."""
        event = self._effects.perform(command)
        certainty = None
        if isinstance(event, e.Failed):
            certainty = getattr(event.error, "certainty", Certainty.UNKNOWN).value
            self.last_trouble = str(event.error)
        self.hooks.called(type(command).__name__, event.sent_at_s, event.now, certainty=certainty)
        return event

    # --- the control thread ------------------------------------------------------------------

    def _control(self) -> None:
        while self._control_round():
            pass
        self._finish()

    def _control_round(self) -> bool:
        """One tick, then one store call or one wait. False when all is over."""
        with self._lock:
            now = self.clock.now()
            asked = self._stop_wanted
            if asked:
                self._stop_wanted = False
                self.step(e.StopAsked(now, self._force_wanted))
            if self._woken:
                self._woken = False
                self.step(e.Wake(now))
            ended = self._farewells.take()
            self.step(e.Tick(now))
            local = list(self._local)
            self._local.clear()
            command = self._queue.popleft() if self._queue else None
            over = self.machine.phase is SessionPhase.STOPPED and command is None
            self._sleeps_until_s = self.machine.wake_s
            self.giving = bool(local) or isinstance(command, c.Claim)
        if asked:
            self._announce()
        for term in ended:
            self.crew.over(term)
        self._deliver_all(local)
        self.giving = isinstance(command, c.Claim)  # nobody waits for a view
        self.crew.overruns.judge(now)
        if command is not None:
            self._perform(command)
        elif over:
            return False
        elif not local:
            self._sleep()
        return True

    def _sleep(self) -> None:
        left = min(self._sleeps_until_s - self.clock.now(), self._timing.heartbeat_s)
        if self.crew.overruns:
            left = min(left, self._timing.slack_s)
        try:
            if left > 0:
                self._inbox.get(timeout=left)
            while True:
                self._inbox.get_nowait()
        except Empty:
            pass

    def _perform(self, command: c.StoreCommand) -> None:
        event = self._held_up(command) or self.call(command)
        with self._lock:
            self.step(event)
        if isinstance(event, e.Done):
            self._tell(command, event)
        self._announce()

    def _tell(self, command: c.StoreCommand, event: e.Done) -> None:
        if isinstance(command, c.OpenSession):
            self.hooks.trusted(self.machine.member.keeper.lease.trusted_until_s)
        elif isinstance(command, c.ReadView):
            self.hooks.viewed(cast("View", event.value))

    def _held_up(self, command: c.StoreCommand) -> e.Failed | None:
        """No new session while the heartbeat thread is not back: nobody could renew it.

        A member whose store swallows heartbeats would else win claims, and lose them all, once a
        ttl and for ever.
        """
        since = self._heart.sent_at_s
        if since is None or not isinstance(command, c.OpenSession):
            return None
        now = self.clock.now()
        error = StoreUnavailable(
            f"a heartbeat of the former session has been on its way for {now - since:.3g} s",
            cure="Every store call must end within the timeout of the store.",
            certainty=Certainty.NOT_APPLIED,
        )
        self.last_trouble = str(error)
        return e.Failed(now, command, now, error)

    def _announce(self) -> None:
        with self._lock:
            self._changed.notify_all()
        for heard in tuple(self._listeners):
            heard()

    def _deliver_all(self, commands: Iterable[c.Command]) -> None:
        """In order; terms that begin one after another are given together, be they thousands."""
        for kind, alike in groupby(commands, type):
            if kind is c.StartTerm:
                self.crew.begin(self, cast("Iterator[c.StartTerm]", alike))
            else:
                for command in alike:
                    self._deliver(command)

    def _deliver(self, command: c.Command) -> None:
        if isinstance(command, c.StopTerm):
            self.crew.stop(command.number, command.why, now_over=command.now_over)
        elif isinstance(command, c.Report):
            self.hooks.report(command.kind, command.detail)
        elif isinstance(command, c.Fail):
            self.hooks.report("failed", str(command.error))
            with self._lock:
                self.error = command.error
            self._announce()
            self.crew.no_more()

    # --- the end -----------------------------------------------------------------------------

    def _guarded(self, body: Callable[[], None]) -> None:
        """Run one thread's loop. If it dies (our bug), end all trust; nobody waits for ever."""
        try:
            body()
        except BaseException as error:
            try:
                self._die(error)
            finally:
                if threading.current_thread() is self._control_thread:
                    self._finish()
            raise

    def _die(self, error: BaseException) -> None:
        with self._lock:
            self._distrust(error)
        self._inbox.put(None)
        self._announce()

    def _distrust(self, error: BaseException) -> None:
        """Under the lock: end all trust; the control thread, if it lives, closes the session.

        None of this needs memory (`test_a_member_that_fails_without_memory_says_so`).
        """
        self.machine.member.keeper.lease.revoke()
        self.machine.member.keeper.stopping = True
        if self.error is None:
            self.error = self._starved
            self.error = explained(error, self._starved)

    def _finish(self) -> None:
        """Tell everybody that it is over: whoever is not told waits for ever."""
        with self._lock:
            self.finished.set()
            self._heart.notice(waiting=True)
        dismiss = partial(self.crew.dismiss, "the member has stopped")
        insist((dismiss, self._announce, self.crew.overruns.settle), self._timing.slack_s)

    def disown(self) -> None:
        """In a forked child: nothing here is ours; every lock may be held for ever."""
        self.forked = True
        self.machine.member.keeper.lease.revoke()
