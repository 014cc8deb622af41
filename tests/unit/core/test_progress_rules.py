"""Who owes progress, who is late with it, and what follows."""

from __future__ import annotations

from dataclasses import replace

import pytest

from coord.config import Role
from coord.core import commands as c
from coord.core import events as e
from coord.core.states import SessionPhase
from coord.model import ClaimKey, Ending, EndingKind, Note, RoleRecord
from coord.spi import Claimed, ClaimRequest, Tenure
from tests.unit.core.solo import Solo

ROLE = Role("r", progress_timeout_s=20.0, bar_s=30.0, poison_s=40.0)
_BRIEFLY_BARRED = Role("r", progress_timeout_s=20.0, bar_s=1.0, bar_max_s=1.0, poison_s=40.0)
KEY = ClaimKey("r", 1, 0, 0)


def _leading(role: Role = ROLE) -> tuple[Solo, c.StartTerm]:
    """A member that leads one claim, and its term. Its code runs from now on."""
    solo = Solo(role)
    solo.run(1.01)
    return solo, solo.term()


# --- who owes --------------------------------------------------------------------------------


def test_code_that_runs_without_progress_is_late_after_the_timeout() -> None:
    solo, _ = _leading()
    solo.run(19.0)
    assert solo.hear(c.StopTerm) == []
    solo.run(1.5)
    (stop,) = solo.hear(c.StopTerm)
    assert stop.now_over


def test_code_that_never_comes_to_its_first_wait_is_late_as_well() -> None:
    """The debt begins with the term, whatever the code says of itself."""
    solo, term = _leading()
    assert solo.machine.member.tenures.numbered(term.number) is not None
    solo.run(25.0)
    assert solo.machine.member.tenures.late == {}, "released, so nothing is late any more"
    assert [stop.number for stop in solo.hear(c.StopTerm)] == [term.number]


def test_code_that_waits_owes_nothing() -> None:
    solo, term = _leading()
    solo.rested(term)
    solo.run(500.0)
    assert solo.hear(c.StopTerm) == []


def test_code_that_leaves_the_wait_owes_from_then_on() -> None:
    solo, term = _leading()
    solo.rested(term)
    solo.run(100.0)
    solo.began(term)
    solo.run(19.0)
    assert solo.hear(c.StopTerm) == []
    solo.run(1.5)
    assert len(solo.hear(c.StopTerm)) == 1


def test_progress_buys_another_timeout() -> None:
    solo, term = _leading()
    for _ in range(10):
        solo.run(15.0)
        solo.progressed(term)
    assert solo.hear(c.StopTerm) == []
    solo.run(21.0)
    assert len(solo.hear(c.StopTerm)) == 1


def test_a_declared_step_may_take_as_long_as_it_said_and_no_longer() -> None:
    solo, term = _leading()
    solo.began(term, max_s=100.0)
    solo.run(99.0)
    assert solo.hear(c.StopTerm) == []
    solo.run(1.5)
    assert len(solo.hear(c.StopTerm)) == 1


def test_progress_within_a_declared_step_ends_it() -> None:
    solo, term = _leading()
    solo.began(term, max_s=100.0)
    solo.run(50.0)
    solo.progressed(term)
    solo.run(19.0)
    assert solo.hear(c.StopTerm) == []
    solo.run(1.5)
    assert len(solo.hear(c.StopTerm)) == 1


def test_after_a_declared_step_the_usual_timeout_counts_again() -> None:
    solo, term = _leading()
    solo.began(term, max_s=100.0)
    solo.run(50.0)
    solo.began(term)
    solo.run(19.0)
    assert solo.hear(c.StopTerm) == []
    solo.run(1.5)
    assert len(solo.hear(c.StopTerm)) == 1


def test_a_role_without_a_timeout_owes_nothing() -> None:
    solo, _ = _leading(Role("r", progress_timeout_s=None))
    solo.run(5000.0)
    assert solo.hear(c.StopTerm) == []


def test_a_process_that_was_paused_accuses_nobody() -> None:
    """It made no progress in that time, and is not to blame for it."""
    solo, _ = _leading(Role("r", progress_timeout_s=5.0))
    solo.run(1.5)
    solo.sleep(7.0)
    assert solo.machine.phase is SessionPhase.LIVE, "the pause was shorter than the lease"
    assert solo.hear(c.StopTerm) == []
    solo.run(5.0)
    assert len(solo.hear(c.StopTerm)) == 1, "awake, it is to blame"


def test_a_pause_that_ends_with_an_answer_of_the_store_accuses_nobody() -> None:
    """The answer steps the machine before any tick, and must not hide the pause."""
    solo, _ = _leading(Role("r", progress_timeout_s=5.0))
    solo.run(1.5)
    answer = solo.answered(c.ReadView())
    solo.step(replace(answer, now=solo.now + 7.0))
    solo.sleep(7.0)
    assert solo.machine.phase is SessionPhase.LIVE
    assert solo.hear(c.StopTerm) == []


