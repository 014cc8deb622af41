"""What to do next: not how, nor by whom.

Owns the vocabulary that the machine speaks to its driver. `StoreCommand`s become one store call
each, in the order given, except heartbeats, which go their own way so that nothing delays them.
The others are for the runtime around user code.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from coord.config import Role
from coord.core.lease import Lease
from coord.errors import CoordError
from coord.model import ClaimKey, MemberRecord, RoleRecord
from coord.spi import ClaimRequest, Observed, Proof, Tenure

__all__ = [
    "Amend",
    "Claim",
    "CloseSession",
    "Command",
    "Depose",
    "Evict",
    "Fail",
    "Heartbeat",
    "OpenSession",
    "Opened",
    "PutRole",
    "ReadBeacons",
    "ReadView",
    "Release",
    "Report",
    "StartTerm",
    "StopTerm",
    "StoreCommand",
    "UpdateRecord",
]


class Opened(NamedTuple):
    """The value of a finished `OpenSession`: the core sees ids and proofs, never a session."""

    session: str
    ttl_s: float
    proof: Proof


@dataclass(frozen=True, slots=True)
class Command:
    """Something to be done."""


@dataclass(frozen=True, slots=True)
class StoreCommand(Command):
    """One store call."""


@dataclass(frozen=True, slots=True)
class OpenSession(StoreCommand):
    """Make the member live. Done with `Opened`."""

    record: MemberRecord
    ttl_s: float


@dataclass(frozen=True, slots=True)
class Heartbeat(StoreCommand):
    """Renew. Done with a `Proof`. Never queued behind other calls."""

    session: str
    beacon: bytes


@dataclass(frozen=True, slots=True)
class Claim(StoreCommand):
    """Try to take claims. Done with a list of `Claimed` and `Held`."""

    session: str
    requests: tuple[ClaimRequest, ...]


@dataclass(frozen=True, slots=True)
class Release(StoreCommand):
    """Give claims back."""

    session: str
    tenures: tuple[Tenure, ...]


@dataclass(frozen=True, slots=True)
class Amend(StoreCommand):
    """Replace the notes of held claims."""

    session: str
    tenures: tuple[Tenure, ...]


@dataclass(frozen=True, slots=True)
class UpdateRecord(StoreCommand):
    """Replace the member record."""

    session: str
    record: MemberRecord


@dataclass(frozen=True, slots=True)
class CloseSession(StoreCommand):
    """End the session, best effort, once."""

    session: str


@dataclass(frozen=True, slots=True)
class ReadView(StoreCommand):
    """Read the group. Done with a `View`."""


@dataclass(frozen=True, slots=True)
class ReadBeacons(StoreCommand):
    """Read the beacons. Done with a mapping of session to `BeaconSeen`."""


@dataclass(frozen=True, slots=True)
class Evict(StoreCommand):
    """End a dead peer's session. Done with a bool."""

    observed: Observed


@dataclass(frozen=True, slots=True)
class Depose(StoreCommand):
    """Take a claim from a faux leader. Done with a bool."""

    tenure: Tenure


@dataclass(frozen=True, slots=True)
class PutRole(StoreCommand):
    """Create a role record, or move it to its next generation."""

    record: RoleRecord


@dataclass(frozen=True, slots=True)
class StartTerm(Command):
    """The claim is ours: give user code a term. `token` is lifted by the role's token base.

    `asked_s` is when the request that won it was sent.
    """

    number: int
    key: ClaimKey
    token: int
    role: Role
    lease: Lease
    asked_s: float


@dataclass(frozen=True, slots=True)
class StopTerm(Command):
    """Ask user code to stop; `now_over` says that the claim is already not ours."""

    number: int
    key: ClaimKey
    why: str
    now_over: bool


@dataclass(frozen=True, slots=True)
class Report(Command):
    """A decision or a trouble worth a log line: a fixed `kind`, and its particulars."""

    kind: str
    detail: str


@dataclass(frozen=True, slots=True)
class Fail(Command):
    """The member cannot go on; `error` says why and what to do."""

    error: CoordError
