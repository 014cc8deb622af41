"""Small disks in memory for the data of a store, which can be filled.

Owns the mounts and what fills them. They exist in a mount namespace of our own, which this thread
enters for as long as they are needed: processes and threads that it starts see them and nobody else
does, and however we end, the kernel takes them away with the last of us. So nothing has to be swept
up. Root only; see the capability `tmpfs`.
"""

from __future__ import annotations

import ctypes
import errno
import os
import shutil
import threading
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Self

from coord.errors import UsageError

__all__ = ["Disks"]

_OURS = "/proc/thread-self/ns/mnt"
_NEW_MOUNTS, _NEW_FOLDERS = 0x20000, 0x200  # CLONE_NEWNS, CLONE_FS
_NOSUID, _NODEV, _RECURSIVE, _PRIVATE = 2, 4, 1 << 14, 1 << 18
_DETACH = 2
_FILLER = "filler"
_LOOKS = 50


class Disks:
    """Disks by name. A context manager, entered and left by the main thread.

    It has to be the main thread, because the processes of the lab are started by that one.
    """

    def __init__(self, work: Path, *, size_bytes: int) -> None:
        """`work`: where they are mounted; made if it is not there."""
        self._work = work
        self._size_bytes = size_bytes
        self._mounted: dict[str, Path] = {}
        self._left = ExitStack()

    def __enter__(self) -> Self:
        if threading.current_thread() is not threading.main_thread():
            raise UsageError(
                "disks of our own were asked for by another thread than the main one",
                cure="Play scenarios with the fault disk-full in the main thread.",
            )
        with ExitStack() as entered:
            before = os.open(_OURS, os.O_RDONLY | os.O_CLOEXEC)
            entered.callback(os.close, before)
            _call("unshare", _NEW_MOUNTS)
            entered.callback(_go_back, before, Path.cwd())
            _call("mount", b"none", b"/", None, _RECURSIVE | _PRIVATE, None)
            self._left = entered.pop_all()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._mounted.clear()
        self._left.close()

    def place(self, name: str) -> Path:
        """The disk of that name, empty; only we may look into it. Raises OSError."""
        path = self._mounted.get(name)
        if path is not None:
            _empty(path)
            return path
        path = self._work / name
        path.mkdir(parents=True)
        options = f"size={self._size_bytes},mode=700"
        _call("mount", b"none", os.fsencode(path), b"tmpfs", _NOSUID | _NODEV, options.encode())
        self._left.callback(_call, "umount2", os.fsencode(path), _DETACH)
        self._mounted[name] = path
        return path

    @contextmanager
    def filled(self, names: Iterable[str]) -> Iterator[None]:
        """No byte is free on these disks while the block runs, but what is freed by their owner."""
        try:
            for name in names:
                _fill(self._mounted[name] / _FILLER)
            yield
        finally:
            self.free(names)

    def is_full(self, name: str) -> bool:
        """Whether that disk is filled now."""
        return (self._mounted[name] / _FILLER).exists()

    def free(self, names: Iterable[str]) -> None:
        """Take away what fills these disks, if they are filled."""
        for name in names:
            (self._mounted[name] / _FILLER).unlink(missing_ok=True)


def _fill(filler: Path) -> None:
    """Its owner may write meanwhile, so that there is less room than there just was: look again."""
    with filler.open("wb") as file:
        for _ in range(_LOOKS):
            room = os.statvfs(filler.parent)
            with suppress(OSError):
                os.posix_fallocate(file.fileno(), 0, max(1, room.f_bavail * room.f_frsize))
                return
    raise OSError(errno.EBUSY, f"{filler.parent} could not be filled: others write there too fast")


def _empty(path: Path) -> None:
    for entry in path.iterdir():
        if entry.is_dir():
            shutil.rmtree(entry)
        else:
            entry.unlink()


def _go_back(before: int, folder: Path) -> None:
    """Into the namespace that we came from. It refuses threads that share their folder, as those
    do that a client library has started from here meanwhile; so that is unshared first.
    """
    _call("unshare", _NEW_FOLDERS)
    _call("setns", before, _NEW_MOUNTS)
    os.chdir(folder)


def _call(name: str, *arguments: object) -> None:
    library = ctypes.CDLL(None, use_errno=True)
    if getattr(library, name)(*arguments) != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{name}: {os.strerror(number)}")
