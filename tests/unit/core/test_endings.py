"""What a tenure's end leaves on its claim: bars, poison, and how both grow and vanish."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coord.config import Role
from coord.core.endings import after_progress, ended, opening_note, poison_after
from coord.model import Claim, ClaimKey, Ending, EndingKind, Note

ROLE = Role(
    "r", bar_s=10.0, bar_max_s=65.0, poison_s=20.0, poison_max_s=100.0, rest_s=2.0, lock_delay_s=7.0
)
KEY = ClaimKey("r", 1, 0, 0)
FAULTS = (EndingKind.WEDGED, EndingKind.RAISED)
_DEFAULTS: dict[str, Any] = {"member": "a", "clean": False, "progressed": False, "members": 5}


def _end(note: Note, kind: EndingKind | None, **changes: Any) -> Note:  # noqa: ANN401
    return ended(note, ROLE, kind=kind, **{**_DEFAULTS, **changes})


def _taken_over(note: Note, member: str, role: Role = ROLE) -> Note:
    return opening_note(Claim(KEY, 1, None, note), role, member)


def _ending(note: Note, member: str) -> Ending:
    (found,) = [ending for ending in note.endings if ending.member == member]
    return found


# --- bars ------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", FAULTS)
def test_a_bar_doubles_with_each_repetition_and_is_capped(kind: EndingKind) -> None:
    note = Note()
    bars = []
    for _ in range(5):
        note = _end(note, kind, members=100)
        bars.append(_ending(note, "a").bar_s)
    assert bars == [10.0, 20.0, 40.0, 65.0, 65.0]


def test_a_member_that_fails_for_ever_is_barred_for_the_longest_time_and_no_longer() -> None:
    note = Note()
    for _ in range(2000):
        note = _end(note, EndingKind.RAISED, members=1)
    assert _ending(note, "a").bar_s == 65.0
    assert note.poison_s == 100.0


def test_an_end_in_order_bars_nobody_and_keeps_what_others_have_left() -> None:
    before = _end(Note(), EndingKind.WEDGED, member="b")
    note = _end(before, None, clean=True)
    assert note.clean
    assert note.member == "a"
    assert [ending.member for ending in note.endings] == ["b"]


@pytest.mark.parametrize("kind", [EndingKind.RETURNED, EndingKind.TENURE])
def test_who_returned_or_had_its_turn_rests_and_is_not_punished(kind: EndingKind) -> None:
    note = Note()
    for _ in range(4):
        note = _end(note, kind, clean=True)
        assert _ending(note, "a").bar_s == ROLE.rest_s
        assert note.poison_s == 0.0


def test_what_an_operator_took_away_does_not_go_straight_back() -> None:
    assert _ending(_end(Note(), EndingKind.DEPOSED), "a").bar_s == ROLE.bar_s


def test_each_member_is_barred_for_itself() -> None:
    note = _end(_end(Note(), EndingKind.WEDGED), EndingKind.WEDGED)
    note = _end(note, EndingKind.WEDGED, member="b")
    assert _ending(note, "a").bar_s == 20.0
    assert _ending(note, "b").bar_s == 10.0


def test_a_claim_remembers_no_more_than_eight_members() -> None:
    note = Note()
    for number in range(20):
        note = _end(note, EndingKind.WEDGED, member=f"m{number}")
    assert [ending.member for ending in note.endings] == [f"m{n}" for n in range(12, 20)]


# --- progress --------------------------------------------------------------------------------


def test_progress_wipes_what_the_members_before_have_left() -> None:
    note = _end(_end(Note(), EndingKind.WEDGED, member="b"), EndingKind.RAISED, progressed=True)
    assert [ending.member for ending in note.endings] == ["a"]
    assert _ending(note, "a").count == 1
    assert not _ending(note, "a").barren


def test_a_return_wipes_as_progress_does() -> None:
    note = _end(_end(Note(), EndingKind.WEDGED, member="b"), EndingKind.RETURNED)
    assert [ending.member for ending in note.endings] == ["a"]


def test_progress_under_a_running_tenure_leaves_the_bars_of_others_and_no_more() -> None:
    """That it works here does not show that it would work there again."""
    note = _end(_end(Note(), EndingKind.WEDGED), EndingKind.WEDGED, member="b")
    running = after_progress(_taken_over(note, "b"), "b")
    assert [ending.member for ending in running.endings] == ["a"]
    assert _ending(running, "a").bar_s == 10.0
    assert not _ending(running, "a").barren
    assert running.poison_s == 0.0
    again = _end(running, EndingKind.WEDGED)
    assert _ending(again, "a").bar_s == 10.0, "counting begins anew"


def test_progress_wipes_a_lost_session_that_bars_nobody() -> None:
    lost = _taken_over(Note(member="a", clean=False), "b")
    assert lost.endings
    assert after_progress(lost, "b").endings == ()


# --- poison ----------------------------------------------------------------------------------


@pytest.mark.parametrize(("members", "needed"), [(1, 1), (2, 2), (3, 3), (10, 3)])
def test_barren_faults_of_three_members_or_of_all_there_are_poison(
    members: int, needed: int
) -> None:
    note = Note()
    for number in range(needed):
        assert note.poison_s == 0.0
        note = _end(note, EndingKind.WEDGED, member=f"m{number}", members=members)
    assert note.poison_s == ROLE.poison_s


def test_one_member_alone_never_poisons_a_claim_that_others_could_take() -> None:
    note = Note()
    for _ in range(10):
        note = _end(note, EndingKind.RAISED, members=2)
    assert note.poison_s == 0.0


def test_poison_doubles_with_each_further_ending_and_is_capped() -> None:
    note, poisons = Note(), []
    for number in range(7):
        note = _end(note, EndingKind.WEDGED, member=f"m{number % 3}", members=3)
        poisons.append(note.poison_s)
    assert poisons == [0.0, 0.0, 20.0, 40.0, 80.0, 100.0, 100.0]


def test_a_fault_after_progress_does_not_poison() -> None:
    note = Note()
    for number in range(6):
        note = _end(note, EndingKind.WEDGED, member=f"m{number}", progressed=True, members=1)
        assert note.poison_s == 0.0


def test_poison_is_not_inherited_by_who_takes_the_claim_after_it_has_run_out() -> None:
    note = _end(Note(), EndingKind.WEDGED, members=1)
    assert note.poison_s > 0
    assert _taken_over(note, "a").poison_s == 0.0
    assert _end(_taken_over(note, "a"), None, clean=True).poison_s == 0.0


@pytest.mark.parametrize("members", [1, 2, 3, 50])
def test_lost_sessions_poison_only_when_three_members_were_lost_in_a_row(members: int) -> None:
    """The last one may have worked well until its host died: in a fleet of one, too."""
    lost = tuple(Ending(member=f"m{n}", kind=EndingKind.LOST) for n in range(3))
    assert poison_after(lost[:2], ROLE, members) == 0.0
    assert poison_after(lost, ROLE, members) >= ROLE.poison_s


def test_a_lost_session_and_two_faults_poison_together() -> None:
    lost = Ending(member="c", kind=EndingKind.LOST)
    faults = tuple(Ending(member=m, kind=EndingKind.WEDGED) for m in "ab")
    assert poison_after((lost, *faults), ROLE, 10) == ROLE.poison_s
    assert poison_after((lost, faults[0]), ROLE, 10) == 0.0


# --- taking over -----------------------------------------------------------------------------


def test_a_claim_that_was_never_held_is_opened_with_nothing() -> None:
    assert opening_note(None, ROLE, "a") == Note(member="a", clean=False, lock_delay_s=7.0)


def test_a_tenure_is_unclean_until_it_ends_in_order() -> None:
    """Its session may die at any moment, and nobody would be there to write it."""
    assert not _taken_over(Note(member="b", clean=True), "a").clean


def test_taking_over_from_a_lost_session_says_so_and_counts() -> None:
    first = _taken_over(Note(member="b", clean=False), "a")
    assert first.endings == (Ending(member="b", kind=EndingKind.LOST, count=1),)
    second = _taken_over(replace(first, member="b"), "a")
    assert _ending(second, "b").count == 2


def test_taking_over_after_a_clean_release_says_nothing() -> None:
    assert _taken_over(Note(member="b", clean=True), "a").endings == ()


def test_taking_over_from_a_wedged_member_keeps_its_own_ending() -> None:
    """An unclean release of a late member is no lost session."""
    note = _taken_over(_end(Note(), EndingKind.WEDGED), "b")
    assert _ending(note, "a").kind is EndingKind.WEDGED
    assert _ending(note, "a").bar_s == 10.0


def test_a_role_that_owes_no_progress_keeps_no_lost_sessions() -> None:
    """Nothing would ever remove them."""
    role = Role("r", progress_timeout_s=None)
    assert _taken_over(Note(member="b", clean=False), "a", role).endings == ()


def test_the_lock_delay_of_the_last_holder_travels_with_the_claim() -> None:
    assert _end(Note(), None, clean=False).lock_delay_s == 7.0
    assert _taken_over(Note(), "a").lock_delay_s == 7.0


# --- text ------------------------------------------------------------------------------------

_SECONDS = st.floats(0, 1e6)
_ENDINGS = st.builds(
    Ending,
    member=st.text(max_size=8),
    kind=st.sampled_from(list(EndingKind)),
    count=st.integers(0, 100),
    bar_s=_SECONDS,
    barren=st.booleans(),
)
_NOTES = st.builds(
    Note,
    member=st.text(max_size=8),
    clean=st.booleans(),
    lock_delay_s=_SECONDS,
    poison_s=_SECONDS,
    endings=st.lists(_ENDINGS, max_size=4).map(tuple),
)


@given(_NOTES)
def test_a_note_survives_json(note: Note) -> None:
    assert Note.from_json(note.to_json()) == note
    assert Note.from_json(note.to_json().encode()) == note


def test_no_text_is_a_note_that_says_nothing() -> None:
    assert Note.from_json("") == Note()
