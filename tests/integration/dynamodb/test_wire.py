"""No answer holds anybody beyond the timeout, and closing leaves nothing, whatever is under way."""

from __future__ import annotations

import gc
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from coord.aws.wire import Wires
from coord.errors import Certainty, ConfigError, StoreError, StoreRefused, StoreUnavailable
from coord.spi import ClaimRequest
from coord.testing.proxy import FaultProxy
from coord_dynamodb import DynamoDBStore
from coord_dynamodb.session import DynamoDBSession
from tests.integration.dynamodb.conftest import Desk
from tests.integration.fleet import until

pytestmark = pytest.mark.xdist_group("dynamodb")

TIMEOUT_S = 2.0
NOISE_S = 8.0
"""What a busy machine may add. Without the rules that are shown here it would be far more."""
TRICKLE_BYTES_S = 15
"""An answer has some 300 bytes, and would take 20 s; between two bytes it is never long."""
LONG_S = 60.0

Call = Callable[[Desk, DynamoDBStore, DynamoDBSession, list[ClaimRequest]], object]

CALLS: dict[str, Call] = {
    "heartbeat": lambda _d, _s, session, _: session.heartbeat(b"x"),
    "view": lambda desk, store, _s, _: store.view(desk.group),
    "claim": lambda _d, _s, session, asks: session.claim(asks),
}


@pytest.mark.parametrize("name", CALLS)
def test_an_answer_that_trickles_in_holds_nobody_beyond_the_timeout(
    desk: Desk, proxy: FaultProxy, name: str
) -> None:
    store = desk.store(f"http://{proxy.hostport}", timeout_s=TIMEOUT_S)
    asks = desk.asks(store, *desk.role(desk.store(), shards=3))
    session = desk.member(store)
    proxy.replies.set(bandwidth_bytes_s=TRICKLE_BYTES_S)
    begun_s = time.monotonic()
    with pytest.raises(StoreUnavailable) as caught:
        CALLS[name](desk, store, session, asks)
    assert TIMEOUT_S / 2 < time.monotonic() - begun_s < TIMEOUT_S + NOISE_S
    assert caught.value.certainty is Certainty.UNKNOWN


def test_a_slow_answer_that_is_whole_in_time_is_taken(desk: Desk, proxy: FaultProxy) -> None:
    store = desk.store(f"http://{proxy.hostport}", timeout_s=LONG_S)
    session = desk.member(store)
    proxy.replies.set(bandwidth_bytes_s=5 * TRICKLE_BYTES_S)
    begun_s = time.monotonic()
    session.heartbeat(b"x")
    assert time.monotonic() - begun_s > 2.0, "it did not trickle: what does this show?"
    proxy.replies.set()
    assert store.view(desk.group).members[session.id].seq == 1, "and the connection goes on"


@pytest.fixture
def uncollected() -> Iterator[None]:
    """Nothing is closed for being garbage."""
    gc.collect()
    gc.disable()
    yield
    gc.enable()


def _threads() -> list[str]:
    return sorted(thread.name for thread in threading.enumerate())


def _sockets(proxy: FaultProxy) -> int:
    """Ends of connections that this process has to the proxy."""
    port = f"{int(proxy.hostport.rpartition(':')[2]):04X}"
    lines = Path("/proc/self/net/tcp").read_text().splitlines()[1:]
    inodes = {line.split()[9] for line in lines if line.split()[2].endswith(":" + port)}
    links = [str(fd.readlink()) for fd in Path("/proc/self/fd").iterdir() if fd.is_symlink()]
    return sum(f"socket:[{inode}]" in links for inode in inodes)


@pytest.mark.usefixtures("uncollected")
def test_closing_while_an_answer_is_awaited_leaves_no_thread_and_no_socket(
    desk: Desk, proxy: FaultProxy
) -> None:
    """A look of the watch, a heartbeat and a view are under way, and none of them is answered."""
    before = _threads()
    store = desk.store(f"http://{proxy.hostport}", timeout_s=LONG_S)
    session = desk.member(store)
    woken: list[int] = []
    store.watch(desk.group, lambda: woken.append(1))
    until(lambda: woken)
    proxy.replies.hold()
    failed: list[StoreError] = []
    calls = [lambda: session.heartbeat(b""), lambda: store.view(desk.group)]
    callers = [threading.Thread(target=_failing, args=(call, failed)) for call in calls]
    for caller in callers:
        caller.start()
    until(lambda: _sockets(proxy) >= 3)
    time.sleep(0.5)  # the watch's next look is under way, too
    begun_s = time.monotonic()
    store.close()
    assert time.monotonic() - begun_s < NOISE_S, "closing waits for no answer"
    for caller in callers:
        caller.join(NOISE_S)
    assert _threads() == before
    assert _sockets(proxy) == 0
    assert all("is closed" in str(error) for error in failed)
    assert [error.certainty for error in failed] == [Certainty.UNKNOWN] * 2


def _failing(call: Callable[[], object], failed: list[StoreError]) -> None:
    try:
        call()
    except StoreError as error:
        failed.append(error)


@pytest.mark.usefixtures("uncollected")
def test_closing_while_connections_are_refused_leaves_nothing(
    desk: Desk, proxy: FaultProxy
) -> None:
    """The watch waits between two tries of a look."""
    before = _threads()
    store = desk.store("http://127.0.0.1:1", timeout_s=LONG_S)
    store.watch(desk.group, lambda: None)
    time.sleep(0.3)
    begun_s = time.monotonic()
    store.close()
    assert time.monotonic() - begun_s < NOISE_S
    assert _threads() == before
    with pytest.raises(StoreRefused, match="closed"):
        store.view(desk.group)


@pytest.mark.usefixtures("uncollected")
def test_a_connection_that_is_made_after_the_end_is_closed_at_once(
    desk: Desk, proxy: FaultProxy
) -> None:
    """A thread that was past the check when the store was closed opens another pool."""
    store = desk.store(f"http://{proxy.hostport}", timeout_s=TIMEOUT_S)
    store.view(desk.group)
    assert _sockets(proxy) == 1
    store._link.close()
    assert _sockets(proxy) == 0
    store._link._closed.clear()
    with pytest.raises(StoreUnavailable):
        store.view(desk.group)
    assert _sockets(proxy) == 0


@pytest.mark.usefixtures("uncollected")
def test_a_connection_that_something_refers_to_is_closed_all_the_same(
    desk: Desk, proxy: FaultProxy
) -> None:
    """As a pool does to which a thread was giving it back at that moment."""
    store = desk.store(f"http://{proxy.hostport}", timeout_s=LONG_S)
    session = desk.member(store)
    session.heartbeat(b"")
    kept = [*store._link._wires._open, *store._pulse._wires._open]
    pools = [manager.connection_from_url(store._link.endpoint) for manager in _managers(store)]
    assert _sockets(proxy) == len(kept) >= 2
    store.close()
    assert _sockets(proxy) == 0
    assert len(pools) == 4


def _managers(store: DynamoDBStore) -> list[Any]:
    """Where urllib3 keeps the pools of our four clients."""
    links = (store._link, store._pulse)
    clients = [client for link in links for client in (link._patient, link._brisk)]
    return [client._endpoint.http_session._manager for client in clients]


def test_a_botocore_that_is_built_otherwise_is_refused() -> None:
    with pytest.raises(ConfigError, match="botocore"):
        Wires().take_over(object())
