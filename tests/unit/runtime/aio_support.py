"""What the tests of the asyncio façade share."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from typing import Any

from coord import AsyncCoordinator
from coord.runtime import AsyncTerm
from tests.unit.runtime.conftest import QUICK
from tests.unit.runtime.support import BOUND_S, Recorder

__all__ = ["idle", "member", "run", "told_so"]


def run(main: Coroutine[Any, Any, None]) -> None:
    """Run it, with a bound."""

    async def bounded() -> None:
        async with asyncio.timeout(2 * BOUND_S):
            await main

    asyncio.run(bounded())


@asynccontextmanager
async def member(
    url: str,
    name: str = "a",
    **settings: Any,  # noqa: ANN401 (Coordinator's own)
) -> AsyncIterator[tuple[AsyncCoordinator, Recorder]]:
    told = Recorder()
    settings.setdefault("timing", QUICK)
    async with AsyncCoordinator(url, member=name, hooks=told, **settings) as fleet:
        yield fleet, told


async def told_so(told: Recorder, what: str, kind: str, *, times: int = 1) -> None:
    """Wait for a hook without blocking the loop."""
    await asyncio.to_thread(told.await_told, what, kind, times=times)


async def idle(term: AsyncTerm) -> None:
    while await term.wait(BOUND_S):
        pass
