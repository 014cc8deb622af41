"""The memory store under every injectable fault, driven by hypothesis in virtual time.

A model beside the store checks what the contract leaves no choice about: by the store's own
order of events there is one holder a key, tokens grow, the dead stay dead, and no proof outlives
what the store honours.
"""

from __future__ import annotations

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from coord.errors import SessionLost, StoreError
from coord.model import Claim, ClaimKey, MemberRecord, Note, RoleRecord, Shape
from coord.spi import Claimed, ClaimRequest, Observed, Proof, Tenure
from coord.testing.clock import ManualClock
from coord.testing.faults import Fate, FaultPlan, FaultySession, FaultyStore
from coord.testing.memory import Manner, MemoryServer

pytestmark = pytest.mark.timeout(1200)  # a soak runs 20,000 examples

MEMBERS = ("a", "b", "c")
SHARDS = 2
TTL_S = 10.0
LAG_S = 1.0

members = st.sampled_from(MEMBERS)
shards = st.integers(0, SHARDS - 1)


class _Machine(RuleBasedStateMachine):
    manner: Manner

    def __init__(self) -> None:
        super().__init__()
        self.clock = ManualClock()
        self.server = MemoryServer(self.clock, manner=self.manner, lag_s=LAG_S)
        self.store = self.server.store()
        self.plan = FaultPlan()
        self.links = {
            name: FaultyStore(self.server.store(), self.plan, clock=self.clock, sender=name)
            for name in MEMBERS
        }
        self.role = self.store.put_role("g", RoleRecord(name="r", shape=Shape(SHARDS, 1)))
        self.sessions: dict[str, FaultySession] = {}
        self.proofs: dict[str, Proof] = {}
        self.last: dict[ClaimKey, Claim] = {}
        self.dead: set[str] = set()
        self.ended_on_purpose: set[str] = set()
        self.ghosts: set[str] = set()

    # ---------------------------------------------------------------------------- what happens

    @rule(fate=st.sampled_from(Fate), sender=members)
    def the_next_request_goes_astray(self, fate: Fate, sender: str) -> None:
        self.plan.add(fate, sender=sender)

    @rule()
    @precondition(lambda self: self.plan.held)
    def a_held_request_lands(self) -> None:
        self.plan.held.pop(0).land()

    @rule(seconds=st.floats(0.1, TTL_S))
    def time_passes(self, seconds: float) -> None:
        self.clock.advance(seconds)
        self.server.tick()

    @rule(name=members)
    def a_member_opens(self, name: str) -> None:
        self.ended_on_purpose |= {sid for sid in self.proofs if sid.startswith(f"{name}.")}
        try:
            session = self.links[name].open_session(
                "g", MemberRecord(name=name, incarnation="1"), TTL_S
            )
        except StoreError:
            self.ghosts.add(name)  # it may still land, and end a later session of the name
            return
        assert session.id not in self.dead, "an id was given out twice"
        self.sessions[name] = session
        self.proofs[session.id] = session.opened

    @rule(name=members)
    def a_member_heartbeats(self, name: str) -> None:
        session = self.sessions.get(name)
        if session is None:
            return
        try:
            self.proofs[session.id] = session.heartbeat(b"")
        except SessionLost:
            assert session.id not in self.store.view("g").members
            return
        except StoreError:
            return
        assert session.id not in self.dead, "a dead session renewed"

    @rule(name=members, shard=shards, stale=st.booleans())
    def a_member_claims(self, name: str, shard: int, stale: bool) -> None:
        session, key = self.sessions.get(name), ClaimKey("r", 1, shard, 0)
        if session is None:
            return
        claim = self.store.view("g").claims.get(key)
        seen_token = 0 if claim is None or stale else claim.token
        try:
            [answer] = session.claim([ClaimRequest(key, seen_token, self.role.version, Note())])
        except StoreError:
            return
        assert session.id not in self.dead, "a dead session claimed"
        if claim is not None and claim.session != session.id and seen_token != claim.token:
            assert not isinstance(answer, Claimed), "a claim on a stale token won"
        if isinstance(answer, Claimed):
            assert self.store.view("g").claims[key].session == session.id

    @rule(name=members, shard=shards, behind=st.integers(0, 2))
    def a_member_releases(self, name: str, shard: int, behind: int) -> None:
        session, key = self.sessions.get(name), ClaimKey("r", 1, shard, 0)
        claim = self.store.view("g").claims.get(key)
        if session is None or claim is None:
            return
        try:
            session.release([Tenure(key, claim.token - behind, Note())])
        except StoreError:
            return
        after = self.store.view("g").claims[key]
        if behind or claim.session != session.id:
            assert after == claim, "a stale or foreign release hit a tenure"

    @rule(name=members, behind=st.integers(0, 2))
    def a_peer_evicts(self, name: str, behind: int) -> None:
        session = self.sessions.get(name)
        member = None if session is None else self.store.view("g").members.get(session.id)
        if session is None or member is None:
            return
        if self.manner is Manner.OBSERVED and not self.is_over(session.id):
            return  # evicting before the time is up would be the peer's fault
        evicted = self.store.evict("g", Observed(session.id, member.seq - behind))
        assert not (evicted and behind), "evicted on an observation that is overtaken"

    @rule(name=members)
    def a_member_closes(self, name: str) -> None:
        session = self.sessions.get(name)
        if session is None:
            return
        self.ended_on_purpose.add(session.id)
        try:
            session.close()
        except StoreError:
            return
        assert session.id not in self.store.view("g").members

    # ------------------------------------------------------------------------- what must be true

    @invariant()
    def every_holder_lives_and_tokens_grow(self) -> None:
        view = self.store.view("g")
        for key, claim in view.claims.items():
            assert claim.session is None or claim.session in view.members
            before = self.last.get(key, claim)
            if claim.session not in {None, before.session}:
                assert before.session is None, "a key went from holder to holder in one step"
                assert claim.token > before.token, "a new holder without a larger token"
            assert claim.token >= before.token, "a token shrank"
            self.last[key] = claim

    @invariant()
    def the_dead_stay_dead(self) -> None:
        live = set(self.store.view("g").members)
        assert not live & self.dead
        died = set(self.proofs) - live - self.dead
        self.dead |= died
        for session in died - self.ended_on_purpose:
            if session.partition(".")[0] not in self.ghosts:
                assert self.is_over(session), "a session ended before its proof did"

    def is_over(self, session: str) -> bool:
        proof = self.proofs[session]
        return self.clock.now() >= proof.sent_at_s + proof.ttl_s - proof.lag_s

    @invariant()
    def one_session_a_name(self) -> None:
        names = [member.record.name for member in self.store.view("g").members.values()]
        assert len(names) == len(set(names))


class _Proven(_Machine):
    manner = Manner.PROVEN


class _Observed(_Machine):
    manner = Manner.OBSERVED


class _Server(_Machine):
    manner = Manner.SERVER


TestProvenExpiry = _Proven.TestCase
TestObservedExpiry = _Observed.TestCase
TestServerExpiry = _Server.TestCase
for _case in (TestProvenExpiry, TestObservedExpiry, TestServerExpiry):
    _case.settings = settings(stateful_step_count=40)
del _case  # or pytest would find it as a test