def test_one_event_for_many_tenures_is_as_good_as_one_each() -> None:
    role = Role("r", shards=6, progress_timeout_s=20.0)
    together, apart = Solo(role), Solo(role)
    for solo in (together, apart):
        solo.run(3.0)
    numbers = tuple(term.number for term in together.hear(c.StartTerm))
    assert numbers == tuple(term.number for term in apart.hear(c.StartTerm))
    assert len(numbers) == 6
    for cycled in (False, True):
        together.step(e.ManyRested(together.now, numbers, cycled))
        for number in numbers:
            apart.step(e.WorkRested(apart.now, number, cycled))
        for solo in (together, apart):
            solo.run(30.0)
        together.step(e.ManyBegan(together.now, numbers[:4]))
        for number in numbers[:4]:
            apart.step(e.WorkBegan(apart.now, number))
        for solo in (together, apart):
            solo.run(10.0)
    for solo in (together, apart):
        solo.run(15.0)
    assert together.said == apart.said
    assert {stop.number for stop in together.hear(c.StopTerm)} == set(numbers[:4])
    assert dict(together.view().claims) == dict(apart.view().claims)


# --- what follows ----------------------------------------------------------------------------


def test_what_is_late_is_given_back_at_once_unclean_and_barred() -> None:
    solo, _ = _leading()
    solo.run(21.0)
    claim = solo.claim(KEY)
    assert claim.session is None
    assert not claim.note.clean
    (ending,) = claim.note.endings
    assert ending == Ending(member="a", kind=EndingKind.WEDGED, count=1, bar_s=30.0, barren=True)
    assert solo.reports("late")


def test_what_is_late_is_in_the_beacon_until_the_store_has_confirmed_the_release() -> None:
    """A member that cannot release by itself any more must at least admit it."""
    solo, term = _leading()
    solo.withheld = (c.Release,)
    solo.run(24.0)
    (overdue,) = solo.beacon().overdue
    assert overdue.key == KEY
    assert overdue.token == term.token
    solo.withheld = ()
    solo.run(3.0)
    assert solo.claim(KEY).session is None
    assert solo.beacon().overdue == ()


def test_a_release_that_was_lost_is_asked_again_until_the_store_has_it() -> None:
    solo, _ = _leading()
    solo.refused = (c.Release,)
    solo.run(40.0)
    assert solo.claim(KEY).session is not None
    solo.refused = ()
    solo.run(3.0)
    assert solo.claim(KEY).session is None


def test_a_member_does_not_take_back_a_claim_while_its_old_code_still_runs() -> None:
    """Two terms of one claim in one process would not be fenced from each other."""
    solo, term = _leading()
    solo.run(200.0)
    assert solo.view().members[solo.machine.member.keeper.session or ""].record.stuck == (KEY,)
    assert solo.hear(c.StartTerm) == []
    solo.ended(term)
    solo.run(5.0)
    assert solo.term().token > term.token


def test_a_member_that_was_late_is_barred_for_as_long_as_it_says() -> None:
    role = Role("r", progress_timeout_s=20.0, bar_s=30.0, poison_s=0.001, poison_max_s=0.001)
    solo, term = _leading(role)
    began_s = solo.now
    solo.run(20.5)
    solo.ended(term)
    solo.run(29.0)
    assert solo.hear(c.StartTerm) == []
    solo.run(5.0)
    assert solo.term().asked_s == pytest.approx(began_s + 20.0 + 30.0, abs=0.1)


def test_a_claim_that_defeats_every_member_is_poisoned_and_comes_back_by_itself() -> None:
    """A fleet of one: nobody takes it for `poison_s`, then it is tried, and progress clears it."""
    solo, term = _leading(_BRIEFLY_BARRED)
    solo.run(20.5)
    assert solo.reports("poisoned")
    solo.ended(term)
    assert solo.claim(KEY).note.poison_s == 40.0
    solo.run(35.0)
    assert solo.hear(c.StartTerm) == [], "poisoned for longer than barred"
    solo.run(10.0)
    again = solo.term()
    assert solo.claim(KEY).note.endings != ()
    solo.progressed(again)
    assert solo.claim(KEY).note.endings == ()


def test_each_further_defeat_doubles_the_poison() -> None:
    solo, term = _leading(_BRIEFLY_BARRED)
    poisons = []
    for _ in range(3):
        solo.run(20.5)
        solo.ended(term)
        poisons.append(solo.claim(KEY).note.poison_s)
        solo.run(poisons[-1] + 2.0)
        term = solo.term()
    assert poisons == [40.0, 80.0, 160.0]


