"""Leadership for asyncio: an awaitable view of the very same engine.

Owns the front door for coroutines. Has no second implementation of anything: engine, terms and
coordinator are the threaded ones, and only their waiting differs.

Everything here is used on the event loop that entered the coordinator. Calls that tell the engine
something (`progress`, entering and leaving `wait`) take its lock for some microseconds, and for the
length of one planning step where a role has tens of thousands of shards.
"""

from __future__ import annotations

import asyncio
import inspect
import signal
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from types import TracebackType
from typing import Any, Self

from coord.config import Role
from coord.errors import ConfigError, CoordError
from coord.model import EndingKind, checked_name
from coord.runtime.aio_bindings import AsyncHeld, AsyncHeldTerms, AsyncLoop, AsyncServing
from coord.runtime.aio_term import AsyncTerm, wait_until
from coord.runtime.aio_threads import heard, in_thread
from coord.runtime.bindings import Serving
from coord.runtime.coordinator import Coordinator
from coord.runtime.marked import mark_of
from coord.runtime.observing import Follower
from coord.runtime.roles import as_role, single_role
from coord.runtime.status import Leadership, Status
from coord.runtime.stop_signals import STOP_SIGNALS

__all__ = ["AsyncCoordinator"]


class AsyncCoordinator:
    """One member of a group, for asyncio. Takes what `Coordinator` takes, and promises the same.

    Work that `serve` or `lead` runs is cancelled: at once when its claim is gone, at `stop_at`
    when its session was not proven in time, and after `stop_grace_s` when it was asked to stop in
    order. Bodies of `terms` and `held` cannot be cancelled; they see `wait` return False.
    """

    def __init__(self, url: str, **settings: Any) -> None:  # noqa: ANN401 (Coordinator's own)
        self._inner = Coordinator(url, **settings)

    @property
    def name(self) -> str:
        """The member's name."""
        return self._inner.name

    async def start(self) -> Self:
        """As `Coordinator.start`. Cancelled, it leaves nothing either."""
        starting = in_thread(self._inner.start)
        try:
            await asyncio.shield(starting)
        except asyncio.CancelledError:
            self._inner.stop()
            with suppress(CoordError):
                await starting
            await in_thread(self._inner.close)
            raise
        return self

    async def close(self) -> None:
        """As `Coordinator.close`; the loop goes on meanwhile, so that the work can stop."""
        self._inner.stop()
        await in_thread(self._inner.close)

    def stop(self) -> None:
        """As `Coordinator.stop`. Any thread, and signal handlers."""
        self._inner.stop()

    async def __aenter__(self) -> Self:
        return await self.start()

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()

    async def run(self) -> None:
        """Wait until `stop()`, SIGTERM or SIGINT (on the main thread); then stop in order.

        Raises what made the member unable to go on.
        """
        engine = self._inner.engine()

        def ends() -> bool:
            return engine.stopping or engine.over

        with self._stop_signals(asyncio.get_running_loop()):
            with heard(engine, ends) as bell:
                while not ends():
                    await wait_until(bell, engine.machine.member.timing.ttl_s)
            await self.close()
        if engine.error is not None:
            raise engine.error

    @contextmanager
    def _stop_signals(self, loop: asyncio.AbstractEventLoop) -> Iterator[None]:
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = {number: signal.getsignal(number) for number in STOP_SIGNALS}
        for number in STOP_SIGNALS:
            loop.add_signal_handler(number, self.stop)
        try:
            yield
        finally:
            for number, old in before.items():
                loop.remove_signal_handler(number)
                signal.signal(number, signal.SIG_DFL if old is None else old)

    def status(self) -> Status:
        """As `Coordinator.status`."""
        return self._inner.status()

    def serve(self, role: str | Role, work: Callable[[Any], Any]) -> None:
        """Run `work(term)` as a task a term. Otherwise as `Coordinator.serve`.

        A function marked with `coord.tasks.task` gets a `Job` for each tick; a coroutine function
        runs on this loop, a plain one on threads. Opening their ledger blocks the loop shortly.
        """
        if mark_of(work) is not None:
            loop = asyncio.get_running_loop()
            found, run = self._inner.marked(as_role(role), work, loop)
            self._inner.bind(Serving(self._inner.engine(), found, run))
            return
        if not inspect.iscoroutinefunction(work) and not inspect.iscoroutinefunction(
            getattr(work, "__call__", None)  # noqa: B004 (its own __call__ may be a coroutine)
        ):
            raise ConfigError(
                f"{work!r} is not a coroutine function",
                cure="Define it with `async def`, or use Coordinator for plain functions.",
            )
        self._inner.bind(AsyncServing(self._inner.engine(), as_role(role), work))

    async def terms(self, role: str | Role) -> AsyncIterator[AsyncTerm]:
        """As `Coordinator.terms`."""
        binding = AsyncLoop(self._inner.engine(), single_role(role))
        self._inner.bind(binding)
        try:
            while (term := await binding.take()) is not None:
                try:
                    yield term
                finally:
                    binding.end(term, None if term.inner.asked else EndingKind.RETURNED)
            self._inner.raise_error()
        finally:
            binding.abandon()
            binding.engine.unbind(binding)

    @asynccontextmanager
    async def lead(
        self, role: str | Role, *, timeout_s: float | None = None
    ) -> AsyncIterator[AsyncTerm]:
        """As `Coordinator.lead`; a body that had to be cancelled raises `LeadershipLost`."""
        binding = AsyncLoop(self._inner.engine(), single_role(role))
        self._inner.bind(binding)
        try:
            term = await self._elected(binding, timeout_s)
            try:
                async with binding.limited(term):
                    yield term
            except Exception:
                binding.end(term, None if term.inner.asked else EndingKind.RAISED)
                raise
            finally:
                binding.end(term, None)
        finally:
            binding.abandon()
            binding.engine.unbind(binding)

    async def _elected(self, binding: AsyncLoop, timeout_s: float | None) -> AsyncTerm:
        try:
            async with asyncio.timeout(timeout_s):
                term = await binding.take()
        except TimeoutError:
            term = None
        if term is None:
            raise self._inner.not_elected(binding.role.name, timeout_s)
        return term

    async def held(self, role: str | Role) -> AsyncIterator[AsyncHeldTerms]:
        """As `Coordinator.held`."""
        binding = AsyncHeld(self._inner.engine(), as_role(role))
        self._inner.bind(binding)
        try:
            while (terms := await binding.next_set()) is not None:
                yield terms
            self._inner.raise_error()
        finally:
            binding.abandon()
            binding.engine.unbind(binding)

    async def observe(self, role: str) -> AsyncIterator[Leadership]:
        """As `Coordinator.observe`."""
        engine = self._inner.engine()
        follower = Follower(engine, checked_name("role", role))
        with heard(engine, follower.moved) as bell:
            while not follower.has_end:
                bell.clear()
                found = follower.news()
                if found is not None:
                    yield found
                elif not follower.moved():
                    await wait_until(bell, engine.machine.member.timing.ttl_s)
        self._inner.raise_error()
