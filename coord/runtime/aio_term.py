"""A term, for asyncio: the same handle, whose waiting is awaited.

Owns the waiting on an event loop. Everything else is the threaded `Term`'s.
"""

from __future__ import annotations

import asyncio

from coord.config import Role
from coord.model import ClaimKey
from coord.runtime.term import Step, Term

__all__ = ["AsyncTerm", "wait_until"]


class AsyncTerm:
    """A `Term` whose `wait` is awaited. Guarantees and non-guarantees are those of `Term`."""

    __slots__ = ("_stop", "_term")

    def __init__(self, term: Term) -> None:
        self._term = term
        self._stop = asyncio.Event()

    def __repr__(self) -> str:
        return f"<Async{repr(self._term)[1:]}"

    @property
    def key(self) -> ClaimKey:
        """(role, generation, shard, seat): also the scope of a fencing guard."""
        return self._term.key

    @property
    def token(self) -> int:
        """The fencing token: larger than that of every earlier term of this key."""
        return self._term.token

    @property
    def role(self) -> Role:
        """The role as this member declared it."""
        return self._term.role

    @property
    def generation(self) -> int:
        """The generation of the role's shape."""
        return self._term.generation

    @property
    def shard(self) -> int:
        """Which shard this term leads, from 0."""
        return self._term.shard

    @property
    def seat(self) -> int:
        """Which of the shard's co-leaders this term is, from 0."""
        return self._term.seat

    @property
    def why(self) -> str:
        """Why the term ended or is ending; empty while it goes on."""
        return self._term.why

    @property
    def deadline_s(self) -> float:
        """As `Term.deadline_s`."""
        return self._term.deadline_s

    @property
    def stopping(self) -> bool:
        """As `Term.stopping`."""
        return self._term.stopping

    def check(self) -> None:
        """As `Term.check`."""
        self._term.check()

    def progress(self) -> None:
        """As `Term.progress`."""
        self._term.progress()

    def step(self, *, max_s: float) -> Step:
        """As `Term.step`."""
        return self._term.step(max_s=max_s)

    async def wait(self, timeout_s: float) -> bool:
        """As `Term.wait`, without blocking the loop."""
        self._term.rest()
        try:
            return await self._sleep(timeout_s)
        finally:
            self._term.work()

    async def _sleep(self, timeout_s: float) -> bool:
        loop = asyncio.get_running_loop()
        end = loop.time() + timeout_s
        while not self._term.stopping:
            left = end - loop.time()
            if left <= 0:
                return True
            await wait_until(self._stop, min(left, self._term.until_stop_s))
        return False

    @property
    def inner(self) -> Term:
        """The threaded term."""
        return self._term

    def notify_stop(self) -> None:
        """Wake whoever waits. On the loop."""
        self._stop.set()


async def wait_until(event: asyncio.Event, timeout_s: float) -> None:
    """Wait for the event or the timeout, whichever comes first."""
    try:
        async with asyncio.timeout(max(timeout_s, 0.0)):
            await event.wait()
    except TimeoutError:
        pass
