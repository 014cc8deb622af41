"""What is refused, with cause and cure, quickly, and with nothing left behind."""

from __future__ import annotations

import logging
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from coord.clock import SYSTEM_CLOCK
from coord.errors import Certainty, ConfigError, CoordError, StoreRefused, StoreUnavailable
from coord.model import RoleRecord, Shape
from coord.testing import FaultProxy
from coord.testing.servers import ZooKeeperServers
from coord_zookeeper import ZooKeeperStore
from tests.integration.zookeeper.support import (
    bare,
    group_name,
    live_sessions,
    opened,
    record_of,
    role_of,
    until,
)

pytestmark = pytest.mark.xdist_group("zookeeper")

TIMEOUT_S = 0.5
SECRET = "correct-horse"  # noqa: S105  it is made up


def everything(store: ZooKeeperStore, group: str) -> list[Callable[[], object]]:
    """Every method that needs a server."""
    return [
        lambda: store.view(group),
        lambda: store.beacons(group),
        lambda: store.open_session(group, record_of(), 10.0),
        lambda: store.put_role(group, RoleRecord(name="r", shape=Shape(1, 1))),
        lambda: store.init(group),
    ]


def told(call: Callable[[], object], kind: type[CoordError]) -> CoordError:
    """The error of a call, which must come in time and say what to do."""
    began_s = time.monotonic()
    with pytest.raises(kind) as caught:
        call()
    assert time.monotonic() - began_s < TIMEOUT_S + 2.0
    assert caught.value.cause
    assert caught.value.cure
    assert SECRET not in str(caught.value)
    return caught.value


def nothing_left() -> bool:
    return not [t for t in threading.enumerate() if t.name.startswith("coord-zookeeper")]


@contextmanager
def listener(answer: bytes | None) -> Iterator[str]:
    """A port that is not ZooKeeper's: it says `answer` to everybody, or nothing."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.05)
        stop = threading.Event()
        kept: list[socket.socket] = []

        def serve() -> None:
            while not stop.is_set():
                try:
                    found, _ = server.accept()
                except TimeoutError:
                    continue
                kept.append(found)
                if answer is not None:
                    found.sendall(answer)

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield f"127.0.0.1:{server.getsockname()[1]}"
        finally:
            stop.set()
            thread.join()
            for one in kept:
                one.close()


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def test_a_server_that_is_down_is_named_by_every_method() -> None:
    hosts = f"127.0.0.1:{free_port()}"
    with opened(hosts, timeout_s=TIMEOUT_S) as store:
        for call in everything(store, group_name()):
            error = told(call, StoreUnavailable)
            assert hosts in error.cause
            assert "nobody listens" in error.cause
            assert getattr(error, "certainty", None) is Certainty.NOT_APPLIED
        assert [finding.ok for finding in store.probe("g")] == [False]
    assert until(nothing_left)


@pytest.mark.parametrize("answer", [None, b"HTTP/1.1 400 Bad Request\r\n\r\n", b"\0\0\0\x10" * 9])
def test_a_port_that_is_not_zookeepers_is_no_riddle(answer: bytes | None) -> None:
    with listener(answer) as hosts, opened(hosts, timeout_s=TIMEOUT_S) as store:
        for call in everything(store, group_name())[:3]:
            told(call, StoreUnavailable)
    assert until(nothing_left)


def test_a_name_without_an_address_is_told() -> None:
    with opened("no-such-host.invalid:2181", timeout_s=TIMEOUT_S) as store:
        error = told(lambda: store.view("g"), StoreUnavailable)
        assert "no address" in error.cause
    assert until(nothing_left)


def test_a_server_that_goes_down_later_is_told_and_comes_back(
    zookeeper_server: ZooKeeperServers,
) -> None:
    group = group_name()
    member = zookeeper_server.members[0]
    with (
        FaultProxy((member.host, member.port)) as proxy,
        opened(proxy.hostport, timeout_s=TIMEOUT_S) as store,
    ):
        session = store.open_session(group, record_of(), 30.0)
        proxy.admit("refuse")
        proxy.reset()
        for call in (lambda: store.view(group), lambda: session.heartbeat(b"")):
            assert proxy.hostport in told(call, StoreUnavailable).cause
        proxy.heal()
        assert until(lambda: _works(lambda: session.heartbeat(b"")))
        assert set(store.view(group).members) == {session.id}
        session.close()


def _works(call: Callable[[], object]) -> bool:
    try:
        call()
    except StoreUnavailable:
        return False
    return True


def test_a_missing_chroot_is_not_made_in_passing(zookeeper_server: ZooKeeperServers) -> None:
    """`coord init` makes it; whatever else is asked for says so. Asking twice is no error."""
    group, chroot = group_name(), group_name()
    place = f"{chroot}/deep/unused"
    with opened(zookeeper_server.hosts, place=place) as store:
        told(lambda: store.view(group), StoreRefused)
        sessions = live_sessions(zookeeper_server)
        for call in everything(store, group)[:4]:
            error = told(call, StoreRefused)
            assert f"/{chroot}/deep" in error.cause
            assert "coord init" in error.cure
        wrong = [finding for finding in store.probe(group) if not finding.ok]
        assert any("coord init" in finding.cure for finding in wrong)
        assert until(lambda: live_sessions(zookeeper_server) == sessions)
        with bare(zookeeper_server.hosts) as client:
            assert client.exists(f"/{chroot}") is None
        made = store.init(group)
        assert [finding.ok for finding in made] == [True, True, True]
        assert all("was made" in finding.value for finding in made)
        assert all("was there" in finding.value for finding in store.init(group))
        session = store.open_session(group, record_of(), 10.0)
        assert set(store.view(group).members) == {session.id}
        session.close()
        assert all(finding.ok for finding in store.probe(group))


def test_a_chroot_may_be_another_groups_root(zookeeper_server: ZooKeeperServers) -> None:
    outer = group_name()
    with opened(zookeeper_server.hosts, place=f"{outer}/unused") as store:
        store.init("inner")
    with opened(zookeeper_server.hosts) as store:
        session = store.open_session(outer, record_of(), 10.0)
        assert set(store.view(outer).members) == {session.id}
        session.close()


def test_a_group_of_other_credentials_is_refused_with_its_cure(
    zookeeper_server: ZooKeeperServers, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nodes that were made with a digest belong to whoever shows it, and to nobody else."""
    group = group_name()
    monkeypatch.setenv("COORD_ZOOKEEPER_AUTH", f"digest:coord:{SECRET}")
    with opened(zookeeper_server.hosts) as owner:
        role_of(owner, group)
        session = owner.open_session(group, record_of(), 10.0)
        for other in ("digest:coord:wrong", ""):
            monkeypatch.setenv("COORD_ZOOKEEPER_AUTH", other)
            with opened(zookeeper_server.hosts) as stranger:
                for call in everything(stranger, group)[:4]:
                    error = told(call, StoreRefused)
                    assert "ACL" in error.cause
                    assert "COORD_ZOOKEEPER_AUTH" in error.cure
                wrong = [finding for finding in stranger.probe(group) if not finding.ok]
                assert any("may not be read" in finding.value for finding in wrong)
        session.heartbeat(b"")
        assert set(owner.view(group).members) == {session.id}
        session.close()
        with bare(zookeeper_server.hosts) as client:
            client.add_auth("digest", f"coord:{SECRET}")
            for path in (f"/{group}", f"/{group}/claims", f"/{group}/roles/r"):
                [acl], _ = client.get_acls(path)
                assert acl.id.scheme == "digest"
                assert acl.id.id.startswith("coord:")


