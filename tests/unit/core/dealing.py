"""Fleets that follow the plan, for the tests of assignment.

Owns the following of a plan until it comes to rest, and the drawing of fleets in any state. Knows
no assignment rule.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from hypothesis import strategies as st

from coord.core.assignment import Plan, plan
from coord.model import ClaimKey, LiveMember, RoleRecord, Shape, View
from tests.unit.core.views import live, record_of, view_of

__all__ = ["NAMES", "Fleet", "fleet", "fleets"]

Bars = frozenset[tuple[ClaimKey, str]]
NAMES = tuple("abcdefgh")


@dataclass
class Fleet:
    """Members, a role, who holds what, and the bars: all that a plan depends on."""

    members: list[LiveMember]
    record: RoleRecord
    held: dict[ClaimKey, str]
    barred: Bars = frozenset()
    poisoned: frozenset[ClaimKey] = frozenset()

    def view(self) -> View:
        return view_of(self.members, self.record, self.held)

    def plan(self) -> Plan:
        return plan(self.view(), self.record, barred=self.barred, poisoned=self.poisoned)

    def counts(self) -> dict[str, int]:
        found = Counter(self.held.values())
        return {member.record.name: found[member.record.name] for member in self.members}

    def settle(self) -> int:
        """Let every member do what the plan says, again and again; return how many moves."""
        moves = 0
        for _ in range(4 * len(self.record.claim_keys()) + 8):
            dealt = self.plan()
            if not dealt.moves and not dealt.fresh:
                return moves
            for rows in dealt.moves.values():
                for key, _ in rows:
                    del self.held[key]
                    moves += 1
            for session, keys in dealt.fresh.items():
                for key in keys:
                    self.held[key] = session.removeprefix("s-")
        raise AssertionError(f"no fixpoint: {self.held} {self.plan()}")


def fleet(shape: Shape, *names: str, **settings: object) -> Fleet:
    """Equal members and nothing held."""
    members = [live(name, shape, **settings) for name in names]  # type: ignore[arg-type]
    return Fleet(members, record_of(shape), {})


@st.composite
def fleets(draw: st.DrawFn) -> Fleet:
    """Anything at all: also states that no plan would have made."""
    shape = Shape(draw(st.integers(1, 9)), draw(st.integers(1, 3)))
    names = draw(st.lists(st.sampled_from(NAMES), min_size=1, max_size=6, unique=True))
    record = record_of(shape, preferred=tuple(draw(st.lists(st.sampled_from(NAMES), max_size=2))))
    keys = record.claim_keys()
    members = [
        live(
            name,
            draw(st.sampled_from([shape, shape, shape, Shape(1, 9)])),
            zone=draw(st.sampled_from(["", "x", "y"])),
            weight=draw(st.sampled_from([0.0, 0.5, 1.0, 1.0, 3.0])),
            max_shards=draw(st.sampled_from([None, None, 0, 1, 3])),
            draining=draw(st.sampled_from([False, False, False, True])),
            stuck=tuple(draw(st.lists(st.sampled_from(keys), max_size=2, unique=True))),
        )
        for name in names
    ]
    held = {key: draw(st.sampled_from([*names, "nobody"])) for key in keys if draw(st.booleans())}
    held = {key: name for key, name in held.items() if name != "nobody"}
    pairs = st.tuples(st.sampled_from(keys), st.sampled_from(names))
    barred = frozenset(draw(st.lists(pairs, max_size=5)))
    poisoned = frozenset(draw(st.lists(st.sampled_from(keys), max_size=2)))
    return Fleet(members, record, held, barred, poisoned)
