"""`NOT_APPLIED` is said of a whole call, and only when nothing of it can have landed.

Each test lets something land, and then has the call end with a request that certainly did nothing.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from types import ModuleType

import pytest

from coord.errors import Certainty, CoordError, StoreError, StoreRefused, StoreUnavailable
from coord.model import Note
from coord.spi import ClaimRequest, Tenure
from coord.testing.proxy import FaultProxy
from coord.testing.servers import EtcdServers
from coord_etcd import EtcdStore, opening, tenancy
from tests.integration.etcd.tools import (
    group_name,
    opened,
    record,
    role_of,
    take,
    wait_until,
)

pytestmark = pytest.mark.xdist_group("etcd")


@pytest.fixture
def store(proxy: FaultProxy) -> Iterator[EtcdStore]:
    """Behind the proxy."""
    with opened(f"etcd://{proxy.hostport}/unused", timeout_s=3.0) as found:
        yield found


@pytest.fixture
def other(alone: EtcdServers) -> Iterator[EtcdStore]:
    """Not behind it."""
    with opened(alone.url("unused")) as found:
        yield found


def _cut_before(
    monkeypatch: pytest.MonkeyPatch, module: ModuleType, name: str, proxy: FaultProxy
) -> None:
    """The server is gone as soon as the call comes to this step."""
    step = getattr(module, name)

    def cut_off(*args: object) -> object:
        proxy.admit("refuse")
        proxy.reset()
        return step(*args)

    monkeypatch.setattr(module, name, cut_off)


def _raised(call: Callable[[], object]) -> StoreError:
    with pytest.raises(StoreError) as raised:
        call()
    return raised.value


def test_a_claim_that_was_half_won_is_unknown(
    monkeypatch: pytest.MonkeyPatch, proxy: FaultProxy, store: EtcdStore, other: EtcdStore
) -> None:
    """One key is won, one lost, and nobody is there to be asked who has it."""
    group = group_name()
    keys = role_of(other, group, shards=2)
    rival = other.open_session(group, record("rival"), 60)
    take(other, group, rival, keys[1:])
    session = store.open_session(group, record(), 60)
    version = other.view(group).roles["r"].version
    _cut_before(monkeypatch, tenancy, "current", proxy)
    error = _raised(lambda: session.claim([ClaimRequest(key, 0, version, Note()) for key in keys]))
    assert error.certainty is Certainty.UNKNOWN
    assert len(other.view(group).by_session[session.id]) == 1, "nothing had landed"


def test_a_release_that_was_half_done_is_unknown(
    monkeypatch: pytest.MonkeyPatch, proxy: FaultProxy, store: EtcdStore, other: EtcdStore
) -> None:
    group = group_name()
    keys = role_of(other, group, shards=2)
    session = store.open_session(group, record(), 60)
    tokens = take(store, group, session, keys)
    other.depose(group, Tenure(keys[1], tokens[1], Note()))
    _cut_before(monkeypatch, tenancy, "current", proxy)
    tenures = [Tenure(key, token, Note()) for key, token in zip(keys, tokens, strict=True)]
    error = _raised(lambda: session.release(tenures))
    assert error.certainty is Certainty.UNKNOWN
    assert session.id not in other.view(group).by_session, "nothing had landed"


def test_an_opening_that_has_ended_its_former_session_is_unknown(
    monkeypatch: pytest.MonkeyPatch, proxy: FaultProxy, store: EtcdStore, other: EtcdStore
) -> None:
    group, member = group_name(), record()
    store.open_session(group, member, 60)
    _cut_before(monkeypatch, opening, "_granted", proxy)
    error = _raised(lambda: store.open_session(group, member, 60))
    assert error.certainty is Certainty.UNKNOWN
    assert not other.view(group).members, "nothing had landed"


def test_what_closing_the_store_interrupts_is_unknown(
    proxy: FaultProxy, store: EtcdStore, other: EtcdStore
) -> None:
    """The answer is on its way when the store is closed; what was asked is stored."""
    group = group_name()
    store.view(group)
    errors: list[StoreError] = []
    proxy.replies.hold()
    writing = threading.Thread(target=lambda: errors.append(_raised(lambda: role_of(store, group))))
    writing.start()
    assert wait_until(lambda: "r" in other.view(group).roles, within_s=5.0)
    store.close()
    writing.join(10.0)
    [error] = errors
    assert isinstance(error, StoreRefused)
    assert error.certainty is Certainty.UNKNOWN


def test_what_closing_interrupts_among_many_is_unknown(
    proxy: FaultProxy, store: EtcdStore, other: EtcdStore
) -> None:
    group = group_name()
    keys = role_of(other, group, shards=1200)
    session = store.open_session(group, record(), 60)
    version = store.view(group).roles["r"].version
    requests = [ClaimRequest(key, 0, version, Note()) for key in keys]
    errors: list[StoreError] = []
    proxy.replies.hold()
    claiming = threading.Thread(
        target=lambda: errors.append(_raised(lambda: session.claim(requests)))
    )
    claiming.start()
    assert wait_until(lambda: bool(other.view(group).by_session), within_s=5.0)
    store.close()
    claiming.join(10.0)
    [error] = errors
    assert error.certainty is Certainty.UNKNOWN


def test_closing_a_store_lets_no_error_of_the_library_through(alone: EtcdServers) -> None:
    """Calls of all kinds go on until they are refused; what they raise is coord's."""
    for turn in range(6):
        with opened(alone.url("unused")) as store:
            group = group_name()
            keys = role_of(store, group, shards=600)
            session = store.open_session(group, record(), 5)
            version = store.view(group).roles["r"].version
            requests = [ClaimRequest(key, 0, version, Note()) for key in keys]
            calls = [
                partial(session.heartbeat, b""),
                partial(session.claim, requests),
                partial(store.view, group),
                partial(store.beacons, group),
            ]
            escaped: list[Exception] = []
            threads = [threading.Thread(target=_until_refused, args=(c, escaped)) for c in calls]
            for thread in threads:
                thread.start()
            time.sleep(0.1 + 0.02 * turn)
            store.close()
            for thread in threads:
                thread.join(10.0)
            assert len(escaped) == len(calls)
            assert all(isinstance(error, CoordError) for error in escaped), escaped


def _until_refused(call: Callable[[], object], escaped: list[Exception]) -> None:
    while True:
        try:
            call()
        except StoreUnavailable:
            continue
        except Exception as error:  # noqa: BLE001
            escaped.append(error)
            return
