"""The proxy's thread, and the way into it from any other.

Owns the thread, its loop and its end. What is done inside is the engine's.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import threading
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from coord.errors import CoordError, InternalError, UsageError
from coord.testing.proxy.engine import Engine

__all__ = ["EngineThread"]

T = TypeVar("T")
_CALL_S = 5.0


class EngineThread:
    """Runs an engine from construction to `close`."""

    def __init__(self, make: Callable[[], Engine], *, name: str) -> None:
        self._made: concurrent.futures.Future[Engine] = concurrent.futures.Future()
        self._end = asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._closed = False
        self._thread = threading.Thread(
            target=lambda: asyncio.run(self._run(make)), name=name, daemon=True
        )
        self._thread.start()
        self.engine = self._made.result(_CALL_S)

    async def _run(self, make: Callable[[], Engine]) -> None:
        self._loop = asyncio.get_running_loop()
        engine = make()
        try:
            await engine.admit("serve")
            self._made.set_result(engine)
            await self._end.wait()
        except BaseException as error:
            if not self._made.done():  # somebody waits for it
                self._made.set_exception(error)
            raise
        finally:
            await engine.close()

    def call(self, work: Coroutine[Any, Any, T], *, extra_s: float = 0.0) -> T:
        """Do `work` in the proxy's thread and return what it returns.

        Raises what it raises; UsageError if the proxy is closed, if this is its own thread, or if
        it did not come to an end `extra_s` after the five seconds that anything may take.
        """
        if threading.current_thread() is self._thread:
            work.close()
            raise UsageError(
                "the proxy was called from its own thread",
                cure="A matching function only returns a bool; act where trigger.wait() returns.",
            )
        closed = UsageError("the proxy is closed", cure="Use it inside its with block.")
        try:
            if self._closed or self._loop is None:
                raise closed
            result = asyncio.run_coroutine_threadsafe(work, self._loop)
        except (RuntimeError, UsageError):
            work.close()
            raise closed from None
        try:
            return result.result(_CALL_S + extra_s)
        except concurrent.futures.CancelledError:
            raise closed from None
        except TimeoutError:
            result.cancel()
            raise _busy("answer") from None

    def join(self, timeout_s: float) -> bool:
        """Wait for the thread's end; whether it has ended."""
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def close(self, timeout_s: float) -> None:
        """End the thread. A second time does nothing. Raises what failed in it meanwhile."""
        if self._closed:
            return
        self._closed = True
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._end.set)
        if not self.join(timeout_s):
            raise _busy("end")
        for error in self.engine.shared.failures:
            if isinstance(error, CoordError):
                raise error
            raise InternalError(f"the proxy failed: {error!r}", cure="Report it.") from error
        for trigger in self.engine.shared.triggers:
            trigger.raise_error()


def _busy(verb: str) -> UsageError:
    return UsageError(
        f"the proxy's thread did not {verb} in time",
        cure="Does a matching function block? It is run for every chunk and must return at once.",
    )
