"""Reading the mount table, and which filesystems are refused."""

from __future__ import annotations

import pytest

from coord_sqlite.mounts import Mount, mount_of, reason_to_refuse

TABLE = r"""
22 27 0:21 / /proc rw,relatime - proc proc rw
27 1 254:0 / / rw,relatime - ext4 /dev/vda rw
30 27 0:30 / /srv rw shared:4 master:2 - nfs4 nas:/srv rw,vers=4.2
31 27 254:0 /data /srv/local rw shared:5 - ext4 /dev/vda rw
32 27 0:31 / /mnt/with\040space rw - fuse.sshfs a:/b rw
33 27 254:0 /one.db /srv/local/one.db rw - ext4 /dev/vda rw
34 27 0:40 / /mnt/twice rw - nfs nas:/x rw
35 27 254:1 / /mnt/twice rw - xfs /dev/vdb rw
a line that is none
"""


@pytest.mark.parametrize(
    ("path", "mount"),
    [
        ("/var/x.db", Mount("/", "ext4")),
        ("/srv/x.db", Mount("/srv", "nfs4")),
        ("/srvx/x.db", Mount("/", "ext4")),
        ("/srv/local/x.db", Mount("/srv/local", "ext4")),
        ("/srv/local/one.db", Mount("/srv/local/one.db", "ext4")),
        ("/mnt/with space/x.db", Mount("/mnt/with space", "fuse.sshfs")),
        ("/mnt/twice/x.db", Mount("/mnt/twice", "xfs")),
    ],
)
def test_the_innermost_and_latest_mount_counts(path: str, mount: Mount) -> None:
    assert mount_of(path, TABLE) == mount


def test_without_a_table_nothing_is_known() -> None:
    assert mount_of("/var/x.db", "") is None


@pytest.mark.parametrize(
    "kind", ["nfs", "nfs4", "cifs", "smb3", "9p", "ceph", "lustre", "gfs2", "glusterfs", "afs"]
)
def test_filesystems_of_several_machines_are_refused(kind: str) -> None:
    assert "several machines" in reason_to_refuse(kind)


@pytest.mark.parametrize("kind", ["virtiofs", "vboxsf", "fuse.grpcfuse"])
def test_folders_shared_with_a_host_are_refused(kind: str) -> None:
    assert "host" in reason_to_refuse(kind)


@pytest.mark.parametrize("kind", ["fuse.sshfs", "fuse.s3fs", "fuse.rclone", "fuse.never-heard-of"])
def test_unknown_filesystems_in_user_space_are_refused(kind: str) -> None:
    assert "not known" in reason_to_refuse(kind)


@pytest.mark.parametrize(
    "kind", ["ext4", "xfs", "btrfs", "zfs", "tmpfs", "overlay", "fuseblk", "fuse.fuse-overlayfs"]
)
def test_local_filesystems_are_taken(kind: str) -> None:
    assert reason_to_refuse(kind) == ""
