"""Small disks in memory for the data of a store, which can be filled.

Owns the mounts and what fills them. They exist in a mount namespace of our own, which this thread
enters for as long as they are needed: processes and threads that it starts see them and nobody else
does, and however we end, the kernel takes them away with the last of us. So nothing has to be swept
up. Root only; see the capability `tmpfs`, whose probe this is as a program:
`python -m coord.lab.chaos.disks FOLDER` makes one disk there, says why if it cannot, and ends.
"""

from __future__ import annotations

import ctypes
import os
import shutil
import sys
import threading
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Self

from coord.errors import ConfigError, UsageError
from coord.lab.errors import Unplayed

__all__ = ["CURE", "Disks"]

CURE = (
    "A container needs the capability CAP_SYS_ADMIN for it, and no profile that forbids it "
    "(docker run --cap-add SYS_ADMIN --security-opt apparmor=unconfined)"
)
"""What to do where none can be had."""

_OURS = "/proc/thread-self/ns/mnt"
_NEW_MOUNTS, _NEW_FOLDERS = 0x20000, 0x200  # CLONE_NEWNS, CLONE_FS
_NOSUID, _NODEV, _RECURSIVE, _PRIVATE = 2, 4, 1 << 14, 1 << 18
_DETACH = 2
_FILLER = "filler"
_LOOKS = 50
_PROBE_BYTES = 1 << 16


class Disks:
    """Disks by name. A context manager, entered and left by the main thread.

    It has to be the main thread, because the processes of the lab are started by that one. Raises
    ConfigError where the system lets us have no mounts of our own.
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
        with _refusing(), ExitStack() as entered:
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
        """The disk of that name, empty; only we may look into it. Raises ConfigError."""
        path = self._mounted.get(name)
        if path is not None:
            _empty(path)
            return path
        path = self._work / name
        path.mkdir(parents=True)
        options = f"size={self._size_bytes},mode=700"
        flags = _NOSUID | _NODEV
        with _refusing():
            _call("mount", b"none", os.fsencode(path), b"tmpfs", flags, options.encode())
        self._left.callback(_call, "umount2", os.fsencode(path), _DETACH)
        self._mounted[name] = path
        return path

    @contextmanager
    def filled(self, names: Iterable[str]) -> Iterator[None]:
        """No byte is free on these disks while the block runs, but what is freed by their owner.

        Raises Unplayed if others write faster than we can fill.
        """
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
    raise Unplayed(
        f"the disk {filler.parent.name} could not be filled: its owner writes to it too fast",
        cure="Run it again, on a machine that is less busy.",
    )


def _empty(path: Path) -> None:
    for entry in path.iterdir():
        if entry.is_dir():
            shutil.rmtree(entry)
        else:
            entry.unlink()


@contextmanager
def _refusing() -> Iterator[None]:
    """What the system refuses, in words: whoever asks us is no shell that reads numbers."""
    try:
        yield
    except OSError as error:
        raise ConfigError(
            f"no disk of our own can be mounted: {error.strerror}", cure=f"{CURE}."
        ) from error


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


def _main(folder: Path) -> int:
    try:
        with Disks(folder, size_bytes=_PROBE_BYTES) as disks:
            disks.place("probe")
    except ConfigError as error:
        sys.stderr.write(f"{error.cause}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(_main(Path(sys.argv[1])))
