"""A silent session is ended by a peer that has seen its number stand still, and by nobody sooner.

The peer's clock is moved by hand where time is to pass: ZooKeeper itself then ends nothing.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from coord.clock import SYSTEM_CLOCK
from coord.errors import CoordError, SessionLost, StoreUnavailable
from coord.model import Note
from coord.spi import Claimed, ClaimRequest, Observed, Proof, Tenure
from coord.testing import FaultProxy, ManualClock
from coord.testing.servers import ZooKeeperServers
from coord_zookeeper import ZooKeeperStore
from coord_zookeeper.session import ZooKeeperSession
from coord_zookeeper.url import target_of
from tests.bench.cases.wire import requests_so_far
from tests.integration.zookeeper.support import (
    TIMEOUT_S,
    bare,
    group_name,
    live_sessions,
    number_of,
    opened,
    record_of,
    role_of,
    taken,
    until,
)

pytestmark = pytest.mark.xdist_group("zookeeper")

TTL_S = 30.0


@contextmanager
def patient(
    hosts: str, *, timeout_s: float = TIMEOUT_S
) -> Iterator[tuple[ZooKeeperStore, ManualClock]]:
    """A handle whose time passes by hand."""
    clock = ManualClock()
    target = target_of(f"zookeeper://{hosts}/unused")
    with ZooKeeperStore(target, clock=clock, timeout_s=timeout_s) as store:
        yield store, clock


def observed(store: ZooKeeperStore, group: str, session: ZooKeeperSession) -> Observed:
    """The session as the store sees it now."""
    return Observed(session.id, store.view(group).members[session.id].seq)


def lookouts() -> list[threading.Thread]:
    return [one for one in threading.enumerate() if one.name == "coord-zookeeper-lookout"]


# --- who may be evicted ----------------------------------------------------------------------


def test_nobody_evicts_a_session_that_was_seen_for_less_than_a_ttl(
    zookeeper_server: ZooKeeperServers,
) -> None:
    """Not even whoever asks for it without having waited: the store looks at its own clock."""
    group = group_name()
    hosts = zookeeper_server.hosts
    with opened(hosts) as store, patient(hosts) as (peer, clock):
        session = store.open_session(group, record_of(), TTL_S)
        clock.advance(10 * TTL_S)
        assert not peer.evict(group, Observed(session.id, 0)), "it has not been seen at all"
        seen = observed(peer, group, session)
        clock.advance(TTL_S - 0.01)
        assert not peer.evict(group, seen)
        session.heartbeat(b"")
        clock.advance(TTL_S)
        assert not peer.evict(group, seen), "it has renewed, unseen by whoever evicts"
        seen = observed(peer, group, session)
        clock.advance(TTL_S)
        assert peer.evict(group, seen)
        assert not store.view(group).members
        assert peer.evict(group, seen), "it is over, whoever ended it"
        session.close()


def test_an_evicted_session_that_wakes_changes_nothing_and_is_told(
    zookeeper_server: ZooKeeperServers,
) -> None:
    """ZooKeeper still keeps its session; its name and its claim are somebody else's meanwhile."""
    group = group_name()
    hosts = zookeeper_server.hosts
    with opened(hosts) as store, patient(hosts) as (peer, clock):
        role = role_of(peer, group)
        session = store.open_session(group, record_of("a"), TTL_S)
        [claim] = taken(session, store, group)
        seen = observed(peer, group, session)
        clock.advance(TTL_S)
        assert peer.evict(group, seen)
        freed = peer.view(group).claims[claim.key]
        assert (freed.session, freed.token, freed.note.clean) == (None, claim.token, False)
        heir = peer.open_session(group, record_of("a"), TTL_S)
        [taken_over] = heir.claim([ClaimRequest(claim.key, claim.token, role.version, Note())])
        assert isinstance(taken_over, Claimed)
        before = peer.view(group)
        assert number_of(session) in live_sessions(zookeeper_server), "or nothing is shown"
        tenure = Tenure(claim.key, claim.token, Note(member="late"))
        request = ClaimRequest(claim.key, taken_over.token, role.version, Note(member="late"))
        for call in (
            lambda: session.claim([request]),
            lambda: session.amend([tenure]),
            lambda: session.release([tenure]),
            lambda: session.heartbeat(b"late"),
        ):
            with pytest.raises(SessionLost):
                call()
        session.close()
        assert peer.view(group) is before
        assert until(lambda: number_of(session) not in live_sessions(zookeeper_server))
        heir.heartbeat(b"")
        heir.close()


