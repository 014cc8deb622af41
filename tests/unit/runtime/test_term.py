"""What a term promises by its deadline, on a clock that the test can move, and by its progress."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from coord import ConfigError, LeadershipLost, Role, Term
from coord.model import EndingKind
from tests.unit.runtime.conftest import QUICK, Behind, Put, Start, Started
from tests.unit.runtime.support import BOUND_S, ONE, JumpingClock, endings, within


@pytest.fixture
def clock() -> JumpingClock:
    return JumpingClock()


@pytest.fixture
def hidden(behind: Put, clock: JumpingClock) -> Behind:
    """The store on that clock."""
    return behind(clock)


@pytest.fixture
def led(start: Start, hidden: Behind, clock: JumpingClock) -> Iterator[tuple[Started, Term]]:
    """A member on that clock, and a term of it."""
    started = start(clock=clock)
    with started.fleet.lead("one", timeout_s=BOUND_S) as term:
        yield started, term


# --- deadlines --------------------------------------------------------------------------------


def test_check_raises_from_the_deadline_on(led: tuple[Started, Term], clock: JumpingClock) -> None:
    _, term = led
    term.check()
    clock.ahead_s += QUICK.ttl_s
    with pytest.raises(LeadershipLost, match=r"one/1/0/0 .* is over: no heartbeat"):
        term.check()
    assert term.stopping
    assert not term.wait(BOUND_S)


def test_a_deadline_that_has_passed_never_comes_back(
    led: tuple[Started, Term], clock: JumpingClock
) -> None:
    """The member opens another session and may lead again; this term stays over."""
    (fleet, told), term = led
    before = fleet.status().session
    clock.ahead_s += QUICK.ttl_s
    fleet.engine().wake()
    told.await_told("called", "OpenSession", times=2)
    told.await_told("called", "Heartbeat", times=1)
    assert fleet.status().session != before
    with pytest.raises(LeadershipLost):
        term.check()
    assert told.count("report", "session-given-up") == 1


def test_check_succeeds_during_the_stop_grace(
    led: tuple[Started, Term], hidden: Behind, clock: JumpingClock
) -> None:
    _, term = led
    hidden.gates.break_with("heartbeat", lambda: TimeoutError("lost on the way"))
    clock.ahead_s += term.deadline_s - clock.now() - QUICK.stop_grace_s
    assert not term.wait(BOUND_S)
    term.check()
    clock.ahead_s += QUICK.stop_grace_s
    with pytest.raises(LeadershipLost):
        term.check()


def test_work_that_saw_the_deadline_before_the_core_did_has_not_returned_by_its_own_wish(
    start: Start, hidden: Behind, clock: JumpingClock
) -> None:
    """It would else wipe the endings of others, and its member would rest."""
    fleet, told = start(clock=clock)
    begun = threading.Event()
    go_on = threading.Event()

    def work(term: Term) -> None:
        begun.set()
        within(go_on)
        assert not term.wait(BOUND_S)

    fleet.serve(Role("one", rest_s=30.0), work)
    within(begun)
    entered = hidden.gates.shut("view")
    fleet.engine().wake()
    within(entered)  # the control thread is inside the store and sees nothing
    clock.ahead_s += QUICK.ttl_s
    go_on.set()
    told.await_told("ended", "one")
    hidden.gates.open("view")
    told.await_told("began", "one", times=2)  # at once: nothing made it rest
    assert (fleet.name, EndingKind.RETURNED) not in endings(hidden.server)


def test_wait_returns_false_as_soon_as_the_end_is_asked_for(led: tuple[Started, Term]) -> None:
    (fleet, _), term = led
    answers: list[bool] = []
    waiting = threading.Thread(target=lambda: answers.append(term.wait(10 * BOUND_S)))
    waiting.start()
    fleet.stop()
    waiting.join(BOUND_S)
    assert answers == [False]


class RungAgain:
    """A bell that is rung once more in the moment between hearing it and passing it on."""

    def __init__(self, term: Term) -> None:
        self._term, self._bell = term, term._hang_bell()

    def acquire(self, timeout: float) -> bool:
        heard = self._bell.acquire(timeout=timeout)
        self._term._ring()
        return heard

    def release(self) -> None:
        self._bell.release()


def test_being_asked_twice_at_a_bad_moment_ends_a_wait_all_the_same(
    led: tuple[Started, Term],
) -> None:
    _, term = led
    term._bell = RungAgain(term)  # type: ignore[assignment]
    threading.Timer(0.05, term.ask_to_stop, ("the test",), {"now_over": False}).start()
    assert not term.wait(BOUND_S)
    assert not term.wait(BOUND_S)


def test_wait_returns_true_when_its_time_is_over(led: tuple[Started, Term]) -> None:
    _, term = led
    assert [term.wait(s) for s in (0.01, 0.0, -1.0)] == [True, True, True]


def test_the_deadline_moves_with_every_heartbeat(start: Start) -> None:
    fleet, told = start()
    with fleet.lead("one", timeout_s=BOUND_S) as term:
        before = term.deadline_s
        told.await_told("called", "Heartbeat", times=told.count("called", "Heartbeat") + 2)
        assert term.deadline_s > before


# --- progress ---------------------------------------------------------------------------------


def test_a_wedged_leader_is_replaced_though_its_code_never_stops(start: Start) -> None:
    first, told = start("a")
    second, other = start("b")
    role = Role("one", progress_timeout_s=0.05, bar_s=30.0)
    never = threading.Event()
    wedged: list[Term] = []

    def wedge(term: Term) -> None:
        wedged.append(term)
        within(never)

    def work(term: Term) -> None:
        while term.wait(0.01):
            term.progress()

    first.serve(role, wedge)
    told.await_told("began", "one")
    second.serve(role, work)
    told.await_told("report", "late")
    other.await_told("began", "one")
    with pytest.raises(LeadershipLost, match="no progress"):
        wedged[0].check()
    assert not wedged[0].wait(BOUND_S)
    never.set()
    told.await_told("called", "Heartbeat")
    assert told.count("began", "one") == 1
    assert other.count("report", "late") == 0


def test_waiting_owes_no_progress(start: Start) -> None:
    fleet, told = start()
    fleet.serve(Role("idle", progress_timeout_s=0.05), lambda term: term.wait(BOUND_S))
    fleet.serve(Role("wedged", progress_timeout_s=0.05), lambda _: within(told_late))
    told_late = threading.Event()
    told.await_told("report", "late")
    told_late.set()
    assert told.count("ended", "idle") == 0


def test_a_declared_step_may_take_longer_and_no_longer_than_declared(start: Start) -> None:
    fleet, told = start()
    done = threading.Event()
    owes_again = threading.Event()

    def long_step(term: Term) -> None:
        with term.step(max_s=BOUND_S):
            within(done)
        within(owes_again)

    def short_step(term: Term) -> None:
        with term.step(max_s=0.1):
            within(done)

    fleet.serve(Role("long", progress_timeout_s=0.05), long_step)
    told.await_told("began", "long")
    fleet.serve(Role("short", progress_timeout_s=0.05), short_step)
    assert "short/" in told.await_told("report", "late").detail
    assert told.count("ended", "long") == 0
    done.set()
    assert "long/" in told.await_told("report", "late", times=2).detail
    owes_again.set()


@pytest.mark.parametrize("max_s", [0.0, -1.0, float("inf"), float("nan")])
def test_a_step_has_a_length(led: tuple[Started, Term], max_s: float) -> None:
    _, term = led
    with pytest.raises(ConfigError, match="a step of"):
        term.step(max_s=max_s)


def test_the_progress_of_work_reaches_the_hooks(start: Start) -> None:
    fleet, told = start()
    with fleet.lead("one", timeout_s=BOUND_S) as term:
        term.progress()
    assert told.progressed_by == [(ONE, term.token)]
