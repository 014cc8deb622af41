"""What serving, sets of terms, observing and status promise."""

from __future__ import annotations

import threading
from itertools import pairwise

import pytest

from coord import (
    Coordinator,
    Role,
    Term,
    UsageError,
)
from coord.model import EndingKind
from coord.runtime import HeldTerms, Leadership
from tests.unit.runtime.conftest import Put, Start
from tests.unit.runtime.support import BOUND_S, ONE, endings, sees, within

# --- serve ------------------------------------------------------------------------------------


def test_serve_runs_one_thread_a_shard(start: Start) -> None:
    fleet, told = start()
    shards: set[int] = set()
    threads: set[str] = set()

    def work(term: Term) -> None:
        shards.add(term.shard)
        threads.add(threading.current_thread().name)
        while term.wait(BOUND_S):
            pass

    fleet.serve(Role("many", shards=5), work)
    told.await_told("began", "many", times=5)
    fleet.close()
    assert shards == set(range(5))
    assert len(threads) == 5


def test_several_roles_are_led_side_by_side(start: Start) -> None:
    fleet, told = start()
    for name in ("red", "green", "blue"):
        fleet.serve(name, lambda term: term.wait(BOUND_S))
    for name in ("red", "green", "blue"):
        told.await_told("began", name)
    assert [key.role for key in fleet.status().held] == ["blue", "green", "red"]


def test_returning_rests_and_then_leads_again(start: Start, behind: Put) -> None:
    server, _ = behind()
    fleet, told = start()
    fleet.serve(Role("one", rest_s=0.2), lambda _: None)
    told.await_told("began", "one", times=3)
    fleet.close()
    assert endings(server) in ([("a", EndingKind.RETURNED)], [])


def test_a_member_that_rests_leaves_the_claim_to_others(start: Start) -> None:
    first, told = start("a")
    first.serve(Role("one", rest_s=30.0), lambda _: None)
    told.await_told("ended", "one")
    second, other = start("b")
    second.serve(Role("one", rest_s=30.0), lambda term: term.wait(BOUND_S))
    other.await_told("began", "one")
    assert told.count("began", "one") == 1


def test_raising_is_told_and_bars_the_member(start: Start) -> None:
    first, told = start("a")
    second, other = start("b")
    ready = threading.Event()

    def fail(_: Term) -> None:
        within(ready)
        raise RuntimeError("no such bucket")

    first.serve(Role("one", bar_s=30.0), fail)
    told.await_told("began", "one")
    second.serve("one", lambda term: term.wait(BOUND_S))
    sees(first, lambda view: all("one" in m.record.roles for m in view.members.values()))
    ready.set()
    assert "no such bucket" in told.await_told("failed", "one").detail
    other.await_told("began", "one")
    assert told.count("began", "one") == 1


def test_a_thread_that_exits_silently_does_not_keep_the_claim(start: Start, behind: Put) -> None:
    server, _ = behind()
    fleet, told = start()

    def leave(_: Term) -> None:
        raise SystemExit

    fleet.serve("one", leave)
    told.await_told("failed", "one")
    told.await_told("called", "Release")
    assert endings(server) == [("a", EndingKind.RAISED)]


def test_work_that_fails_while_it_is_stopping_has_ended_in_order(start: Start, behind: Put) -> None:
    server, _ = behind()
    fleet, told = start()

    def work(term: Term) -> None:
        term.wait(BOUND_S)
        raise OSError("the socket was closed under it")

    fleet.serve("one", work)
    told.await_told("began", "one")
    fleet.close()
    assert told.count("failed", "one") == 1
    assert endings(server) == []
    assert server.store().view("g").claims[ONE].note.clean


def test_the_loss_of_another_term_is_a_failure_of_this_one(start: Start) -> None:
    fleet, told = start()
    lost: list[Term] = []

    def work(term: Term) -> None:
        lost.append(term)
        if term.key.role == "two":
            lost[0].check()

    fleet.serve(Role("one", rest_s=30.0), work)
    told.await_told("ended", "one")
    fleet.serve("two", work)
    assert "LeadershipLost" in told.await_told("failed", "two").detail


def test_a_role_is_served_once_in_a_member(start: Start) -> None:
    fleet, told = start()
    fleet.serve("one", lambda term: term.wait(BOUND_S))
    told.await_told("began", "one")
    with pytest.raises(UsageError, match="serves role 'one' already"):
        fleet.serve("one", lambda _: None)
    with pytest.raises(UsageError, match="serves role 'one' already"):
        next(fleet.terms("one"))
    assert fleet.status().held == (ONE,)


