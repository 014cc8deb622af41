"""Peers that hold a claim, renew it, and do nothing: found by their own admission.

Owns the watching of overdue claims in beacons. May not know clocks other than ours: it counts a
peer's newer beacons and our own time, never the peer's.

Why both counts: time alone would depose a member whose beacons we merely failed to read; beacons
alone would let a quick heartbeat depose at once. Progress must be unmoved and due in N *newer*
beacons over `depose_timeout`. A member that cannot release by itself (its control thread is stuck
inside a call, say) is the case this defends against; one that can has released long before.

Only the first few members of a group read beacons, or the fleet's reads would grow with its square.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

from coord.config import Timing
from coord.core.assignment import spread
from coord.model import Beacon, ClaimKey, Overdue, View
from coord.spi import BeaconSeen

__all__ = ["Audit", "Suspect"]

_AUDITORS = 2
_INF = float("inf")


@dataclass(frozen=True, slots=True)
class Suspect:
    """A claim to be taken from its holder."""

    session: str
    key: ClaimKey
    token: int


@dataclass(slots=True)
class _Case:
    progress: int
    since_s: float
    since_seq: int


class Audit:
    """The open cases against peers, as their beacons told them."""

    def __init__(self, timing: Timing) -> None:
        self._timing = timing
        self._cases: dict[Suspect, _Case] = {}
        self._next_s = -_INF

    def is_auditor(self, view: View, own: str) -> bool:
        """Whether this member is among those that read beacons. Computed once a view."""
        found = view.memo.get("auditors")
        if found is None:
            order = sorted((spread("", m.record.name), s) for s, m in view.members.items())
            found = view.memo["auditors"] = frozenset(session for _, session in order[:_AUDITORS])
        return own in found

    def due_s(self) -> float:
        """When to read beacons next."""
        return self._next_s

    def asked(self, now: float) -> None:
        """Beacons are being read: do so again after half the time that a case takes."""
        self._next_s = now + self._timing.depose_timeout_s / 2

    def on_beacons(
        self, beacons: Mapping[str, BeaconSeen], *, own: str, now: float
    ) -> list[Suspect]:
        """Take in the beacons; return what is proven against peers."""
        cases: dict[Suspect, _Case] = {}
        proven = []
        for session, seen in beacons.items():
            if session == own:
                continue
            for overdue in _overdue(seen.payload):
                suspect = Suspect(session, overdue.key, overdue.token)
                case = self._cases.get(suspect)
                if case is None or case.progress != overdue.progress:
                    case = _Case(overdue.progress, now, seen.seq)
                cases[suspect] = case
                if self._is_proven(case, seen.seq, now):
                    proven.append(suspect)
        self._cases = cases
        return proven

    def _is_proven(self, case: _Case, seq: int, now: float) -> bool:
        return (
            seq - case.since_seq >= self._timing.depose_beacons
            and now - case.since_s >= self._timing.depose_timeout_s
        )


@lru_cache(maxsize=256)
def _overdue(payload: bytes) -> tuple[Overdue, ...]:
    """What a beacon admits; nothing if it cannot be read. Most of them say the same: nothing.

    It was written by a peer, perhaps of a later release: it must not end the member that reads it.
    """
    try:
        return Beacon.from_bytes(payload).overdue
    except (ValueError, TypeError, AttributeError):
        return ()
