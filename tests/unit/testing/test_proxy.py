"""The fault proxy, by what a real client and a real server see of each fault."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing
from random import Random

import pytest

from coord.errors import StoreUnavailable, UsageError
from coord.testing import FaultProxy
from tests.unit.testing.request_server import PATIENCE_S, RequestServer

LATER = 60.0  # seconds that no test waits for


@pytest.fixture
def server() -> Iterator[RequestServer]:
    with RequestServer() as running:
        yield running


@pytest.fixture
def proxy(server: RequestServer) -> Iterator[FaultProxy]:
    with FaultProxy(server.address, rng=Random(7)) as running:
        yield running


class _Client:
    """A client that is closed with the test."""

    def __init__(self, proxy: FaultProxy, opened: ExitStack) -> None:
        self.socket = opened.enter_context(closing(socket.create_connection(proxy.address)))
        self.socket.settimeout(PATIENCE_S)
        self._heard = opened.enter_context(self.socket.makefile("rb"))

    def send(self, *lines: str) -> None:
        self.socket.sendall("".join(f"{line}\n" for line in lines).encode())

    def hear(self) -> str:
        """The next line, or "" at the end."""
        return self._heard.readline().decode().strip()

    def close(self) -> None:
        self._heard.close()
        self.socket.close()

    def ask(self, line: str) -> str:
        self.send(line)
        return self.hear()


@pytest.fixture
def client(proxy: FaultProxy) -> Iterator[_Client]:
    with ExitStack() as opened:
        yield _Client(proxy, opened)


@pytest.fixture
def other(proxy: FaultProxy) -> Iterator[_Client]:
    with ExitStack() as opened:
        yield _Client(proxy, opened)


def _is_reset(client: _Client) -> bool:
    """Whether the client's next read is refused; never an answer."""
    with pytest.raises(ConnectionResetError):
        client.hear()
    return True


def _wait_for_chunks(proxy: FaultProxy, count: int) -> None:
    proxy.wait_for(lambda now: now.requests.chunks == count)


# ------------------------------------------------------------------------------------- healthy


def test_a_healthy_proxy_passes_both_ways_and_counts(proxy: FaultProxy, client: _Client) -> None:
    assert client.ask("a") == "did a"
    counters = proxy.counters
    assert (counters.open, counters.total, counters.unreachable) == (1, 1, 0)
    assert (counters.requests.read, counters.requests.passed, counters.requests.chunks) == (2, 2, 1)
    assert counters.replies.passed == len("did a\n")
    assert counters.requests.waiting == counters.requests.lost == counters.replies.lost == 0


def test_a_megabyte_arrives_as_it_was_sent(proxy: FaultProxy, client: _Client) -> None:
    line = "x" * (1 << 20)
    assert client.ask(line) == f"did {line}"


def test_half_a_connection_may_end_and_the_other_half_goes_on(
    proxy: FaultProxy, server: RequestServer, client: _Client
) -> None:
    client.send("slow")
    client.socket.shutdown(socket.SHUT_WR)
    assert [client.hear(), client.hear(), client.hear()] == ["did slow", "bye", ""]
    assert server.ends == ["fin"]
    proxy.wait_for(lambda now: now.open == 0)


def test_a_client_that_resets_is_a_reset_to_the_server(
    server: RequestServer, client: _Client
) -> None:
    assert client.ask("a") == "did a"
    client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    client.close()
    server.wait_for_ends("reset")


def test_a_target_that_refuses_is_a_reset_to_the_client(server: RequestServer) -> None:
    with socket.create_server(("127.0.0.1", 0)) as gone:
        address = gone.getsockname()
    with FaultProxy(address) as proxy, ExitStack() as opened:
        assert _is_reset(_Client(proxy, opened))
        assert proxy.counters.unreachable == 1
        proxy.target = server.address
        assert proxy.target == server.address
        assert _Client(proxy, opened).ask("a") == "did a"


# --------------------------------------------------------------------------------- conditions


def test_latency_delays_its_own_direction(proxy: FaultProxy, client: _Client) -> None:
    for direction in (proxy.requests, proxy.replies):
        direction.set(latency_s=0.3)
        started_s = time.monotonic()
        assert client.ask("a") == "did a"
        assert 0.3 <= time.monotonic() - started_s < 0.3 + PATIENCE_S / 2
        direction.set()


def test_conditions_hold_at_once_for_what_is_on_its_way(
    proxy: FaultProxy, server: RequestServer, client: _Client
) -> None:
    proxy.requests.set(latency_s=LATER)
    client.send("a")
    proxy.wait_for(lambda now: now.requests.waiting == 2)
    assert server.effects == []
    proxy.requests.set()
    assert client.hear() == "did a"


