"""Where a group's state lies among etcd's keys, and what each key means.

Owns the layout. Under `<root>/<group>/`:

    b/<session>                        beacon; lives and dies with the session's lease
    c/<role>/<generation>/<shard>/<seat>   claim; stays when its holder dies, so does its token
    g                                  written with every change: its revision is the group's
    m/<member>                         member record; on the session's lease
    r/<role>                           role record
    t/<key>                            record of the ledger; on a lease of its own kind

`c` to `r` are what is watched and viewed, in one range; beacons sort before it and records of the
ledger after it, so that neither ever wakes anybody. A claim is on no lease: it names its holder's
session, and is free as soon as that session's beacon is gone. So a lease holds two keys whatever
its session claims: its end is two deletions, for the server and for everybody who watches
(`test_a_session_of_many_claims_dies_as_cheaply_as_one`).
"""

from __future__ import annotations

from typing import NamedTuple

from coord.model import ClaimKey

__all__ = [
    "CHANGES",
    "CLAIM",
    "KINDS",
    "MEMBER",
    "RECORD",
    "ROLE",
    "Keys",
    "lease_of",
    "session_of",
]

CHANGES = b"g"
CLAIM = b"c/"
MEMBER = b"m/"
ROLE = b"r/"
RECORD = b"t/"
_BEACON = b"b/"
KINDS = frozenset({"b", "c", "g", "m", "r", "t"})
"""What the parts of a path are called that lie in a group."""
_AFTER_ROLES = b"r0"  # "0" follows "/"


class Span(NamedTuple):
    """All keys from `start` on, before `end`."""

    start: bytes
    end: bytes


class Keys:
    """The keys of one group."""

    def __init__(self, root: str, group: str) -> None:
        self.prefix = f"{root}/{group}/".encode()
        self.changes = self.prefix + CHANGES
        self.watched = Span(self.prefix + CLAIM, self.prefix + _AFTER_ROLES)
        self.beacons = _under(self.prefix + _BEACON)
        self._claims = self.prefix + CLAIM

    def member(self, name: str) -> bytes:
        """The record of the member of this name."""
        return self.prefix + MEMBER + name.encode()

    def beacon(self, session: str) -> bytes:
        """What this session said last; there exactly as long as the session lives."""
        return self.prefix + _BEACON + session.encode()

    def role(self, name: str) -> bytes:
        """The record of the role of this name."""
        return self.prefix + ROLE + name.encode()

    def claim(self, key: ClaimKey) -> bytes:
        """The state of this claim key."""
        return self._claims + b"%b/%d/%d/%d" % (key[0].encode(), key[1], key[2], key[3])

    def claims_of(self, role: str) -> Span:
        """All claims of a role, of whatever generation."""
        return _under(self._claims + role.encode() + b"/")

    def session_in(self, beacon_key: bytes) -> str:
        """The session whose beacon has this key."""
        return beacon_key[len(self.prefix) + len(_BEACON) :].decode(errors="replace")

    def parts(self, key: bytes) -> tuple[bytes, str]:
        """The kind of a key in the watched range, and what follows it."""
        rest = key[len(self.prefix) :]
        return rest[:2], rest[2:].decode(errors="replace")


def session_of(lease: int) -> str:
    """A session's id: the number of its lease, which we choose at random and use once."""
    return f"{lease:016x}"


def lease_of(session: str) -> int:
    """The number of the lease that a session is."""
    return int(session, 16)


def _under(prefix: bytes) -> Span:
    """All keys that begin with `prefix`, which ends with a slash."""
    return Span(prefix, prefix[:-1] + b"0")
