"""Each server by itself: it serves, suffers what a test does to it, and leaves nothing behind."""

from __future__ import annotations

import socket
import threading
from pathlib import Path

import pytest

from coord.testing.servers import EtcdServers, ServerFailed, Servers, servers_of
from coord.testing.servers.member import wait_until
from coord.testing.servers.ports import HOST, Ports
from tests.integration.servers.asking import get, put
from tests.servers import require

_KINDS = [
    pytest.param(kind, marks=pytest.mark.xdist_group(kind))
    for kind in ("etcd", "zookeeper", "dynamodb")
]


def _started(kind: str) -> Servers:
    require(kind)
    return servers_of(kind)


def _bindable(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return True


@pytest.mark.parametrize("kind", _KINDS)
def test_a_stopped_server_leaves_no_process_no_port_and_no_file(kind: str) -> None:
    with _started(kind) as servers:
        (member,) = servers.members
        pid, folder = member.pid, member.log.parent
        assert member.serves()
        assert servers.leader() is member
        assert servers.followers() == ()
        assert not _bindable(member.port)
    assert not Path(f"/proc/{pid}").exists()
    assert _bindable(member.port)
    assert not folder.exists()


@pytest.mark.parametrize("kind", _KINDS)
def test_a_killed_server_restarts_on_its_port_with_its_data(kind: str) -> None:
    with _started(kind) as servers:
        (member,) = servers.members
        put(kind, member, "kept")
        before = member.pid, servers.url("group")
        member.kill()
        assert not member.running
        assert not member.serves()
        member.restart()
        assert get(kind, member) == "kept"
        assert member.pid != before[0]
        assert servers.url("group") == before[1]


@pytest.mark.parametrize("kind", _KINDS)
def test_a_paused_server_is_silent_until_it_is_resumed(kind: str) -> None:
    with _started(kind) as servers:
        (member,) = servers.members
        member.pause()
        assert member.running
        assert not member.serves()
        with socket.create_connection((HOST, member.port), timeout=1) as connection:
            connection.sendall(b"srvr" if kind == "zookeeper" else b"GET / HTTP/1.0\r\n\r\n")
            connection.settimeout(0.3)
            with pytest.raises(TimeoutError):
                connection.recv(1)
            member.resume()
            connection.settimeout(20)
            assert connection.recv(1)
        member.wait_ready()


@pytest.mark.parametrize("kind", _KINDS)
def test_sigterm_ends_a_server_even_while_it_is_paused(kind: str) -> None:
    with _started(kind) as servers:
        (member,) = servers.members
        member.pause()
        member.stop()
        assert not member.running
        servers.heal()
        assert member.serves()


@pytest.mark.parametrize("kind", _KINDS)
def test_a_server_outlives_the_thread_that_started_it(kind: str) -> None:
    """The kernel ties a process to the thread that started it, so that must be one that stays."""
    servers = _started(kind)
    thread = threading.Thread(target=servers.start)
    thread.start()
    thread.join(90)
    try:
        (member,) = servers.members
        # SIGKILL at the thread's end would have come by now: it is sent as the thread exits.
        assert not wait_until(lambda: not member.running, timeout_s=0.3)
        assert member.serves()
    finally:
        servers.stop()


@pytest.mark.xdist_group("etcd")
def test_a_server_that_cannot_start_says_why_and_is_gone() -> None:
    require("etcd")
    servers = EtcdServers(flags=["--no-such-flag"])
    with pytest.raises(ServerFailed, match="no-such-flag"):
        servers.start()
    with pytest.raises(ServerFailed, match="etcd is not started"):
        _ = servers.members


@pytest.mark.xdist_group("etcd")
def test_a_server_that_never_serves_is_given_up_in_time() -> None:
    require("etcd")
    with EtcdServers() as servers:
        (member,) = servers.members
        member.pause()
        with pytest.raises(ServerFailed, match=r"does not serve after 0.2 s. It said:\n"):
            member.wait_ready(timeout_s=0.2)


@pytest.mark.xdist_group("etcd")
def test_a_member_that_does_not_run_has_no_pid() -> None:
    require("etcd")
    with EtcdServers() as servers:
        (member,) = servers.members
        member.kill()
        with pytest.raises(ServerFailed, match="etcd-1 does not run"):
            _ = member.pid


class _Crowded(Ports):
    """Gives out a port that is taken first, as if somebody had been quicker than the server."""

    def __init__(self, taken: int) -> None:
        super().__init__()
        self._taken = [taken]

    def take(self) -> int:
        return self._taken.pop() if self._taken else super().take()


@pytest.mark.parametrize("kind", _KINDS)
def test_a_port_taken_in_the_last_moment_is_replaced_by_another(kind: str) -> None:
    servers = _started(kind)
    with socket.socket() as other:
        other.bind((HOST, 0))
        other.listen()
        taken = other.getsockname()[1]
        servers._ports = _Crowded(taken)
        with servers:
            assert str(taken) not in servers.url("group")
            assert servers.leader().serves()
