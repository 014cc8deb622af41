"""Servers with users: logins, their expiry, and what those without rights are told."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial

import etcd3.etcdrpc as rpc
import pytest

from coord.errors import ConfigError, StoreRefused, StoreUnavailable
from coord.testing.proxy import FaultProxy
from coord.testing.servers import EtcdServers
from coord_etcd import EtcdStore
from tests.integration.etcd.tools import (
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

TOKEN_S = 1
SECRET = "s3cret-word"  # noqa: S105  of servers that live for a test
_READ_AND_WRITE = 2


@pytest.fixture(scope="module")
def guarded() -> Iterator[EtcdServers]:
    """One etcd whose logins expire a second after they were used last."""
    with started(lambda: EtcdServers(flags=["--auth-token-ttl", str(TOKEN_S)])) as servers:
        with Etcd.at(servers.hosts) as etcd:
            _enable_users(etcd)
        yield servers


def _enable_users(etcd: Etcd) -> None:
    """root; coord, who has the groups' keys; and stranger, who has others."""
    auth = etcd.auth
    for name in ("root", "coord", "stranger"):
        auth.UserAdd(rpc.AuthUserAddRequest(name=name, password=SECRET), timeout=5.0)
        if name != "root":
            auth.RoleAdd(rpc.AuthRoleAddRequest(name=name), timeout=5.0)
        auth.UserGrantRole(rpc.AuthUserGrantRoleRequest(user=name, role=name), timeout=5.0)
    for name, prefix in (("coord", b"/coord/"), ("stranger", b"/other/")):
        permission = {"permType": _READ_AND_WRITE, "key": prefix, "range_end": prefix[:-1] + b"0"}
        auth.RoleGrantPermission(
            rpc.AuthRoleGrantPermissionRequest(name=name, perm=permission), timeout=5.0
        )
    auth.AuthEnable(rpc.AuthEnableRequest(), timeout=5.0)


