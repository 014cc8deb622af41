"""What cannot be: servers that are down, slow, full, or no etcd; each named soon, nothing left."""

from __future__ import annotations

import os
import signal
import socket
import threading
from contextlib import closing, suppress
from functools import partial
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from coord.clock import SYSTEM_CLOCK
from coord.errors import (
    Certainty,
    ConfigError,
    DuplicateMember,
    ForkedProcess,
    StoreRefused,
    StoreUnavailable,
)
from coord.model import Note
from coord.spi import Claimed, ClaimRequest
from coord.testing.proxy import FaultProxy
from coord.testing.servers import EtcdServers
from coord_etcd import EtcdStore
from tests.integration.etcd.tools import (
    TIMEOUT_S,
    Etcd,
    group_name,
    opened,
    record,
    role_of,
    started,
    take,
    wait_until,
)

pytestmark = pytest.mark.xdist_group("etcd")

SLACK_S = 2.0


def _free_port() -> int:
    with closing(socket.socket()) as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
        return port


# ------------------------------------------------------------------------------ nobody, or not etcd


def test_a_server_that_is_down_is_named_at_once(alone: EtcdServers) -> None:
    """Nothing can have been applied: nobody was there to be asked."""
    begun_s = SYSTEM_CLOCK.now()
    with opened(f"etcd://127.0.0.1:{_free_port()}/unused") as store:
        for call in (
            partial(store.view, "g"),
            partial(store.open_session, "g", record(), 10),
            partial(role_of, store, "g"),
        ):
            with pytest.raises(StoreUnavailable) as raised:
                call()
            assert "nobody listens" in raised.value.cause
            assert "2379" in raised.value.cure
            assert raised.value.certainty is Certainty.NOT_APPLIED
    assert SYSTEM_CLOCK.now() - begun_s < TIMEOUT_S


def test_a_server_that_comes_later_is_found(alone: EtcdServers, proxy: FaultProxy) -> None:
    proxy.admit("refuse")
    with opened(f"etcd://{proxy.hostport}/unused") as store:
        rung = threading.Event()
        watch = store.watch("g", rung.set)
        with pytest.raises(StoreUnavailable):
            store.view("g")
        proxy.admit("serve")
        assert wait_until(partial(_views, store), within_s=3.0)
        assert rung.wait(5.0)
        watch.close()


def _views(store: EtcdStore) -> bool:
    try:
        store.view("g")
    except StoreUnavailable:
        return False
    return True


def test_one_endpoint_that_is_down_is_in_nobodys_way(alone: EtcdServers) -> None:
    url = f"etcd://127.0.0.1:{_free_port()},{alone.hosts},127.0.0.1:{_free_port()}/unused"
    for _ in range(5):  # endpoints are begun with at random
        with opened(url) as store:
            group = group_name()
            session = store.open_session(group, record(), 60)
            session.heartbeat(b"")
            take(store, group, session, role_of(store, group, shards=300))
            session.close()


