"""A folder for the data of a server, in memory where there is room, and gone afterwards.

Owns where data lies and that it is cleared away, also that of processes which were killed.

Why in memory: etcd writes and syncs before each answer (`--unsafe-no-fsync` exists from 3.5 only),
and on a shared disk one sync may take longer than a short election timeout, so a member would be
deposed by its disk (a put took 0.5 ms in memory, 0.9 ms on a disk that nobody else used). Nothing
that a test may rely on is lost: a killed process keeps its files either way, and only the loss of
power, which no test can cause, would tell the two apart.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import IO

__all__ = ["Folder"]

_MEMORY = Path("/dev/shm")  # noqa: S108 (each folder in it gets a random name and mode 0700)
_PREFIX = "coord-servers-"
_LOCK = "owner.lock"


class Folder:
    """A private folder that is removed by `close()`, or by the next `Folder` if we are killed.

    In /dev/shm if that has `room_bytes` to spare (containers often give it 64 MB), else in the
    temporary folder. A lock held for our lifetime tells the folders of the dead from the others.
    """

    def __init__(self, *, room_bytes: int) -> None:
        base = _base(room_bytes)
        _sweep(base)
        while True:
            path = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=base))
            lock = _locked(path, wait=True)
            if lock is not None:
                self.path, self._lock = path, lock
                return

    def close(self) -> None:
        """Remove the folder with all that is in it. May be called again."""
        _remove(self.path)
        self._lock.close()


def _base(room_bytes: int) -> Path:
    try:
        if os.access(_MEMORY, os.W_OK) and shutil.disk_usage(_MEMORY).free >= room_bytes:
            return _MEMORY
    except OSError:
        pass
    return Path(tempfile.gettempdir())


def _locked(path: Path, *, wait: bool) -> IO[bytes] | None:
    """The lock of the folder; None if another holds it, or removed the folder meanwhile."""
    try:
        lock = (path / _LOCK).open("ab")
    except OSError:
        return None
    try:
        fcntl.flock(lock, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        lock.close()
        return None
    if not (path / _LOCK).exists():
        lock.close()
        return None
    return lock


def _sweep(base: Path) -> None:
    """Remove what killed processes left. A folder without a lock is being made this moment."""
    for path in base.glob(f"{_PREFIX}*"):
        try:
            ours = (path / _LOCK).stat().st_uid == os.getuid()
        except OSError:
            continue
        lock = _locked(path, wait=False) if ours else None
        if lock is not None:
            _remove(path)
            lock.close()


def _remove(path: Path) -> None:
    """Remove the folder, its lock last: what a dying server still adds is then swept later."""
    with suppress(OSError):
        for entry in path.iterdir():
            if entry.is_dir():
                shutil.rmtree(entry)
            elif entry.name != _LOCK:
                entry.unlink()
        (path / _LOCK).unlink()
        path.rmdir()
