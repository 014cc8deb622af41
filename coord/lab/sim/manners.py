"""How each kind of store behaves, as numbers with their sources.

Owns these settings. None of them is fitted to a run: each stands in the store's own documents, in
the code of its backend, or in what was measured before anything was simulated. Seconds throughout.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from coord.config import Timing
from coord.lab.chaos.verdict import bound_of
from coord.testing.group_state import Manner

__all__ = ["MANNERS", "StoreManner"]

_LOCAL_S = (0.0005, 0.002)
_NEAR_S = (0.001, 0.003)


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreManner:
    """One kind of store. What is not said is as in the reference store.

    `ends`: who ends a silent session, and how that is known. `way_s`: the least and the most that
    a request takes to land, and its answer to come back. `looks_s`: the store notices silence at
    whole multiples of this only. `late_s`: the least and the most by which it is late besides.
    `whole_ttl`: ttls are granted in whole seconds. `min_ttl_s`: the shortest one. `lag_s`: how much
    of a renewal the store may forget, which proofs say. `death_seen_s`: a process that died is seen
    dead after so long, whatever its ttl; None: only its silence tells. `election_s`: for how long
    nobody answers when the leading server stops; None: there is a single one. `stale_revoke`: how
    probably a revived leader ends the sessions that its successor kept alive.
    """

    kind: str
    ends: Manner
    way_s: tuple[float, float] = _NEAR_S
    looks_s: float = 0.0
    late_s: tuple[float, float] = (0.0, 0.0)
    whole_ttl: bool = False
    min_ttl_s: float = 0.0
    lag_s: float = 0.0
    death_seen_s: float | None = None
    election_s: tuple[float, float] | None = None
    stale_revoke: float = 0.0

    @property
    def one_clock(self) -> bool:
        """Whether all members read one clock, which then cannot be wrong for one of them."""
        return self.ends is Manner.PROVEN

    @property
    def of_one_server(self) -> StoreManner:
        """The same without followers: only what one of them has not passed on can be forgotten.

        backends/coord_zookeeper/trust.py: whoever is connected to the leader has a lag of 0.
        """
        return replace(self, lag_s=0.0)

    def bound_s(self, timing: Timing) -> float:
        """Within how long after the last healing a fleet on this store must have recovered."""
        observed = self.ends is Manner.OBSERVED
        poll_s = timing.heartbeat_s if observed else 0.0
        bound_s = bound_of(ttl_s=timing.ttl_s, observed=observed, drift=timing.drift, poll_s=poll_s)
        # what the store is late by, and for how long silence may have gone unseen, is waited for
        return bound_s + self.looks_s + self.late_s[1]


_ETCD = StoreManner(
    kind="etcd",
    ends=Manner.SERVER,
    looks_s=0.5,  # lessor.go: expired leases are looked for every 500 ms
    whole_ttl=True,  # the API's TTL is a count of seconds
    min_ttl_s=1.0,  # backends/coord_etcd/store.py
)

MANNERS: Mapping[str, StoreManner] = {
    one.kind: one
    for one in (
        StoreManner(kind="memory", ends=Manner.SERVER),  # the contract, kept to the moment
        StoreManner(
            kind="sqlite",
            ends=Manner.PROVEN,  # docs/stores/sqlite.md: both read one clock
            way_s=_LOCAL_S,
            min_ttl_s=0.1,  # backends/coord_sqlite/store.py
            death_seen_s=0.005,  # the same page: the kernel tells, within milliseconds
        ),
        _ETCD,
        StoreManner(
            kind="etcd34",
            ends=_ETCD.ends,
            looks_s=_ETCD.looks_s,
            whole_ttl=_ETCD.whole_ttl,
            min_ttl_s=_ETCD.min_ttl_s,
            election_s=(1.0, 2.0),  # election-timeout 1000 ms, drawn up to twice that (raft)
            stale_revoke=2 / 18,  # measured: 2 splits in 18 pauses of its leader, 3.4.23
        ),
        StoreManner(
            kind="zookeeper",
            ends=Manner.SERVER,  # peers end a session by closing it; nobody has to observe it
            late_s=(0.03, 0.24),  # docs/stores/zookeeper.md: 4.03 to 4.24 s at a ttl of 4 s
            lag_s=0.2,  # one tick of 0.2 s: what a proof through a follower leaves out at least
        ),
        StoreManner(kind="dynamodb", ends=Manner.OBSERVED, way_s=(0.003, 0.010)),
    )
}
"""By the name that `--store` takes."""
