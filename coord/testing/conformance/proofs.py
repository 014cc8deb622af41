"""Checks of promise 4: what a proof says is honoured, and a silent session does end.

Owns time. Both ends are measured with another handle on the same clock: nothing may end before
`sent_at + ttl − lag`, and everything is over by `ttl + late_s` after the last heartbeat.
"""

from __future__ import annotations

from coord.errors import CoordError, StoreUnavailable
from coord.model import Beacon
from coord.spi import Claimed, Expiry, Observed, Proof, Session
from coord.testing.conformance.harness import Checks
from coord.testing.conformance.kit import Kit, shown

checks = Checks()


def _honoured_until_s(proof: Proof) -> float:
    return proof.sent_at_s + proof.ttl_s - proof.lag_s


@checks.add()
def a_proof_is_stamped_before_its_request_and_bears_the_granted_ttl(kit: Kit) -> None:
    """Proof: `sent_at_s` is on the handle's clock, before the request; ttl is the granted one."""
    asked_s = kit.harness.ttl_s
    before_s = kit.now()
    session = kit.member(ttl_s=asked_s)
    proofs = [(before_s, session.opened, kit.now())]
    for _ in range(2):
        kit.harness.sleep(asked_s / 10)
        before_s = kit.now()
        proofs.append((before_s, session.heartbeat(b""), kit.now()))
    assert session.ttl_s >= kit.guarantees.min_ttl_s
    for before_s, proof, after_s in proofs:
        assert before_s <= proof.sent_at_s <= after_s, f"{proof} was made {before_s}…{after_s}"
        assert proof.ttl_s == session.ttl_s
        assert 0 <= proof.lag_s < proof.ttl_s
    member = kit.alive(session)
    assert member.ttl_s == session.ttl_s, "peers are shown another ttl than was granted"


@checks.add("gate")
def a_proof_counts_from_the_sending_not_from_the_answer(kit: Kit) -> None:
    """Proof.sent_at_s: a renewal held up on its way is no younger than its request.

    Stamped on arrival, the ttl would count twice over what the way took. Only a gate on a network
    can hold a call and still let it succeed; behind `gate_over` the call times out and nothing is
    proven here.
    """
    gate = kit.gate()
    session = kit.member("a", store=gate.store)
    held_s = min(0.5, kit.harness.timeout_s / 2)

    def beat() -> tuple[float, Proof]:
        return kit.now(), session.heartbeat(b"")

    def open_later() -> float:
        kit.harness.sleep(held_s)
        opened_s = kit.now()
        gate.open()
        return opened_s

    gate.shut()
    beaten, opened_s = kit.race(beat, open_later)
    assert isinstance(opened_s, float)
    if isinstance(beaten, CoordError):
        assert isinstance(beaten, StoreUnavailable)
        return
    assert isinstance(beaten, tuple)
    called_s, proof = beaten
    if called_s < opened_s - held_s / 2:  # or the machine was too busy to prove anything
        assert proof.sent_at_s < opened_s, "a proof was stamped after its request had been sent"


@checks.add()
def nothing_ends_a_session_before_its_proof_does(kit: Kit) -> None:
    """Promise 4, for opening and for a heartbeat halfway: alive, unevictable and its claim held.

    Where patience is the proof (observed expiry) nobody calls `evict` too early here; there the
    session must simply stay.
    """
    key = kit.role().claim_keys()[0]
    session, rival = kit.member("a", ttl_s=kit.harness.ttl_s), kit.member("b", store=kit.other)
    kit.take(session, key)
    _assert_honoured(kit, session, rival, session.opened.sent_at_s + session.ttl_s / 2)
    _assert_honoured(kit, session, rival, _honoured_until_s(session.heartbeat(b"")))