@pytest.mark.parametrize("held", [False, True], ids=["slow", "late"])
def test_an_eviction_decided_on_an_old_reading_ends_nobody(
    zookeeper_server: ZooKeeperServers, proxy: FaultProxy, *, held: bool
) -> None:
    """The heartbeat comes after the reading, and before what was decided on it lands."""
    group = group_name()
    with (
        opened(zookeeper_server.hosts) as store,
        patient(proxy.hostport, timeout_s=10.0) as (peer, clock),
    ):
        session = store.open_session(group, record_of(), TTL_S)
        seen = observed(peer, group, session)
        clock.advance(TTL_S)
        answers: list[bool | CoordError] = []
        proxy.replies.set(latency_s=3.0)  # a busy machine may take one for the heartbeat
        before = proxy.counters.replies.read
        evicting = threading.Thread(target=lambda: answers.append(_asked(peer, group, seen)))
        evicting.start()
        proxy.wait_for(lambda counters: counters.replies.read > before, timeout_s=10.0)
        session.heartbeat(b"")
        if held:
            proxy.requests.hold()
        evicting.join(20.0)
        proxy.heal()
        [answer] = answers
        assert isinstance(answer, StoreUnavailable) if held else answer is False
        assert isinstance(session.heartbeat(b""), Proof)
        assert session.id in store.view(group).members
        session.close()


def _asked(store: ZooKeeperStore, group: str, seen: Observed) -> bool | CoordError:
    try:
        return store.evict(group, seen)
    except CoordError as error:
        return error


def test_an_eviction_that_is_due_and_a_heartbeat_that_race_have_one_winner(
    zookeeper_server: ZooKeeperServers,
) -> None:
    group = group_name()
    hosts = zookeeper_server.hosts
    ended = 0
    with opened(hosts) as store, patient(hosts) as (peer, clock):
        for number in range(30):
            session = store.open_session(group, record_of(f"m{number}"), TTL_S)
            seen = observed(peer, group, session)
            clock.advance(TTL_S)
            answers: list[bool | CoordError] = []
            evicting = threading.Thread(target=lambda: answers.append(_asked(peer, group, seen)))  # noqa: B023
            evicting.start()
            time.sleep(number % 10 * 0.0005)  # an eviction is a read and a write, some 3 ms
            try:
                session.heartbeat(b"")
                lives = True
            except SessionLost:
                lives = False
            evicting.join(20.0)
            assert answers == [not lives]
            assert (session.id in peer.view(group).members) == lives
            ended += not lives
            session.close()
    assert ended > 0, "the heartbeat was sooner each time: what does this show?"


# --- what is seen ----------------------------------------------------------------------------


def test_every_heartbeat_moves_the_number_that_peers_watch(
    zookeeper_server: ZooKeeperServers, proxy: FaultProxy
) -> None:
    """Whether it says something or not, and whether its answer arrives or not."""
    group = group_name()
    with opened(proxy.hostport, timeout_s=0.5) as store, bare(zookeeper_server.hosts) as client:
        session = store.open_session(group, record_of(), TTL_S)
        path = f"/{group}/sessions/{session.id}"
        marks = [_mark(client, path)]
        for beacon in (b"", b"", b"something", b"else", b"", b""):
            session.heartbeat(beacon)
            marks.append(_mark(client, path))
        with proxy.lose_replies(), pytest.raises(StoreUnavailable):
            session.heartbeat(b"")
        marks.append(_mark(client, path))
        assert until(lambda: _beats(session))
        marks.append(_mark(client, path))
        numbers, versions = zip(*marks, strict=True)
        assert list(numbers) == sorted(set(numbers))
        assert list(versions) == sorted(set(versions))
        assert numbers[-1] == store.view(group).members[session.id].seq
        session.close()


def _mark(client: object, path: str) -> tuple[int, int]:
    data, stat = client.get(path)  # type: ignore[attr-defined]  # kazoo has no types
    return int(data), stat.version


def _beats(session: ZooKeeperSession) -> bool:
    try:
        session.heartbeat(b"")
    except StoreUnavailable:
        return False
    return True


def test_a_view_tells_when_a_heartbeat_landed_though_it_was_read_much_later(
    zookeeper_server: ZooKeeperServers,
) -> None:
    group = group_name()
    hosts = zookeeper_server.hosts
    with opened(hosts) as store, opened(hosts) as other:
        session = store.open_session(group, record_of("a"), TTL_S)
        own = other.open_session(group, record_of("b"), TTL_S)
        other.view(group)
        sent_s: list[float] = []
        for _ in range(5):
            time.sleep(0.3)
            sent_s.append(session.heartbeat(b"").sent_at_s)
        time.sleep(1.5)
        member = other.view(group).members[session.id]
        assert member.seen_at_s is not None
        assert sent_s[-1] <= member.seen_at_s < sent_s[-1] + 1.0
        session.close()
        own.close()


