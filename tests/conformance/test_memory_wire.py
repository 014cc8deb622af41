"""The memory store keeps every promise over the wire, to handles of another process."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack, closing

import pytest

from coord.clock import SYSTEM_CLOCK
from coord.model import Note, RoleRecord, Shape
from coord.registry import open_store
from coord.spi import Claimed, ClaimRequest
from coord.testing.conformance import CHECKS, Check, Gate, Harness
from coord.testing.conformance.kit import fresh_record
from coord.testing.wire import MemoryServers, WireStore
from tests.conformance.harnesses import leftovers
from tests.conformance.servers import ProxyGate

pytestmark = pytest.mark.xdist_group("memory-wire")

_TIMEOUT_S = 2.0


@pytest.fixture(scope="module")
def servers() -> Iterator[MemoryServers]:
    with MemoryServers() as servers:
        yield servers


def _opened(hosts: str) -> WireStore:
    found = open_store(f"memory://{hosts}/unused", timeout_s=_TIMEOUT_S).store
    assert isinstance(found, WireStore)
    return found


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.name)
def test_the_memory_store_keeps_the_promise_over_the_wire(
    servers: MemoryServers, check: Check
) -> None:
    [member] = servers.members

    def forget(group: str) -> None:
        with closing(_opened(servers.hosts)) as store:
            store.forget(group)

    with ExitStack() as ends:

        def gate() -> Gate:
            return ProxyGate(member, _opened, ends)

        harness = Harness(
            open=lambda: _opened(servers.hosts),
            clock=SYSTEM_CLOCK,
            sleep=time.sleep,
            ttl_s=1.0,
            timeout_s=_TIMEOUT_S,
            gate=gate,
            reopen=lambda: None,
            forget=forget,
            leftovers=leftovers,
        )
        assert not check.missing(harness), "no check is left out"
        check.run(harness)


def test_a_restarted_server_never_repeats_a_token(servers: MemoryServers) -> None:
    [member] = servers.members
    last = 0
    for _ in range(3):
        with closing(_opened(servers.hosts)) as store:
            role = store.put_role("restarted", RoleRecord(name="r", shape=Shape(1, 1)))
            session = store.open_session("restarted", fresh_record("a"), 5.0)
            request = ClaimRequest(role.claim_keys()[0], 0, role.version, Note())
            [answer] = session.claim([request])
            assert isinstance(answer, Claimed)
            assert answer.token > last
            last = answer.token
        member.restart()