def test_two_threads_that_serve_a_role_at_once_are_told_apart(start: Start) -> None:
    fleet, _ = start()
    gate = threading.Barrier(8)
    refused: list[str] = []

    def serve() -> None:
        gate.wait(BOUND_S)
        try:
            fleet.serve("one", lambda term: term.wait(BOUND_S))
        except UsageError as error:
            refused.append(str(error))

    threads = [threading.Thread(target=serve) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(BOUND_S)
    assert len(refused) == 7


def test_a_system_that_gives_no_thread_fails_the_term_and_not_the_member(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    fleet, told = start()
    begin = threading.Thread.start

    def refuse(thread: threading.Thread) -> None:
        if thread.name.startswith("coord-one/"):
            raise RuntimeError("can't start new thread")
        begin(thread)

    monkeypatch.setattr(threading.Thread, "start", refuse)
    fleet.serve("one", lambda term: term.wait(BOUND_S))
    assert "can't start new thread" in told.await_told("failed", "one").detail
    fleet.serve("two", lambda term: term.wait(BOUND_S))
    told.await_told("began", "two")


# --- held -------------------------------------------------------------------------------------


def test_held_yields_the_set_each_time_it_changes(start: Start) -> None:
    first, told = start("a")
    role = Role("many", shards=6)
    sizes: list[int] = []
    joined = False
    for terms in first.held(role):
        sizes.append(len(terms))
        assert all(term in terms for term in terms)
        if len(terms) == 6 and not joined:
            joined = True
            start("b")[0].serve(role, lambda term: term.wait(BOUND_S))
        if joined and len(terms) == 3:
            break
        while terms.wait(BOUND_S):
            pass
    assert max(sizes) == 6
    told.await_told("ended", "many", times=6)


def test_terms_of_a_set_end_only_when_the_loop_comes_back(start: Start) -> None:
    """What is in a set may be worked on until then, however long that takes."""
    fleet, told = start("a")
    role = Role("many", shards=4)
    for terms in fleet.held(role):
        if len(terms) < 4:
            terms.wait(BOUND_S)
            continue
        fleet.stop()
        assert not terms.wait(BOUND_S)
        assert told.ended == []
        for term in terms:
            term.check()
    assert len(told.ended) == 4


def test_an_empty_set_waits_like_any_other(start: Start) -> None:
    first, told = start("a")
    first.serve("one", lambda term: term.wait(BOUND_S))
    told.await_told("began", "one")
    second, _ = start("b")
    sets: list[HeldTerms] = []
    for terms in second.held("one"):
        sets.append(terms)
        if len(terms):
            break
        assert terms.wait(0.05)
        first.stop()
        assert not terms.wait(BOUND_S)
    assert [len(terms) for terms in sets] == [0, 1]


def test_an_exception_in_a_loop_over_sets_lets_go_of_everything(start: Start) -> None:
    fleet, told = start()

    def fail() -> None:
        for terms in fleet.held(Role("many", shards=3)):
            if len(terms) == 3:
                raise ValueError("the body")
            terms.wait(BOUND_S)

    with pytest.raises(ValueError, match="the body"):
        fail()
    told.await_told("ended", "many", times=3)
    assert fleet.status().held == ()


# --- observe and status -----------------------------------------------------------------------


def test_observe_shows_who_leads_without_competing(start: Start) -> None:
    leader, _ = start("a")
    watcher, _ = start("b")
    seen: list[Leadership] = []
    changes = watcher.observe("one")
    seen.append(next(changes))
    with leader.lead("one", timeout_s=BOUND_S) as term:
        while not seen[-1].leaders:
            seen.append(next(changes))
        assert seen[-1].leaders[0, 0].member == "a"
        assert seen[-1].leaders[0, 0].token == term.token
    while seen[-1].leaders:
        seen.append(next(changes))
    assert watcher.status().held == ()
    assert all(left != right for left, right in pairwise(seen))


def test_observing_ends_with_the_member(start: Start) -> None:
    fleet, _ = start()
    changes = fleet.observe("one")
    next(changes)
    threading.Timer(0.05, fleet.stop).start()
    assert list(changes) == []


def test_status_tells_of_the_member_and_its_group(start: Start) -> None:
    fleet, _ = start("a")
    start("b")
    with fleet.lead("one", timeout_s=BOUND_S):
        status = fleet.status()
    assert (status.member, status.group, status.store, status.phase) == ("a", "g", "memory", "live")
    assert status.members == ("a", "b")
    assert status.held == (ONE,)
    assert 0 < status.trusted_for_s <= 10.0
    fleet.close()
    assert fleet.status().trusted_for_s == 0.0
    assert fleet.status().session is None


def test_nothing_can_be_asked_before_the_start(url: str) -> None:
    fleet = Coordinator(url, member="a")
    for use in (fleet.status, fleet.run, lambda: fleet.serve("one", lambda _: None)):
        with pytest.raises(UsageError, match="not started"):
            use()
    fleet.close()
