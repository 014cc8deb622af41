"""The front door: a member of a group, for threads.

Owns what users call and the order of starting and stopping. Decides nothing about leadership (the
core does) and runs no thread of its own (the engine does).

Non-guarantees first. Nothing here makes an act exclusive: a pause of any length can fall between
`term.check()` and what follows it, so whatever must not be done under an old leadership has to be
refused by the resource, by its token (`coord.fencing`). Co-leaders run the same work several times
on purpose. Leadership is not handed over while the store is unreachable.
"""

from __future__ import annotations

import asyncio
import os
import random
import secrets
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Any, Literal, Self

from coord.clock import SYSTEM_CLOCK, Clock
from coord.config import Role, Timing
from coord.core.machine import Machine
from coord.core.states import SessionPhase
from coord.effects import Effects
from coord.errors import ConfigError, CoordError, NotElected, StoreUnavailable, UsageError
from coord.model import EndingKind, MemberRecord, checked_name
from coord.registry import open_store
from coord.runtime.bindings import Binding, Held, HeldTerms, Loop, Serving
from coord.runtime.engine import Engine
from coord.runtime.fork import watch_forks_of
from coord.runtime.hooks import Hooks
from coord.runtime.listening import default_hooks
from coord.runtime.marked import Company, Settings, mark_of
from coord.runtime.observing import follow
from coord.runtime.roles import as_role, single_role
from coord.runtime.status import Leadership, Status, status_of
from coord.runtime.stop_signals import stopped_by_signals
from coord.runtime.term import Term
from coord.spi import Store, Watch
from coord.telemetry.events import EventLog

__all__ = ["Coordinator"]

_OVERRUN_EXIT_CODE = 70