def test_credentials_may_come_from_a_file(
    zookeeper_server: ZooKeeperServers, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    group = group_name()
    file = tmp_path / "auth"
    file.write_text(f"digest:coord:{SECRET}\n")
    monkeypatch.setenv("COORD_ZOOKEEPER_AUTH_FILE", str(file))
    with opened(zookeeper_server.hosts) as store:
        role_of(store, group)
    monkeypatch.delenv("COORD_ZOOKEEPER_AUTH_FILE")
    with opened(zookeeper_server.hosts) as store:
        told(lambda: store.view(group), StoreRefused)


def test_credentials_are_in_no_log_and_no_error(
    zookeeper_server: ZooKeeperServers,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Kazoo logs what it sends; a host that logs everything must not find a password there."""
    caplog.set_level(logging.NOTSET)
    monkeypatch.setenv("COORD_ZOOKEEPER_AUTH", f"digest:coord:{SECRET}")
    with opened(zookeeper_server.hosts) as store:
        role_of(store, group := group_name())
        store.open_session(group, record_of(), 10.0).close()
        assert SECRET not in repr(store._target)
    assert SECRET not in caplog.text
    assert "kazoo" not in caplog.text


@pytest.mark.parametrize("auth", ["coord:secret", "digest:coord", "kerberos:a:b", "digest::x"])
def test_credentials_that_cannot_be_read_are_not_repeated(
    auth: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COORD_ZOOKEEPER_AUTH", auth)
    error = told(lambda: _from_url("zookeeper://h/g"), ConfigError)
    assert auth not in str(error)


@pytest.mark.parametrize(
    ("url", "cause"),
    [
        ("zookeeper://user:pw@h/g", "user or a password"),
        ("zookeeper://h/g?timeout=3", "'timeout'"),
        ("zookeeper://h:99999/g", "no host:port"),
        ("zookeeper:///g", "names no zookeeper store"),
        ("zookeeper://h/zookeeper", "own node"),
        ("zookeeper://h/zookeeper/g", "own node"),
        ("zookeeper://h/g?tick_s=0", "tick_s=0"),
        ("zookeeper://h/g?acl=mine", "acl=mine"),
        ("zookeeper://h/g?acl=creator", "without credentials"),
        ("zookeeper://h/g?ca=/no/such/file", "cannot be used"),
        ("zookeeper://h/g?key=/no/such/file", "without its certificate"),
        ("zookeeper://h/g?ca=/no/such/file&tls=false", "tls=false"),
    ],
)
def test_a_url_that_cannot_be_is_refused_before_anything_is_asked(url: str, cause: str) -> None:
    assert cause in told(lambda: _from_url(url), ConfigError).cause
    assert nothing_left()


def _from_url(url: str) -> object:
    return ZooKeeperStore.from_url(url, clock=SYSTEM_CLOCK, timeout_s=TIMEOUT_S)