@pytest.fixture
def user(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ETCDCTL_USER", f"coord:{SECRET}")


@pytest.mark.usefixtures("user")
def test_a_user_with_rights_to_the_prefix_can_do_everything(guarded: EtcdServers) -> None:
    group = group_name()
    with opened(guarded.url("unused")) as store:
        session = store.open_session(group, record(), 60)
        tokens = take(store, group, session, role_of(store, group, shards=150))
        assert len(tokens) == 150
        session.heartbeat(b"{}")
        assert set(store.beacons(group)) == {session.id}
        findings = {finding.name: finding for finding in store.probe(group)}
        assert findings["login"].value.startswith("user coord")
        assert not findings["login"].ok, "a password over a connection without TLS is a finding"
        assert findings["rights"].ok
        session.close()


def test_the_password_may_have_a_variable_of_its_own(
    guarded: EtcdServers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ETCDCTL_USER", "coord")
    with pytest.raises(ConfigError, match="without a password"), opened(guarded.url("unused")):
        pass
    monkeypatch.setenv("ETCDCTL_PASSWORD", SECRET)
    with opened(guarded.url("unused")) as store:
        assert not store.view(group_name()).members


@pytest.mark.usefixtures("user")
def test_a_login_that_expires_is_renewed_within_the_call(guarded: EtcdServers) -> None:
    group = group_name()
    with opened(guarded.url("unused")) as store:
        session = store.open_session(group, record(), 60)
        keys = role_of(store, group, shards=3)
        session.heartbeat(b"{}")
        first = store._heartbeat_lane.login._token
        _let_logins_expire()
        session.heartbeat(b"{}")
        assert store._heartbeat_lane.login._token != first, "it did not expire: nothing is shown"
        _let_logins_expire()
        assert store.view(group).members
        _let_logins_expire()
        take(store, group, session, keys)
        _let_logins_expire()
        session.close()
        assert not store.view(group).by_session


def _let_logins_expire() -> None:
    time.sleep(TOKEN_S * 2.5)  # etcd looks for expired ones every half second or second


@pytest.mark.usefixtures("user")
def test_logins_are_renewed_after_a_restart_of_the_server(guarded: EtcdServers) -> None:
    """Tokens of this kind live in the server's memory."""
    group = group_name()
    with opened(guarded.url("unused")) as store:
        session = store.open_session(group, record(), 60)
        guarded.members[0].restart()
        assert session.heartbeat(b"{}").ttl_s == 60
        session.close()


@pytest.mark.usefixtures("user")
def test_a_watch_whose_login_expired_goes_on(guarded: EtcdServers) -> None:
    member, group = guarded.members[0], group_name()
    with (
        FaultProxy((member.host, member.port)) as proxy,
        opened(f"etcd://{proxy.hostport}/unused") as store,
    ):
        rung = threading.Event()
        watch = store.watch(group, rung.set)
        assert rung.wait(5.0)
        proxy.admit("refuse")
        proxy.reset()
        _let_logins_expire()
        proxy.admit("serve")
        with opened(guarded.url("unused")) as other:
            rung.clear()
            assert wait_until(lambda: _rings(other, group, rung), within_s=8.0)
        watch.close()


def _rings(store: EtcdStore, group: str, rung: threading.Event) -> bool:
    role_of(store, group, name=f"r{time.monotonic_ns()}")
    return rung.wait(0.5)


@pytest.mark.parametrize(
    ("credentials", "cause"),
    [
        ("coord:wrong-word", "refuses the user's name or password"),
        ("nobody:wrong-word", "refuses the user's name or password"),
        ("stranger:" + SECRET, "denies this user the group's keys"),
        ("", "wants a user and got none"),
    ],
    ids=["wrong password", "unknown user", "no rights", "no user"],
)
def test_a_refusal_names_cause_and_cure_and_no_secret(
    guarded: EtcdServers,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    credentials: str,
    cause: str,
) -> None:
    if credentials:
        monkeypatch.setenv("ETCDCTL_USER", credentials)
    caplog.set_level(logging.DEBUG)
    group = group_name()
    with opened(guarded.url("unused")) as store:
        calls = (
            lambda: store.view(group),
            lambda: store.open_session(group, record(), 10),
            lambda: role_of(store, group),
        )
        for call in calls:
            with pytest.raises(StoreRefused) as raised:
                call()
            assert cause in raised.value.cause
            assert raised.value.cure
            text = f"{raised.value!s} {raised.value!r} {raised.value.__cause__!r} {caplog.text}"
            assert SECRET not in text
            assert "wrong-word" not in text
        if credentials.startswith("stranger"):
            findings = {finding.name: finding for finding in store.probe(group)}
            assert not findings["rights"].ok
            assert "grant-permission" in findings["rights"].cure


def test_refused_openings_leave_no_lease(
    guarded: EtcdServers, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Etcd.at(guarded.hosts) as anybody:
        request = rpc.AuthenticateRequest(name="root", password=SECRET)
        token = anybody.auth.Authenticate(request, timeout=5.0).token
    root = Etcd(guarded.hosts, token=token)
    before = root.leases()
    monkeypatch.setenv("ETCDCTL_USER", f"stranger:{SECRET}")
    with opened(guarded.url("unused")) as store:
        for _ in range(3):
            with pytest.raises(StoreRefused):
                store.open_session(group_name(), record(), 60)
    assert root.leases() <= before
    root.close()


@pytest.mark.usefixtures("user")
def test_credentials_are_no_harm_to_a_server_without_users(alone: EtcdServers) -> None:
    group = group_name()
    with opened(alone.url("unused")) as store:
        session = store.open_session(group, record(), 60)
        session.heartbeat(b"")
        findings = {finding.name: finding for finding in store.probe(group)}
        assert "the server has no users" in findings["login"].value
        session.close()


def test_users_may_be_turned_on_while_members_run(monkeypatch: pytest.MonkeyPatch) -> None:
    """The server had no users when the member logged in; once it has, the member logs in again."""
    monkeypatch.setenv("ETCDCTL_USER", f"coord:{SECRET}")
    group = group_name()
    with started() as servers, opened(servers.url("unused")) as store:
        session = store.open_session(group, record(), 60)
        session.heartbeat(b"{}")
        keys = role_of(store, group, shards=150)
        with Etcd.at(servers.hosts) as etcd:
            _enable_users(etcd)
        session.heartbeat(b"{}")
        assert set(store.view(group).members) == {session.id}
        take(store, group, session, keys)
        session.close()


@pytest.mark.usefixtures("user")
def test_a_login_keeps_to_the_timeout_of_its_call(guarded: EtcdServers) -> None:
    """Several wait for one login at a server that hangs: none longer than it was told to."""
    timeout_s, member = 1.0, guarded.members[0]
    with opened(guarded.url("unused"), timeout_s=timeout_s) as store:
        session = store.open_session(group_name(), record(), 60)
        session.heartbeat(b"{}")
        for lane in (store._lane, store._heartbeat_lane):
            lane.login._token = ""
        took_s: list[float] = []

        def timed(call: Callable[[], object]) -> None:
            begun_s = time.monotonic()
            with suppress(StoreUnavailable):
                call()
            took_s.append(time.monotonic() - begun_s)

        calls = [partial(store.view, "g"), partial(store.beacons, "g"), partial(store.view, "h")]
        threads = [threading.Thread(target=timed, args=[call]) for call in calls]
        member.pause()
        try:
            for thread in threads:
                thread.start()
                time.sleep(timeout_s / 3)
            for thread in threads:
                thread.join(10.0)
        finally:
            member.resume()
        assert len(took_s) == len(calls)
        assert max(took_s) < timeout_s + 0.5


@pytest.mark.usefixtures("user")
def test_the_password_is_in_no_representation(alone: EtcdServers) -> None:
    with opened(alone.url("unused")) as store:
        assert SECRET not in repr(store)
        assert SECRET not in repr(store._lane.login._user)
