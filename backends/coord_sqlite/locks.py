"""Who holds a lock on the database, asked of the kernel without touching any lock.

Owns the lock bytes of SQLite's file format (fixed since 3.7) and `F_GETLK`. Linux only; elsewhere
every answer is "not known". Rule: only descriptors that SQLite itself opened are asked, and none
is ever opened or closed here, because closing one drops all locks of the process on that file.
"""

from __future__ import annotations

import fcntl
import os
import struct
import sys
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Holder", "others_have_database_open", "others_have_index_open", "write_lock_holder"]

_SHARED_FIRST = 0x40000000 + 2  # on the database: held while a connection is open in WAL mode
_SHARED_SIZE = 510
_WAL_WRITE = 120  # on the -shm file: the one writer
_WAL_OPEN = 128  # on the -shm file: held (shared) while a connection has it open
_FLOCK = "@hhqqi4x"
_ASKABLE = sys.platform == "linux" and struct.calcsize("P") == struct.calcsize("Q")


@dataclass(frozen=True, slots=True)
class Holder:
    """A process that holds a lock; pid 0: one of another pid namespace (a container)."""

    pid: int

    def __str__(self) -> str:
        if not self.pid:
            return "a process of another container"
        name, state = _name_and_state(self.pid)
        return f"process {self.pid}" + (f" ({name}, {state})" if name else "")

    @property
    def stopped(self) -> bool:
        """Whether it cannot let go of the lock by itself."""
        return self.pid > 0 and _name_and_state(self.pid)[1] == "stopped"

    @property
    def cure(self) -> str:
        """What an operator can do about it."""
        if not self.pid:
            return "Look for a stopped process in the containers that share the file."
        return f"If it is stopped, resume it (kill -CONT {self.pid}) or kill it."


def write_lock_holder(path: str) -> Holder | None:
    """Which other process keeps everybody from writing now; None: none, or not known.

    The writer of the log, or whoever has locked the whole database (a shell that vacuums).
    """
    return _holder(path + "-shm", _WAL_WRITE, 1) or _holder(
        path, _SHARED_FIRST, _SHARED_SIZE, conflicting_with=fcntl.F_RDLCK
    )


def others_have_database_open(path: str) -> bool:
    """Whether any other process holds the database file open through SQLite."""
    return _holder(path, _SHARED_FIRST, _SHARED_SIZE) is not None


def others_have_index_open(path: str) -> bool:
    """Whether any other process holds the very -shm file open that we see beside it."""
    return _holder(path + "-shm", _WAL_OPEN, 1) is not None


def _holder(
    path: str, start: int, length: int, *, conflicting_with: int = fcntl.F_WRLCK
) -> Holder | None:
    descriptor = _own_descriptor(path) if _ASKABLE else None
    if descriptor is None:
        return None
    asked = struct.pack(_FLOCK, conflicting_with, os.SEEK_SET, start, length, 0)
    try:
        answer = fcntl.fcntl(descriptor, fcntl.F_GETLK, asked)
    except OSError:
        return None
    kind, _, _, _, pid = struct.unpack(_FLOCK, answer)
    return None if kind == fcntl.F_UNLCK else Holder(pid)


def _own_descriptor(path: str) -> int | None:
    """The descriptor under which this process has the file open already."""
    try:
        wanted = Path(path).stat()
        numbers = os.listdir("/proc/self/fd")  # noqa: PTH208
    except OSError:
        return None
    for number in numbers:
        try:
            found = os.fstat(int(number))
        except OSError:
            continue
        if (found.st_dev, found.st_ino) == (wanted.st_dev, wanted.st_ino):
            return int(number)
    return None


def _name_and_state(pid: int) -> tuple[str, str]:
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return "", ""
    name, _, rest = text.partition("(")[2].rpartition(")")
    state = rest.split(maxsplit=1)[0] if rest.strip() else ""
    return name, "stopped" if state in ("T", "t") else "running"
