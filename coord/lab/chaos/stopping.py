"""Stopping a process at a moment at which it holds no lock of SQLite.

Owns the choice of that moment, and nothing of why it is stopped.
"""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from coord.lab.chaos.process import Target

__all__ = ["going_on", "stopped_outside_transactions"]

_TRIES = 50
_STOP_S = 5.0
_POLL_S = 0.001
_BREATH_S = 0.02
"""How long it runs between two stops: on a busy machine, time enough to end its transaction."""
_LOCKS = Path("/proc/locks")


@contextmanager
def stopped_outside_transactions(target: Target) -> Iterator[None]:
    """Stop the target at a moment when it is not inside a SQLite write transaction.

    Why: a process that is stopped in there holds the write lock of the whole file, and no election
    and no fence can help those who wait for it. That is a property of keeping rows in SQLite, and
    about one pause in fifty would show it instead of what the demo is about. The moment is random
    otherwise, and mostly in the middle of an act.
    """
    with going_on(target):
        for _ in range(_TRIES):
            if not _stopped(target) or not _holds_a_write_lock(target.pid):
                break
            target.send(signal.SIGCONT)
            time.sleep(_BREATH_S)
        yield


@contextmanager
def going_on(target: Target) -> Iterator[None]:
    """Whatever has stopped the target within the block, it goes on afterwards."""
    try:
        yield
    finally:
        with suppress(ProcessLookupError):
            target.send(signal.SIGCONT)


def _stopped(target: Target) -> bool:
    """Stop it and see that it is; False if it has ended, which the next beat will report."""
    with suppress(ProcessLookupError):
        target.send(signal.SIGSTOP)
    end = time.monotonic() + _STOP_S
    while not target.stopped and not target.dead and time.monotonic() < end:
        time.sleep(_POLL_S)
    return target.stopped


def _holds_a_write_lock(pid: int) -> bool:
    """Whether the kernel lists an exclusive lock of this process on any file."""
    try:
        locks = [line.split() for line in _LOCKS.read_text().splitlines()]
    except OSError:
        return False
    return any("WRITE" in lock and str(pid) in lock for lock in locks)
