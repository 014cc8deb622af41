"""Settings played in processes beside each other.

Owns the processes: each is started anew (spawned), gets one setting after another, and is gone when
this is over, however it ends. Results come in the order in which they are ready. Knows no file.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import traceback
from collections.abc import Callable, Generator, Iterable
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Any

from coord.errors import InternalError
from coord.lab.errors import Unplayed
from coord.lab.sim.run import Setting
from coord.lab.sweep.point import played

__all__ = ["Task", "all_played"]

_LOOK_S = 0.2
_END_S = 5.0


@dataclass(frozen=True, slots=True)
class Task:
    """A setting and its place in the grid."""

    index: int
    setting: Setting


@dataclass(slots=True)
class _Worker:
    process: BaseProcess
    pipe: Connection
    task: Task

    def end(self) -> None:
        """At once: it owns nothing that could be left half done."""
        self.process.terminate()
        self.process.join(_END_S)
        if self.process.is_alive():
            self.process.kill()
            self.process.join()
        self.process.close()
        self.pipe.close()


def all_played(
    tasks: Iterable[Task], *, jobs: int, look: Callable[[], None]
) -> Generator[tuple[int, dict[str, Any]]]:
    """The points of all tasks, with their places. `look` is called several times a second.

    What `look` raises ends it, and closing the iterator does: no process is left then. Raises
    Unplayed if a process ends by itself (killed from outside, out of memory).
    """
    left = iter(tasks)
    workers: list[_Worker] = []
    try:
        for task in left:
            workers.append(_started(task))
            if len(workers) == jobs:
                break
        while workers:
            look()
            ready = wait([worker.pipe for worker in workers], _LOOK_S)
            for worker in [one for one in workers if one.pipe in ready]:
                yield worker.task.index, _received(worker)
                task_next = next(left, None)
                if task_next is None:
                    workers.remove(worker)
                    worker.end()
                else:
                    worker.task = task_next
                    worker.pipe.send(task_next.setting)
    finally:
        for worker in workers:
            worker.end()


def _started(task: Task) -> _Worker:
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_work, args=(theirs, os.getpid()), daemon=True)
    process.start()
    theirs.close()
    ours.send(task.setting)
    return _Worker(process, ours, task)


def _received(worker: _Worker) -> dict[str, Any]:
    try:
        found = worker.pipe.recv()
    except (EOFError, OSError):
        worker.process.join(_END_S)
        raise Unplayed(
            f"the process of setting {worker.task.index + 1} ended by itself, "
            f"exit code {worker.process.exitcode}",
            cure="Was it killed, or memory short? Take fewer --jobs, and start it again: what is"
            " done is kept.",
        ) from None
    if isinstance(found, str):
        raise InternalError(f"setting {worker.task.index + 1} could not be simulated:\n{found}")
    point: dict[str, Any] = found
    return point


# --- in the process --------------------------------------------------------------------------


def _work(pipe: Connection, parent: int) -> None:
    """Play what comes, until nothing more can come. Whoever started it ends it."""
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    try:
        while True:
            pipe.send(_answer(pipe.recv(), parent))
    except (EOFError, OSError):
        return


def _answer(setting: Setting, parent: int) -> dict[str, Any] | str:
    def look(_share: float) -> None:
        if os.getppid() != parent:
            sys.exit(1)

    try:
        return played(setting, look)
    except Exception:  # noqa: BLE001  told where there is somebody to be told
        return traceback.format_exc()
