"""Where the ledger's records lie among ZooKeeper's nodes, and how they are written and removed.

Owns names, texts, and the transactions; sends nothing. Under `/<chroot>/<group>/ledger/`:

    <bucket>              one of 256, by a digest of the key: no directory grows without bounds
    <bucket>/<key>        `keep_s`, a line break, the record; characters of the key that no path
                          may have are written %XX

A version starts from 0 when a node is made anew, so the version alone is no proof that nothing has
changed. Therefore every removal of garbage writes the bucket's own node in the same transaction,
and every write of a record checks that the bucket is at the version at which the record was seen:
a write that was decided before a removal fails, however late it lands
(`tags_are_never_used_again_after_a_removal`). Records do not touch their bucket, so writers of one
bucket are not in each other's way.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import NamedTuple
from urllib.parse import quote

from coord.tasks.spi import Entry
from coord_zookeeper.requests import Node, Op, Stat, check, create, delete, set_data

__all__ = ["Place", "Seen", "data_text", "entry_of", "is_garbage", "removing", "tag_of", "writing"]

_DIRECTORY = "ledger"
_GRACE_S = 5.0


class Place(NamedTuple):
    """The paths of one group's records."""

    group: str
    root: str

    @classmethod
    def of(cls, group_root: str) -> Place:
        """Below a group's own node."""
        return cls(group_root, f"{group_root}/{_DIRECTORY}")

    def bucket(self, key: str) -> str:
        """The directory of a key's record."""
        digest = hashlib.blake2b(key.encode(), digest_size=1).hexdigest()
        return f"{self.root}/{digest}"

    def record(self, key: str) -> str:
        """The node of a key's record."""
        return f"{self.bucket(key)}/{quote(key, safe='').replace('.', '%2E')}"


class Seen(NamedTuple):
    """A record as it was seen, and the version that its bucket had then. `born` 0: none."""

    bucket_version: int
    born: int = 0
    version: int = 0

    @classmethod
    def of(cls, bucket: Node, node: Node | None) -> Seen:
        """What one reading of both shows."""
        if node is None:
            return cls(bucket.stat.version)
        return cls(bucket.stat.version, node.stat.czxid, node.stat.version)

    @property
    def tag(self) -> str | None:
        """The tag of the record; None if there is none."""
        return f"{self.born:x}.{self.version}" if self.born else None


def tag_of(stat: Stat) -> str:
    """The tag of a record: which transaction made the node, and how often it was written since."""
    return f"{stat.czxid:x}.{stat.version}"


def entry_of(node: Node) -> Entry:
    """The record in a node."""
    return Entry(tag_of(node.stat), node.data.partition(b"\n")[2])


def data_text(body: bytes, keep_s: float) -> bytes:
    """What is stored in a record's node."""
    return b"%d\n%b" % (int(keep_s) + 1, body)


def writing(place: Place, key: str, data: bytes, seen: Seen, acl: bytes) -> list[Op]:
    """Write a record over what was seen. If that is nothing the node is made and then written, for
    only a writing's answer tells of the node.
    """
    path = place.record(key)
    ops = [check(place.bucket(key), seen.bucket_version)]
    if not seen.born:
        ops.append(create(path, b"", acl))
    return [*ops, set_data(path, data, seen.version)]


def is_garbage(node: Node, now_ms: int) -> bool:
    """Whether a record's time is over. Both times are the servers' own."""
    keep_text = node.data.partition(b"\n")[0]
    if not keep_text.isdigit():
        return False
    return now_ms - node.stat.mtime > (int(keep_text) + _GRACE_S) * 1000


def removing(bucket: str, bucket_version: int, nodes: Iterable[tuple[str, Node]]) -> list[Op]:
    """Remove records that are as they were seen, and let whoever saw them know."""
    ops = [check(bucket, bucket_version)]
    for path, node in nodes:
        ops += [check(path, node.stat.version), delete(path)]
    return [*ops, set_data(bucket, b"", bucket_version)]
