"""What each way of leading promises: terms, lead, held, serve, observe."""

from __future__ import annotations

import threading
from itertools import islice

import pytest

from coord import (
    ConfigError,
    LeadershipLost,
    NotElected,
    Role,
    Term,
)
from coord.model import ClaimKey, EndingKind
from tests.unit.runtime.conftest import Put, Start
from tests.unit.runtime.support import BOUND_S, ONE, endings, within

# --- terms ------------------------------------------------------------------------------------


def test_terms_come_one_after_another_with_growing_tokens(start: Start) -> None:
    fleet, told = start()
    role = Role("one", rest_s=0.0)
    seen: list[tuple[ClaimKey, int]] = []
    for term in islice(fleet.terms(role), 3):
        term.check()
        assert term.wait(0.0)
        seen.append((term.key, term.token))
    assert [key for key, _ in seen] == [ONE] * 3
    tokens = [token for _, token in seen]
    assert tokens == sorted(set(tokens))
    assert told.began == seen
    assert [(key, token) for key, token, _ in told.ended] == seen


def test_stop_ends_the_loop_over_terms_after_the_session_was_closed(start: Start) -> None:
    fleet, _ = start()
    rounds = 0
    for term in fleet.terms("one"):
        rounds += 1
        fleet.stop()
        assert not term.wait(BOUND_S)
        term.check()  # asked to stop in order: the claim is still ours
    assert rounds == 1
    assert fleet.status().phase == "stopped"


def test_an_exception_in_the_body_reaches_the_caller_and_hands_the_claim_over(start: Start) -> None:
    first, told = start("a")
    second, _ = start("b")

    def fail() -> None:
        for _ in first.terms(Role("one", rest_s=30.0)):
            raise ValueError("the body")

    with pytest.raises(ValueError, match="the body"):
        fail()
    told.await_told("ended", "one")
    with second.lead(Role("one"), timeout_s=BOUND_S) as term:
        assert term.key == ONE


def test_breaking_out_of_the_loop_ends_the_term_and_stops_serving_the_role(start: Start) -> None:
    first, told = start("a")
    second, _ = start("b")
    kept: list[Term] = []
    for term in first.terms("one"):
        kept.append(term)
        break
    told.await_told("ended", "one")
    with pytest.raises(LeadershipLost, match="its work ended"):
        kept[0].check()
    with second.lead("one", timeout_s=BOUND_S):
        assert first.status().held == ()
    assert next(first.terms("other")).key.role == "other"


def test_a_term_that_was_kept_beyond_its_loop_is_over(start: Start) -> None:
    fleet, _ = start()
    terms = list(islice(fleet.terms(Role("one", rest_s=0.0)), 2))
    for term in terms:
        assert term.stopping
        assert not term.wait(BOUND_S)
        with pytest.raises(LeadershipLost):
            term.check()


def test_a_loop_takes_no_role_with_several_shards(start: Start) -> None:
    fleet, _ = start()
    with pytest.raises(ConfigError, match="2 shards"):
        next(fleet.terms(Role("many", shards=2)))
    with pytest.raises(ConfigError, match="2 shards"), fleet.lead(Role("many", shards=2)):
        pytest.fail("the body ran")


# --- lead -------------------------------------------------------------------------------------


def test_lead_gives_one_tenure_and_lets_go_of_it(start: Start) -> None:
    fleet, told = start()
    with fleet.lead("one", timeout_s=BOUND_S) as term:
        term.check()
        assert fleet.status().held == (ONE,)
    with pytest.raises(LeadershipLost):
        term.check()
    told.await_told("called", "Release")


def test_the_body_of_lead_never_runs_unelected(start: Start) -> None:
    first, _ = start("a")
    second, _ = start("b")
    with first.lead("one", timeout_s=BOUND_S):
        with pytest.raises(NotElected, match=r"within 0\.3 s"), second.lead("one", timeout_s=0.3):
            pytest.fail("the body ran unelected")
        with pytest.raises(NotElected), second.lead("one", timeout_s=0.0):
            pytest.fail("the body ran unelected")


def test_lead_says_that_the_coordinator_stops_when_that_is_why(start: Start) -> None:
    first, _ = start("a")
    second, _ = start("b")
    with first.lead("one", timeout_s=BOUND_S):
        threading.Timer(0.1, second.stop).start()
        with pytest.raises(NotElected, match="stops"), second.lead("one", timeout_s=BOUND_S):
            pytest.fail("the body ran unelected")


def test_lead_without_a_timeout_waits_for_its_turn(start: Start) -> None:
    first, _ = start("a")
    second, told = start("b")
    elected = threading.Event()

    def follow() -> None:
        with second.lead("one"):
            elected.set()

    thread = threading.Thread(target=follow)
    with first.lead("one", timeout_s=BOUND_S):
        thread.start()
        told.await_told("called", "UpdateRecord")
        assert not elected.is_set()
    within(elected)
    thread.join(BOUND_S)


def test_raising_in_the_body_of_lead_bars_the_member(start: Start, behind: Put) -> None:
    server, _ = behind()
    fleet, _ = start()
    with pytest.raises(ValueError, match="body"), fleet.lead("one", timeout_s=BOUND_S):
        raise ValueError("body")
    fleet.close()
    assert endings(server) == [("a", EndingKind.RAISED)]
