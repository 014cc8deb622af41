"""How much of a role each candidate should hold.

Owns the candidate as it stands while claims are dealt, and the sharing of amounts by weight. May
not know which claims there are (`assignment` deals them), the time, or any local setting.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from coord.model import ClaimKey, LiveMember

__all__ = ["Seat", "fill", "limit_of"]


@dataclass(slots=True, eq=False)
class Seat:
    """One candidate while the dealing goes on."""

    session: str
    name: str
    zone: str
    place: int
    limit: int
    held: list[ClaimKey] = field(default_factory=list)
    quota: int = 0
    lack: int = 0

    @property
    def holding(self) -> int:
        """How much it was given so far."""
        return self.quota - self.lack


def limit_of(member: LiveMember, shards: int) -> int:
    """How much a member may hold of a role: one seat a shard, and no more than it announces."""
    announced = member.record.max_shards
    return shards if announced is None else min(shards, announced)


def fill(group: list[Seat], amount: int, weights: Mapping[str, float]) -> int:
    """Share `amount` among a group by weight, within limits; return how much was placed.

    What a full member cannot take is shared among the rest. Whole parts come first; the
    remaining single claims go to members that hold more than their part already (so that nothing
    moves for a rounding), then by remainder, then by order.
    """
    open_seats = [seat for seat in group if seat.limit > 0 and weights[seat.session] > 0]
    placed = 0
    while open_seats and placed < amount:
        left = amount - placed
        total = sum(weights[seat.session] for seat in open_seats)
        full = [seat for seat in open_seats if left * weights[seat.session] / total >= seat.limit]
        if full:
            for seat in full:
                seat.quota = seat.limit
                placed += seat.limit
            open_seats = [seat for seat in open_seats if seat.quota < seat.limit]
            continue
        parts = [(left * weights[seat.session] / total, seat) for seat in open_seats]
        for part, seat in parts:
            seat.quota = int(part)
            placed += seat.quota
        order = {id(seat): index for index, seat in enumerate(group)}
        parts.sort(key=lambda p: (len(p[1].held) <= p[1].quota, p[1].quota - p[0], order[id(p[1])]))
        for _, seat in parts[: amount - placed]:
            seat.quota += 1
            placed += 1
        break
    return placed
