"""What has gone wrong in other libraries' locks and elections; docs/reliability.md says where."""

from __future__ import annotations

import threading

import pytest

from coord import LeadershipLost, Role, StoreUnavailable, Term
from tests.unit.runtime.conftest import QUICK, Put, Start
from tests.unit.runtime.support import BOUND_S, ONE, JumpingClock


def test_after_a_loss_the_same_loop_leads_again_under_a_larger_token(
    start: Start, behind: Put
) -> None:
    """Nothing has to be made anew, and nothing of the lost tenure counts for the next one."""
    clock = JumpingClock()
    behind(clock)
    fleet, _ = start(clock=clock)
    tenures: list[Term] = []
    for term in fleet.terms(Role("one", rest_s=0.0)):
        tenures.append(term)
        if len(tenures) == 3:
            break
        clock.ahead_s += QUICK.ttl_s
        with pytest.raises(LeadershipLost):
            term.check()
        assert not term.wait(BOUND_S)
    tokens = [term.token for term in tenures]
    assert tokens == sorted(set(tokens))
    for lost in tenures[:2]:
        with pytest.raises(LeadershipLost):
            lost.check()


def test_a_leader_whose_session_was_ended_by_the_store_is_told(start: Start, behind: Put) -> None:
    """It does not go by what it was told when it began: the next heartbeat says so."""
    server, _ = behind()
    fleet, told = start()
    lost = threading.Event()

    def work(term: Term) -> None:
        if term.wait(BOUND_S):
            return
        try:
            term.check()
        except LeadershipLost:
            lost.set()

    fleet.serve("one", work)
    told.await_told("began", "one")
    (session,) = server.store().view("g").members
    server.apply("g", lambda state, now: state.close(now, session))
    assert lost.wait(BOUND_S)
    told.await_told("began", "one", times=2)
    first, second = (token for key, token in told.began if key == ONE)
    assert second > first


@pytest.mark.parametrize("error", [ValueError("no"), KeyError("k"), SystemExit(3), GeneratorExit()])
def test_work_that_crashes_is_not_renewed_for(
    start: Start, behind: Put, error: BaseException
) -> None:
    """Its claim is another's at once, while the member's heartbeats go on."""
    behind()
    first, told = start("a")
    second, other = start("b")
    both = threading.Event()

    def crash(_: Term) -> None:
        assert both.wait(BOUND_S)
        raise error

    first.serve(Role("one", bar_s=30.0), crash)
    told.await_told("began", "one")
    second.serve(Role("one", bar_s=30.0), lambda term: term.wait(BOUND_S))
    engine = first.engine()
    assert engine.wait_for(
        lambda: (
            engine.view is not None
            and all("one" in member.record.roles for member in engine.view.members.values())
        ),
        BOUND_S,
    )
    both.set()
    other.await_told("began", "one")
    beats = told.count("called", "Heartbeat")
    told.await_told("called", "Heartbeat", times=beats + 2)
    assert told.count("began", "one") == 1


def test_a_member_that_is_cut_off_says_so_in_its_status(start: Start, behind: Put) -> None:
    """It shows the names that it has read last; who would act on them can see how old they are."""
    clock = JumpingClock()
    _, gates = behind(clock)
    fleet, told = start(clock=clock)
    fleet.serve("one", lambda term: term.wait(BOUND_S))
    told.await_told("began", "one")
    assert fleet.status().trusted_for_s > 0
    for method in ("heartbeat", "view", "open_session"):
        gates.break_with(method, lambda: StoreUnavailable("the cable is out"))
    fleet.engine().wake()
    told.await_told("report", "store-unavailable")
    clock.ahead_s += QUICK.ttl_s
    fleet.engine().wake()
    told.await_told("report", "session-given-up")
    status = fleet.status()
    assert (status.trusted_for_s, status.held) == (0.0, ())
    assert status.phase != "live"
    assert "the cable is out" in status.last_trouble