def test_code_that_raises_is_given_back_clean_and_barred() -> None:
    solo, term = _leading()
    solo.ended(term, EndingKind.RAISED)
    note = solo.claim(KEY).note
    assert note.clean, "its code has stopped"
    assert [(end.kind, end.bar_s) for end in note.endings] == [(EndingKind.RAISED, 30.0)]


def test_code_that_returns_rests_and_then_leads_again() -> None:
    solo, term = _leading()
    solo.ended(term, EndingKind.RETURNED)
    assert solo.claim(KEY).note.clean
    solo.run(5.0)
    assert solo.term().token > term.token


def test_code_that_was_asked_to_stop_owes_that_and_no_progress_nor_step_buys_time() -> None:
    solo, term = _leading()
    solo.step(e.RoleDropped(solo.now, "r"))
    solo.settle()
    (stop,) = solo.hear(c.StopTerm)
    assert not stop.now_over
    for _ in range(5):
        solo.run(5.0)
        solo.began(term, max_s=500.0)
        solo.progressed(term)
    (stop,) = solo.hear(c.StopTerm)
    assert stop.now_over
    assert solo.claim(KEY).session is None


# --- inherited endings -----------------------------------------------------------------------


def _inheriting(
    bar_s: float = 50.0, *, barren: bool = True, role: Role = ROLE
) -> tuple[Solo, c.StartTerm]:
    """Member b has wedged on the claim, and a leads it now."""
    solo = Solo()
    guest = solo.guest("b", role)
    record = solo.store.put_role("g", RoleRecord(name="r", shape=role.shape))
    (answer,) = guest.claim([ClaimRequest(KEY, 0, record.version, Note())])
    assert isinstance(answer, Claimed)
    barred = Ending(
        member="b", kind=EndingKind.WEDGED, count=int(barren), bar_s=bar_s, barren=barren
    )
    note = Note(member="b", clean=False, endings=(barred,))
    guest.release([Tenure(KEY, answer.token, note)])
    solo.step(e.RoleServed(solo.now, role))
    solo.run(3.0)
    return solo, solo.term()


def test_the_first_progress_leaves_only_the_bars_of_others_on_the_claim() -> None:
    solo, term = _inheriting()
    assert [end.barren for end in solo.claim(KEY).note.endings] == [True]
    solo.progressed(term)
    (ending,) = solo.claim(KEY).note.endings
    assert (ending.member, ending.bar_s, ending.barren) == ("b", 50.0, False)


def test_progress_is_told_to_the_store_once_a_tenure() -> None:
    solo, term = _inheriting()
    solo.progressed(term)
    revision = solo.view().revision
    for _ in range(5):
        solo.progressed(term)
    assert solo.view().revision == revision


def test_a_wiping_that_was_lost_is_tried_again_with_the_next_progress() -> None:
    solo, term = _inheriting()
    solo.refused = (c.Amend,)
    solo.progressed(term)
    solo.refused = ()
    assert solo.claim(KEY).note.endings[0].barren
    solo.run(2.0)
    solo.progressed(term)
    assert not solo.claim(KEY).note.endings[0].barren


def test_coming_back_to_the_wait_is_progress() -> None:
    solo, term = _inheriting()
    solo.rested(term, cycled=False)
    solo.settle()
    assert solo.claim(KEY).note.endings[0].barren
    solo.began(term)
    solo.rested(term, cycled=True)
    solo.settle()
    assert not solo.claim(KEY).note.endings[0].barren


def test_a_bar_that_ran_out_under_another_holder_bars_nobody() -> None:
    """Else a member that starts days later would count it from its beginning."""
    solo, term = _inheriting(bar_s=50.0)
    solo.progressed(term)
    solo.rested(term)
    solo.run(49.0)
    assert [end.member for end in solo.claim(KEY).note.endings] == ["b"]
    solo.run(2.0)
    assert solo.claim(KEY).note.endings == ()


def test_taking_a_bar_off_is_asked_again_until_the_store_has_it() -> None:
    solo, term = _inheriting(bar_s=50.0)
    solo.progressed(term)
    solo.rested(term)
    solo.run(49.0)
    solo.refused = (c.Amend,)
    solo.run(30.0)
    assert solo.claim(KEY).note.endings != ()
    solo.refused = ()
    solo.run(15.0)
    assert solo.claim(KEY).note.endings == ()


def test_a_bar_that_was_inherited_from_a_holder_that_worked_is_taken_off_as_well() -> None:
    """Nothing is left to be wiped from it, so nothing but its age can bring it down."""
    solo, term = _inheriting(bar_s=50.0, barren=False, role=Role("r", progress_timeout_s=None))
    solo.progressed(term)
    solo.run(49.0)
    assert solo.claim(KEY).note.endings != ()
    solo.run(15.0)
    assert solo.claim(KEY).note.endings == ()
