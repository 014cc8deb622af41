"""The records of `coord.events/1` as values, sorted by kind: what all measures start from.

Owns reading records into types. Does no I/O (see `load`) and draws no conclusions. A log may come
from many processes of one machine and one boot; their clock is one, so nothing is aligned.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Hashable, Iterable, Mapping
from dataclasses import dataclass, field
from operator import attrgetter
from typing import Any, NamedTuple, TypeVar

from coord.errors import UsageError
from coord.model import ClaimKey, Shape
from coord.telemetry.schema import SCHEMA, fault_in

__all__ = [
    "Act",
    "Backlog",
    "End",
    "Extension",
    "FaultMark",
    "Lead",
    "Log",
    "MemberMark",
    "Note",
    "Progress",
    "RoleMark",
    "RoundMark",
    "Rpc",
    "Trust",
    "Who",
]

_NEVER = float("inf")


class Who(NamedTuple):
    """One process of one member: a member that is started again is somebody else."""

    member: str
    pid: int


@dataclass(frozen=True, slots=True)
class Record:
    """What all have: the moment on the boot clock, and the process it speaks of."""

    t: float
    who: Who


@dataclass(frozen=True, slots=True)
class MemberMark(Record):
    """The member started or stopped."""

    state: str


@dataclass(frozen=True, slots=True)
class RoleMark(Record):
    """The role has this shape from now on."""

    role: str
    generation: int
    shape: Shape
    queue: bool = False
    """Its shards are partitions of a queue, and each seat is one item: see `items`."""


@dataclass(frozen=True, slots=True)
class Lead(Record):
    """A tenure began. It may act until `until_s` unless a trust record says later."""

    key: ClaimKey
    token: int
    until_s: float
    asked_s: float


@dataclass(frozen=True, slots=True)
class Extension(Record):
    """One tenure, and no other, may act until `until_s`."""

    key: ClaimKey
    token: int
    until_s: float


@dataclass(frozen=True, slots=True)
class End(Record):
    """A tenure ended."""

    key: ClaimKey
    token: int
    why: str


@dataclass(frozen=True, slots=True)
class Trust(Record):
    """All tenures of this process may act until `until_s`."""

    until_s: float


@dataclass(frozen=True, slots=True)
class Act(Record):
    """An act reached a resource; `t` is when the outcome was known."""

    key: ClaimKey
    token: int
    resource: str
    fenced: bool
    accepted: bool
    start_s: float
    seq: int | None
    units: tuple[str, ...]
    error: str


@dataclass(frozen=True, slots=True)
class Progress(Record):
    """User code said that it got something done."""

    key: ClaimKey
    token: int


@dataclass(frozen=True, slots=True)
class Backlog(Record):
    """These units are due from now on and this shard's to do."""

    role: str
    shard: int
    units: tuple[str, ...]
    seat: int | None = None
    """On a queue: the item that these units are."""


@dataclass(frozen=True, slots=True)
class Rpc(Record):
    """A call to the store."""

    op: str
    start_s: float
    end_s: float
    ok: bool
    requests: int


@dataclass(frozen=True, slots=True)
class FaultMark(Record):
    """A phase of an injected fault; `who` is its target."""

    fault: str
    mark: str
    phase: str


@dataclass(frozen=True, slots=True)
class RoundMark(Record):
    """A measured stretch started or ended."""

    number: int
    mode: str
    fault: str
    state: str


@dataclass(frozen=True, slots=True)
class Note(Record):
    """A remark of the core."""

    what: str
    detail: str


RecordT = TypeVar("RecordT", bound=Record)
T = TypeVar("T")
_Maker = Callable[[float, Who, Mapping[str, Any]], Record]


def _key(raw: Mapping[str, Any]) -> ClaimKey:
    return ClaimKey(raw["role"], raw["generation"], raw["shard"], raw["seat"])


def _belief(t: float, who: Who, raw: Mapping[str, Any]) -> Record:
    if raw["state"] == "end":
        return End(t, who, _key(raw), raw["token"], raw.get("why", ""))
    asked = raw.get("asked")
    until_s = _NEVER if raw.get("until") is None else raw["until"]
    if raw["state"] == "extend":
        return Extension(t, who, _key(raw), raw["token"], until_s)
    return Lead(t, who, _key(raw), raw["token"], until_s, t if asked is None else asked)


def _trust(t: float, who: Who, raw: Mapping[str, Any]) -> Record:
    return Trust(t, who, _NEVER if raw["until"] is None else raw["until"])


