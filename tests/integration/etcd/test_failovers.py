"""A cluster of three that loses members: nobody with time to spare is demoted, nothing missed."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Self

import grpc
import pytest

from coord import Coordinator, Term
from coord.clock import SYSTEM_CLOCK
from coord.config import Timing
from coord.errors import Certainty, SessionLost, StoreUnavailable
from coord.model import ClaimKey
from coord.testing.proxy import FaultProxy
from coord.testing.servers import EtcdServers
from coord_etcd import EtcdStore
from coord_etcd.failures import judged
from coord_etcd.session import EtcdSession
from tests.integration.etcd.tools import (
    Etcd,
    group_name,
    opened,
    record,
    role_of,
    take,
    wait_until,
)

pytestmark = pytest.mark.xdist_group("etcd-cluster")

TTL_S = 10.0


class _Reign:
    """One member that leads, and all terms that it was given."""

    def __init__(self, url: str) -> None:
        self.terms: list[Term] = []
        self._fleet = Coordinator(url, member="leader", timing=Timing.of(TTL_S))
        self._thread = threading.Thread(target=self._work)

    def __enter__(self) -> Self:
        self._fleet.start()
        self._thread.start()
        assert wait_until(lambda: bool(self.terms), within_s=TTL_S)
        return self

    def __exit__(self, *_: object) -> None:
        self._fleet.stop()
        self._thread.join(TTL_S)
        self._fleet.close()

    def _work(self) -> None:
        for term in self._fleet.terms("r"):
            self.terms.append(term)
            while term.wait(0.05):
                term.progress()


def test_a_killed_leader_demotes_nobody(cluster: EtcdServers) -> None:
    with _Reign(cluster.url(group_name())) as reign:
        leader = cluster.leader()
        leader.kill()
        cluster.leader()
        assert not wait_until(lambda: len(reign.terms) > 1, within_s=TTL_S / 2)
        leader.restart()
        assert not wait_until(lambda: len(reign.terms) > 1, within_s=1.0)


def test_a_rolling_restart_demotes_nobody(cluster: EtcdServers) -> None:
    with _Reign(cluster.url(group_name())) as reign:
        for member in cluster.members:
            member.restart()
            cluster.wait_ready()
            cluster.leader()
            assert not wait_until(lambda: len(reign.terms) > 1, within_s=1.0)


def test_heartbeats_leave_a_member_that_hangs(cluster: EtcdServers) -> None:
    """Each member of the cluster hangs in turn; its connections stay open and answer nothing."""
    with opened(cluster.url("unused"), timeout_s=1.0) as store:
        session = store.open_session(group_name(), record(), TTL_S)
        for member in cluster.followers():
            member.pause()
            assert wait_until(lambda: _beats(session), within_s=4.0)
            assert _beats(session), "the next heartbeat tried the member that hangs again"
            member.resume()
        session.close()


def _beats(session: EtcdSession) -> bool:
    try:
        session.heartbeat(b"")
    except StoreUnavailable:
        return False
    return True


def test_a_cluster_without_a_majority_is_named_as_such(cluster: EtcdServers) -> None:
    with opened(cluster.url("unused"), timeout_s=2.0) as store:
        group = group_name()
        session = store.open_session(group, record(), TTL_S)
        for member in cluster.members[:2]:
            member.kill()
        begun_s = SYSTEM_CLOCK.now()
        with pytest.raises(StoreUnavailable) as raised:
            _beat_for_ever(session)  # until the last member has noticed that it is alone
        assert "etcd at 127.0.0.1" in raised.value.cause
        assert raised.value.cure
        assert SYSTEM_CLOCK.now() - begun_s < TTL_S
        cluster.heal()
        assert wait_until(lambda: _beats_or_ended(session), within_s=10.0)


class _Answered(grpc.RpcError):  # type: ignore[misc]
    """As a follower answers whose leader has just stopped, and who has not noticed yet."""

    def code(self) -> grpc.StatusCode:
        return grpc.StatusCode.UNKNOWN

    def details(self) -> str:
        return "context deadline exceeded"


@pytest.mark.parametrize("heard", [True, False])
def test_a_member_that_waits_for_its_leader_in_vain_is_no_stranger(heard: bool) -> None:
    """The connection is sound and speaks etcd, so nobody is sent to look for ports and TLS."""
    trouble = judged(_Answered(), "127.0.0.1:2379", 1.0, heard=heard)
    assert not trouble.broken
    assert "the other members did not answer it in time" in trouble.cause
    assert "majority" in trouble.cure
    assert trouble.error(doubtful=False).certainty is Certainty.UNKNOWN


def _beat_for_ever(session: EtcdSession) -> None:
    while True:
        session.heartbeat(b"")


def _beats_or_ended(session: EtcdSession) -> bool:
    try:
        return _beats(session)
    except SessionLost:
        return True


# ------------------------------------------------------------------------------------------ watches


@contextmanager
def _followed(store: EtcdStore, group: str) -> Iterator[Callable[[], bool]]:
    """A watch that has begun; the function says whether it has woken since it was asked last."""
    rung = threading.Event()
    store.view(group)
    watch = store.watch(group, rung.set)
    assert rung.wait(5.0)
    rung.clear()

    def woken() -> bool:
        found = rung.is_set()
        rung.clear()
        return found

    try:
        yield woken
    finally:
        watch.close()


def test_a_watch_goes_on_where_its_connection_broke(cluster: EtcdServers) -> None:
    """Changes during the break are brought by the stream, not by reading everything again."""
    group, member = group_name(), cluster.members[0]
    with (
        FaultProxy((member.host, member.port)) as proxy,
        opened(cluster.url("unused")) as writer,
        opened(f"etcd://{proxy.hostport}/unused") as store,
    ):
        keys = role_of(writer, group, shards=50)
        session = writer.open_session(group, record(), TTL_S)
        with _followed(store, group) as woken:
            before = store.view(group)
            proxy.admit("refuse")
            proxy.reset()
            tokens = take(writer, group, session, keys)
            revision_before = _full_reads(store)
            proxy.admit("serve")
            assert wait_until(woken, within_s=5.0)
            assert wait_until(
                lambda: [c.token for c in store.view(group).claims.values()] == tokens,
                within_s=2.0,
            )
            assert store.view(group).revision > before.revision
            assert _full_reads(store) == revision_before, "everything was read again"
        session.close()


def test_a_watch_whose_history_was_compacted_misses_nothing(cluster: EtcdServers) -> None:
    group, member = group_name(), cluster.members[0]
    with (
        FaultProxy((member.host, member.port)) as proxy,
        Etcd.at(member.hostport) as etcd,
        opened(cluster.url("unused")) as writer,
        opened(f"etcd://{proxy.hostport}/unused") as store,
    ):
        keys = role_of(writer, group, shards=3)
        session = writer.open_session(group, record(), TTL_S)
        with _followed(store, group) as woken:
            take(writer, group, session, keys[:1])
            assert wait_until(woken, within_s=5.0)
            store.view(group)
            proxy.admit("refuse")
            proxy.reset()
            take(writer, group, session, keys[1:2])
            etcd.compact()
            proxy.admit("serve")
            assert wait_until(woken, within_s=5.0), "nobody was woken after the compaction"
            assert len(store.view(group).by_session[session.id]) == 2
            _quieten(woken)
            take(writer, group, session, keys[2:])
            assert wait_until(woken, within_s=5.0), "the stream after the compaction is deaf"
            assert len(store.view(group).by_session[session.id]) == 3
        session.close()


def test_a_watch_survives_each_member_in_turn(cluster: EtcdServers) -> None:
    group = group_name()
    with opened(cluster.url("unused")) as store:
        keys = role_of(store, group, shards=len(cluster.members))
        session = store.open_session(group, record(), TTL_S)
        with _followed(store, group) as woken:
            for number, (member, key) in enumerate(zip(cluster.members, keys, strict=True)):
                member.kill()
                cluster.leader()
                _quieten(woken)
                assert wait_until(partial(_took, store, group, session, key), within_s=5.0)
                assert wait_until(woken, within_s=5.0)
                assert len(store.view(group).by_session[session.id]) == number + 1
                member.restart()
                _ = _beats(session)
        session.close()


def _took(store: EtcdStore, group: str, session: EtcdSession, key: ClaimKey) -> bool:
    try:
        take(store, group, session, [key])
    except (StoreUnavailable, AssertionError):
        return False
    return True


def _quieten(woken: Callable[[], bool]) -> None:
    wait_until(lambda: not woken(), within_s=1.0)


def _full_reads(store: EtcdStore) -> int:
    [views] = store._groups.values()
    return views.full_reads