class Coordinator:
    """One member of the group that `url` names.

    Use it as a context manager: entering opens the session (or raises, saying why it cannot);
    leaving stops the work in order and hands its claims over at once.

    `member` names this process in the group; two live members cannot share a name. `weight` and
    `max_shards` (per role) bound its share, `zone` says where it runs. `ttl_s` is how long the
    group waits for a silent member; `timing` sets the whole budget instead. `on_overrun` says what
    to do about work that still runs after its claim is gone: "abandon" leaves it to run (it cannot
    be claimed again here until it has ended), "exit" ends the process at once, with code 70.
    `ledger` is the URL of where tasks write down what they have done: the store, if none is given.
    `hooks` are told what happens, in the place of the log.

    Threads: all methods may be called from any thread; `stop()` also from a signal handler.
    """

    def __init__(
        self,
        url: str,
        *,
        member: str | None = None,
        ttl_s: float = 10.0,
        timing: Timing | None = None,
        zone: str = "",
        weight: float = 1.0,
        max_shards: int | None = None,
        on_overrun: Literal["abandon", "exit"] = "abandon",
        start_timeout_s: float | None = None,
        stop_timeout_s: float = 30.0,
        ledger: str | None = None,
        hooks: Hooks | None = None,
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        self.url = url
        self.ledger = url if ledger is None else ledger
        self.timing = timing if timing is not None else Timing.of(ttl_s)
        self.name = checked_name("member", member if member is not None else _default_name())
        if zone:
            checked_name("zone", zone)
        if not 0 <= weight < float("inf"):
            raise ConfigError(f"weight is {weight}", cure="It must be a number of 0 or more.")
        if max_shards is not None and max_shards < 0:
            raise ConfigError(f"max_shards is {max_shards}", cure="It must be 0 or more.")
        if on_overrun not in ("abandon", "exit"):
            raise ConfigError(f"on_overrun is {on_overrun!r}", cure='Use "abandon" or "exit".')
        for label, value in (("start", start_timeout_s), ("stop", stop_timeout_s)):
            if value is not None and not 0 <= value < float("inf"):
                raise ConfigError(
                    f"{label}_timeout_s is {value}", cure="It must be a number of 0 or more."
                )
        self._record = MemberRecord(
            name=self.name,
            incarnation=secrets.token_hex(8),
            zone=zone,
            weight=weight,
            max_shards=max_shards,
            host=socket.gethostname(),
            pid=os.getpid(),
        )
        self._exit_on_overrun = on_overrun == "exit"
        self._start_timeout_s = (
            3 * self.timing.ttl_s if start_timeout_s is None else start_timeout_s
        )
        self._stop_timeout_s = stop_timeout_s
        self._hooks = hooks
        self._clock = clock
        self._engine: Engine | None = None
        self._store: Store | None = None
        self._watch: Watch | None = None
        self._group = ""
        self._stopping = False
        self._company = Company()
        self.events = EventLog(None, member=self.name)
        """What the lab measures from; writes nothing unless `COORD_EVENTS` is set."""

    # --- starting and stopping ---------------------------------------------------------------

    def start(self) -> Self:
        """Open the store and a session; return when the member is live.

        Raises `ConfigError` or `MissingExtra` before anything is touched, `StoreRefused` and
        `DuplicateMember` when the store says no for good, `StoreUnavailable` when there was no
        session within `start_timeout_s` (three ttls by default). After a failure nothing is left.
        """
        if self._engine is not None:
            raise UsageError(
                "this coordinator was started before", cure="Make a new one for each start."
            )
        self.events = EventLog.from_environment(self.name, clock=self._clock)
        try:
            self._begin()
        except BaseException:
            self.close()
            self.events.close()
            raise
        return self

    def _begin(self) -> None:
        store, self._group = open_store(
            self.url, clock=self._clock, timeout_s=self.timing.rpc_timeout_s
        )
        self._store = store
        hooks = self._hooks or default_hooks(self.name, self._group, self.events)
        machine = Machine(self._record, self.timing, store.guarantees, random.Random().random)
        effects = Effects(store, self._group, self._clock)
        engine = Engine(machine, effects, self._clock, hooks, on_overrun=self._overrun)
        self._engine = engine
        watch_forks_of(engine)
        engine.hooks.member("start")
        engine.start()
        if self._stopping:  # by a signal handler, or before we began
            engine.request_stop()
        end_s = self._clock.now() + self._start_timeout_s
        self._watch = self._subscribed(store, engine, end_s)
        live = engine.wait_for(
            lambda: engine.stopping or engine.machine.phase is SessionPhase.LIVE,
            end_s - self._clock.now(),
        )
        if engine.error is not None:
            raise engine.error
        if not live and not engine.stopping:
            raise StoreUnavailable(
                f"no session within {self._start_timeout_s:g} s at {self.url}"
                + (f": {engine.last_trouble}" if engine.last_trouble else ""),
                cure="Check that the store runs and can be reached; `coord doctor URL` tells more.",
            )

    def _subscribed(self, store: Store, engine: Engine, end_s: float) -> Watch:
        """Watch the group; a store that cannot be reached yet gets the time that starting has."""
        while True:
            try:
                return store.watch(self._group, engine.wake)
            except StoreUnavailable:
                if engine.stopping or engine.over or self._clock.now() >= end_s:
                    raise
            engine.wait_for(lambda: engine.stopping, self.timing.rpc_timeout_s)

    def stop(self) -> None:
        """Ask for the end and return at once. Loops over terms end, `run()` returns.

        Safe from any thread and from signal handlers. Work is asked to stop; claims are handed over
        as their work stops; `close()` (or leaving the context) waits for that.
        """
        self._stopping = True
        if self._engine is not None:
            self._engine.request_stop()

    def close(self) -> None:
        """Stop in order and wait for it. Idempotent. Not for the work itself: that calls `stop`.

        The order is the guarantee: first the work is asked to stop while heartbeats go on, so that
        it can finish under a trusted lease; then each claim is released as its work stops, so that
        a successor starts at once and never beside it; then the session is closed, and only then
        the store. Work that has not stopped within `stop_timeout_s` loses its claims as unclean.
        """
        engine = self._engine
        if engine is not None and engine.forked:
            return
        self.stop()
        if engine is not None and not engine.join(self._stop_timeout_s):
            engine.hooks.report(
                "stop-forced", f"work still runs after {self._stop_timeout_s:g} s of stopping"
            )
            engine.request_stop(force=True)
            if not engine.join(3 * self.timing.ttl_s):
                engine.abandon(f"the control thread did not end within {3 * self.timing.ttl_s:g} s")
        watch, self._watch = self._watch, None
        store, self._store = self._store, None
        for part in (self._company, watch, store):
            self._close_part(part)
        if store is not None and engine is not None:
            engine.hooks.member("stop")
            engine.hooks.close()

    def _close_part(self, part: Company | Watch | Store | None) -> None:
        """Close it; a store that cannot even close must not keep the rest from being closed."""
        try:
            if part is not None:
                part.close()
        except CoordError as error:
            if self._engine is not None:
                self._engine.hooks.report("close-failed", str(error))

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def run(self) -> None:
        """Block until `stop()`, SIGTERM or SIGINT; then stop in order.

        Installs signal handlers only on the main thread, and puts the old ones back. Raises what
        made the member unable to go on, such as `DuplicateMember`.
        """
        engine = self.engine()
        with stopped_by_signals(self.stop):
            engine.wait_for(lambda: engine.stopping, None)
            self.close()
        if engine.error is not None:
            raise engine.error

    def engine(self) -> Engine:
        """The running engine, for the parts of the runtime; raises if there is none to use."""
        if self._engine is None:
            raise UsageError(
                "this coordinator is not started", cure="Use it as `with Coordinator(…) as fleet:`."
            )
        self._engine.check_owner()
        return self._engine

    def _overrun(self, term: Term) -> None:
        why = term.why or "no heartbeat was acknowledged before its deadline"
        text = f"the work of {term.key} still runs although its claim is gone: {why}"
        self.engine().hooks.report("overrun", text)
        if self._exit_on_overrun:
            os._exit(_OVERRUN_EXIT_CODE)

    # --- leading -----------------------------------------------------------------------------

    def terms(self, role: str | Role) -> Iterator[Term]:
        """Yield tenure after tenure of a role with one shard, until `stop()`.

        The body of the loop is the work; coming back for the next term ends the present one (the
        claim is released, and this member rests for `rest_s` if it ended by its own wish). Leaving
        the loop, by `break` or by an error of the body, does so too and stops serving the role.
        """
        binding = Loop(self.engine(), single_role(role))
        with self._bound(binding):
            while (term := binding.take(None)) is not None:
                try:
                    yield term
                finally:
                    term.end(None if term.asked else EndingKind.RETURNED)
            self.raise_error()

    @contextmanager
    def lead(self, role: str | Role, *, timeout_s: float | None = None) -> Iterator[Term]:
        """Wait to be elected, then lead for the length of the `with` block: one tenure.

        Raises `NotElected` if that takes longer than `timeout_s`; the body never runs unelected.
        The body must stop when `term.wait()` returns False or `term.check()` raises.
        """
        binding = Loop(self.engine(), single_role(role))
        with self._bound(binding):
            term = binding.take(timeout_s)
            if term is None:
                raise self.not_elected(binding.role.name, timeout_s)
            try:
                yield term
            except Exception:
                term.end(None if term.asked else EndingKind.RAISED)
                raise
            finally:
                term.end(None)

    def held(self, role: str | Role) -> Iterator[HeldTerms]:
        """Yield the set of terms held now, each time it changes, to one loop for all of them.

        For roles with thousands of shards. What is in a set may be worked on until the loop comes
        back for the next; then the terms that were asked to stop meanwhile end.
        """
        binding = Held(self.engine(), as_role(role))
        with self._bound(binding):
            while (terms := binding.next_set()) is not None:
                yield terms
            self.raise_error()

    def serve(self, role: str | Role, work: Callable[[Any], object]) -> None:
        """Call `work(term)` for each `Term` of the role, each on a thread of its own.

        Returns at once. Returning from `work` ends the term (release, rest `rest_s`); raising also
        bars this member from the claim for a while, and is logged. Serves up to some 500 terms a
        member; beyond that use `held`, or asyncio.

        A function marked with `coord.tasks.task` is called with a `Job` for each tick of its
        schedule instead, for as long as a term lasts.
        """
        found, run = self.marked(as_role(role), work)
        self.bind(Serving(self.engine(), found, run))

    def marked(
        self,
        role: Role,
        work: Callable[..., object],
        loop: asyncio.AbstractEventLoop | None = None,
    ) -> tuple[Role, Callable[[Term], object]]:
        """The role and the work of its terms, as the mark of `work` wants them, if it has one."""
        mark = mark_of(work)
        if mark is None:
            return role, work
        self.engine()
        settings = Settings(self.ledger, self._group, self.timing, self._clock, loop)
        return self._company.under(role, mark, work, settings)

    def observe(self, role: str) -> Iterator[Leadership]:
        """Yield who leads, now and at every change, without competing. Ends with `stop()`.

        Changes that come faster than they are taken are merged.
        """
        engine = self.engine()
        yield from follow(engine, checked_name("role", role))
        self.raise_error()

    def status(self) -> Status:
        """An immutable snapshot of this member; never blocks on the store."""
        return status_of(self.engine(), member=self.name, group=self._group)

    # --- helpers -----------------------------------------------------------------------------

    def bind(self, binding: Binding) -> None:
        """Stand ready for a role's terms, once a role; for the parts of the runtime."""
        self.engine().bind(binding)

    @contextmanager
    def _bound(self, binding: Loop | Held) -> Iterator[None]:
        self.bind(binding)
        try:
            yield
        finally:
            binding.abandon()
            binding.engine.unbind(binding)

    def not_elected(self, role: str, timeout_s: float | None) -> CoordError:
        """Why `lead` has no term to give."""
        engine = self.engine()
        if engine.error is not None:
            return engine.error
        return NotElected.within(role, None if engine.stopping else timeout_s)

    def raise_error(self) -> None:
        """Raise what made the member unable to go on, if anything did."""
        error = self.engine().error
        if error is not None:
            raise error


def _default_name() -> str:
    host = "".join(c if c.isalnum() or c in "._-" else "-" for c in socket.gethostname())
    return f"{host.lstrip('._-') or 'member'}-{os.getpid()}"