def test_something_else_that_listens_is_named(alone: EtcdServers) -> None:
    class _Web(BaseHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

    web = HTTPServer(("127.0.0.1", 0), _Web)
    thread = threading.Thread(target=web.serve_forever)
    thread.start()
    mute = socket.create_server(("127.0.0.1", 0))
    try:
        for port in (web.server_port, mute.getsockname()[1]):
            begun_s = SYSTEM_CLOCK.now()
            with (
                opened(f"etcd://127.0.0.1:{port}/unused") as store,
                pytest.raises(StoreUnavailable) as raised,
            ):
                store.view("g")
            assert "etcd's client port" in raised.value.cure
            assert SYSTEM_CLOCK.now() - begun_s < TIMEOUT_S + SLACK_S
    finally:
        web.shutdown()
        web.server_close()
        thread.join(5.0)
        mute.close()


@pytest.mark.parametrize(
    "url",
    [
        "etcd:///g",
        "etcd://user:sesame@127.0.0.1/g",
        "etcd://127.0.0.1:99999/g",
        "etcd://127.0.0.1/g?tls=perhaps",
        "etcd://127.0.0.1/g?color=red",
        "etcd://127.0.0.1/bad name",
        "etcd://127.0.0.1/coord/prod/c",
        "etcd://127.0.0.1/coord/prod/m/other",
    ],
)
def test_urls_that_cannot_be_are_refused(url: str) -> None:
    with pytest.raises(ConfigError) as raised, opened(url):
        pass
    assert raised.value.cure
    assert "sesame" not in str(raised.value)


def test_a_path_before_the_group_is_where_its_keys_are(alone: EtcdServers, etcd: Etcd) -> None:
    store, group = EtcdStore.from_url(
        f"etcd://{alone.hosts}/teams/blue/prod", clock=SYSTEM_CLOCK, timeout_s=TIMEOUT_S
    )
    assert group == "prod"
    with closing(store):
        role_of(store, group)
    assert etcd.keys("/teams/") == ["/teams/blue/prod/g", "/teams/blue/prod/r/r"]


# ------------------------------------------------------------------------------------------- ttls


def test_the_granted_ttl_counts(alone: EtcdServers) -> None:
    """Whole seconds, rounded up."""
    with opened(alone.url("unused")) as store:
        session = store.open_session(group_name(), record(), 2.5)
        assert session.ttl_s == 3.0
        assert session.opened.ttl_s == session.heartbeat(b"").ttl_s == 3.0
        session.close()


def test_a_server_that_grants_longer_leases_is_believed() -> None:
    """Its least lease follows from its election timeout: 1.5 of them, in whole seconds."""
    with (
        started(lambda: EtcdServers(heartbeat_s=0.4, election_s=4.0)) as servers,
        opened(servers.url("unused")) as store,
    ):
        session = store.open_session("g", record(), 1.0)
        assert session.ttl_s >= 5.0
        assert store.view("g").members[session.id].ttl_s == session.ttl_s
        findings = {finding.name: finding for finding in store.probe("g")}
        assert findings["shortest ttl"].value.startswith(f"{session.ttl_s:g} s")
        session.close()


@pytest.mark.parametrize("ttl_s", [0.0, -1.0, float("inf"), float("nan")])
def test_ttls_that_cannot_be_are_refused(alone: EtcdServers, ttl_s: float) -> None:
    with opened(alone.url("unused")) as store, pytest.raises(ConfigError):
        store.open_session("g", record(), ttl_s)


# ------------------------------------------------------------------------- nothing is left behind


def test_an_opening_that_fails_leaves_no_lease(
    alone: EtcdServers, etcd: Etcd, proxy: FaultProxy
) -> None:
    """Whatever answer gets lost; and the keys of whoever is live stay as they are."""
    group, before = group_name(), etcd.leases()
    with opened(f"etcd://{proxy.hostport}/unused", timeout_s=0.5) as store:
        for request in (b"\x08\x3c\x10", b"incarnation"):  # a grant of 60 s; the member's record
            store.view(group)  # connected
            trigger = proxy.on_request(request, "lose_reply", times=None)
            with pytest.raises(StoreUnavailable) as raised:
                store.open_session(group, record(), 60)
            assert raised.value.certainty is Certainty.UNKNOWN
            assert trigger.fired
            assert wait_until(lambda: etcd.leases() <= before, within_s=5.0), request
            proxy.heal()
    assert etcd.keys(f"/coord/{group}/m/") == []


def test_duplicates_leave_no_lease(alone: EtcdServers, etcd: Etcd) -> None:
    with opened(alone.url("unused")) as store:
        group = group_name()
        session = store.open_session(group, record("a"), 60)
        before = etcd.leases()
        for _ in range(3):
            with pytest.raises(DuplicateMember):
                store.open_session(group, record("a"), 60)
        assert wait_until(lambda: etcd.leases() <= before, within_s=2.0)
        session.close()
        assert int(session.id, 16) not in etcd.leases()


def test_nothing_is_left_after_close(alone: EtcdServers, etcd: Etcd) -> None:
    """Threads, sockets, leases; of keys, what the next holders have to know."""
    group, leases = group_name(), etcd.leases()
    with opened(alone.url("unused")) as store:
        _live(store, group)
    threads, files = threading.active_count(), _files()
    for _ in range(3):
        with opened(alone.url("unused")) as store:
            _live(store, group)
    assert wait_until(lambda: threading.active_count() <= threads, within_s=5.0)
    assert wait_until(lambda: _files() <= files, within_s=5.0)
    assert etcd.leases() <= leases
    left = {key.removeprefix(f"/coord/{group}/") for key in etcd.keys(f"/coord/{group}/")}
    assert left == {"c/r/1/0/0", "g", "r/r"}


def _live(store: EtcdStore, group: str) -> None:
    watch = store.watch(group, lambda: None)
    if "r" not in store.view(group).roles:
        role_of(store, group)
    session = store.open_session(group, record(), 60)
    take(store, group, session, store.view(group).roles["r"].claim_keys())
    session.heartbeat(b"")
    session.close()
    watch.close()


def _files() -> int:
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


def test_a_closed_store_refuses(alone: EtcdServers) -> None:
    store, group = EtcdStore.from_url(alone.url("g"), clock=SYSTEM_CLOCK, timeout_s=TIMEOUT_S)
    session = store.open_session(group, record(), 2)
    store.close()
    store.close()
    for call in (
        partial(store.view, group),
        partial(session.heartbeat, b""),
        partial(store.watch, group, lambda: None),
    ):
        with pytest.raises(StoreRefused, match="closed"):
            call()


def test_a_forked_child_is_refused_and_ends(alone: EtcdServers) -> None:
    """With calls, a stream and a channel open in the parent, which goes on."""
    with opened(alone.url("unused")) as store:
        group = group_name()
        session = store.open_session(group, record(), 60)
        watch = store.watch(group, lambda: None)
        child = os.fork()
        if child == 0:
            try:
                session.heartbeat(b"")
            except ForkedProcess:
                signal.alarm(10)  # should one of these hang
                watch.close()
                store.close()
                os._exit(7)
            os._exit(1)
        _, status = os.waitpid(child, 0)
        assert os.waitstatus_to_exitcode(status) == 7
        session.heartbeat(b"")
        watch.close()
        session.close()


# -------------------------------------------------------------------------------- on the way


def test_a_connection_that_went_silent_is_replaced(alone: EtcdServers, proxy: FaultProxy) -> None:
    """One timeout is paid, not one for each call until TCP gives up."""
    with opened(f"etcd://{proxy.hostport}/unused", timeout_s=0.7) as store:
        session = store.open_session(group_name(), record(), 60)
        session.heartbeat(b"")
        proxy.requests.drop()
        for call in (partial(session.heartbeat, b""), partial(store.view, "g")):
            with pytest.raises(StoreUnavailable) as raised:
                call()
            assert raised.value.certainty is Certainty.UNKNOWN
        before = proxy.counters.total
        proxy.requests.mend()
        session.heartbeat(b"")
        store.view("g")
        assert proxy.counters.total > before


def test_a_reply_that_is_lost_is_no_lost_claim(alone: EtcdServers, proxy: FaultProxy) -> None:
    """The claim landed; asked again, within the call or after it, it is ours with its token."""
    group = group_name()
    with opened(f"etcd://{proxy.hostport}/unused") as store:
        [key] = role_of(store, group)
        session = store.open_session(group, record(), 60)
        request = ClaimRequest(key, 0, store.view(group).roles["r"].version, Note())
        proxy.on_request(b"c/r/1/0/0", "lose_reply")
        with suppress(StoreUnavailable):
            session.claim([request])
        proxy.heal()
        [answer] = session.claim([request])
        token = store.view(group).claims[key].token
        assert answer == Claimed(key, token)
        session.close()


def test_a_heartbeat_is_not_held_up_by_a_large_answer(
    alone: EtcdServers, proxy: FaultProxy
) -> None:
    """A view that takes its whole timeout on a slow line, and heartbeats meanwhile."""
    group = group_name()
    with (
        opened(alone.url("unused")) as writer,
        opened(f"etcd://{proxy.hostport}/unused", timeout_s=5.0) as store,
    ):
        keys = role_of(writer, group, shards=3000)
        session = store.open_session(group, record(), 60)
        session.heartbeat(b"")
        other = writer.open_session(group, record("b"), 60)
        take(writer, group, other, keys)
        proxy.replies.set(bandwidth_bytes_s=200_000)
        reading = threading.Thread(target=partial(store.view, group))
        reading.start()
        took_s = []
        while reading.is_alive():
            begun_s = SYSTEM_CLOCK.now()
            session.heartbeat(b"")
            took_s.append(SYSTEM_CLOCK.now() - begun_s)
        reading.join()
        assert len(took_s) > 5, "the view was too quick to show anything"
        assert sorted(took_s)[len(took_s) // 2] < 0.2
        proxy.heal()
        session.close()
        other.close()
