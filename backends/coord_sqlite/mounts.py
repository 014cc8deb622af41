"""On what kind of filesystem a path lies, read from the text of /proc/self/mountinfo.

Owns the list of filesystems that are refused, with the reasons. Pure: text in, findings out.
"""

from __future__ import annotations

import re
from typing import NamedTuple

__all__ = ["Mount", "mount_of", "reason_to_refuse"]

# Where two machines can have the same file, SQLite's shared memory and locks span only one.
_SHARED_BY_MACHINES = frozenset(
    {
        "9p", "acfs", "afs", "beegfs", "ceph", "cifs", "coda", "davfs", "gfs2", "glusterfs", "gpfs",
        "lustre", "ncpfs", "nfs", "nfs4", "ocfs2", "orangefs", "pvfs2", "smb2", "smb3", "smbfs",
        "wekafs",
    }
)  # fmt: skip
# Where a virtual machine sees a folder of its host: mapped memory is not shared across.
_SHARED_WITH_HOST = frozenset({"fuse.grpcfuse", "prl_fs", "vboxsf", "virtiofs", "vmhgfs"})
# FUSE filesystems that keep their files on this machine.
_LOCAL_FUSE = frozenset({"fuse.ext2", "fuse.fuse-overlayfs", "fuse.ntfs-3g"})


class Mount(NamedTuple):
    """One line of mountinfo, as far as it matters here."""

    point: str
    kind: str


def mount_of(path: str, mountinfo: str) -> Mount | None:
    """The mount that `path` (absolute, without symbolic links) lies on; None if none fits."""
    best: Mount | None = None
    for line in mountinfo.splitlines():
        mount = _parsed(line)
        if mount is None or not _covers(mount.point, path):
            continue
        if best is None or len(mount.point) >= len(best.point):  # a later one hides an earlier
            best = mount
    return best


def reason_to_refuse(kind: str) -> str:
    """Why a filesystem of this kind cannot carry the file; empty if it can."""
    if kind in _SHARED_BY_MACHINES:
        return "which several machines can mount, while SQLite's locks and shared memory span one"
    if kind in _SHARED_WITH_HOST:
        return "which a virtual machine shares with its host, and mapped memory is not shared"
    if kind.startswith("fuse.") and kind not in _LOCAL_FUSE:
        return "which is not known to keep its files, locks and shared memory on this machine"
    return ""


def _parsed(line: str) -> Mount | None:
    """`id parent dev root POINT options [optional…] - KIND source superoptions`."""
    fields = line.split(" ")
    try:
        kind = fields[fields.index("-") + 1]
        return Mount(_unescaped(fields[4]), kind)
    except (ValueError, IndexError):
        return None


def _unescaped(text: str) -> str:
    return re.sub(r"\\([0-7]{3})", lambda found: chr(int(found[1], 8)), text)


def _covers(point: str, path: str) -> bool:
    return path == point or path.startswith(point.rstrip("/") + "/")
