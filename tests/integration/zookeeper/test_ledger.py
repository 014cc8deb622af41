"""The ZooKeeper ledger's garbage: removed by whoever writes, and never what is still written."""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterator

import pytest

from coord.clock import SYSTEM_CLOCK
from coord.errors import StoreConflict, StoreRefused
from coord.testing.servers import ZooKeeperServers
from coord_zookeeper import ledger as ledger_module
from coord_zookeeper import ledger_nodes
from coord_zookeeper.ledger import ZooKeeperLedger
from coord_zookeeper.ledger_nodes import Place

pytestmark = pytest.mark.xdist_group("zookeeper")

LONG_S = 3600.0


def _opened(hosts: str, path: str) -> ZooKeeperLedger:
    url = f"zookeeper://{hosts}/{path}"
    return ZooKeeperLedger.from_url(url, clock=SYSTEM_CLOCK, timeout_s=2.0)


@pytest.fixture
def ledger(zookeeper_server: ZooKeeperServers) -> Iterator[ZooKeeperLedger]:
    found = _opened(zookeeper_server.hosts, f"g-{secrets.token_hex(4)}")
    yield found
    found.close()


class Broom:
    """Says which writes sweep; nothing is spared for clocks of servers."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self._patch = patch
        patch.setattr(ledger_nodes, "_GRACE_S", -1.0)
        patch.setattr(ledger_module, "SWEEP_ONE_IN", 2**40)

    def every_write(self) -> None:
        self._patch.setattr(ledger_module, "SWEEP_ONE_IN", 1)


@pytest.fixture
def broom(monkeypatch: pytest.MonkeyPatch) -> Broom:
    return Broom(monkeypatch)


def _neighbours(key: str, count: int) -> list[str]:
    """Other keys of the same bucket."""
    place = Place.of("/g")
    found: list[str] = []
    n = 0
    while len(found) < count:
        n += 1
        if place.bucket(f"n{n}") == place.bucket(key):
            found.append(f"n{n}")
    return found


def test_garbage_goes_with_a_write_to_its_bucket_and_what_is_kept_stays(
    ledger: ZooKeeperLedger, broom: Broom
) -> None:
    old, kept, renewed = _neighbours("k", 3)
    ledger.write(old, b"{}", expect=None, keep_s=0.1)
    stays = ledger.write(kept, b"{}", expect=None, keep_s=LONG_S)
    tag = ledger.write(renewed, b"{}", expect=None, keep_s=0.1)
    newer = ledger.write(renewed, b"{}", expect=tag, keep_s=LONG_S)
    time.sleep(0.6)
    assert set(ledger.read([old, kept, renewed])) == {old, kept, renewed}
    broom.every_write()
    ledger.write("k", b"{}", expect=None, keep_s=LONG_S)
    found = ledger.read([old, kept, renewed, "k"])
    assert {key: entry.tag for key, entry in found.items() if key != "k"} == {
        kept: stays,
        renewed: newer,
    }


def test_whoever_saw_a_record_before_a_sweep_hits_nothing_that_came_after(
    ledger: ZooKeeperLedger, zookeeper_server: ZooKeeperServers, broom: Broom
) -> None:
    """With the same version as then: the version alone would let it pass."""
    slept = _opened(zookeeper_server.hosts, ledger._layout.root.strip("/"))
    [other] = _neighbours("k", 1)
    ledger.write("k", b"old", expect=None, keep_s=0.1)
    stale = slept.read(["k"])["k"].tag
    time.sleep(0.6)
    broom.every_write()
    ledger.write(other, b"{}", expect=None, keep_s=LONG_S)
    assert ledger.read(["k"]) == {}
    new = ledger.write("k", b"new", expect=None, keep_s=LONG_S)
    assert stale.partition(".")[2] == new.partition(".")[2], "versions begin anew"
    with pytest.raises(StoreConflict):
        slept.write("k", b"late", expect=stale, keep_s=LONG_S)
    assert ledger.read(["k"])["k"] == (new, b"new")
    kept = slept.read([other])[other].tag
    assert slept.write(other, b"{}", expect=kept, keep_s=LONG_S) != kept
    slept.close()


def test_a_write_costs_one_transaction_after_a_read(ledger: ZooKeeperLedger) -> None:
    ledger.read(["k"])
    tag = ledger.write("k", b"1", expect=None, keep_s=LONG_S)
    asked: list[object] = []
    link = ledger._connector.link()
    submit = link._submit

    def counted(request: object) -> object:
        asked.append(request)
        return submit(request)

    link._submit = counted  # type: ignore[method-assign]
    for body in (b"2", b"3"):
        tag = ledger.write("k", body, expect=tag, keep_s=LONG_S)
    assert len(asked) == 2


def test_a_chroot_that_is_missing_is_named_and_not_made(
    zookeeper_server: ZooKeeperServers,
) -> None:
    ledger = _opened(zookeeper_server.hosts, f"nowhere-{secrets.token_hex(4)}/g")
    for call in (
        lambda: ledger.read(["k"]),
        lambda: ledger.write("k", b"{}", expect=None, keep_s=LONG_S),
    ):
        with pytest.raises(StoreRefused, match="coord init"):
            call()
    ledger.close()