def test_a_sighting_is_never_older_than_the_answer_that_showed_it(
    zookeeper_server: ZooKeeperServers, proxy: FaultProxy
) -> None:
    group = group_name()
    late_s = 0.3
    with opened(zookeeper_server.hosts) as store, opened(proxy.hostport) as other:
        session = store.open_session(group, record_of("a"), TTL_S)
        own = other.open_session(group, record_of("b"), TTL_S)
        other.view(group)
        proxy.replies.set(latency_s=late_s)
        for _ in range(3):
            sent_s = session.heartbeat(b"").sent_at_s
            time.sleep(1.0)
            member = other.view(group).members[session.id]
            assert member.seen_at_s is not None
            assert member.seen_at_s >= sent_s + late_s
        proxy.heal()
        session.close()
        own.close()


# --- looking out -----------------------------------------------------------------------------


def test_looking_out_costs_the_same_in_any_group(zookeeper_server: ZooKeeperServers) -> None:
    """A heartbeat is one request of its sender's, and a read of each who looks out for it."""
    for size, per_heartbeat in ((1, 1), (2, 2), (3, 3), (9, 3)):
        group = group_name()
        with opened(zookeeper_server.hosts) as store:
            crew = [store.open_session(group, record_of(f"m{n}"), TTL_S) for n in range(size)]
            store.view(group)
            time.sleep(1.0)
            before = requests_so_far(zookeeper_server.url(group))
            for _ in range(5):
                for session in crew:
                    session.heartbeat(b"")
                time.sleep(0.3)  # until all have looked
            spent = requests_so_far(zookeeper_server.url(group)) - before
            assert 5 * size <= spent - 1 <= 5 * size * per_heartbeat + 3, (size, spent)
            if size > 1:
                assert spent > 5 * size * (per_heartbeat - 1), "somebody does not look"
            for session in crew:
                session.close()


def test_who_is_gone_is_replaced_by_the_next_one_of_the_ring(
    zookeeper_server: ZooKeeperServers,
) -> None:
    group = group_name()
    hosts = zookeeper_server.hosts
    with opened(hosts) as store, opened(hosts) as other:
        crew = [store.open_session(group, record_of(f"m{n}"), TTL_S) for n in range(5)]
        own = other.open_session(group, record_of("own"), TTL_S)
        other.view(group)
        while crew:
            number = crew[0]._seq
            for session in crew:
                session.heartbeat(b"")
            left = {session.id for session in crew}
            assert until(lambda: _seen(other, group, left, number) >= min(2, len(left)))  # noqa: B023
            crew.pop().close()
        own.close()


def _seen(store: ZooKeeperStore, group: str, sids: set[str], number: int) -> int:
    """How many newer numbers than that a store has seen, without a view."""
    known = store._group(group).sightings._known
    return sum(1 for sid in sids if sid in known and known[sid].seq > number)


def test_looking_out_ends_with_the_session(zookeeper_server: ZooKeeperServers) -> None:
    """However it ends: closed, evicted and told, or left by a closed handle."""
    group = group_name()
    hosts = zookeeper_server.hosts
    before = len(lookouts())
    with patient(hosts) as (peer, clock):
        with opened(hosts) as store:
            crew = [store.open_session(group, record_of(f"m{n}"), TTL_S) for n in range(4)]
            assert len(lookouts()) == before, "nobody has read a view yet"
            store.view(group)
            assert len(lookouts()) == before + 4
            crew[0].close()
            assert len(lookouts()) == before + 3
            seen = observed(peer, group, crew[1])
            clock.advance(TTL_S)
            assert peer.evict(group, seen)
            with pytest.raises(SessionLost):
                crew[1].heartbeat(b"")
            assert len(lookouts()) == before + 2
        assert until(lambda: len(lookouts()) == before)


def test_who_looks_out_through_a_broken_connection_goes_on_when_it_is_back(
    zookeeper_server: ZooKeeperServers, proxy: FaultProxy
) -> None:
    """What is seen then counts from then."""
    group = group_name()
    with opened(zookeeper_server.hosts) as store, opened(proxy.hostport, timeout_s=0.5) as other:
        session = store.open_session(group, record_of("a"), TTL_S)
        own = other.open_session(group, record_of("b"), TTL_S)
        other.view(group)
        session.heartbeat(b"")
        assert until(lambda: _seen(other, group, {session.id}, 0) == 1)
        proxy.admit("refuse")
        proxy.reset()
        session.heartbeat(b"")
        time.sleep(1.0)
        assert _seen(other, group, {session.id}, 1) == 0
        back_s = SYSTEM_CLOCK.now()
        proxy.heal()
        assert until(lambda: _seen(other, group, {session.id}, 1) == 1)
        assert other._group(group).sightings._known[session.id].at_s >= back_s
        session.heartbeat(b"")
        assert until(lambda: _seen(other, group, {session.id}, 2) == 1), "no watch was set"
        session.close()
        own.close()
