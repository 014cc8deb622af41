"""Where a group keeps what, and how it is written: paths, names and texts.

Owns the layout under `/<chroot>/<group>`. Sends nothing and decides nothing.

    members/<name>            ephemeral: session, incarnation, ttl, member record; one of a name
    sessions/<sid>            ephemeral: heartbeat number; there as long as the session lives
    beacons/<sid>=<n>=<text>  ephemeral: heartbeat number and beacon, both in the name
    roles/<role>              role record
    claims/<key>=<n>          holder's session, token, note; `n` counts the key's changes
    keys/<key>                empty: the key was claimed before, so a first claim comes too late
    bell                      written with each change; its data means nothing

The law of `claims`: a node is never written twice. Each change of a key deletes one node and makes
the next, in one transaction. So the delete is the comparison with what was known (a node of this
name is there only as it was read), and whoever has read a name need never read it again: listing
names tells exactly what changed (`test_a_view_reads_only_what_changed`).
"""

from __future__ import annotations

import binascii
from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import NamedTuple

from coord.codec import key_of
from coord.model import ClaimKey
from coord_zookeeper.requests import Op, set_data

__all__ = ["BeaconName", "Layout", "beacon_of", "claim_name", "key_name", "named_key"]

_BEACON_PARTS = 3


class Layout(NamedTuple):
    """The paths of one group."""

    parent: str
    root: str
    members: str
    sessions: str
    beacons: str
    roles: str
    claims: str
    keys: str
    bell: str

    @classmethod
    def of(cls, parents: tuple[str, ...], group: str) -> Layout:
        """Below a chroot, which may be empty."""
        parent = "".join(f"/{part}" for part in parents)
        root = f"{parent}/{group}"
        parts = ("members", "sessions", "beacons", "roles", "claims", "keys", "bell")
        return cls(parent or "/", root, *(f"{root}/{part}" for part in parts))

    def ring(self) -> Op:
        """Tell watchers that something has changed."""
        return set_data(self.bell, b"")

    def claim(self, name: str) -> str:
        """The path of a claim's node."""
        return f"{self.claims}/{name}"

    def key(self, key: ClaimKey) -> str:
        """The path of the node that says that a key was claimed before."""
        return f"{self.keys}/{key_name(key)}"

    def session(self, sid: str) -> str:
        """The path of the node that is there while a session lives."""
        return f"{self.sessions}/{sid}"


class BeaconName(NamedTuple):
    """What the name of a beacon's node says."""

    sid: str
    seq: int
    text: str

    def __str__(self) -> str:
        return f"{self.sid}={self.seq}={self.text}"

    @classmethod
    def made(cls, sid: str, seq: int, payload: bytes) -> BeaconName:
        """The name that carries `payload`."""
        return cls(sid, seq, urlsafe_b64encode(payload).decode().rstrip("="))

    @property
    def payload(self) -> bytes:
        """The beacon; empty if it cannot be read."""
        try:
            return urlsafe_b64decode(self.text + "=" * (-len(self.text) % 4))
        except (ValueError, binascii.Error):
            return b""


def beacon_of(name: str) -> BeaconName | None:
    """What a beacon's name says; None if it is none."""
    parts = name.split("=")
    if len(parts) != _BEACON_PARTS or not (parts[1].isascii() and parts[1].isdigit()):
        return None
    return BeaconName(parts[0], int(parts[1]), parts[2])


def key_name(key: ClaimKey) -> str:
    """A key as part of a name; no part of it may hold a comma or an equals sign."""
    return ",".join(map(str, key))


def claim_name(key: ClaimKey, number: int) -> str:
    """The name of the node that holds a key after so many changes."""
    return f"{key_name(key)}={number}"


def named_key(name: str) -> tuple[ClaimKey, int] | None:
    """What a claim's name says; None if it is none."""
    text, _, number = name.rpartition("=")
    key = key_of(text, ",")
    if key is None or not (number.isascii() and number.isdigit()):
        return None
    return key, int(number)
