"""The lab's helper inside a process that takes part: it does what no other process can do to one.

Owns a thread that looks at failpoints, and what it then does to its own process: hold the
interpreter lock, take up memory. It belongs to the work and knows nothing of leadership; coord's
runtime knows nothing of it. Without `COORD_FAILPOINTS` there is no thread.
"""

from __future__ import annotations

import ctypes
import os
import sys
import threading
import time
from collections.abc import Mapping
from contextlib import suppress

from coord.lab.work.failpoint import Failpoint, failpoints_folder

__all__ = ["INTERPRETER", "MEMORY", "take_part"]

INTERPRETER = "interpreter"
"""The failpoint at which the interpreter lock is held."""
MEMORY = "memory"
"""The failpoint at which memory is taken up until there is none."""

_POLL_S = 0.02
_SLICE_US = 10_000
_NEVER_S = 3_600.0
_SLOTS = 1 << 16
_CHUNKS = (1 << 20, 1 << 16, 1 << 12, 1 << 10, *range(479, 0, -16))
"""Python keeps free blocks by their size up to 512 bytes, in steps of 16; a `bytes` has 33 more."""


def take_part(member: str, *, environ: Mapping[str, str] | None = None) -> Failpoint:
    """Let the lab strike this process from inside, and return the failpoint for its work.

    One line in a daemon, before it begins to work, and `pause_here()` on what it returns where the
    work would wait for a dependency. Any thread, once a process. Without `COORD_FAILPOINTS` in the
    environment, as in production, it does nothing and the failpoint is never set.
    """
    folder = failpoints_folder(environ)
    if folder is not None:
        interpreter = Failpoint.from_environment(member, INTERPRETER, environ=environ)
        memory = Failpoint.from_environment(member, MEMORY, environ=environ)
        threading.Thread(
            target=_look, args=(interpreter, memory), name="lab-agent", daemon=True
        ).start()
    return Failpoint.from_environment(member, environ=environ)


def _look(interpreter: Failpoint, memory: Failpoint) -> None:
    slots: list[bytes | None] = [None] * _SLOTS  # now: there is no room for them later
    held = ctypes.PyDLL(None)  # calls of it keep the interpreter lock
    while True:
        if interpreter.is_set:
            _hold(held, interpreter)
        if memory.is_set:
            _fill(slots, memory)
        time.sleep(_POLL_S)


def _hold(libc: ctypes.PyDLL, while_set: Failpoint) -> None:
    """No other thread of this process gets to run Python code until the file is gone.

    As in a C extension that does not let go. Neither the look-up nor the sleep lets go of the lock,
    and in between nobody may ask for it: that they do after the switch interval, which is long.
    """
    name = os.fsencode(str(while_set.path))
    usual_s = sys.getswitchinterval()
    sys.setswitchinterval(_NEVER_S)
    try:
        while libc.access(name, os.F_OK) == 0:
            libc.usleep(_SLICE_US)
    finally:
        sys.setswitchinterval(usual_s)


def _fill(slots: list[bytes | None], while_set: Failpoint) -> None:
    """Take what memory there is, in ever smaller pieces, again and again, until the file is gone.

    As a leak does. It gives up where the system says no, which is what a limit makes it do; without
    a limit it would take the machine's, so whoever sets the failpoint sets the limit first.
    """
    taken = 0
    while True:
        with suppress(MemoryError):  # there may not be enough for a look-up, or a rest
            if not while_set.is_set:
                break
            for size in _CHUNKS:
                taken = _take(slots, taken, size)
            time.sleep(_POLL_S)
    slots[:] = [None] * _SLOTS


def _take(slots: list[bytes | None], taken: int, size: int) -> int:
    with suppress(MemoryError):
        while taken < _SLOTS:
            slots[taken] = bytes(size)
            taken += 1
    return taken
