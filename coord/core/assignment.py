"""Who should lead which shard: a function of the view alone.

Owns quotas and the dealing of claims to members. May not know the time, this member's own name
or any local setting: members with equal views compute equal plans, and that is why no leader is
needed to make one. Members with unequal views disagree for a moment and stay safe, because a
plan only says what to ask for; the store decides who holds.

The rules, in the order in which they bind:

* Candidates are the live members that serve the role in its recorded shape and do not drain.
* Holders keep what is within their quota (sticky), lowest shards first; so a joiner takes 1/n
  and a shard that does not move never pauses.
* Preferred members are filled before the others.
* What is free, over quota, or held by somebody who is no candidate is dealt to the members that
  lack most: not to one that sits on another seat of the shard, nor to one that is barred, and
  to a zone that the shard does not have yet where there is one.
* Where capacity is short, what is held stays and the highest seats, then shards, stay free.

Cost: O(claims × log members), once a view and role; the plan is kept on the view itself.
"""

from __future__ import annotations

import hashlib
import heapq
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice

from coord.core.quotas import Seat, fill, limit_of
from coord.model import Claim, ClaimKey, LiveMember, RoleRecord, View

__all__ = [
    "Plan",
    "candidates",
    "claims_with_endings",
    "free_claims",
    "holdings",
    "plan",
    "rank",
    "spread",
    "unable",
]

_MOST_MEMBERS = 4096


@lru_cache(maxsize=_MOST_MEMBERS)
def spread(role: str, member: str) -> int:
    """A fixed pseudo-random number of a member in a role: ties break differently a role."""
    digest = hashlib.blake2b(f"{role}\0{member}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big")


@dataclass(frozen=True, slots=True)
class Plan:
    """Who should hold what. `owner` maps claim keys to session ids; absent keys stay free."""

    owner: Mapping[ClaimKey, str]
    moves: Mapping[str, tuple[tuple[ClaimKey, str], ...]]
    """By present holder: the keys it should hand over, each with the session to hand it to."""
    fresh: Mapping[str, tuple[ClaimKey, ...]]
    """By session: the free keys it should claim."""
    unassigned: int
    """Free keys that nobody has capacity for (barred and poisoned ones not counted)."""


def candidates(view: View, record: RoleRecord) -> list[LiveMember]:
    """The members that may be given claims of this role, in the order that breaks ties."""
    found = [
        member
        for member in view.members.values()
        if member.record.roles.get(record.name) == record.shape
        and not member.record.draining
        and not member.gone
    ]
    found.sort(key=lambda m: (spread(record.name, m.record.name), m.session))
    return found


def unable(members: Iterable[LiveMember]) -> frozenset[tuple[ClaimKey, str]]:
    """What members themselves say they cannot take, in the form of bars."""
    return frozenset((key, m.record.name) for m in members for key in m.record.stuck)


def holdings(view: View, role: str) -> dict[str, int]:
    """How many claims of a role each live session holds."""
    memo_key = ("holdings", role)
    found: dict[str, int] | None = view.memo.get(memo_key)
    if found is None:
        found = view.memo[memo_key] = {}
        for session, claims in view.by_session.items():
            count = sum(claim.key.role == role for claim in claims)
            if count:
                found[session] = count
    return found


def free_claims(view: View, record: RoleRecord) -> list[tuple[ClaimKey, Claim | None]]:
    """The keys of a role that nobody holds, in order, with what was last claimed under each."""
    memo_key = ("free", record.name)
    found: list[tuple[ClaimKey, Claim | None]] | None = view.memo.get(memo_key)
    if found is None:
        shown = [(key, view.claims.get(key)) for key in record.claim_keys()]
        found = [(key, claim) for key, claim in shown if claim is None or claim.session is None]
        view.memo[memo_key] = found
    return found


def claims_with_endings(view: View, role: str) -> list[tuple[ClaimKey, Claim]]:
    """The claims of a role on which endings are noted, whoever holds them."""
    memo_key = ("endings", role)
    found: list[tuple[ClaimKey, Claim]] | None = view.memo.get(memo_key)
    if found is None:
        noted = [(key, claim) for key, claim in view.claims.items() if claim.note.endings]
        found = view.memo[memo_key] = [(key, claim) for key, claim in noted if key.role == role]
    return found


def rank(members: int, position: int, key: ClaimKey) -> int:
    """The place of a candidate in the queue for one overdue claim: 0 goes first.

    The queue is the candidates' order rotated by the claim, which costs O(1) a claim where a
    hash of each pair would cost O(members); after a mass failure that is the difference between
    milliseconds and seconds. Every claim still has another first member than its neighbour.
    """
    return (position - key.shard - key.seat) % members


def plan(
    view: View,
    record: RoleRecord,
    *,
    barred: frozenset[tuple[ClaimKey, str]] = frozenset(),
    poisoned: frozenset[ClaimKey] = frozenset(),
) -> Plan:
    """Deal the claims of one role. `barred` pairs claims with member names that must wait."""
    memo_key = ("plan", record.name, barred, poisoned)
    found = view.memo.get(memo_key)
    if found is None:
        found = view.memo[memo_key] = _Dealer(view, record, barred, poisoned).deal()
    return found


