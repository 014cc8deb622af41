"""What is checked before a file is used, and refused with cause and cure.

Owns the checks of the path and of the neighbours. Writes nothing, creates nothing. The dangers:

- A file on a network filesystem, or of which each side sees its own -wal and -shm (a bind mount
  of the file alone, a hard link under another name), lets both sides claim the same key under the
  same token. Three independent looks: the mount table, the number of names, and the kernel's
  locks: if anybody has the database open, somebody must have *our* -shm file open
  (`tests/integration/sqlite/test_refusals.py`).
- A file of somebody else's must stay as it is.
"""

from __future__ import annotations

import os
import sqlite3
import stat
import time
from pathlib import Path

from coord.clock import SYSTEM_CLOCK
from coord.errors import StoreRefused
from coord_sqlite.locks import others_have_database_open, others_have_index_open
from coord_sqlite.mounts import mount_of, reason_to_refuse
from coord_sqlite.schema import check_is_ours, is_missing

__all__ = ["check_neighbours", "check_path", "mount_table"]

_SQLITE_NEEDED = (3, 24, 0)  # upsert
_ONE_DIRECTORY = "Mount, or share, the whole directory that the file lies in, not the file alone."


def mount_table() -> str:
    """The mounts that this process sees; empty where the system does not say."""
    try:
        return Path("/proc/self/mountinfo").read_text(encoding="utf-8", errors="surrogateescape")
    except OSError:
        return ""


def check_path(path: str, mountinfo: str) -> None:
    """Raise `StoreRefused` if `path` (absolute, resolved) cannot carry a store."""
    if sqlite3.sqlite_version_info < _SQLITE_NEEDED:
        raise StoreRefused(
            f"this Python carries SQLite {sqlite3.sqlite_version}",
            cure="It must be 3.24 or newer.",
        )
    directory = str(Path(path).parent)
    _check_directory(directory)
    _check_mounts(path, mountinfo)
    try:
        found = Path(path).stat()
    except FileNotFoundError:
        found = None
    if found is not None:
        _check_file(path, found)
    # Root passes every check of rights; what remains for it is a filesystem mounted read-only.
    if not os.access(directory, os.W_OK | os.X_OK):
        raise StoreRefused(
            f"the directory {directory} is not writable",
            cure="SQLite keeps its log and index beside the file: give members write access.",
        )
    if found is not None and not is_missing(path):
        check_is_ours(path)


def _check_directory(directory: str) -> None:
    try:
        found = Path(directory).stat()
    except OSError as error:
        raise StoreRefused(
            f"the directory {directory} cannot be used ({error.strerror})",
            cure="Make it first; coord makes the file, not the directory.",
        ) from error
    if not stat.S_ISDIR(found.st_mode):
        raise StoreRefused(
            f"{directory} is not a directory", cure="Name a file in a directory that exists."
        )


def _check_mounts(path: str, mountinfo: str) -> None:
    for name in (path, path + "-wal", path + "-shm"):
        mount = mount_of(name, mountinfo)
        if mount is not None and mount.point == name:
            raise StoreRefused(
                f"{name} is a mount of a single file: whoever else uses the file has another "
                "log and index beside it, and both would win the same claims",
                cure=_ONE_DIRECTORY,
            )
    mount = mount_of(path, mountinfo)
    reason = reason_to_refuse(mount.kind) if mount is not None else ""
    if mount is not None and reason:
        raise StoreRefused(
            f"{path} lies on {mount.kind} (mounted at {mount.point}), {reason}",
            cure="Put it on a local disk; for several machines use etcd, ZooKeeper or DynamoDB.",
        )


def _check_file(path: str, found: os.stat_result) -> None:
    if not stat.S_ISREG(found.st_mode):
        raise StoreRefused(f"{path} is not a regular file", cure="Name a file of coord's own.")
    if found.st_nlink != 1:
        raise StoreRefused(
            f"{path} has {found.st_nlink} names (hard links): each name has another log beside it, "
            "and users of both would win the same claims",
            cure=f"Keep one name; find the others with: find -inum {found.st_ino}",
        )
    if not os.access(path, os.R_OK | os.W_OK):
        raise StoreRefused(
            f"{path} is read-only for this process",
            cure="Every member needs read and write access to the file and to its directory.",
        )


def check_neighbours(path: str, *, timeout_s: float) -> None:
    """Raise `StoreRefused` if others use this file beside another -shm than we do.

    Our own connection must be open. A process that is just opening or closing the file shows the
    same picture for an instant, so the finding must last for the whole timeout.
    """
    deadline_s = SYSTEM_CLOCK.now() + timeout_s
    while others_have_database_open(path) and not others_have_index_open(path):
        if SYSTEM_CLOCK.now() >= deadline_s:
            raise StoreRefused(
                f"another process has {path} open, but not the log and index beside it: it sees "
                "the file in another directory, and both sides would win the same claims",
                cure=_ONE_DIRECTORY,
            )
        time.sleep(0.002)
