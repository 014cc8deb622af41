"""Watches that break, overlap and lag: nobody goes unwoken, and no picture stays wrong."""

from __future__ import annotations

import threading
import time
from functools import partial

import pytest

from coord.model import Note, RoleRecord, Shape
from coord.spi import Tenure
from coord.testing.proxy import FaultProxy
from coord.testing.servers import EtcdServers
from coord_etcd import EtcdStore
from tests.integration.etcd.tools import (
    Etcd,
    group_name,
    opened,
    record,
    role_of,
    take,
    turn_to,
    wait_until,
)

ROUNDS = 40
TRIES = 8


@pytest.mark.xdist_group("etcd-cluster")
def test_a_watch_that_goes_on_at_a_member_behind_misses_nothing(cluster: EtcdServers) -> None:
    """The stream breaks with a release that no view has taken, and goes on at a member behind it.

    What lies between that member's revision and ours is never sent there. A view that took the
    rest for whole showed the shard as held for good. The member may be told of the rest before it
    reads our request; then nothing needs replacing, and it is tried again.
    """
    assert any(_replaced_at_a_member_behind(cluster) for _ in range(TRIES)), (
        "the stream that could not go on was never replaced"
    )


def _replaced_at_a_member_behind(cluster: EtcdServers) -> bool:
    """Whether the stream was opened anew; that nothing is missed is asserted in either case."""
    group, leader = group_name(), cluster.leader()
    behind, ahead = cluster.followers()
    with (
        FaultProxy((ahead.host, ahead.port)) as near,
        FaultProxy((behind.host, behind.port)) as far,
        opened(f"etcd://{leader.hostport}/unused") as writer,
        opened(f"etcd://{near.hostport},{far.hostport}/unused") as store,
    ):
        keys = role_of(writer, group, shards=3)
        session = writer.open_session(group, record(), 60)
        tokens = take(writer, group, session, keys)
        turn_to(store, far.hostport)  # connected, for later
        store.view(group)
        turn_to(store, near.hostport)
        store.view(group)
        rung = threading.Event()
        watch = store.watch(group, rung.set)
        assert rung.wait(5.0)
        behind.pause()
        rung.clear()
        writer.put_role(group, RoleRecord(name="other", shape=Shape(1, 1)))
        assert rung.wait(5.0)
        store.view(group)
        rung.clear()
        session.release([Tenure(keys[0], tokens[0], Note())])
        assert rung.wait(5.0), "the release did not arrive before the break"
        near.admit("refuse")
        near.reset()
        time.sleep(0.4)  # the stream asks the member behind, which is not there yet
        rung.clear()
        behind.resume()
        replaced = rung.wait(4.0)
        session.amend([Tenure(keys[1], tokens[1], Note(member="later"))])
        assert wait_until(
            lambda: store.view(group).claims[keys[1]].note.member == "later", within_s=20.0
        )
        assert store.view(group).claims[keys[0]].session is None
        watch.close()
        session.close()
    return replaced


@pytest.mark.xdist_group("etcd")
def test_a_watch_begun_while_the_last_one_ends_is_woken(alone: EtcdServers) -> None:
    """Whatever the order: the one that begins is not taken along by the one that ends."""
    group = group_name()
    with opened(alone.url("unused")) as store, opened(alone.url("unused")) as writer:
        store.view(group)
        for turn in range(ROUNDS):
            first, second = threading.Event(), threading.Event()
            ending = store.watch(group, first.set)
            assert first.wait(5.0)
            closing = threading.Thread(target=ending.close)
            closing.start()
            time.sleep(0.0002 * (turn % 10))
            begun = store.watch(group, second.set)
            closing.join(5.0)
            assert wait_until(partial(_rings, writer, group, second), within_s=5.0), (
                f"deaf in turn {turn}"
            )
            begun.close()


def _rings(store: EtcdStore, group: str, rung: threading.Event) -> bool:
    rung.clear()
    role_of(store, group, name=f"r{time.monotonic_ns()}")
    return rung.wait(1.0)


@pytest.mark.xdist_group("etcd")
def test_a_subscriber_that_hangs_is_in_no_later_ones_way(alone: EtcdServers) -> None:
    """Its thread outlives its closing, and touches nothing of the next one's when it goes on."""
    group, gate, entered = group_name(), threading.Event(), threading.Event()

    def hang() -> None:
        entered.set()
        gate.wait(20.0)

    with (
        opened(alone.url("unused"), timeout_s=0.3) as store,
        opened(alone.url("unused")) as writer,
    ):
        store.view(group)
        hanging = store.watch(group, hang)
        assert entered.wait(5.0)
        begun_s = time.monotonic()
        hanging.close()
        assert time.monotonic() - begun_s < 1.5, "closing waited longer than its timeout"
        rung = threading.Event()
        watch = store.watch(group, rung.set)
        assert rung.wait(5.0)
        stale, run = store._feeds[group]._threads[0], store._feeds[group]._run
        gate.set()
        stale.join(5.0)
        assert not stale.is_alive()
        assert run is not None
        assert run.stream is not None, "the old thread forgot the new one's stream"
        assert _rings(writer, group, rung)
        watch.close()
        assert wait_until(
            lambda: not any(one.is_alive() for one in store._feeds[group]._threads), within_s=5.0
        )


@pytest.mark.xdist_group("etcd")
def test_what_is_deleted_by_hand_is_seen_when_the_watch_brings_it(
    alone: EtcdServers, etcd: Etcd
) -> None:
    """Later than a view that had found the picture whole, since nothing of coord's had changed."""
    group, member = group_name(), alone.members[0]
    with (
        FaultProxy((member.host, member.port)) as proxy,
        opened(f"etcd://{proxy.hostport},{member.hostport}/unused") as store,
    ):
        turn_to(store, proxy.hostport)
        keys = role_of(store, group, shards=2)
        session = store.open_session(group, record(), 60)
        take(store, group, session, keys)
        store.view(group)
        rung = threading.Event()
        watch = store.watch(group, rung.set)
        assert rung.wait(5.0)
        store.view(group)
        rung.clear()
        turn_to(store, member.hostport)
        proxy.replies.hold()
        etcd.delete(f"/coord/{group}/c/r/1/0/0")
        assert keys[0] in store.view(group).claims, "seen at once: nothing is shown"
        proxy.replies.mend()
        assert rung.wait(5.0)
        assert set(store.view(group).claims) == {keys[1]}
        watch.close()
        session.close()
