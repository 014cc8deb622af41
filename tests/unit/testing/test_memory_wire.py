"""The memory store on a socket: what is no address of it, and what is no request to it."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import closing

import pytest

from coord.errors import Certainty, ConfigError, StoreRefused, StoreUnavailable, UsageError
from coord.registry import open_store
from coord.testing.wire import Service, WireStore
from coord.testing.wire.line import Line

_HOST = "127.0.0.1"


@pytest.fixture
def service() -> Iterator[Service]:
    with Service() as service:
        yield service


@pytest.mark.parametrize(
    ("url", "cause"),
    [
        ("memory://127.0.0.1:port/group", "is no host:port"),
        ("memory://127.0.0.1:0/group", "is no host:port"),
        ("memory://127.0.0.1:1,127.0.0.1:2/group", "names no single host and port"),
        ("memory://user:secret@127.0.0.1:1/group", "carries a user or a password"),
        ("memory://127.0.0.1:1/group?ttl=3", "which this store does not know"),
        ("memory://127.0.0.1:1/a/b", "more than a group's name"),
    ],
)
def test_what_is_no_address_is_refused_with_the_syntax(url: str, cause: str) -> None:
    with pytest.raises(ConfigError) as caught:
        open_store(url)
    assert cause in str(caught.value)
    assert "secret" not in str(caught.value)
    assert "memory://127.0.0.1:PORT/GROUP" in str(caught.value)


def test_where_nobody_listens_nothing_was_done() -> None:
    with socket.create_server((_HOST, 0)) as taken:
        port = taken.getsockname()[1]
    opened = open_store(f"memory://{_HOST}:{port}/group", timeout_s=5.0)
    with closing(opened.store) as store, pytest.raises(StoreUnavailable) as caught:
        store.view("group")
    assert caught.value.certainty is Certainty.NOT_APPLIED
    assert f"{_HOST}:{port}" in str(caught.value)


def _is_ended(sock: socket.socket) -> bool:
    """Whether the other side ends it, with or without having read all."""
    try:
        return sock.recv(100) == b""
    except ConnectionResetError:
        return True


def test_what_is_no_request_ends_that_connection_and_no_other(service: Service) -> None:
    with closing(Line((_HOST, service.port), 5.0)) as line:
        for garbage in (b"GET / HTTP/1.1\r\n\r\n", b"\x00\x00\x00\x02[]", b"\x00\x00\x00\x03{x}"):
            with socket.create_connection((_HOST, service.port), timeout=5.0) as stranger:
                stranger.sendall(garbage)
                assert _is_ended(stranger)
        with pytest.raises(UsageError, match="does not know"):
            line.ask("burn")
        with pytest.raises(UsageError, match="makes no sense"):
            line.ask("view", {"group": "g"})
        assert line.ask("ping") == {"serves": "memory"}


def test_a_closed_handle_asks_nothing(service: Service) -> None:
    store = WireStore((_HOST, service.port), timeout_s=5.0)
    store.view("group")
    store.close()
    with pytest.raises(StoreRefused, match="is closed"):
        store.view("group")


def test_a_server_that_has_gone_is_found_out_and_its_successor_is_found(service: Service) -> None:
    port = service.port
    with closing(WireStore((_HOST, port), timeout_s=5.0)) as store:
        store.view("group")
        service.stop()
        with pytest.raises(StoreUnavailable):
            store.view("group")
        with Service(port):
            assert store.view("group").members == {}
