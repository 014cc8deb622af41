"""Other libraries' leaders and ours under the same faults: what they do shows, and ours does not.

`BENCH_ROUNDS` says how many rounds each has under each fault; three take forty minutes, and less
for one store or contestant (`-k etcd`). Their figures are a section of `docs/reliability.md`.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from coord.lab.chaos.contestant import Contestant
from coord.lab.chaos.ground import Ground, ground
from coord.lab.work.modes import mode_named
from tests.bench.peers.elections import page
from tests.bench.peers.elections.contestants import OURS, PEERS, Peer, installed
from tests.bench.peers.elections.rounds import FAULTS, Outcome, play_one
from tests.bench.versions import version_of
from tests.servers import require

pytestmark = [pytest.mark.soak, pytest.mark.timeout(3600)]

ROUNDS = int(os.environ.get("BENCH_ROUNDS", "3"))
TTL_S = 3.0
STORES = ("zookeeper", "etcd", "dynamodb")
CUT_OFF = ("partition", "partition-replies")


@dataclass
class _Place:
    """A store of our own, with the rounds that have been played on it."""

    ground: Ground
    cells: dict[tuple[str, str], Sequence[Outcome]] = field(default_factory=dict)

    def played(self, who: Contestant, folder: Path) -> dict[str, Sequence[Outcome]]:
        for fault in FAULTS:
            self.cells[who.name, fault] = [
                play_one(who, fault, self.ground, folder / f"{fault}-{number}", seed=number)
                for number in range(ROUNDS)
            ]
        return {fault: self.cells[who.name, fault] for fault in FAULTS}


@pytest.fixture
def place(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[_Place]:
    """A store for one contestant alone; what was played is written down in the end."""
    store = request.param
    require(store)
    versions = {peer: version for peer, version in installed().items() if peer in _made_of(store)}
    role = mode_named("single").role
    with ground(
        store,
        TTL_S,
        work=tmp_path_factory.mktemp(store),
        say=lambda _: None,
        roles={role.name: role.shape},
        servers=1 if store == "dynamodb" else 3,
        linked=True,
    ) as here:
        found = _Place(here)
        yield found
        assert here.servers is not None
        name, _, number = version_of(here.servers).rpartition(" ")
    page.keep(store, found.cells, {**versions, name: number})
    page.write()


def _made_of(store: str) -> set[str]:
    return {package for peer in PEERS if peer.store == store for package in peer.version_of}


@pytest.mark.parametrize(
    ("place", "peer"),
    [pytest.param(peer.store, peer, id=f"{peer.store}-{peer.module}") for peer in PEERS],
    indirect=["place"],
)
def test_what_a_peer_does_under_a_fault_shows(place: _Place, peer: Peer, tmp_path: Path) -> None:
    played = place.played(peer, tmp_path)
    assert sum(one.stale_unfenced for one in played["pause"]) > 0
    assert all(one.stale_fenced == 0 for ran in played.values() for one in ran)
    if peer.module in {"kazoo_election", "tooz_leader"}:
        for fault in ("pause", *CUT_OFF):
            assert all(one.split_s > 1 for one in played[fault]), fault
            assert all(one.stale_unfenced > 1 for one in played[fault]), fault
            assert all(one.noticed_s is None for one in played[fault]), fault
    if peer.module == "client_go":
        assert all(one.split_s > 1 and one.refused > 1 for one in played["pause"])
        assert all(one.split_s == 0 for fault in CUT_OFF for one in played[fault])


@pytest.mark.parametrize("place", STORES, indirect=True)
def test_ours_splits_nowhere_and_a_fence_takes_nothing_stale(place: _Place, tmp_path: Path) -> None:
    played = place.played(OURS, tmp_path)
    assert {fault: [one.split_s for one in ran] for fault, ran in played.items()} == {
        fault: [0] * ROUNDS for fault in FAULTS
    }
    assert all(one.stale_fenced == 0 for ran in played.values() for one in ran)
    assert all(one.faux_s < TTL_S for one in played["wedge"])
