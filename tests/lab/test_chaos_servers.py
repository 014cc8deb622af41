"""Servers of the store that die, restart or stand still: what a fleet feels of it."""

from __future__ import annotations

import sys
from contextlib import ExitStack
from pathlib import Path

import pytest

from coord.lab.chaos.faults import CATALOGUE, SERVERS
from coord.lab.chaos.faults.servers import revokes_after_pause
from coord.lab.chaos.stage import Stage
from coord.testing.servers import ServerMember
from coord.testing.servers.etcd import etcd_version
from tests.lab.naive import Naive, naive_clients
from tests.lab.store_rounds import play_rounds, setting, strike
from tests.servers import require

KINDS = ("store-kill", "store-restart", "store-pause")

_CLUSTERS = [
    pytest.param(kind, marks=pytest.mark.xdist_group(f"{kind}-cluster"))
    for kind in ("etcd", "zookeeper")
]


# --- said before anything starts -------------------------------------------------------------


@pytest.mark.parametrize("name", KINDS)
def test_where_there_is_no_server_of_ours_the_fault_says_so(name: str) -> None:
    kind = CATALOGUE[name]
    assert kind.targets == SERVERS
    assert kind.unfit(setting("etcd")) is None
    assert kind.unfit(setting("dynamodb", servers=1)) is None
    assert "a file has no server" in (kind.unfit(setting("sqlite", servers=0)) or "")
    assert "of our own" in (kind.unfit(setting("etcd", own=False)) or "")
    assert "no store is used" in (kind.unfit(setting("etcd", mode="queue")) or "")
    forgets = kind.unfit(setting("memory", servers=1))
    assert (forgets is None) is (name == "store-pause")


@pytest.mark.parametrize(
    ("version", "revokes"),
    [
        ("3.3.27", True),
        ("3.4.23", True),
        ("3.4.30", True),
        ("3.4.31", False),
        ("3.5.12", True),
        ("3.5.13", False),
        ("3.6.0", False),
        ("4.0.0", False),
        ("", False),
    ],
)
def test_releases_whose_revived_leader_revokes_are_known(version: str, revokes: bool) -> None:
    assert revokes_after_pause(version) is revokes


def test_a_paused_leader_breaks_the_promise_of_an_older_etcd_of_three_alone() -> None:
    require("etcd")
    breaks = CATALOGUE["store-pause"].breaks
    said = breaks(setting("etcd"))
    if revokes_after_pause(etcd_version()):
        assert said is not None
        assert etcd_version() in said
    else:
        assert said is None
    for other in (setting("etcd", servers=1), setting("zookeeper"), setting("dynamodb", servers=1)):
        assert breaks(other) is None
    assert CATALOGUE["store-kill"].breaks(setting("etcd")) is None


# --- played ----------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", _CLUSTERS)
def test_a_killed_leader_of_the_store_is_one_server_less_until_it_is_started_again(
    kind: str, tmp_path: Path
) -> None:
    require(kind)
    downs: set[int] = set()

    def count(stage: Stage) -> None:
        assert stage.ground.servers is not None
        downs.add(sum(not server.running for server in stage.ground.servers.members))

    played = play_rounds(
        tmp_path, kind, strike("store-kill", "store-leader", lasts="3s"), servers=3, hook=count
    )
    played.check()
    assert downs == {0, 1}
    assert played.split_s == 0
    assert "not recovered" not in " ".join(played.said)


@pytest.mark.soak
@pytest.mark.parametrize("kind", _CLUSTERS)
def test_a_store_restarted_as_a_whole_is_recovered_from_within_the_bound(
    kind: str, tmp_path: Path
) -> None:
    """All servers are gone for longer than the ttl: nobody may lead, and then somebody must."""
    require(kind)
    played = play_rounds(tmp_path, kind, strike("store-kill", "store-all", lasts="3s"), servers=3)
    played.check()
    [fault] = played.faults("store-kill")
    assert fault.target.member == "*"
    assert fault.end_s - fault.effect_s > 3.0, "over when the servers serve again, not before"
    assert played.gap_s > 0.5, "nobody may lead without its store"
    assert played.split_s == 0


