"""Faults on processes: kill, terminate, pause, wedge; each recorded with its moments.

Owns signals and failpoints, and the marks that the injector leaves in the event log (the struck
process cannot: the dead do not write). Chooses no targets and no times. Linux only.

A mark "begin" is written just before the blow, "effect" when it was seen to be in force, "end" just
before it is healed (after SIGTERM: when the process was seen dead). Measures take the dead as dead
from "effect" and the stopped as stopped from "effect" to "end", so that the delay of a signal
cannot hide a split.

A target is held by a pidfd: a process id that is used again by another process is never struck.
"""

from __future__ import annotations

import os
import select
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from itertools import count
from pathlib import Path
from types import TracebackType
from typing import Self

from coord.errors import UsageError
from coord.lab.measure.faults import DIED, EVERYBODY
from coord.lab.work.failpoint import Failpoint
from coord.telemetry import EventLog

__all__ = ["Injector", "Target"]

_SEEN_WITHIN_S = 5.0  # how long a signal may take to show its effect
_POLL_S = 0.001


class Target:
    """One process of one member, struck until it is closed. A context manager.

    Raises UsageError if there is no such process.
    """

    def __init__(self, member: str, pid: int) -> None:
        self.member = member
        self.pid = pid
        try:
            self._fd = os.pidfd_open(pid)
        except OSError as error:
            raise UsageError(
                f"process {pid} of {member} cannot be struck: {error.strerror}",
                cure="It has ended, or belongs to somebody else.",
            ) from error

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the process; it is not struck any more. Idempotent."""
        fd, self._fd = self._fd, -1
        if fd >= 0:
            os.close(fd)

    @property
    def dead(self) -> bool:
        """Whether it has ended, waited for or not."""
        poll = select.poll()
        poll.register(self._fd, select.POLLIN)
        return bool(poll.poll(0))

    @property
    def stopped(self) -> bool:
        """Whether every thread of it is stopped."""
        tasks = list(Path(f"/proc/{self.pid}/task").glob("*/stat"))
        return bool(tasks) and all(_state(task) in {"T", "t"} for task in tasks)

    def send(self, sent: signal.Signals) -> None:
        """Signal it. Raises ProcessLookupError if it has ended."""
        signal.pidfd_send_signal(self._fd, sent)


def _state(stat: Path) -> str:
    try:
        return stat.read_text().rpartition(")")[2].split()[0]
    except (OSError, IndexError):
        return ""  # that thread has just ended


class Injector:
    """Injects faults and records each in `events`.

    Every fault that can be healed is healed when its block or its time ends, whatever happens
    meanwhile; `stop()` from another thread (a Ctrl-C handler) ends the waiting early. Methods may
    be called from several threads.
    """

    def __init__(self, events: EventLog) -> None:
        self._events = events
        self._numbers = count(1)
        self._stop = threading.Event()

    def stop(self) -> None:
        """End all waiting now; what is in force is healed."""
        self._stop.set()

    def kill(self, target: Target) -> None:
        """SIGKILL, and wait until it is dead. Raises UsageError if it has ended already."""
        mark = self._begin("kill", target)
        _send(target, signal.SIGKILL)
        _await(lambda: target.dead, f"{target.member} (process {target.pid}) did not die")
        self._mark("kill", mark, "effect", target)

    def died(self, member: str, pid: int) -> None:
        """Record that a process has ended by a fault that was not meant to kill it."""
        mark = self._named(DIED)
        for phase in ("begin", "effect"):
            self._events.fault(DIED, mark, phase, member=member, pid=pid)

    def terminate(self, target: Target, *, within_s: float) -> bool:
        """SIGTERM, and wait until it is dead, for so long or until `stop()`; True if it is.

        Its end is recorded: a process that does not catch the signal cannot do so itself. Raises
        UsageError if it has ended already.
        """
        mark = self.ask(target)
        end = time.monotonic() + within_s
        while not target.dead:
            if time.monotonic() >= end or self._stop.wait(_POLL_S):
                return False
        self.gone(mark, target)
        return True

    def ask(self, target: Target) -> str:
        """SIGTERM, and wait for nothing: whoever asks calls `gone`, with what this returns.

        Raises UsageError if it has ended already.
        """
        mark = self._begin("sigterm", target)
        _send(target, signal.SIGTERM)
        self._mark("sigterm", mark, "effect", target)
        return mark

    def gone(self, mark: str, target: Target) -> None:
        """Record that a process which was asked to go was seen dead."""
        self._mark("sigterm", mark, "end", target)

    @contextmanager
    def paused(self, *targets: Target) -> Iterator[None]:
        """Stop all targets with SIGSTOP while the block runs; SIGCONT follows in any case."""
        with ExitStack() as healing:
            marks: list[tuple[str, Target]] = []
            for target in targets:
                mark = self._begin("pause", target)
                marks.append((mark, target))
                healing.callback(self._continue, mark, target)
                _send(target, signal.SIGSTOP)
            for mark, target in marks:
                _await(
                    lambda target=target: target.stopped,  # type: ignore[misc]
                    f"{target.member} (process {target.pid}) did not stop",
                )
                self._mark("pause", mark, "effect", target)
            yield

    def pause(self, *targets: Target, for_s: float) -> None:
        """Stop all targets for so long, or until `stop()`."""
        with self.paused(*targets):
            self._stop.wait(for_s)

    @contextmanager
    def struck(
        self,
        kind: str,
        fault: AbstractContextManager[object],
        *,
        member: str = EVERYBODY,
        pid: int = 0,
    ) -> Iterator[None]:
        """Let a fault stand while the block runs, and record it.

        Entering `fault` strikes and returns when it is in force; leaving heals. `member` and `pid`:
        whom it strikes; without them everybody, as faults of the store and the network do. One that
        could not be struck is marked as ended, and its error raised.
        """
        mark = self._named(kind)
        self._events.fault(kind, mark, "begin", member=member, pid=pid)
        with ExitStack() as healing:
            try:
                healing.enter_context(fault)
                self._events.fault(kind, mark, "effect", member=member, pid=pid)
                yield
            finally:
                self._events.fault(kind, mark, "end", member=member, pid=pid)

    @contextmanager
    def wedged(self, target: Target, failpoint: Failpoint) -> Iterator[None]:
        """Keep the failpoint set while the block runs: the work stands still, all else goes on."""
        with self.struck("wedge", failpoint.standing(), member=target.member, pid=target.pid):
            yield

    def wedge(self, target: Target, failpoint: Failpoint, *, for_s: float) -> None:
        """Keep the failpoint set for so long, or until `stop()`."""
        with self.wedged(target, failpoint):
            self._stop.wait(for_s)

    def _continue(self, mark: str, target: Target) -> None:
        self._mark("pause", mark, "end", target)
        with suppress(ProcessLookupError):  # it was killed while it was stopped
            target.send(signal.SIGCONT)

    def _begin(self, kind: str, target: Target) -> str:
        mark = self._named(kind)
        self._mark(kind, mark, "begin", target)
        return mark

    def _named(self, kind: str) -> str:
        return f"{kind}-{os.getpid()}-{next(self._numbers)}"

    def _mark(self, kind: str, mark: str, phase: str, target: Target) -> None:
        self._events.fault(kind, mark, phase, member=target.member, pid=target.pid)


def _send(target: Target, sent: signal.Signals) -> None:
    try:
        target.send(sent)
    except ProcessLookupError as error:
        raise UsageError(
            f"{target.member} (process {target.pid}) has ended already",
            cure="Name a process that runs.",
        ) from error


def _await(seen: Callable[[], bool], otherwise: str) -> None:
    end = time.monotonic() + _SEEN_WITHIN_S
    while not seen():
        if time.monotonic() >= end:
            raise UsageError(
                f"{otherwise} within {_SEEN_WITHIN_S:g} s",
                cure="It has ended, or hangs in the kernel (state D in ps): look at its disk.",
            )
        time.sleep(_POLL_S)