def test_jitter_delays_and_never_reorders(
    proxy: FaultProxy, server: RequestServer, client: _Client
) -> None:
    proxy.requests.set(jitter_s=0.2)
    lines = [f"line {number}" for number in range(30)]
    started_s = time.monotonic()
    for number, line in enumerate(lines, 1):
        client.send(line)
        _wait_for_chunks(proxy, number)
    server.wait_for_effects(*lines)
    assert time.monotonic() - started_s > 0.05


def test_bandwidth_is_what_was_asked_for(proxy: FaultProxy, client: _Client) -> None:
    proxy.requests.set(bandwidth_bytes_s=400_000)
    started_s = time.monotonic()
    client.ask("x" * 200_000)
    assert 0.4 < time.monotonic() - started_s < 5


def test_little_bandwidth_is_a_trickle_and_no_series_of_bursts(
    proxy: FaultProxy, client: _Client
) -> None:
    proxy.requests.set(bandwidth_bytes_s=1_000)
    started_s = time.monotonic()
    client.send("x" * 10_000)
    for count in range(50, 300, 50):
        proxy.wait_for(lambda now, count=count: now.requests.passed >= count)  # type: ignore[misc]
        passed = proxy.counters.requests.passed
        assert passed <= 1_000 * (time.monotonic() - started_s + 0.05) + 10


def test_a_connection_is_reset_after_so_many_bytes(
    proxy: FaultProxy, server: RequestServer, client: _Client, other: _Client
) -> None:
    assert other.ask("before") == "did before"
    proxy.requests.set(reset_after_bytes=5)
    client.send("abc", "def")
    assert _is_reset(client)
    server.wait_for_bytes(len("before\n") + 5)
    assert server.effects == ["before", "abc"]
    assert server.bytes == len("before\n") + 5
    other.send("12345")
    assert _is_reset(other)


# -------------------------------------------------------------------------- holes, and landing


def test_what_is_held_lands_later(
    proxy: FaultProxy, server: RequestServer, client: _Client
) -> None:
    with proxy.blackhole("requests"):
        client.send("a")
        proxy.wait_for(lambda now: now.requests.waiting == 2)
        assert server.effects == []
    assert server.effects == ["a"]
    assert client.hear() == "did a"


def test_held_replies_arrive_later(
    proxy: FaultProxy, server: RequestServer, client: _Client
) -> None:
    with proxy.blackhole("replies"):
        client.send("a")
        server.wait_for_effects("a")
        proxy.wait_for(lambda now: now.replies.waiting == len("did a\n"))
        assert proxy.counters.replies.passed == 0
    assert client.hear() == "did a"


def test_what_is_held_lands_in_the_order_of_its_sending_and_has_landed_on_return(
    proxy: FaultProxy, server: RequestServer, client: _Client, other: _Client
) -> None:
    proxy.requests.hold()
    for sent, (sender, line) in enumerate([(client, "slow"), (other, "b"), (client, "c")], 1):
        sender.send(line)
        _wait_for_chunks(proxy, sent)
    proxy.requests.mend()
    assert server.effects == ["slow", "b", "c"]


def test_a_farewell_does_not_overtake_the_request_that_it_was_held_behind(
    proxy: FaultProxy, server: RequestServer, client: _Client, other: _Client
) -> None:
    with proxy.blackhole("requests"):
        for number, leaving in enumerate([client, other], 1):
            leaving.send(f"cancel {number}")
            _wait_for_chunks(proxy, number)
            leaving.close()
    assert server.effects == ["cancel 1", "cancel 2"]
    server.wait_for_ends("fin", "fin")
    proxy.wait_for(lambda now: now.open == 0)


def test_a_connection_that_was_made_in_the_dark_lands_as_well(
    proxy: FaultProxy, server: RequestServer
) -> None:
    with ExitStack() as opened, proxy.blackhole():
        made = _Client(proxy, opened)
        made.send("a")
        proxy.wait_for(lambda now: now.requests.waiting == 2)
    server.wait_for_effects("a")


def test_a_landing_that_the_server_does_not_take_ends_in_time() -> None:
    with ExitStack() as opened:
        deaf = opened.enter_context(socket.create_server(("127.0.0.1", 0)))
        proxy = opened.enter_context(FaultProxy(deaf.getsockname(), buffer_bytes=64 << 20))
        client = _Client(proxy, opened)
        proxy.requests.hold()
        client.socket.sendall(bytes(32 << 20))
        with pytest.raises(StoreUnavailable, match=r"had not all landed after 0\.2 s"):
            proxy.requests.mend(timeout_s=0.2)


