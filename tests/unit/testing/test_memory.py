"""What the memory store promises beyond the contract: clocks, sharing, virtual time, URLs."""

from __future__ import annotations

import threading
from dataclasses import replace

import pytest

from coord.clock import SYSTEM_CLOCK
from coord.errors import ConfigError, DuplicateMember, SessionLost, StoreRefused, UsageError
from coord.model import MemberRecord, Note, RoleRecord, Shape
from coord.spi import Claimed, ClaimRequest, Expiry, Observed, Session, Store, Tenure
from coord.testing.clock import ManualClock, SkewedClock
from coord.testing.memory import BATCH_SIZE, Manner, MemoryServer, MemoryStore

TTL_S = 10.0


def _member(store: Store, name: str = "a", incarnation: str = "1") -> Session:
    return store.open_session("g", MemberRecord(name=name, incarnation=incarnation), TTL_S)


def _role(store: Store, shards: int = 1) -> RoleRecord:
    return store.put_role("g", RoleRecord(name="r", shape=Shape(shards, 1)))


def _take(session: Session, role: RoleRecord, shard: int = 0, seen_token: int = 0) -> int:
    key = role.claim_keys()[shard]
    [answer] = session.claim([ClaimRequest(key, seen_token, role.version, Note())])
    assert isinstance(answer, Claimed)
    return answer.token


def test_equal_names_in_urls_are_one_server_in_this_process() -> None:
    one = MemoryStore.from_url("memory://shared-by-two/blue", clock=SYSTEM_CLOCK, timeout_s=1.0)
    two = MemoryStore.from_url("memory://shared-by-two/blue/", clock=SYSTEM_CLOCK, timeout_s=1.0)
    other = MemoryStore.from_url("memory://somebody-elses", clock=SYSTEM_CLOCK, timeout_s=1.0)
    assert (one.group, two.group, other.group) == ("blue", "blue", "default")
    session = one.store.open_session("blue", MemberRecord(name="a", incarnation="1"), TTL_S)
    assert set(two.store.view("blue").members) == {session.id}
    assert not other.store.view("blue").members


@pytest.mark.parametrize(
    "url", ["sqlite:///x", "memory://a b/g", "memory://x/g/h", "memory://x/g?ttl=1", "memory://x/-"]
)
def test_an_impossible_url_is_refused(url: str) -> None:
    with pytest.raises(ConfigError):
        MemoryStore.from_url(url, clock=SYSTEM_CLOCK, timeout_s=1.0)


@pytest.mark.parametrize("ttl_s", [0.0, -1.0, float("nan")])
def test_an_impossible_ttl_is_refused(ttl_s: float) -> None:
    with pytest.raises(ConfigError):
        MemoryStore().open_session("g", MemberRecord(name="a", incarnation="1"), ttl_s)


def test_a_ttl_below_the_minimum_is_lifted() -> None:
    store = MemoryStore(MemoryServer(ManualClock(), min_ttl_s=15.0))
    session = _member(store)
    assert session.ttl_s == session.opened.ttl_s == 15.0


def test_a_closed_handle_refuses_and_closing_again_is_no_error() -> None:
    store = MemoryStore()
    store.close()
    store.close()
    with pytest.raises(StoreRefused):
        store.view("g")


def test_a_batch_above_the_declared_size_is_refused() -> None:
    store = MemoryStore()
    session, role = _member(store), _role(store, shards=BATCH_SIZE + 1)
    requests = [ClaimRequest(key, 0, role.version, Note()) for key in role.claim_keys()]
    with pytest.raises(UsageError):
        session.claim(requests)


def test_a_session_cannot_become_another_member() -> None:
    session = _member(MemoryStore())
    with pytest.raises(UsageError):
        session.update(MemberRecord(name="a", incarnation="2"))


def test_only_a_reader_on_the_servers_clock_gets_expiry_hints() -> None:
    clock = ManualClock()
    server = MemoryServer(clock)
    session = _member(server.store())
    same = server.store().view("g").members[session.id]
    foreign = server.store(SkewedClock(clock, offset_s=500.0)).view("g").members[session.id]
    assert same.expires_at_s == clock.now() + TTL_S
    assert foreign.expires_at_s is None


def test_a_proof_is_stamped_on_the_handles_own_clock() -> None:
    clock = ManualClock()
    own = SkewedClock(clock, offset_s=-300.0, rate=1.01)
    session = _member(MemoryServer(clock).store(own))
    clock.advance(5.0)
    assert session.heartbeat(b"").sent_at_s == own.now()
    assert own.base_time_s(own.now()) == pytest.approx(clock.now())


@pytest.mark.parametrize(
    ("server", "expiry", "peers_evict"),
    [
        (MemoryServer(manner=Manner.PROVEN), Expiry.PROVEN, True),
        (MemoryServer(manner=Manner.OBSERVED), Expiry.OBSERVED, True),
        (MemoryServer(manner=Manner.SERVER), Expiry.PROVEN, False),
        (MemoryServer(manner=Manner.SERVER, lag_s=1.0), Expiry.BOUNDED_LAG, False),
    ],
)
def test_guarantees_follow_the_manner(
    server: MemoryServer, expiry: Expiry, peers_evict: bool
) -> None:
    stated = server.store().guarantees
    assert (stated.expiry, stated.peers_evict) == (expiry, peers_evict)


