"""Between an event loop and threads: what blocks runs beside the loop, what happens there rings.

Owns the two crossings that the asyncio façade needs besides its bindings. Knows no role and no
term. The loop's default executor is not used: it may be full of user work that waits for us.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from coord.runtime.engine import Engine

__all__ = ["heard", "in_thread"]


def in_thread(function: Callable[[], object]) -> asyncio.Future[None]:
    """Run `function` on a thread of its own, to its end even if nobody awaits it any more."""
    loop = asyncio.get_running_loop()
    outcome: asyncio.Future[None] = loop.create_future()

    def settle(error: BaseException | None) -> None:
        if outcome.done():
            return
        if error is None:
            outcome.set_result(None)
        else:
            outcome.set_exception(error)

    def run() -> None:
        error: BaseException | None = None
        try:
            function()
        except BaseException as raised:  # noqa: BLE001 (carried over to whoever awaits)
            error = raised
        with suppress(RuntimeError):  # the loop is closed, and nobody waits
            loop.call_soon_threadsafe(settle, error)

    threading.Thread(target=run, name="coord-async", daemon=True).start()
    return outcome


@contextmanager
def heard(engine: Engine, moved: Callable[[], bool]) -> Iterator[asyncio.Event]:
    """An event of this loop that is set after each announcement of the engine that `moved`."""
    loop = asyncio.get_running_loop()
    bell = asyncio.Event()

    def ring() -> None:
        if moved():
            with suppress(RuntimeError):  # the loop is closed
                loop.call_soon_threadsafe(bell.set)

    end = engine.listen(ring)
    try:
        yield bell
    finally:
        end()
