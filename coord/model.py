"""The nouns of coord as immutable values: what a store keeps and what a view shows.

Owns identity, claims, records, beacons and their text form. Knows no clock, no I/O and no
rule about who may claim what. Everything here is frozen; equal values are interchangeable.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from functools import cached_property, lru_cache
from types import MappingProxyType
from typing import Any, NamedTuple

from coord.errors import ConfigError

__all__ = [
    "ALGORITHM_VERSION",
    "BEACON_LIMIT_BYTES",
    "MAX_NAME_LENGTH",
    "Beacon",
    "Claim",
    "ClaimKey",
    "Ending",
    "EndingKind",
    "LiveMember",
    "MemberRecord",
    "Note",
    "Overdue",
    "RoleRecord",
    "Shape",
    "View",
    "checked_name",
]

ALGORITHM_VERSION = 1
"""The assignment algorithm that this release speaks; members announce it in their record."""

BEACON_LIMIT_BYTES = 1024
"""What a beacon may weigh: it is written with every heartbeat of every member."""

MAX_NAME_LENGTH = 128
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:@-]*")


def checked_name(kind: str, name: str) -> str:
    """Return `name` if it may name a `kind` (group, member, role, zone); raise ConfigError else.

    One alphabet for all stores: it must survive znode paths, etcd prefixes, item keys and URLs.
    """
    if not isinstance(name, str) or len(name) > MAX_NAME_LENGTH or not _NAME.fullmatch(name):
        raise ConfigError(
            f"{name!r} cannot name a {kind}",
            cure=f"Use 1 to {MAX_NAME_LENGTH} of A-Z a-z 0-9 . _ : @ - and start with a letter "
            "or a digit.",
        )
    return name


class Shape(NamedTuple):
    """How a role is cut: `shards` parts, each led by up to `seats` members at once."""

    shards: int
    seats: int


class ClaimKey(NamedTuple):
    """What is claimed: one seat of one shard of one generation of a role. Also a guard's scope."""

    role: str
    generation: int
    shard: int
    seat: int

    def __str__(self) -> str:
        return f"{self.role}/{self.generation}/{self.shard}/{self.seat}"


class EndingKind(Enum):
    """How a tenure ended, where that matters to whoever comes next."""

    WEDGED = "wedged"  # owed progress and made none in time
    RAISED = "raised"  # user code raised
    LOST = "lost"  # its session died; whether it had made progress is not known
    DEPOSED = "deposed"  # an operator took it away
    RETURNED = "returned"  # user code returned: the member rests
    TENURE = "tenure"  # max_tenure was reached: somebody else's turn


