"""What is written lands once, in order, and beside what others have put there."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from coord.errors import StoreUnavailable
from coord.model import Note, RoleRecord, Shape
from coord.spi import Claimed, ClaimRequest, Tenure
from coord.testing.proxy import FaultProxy
from coord.testing.servers import EtcdServers
from coord_etcd import EtcdStore, heartbeat
from tests.integration.etcd.tools import (
    TIMEOUT_S,
    Etcd,
    group_name,
    opened,
    record,
    role_of,
    take,
    turn_to,
    wait_until,
)

pytestmark = pytest.mark.xdist_group("etcd")

MANY = 2000


@pytest.fixture
def store(alone: EtcdServers) -> Iterator[EtcdStore]:
    with opened(alone.url("unused")) as found:
        yield found


def test_an_update_that_lands_late_brings_nothing_back(
    alone: EtcdServers, proxy: FaultProxy
) -> None:
    """Held on its way for longer than its timeout; the update after it has been acknowledged."""
    group, url = group_name(), f"etcd://{proxy.hostport},{alone.hosts}/unused"
    with opened(url, timeout_s=0.7) as store:
        mine = record()
        session = store.open_session(group, mine, 60)
        turn_to(store, proxy.hostport)
        store.view(group)
        proxy.requests.hold()
        with pytest.raises(StoreUnavailable):
            session.update(replace(mine, weight=5.0))
        session.update(replace(mine, draining=True))
        received = proxy.counters.replies.read
        proxy.requests.mend()
        wait_until(lambda: proxy.counters.replies.read > received, within_s=1.0)
        shown = store.view(group).members[session.id].record
        assert (shown.draining, shown.weight) == (True, mine.weight)
        session.update(replace(mine, weight=7.0))
        assert store.view(group).members[session.id].record.weight == 7.0
        session.close()


def test_an_update_after_one_of_unknown_end_is_written(
    alone: EtcdServers, proxy: FaultProxy
) -> None:
    """The one before landed and its answer was lost, so that the revision is not the one known."""
    group = group_name()
    with opened(f"etcd://{proxy.hostport}/unused", timeout_s=0.7) as store:
        mine = record()
        session = store.open_session(group, mine, 60)
        store.view(group)
        proxy.replies.hold()
        with pytest.raises(StoreUnavailable):
            session.update(replace(mine, weight=5.0))
        proxy.heal()
        for weight in (6.0, 7.0):
            session.update(replace(mine, weight=weight))
            assert store.view(group).members[session.id].record.weight == weight
        session.close()


def test_a_record_put_by_hand_keeps_nobody_out(store: EtcdStore, etcd: Etcd) -> None:
    """On no lease, it would never go away; no view shows it either."""
    group = group_name()
    etcd.put(f"/coord/{group}/m/a", b"by hand")
    session = store.open_session(group, record("a"), 60)
    assert set(store.view(group).members) == {session.id}
    session.close()


def test_a_key_asked_for_twice_is_given_once(store: EtcdStore) -> None:
    """Etcd refuses a transaction that may write one key twice."""
    group = group_name()
    keys = role_of(store, group, shards=2)
    session = store.open_session(group, record(), 60)
    version = store.view(group).roles["r"].version
    requests = [ClaimRequest(key, 0, version, Note()) for key in (keys[0], keys[1], keys[0])]
    answers = session.claim(requests)
    claims = store.view(group).claims
    assert answers == [Claimed(request.key, claims[request.key].token) for request in requests]
    tenures = [Tenure(key, claims[key].token, Note()) for key in (keys[0], keys[0], keys[1])]
    session.amend(tenures)
    session.release(tenures)
    assert not store.view(group).by_session
    session.close()


def test_pausing_a_role_costs_the_same_whatever_is_claimed(
    alone: EtcdServers, store: EtcdStore, proxy: FaultProxy
) -> None:
    """Claims of older generations are looked for only where the generation has grown."""
    group = group_name()
    session = store.open_session(group, record(), 60)
    role = store.put_role(group, RoleRecord(name="r", shape=Shape(MANY, 1), generation=2))
    take(store, group, session, role.claim_keys())
    with opened(f"etcd://{proxy.hostport}/unused") as other:
        before = proxy.counters.replies.read
        paused = other.put_role(group, replace(role, paused=True))
        assert proxy.counters.replies.read - before < 10_000
        other.put_role(group, replace(paused, generation=3))
        assert proxy.counters.replies.read - before > 10_000, "this many bytes show nothing"
    session.close()


def test_heartbeats_that_stay_unproven_spare_the_server(
    store: EtcdStore, etcd: Etcd, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As in a long election: asked again with pauses, and what was put is not put again."""
    session = store.open_session(group_name(), record(), 60)
    before = etcd.revision()
    monkeypatch.setattr(heartbeat, "proves", lambda *_: False)
    with pytest.raises(StoreUnavailable, match="confirmed"):
        session.heartbeat(b"overdue")
    assert 2 < session.unproven <= 1 + TIMEOUT_S / 0.02, "a pause of 20 ms, till the timeout"
    assert etcd.revision() <= before + 1
    monkeypatch.undo()
    session.close()
