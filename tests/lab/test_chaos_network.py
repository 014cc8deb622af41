"""Faults of the network: what they do to bytes, and what a fleet feels of them."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, closing
from pathlib import Path
from random import Random
from types import SimpleNamespace
from typing import cast

import pytest

from coord.errors import UsageError
from coord.lab.chaos.faults import CATALOGUE, Blow
from coord.lab.chaos.links import Links
from coord.lab.chaos.process import Injector
from coord.lab.chaos.stage import Stage
from coord.lab.measure import load
from coord.lab.measure.faults import faults
from coord.telemetry import EventLog
from coord.testing.servers import Servers
from tests.lab.store_rounds import play_rounds, setting, strike
from tests.servers import require
from tests.unit.testing.request_server import PATIENCE_S, RequestServer

KINDS = ("partition", "partition-requests", "partition-replies", "latency", "loss", "reset")
LONG_S = 60.0  # nobody waits for it


class Road:
    """A member's way to a server, and a stage that is just enough to strike it."""

    def __init__(self, server: RequestServer, events: Path, opened: ExitStack) -> None:
        host, port = server.address
        servers = SimpleNamespace(scheme="tcp", members=[SimpleNamespace(host=host, port=port)])
        links = opened.enter_context(Links(cast("Servers", servers), lambda hosts: hosts))
        self.server = server
        self.events = events
        self.stage = SimpleNamespace(
            ground=SimpleNamespace(links=links),
            injector=Injector(opened.enter_context(closing(EventLog(events, member="injector")))),
            ttl_s=2.0,
        )
        self._links = links
        self._opened = opened

    def connect(self, member: str = "m1") -> socket.socket:
        [proxy] = self._links.of(member)
        found = self._opened.enter_context(closing(socket.create_connection(proxy.address)))
        found.settimeout(PATIENCE_S)
        return found

    def struck(self, kind: str, **options: float) -> AbstractContextManager[None]:
        blow = Blow(
            members=("m1",),
            servers=(),
            options={**{one.name: one.default for one in CATALOGUE[kind].options}, **options},
            for_s=1.0,
            dice=Random(1),
        )
        return CATALOGUE[kind].inject(cast("Stage", self.stage), blow)


@pytest.fixture
def road(tmp_path: Path) -> Iterator[Road]:
    with ExitStack() as opened:
        server = opened.enter_context(RequestServer())
        yield Road(server, tmp_path / "events.jsonl", opened)


def ask(client: socket.socket, word: str) -> str:
    client.sendall(f"{word}\n".encode())
    return client.recv(100).decode().strip()


def silent(client: socket.socket) -> bool:
    client.settimeout(0.2)
    try:
        return not client.recv(100) and False
    except TimeoutError:
        return True
    finally:
        client.settimeout(PATIENCE_S)


# --- bytes -----------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["partition", "partition-requests"])
def test_requests_of_a_partition_land_when_it_is_healed_and_not_before(
    road: Road, kind: str
) -> None:
    client = road.connect()
    ask(client, "before")
    with road.struck(kind):
        client.sendall(b"late\n")
        assert silent(client)
        assert road.server.effects == ["before"]
    assert client.recv(100) == b"did late\n"
    assert road.server.effects == ["before", "late"]


def test_where_only_replies_are_cut_off_requests_land_at_once(road: Road) -> None:
    client = road.connect()
    ask(client, "before")
    with road.struck("partition-replies"):
        client.sendall(b"one\n")
        assert silent(client)
        assert road.server.effects == ["before", "one"]
    assert client.recv(100) == b"did one\n"


@pytest.mark.parametrize("kind", KINDS[:3])
def test_new_connections_hang_in_a_partition_and_others_have_none(road: Road, kind: str) -> None:
    with road.struck(kind):
        late = road.connect()
        late.sendall(b"late\n")
        assert silent(late)
        assert ask(road.connect("m2"), "other") == "did other"
    assert late.recv(100) == b"did late\n"


def test_the_usual_latency_is_beyond_the_rpc_timeout(road: Road) -> None:
    client = road.connect()
    ask(client, "before")
    with road.struck("latency"):
        begun = time.monotonic()
        ask(client, "slow")
        assert time.monotonic() - begun >= 0.3, "the RPC timeout of a ttl of 2 s is 0.2 s"


def test_what_is_lost_comes_a_retransmission_later(road: Road) -> None:
    client = road.connect()
    ask(client, "before")
    with road.struck("loss", share=0.999, rto=LONG_S):
        client.sendall(b"lost\n")
        assert silent(client)
        assert road.server.effects == ["before"]
    assert client.recv(100) == b"did lost\n"


def test_a_share_of_1_is_lost_again_and_again_and_refused_nowhere(road: Road) -> None:
    with road.struck("loss", share=1.0, rto=LONG_S):
        client = road.connect()
        client.sendall(b"lost\n")
        assert silent(client)


def test_connections_are_torn_again_and_again(road: Road) -> None:
    with road.struck("reset", every=0.02):
        for _ in range(3):
            with pytest.raises(ConnectionResetError):
                road.connect().recv(100)
    assert ask(road.connect(), "after") == "did after"


@pytest.mark.parametrize("kind", KINDS)
def test_each_is_recorded_for_all_processes_of_the_member_and_healed(road: Road, kind: str) -> None:
    with road.struck(kind):
        pass
    road.stage.injector._events.close()
    [fault] = faults(load(road.events))
    assert (fault.kind, fault.target) == (kind, ("m1", 0))
    assert fault.begin_s < fault.effect_s < fault.end_s


# --- said before anything starts -------------------------------------------------------------


@pytest.mark.parametrize("name", KINDS)
def test_where_there_is_no_way_of_ours_the_fault_says_so(name: str) -> None:
    kind = CATALOGUE[name]
    assert kind.linked
    assert kind.unfit(setting("etcd")) is None
    assert "a file has no network" in (kind.unfit(setting("sqlite", servers=0)) or "")
    assert "no proxy in between" in (kind.unfit(setting("etcd", own=False)) or "")
    assert "the lab's queue is a file" in (kind.unfit(setting("etcd", mode="queue")) or "")


def test_a_ground_without_links_says_what_is_missing(road: Road) -> None:
    road.stage.ground = SimpleNamespace(links=None)
    with pytest.raises(UsageError, match="no proxy between the members"), road.struck("partition"):
        pass


# --- what a fleet feels ----------------------------------------------------------------------


@pytest.mark.xdist_group("etcd")
@pytest.mark.parametrize(
    "kind", [pytest.param(kind, marks=pytest.mark.soak) for kind in KINDS[1:4]] + [KINDS[0]]
)
def test_a_leader_that_is_cut_off_steps_down_before_another_leads(
    tmp_path: Path, kind: str
) -> None:
    require("etcd")
    played = play_rounds(tmp_path, "etcd", strike(kind, "leader", lasts="4s"))
    played.check()
    [fault] = played.faults(kind)
    struck, successor = played.line.tenures[0], played.line.tenures[1]
    assert struck.who.member == fault.target.member != successor.who.member
    assert fault.begin_s < struck.over_s < successor.lead_s < fault.end_s
    assert played.gap_s > 0
    assert played.split_s == 0


@pytest.mark.soak
@pytest.mark.xdist_group("etcd-cluster")
@pytest.mark.parametrize("kind", ["loss", "reset"])
def test_worse_networks_split_nobody(tmp_path: Path, kind: str) -> None:
    require("etcd")
    played = play_rounds(
        tmp_path, "etcd", strike(kind, "all", lasts="8s"), servers=3, rounds=3, mode="localized"
    )
    played.check()
    assert played.split_s == 0
