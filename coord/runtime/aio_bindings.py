"""How terms reach coroutines: the bindings of `bindings.py`, carried over to one event loop.

Owns the crossing between the control thread and the loop. What the control thread calls is handed
to the loop in order and never blocks; everything named `on_…` runs on the loop. A loop that is
closed while terms are running takes its role with it: nobody is there to work, or to end anything.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator, Sequence
from contextlib import asynccontextmanager

from coord.config import Role
from coord.model import EndingKind
from coord.runtime.aio_term import AsyncTerm, wait_until
from coord.runtime.bindings import (
    GATHER_STEP_S,
    Binding,
    all_resting,
    all_working,
    gather_s,
    work_raised,
)
from coord.runtime.engine import Engine
from coord.runtime.term import Term

__all__ = ["AsyncHeld", "AsyncHeldTerms", "AsyncLoop", "AsyncServing", "Cancelling", "Relay"]


class Relay(Binding):
    """A binding whose calls are carried over to the event loop, in order."""

    def __init__(self, engine: Engine, role: Role) -> None:
        super().__init__(engine, role)
        self.loop = asyncio.get_running_loop()
        self.terms: dict[int, AsyncTerm] = {}
        self.closed = False

    def begin_all(self, terms: Sequence[Term]) -> None:
        """Carry them over, together; without a loop to carry them to, they end."""
        if not self._call(self._begun, *terms):
            for term in terms:
                term.end(None)

    def asked_to_stop(self, term: Term) -> None:
        """Carry it over."""
        self._call(self._asked, term)

    def over(self) -> None:
        """Carry it over."""
        self._call(self._over)

    def _call(self, function: Callable[..., None], *args: Term) -> bool:
        try:
            self.loop.call_soon_threadsafe(function, *args)
        except RuntimeError:  # the loop is closed: claiming again and again would help nobody
            self.closed = True
            self.engine.unbind(self)
            for term in list(self.terms.values()):
                self.end(term, None)
            return False
        return True

    def _begun(self, *terms: Term) -> None:
        for term in terms:
            if self.closed:
                term.end(None)
                continue
            self.terms[term.number] = wrapped = AsyncTerm(term)
            self.on_begun(wrapped)
            if term.asked:
                self._asked(term)

    def _asked(self, term: Term) -> None:
        wrapped = self.terms.get(term.number)
        if wrapped is not None:
            wrapped.notify_stop()
            self.on_asked(wrapped)

    def _over(self) -> None:
        self.closed = True
        self.on_over()

    def end(self, term: AsyncTerm, kind: EndingKind | None) -> None:
        """The work of a term has stopped."""
        self.terms.pop(term.inner.number, None)
        term.inner.end(kind)

    def on_begun(self, term: AsyncTerm) -> None:
        """A term is ours. On the loop."""

    def on_asked(self, term: AsyncTerm) -> None:
        """A term was asked to stop; may be said twice. On the loop."""

    def on_over(self) -> None:
        """No further term will come. On the loop."""


class Cancelling(Relay):
    """A relay whose work can be cancelled, and is when it does not stop in time.

    Work that was asked to stop gets the stop grace to end by itself. Work whose claim is gone or
    whose session is in doubt is cancelled at once; where it rests in `wait`, which returns False at
    that moment, it still gets half the grace to leave tidily. A timer on the loop looks at the
    deadlines as well, so that this holds while the control thread is stuck.
    """

    def __init__(self, engine: Engine, role: Role) -> None:
        super().__init__(engine, role)
        self._cancels: dict[int, Callable[[], object]] = {}
        self._timer: asyncio.TimerHandle | None = None

    def cancel_with(self, term: AsyncTerm, cancel: Callable[[], object]) -> None:
        """From now on `cancel()` cancels the work of this term."""
        self._cancels[term.inner.number] = cancel
        if self._timer is None:
            self._look_later()

    def on_asked(self, term: AsyncTerm) -> None:
        """Cancel it when its grace is over."""
        grace_s = self.engine.machine.member.timing.stop_grace_s
        if term.inner.in_doubt:
            grace_s = grace_s / 2 if term.inner.is_resting else 0.0
        self.loop.call_later(grace_s, self._cancel, term.inner.number)

    def _cancel(self, number: int) -> None:
        cancel = self._cancels.pop(number, None)
        if cancel is not None:
            cancel()

    def end(self, term: AsyncTerm, kind: EndingKind | None) -> None:
        """The work of a term has stopped: there is nothing left to cancel."""
        self._cancels.pop(term.inner.number, None)
        super().end(term, kind)

    def _look_later(self) -> None:
        timing = self.engine.machine.member.timing
        running = [term.inner for number, term in self.terms.items() if number in self._cancels]
        left_s = min((term.until_stop_s for term in running), default=timing.ttl_s)
        self._timer = self.loop.call_later(max(left_s, timing.slack_s), self._look)

    def _look(self) -> None:
        self._timer = None
        for number in [n for n in self._cancels if n in self.terms]:
            if self.terms[number].inner.in_doubt:
                self.on_asked(self.terms[number])
        if self._cancels:
            self._look_later()


class AsyncServing(Cancelling):
    """A coroutine a term.

    A task of its own notices when the loop is being shut down, which cancels all tasks: terms that
    come after that would find nobody.
    """

    def __init__(
        self, engine: Engine, role: Role, work: Callable[[AsyncTerm], Awaitable[object]]
    ) -> None:
        super().__init__(engine, role)
        self._work = work
        self._tasks: set[asyncio.Task[None]] = set()
        self._served = asyncio.Event()
        self._staying = False

    def _start(self, work: Coroutine[None, None, None], name: str) -> Callable[[], bool]:
        task = self.loop.create_task(work, name=name)
        self._tasks.add(task)  # the loop itself keeps no strong reference
        task.add_done_callback(self._tasks.discard)
        return task.cancel

    async def _stay(self) -> None:
        try:
            await self._served.wait()
        finally:
            self.closed = True
            self.engine.unbind(self)

    def on_over(self) -> None:
        """Nothing more to wait for."""
        self._served.set()

    def on_begun(self, term: AsyncTerm) -> None:
        """Start its task."""
        if not self._staying:
            self._staying = True
            self._start(self._stay(), f"coord-{self.role.name}")
        self.cancel_with(term, self._start(self._run(term), f"coord-{term.key}"))

    async def _run(self, term: AsyncTerm) -> None:
        kind: EndingKind | None = None
        try:
            await self._work(term)
            kind = None if term.inner.asked else EndingKind.RETURNED
        except asyncio.CancelledError:
            kind = None if term.inner.asked else EndingKind.RETURNED
        except Exception as error:  # noqa: BLE001 (user code may raise anything; we must say so)
            kind = work_raised(term.inner, error)
        finally:
            self.end(term, kind)


class AsyncLoop(Cancelling):
    """Terms one after another."""

    def __init__(self, engine: Engine, role: Role) -> None:
        super().__init__(engine, role)
        self._ready: deque[AsyncTerm] = deque()
        self._changed = asyncio.Event()

    def on_begun(self, term: AsyncTerm) -> None:
        """Offer it to the loop."""
        self._ready.append(term)
        self._changed.set()

    def on_asked(self, term: AsyncTerm) -> None:
        """A term that was not taken yet ends at once."""
        if term in self._ready:
            self._ready.remove(term)
            self.end(term, None)
        else:
            super().on_asked(term)

    def on_over(self) -> None:
        """Wake the loop."""
        self._changed.set()

    async def take(self) -> AsyncTerm | None:
        """The next term; None when there will be none."""
        while not self._ready and not self.closed:
            self._changed.clear()
            await self._changed.wait()
        return self._ready.popleft() if self._ready else None

    @asynccontextmanager
    async def limited(self, term: AsyncTerm) -> AsyncIterator[None]:
        """Cancel the block, which then raises `LeadershipLost`, when the term must be over."""
        limit = asyncio.timeout(None)
        try:
            async with limit:
                self.cancel_with(term, lambda: limit.reschedule(self.loop.time()))
                yield
        except TimeoutError:
            if limit.expired():
                raise term.inner.loss() from None
            raise

    def abandon(self) -> None:
        """The loop is gone: end what it has not taken."""
        self.closed = True
        while self._ready:
            self.end(self._ready.popleft(), None)


class AsyncHeldTerms:
    """As `HeldTerms`, with a `wait` that is awaited."""

    def __init__(self, binding: AsyncHeld, terms: tuple[AsyncTerm, ...]) -> None:
        self._binding = binding
        self._terms = terms

    def __iter__(self) -> Iterator[AsyncTerm]:
        return iter(self._terms)

    def __len__(self) -> int:
        return len(self._terms)

    async def wait(self, timeout_s: float) -> bool:
        """As `HeldTerms.wait`."""
        return await self._binding.rest(self._terms, timeout_s)


class AsyncHeld(Relay):
    """All terms of a role for one loop."""

    def __init__(self, engine: Engine, role: Role) -> None:
        super().__init__(engine, role)
        self._changed = asyncio.Event()
        self._changed.set()

    def on_begun(self, term: AsyncTerm) -> None:
        """A new set is due."""
        self._changed.set()

    def on_asked(self, term: AsyncTerm) -> None:
        """A new set is due."""
        self._changed.set()

    def on_over(self) -> None:
        """Wake the loop."""
        self._changed.set()

    async def next_set(self) -> AsyncHeldTerms | None:
        """Called when the loop has stopped working on the last set; None at the end."""
        self._end_asked()
        await self._changed.wait()
        await self._gather()
        if self.closed:
            return None
        self._changed.clear()
        self._end_asked()
        return AsyncHeldTerms(self, tuple(self.terms.values()))

    async def _gather(self) -> None:
        """Let more changes come, without being woken by each of them."""
        end_s = self.loop.time() + gather_s(len(self.terms))

        def gathers() -> bool:
            return not self.closed and self.engine.giving and self.loop.time() < end_s

        while gathers():  # noqa: ASYNC110 (an event would be set by each of thousands)
            await asyncio.sleep(GATHER_STEP_S)

    def _end_asked(self) -> None:
        for term in [t for t in self.terms.values() if t.inner.asked]:
            self.end(term, None)

    def abandon(self) -> None:
        """The loop is gone: end everything."""
        self.closed = True
        for term in list(self.terms.values()):
            self.end(term, None if term.inner.asked else EndingKind.RETURNED)

    async def rest(self, terms: tuple[AsyncTerm, ...], timeout_s: float) -> bool:
        """Let all terms of a set rest until the timeout, or until the set is not right any more."""
        now = self.engine.clock.now
        inner = [term.inner for term in terms]
        self.engine.post(*all_resting(inner, now()))
        end = self.loop.time() + timeout_s
        nap_s = self.engine.machine.member.timing.heartbeat_s
        while not self._changed.is_set() and not any(t.stopping for t in inner[:1]):
            left = end - self.loop.time()
            if left <= 0:
                break
            await wait_until(self._changed, min(left, nap_s))
        self.engine.post(all_working(inner, now()))
        return not self._changed.is_set() and not any(t.stopping for t in inner[:1])