@pytest.mark.parametrize("kind", _CLUSTERS)
def test_a_leader_of_the_store_stopped_beyond_the_ttl_is_survived(
    kind: str, tmp_path: Path
) -> None:
    """Its successors serve meanwhile. What an older etcd does when it goes on, fences stop."""
    require(kind)
    stood: set[int] = set()

    def count(stage: Stage) -> None:
        assert stage.ground.servers is not None
        stood.add(sum(server.paused for server in stage.ground.servers.members))

    played = play_rounds(
        tmp_path, kind, strike("store-pause", "store-leader", lasts="4s"), servers=3, hook=count
    )
    played.check()
    assert stood == {0, 1}
    if CATALOGUE["store-pause"].breaks(setting(kind)) is None:
        assert played.split_s == 0


@pytest.mark.xdist_group("dynamodb")
def test_the_only_server_stopped_beyond_the_ttl_stops_all_leading_until_it_goes_on(
    tmp_path: Path,
) -> None:
    require("dynamodb")
    played = play_rounds(tmp_path, "dynamodb", strike("store-pause", "store-leader", lasts="4s"))
    played.check()
    assert played.gap_s > 1.0, "what is trusted ends, and nobody can follow"
    assert played.split_s == 0


@pytest.mark.xdist_group("etcd")
def test_a_server_asked_to_go_is_gone_and_comes_back(tmp_path: Path) -> None:
    require("etcd")
    pids: set[int] = set()

    def note(stage: Stage) -> None:
        assert stage.ground.servers is not None
        [server] = stage.ground.servers.members
        pids.add(server.pid if server.running else 0)

    played = play_rounds(
        tmp_path, "etcd", strike("store-restart", "store-one", lasts="2s"), hook=note
    )
    played.check()
    assert len(pids) == 3, "one process, none, and another"
    assert played.split_s == 0


@pytest.mark.soak
@pytest.mark.timeout(900)
@pytest.mark.xdist_group("etcd-cluster")
@pytest.mark.parametrize("mode", ["single", "localized"])
def test_a_revived_leader_of_etcd_fools_who_trusts_an_acknowledgement_and_no_fence(
    mode: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Ten rounds; the figures of `docs/reliability.md`. Naive clients run beside the fleet."""
    require("etcd")
    with ExitStack() as beside:
        naive: list[Naive] = []

        def accompany(stage: Stage) -> None:
            assert stage.ground.servers is not None
            if not naive:
                clients = naive_clients(stage.ground.servers.members, round(stage.ttl_s))
                naive.append(beside.enter_context(clients))

        plan = strike("store-pause", "store-leader", at="1s", lasts="5s")
        played = play_rounds(
            tmp_path, "etcd", plan, servers=3, rounds=10, mode=mode, ttl_s=3.0, hook=accompany
        )
    played.check()
    rounds = [
        {
            "fooled_s": round(naive[0].fooled(one.round.window.start_s, one.round.window.end_s), 2),
            "unanswered_s": round(
                naive[0].unanswered(one.round.window.start_s, one.round.window.end_s), 2
            ),
            "split_s": round(max(one.split_s), 3),
            "gap_s": round(max(one.gap_s), 2),
            "attempted": one.stale_acts.attempted,
            "fenced": one.stale_acts.accepted,
            "unfenced": one.stale_acts.accepted_unfenced,
        }
        for one in played.results
    ]
    with capsys.disabled():
        sys.stdout.write("".join(f"\n{mode} {one}" for one in rounds) + "\n")
    if revokes_after_pause(etcd_version()):
        assert max(float(one["fooled_s"]) for one in rounds) > 1.0, "nobody was fooled"
    assert played.split_s < played.ttl_s / 2, "a lost session is heard of long before its deadline"


class _Stop(Exception):
    """Stands for Ctrl-C."""


@pytest.mark.xdist_group("etcd")
@pytest.mark.parametrize("name", KINDS)
def test_interrupted_while_it_stands_it_leaves_no_process(name: str, tmp_path: Path) -> None:
    require("etcd")
    servers: list[ServerMember] = []
    struck: list[bool] = []

    def note(stage: Stage) -> None:
        assert stage.ground.servers is not None
        servers[:] = stage.ground.servers.members
        struck.append(any(not server.running or server.paused for server in servers))

    def interrupted() -> None:
        if struck and struck[-1]:
            raise _Stop

    plan = strike(name, "store-all", lasts="20s")
    with pytest.raises(_Stop):
        play_rounds(tmp_path, "etcd", plan, hook=note, interrupted=interrupted)
    assert [server.running for server in servers] == [False]
