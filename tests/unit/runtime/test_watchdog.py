"""Two threads that watch each other: what happens when one is stuck, dies, or meets the unknown."""

from __future__ import annotations

import threading

import pytest

from coord import InternalError, LeadershipLost, Role, StoreUnavailable, Term
from coord.errors import CoordError
from tests.unit.runtime.conftest import QUICK, Behind, Put, Start, Started
from tests.unit.runtime.support import BOUND_S, JumpingClock, within


@pytest.fixture
def clock() -> JumpingClock:
    return JumpingClock()


@pytest.fixture
def hidden(behind: Put, clock: JumpingClock) -> Behind:
    return behind(clock)


def stick(started: Started, hidden: Behind) -> None:
    """Have the control thread hang inside the store."""
    entered = hidden.gates.shut("view")
    started.fleet.engine().wake()
    within(entered)


# --- a control thread that is stuck -----------------------------------------------------------


def test_heartbeats_stop_when_the_control_thread_is_stuck(
    start: Start, hidden: Behind, clock: JumpingClock
) -> None:
    """A half-dead member must not keep its leases; and somebody must say what is going on."""
    started = start(clock=clock)
    fleet, told = started
    with fleet.lead("one", timeout_s=BOUND_S) as term:
        stick(started, hidden)
        told.await_told("called", "Heartbeat", times=told.count("called", "Heartbeat") + 2)

        clock.ahead_s += QUICK.control_timeout_s
        told.await_told("report", "control-silent")
        deadline_s, beats = term.deadline_s, told.count("called", "Heartbeat")
        term.check()
        clock.ahead_s += deadline_s - clock.now() - QUICK.stop_grace_s
        assert not term.wait(BOUND_S)

        clock.ahead_s += QUICK.stop_grace_s
        with pytest.raises(LeadershipLost, match="no heartbeat"):
            term.check()
        assert told.count("called", "Heartbeat") == beats
        assert term.deadline_s == deadline_s
        hidden.gates.open("view")


def test_a_member_recovers_when_its_control_thread_comes_back(
    start: Start, hidden: Behind, clock: JumpingClock
) -> None:
    started = start(clock=clock)
    fleet, told = started
    fleet.serve("one", lambda term: term.wait(BOUND_S))
    told.await_told("began", "one")
    stick(started, hidden)
    clock.ahead_s += QUICK.ttl_s
    hidden.gates.open("view")
    told.await_told("report", "session-given-up")
    told.await_told("began", "one", times=2)
    assert told.began[1][1] > told.began[0][1]


def test_code_that_outlives_its_lease_is_told_of_while_the_control_thread_is_stuck(
    start: Start, hidden: Behind, clock: JumpingClock
) -> None:
    """Or a process that should exit rather than act beyond its leadership would act on."""
    started = start(clock=clock)
    fleet, told = started
    go_on = threading.Event()
    fleet.serve("one", lambda _: within(go_on))
    told.await_told("began", "one")
    stick(started, hidden)
    clock.ahead_s += QUICK.ttl_s
    assert "still runs" in told.await_told("report", "overrun").detail
    go_on.set()
    told.await_told("ended", "one")
    hidden.gates.open("view")
    told.await_told("began", "one", times=2)
    assert told.count("report", "overrun") == 1


def test_closing_does_not_wait_for_ever_for_a_stuck_control_thread(
    start: Start, hidden: Behind
) -> None:
    started = start(stop_timeout_s=0.05, ttl_s=0.3, timing=None)
    fleet, told = started
    leading, go_on = threading.Event(), threading.Event()
    kept: list[Term] = []

    def work(term: Term) -> None:
        kept.append(term)
        leading.set()
        within(go_on)

    fleet.serve("one", work)
    within(leading)
    stick(started, hidden)
    fleet.close()
    with pytest.raises(LeadershipLost):
        kept[0].check()
    assert told.count("report", "stop-forced") == 1
    assert isinstance(fleet.engine().error, CoordError)
    go_on.set()
    hidden.gates.open("view")


# --- a heartbeat thread that is stuck ---------------------------------------------------------


def test_no_session_is_opened_while_the_heartbeat_thread_is_not_back(
    start: Start, hidden: Behind, clock: JumpingClock
) -> None:
    """It would win claims and lose them all, once a ttl and for ever."""
    fleet, told = start(clock=clock)
    fleet.serve("one", lambda term: term.wait(BOUND_S))
    told.await_told("began", "one")
    within(hidden.gates.shut("heartbeat"))
    clock.ahead_s += QUICK.ttl_s
    told.await_told("report", "session-given-up")
    assert "on its way" in told.await_told("report", "store-unavailable").detail
    told.await_told("report", "store-unavailable", times=2)
    assert told.count("called", "OpenSession") == 1
    assert "on its way" in fleet.status().last_trouble
    hidden.gates.open("heartbeat")
    told.await_told("began", "one", times=2)


# --- what the store should never raise --------------------------------------------------------


