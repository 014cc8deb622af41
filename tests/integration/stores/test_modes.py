"""Single, localized and co-leaders on each store, served by one fleet that loses a member."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise

from coord.model import ClaimKey
from tests.integration.fleet import Act, Fleet, Process, now, until
from tests.integration.pauses import stale
from tests.integration.stores.kinds import Kind

CALM = 2  # times the ttl of other tests: what need not move must not, on a busy machine either
SHARDS, SEATS = 6, 2
SINGLE = {"name": "reaper", "work": {"every_s": 0.02}}
LOCALIZED = {"name": "compactor", "shards": SHARDS, "work": {"every_s": 0.02}}
CO_LEADERS = {"name": "refresh", "seats": SEATS, "work": {"every_s": 0.02}}
SEATS_OF_ALL = {
    *{("reaper", 0, 0)},
    *{("compactor", shard, 0) for shard in range(SHARDS)},
    *{("refresh", 0, seat) for seat in range(SEATS)},
}


def is_shared(fleet: Fleet, members: int) -> bool:
    """Whether everything is held, and the shards in equal parts."""
    shares = Counter(fleet.holders("compactor").values())
    return (
        fleet.is_settled("reaper", members)
        and list(shares.values()) == [SHARDS // members] * members
        and fleet.is_settled("refresh", members)
    )


def held(fleet: Fleet) -> dict[ClaimKey, tuple[str | None, int]]:
    return {key: (claim.session, claim.token) for key, claim in fleet.view().claims.items()}


def acted(fleet: Fleet, after: float) -> bool:
    return {act.scope for act in fleet.acts("fenced", "at > ?", after)} == SEATS_OF_ALL


def widest_pause_s(acts: list[Act], begun: float) -> float:
    times = [begun, *sorted(act.at for act in acts if act.at > begun)]
    return max(later - earlier for earlier, later in pairwise(times))


def test_each_mode_outlives_a_member(fleet: Fleet, kind: Kind) -> None:
    members: dict[str, Process] = {}
    for name in ("a", "b", "c"):
        roles = (SINGLE, LOCALIZED, CO_LEADERS)
        members[name] = fleet.start(name, *roles, timing={"ttl_s": CALM * kind.ttl_s})
    until(lambda: is_shared(fleet, 3))
    assert len(set(fleet.holders("refresh").values())) == SEATS, "seats are on different members"
    begun = now()
    until(lambda: acted(fleet, begun))

    before = held(fleet)
    victim = fleet.holders("refresh")[0, 0]
    lost = {
        session for session, member in fleet.view().members.items() if member.record.name == victim
    }
    at = members.pop(victim).kill()
    until(lambda: is_shared(fleet, 2))
    since = now()
    until(lambda: acted(fleet, since))
    after = held(fleet)
    for key, (session, token) in before.items():
        if session in lost:
            assert after[key][1] > token, "whoever follows has a newer token"
        else:
            assert after[key] == (session, token), "what need not move stays where it was"
    assert len(set(fleet.holders("refresh").values())) == SEATS
    assert stale(fleet.acts()) == []
    co_led = fleet.acts("fenced", "role = 'refresh' AND at < ?", since)
    single = fleet.acts("fenced", "role = 'compactor' AND shard = ?", 0)
    assert widest_pause_s(co_led, begun) < kind.ttl_s / 2, "one of the co-leaders always worked"
    assert at < since
    assert single