def test_what_is_dropped_never_lands_and_its_connection_is_reset_in_the_end(
    proxy: FaultProxy, server: RequestServer, client: _Client, other: _Client
) -> None:
    assert other.ask("first") == "did first"
    with proxy.blackhole("requests", lands="never"):
        client.send("a")
        proxy.wait_for(lambda now: now.requests.lost == 2)
        assert proxy.counters.open == 2
    assert _is_reset(client)
    server.wait_for_ends("reset")
    assert other.ask("last") == "did last"
    assert server.effects == ["first", "last"]


def test_what_is_held_can_be_dropped_after_all(
    proxy: FaultProxy, server: RequestServer, client: _Client
) -> None:
    proxy.requests.hold()
    client.send("a")
    proxy.wait_for(lambda now: now.requests.waiting == 2)
    proxy.requests.drop()
    proxy.wait_for(lambda now: now.requests.lost == 2)
    proxy.requests.hold()
    proxy.requests.mend()
    assert _is_reset(client)
    assert server.effects == []


def test_a_hole_takes_no_more_than_its_bound(server: RequestServer) -> None:
    with FaultProxy(server.address, buffer_bytes=100_000) as proxy, ExitStack() as opened:
        client = _Client(proxy, opened)
        client.socket.settimeout(0.3)
        proxy.requests.hold()
        with pytest.raises(TimeoutError):
            client.socket.sendall(bytes(64 << 20))
        assert 100_000 <= proxy.counters.requests.waiting < 100_000 + 65_536
        proxy.requests.mend()
        server.wait_for_bytes(100_000)


def test_replies_are_lost_after_the_request_landed(
    proxy: FaultProxy, server: RequestServer, client: _Client
) -> None:
    with proxy.lose_replies():
        client.send("slow")
    assert server.effects == ["slow"]
    assert _is_reset(client)
    assert proxy.counters.replies.passed == 0
    assert proxy.counters.replies.lost >= len("did slow\n")


# -------------------------------------------------------------------------------- connections


def test_a_reset_is_seen_on_both_sides_and_new_connections_are_served(
    proxy: FaultProxy, server: RequestServer, client: _Client
) -> None:
    assert client.ask("a") == "did a"
    proxy.reset()
    assert proxy.counters.open == 0
    assert _is_reset(client)
    server.wait_for_ends("reset")
    with ExitStack() as opened:
        assert _Client(proxy, opened).ask("b") == "did b"


def test_a_refusing_proxy_keeps_its_port_and_its_connections(
    proxy: FaultProxy, client: _Client
) -> None:
    assert client.ask("a") == "did a"
    for _ in range(2):
        proxy.admit("refuse")
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(proxy.address)
        with socket.socket() as rival, pytest.raises(OSError, match="in use"):
            rival.bind(proxy.address)
        assert client.ask("b") == "did b"
        proxy.admit("serve")
        with ExitStack() as opened:
            assert _Client(proxy, opened).ask("c") == "did c"


def test_a_silent_proxy_accepts_and_serves_later(
    proxy: FaultProxy, server: RequestServer, client: _Client
) -> None:
    assert client.ask("a") == "did a"
    proxy.admit("silent")
    with ExitStack() as opened:
        waiting = _Client(proxy, opened)
        waiting.send("b")
        assert client.ask("c") == "did c"
        assert proxy.counters.open == 2
        assert server.effects == ["a", "c"]
        proxy.admit("serve")
        assert waiting.hear() == "did b"


# ------------------------------------------------------------------------ lost packets, torn lines


def test_a_lost_chunk_comes_a_retransmission_timeout_later(
    proxy: FaultProxy, client: _Client
) -> None:
    client.ask("warm")
    proxy.replies.set(loss=0.999_999, rto_s=LATER)
    client.send("one")
    proxy.wait_for(lambda now: now.replies.read > now.replies.passed)
    proxy.replies.set()
    assert client.hear() == "did one"


def test_everything_lost_is_no_loss_but_a_drop(proxy: FaultProxy) -> None:
    with pytest.raises(UsageError, match=r"loss is 1\.0.*drop"):
        proxy.replies.set(loss=1.0)


def test_torn_connections_are_reset_again_and_again_until_that_ends(
    proxy: FaultProxy,
) -> None:
    proxy.tear(0.02)
    for _ in range(3):
        with ExitStack() as opened:
            assert _is_reset(_Client(proxy, opened))
    proxy.tear(None)
    with ExitStack() as opened:
        client = _Client(proxy, opened)
        assert client.ask("one") == "did one"
        time.sleep(0.1)
        assert client.ask("two") == "did two"