def _act(t: float, who: Who, raw: Mapping[str, Any]) -> Record:
    return Act(
        t,
        who,
        _key(raw),
        raw["token"],
        raw["resource"],
        raw["fenced"],
        raw["accepted"],
        raw.get("start", t),
        raw.get("seq"),
        tuple(raw.get("units", ())),
        raw.get("error", ""),
    )


_MAKERS: Mapping[str, _Maker] = {
    "member": lambda t, who, raw: MemberMark(t, who, raw["state"]),
    "role": lambda t, who, raw: RoleMark(
        t,
        who,
        raw["role"],
        raw["generation"],
        Shape(raw["shards"], raw["seats"]),
        raw.get("queue", False),
    ),
    "belief": _belief,
    "trust": _trust,
    "act": _act,
    "progress": lambda t, who, raw: Progress(t, who, _key(raw), raw["token"]),
    "backlog": lambda t, who, raw: Backlog(
        t, who, raw["role"], raw["shard"], tuple(raw["units"]), raw.get("seat")
    ),
    "rpc": lambda t, who, raw: Rpc(
        t, who, raw["op"], raw["start"], raw["end"], raw["ok"], raw.get("requests", 1)
    ),
    "fault": lambda t, who, raw: FaultMark(t, who, raw["fault"], raw["id"], raw["phase"]),
    "round": lambda t, who, raw: RoundMark(
        t, who, raw["number"], raw["mode"], raw["fault"], raw["state"]
    ),
    "note": lambda t, who, raw: Note(t, who, raw["what"], raw["detail"]),
}


@dataclass(frozen=True, slots=True)
class Log:
    """All records of a run, by time. `damaged` names the lines that a full disk cut short."""

    records: tuple[Record, ...] = ()
    damaged: tuple[str, ...] = ()
    _by_type: dict[type[Record], tuple[Record, ...]] = field(default_factory=dict, repr=False)
    _derived: dict[Hashable, Any] = field(default_factory=dict, repr=False, compare=False)

    @classmethod
    def of(cls, records: Iterable[Record], *, damaged: Iterable[str] = ()) -> Log:
        """Sort records by time; those of one moment keep their order."""
        ordered = tuple(sorted(records, key=attrgetter("t")))
        kinds: dict[type[Record], list[Record]] = {}
        for record in ordered:
            kinds.setdefault(type(record), []).append(record)
        return cls(ordered, tuple(damaged), {kind: tuple(of) for kind, of in kinds.items()})

    @classmethod
    def parse(cls, lines: Iterable[tuple[str, str]]) -> Log:
        """Read lines, each with its place ("file:number").

        A line that is no JSON is damage, and remembered. Raises UsageError for a record that
        breaks the schema, for another schema, and for logs of two boots, whose clocks differ.
        """
        records: list[Record] = []
        damaged: list[str] = []
        boots: dict[str, str] = {}
        for place, line in lines:
            try:
                raw = json.loads(line)
            except ValueError:
                damaged.append(place)
                continue
            wrong = fault_in(raw) if isinstance(raw, dict) else "it is no object"
            if wrong is not None:
                raise UsageError(
                    f"{place} is no record of {SCHEMA}: {wrong}",
                    cure="See docs/events.md for the fields of each kind.",
                )
            if raw["kind"] == "log":
                _check_header(place, raw, boots)
                continue
            records.append(_MAKERS[raw["kind"]](raw["t"], Who(raw["member"], raw["pid"]), raw))
        return cls.of(records, damaged=damaged)

    def all(self, kind: type[RecordT]) -> tuple[RecordT, ...]:
        """The records of one kind, by time."""
        return self._by_type.get(kind, ())  # type: ignore[return-value]

    def once(self, name: Hashable, make: Callable[[], T]) -> T:
        """What follows from this log alone and is asked for often: made once. Never change it."""
        if name not in self._derived:
            self._derived[name] = make()
        found: T = self._derived[name]
        return found

    @property
    def start_s(self) -> float:
        """The moment of the first record; 0 if there is none."""
        return self.records[0].t if self.records else 0.0

    @property
    def end_s(self) -> float:
        """The moment of the last record; 0 if there is none."""
        return self.records[-1].t if self.records else 0.0


def _check_header(place: str, raw: Mapping[str, Any], boots: dict[str, str]) -> None:
    if raw["schema"] != SCHEMA:
        raise UsageError(
            f"{place} is written as {raw['schema']}, and this release reads {SCHEMA}",
            cure="Read it with the release that wrote it, or run the experiment again.",
        )
    boots[raw["boot"]] = place
    if len(boots) > 1:
        raise UsageError(
            f"{' and '.join(boots.values())} come from two boots or machines, whose clocks differ",
            cure="Measure each of them by itself.",
        )
