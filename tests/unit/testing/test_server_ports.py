"""Ports for servers: free, ours alone, out of the kernel's way."""

from __future__ import annotations

import socket

import pytest

from coord.testing.servers import ports as module
from coord.testing.servers.errors import ServerFailed
from coord.testing.servers.ports import HOST, Ports


def test_a_port_is_given_out_once_until_it_is_given_back(monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = Ports(), Ports()
    taken = {first.take() for _ in range(20)}
    assert len(taken) == 20
    monkeypatch.setattr(module, "_range", lambda: (min(taken), min(taken) + 1))
    with pytest.raises(ServerFailed, match="is free on"):
        second.take()
    first.close()
    first.close()
    assert second.take() == min(taken)
    second.close()


def test_a_port_that_is_listened_on_is_not_given_out(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as other:
        other.bind((HOST, 0))
        other.listen()
        port = other.getsockname()[1]
        monkeypatch.setattr(module, "_range", lambda: (port, port + 1))
        with pytest.raises(ServerFailed, match=r"Stop what occupies them \(`ss -ltn`"):
            Ports().take()


def test_ports_lie_outside_those_of_outgoing_connections() -> None:
    first, last = (int(word) for word in module._EPHEMERAL.read_text().split())
    ports = Ports()
    assert not first <= ports.take() <= last
    ports.close()
