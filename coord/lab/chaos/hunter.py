"""Stops a process inside a write transaction of SQLite: `python hunter.py PID SHM SECONDS`.

Owns the catching, and is run by its path as a process of its own: it asks the kernel for the holder
of the write lock some hundred thousand times a second, and a transaction may be over in 50 µs.
Imports nothing of ours, and opens nothing but the file beside the database on which SQLite locks.

Exit codes: 0: caught, and left stopped. 1: not caught in time, and going on. 2: it has ended.
"""

from __future__ import annotations

import fcntl
import os
import signal
import struct
import sys
import time
from contextlib import suppress
from pathlib import Path

__all__ = ["CAUGHT", "hunt", "writer_of"]

CAUGHT, _MISSED, _ENDED = 0, 1, 2
_WRITE_LOCK = 120  # its byte in the -shm file, by the file format of SQLite
_FLOCK = "@hhqqi4x"
_STOP_S = 1.0
_BREATH_S = 0.02
"""How long one that was missed runs on before the next try."""


def writer_of(shm: int) -> int:
    """The process that writes now; 0 if none does. `shm`: a descriptor of the -shm file."""
    asked = struct.pack(_FLOCK, fcntl.F_WRLCK, os.SEEK_SET, _WRITE_LOCK, 1, 0)
    kind, _, _, _, pid = struct.unpack(_FLOCK, fcntl.fcntl(shm, fcntl.F_GETLK, asked))
    return 0 if kind == fcntl.F_UNLCK else int(pid)


def hunt(pid: int, shm: int, within_s: float) -> int:
    """Stop the process at a moment when it writes; returns an exit code as above."""
    end_s = time.monotonic() + within_s
    try:
        while time.monotonic() < end_s:
            if writer_of(shm) != pid:
                continue
            os.kill(pid, signal.SIGSTOP)
            _await_stop(pid)
            if writer_of(shm) == pid:
                return CAUGHT
            os.kill(pid, signal.SIGCONT)
            time.sleep(_BREATH_S)
    except ProcessLookupError:
        return _ENDED
    return _MISSED


def _await_stop(pid: int) -> None:
    end_s = time.monotonic() + _STOP_S
    while time.monotonic() < end_s:
        states = []
        for task in Path(f"/proc/{pid}/task").glob("*/stat"):
            with suppress(OSError):  # that thread has just ended
                states.append(task.read_text().rpartition(")")[2].split()[0])
        if all(state in "TtZX" for state in states):
            return


if __name__ == "__main__":
    sys.exit(hunt(int(sys.argv[1]), os.open(sys.argv[2], os.O_RDONLY), float(sys.argv[3])))