def _assert_honoured(kit: Kit, session: Session, rival: Session, until_s: float) -> None:
    """The clock is read after each answer: what came before the end was answered before it."""
    key = kit.record_of("r").claim_keys()[0]
    early_evict = kit.guarantees.expiry is not Expiry.OBSERVED
    while True:
        member = kit.live(session)
        evicted = (
            member is not None
            and early_evict
            and kit.other.evict(kit.group, Observed(session.id, member.seq))
        )
        answer = kit.try_take(rival, key)
        left_s = until_s - kit.now()
        if left_s <= 0:
            return
        assert member is not None, f"ended {left_s:.3f} s before its proof did"
        assert not evicted, f"evicted {left_s:.3f} s before its proof ended"
        assert not isinstance(answer, Claimed), f"lost its claim {left_s:.3f} s too early"
        kit.harness.sleep(session.ttl_s / 20)


@checks.add()
def a_silent_session_is_over_within_the_declared_bound(kit: Kit) -> None:
    """Promise 4's other side: the dead make room, `late_s` after their ttl at the latest."""
    key = kit.role().claim_keys()[0]
    session, rival = kit.member("a", ttl_s=kit.harness.ttl_s), kit.member("b", store=kit.other)
    kit.take(session, key)
    session.heartbeat(b"")
    kit.let_die(session)
    assert isinstance(kit.try_take(rival, key), Claimed)


@checks.add()
def heartbeats_keep_a_session_and_its_claims(kit: Kit) -> None:
    """Session.heartbeat: renewed in time, a session outlives its ttl with the same tokens."""
    keys = kit.role(shards=3).claim_keys()
    session = kit.member("a", ttl_s=kit.harness.ttl_s)
    tokens = kit.take(session, *keys)
    proof = session.opened
    until_s = kit.now() + 2 * session.ttl_s
    while kit.now() < until_s:
        kit.harness.sleep(session.ttl_s / 5)
        newer = session.heartbeat(b"")
        assert newer.sent_at_s > proof.sent_at_s
        if kit.guarantees.expiry is not Expiry.OBSERVED:
            assert not kit.evict(session), "a session that heartbeats in time was evicted"
        proof = newer
    view = kit.view()
    assert session.id in view.members
    claims = [shown(view, key) for key in keys]
    assert [claim.token for claim in claims] == tokens
    assert {claim.session for claim in claims} == {session.id}


@checks.add()
def a_heartbeat_shows_in_the_view_as_a_larger_number(kit: Kit) -> None:
    """LiveMember.seq grows with each heartbeat that somebody may have to judge by.

    Patient observers live on that, where peers end sessions; elsewhere, whoever reads beacons.
    """
    beacon = b"" if kit.guarantees.peers_evict else Beacon(more=1).to_bytes()
    session = kit.member()
    seen: list[int] = []
    for _ in range(4):
        member = kit.alive(session)
        seen.append(member.seq)
        session.heartbeat(beacon)
    assert seen == sorted(set(seen)), f"heartbeat numbers {seen}"


@checks.add()
def an_expiry_hint_is_never_early_and_never_idle(kit: Kit) -> None:
    """LiveMember.expires_at_s: not before the proof's end; after it, `evict` succeeds.

    Nothing is checked of views without hints.
    """
    session = kit.member("a", ttl_s=kit.harness.ttl_s)
    proof = session.heartbeat(b"")
    member = kit.alive(session)
    if member.expires_at_s is None:
        return
    assert member.expires_at_s >= _honoured_until_s(proof), "hinted earlier than it was proven"
    kit.harness.silence(session)
    kit.harness.sleep(max(0.0, member.expires_at_s - kit.now()) + 0.01)
    assert kit.other.evict(kit.group, Observed(session.id, member.seq)), (
        "the hinted moment has passed and evict refuses"
    )
    assert kit.live(session) is None


@checks.add()
def a_heartbeat_is_not_held_up_by_other_calls_of_its_session(kit: Kit) -> None:
    """Threads: one thread heartbeats while others claim and release; nobody minds."""
    keys = kit.role(shards=3).claim_keys()
    session = kit.member()

    def beat() -> int:
        proofs = [session.heartbeat(b"beat").sent_at_s for _ in range(40)]
        assert proofs == sorted(proofs)
        return len(proofs)

    def work() -> int:
        for _ in range(10):
            for key, token in zip(keys, kit.take(session, *keys), strict=True):
                kit.drop(session, key, token)
        return len(keys)

    assert kit.race(beat, work) == [40, len(keys)]