class _Dealer:
    """The working state of one `plan`."""

    def __init__(
        self,
        view: View,
        record: RoleRecord,
        barred: frozenset[tuple[ClaimKey, str]],
        poisoned: frozenset[ClaimKey],
    ) -> None:
        self.view = view
        self.record = record
        self.poisoned = poisoned
        self.keys = record.claim_keys() if record.open else []
        members = candidates(view, record)
        self.barred = barred | unable(members)
        shards = record.shape.shards
        self.several = record.shape.seats > 1
        self.seats = [
            Seat(m.session, m.record.name, m.record.zone, place, limit_of(m, shards))
            for place, m in enumerate(members)
        ]
        self.weights = {m.session: m.record.weight for m in members}
        self.by_session = {seat.session: seat for seat in self.seats}
        self.taken: dict[int, list[Seat]] = {}
        self.owner: dict[ClaimKey, str] = {}
        self.zone_lacks: dict[str, int] = dict.fromkeys((m.record.zone for m in members), 0)

    def deal(self) -> Plan:
        """Collect, keep, deal within quotas, then deal what is left."""
        pool = self._collect()
        self._set_quotas()
        surplus = self._keep()
        pool.extend(surplus)
        if self.several:
            self._order(pool)
        kept = len(self.owner)
        left = self._deal_within_quotas(pool)
        left = self._return_surplus(left)
        return self._result(self._deal_beyond_quotas(left), kept)

    def _holder(self, key: ClaimKey) -> str | None:
        claim = self.view.claims.get(key)
        return claim.session if claim is not None else None

    def _collect(self) -> list[ClaimKey]:
        """Give each candidate what it holds; return what no candidate holds."""
        pool = []
        claims, by_session = self.view.claims, self.by_session
        for key in self.keys:
            claim = claims.get(key)
            holder = by_session.get(claim.session) if claim and claim.session else None
            if holder is not None:
                holder.held.append(key)
            elif key not in self.poisoned:
                pool.append(key)
        return pool

    def _set_quotas(self) -> None:
        """Fill preferred members first, then the others by weight, then those without weight."""
        preferred = self.record.preferred
        left = len(self.keys)
        favoured = [seat for seat in self.seats if seat.name in preferred]
        favoured.sort(key=lambda seat: preferred.index(seat.name))
        others = [seat for seat in self.seats if seat.name not in preferred]
        idle = [seat for seat in self.seats if self.weights[seat.session] <= 0]
        for group in (favoured, others):
            left -= fill(group, left, self.weights)
        fill(idle, left, dict.fromkeys(self.weights, 1.0))

    def _keep(self) -> list[ClaimKey]:
        """Let each candidate keep up to its quota, one seat a shard; return the surplus.

        Seats that crowd a zone which the shard has twice go first, then the highest shards.
        """
        surplus: list[ClaimKey] = []
        zoned = self.several and len({seat.zone for seat in self.seats}) > 1
        for seat in self.seats:
            seat.lack = seat.quota
            self.zone_lacks[seat.zone] += seat.quota
            kept = seat.held
            if not self.several:
                surplus.extend(self._keep_first(seat))
                continue
            if zoned:
                kept = sorted(kept, key=lambda key: (self._crowds(seat, key), key.seat, key.shard))
            for key in kept:
                if seat.lack > 0 and seat not in self.taken.get(key.shard, ()):
                    self._give(seat, key)
                else:
                    surplus.append(key)
        return surplus

    def _keep_first(self, seat: Seat) -> list[ClaimKey]:
        """Let a candidate keep up to its quota where shards have one seat; return the surplus."""
        kept = seat.held[: seat.lack]
        self.owner.update(dict.fromkeys(kept, seat.session))
        seat.lack -= len(kept)
        return seat.held[len(kept) :]

    def _crowds(self, seat: Seat, key: ClaimKey) -> bool:
        """Whether a candidate of the same zone keeps another seat of the shard already."""
        return any(other.zone == seat.zone for other in self.taken.get(key.shard, ()))

    def _give(self, seat: Seat, key: ClaimKey) -> None:
        seat.lack -= 1
        self.owner[key] = seat.session
        if self.several:  # a shard with one seat has neither twins nor zones
            self.zone_lacks[seat.zone] -= 1
            self.taken.setdefault(key.shard, []).append(seat)

    def _deal_within_quotas(self, pool: list[ClaimKey]) -> list[ClaimKey]:
        """Deal each key to whoever lacks most and may take it; return those left over."""
        if not self.several and not self.barred:
            return self._deal_by_need(pool)
        heaps = self._heaps()
        left = []
        for key in pool:
            seat = self._choose(heaps, key)
            if seat is not None:
                self._give(seat, key)
            else:
                left.append(key)
        return left

    def _deal_by_need(self, pool: list[ClaimKey]) -> list[ClaimKey]:
        """The same where everybody may take everything: a fifth of the time, for most roles."""
        heap = [(-seat.lack, seat.place) for seat in self.seats if seat.lack > 0]
        heapq.heapify(heap)
        for dealt, key in enumerate(pool):
            if not heap:
                return pool[dealt:]
            lack, place = heap[0]
            seat = self.seats[place]
            self.owner[key] = seat.session
            seat.lack -= 1
            if seat.lack:
                heapq.heapreplace(heap, (lack + 1, place))
            else:
                heapq.heappop(heap)
        return []

    def _return_surplus(self, pool: Iterable[ClaimKey]) -> list[ClaimKey]:
        """What nobody lacks stays with its holder, unless that sits on the shard already."""
        left = []
        for key in pool:
            seat = self.by_session.get(self._holder(key) or "")
            if seat is not None and seat not in self.taken.get(key.shard, ()):
                self._give(seat, key)
            else:
                left.append(key)
        return left

    def _deal_beyond_quotas(self, pool: Iterable[ClaimKey]) -> int:
        """Deal what bars, seats or zones kept from those who lack; count what is left free."""
        excluded = {key for key, _ in self.barred}
        if not self.seats:
            return sum(key not in excluded for key in pool)
        room = [seat for seat in self.seats if seat.holding < seat.limit]
        unassigned = 0
        for key in pool:
            seated = self.taken.get(key.shard, ())
            zones = {seat.zone for seat in seated}
            able = [seat for seat in room if self._may_take(seat, key, seated)]
            seat = min(able, key=lambda s: (s.zone in zones, -s.lack, s.place), default=None)
            seat = seat or self.by_session.get(self._holder(key) or "")
            if seat is not None:
                self._give(seat, key)
                room = [other for other in room if other.holding < other.limit]
            elif key not in excluded:
                unassigned += 1
        return unassigned

    def _order(self, pool: list[ClaimKey]) -> None:
        """Shard by shard if there is room for all, else the first seats of all shards first.

        Dealing all seats of a shard together to the zones that lack most leaves no last shard
        for which only one zone is left.
        """
        if len(pool) <= sum(seat.lack for seat in self.seats):
            pool.sort(key=lambda key: (key.shard, key.seat))
        else:
            pool.sort(key=lambda key: (key.seat, key.shard))

    def _heaps(self) -> dict[str, list[tuple[int, int]]]:
        """By zone (one zone, if zones cannot matter): candidates, the one lacking most on top."""
        heaps: dict[str, list[tuple[int, int]]] = {}
        for seat in self.seats:
            heap = heaps.setdefault(seat.zone if self.several else "", [])
            heap.append((-seat.lack, seat.place))
        for heap in heaps.values():
            heapq.heapify(heap)
        return heaps

    def _choose(self, heaps: dict[str, list[tuple[int, int]]], key: ClaimKey) -> Seat | None:
        """Prefer a zone that the shard lacks, then need."""
        seated = self.taken.get(key.shard, ())
        if len(heaps) == 1:
            (heap,) = heaps.values()
            return self._pop(heap, key, seated)
        used = {seat.zone for seat in seated}
        lacks = self.zone_lacks
        for zone in sorted(heaps, key=lambda zone: (zone in used, -lacks[zone], heaps[zone][0])):
            seat = self._pop(heaps[zone], key, seated)
            if seat is not None:
                return seat
        return None

    def _pop(
        self, heap: list[tuple[int, int]], key: ClaimKey, seated: Iterable[Seat]
    ) -> Seat | None:
        """Find the first suitable candidate of one heap; all of them stay in it."""
        aside: list[tuple[int, int]] = []
        chosen = None
        while heap and chosen is None:
            lack, place = heap[0]
            seat = self.seats[place]
            if -lack != seat.lack:  # it was dealt something since this entry was made
                heapq.heapreplace(heap, (-seat.lack, place))
            elif seat.lack <= 0:
                break
            elif self._may_take(seat, key, seated):
                chosen = seat
            else:
                aside.append(heapq.heappop(heap))
        for entry in aside:
            heapq.heappush(heap, entry)
        return chosen

    def _may_take(self, seat: Seat, key: ClaimKey, seated: Iterable[Seat]) -> bool:
        if seat.holding >= seat.limit or any(other is seat for other in seated):
            return False
        return not self.barred or (key, seat.name) not in self.barred

    def _result(self, unassigned: int, kept: int) -> Plan:
        """The plan; the first `kept` of `owner` stay where they are."""
        moves: dict[str, list[tuple[ClaimKey, str]]] = {}
        fresh: dict[str, list[ClaimKey]] = {}
        for key, session in islice(self.owner.items(), kept, None):
            holder = self._holder(key)
            if holder is None:
                fresh.setdefault(session, []).append(key)
            elif holder != session:
                moves.setdefault(holder, []).append((key, session))
        return Plan(
            self.owner,
            {session: tuple(rows) for session, rows in moves.items()},
            {session: tuple(keys) for session, keys in fresh.items()},
            unassigned,
        )
