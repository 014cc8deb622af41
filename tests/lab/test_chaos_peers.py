"""The same faults on other libraries' leaders: the instrument sees what they are known to do.

Two of them, of which CI has all that they need; all of them, and more faults, are in
`tests/bench/test_peers_under_faults.py`.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from coord.lab.chaos.ground import Ground, ground
from coord.lab.work.modes import mode_named
from tests.bench.peers.elections.contestants import OURS, PEERS, Peer
from tests.bench.peers.elections.rounds import play_one
from tests.servers import require

TTL_S = 2.0

_PLACES = [
    pytest.param(name, marks=pytest.mark.xdist_group(store))
    for name, store in (("kazoo_election", "zookeeper"), ("client_go", "etcd"))
]


def _peer(module: str) -> Peer:
    [found] = [peer for peer in PEERS if peer.module == module]
    return found


@contextmanager
def _store(kind: str, folder: Path) -> Iterator[Ground]:
    require(kind)
    (work := folder / "store").mkdir()
    role = mode_named("single").role
    shapes = {role.name: role.shape}
    with ground(kind, TTL_S, work=work, say=lambda _: None, roles=shapes, linked=True) as here:
        yield here


@pytest.mark.parametrize("module", _PLACES)
def test_a_leader_that_acts_on_after_a_pause_is_seen_and_ours_does_not(
    module: str, tmp_path: Path
) -> None:
    """One never notices, the other does when its renew deadline is over; they act until then.

    What a check cannot stop is ours as well: the one act in hand, on a table without a guard.
    """
    peer = _peer(module)
    with _store(peer.store, tmp_path) as here:
        theirs = play_one(peer, "pause", here, tmp_path / "theirs", seed=1)
        ours = play_one(OURS, "pause", here, tmp_path / "ours", seed=1)
    assert theirs.split_s > TTL_S / 3
    assert theirs.stale_unfenced > 1
    assert theirs.stale_fenced == 0
    assert (theirs.noticed_s is None) == (module == "kazoo_election")
    assert ours.split_s == 0
    assert ours.stale_fenced == 0
    assert ours.stale_unfenced <= 1


@pytest.mark.soak
@pytest.mark.xdist_group("zookeeper")
def test_a_leader_that_is_cut_off_and_leads_on_is_seen_and_ours_does_not(tmp_path: Path) -> None:
    with _store("zookeeper", tmp_path) as here:
        theirs = play_one(_peer("kazoo_election"), "partition", here, tmp_path / "theirs", seed=1)
        ours = play_one(OURS, "partition", here, tmp_path / "ours", seed=1)
    assert theirs.split_s > TTL_S
    assert theirs.stale_unfenced > 1
    assert theirs.noticed_s is None
    assert ours.split_s == 0
    assert ours.stale_fenced == 0
    assert ours.stale_unfenced == 0
    assert ours.noticed_s is not None
    assert ours.noticed_s < TTL_S + 0.5


@pytest.mark.xdist_group("etcd")
def test_a_leader_that_is_cut_off_and_stops_in_time_is_not_blamed(tmp_path: Path) -> None:
    """An instrument that saw splits everywhere would prove nothing."""
    with _store("etcd", tmp_path) as here:
        theirs = play_one(_peer("client_go"), "partition", here, tmp_path / "theirs", seed=1)
    assert theirs.split_s == 0
    assert theirs.stale_unfenced == 0
    assert theirs.noticed_s is not None