_ENDING_KINDS = frozenset(kind.value for kind in EndingKind)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """One member's endings on one claim since the last progress that anybody made there.

    `bar_s` is how long the member is barred, counted by each observer from the moment it first
    saw this ending on its own clock: no two clocks are ever compared.
    """

    member: str
    kind: EndingKind
    count: int = 1
    bar_s: float = 0.0
    barren: bool = True
    """Whether the last of these tenures ended without any progress; only those can poison."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """What a claim tells the next holder. Written with each claim, release and deposal.

    `member` held it last; `clean` says whether it was let go of after the work had stopped;
    `lock_delay_s` is how long that holder's resource wants to be left alone otherwise;
    `poison_s` > 0 says that nobody shall take the claim for so long.
    """

    member: str = ""
    clean: bool = True
    lock_delay_s: float = 0.0
    poison_s: float = 0.0
    endings: tuple[Ending, ...] = ()

    def to_json(self) -> str:
        """Return a compact text that `from_json` reads back to an equal value."""
        out: dict[str, Any] = {"m": self.member, "c": int(self.clean)}
        if self.lock_delay_s:
            out["l"] = self.lock_delay_s
        if self.poison_s:
            out["p"] = self.poison_s
        if self.endings:
            out["e"] = [
                [e.member, e.kind.value, e.count, e.bar_s, int(e.barren)] for e in self.endings
            ]
        return json.dumps(out, separators=(",", ":"))

    @classmethod
    def from_json(cls, text: str | bytes) -> Note:
        """Read what `to_json` wrote. Unknown fields of later releases are ignored."""
        raw = json.loads(text) if text else {}
        return cls(
            member=raw.get("m", ""),
            clean=bool(raw.get("c", 1)),
            lock_delay_s=float(raw.get("l", 0.0)),
            poison_s=float(raw.get("p", 0.0)),
            endings=tuple(
                Ending(member=m, kind=EndingKind(k), count=n, bar_s=b, barren=bool(barren))
                for m, k, n, b, barren in (row[:5] for row in raw.get("e", ()))
                if k in _ENDING_KINDS
            ),
        )


@dataclass(frozen=True, slots=True)
class Claim:
    """A claim as a view shows it. `session` is its live holder, or None while it is free.

    `token` is the last token given out for this key, kept while the claim is free.
    """

    key: ClaimKey
    token: int
    session: str | None
    note: Note


@dataclass(frozen=True, slots=True, kw_only=True)
class MemberRecord:
    """What a member says of itself that rarely changes. Assignment reads nothing else of it.

    `roles`: the shape it declares of each role that it serves. `weight`, `max_shards` (per role):
    what it can take. `draining`: it hands all over. `stuck`: claims whose old code still runs here.
    """

    name: str
    incarnation: str
    zone: str = ""
    weight: float = 1.0
    max_shards: int | None = None
    draining: bool = False
    algorithm: int = ALGORITHM_VERSION
    roles: Mapping[str, Shape] = field(default_factory=lambda: MappingProxyType({}))
    host: str = ""
    pid: int = 0
    stuck: tuple[ClaimKey, ...] = ()

    def to_json(self) -> str:
        """Return a compact text that `from_json` reads back to an equal value."""
        return json.dumps(
            {
                "name": self.name,
                "incarnation": self.incarnation,
                "zone": self.zone,
                "weight": self.weight,
                "max_shards": self.max_shards,
                "draining": self.draining,
                "algorithm": self.algorithm,
                "roles": {name: list(shape) for name, shape in sorted(self.roles.items())},
                "host": self.host,
                "pid": self.pid,
                "stuck": self.stuck,
            },
            separators=(",", ":"),
        )

    @classmethod
    def from_json(cls, text: str | bytes) -> MemberRecord:
        """Read what `to_json` wrote. Unknown fields of later releases are ignored."""
        raw = json.loads(text)
        return cls(
            name=raw["name"],
            incarnation=raw["incarnation"],
            zone=raw.get("zone", ""),
            weight=float(raw.get("weight", 1.0)),
            max_shards=raw.get("max_shards"),
            draining=bool(raw.get("draining", False)),
            algorithm=int(raw.get("algorithm", 1)),
            roles=MappingProxyType({k: Shape(*v[:2]) for k, v in raw.get("roles", {}).items()}),
            host=raw.get("host", ""),
            pid=int(raw.get("pid", 0)),
            stuck=tuple(ClaimKey(*key[:4]) for key in raw.get("stuck", ())),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class RoleRecord:
    """A role as the group knows it; the first member to declare a role creates it.

    `pending` is the shape that `reshape` asked for: while it is set the old generation drains
    and nobody claims; when the last claim is free the record moves to the next generation.
    `token_base` is added to the store's native tokens, so that a group restored from a backup
    can be lifted above every token that was given out before. `version` is set by the store
    and grows with each write; 0 means that the record is not stored yet.
    """

    name: str
    shape: Shape
    generation: int = 1
    preferred: tuple[str, ...] = ()
    paused: bool = False
    pending: Shape | None = None
    token_base: int = 0
    version: int = 0

    @property
    def open(self) -> bool:
        """Whether anybody may hold a claim of this role now."""
        return not self.paused and self.pending is None

    def claim_keys(self) -> tuple[ClaimKey, ...]:
        """All claim keys of the current generation, seat 0 of every shard first; made once."""
        return _claim_keys(self.name, self.generation, self.shape)

    def to_json(self) -> str:
        """Return a compact text, without the version, that `from_json` reads back."""
        return json.dumps(
            {
                "name": self.name,
                "shape": list(self.shape),
                "generation": self.generation,
                "preferred": list(self.preferred),
                "paused": self.paused,
                "pending": list(self.pending) if self.pending else None,
                "token_base": self.token_base,
            },
            separators=(",", ":"),
        )

    @classmethod
    def from_json(cls, text: str | bytes, *, version: int) -> RoleRecord:
        """Read what `to_json` wrote; the store supplies the version."""
        raw = json.loads(text)
        pending = raw.get("pending")
        return cls(
            name=raw["name"],
            shape=Shape(*raw["shape"][:2]),
            generation=int(raw.get("generation", 1)),
            preferred=tuple(raw.get("preferred", ())),
            paused=bool(raw.get("paused", False)),
            pending=Shape(*pending[:2]) if pending else None,
            token_base=int(raw.get("token_base", 0)),
            version=version,
        )


@lru_cache(maxsize=16)
def _claim_keys(role: str, generation: int, shape: Shape) -> tuple[ClaimKey, ...]:
    shards, seats = range(shape.shards), range(shape.seats)
    return tuple(ClaimKey(role, generation, shard, seat) for seat in seats for shard in shards)


class Overdue(NamedTuple):
    """A claim whose holder owes progress and is late, as its beacon admits."""

    key: ClaimKey
    token: int
    progress: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Beacon:
    """What a member says with every heartbeat: only what is late, never what is well.

    At most `BEACON_LIMIT_BYTES` whatever the member holds; `more` counts what did not fit.
    """

    overdue: tuple[Overdue, ...] = ()
    more: int = 0

    def to_bytes(self) -> bytes:
        """Return the beacon within its size limit, leaving out what does not fit."""
        kept = len(self.overdue)
        while True:
            rows = [[*o.key, o.token, o.progress] for o in self.overdue[:kept]]
            more = self.more + len(self.overdue) - kept
            raw: dict[str, Any] = {}
            if rows:
                raw["o"] = rows
            if more:
                raw["n"] = more
            out = json.dumps(raw, separators=(",", ":")).encode()
            if len(out) <= BEACON_LIMIT_BYTES:
                return out
            kept //= 2

    @classmethod
    def from_bytes(cls, data: bytes) -> Beacon:
        """Read what `to_bytes` wrote. What later releases add is ignored."""
        raw = json.loads(data) if data else {}
        rows = [row[:6] for row in raw.get("o", ())]
        return cls(
            overdue=tuple(Overdue(ClaimKey(r, g, s, t), k, p) for r, g, s, t, k, p in rows),
            more=int(raw.get("n", 0)),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveMember:
    """A live session as a view shows it, with what the store can say of its end.

    `seq` grows with heartbeats (with which, `coord.spi.Session.heartbeat` says). `expires_at_s`, if
    the store can compare clocks, is the moment on the reader's own clock after which `evict` will
    succeed unless a newer heartbeat is there. `gone`: its process is dead, `evict` succeeds now.
    `seen_at_s`, on the same clock: when the reply came that first showed `seq`; None: this view's.
    """

    session: str
    record: MemberRecord
    ttl_s: float
    seq: int
    expires_at_s: float | None = None
    gone: bool = False
    seen_at_s: float | None = None


@dataclass(frozen=True, kw_only=True)
class View:
    """What a store showed at one moment: live members, claims, role records. Never changes.

    `revision` grows when anything but heartbeats changed: equal ones of one group mean equal
    records, claims and roles. `claims` holds every key that was ever claimed in a generation that
    still exists; a key that is absent is free and has never had a token.
    """

    group: str
    revision: int
    members: Mapping[str, LiveMember] = field(default_factory=dict)
    claims: Mapping[ClaimKey, Claim] = field(default_factory=dict)
    roles: Mapping[str, RoleRecord] = field(default_factory=dict)

    @cached_property
    def by_session(self) -> Mapping[str, tuple[Claim, ...]]:
        """The held claims of each live session, computed once a view."""
        out: dict[str, list[Claim]] = {}
        for claim in self.claims.values():
            if claim.session is not None:
                out.setdefault(claim.session, []).append(claim)
        return {session: tuple(claims) for session, claims in out.items()}

    @cached_property
    def memo(self) -> dict[Any, Any]:
        """A place for values that are functions of this view alone (assignment keeps its plans).

        They may not depend on what heartbeats change: such views share one (`with_members`).
        """
        return {}

    def with_members(self, members: Mapping[str, LiveMember]) -> View:
        """The same revision with newer heartbeats; shares everything already computed.

        For stores: `session`, `record` and `ttl_s` of each member must be the same.
        """
        newer = object.__new__(View)  # `replace` takes four times as long, and each read makes one
        newer.__dict__.update(self.__dict__, memo=self.memo, members=members)
        return newer
