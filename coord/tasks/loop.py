"""The event loop that runs coroutine functions: one given to us, or one on a thread of its own.

Owns the watch over the jobs on it: a job that is to stop is cancelled, at the latest `_LOOK_S`
after the moment at which it should. Knows neither message, nor queue, nor term.
"""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any

from coord.tasks.job import Job
from coord.threads import DaemonThread

__all__ = ["Loop"]

_LOOK_S = 0.02
_Outcome = tuple[object, BaseException | None]
_Task = asyncio.Task[_Outcome]


class Loop:
    """`run` from any thread. `loop`: the caller's, which stays his; None: one of our own, whose
    thread begins with the first job.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop | None = None) -> None:
        self._loop = loop
        self._jobs: dict[_Task, Job] = {}
        self._told: set[_Task] = set()
        self._arrived: deque[
            tuple[
                Job,
                Callable[[], Coroutine[Any, Any, object]],
                Callable[[object, BaseException | None], None],
            ]
        ] = deque()
        self._is_called = False
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._watch: asyncio.Task[None] | None = None

    def run(
        self,
        job: Job,
        work: Callable[[], Coroutine[Any, Any, object]],
        done: Callable[[object, BaseException | None], None],
    ) -> None:
        """Run `work()` as a task; tell `done`, on the loop's thread, its result and its error.

        The loop is woken once for all that arrive before it looks: waking it costs more than a
        task does. Raises `RuntimeError`, and `done` is not told, if there is no thread for it or
        the caller's loop is closed.
        """
        mine = (job, work, done)
        loop = self._running()
        self._arrived.append(mine)
        if self._is_called:
            return
        self._is_called = True
        try:
            loop.call_soon_threadsafe(self._begin_all)
        except RuntimeError as error:
            self._is_called = False
            while self._arrived:
                other = self._arrived.popleft()
                if other is not mine:  # whose caller was told that it would run
                    other[2](None, error)
            raise

    def call(self, what: Callable[[], None]) -> None:
        """Have that called soon, on the loop's thread. Raises as `run`."""
        self._running().call_soon_threadsafe(what)

    def _begin_all(self) -> None:
        self._is_called = False  # first: what arrives from here on calls again
        while self._arrived:
            self.begin(*self._arrived.popleft())

    def close(self, timeout_s: float) -> bool:
        """Stop the loop; what still runs is abandoned. Whether it ended in time. Idempotent."""
        with self._lock:
            loop, thread = self._loop, self._thread
        if loop is None or thread is None:
            return True
        with suppress(RuntimeError):  # it was closed before
            loop.call_soon_threadsafe(loop.stop)
        thread.join(timeout_s)
        return not thread.is_alive()

    def _running(self) -> asyncio.AbstractEventLoop:
        with self._lock:
            if self._loop is None:
                loop = asyncio.new_event_loop()
                thread = DaemonThread(self._serve, "coord-tasks-loop", (loop,))
                try:
                    thread.start()
                except RuntimeError:  # the next job asks anew
                    loop.close()
                    raise
                self._loop, self._thread = loop, thread
            return self._loop

    def _serve(self, loop: asyncio.AbstractEventLoop) -> None:
        asyncio.set_event_loop(loop)
        try:
            loop.run_forever()
            for task in asyncio.all_tasks(loop):
                task.cancel()
            loop.run_until_complete(asyncio.sleep(0))
            loop.run_until_complete(loop.shutdown_asyncgens())
        finally:
            loop.close()

    def begin(
        self,
        job: Job,
        work: Callable[[], Coroutine[Any, Any, object]],
        done: Callable[[object, BaseException | None], None],
    ) -> None:
        """As `run`, on the loop's thread."""

        def ended(task: _Task) -> None:
            self._jobs.pop(task, None)
            self._told.discard(task)
            cancelled = (None, asyncio.CancelledError("its event loop ends"))
            done(*(cancelled if task.cancelled() else task.result()))

        task = asyncio.ensure_future(_one(work))
        self._jobs[task] = job
        task.add_done_callback(ended)
        if self._watch is None or self._watch.done():
            self._watch = asyncio.ensure_future(self._look())

    async def _look(self) -> None:
        while self._jobs:
            await asyncio.sleep(_LOOK_S)
            for task, job in list(self._jobs.items()):
                if task not in self._told and job.is_over:
                    self._told.add(task)
                    job.is_told = True
                    task.cancel()


async def _one(work: Callable[[], Coroutine[Any, Any, object]]) -> _Outcome:
    """Its outcome, whatever it is; a task cancelled before its first step does not come here."""
    try:
        return await work(), None
    except BaseException as error:  # noqa: BLE001  an outcome must be told whatever it is
        return None, error
