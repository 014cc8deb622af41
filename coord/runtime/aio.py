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
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from types import TracebackType
from typing import Any, Self

from coord.config import Role
from coord.errors import ConfigError, NotElected
from coord.model import EndingKind
from coord.runtime.aio_bindings import AsyncHeld, AsyncHeldTerms, AsyncLoop, AsyncServing
from coord.runtime.aio_term import AsyncTerm, wait_until
from coord.runtime.coordinator import Coordinator, as_role, single_role
from coord.runtime.status import Leadership, Status

__all__ = ["AsyncCoordinator"]

_STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT)


class AsyncCoordinator:
    """One member of a group, for asyncio. Takes what `Coordinator` takes, and promises the same.

    Work that is asked to stop is cancelled if it does not end within `stop_grace_s`, and at once
    when its claim is gone or its session is in doubt.
    """

    def __init__(self, url: str, **settings: Any) -> None:  # noqa: ANN401 (Coordinator's own)
        self._inner = Coordinator(url, **settings)
        self._stopped = asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None

    @property
    def name(self) -> str:
        """The member's name."""
        return self._inner.name

    async def start(self) -> Self:
        """As `Coordinator.start`."""
        self._loop = asyncio.get_running_loop()
        await asyncio.to_thread(self._inner.start)
        return self

    async def close(self) -> None:
        """As `Coordinator.close`; the loop goes on meanwhile, so that the work can stop."""
        self.stop()
        await asyncio.to_thread(self._inner.close)

    def stop(self) -> None:
        """As `Coordinator.stop`. Any thread."""
        self._inner.stop()
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._stopped.set)

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
        """Wait until `stop()`, SIGTERM or SIGINT (on the main thread); then stop in order."""
        engine = self._inner.engine()
        loop = asyncio.get_running_loop()
        signals = _STOP_SIGNALS if threading.current_thread() is threading.main_thread() else ()
        for number in signals:
            loop.add_signal_handler(number, self.stop)
        nap_s = engine.machine.member.timing.ttl_s
        try:
            while not self._stopped.is_set() and not engine.finished.is_set():
                await wait_until(self._stopped, nap_s)
            await self.close()
        finally:
            for number in signals:
                loop.remove_signal_handler(number)
        if engine.error is not None:
            raise engine.error

    def status(self) -> Status:
        """As `Coordinator.status`."""
        return self._inner.status()

    def serve(self, role: str | Role, work: Callable[[AsyncTerm], Awaitable[object]]) -> None:
        """Run `work(term)` as a task a term. Otherwise as `Coordinator.serve`."""
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
        """As `Coordinator.lead`."""
        binding = AsyncLoop(self._inner.engine(), single_role(role))
        self._inner.bind(binding)
        try:
            term = await self._elected(binding, timeout_s)
            try:
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
            self._inner.raise_error()
            raise NotElected.within(binding.role.name, timeout_s)
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
        changes = self._inner.observe(role)
        while (found := await asyncio.to_thread(next, changes, None)) is not None:
            yield found