def test_a_patient_peer_is_the_only_proof_where_expiry_is_observed() -> None:
    server = MemoryServer(ManualClock(), manner=Manner.OBSERVED)
    store = server.store()
    session = _member(store)
    with pytest.raises(DuplicateMember):
        _member(store, incarnation="2")
    member = store.view("g").members[session.id]
    assert store.evict("g", Observed(session.id, member.seq)), "the store cannot check the time"
    _member(store, incarnation="2")


def test_a_process_that_is_provably_gone_is_evicted_at_once() -> None:
    server = MemoryServer(ManualClock())
    store = server.store()
    session = _member(store)
    server.mark_gone("g", session.id)
    member = store.view("g").members[session.id]
    assert member.gone
    assert store.evict("g", Observed(session.id, member.seq))
    with pytest.raises(SessionLost):
        session.heartbeat(b"")


def test_late_expiry_can_be_injected_while_the_server_runs() -> None:
    clock = ManualClock()
    server = MemoryServer(clock, manner=Manner.SERVER)
    store = server.store()
    server.expiry_late_s = 5.0
    session = _member(store)
    clock.advance(TTL_S + 4.9)
    assert session.id in store.view("g").members
    assert server.next_expiry_s() == pytest.approx(clock.now() + 0.1)
    clock.advance(0.2)
    assert session.id not in store.view("g").members
    assert server.next_expiry_s() == float("inf")


def test_a_driver_of_virtual_time_makes_the_server_notice_and_wake() -> None:
    clock = ManualClock()
    server = MemoryServer(clock, manner=Manner.SERVER)
    store = server.store()
    _member(store)
    wakes: list[float] = []
    store.watch("g", lambda: wakes.append(clock.now()))
    clock.advance(TTL_S)
    assert wakes == []
    server.tick()
    server.tick()
    assert wakes == [clock.now()]


def test_views_of_one_revision_share_everything_but_the_members() -> None:
    store = MemoryStore()
    session, role = _member(store), _role(store)
    _take(session, role)
    view = store.view("g")
    assert store.view("g") is view
    view.memo["plan"] = 1
    held = view.by_session
    session.heartbeat(b"")
    newer = store.view("g")
    assert newer is not view
    assert newer.members[session.id].seq == view.members[session.id].seq + 1
    assert newer.claims is view.claims
    assert newer.roles is view.roles
    assert newer.memo is view.memo
    assert newer.by_session is held


def test_a_new_revision_shares_nothing_computed() -> None:
    store = MemoryStore()
    session, role = _member(store), _role(store)
    before = store.view("g")
    before.memo["plan"] = 1
    _take(session, role)
    after = store.view("g")
    assert after.memo == {}
    assert after.revision > before.revision
    assert after.roles is before.roles


def test_free_claims_of_an_older_generation_leave_the_view() -> None:
    store = MemoryStore()
    session, role = _member(store), _role(store, shards=2)
    kept, dropped = role.claim_keys()
    kept_token = _take(session, role, shard=0)
    session.release([Tenure(dropped, _take(session, role, shard=1), Note())])
    newer = store.put_role("g", replace(role, generation=2))
    assert set(store.view("g").claims) == {kept}
    session.release([Tenure(kept, kept_token, Note())])
    assert not store.view("g").claims
    assert _take(session, newer) > kept_token


def test_a_claim_of_another_generation_than_the_records_is_refused() -> None:
    """It would put a larger token on an older generation, and fool every guard."""
    store = MemoryStore()
    session, role = _member(store), _role(store)
    newer = store.put_role("g", replace(role, generation=2))
    request = ClaimRequest(role.claim_keys()[0], 0, newer.version, Note())
    [answer] = session.claim([request])
    assert not isinstance(answer, Claimed)


def test_a_wake_may_call_back_and_close_its_own_watch() -> None:
    store = MemoryStore()
    seen: list[int] = []

    def wake() -> None:
        seen.append(len(store.view("g").members))
        watch.close()

    watch = store.watch("g", wake)
    _member(store)
    _member(store, "b")
    assert seen == [1]


def test_closing_a_watch_waits_for_a_wake_in_another_thread() -> None:
    store = MemoryStore()
    inside, go_on, done = threading.Event(), threading.Event(), threading.Event()

    def wake() -> None:
        inside.set()
        assert go_on.wait(10)
        done.set()

    watch = store.watch("g", wake)
    writer = threading.Thread(target=_member, args=(store,))
    writer.start()
    assert inside.wait(10)
    threading.Timer(0.05, go_on.set).start()
    watch.close()
    assert done.is_set()
    writer.join(10)


def test_a_clock_of_the_callers_never_runs_backwards() -> None:
    clock = ManualClock(5.0)
    clock.advance(2.5)
    assert clock.now() == 7.5
    with pytest.raises(ValueError, match="forward"):
        clock.set(7.0)