@pytest.mark.parametrize("method", ["view", "heartbeat"])
def test_a_store_that_raises_what_it_should_not_costs_no_thread(
    start: Start, hidden: Behind, method: str
) -> None:
    fleet, told = start()
    hidden.gates.break_with(method, lambda: KeyError("a bug of the store"))
    fleet.engine().wake()
    kind = "heartbeat-failed" if method == "heartbeat" else "store-unavailable"
    detail = told.await_told("report", kind, times=2).detail
    assert "KeyError" in detail
    assert "authors of that store" in detail
    hidden.gates.mend(method)
    fleet.serve("one", lambda term: term.wait(BOUND_S))
    told.await_told("began", "one")
    assert fleet.engine().error is None


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
@pytest.mark.parametrize("method", ["view", "heartbeat"])
def test_a_thread_that_dies_ends_all_trust(start: Start, hidden: Behind, method: str) -> None:
    fleet, _ = start()
    with fleet.lead("one", timeout_s=BOUND_S) as term:
        hidden.gates.break_with(method, lambda: SystemExit("out of the blue"))
        fleet.engine().wake()
        assert not term.wait(BOUND_S)
        with pytest.raises(LeadershipLost):
            term.check()
    assert fleet.engine().finished.wait(BOUND_S)
    with pytest.raises(InternalError, match="SystemExit: out of the blue"):
        fleet.run()
    with pytest.raises(InternalError), fleet.lead("one", timeout_s=BOUND_S):
        pytest.fail("the body ran")
    with pytest.raises(InternalError):
        list(fleet.terms("two"))
    with pytest.raises(InternalError):
        list(fleet.observe("one"))
    hidden.gates.open_all()


def test_a_step_that_breaks_in_user_code_ends_all_trust(
    start: Start, hidden: Behind, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The machine may be half changed: a signal handler that raises can interrupt anything."""
    fleet, told = start()
    machine = fleet.engine().machine
    with fleet.lead("one", timeout_s=BOUND_S) as term:

        def interrupted(_: object) -> list[object]:
            raise KeyboardInterrupt

        with monkeypatch.context() as patch:
            patch.setattr(machine, "step", interrupted)
            with pytest.raises(KeyboardInterrupt):
                term.progress()
        with pytest.raises(LeadershipLost):
            term.check()
        assert fleet.engine().finished.wait(BOUND_S)
    told.await_told("called", "CloseSession")
    assert hidden.server.store().view("g").members == {}
    with pytest.raises(InternalError, match="KeyboardInterrupt"):
        fleet.raise_error()


# --- no memory --------------------------------------------------------------------------------


def _starves(*_: object, **__: object) -> None:
    raise MemoryError


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
@pytest.mark.parametrize("event", ["Tick", "Pulse"])
def test_a_member_that_fails_without_memory_says_so(
    start: Start, hidden: Behind, monkeypatch: pytest.MonkeyPatch, event: str
) -> None:
    """Either thread meets it, and there is not even enough for an error that says what happened."""
    fleet, _ = start()
    machine, real = fleet.engine().machine, fleet.engine().machine.step

    def step(found: object) -> object:
        if type(found).__name__ == event:
            raise MemoryError
        return real(found)  # type: ignore[arg-type]

    with fleet.lead("one", timeout_s=BOUND_S) as term, monkeypatch.context() as patch:
        patch.setattr("coord.runtime.starving.InternalError", _starves)
        patch.setattr(machine, "step", step)
        fleet.engine().wake()
        assert not term.wait(BOUND_S)
        with pytest.raises(LeadershipLost):
            term.check()
        assert fleet.engine().finished.wait(BOUND_S)
    with pytest.raises(InternalError, match="for want of memory"):
        fleet.run()


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_who_waits_is_told_of_the_end_though_memory_runs_out_on_the_way(
    start: Start, hidden: Behind, monkeypatch: pytest.MonkeyPatch
) -> None:
    fleet, _ = start()
    crew, starved = fleet.engine().crew, threading.Event()
    dismiss = crew.dismiss
    left = [_starves, _starves]

    def dismissed(why: str) -> None:
        if left:
            left.pop()()
        starved.set()
        dismiss(why)

    monkeypatch.setattr(crew, "dismiss", dismissed)
    hidden.gates.break_with("view", lambda: SystemExit("out of the blue"))
    fleet.engine().wake()
    with pytest.raises(InternalError):
        list(fleet.terms("two"))
    within(starved)
    hidden.gates.open_all()


# --- code that does not stop ------------------------------------------------------------------


def test_abandoned_code_keeps_its_claim_from_this_member_until_it_ends(start: Start) -> None:
    fleet, told = start()
    go_on = threading.Event()
    role = Role("one", progress_timeout_s=0.05, bar_s=0.05, poison_s=0.05)

    def work(term: Term) -> None:
        if told.count("began", "one") == 1:
            within(go_on)
        while term.wait(0.01):
            term.progress()

    fleet.serve(role, work)
    assert "one/1/0/0" in told.await_told("report", "overrun").detail
    told.await_told("called", "ReadBeacons", times=1)
    told.await_told("called", "Heartbeat", times=told.count("called", "Heartbeat") + 2)
    assert told.count("began", "one") == 1
    go_on.set()
    told.await_told("began", "one", times=2)


def test_closing_forces_work_that_does_not_stop(start: Start, hidden: Behind) -> None:
    fleet, told = start(stop_timeout_s=0.05)
    go_on = threading.Event()
    fleet.serve("one", lambda _: within(go_on))
    told.await_told("began", "one")
    fleet.close()
    assert told.count("report", "stop-forced") == 1
    assert told.count("report", "overrun") == 1
    note = next(iter(hidden.server.store().view("g").claims.values())).note
    assert not note.clean
    go_on.set()


def test_trouble_at_the_start_is_told_with_its_cause(start: Start, hidden: Behind) -> None:
    hidden.gates.break_with("open_session", lambda: StoreUnavailable("the link is down"))
    with pytest.raises(StoreUnavailable, match=r"no session within 0\.2 s .*: the link is down"):
        start(start_timeout_s=0.2)
