"""The fault proxy as scripts use it: triggers, its end, misuse, and the page that describes it."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import pytest

from coord.errors import StoreUnavailable, UsageError
from coord.testing import FaultProxy
from coord.testing.proxy import proxy as proxy_module
from tests.documents import ROOT, code_blocks
from tests.unit.testing.request_server import PATIENCE_S, RequestServer


@pytest.fixture
def server() -> Iterator[RequestServer]:
    with RequestServer() as running:
        yield running


@pytest.fixture
def proxy(server: RequestServer) -> Iterator[FaultProxy]:
    with FaultProxy(server.address) as running:
        yield running


@pytest.fixture
def connect(proxy: FaultProxy) -> Iterator[Callable[[], socket.socket]]:
    with ExitStack() as opened:

        def one() -> socket.socket:
            client = socket.create_connection(proxy.address, timeout=PATIENCE_S)
            return opened.enter_context(closing(client))

        yield one


Connect = Callable[[], socket.socket]


def _is_reset(client: socket.socket) -> bool:
    with pytest.raises(ConnectionResetError):
        client.recv(100)
    return True


# ------------------------------------------------------------------------------------ triggers


def test_the_reply_of_one_request_is_lost_after_it_landed(
    proxy: FaultProxy, server: RequestServer, connect: Connect
) -> None:
    client, bystander = connect(), connect()
    trigger = proxy.on_request(b"slow claim")
    client.sendall(b"a\n")
    assert client.recv(100) == b"did a\n"
    assert not trigger.wait(0)
    client.sendall(b"slow claim\n")
    assert _is_reset(client)
    assert server.effects == ["a", "slow claim"]
    assert trigger.wait(PATIENCE_S)
    bystander.sendall(b"slow claim\n")
    assert bystander.recv(100) == b"did slow claim\n"
    assert trigger.fired == 1


def test_a_match_over_the_edge_of_two_chunks_is_found_once(
    proxy: FaultProxy, server: RequestServer, connect: Connect
) -> None:
    client = connect()
    trigger = proxy.on_request(b"needle", "pass", times=None)
    for part in (b"a nee", b"dle", b", a n", b"e", b"edle\n"):
        seen = proxy.counters.requests.read + len(part)
        client.sendall(part)
        proxy.wait_for(lambda now, seen=seen: now.requests.read == seen)  # type: ignore[misc]
    server.wait_for_effects("a needle, a needle")
    assert trigger.fired == 2
    client.sendall(b"needle needle\n")
    server.wait_for_effects("a needle, a needle", "needle needle")
    assert trigger.fired == 4


def test_a_request_can_be_cut_before_it_lands(
    proxy: FaultProxy, server: RequestServer, connect: Connect
) -> None:
    client = connect()
    proxy.on_request(lambda data: data.startswith(b"b"), "reset")
    client.sendall(b"a\n")
    assert client.recv(100) == b"did a\n"
    client.sendall(b"b\n")
    assert _is_reset(client)
    server.wait_for_ends("reset")
    assert server.effects == ["a"]
    assert proxy.counters.requests.lost == 2


def test_a_request_can_be_held_from_its_first_byte_on(
    proxy: FaultProxy, server: RequestServer, connect: Connect
) -> None:
    client, other = connect(), connect()
    proxy.on_request(b"b", "hold")
    client.sendall(b"a\n")
    assert client.recv(100) == b"did a\n"
    client.sendall(b"b\n")
    proxy.wait_for(lambda now: now.requests.waiting == 2)
    other.sendall(b"c\n")
    proxy.wait_for(lambda now: now.requests.waiting == 4)
    assert server.effects == ["a"]
    proxy.requests.mend()
    assert server.effects == ["a", "b", "c"]


def test_a_disarmed_trigger_never_fires(proxy: FaultProxy, connect: Connect) -> None:
    trigger = proxy.on_request(b"a", "reset")
    trigger.disarm()
    client = connect()
    client.sendall(b"a\n")
    assert client.recv(100) == b"did a\n"
    assert trigger.fired == 0


def test_a_matching_function_that_raises_is_told_of(server: RequestServer) -> None:
    def use(proxy: FaultProxy) -> None:
        def calls_back(_data: bytes) -> bool:
            proxy.reset()
            return True

        with proxy, socket.create_connection(proxy.address, timeout=PATIENCE_S) as client:
            trigger = proxy.on_request(calls_back, "reset")
            client.sendall(b"a\n")
            assert client.recv(100) == b"did a\n"
            with pytest.raises(UsageError, match=r"raised UsageError.*its own thread"):
                trigger.wait(PATIENCE_S)

    with pytest.raises(UsageError, match=r"raised UsageError.*its own thread"):
        use(FaultProxy(server.address))


# ------------------------------------------------------------------------------------- its end


def _open_files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def _tasks_of(proxy: FaultProxy) -> int:
    loop = proxy._thread._loop
    assert loop is not None
    return len(asyncio.all_tasks(loop))


def test_nothing_is_left_behind(server: RequestServer) -> None:
    before = _open_files(), threading.active_count()
    with ExitStack() as opened:
        proxies = [opened.enter_context(FaultProxy(server.address)) for _ in range(3)]
        held, silent, busy = proxies
        held.requests.hold()
        silent.admit("silent")
        for proxy in proxies:
            for _ in range(5):
                client = socket.create_connection(proxy.address, timeout=PATIENCE_S)
                opened.enter_context(closing(client)).sendall(b"a\n")
        busy.wait_for(lambda now: now.replies.passed == 5 * len("did a\n"))
        held.wait_for(lambda now: now.requests.waiting == 10)
        silent.wait_for(lambda now: now.open == 5)
        for proxy in proxies:
            proxy.close()
            proxy.close()
            assert proxy.counters.open == 0
            assert proxy.counters.requests.waiting == 0
    server.close_connections()
    assert (_open_files(), threading.active_count()) == before


def test_a_reset_leaves_no_task_and_no_socket(proxy: FaultProxy, server: RequestServer) -> None:
    with ExitStack() as opened:
        before = _open_files()
        for _ in range(5):
            client = socket.create_connection(proxy.address, timeout=PATIENCE_S)
            opened.enter_context(closing(client)).sendall(b"a\n")
        proxy.wait_for(lambda now: now.replies.passed == 5 * len("did a\n"))
        proxy.reset()
    server.close_connections()
    assert _open_files() == before
    assert _tasks_of(proxy) == 1  # the engine's own


def test_it_ends_in_time_under_load(server: RequestServer) -> None:
    def pour(client: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while True:
                client.sendall(bytes(65_536))

    proxy = FaultProxy(server.address)
    with ExitStack() as opened:
        clients = [opened.enter_context(socket.create_connection(proxy.address)) for _ in range(3)]
        pouring = [threading.Thread(target=pour, args=(client,)) for client in clients]
        for thread in pouring:
            thread.start()
        proxy.wait_for(lambda now: now.requests.passed > 1 << 20)
        proxy.close()
        for thread in pouring:
            thread.join(PATIENCE_S)
            assert not thread.is_alive()


def test_a_thread_that_is_kept_busy_is_named_and_ends_once_it_can(
    server: RequestServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(proxy_module, "_CLOSE_S", 0.2)
    entered, leave = threading.Event(), threading.Event()

    def blocks(_data: bytes) -> bool:
        entered.set()
        return leave.wait(PATIENCE_S)

    proxy = FaultProxy(server.address)
    with socket.create_connection(proxy.address, timeout=PATIENCE_S) as client:
        proxy.on_request(blocks, "pass")
        client.sendall(b"a\n")
        assert entered.wait(PATIENCE_S)
        with pytest.raises(UsageError, match=r"did not end in time.*matching function"):
            proxy.close()
        leave.set()
        assert proxy._thread.join(PATIENCE_S)
    assert proxy.counters.open == 0


def test_healing_ends_all_faults(
    proxy: FaultProxy, server: RequestServer, connect: Connect
) -> None:
    client = connect()
    proxy.requests.set(latency_s=60)
    proxy.replies.set(bandwidth_bytes_s=0.1)
    proxy.requests.hold()
    proxy.replies.hold()
    trigger = proxy.on_request(b"a", "reset")
    proxy.admit("refuse")
    client.sendall(b"b\n")
    proxy.wait_for(lambda now: now.requests.waiting == 2)
    proxy.heal()
    assert client.recv(100) == b"did b\n"
    other = connect()
    other.sendall(b"a\n")
    assert other.recv(100) == b"did a\n"
    assert not trigger.armed


# -------------------------------------------------------------------------------------- misuse


@pytest.mark.parametrize(
    ("misuse", "message"),
    [
        (lambda proxy: proxy.requests.set(latency_s=-1), "latency_s is -1. Give seconds"),
        (lambda proxy: proxy.replies.set(jitter_s=float("nan")), "jitter_s is nan. Give seconds"),
        (lambda proxy: proxy.requests.set(bandwidth_bytes_s=0), "bandwidth_bytes_s is 0. .*hold"),
        (lambda proxy: proxy.requests.set(reset_after_bytes=0), "reset_after_bytes is 0. .*from 1"),
        (lambda proxy: proxy.requests.mend(answer_s=-1), "answer_s is -1. Give seconds"),
        (lambda proxy: proxy.requests.mend(timeout_s=float("inf")), "timeout_s is inf. Give"),
        (lambda proxy: proxy.admit("maybe"), "how is 'maybe'. Give 'serve', 'refuse' or 'silent'"),
        (lambda proxy: proxy.blackhole("up").__enter__(), "way is 'up'. Give 'requests'"),
        (lambda proxy: proxy.blackhole(lands="soon").__enter__(), "lands is 'soon'. Give 'late'"),
        (lambda proxy: proxy.lose_replies(answer_s=-1).__enter__(), "answer_s is -1. Give"),
        (lambda proxy: proxy.on_request(b"a", "explode"), "then is 'explode'. Give one of"),
        (lambda proxy: proxy.on_request(b""), "match has 0 bytes. Give 1 to 1024"),
        (lambda proxy: proxy.on_request(b"a", times=0), "times is 0. Give a count from 1"),
        (lambda proxy: setattr(proxy, "target", ("127.0.0.1", 0)), "port is 0. Give 1 to 65535"),
        (lambda proxy: setattr(proxy, "target", "127.0.0.1:1"), "target is '127.0.0.1:1'. Give"),
        (lambda proxy: setattr(proxy, "target", ("nowhere.invalid", 1)), "does not resolve"),
        (lambda proxy: FaultProxy(proxy.target, port=proxy.address[1]), "cannot be had"),
        (lambda proxy: FaultProxy(proxy.target, buffer_bytes=0), "buffer_bytes is 0. Give"),
    ],
)
def test_what_cannot_be_is_refused_with_its_cure(
    proxy: FaultProxy, misuse: Callable[[Any], object], message: str
) -> None:
    with pytest.raises(UsageError, match=message):
        misuse(proxy)


def test_a_wait_that_is_in_vain_shows_the_counters(proxy: FaultProxy) -> None:
    with pytest.raises(StoreUnavailable, match=r"within 0\.01 s: Counters\(open=0"):
        proxy.wait_for(lambda now: now.open > 0, timeout_s=0.01)


def test_a_closed_proxy_has_reset_its_clients_and_says_that_it_is_closed(
    proxy: FaultProxy, connect: Connect
) -> None:
    client = connect()
    client.sendall(b"a\n")
    assert client.recv(100) == b"did a\n"
    proxy.close()
    assert _is_reset(client)
    with pytest.raises(UsageError, match="the proxy is closed"):
        proxy.reset()


# -------------------------------------------------------------------------------- its own page


def test_the_example_of_its_page_runs_as_printed(server: RequestServer) -> None:
    (block,) = code_blocks(ROOT / "docs" / "fault-proxy.md", "python")
    names: dict[str, Any] = {}
    exec(compile(block.text, "docs/fault-proxy.md", "exec"), names)  # noqa: S102 (our own page)
    tests = [name for name in names if name.startswith("test_")]
    assert len(tests) == 1
    for name in tests:
        names[name]()
