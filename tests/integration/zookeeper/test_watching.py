"""Watches: armed again and again, and woken once a window."""

from __future__ import annotations

import threading
import time

import pytest
from kazoo.protocol.serialization import GetChildren

from coord.testing import FaultProxy
from coord.testing.servers import ZooKeeperServers
from coord_zookeeper.deadline import Deadline
from coord_zookeeper.link import Link
from tests.integration.zookeeper.support import (
    bare,
    group_name,
    opened,
    record_of,
    role_of,
    taken,
    until,
)

pytestmark = pytest.mark.xdist_group("zookeeper")


class Wakes:
    """Counts wakes."""

    def __init__(self) -> None:
        self.times: list[float] = []
        self._lock = threading.Lock()

    def __call__(self) -> None:
        with self._lock:
            self.times.append(time.monotonic())

    def settle(self) -> int:
        """How many there were, once there are no more."""
        before = -1
        while before != len(self.times):
            before = len(self.times)
            time.sleep(0.15)
        self.times.clear()
        return before


def test_a_thousand_changes_wake_a_member_once_a_window(
    zookeeper_server: ZooKeeperServers,
) -> None:
    group = group_name()
    with opened(zookeeper_server.hosts) as writer, opened(zookeeper_server.hosts) as store:
        role_of(writer, group, shards=1000)
        session = writer.open_session(group, record_of(), 30.0)
        wakes = Wakes()
        watch = store.watch(group, wakes)
        wakes.settle()
        began_s = time.monotonic()
        taken(session, writer, group)
        took_s = time.monotonic() - began_s
        count = wakes.settle()
        assert 0 < count <= took_s / 0.005 + 2
        assert count < 200, f"{count} wakes for 1000 changes in {took_s:.2f} s"
        watch.close()
        session.close()


def test_a_wake_comes_soon(zookeeper_server: ZooKeeperServers) -> None:
    group = group_name()
    with opened(zookeeper_server.hosts) as writer, opened(zookeeper_server.hosts) as store:
        role = role_of(writer, group)
        wakes = Wakes()
        watch = store.watch(group, wakes)
        took_s = []
        for _ in range(10):
            wakes.settle()
            role = writer.put_role(group, role)
            changed_s = time.monotonic()
            assert until(lambda: bool(wakes.times))
            took_s.append(wakes.times[0] - changed_s)
        assert sorted(took_s)[len(took_s) // 2] < 0.1, took_s
        watch.close()


def test_a_group_that_does_not_exist_yet_wakes_when_it_begins(
    zookeeper_server: ZooKeeperServers,
) -> None:
    """And again after it was deleted and made anew, for members that join and die too."""
    group = group_name()
    with opened(zookeeper_server.hosts) as writer, opened(zookeeper_server.hosts) as store:
        wakes = Wakes()
        watch = store.watch(group, wakes)
        for _ in range(2):
            wakes.settle()
            session = writer.open_session(group, record_of(), 0.5)
            assert until(lambda: bool(wakes.times))
            assert until(lambda: bool(store.view(group).members))
            wakes.settle()
            assert until(lambda: not store.view(group).members), "it does not heartbeat"
            assert until(lambda: bool(wakes.times)), "its death woke nobody"
            session.close()
            with bare(zookeeper_server.hosts) as client:
                client.delete(f"/{group}", recursive=True)
        watch.close()


def test_what_changed_while_the_way_was_cut_wakes_when_it_is_back(
    zookeeper_server: ZooKeeperServers,
) -> None:
    group = group_name()
    member = zookeeper_server.members[0]
    with (
        FaultProxy((member.host, member.port)) as proxy,
        opened(zookeeper_server.hosts) as writer,
        opened(proxy.hostport, timeout_s=0.5) as store,
    ):
        role = role_of(writer, group)
        wakes = Wakes()
        watch = store.watch(group, wakes)
        wakes.settle()
        proxy.admit("refuse")
        proxy.reset()
        wakes.settle()
        role = writer.put_role(group, role)
        assert wakes.settle() == 0
        proxy.heal()
        assert until(lambda: bool(wakes.times)), "what was missed woke nobody"
        wakes.settle()
        writer.put_role(group, role)
        assert until(lambda: bool(wakes.times)), "it was not armed again"
        watch.close()


def test_a_watch_may_begin_while_no_server_answers(zookeeper_server: ZooKeeperServers) -> None:
    group = group_name()
    member = zookeeper_server.members[0]
    with (
        FaultProxy((member.host, member.port)) as proxy,
        opened(zookeeper_server.hosts) as writer,
        opened(proxy.hostport, timeout_s=0.3) as store,
    ):
        role = role_of(writer, group)
        proxy.admit("refuse")
        wakes = Wakes()
        watch = store.watch(group, wakes)
        assert wakes.settle() == 0
        proxy.heal()
        assert until(lambda: bool(wakes.times))
        wakes.settle()
        writer.put_role(group, role)
        assert until(lambda: bool(wakes.times))
        watch.close()


def test_a_change_that_comes_before_its_watch_knows_that_it_is_armed_loses_no_later_one(
    zookeeper_server: ZooKeeperServers, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The library's thread may tell of a change before the watch's thread has seen the answer."""
    group, raced, arm = group_name(), threading.Event(), Link.arm
    with opened(zookeeper_server.hosts) as writer, opened(zookeeper_server.hosts) as store:
        role_of(writer, group)
        wakes = Wakes()
        watch = store.watch(group, wakes)
        wakes.settle()

        def late(link: Link, request: object, deadline: Deadline) -> object:
            answer = arm(link, request, deadline)
            if isinstance(request, GetChildren) and not raced.is_set():
                raced.set()
                writer.open_session(group, record_of("second"), 30.0)
                time.sleep(0.3)
            return answer

        monkeypatch.setattr(Link, "arm", late)
        writer.open_session(group, record_of("first"), 30.0)
        assert until(raced.is_set)
        wakes.settle()
        writer.open_session(group, record_of("third"), 0.5)
        assert until(lambda: len(store.view(group).members) == 3)
        wakes.settle()
        assert until(lambda: len(store.view(group).members) == 2), "it does not heartbeat"
        assert until(lambda: bool(wakes.times)), "its death woke nobody"
        watch.close()
