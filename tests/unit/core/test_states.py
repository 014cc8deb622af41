"""The transition tables, and the page that is drawn from them."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from enum import Enum
from typing import Any

import pytest

from coord.core.states import (
    SESSION_TABLE,
    TENURE_TABLE,
    SessionPhase,
    SessionSignal,
    TenurePhase,
    TenureSignal,
    next_session_phase,
    next_tenure_phase,
)
from coord.errors import InternalError
from tests.unit.core.states_page import PAGE, page

Table = Mapping[tuple[Any, Any], Any]
Life = tuple[Table, type[Enum], type[Enum], Callable[[Any, Any], Enum], Enum, Enum]

_LIVES = [
    pytest.param(
        (
            SESSION_TABLE,
            SessionPhase,
            SessionSignal,
            next_session_phase,
            SessionPhase.IDLE,
            SessionPhase.STOPPED,
        ),
        id="session",
    ),
    pytest.param(
        (
            TENURE_TABLE,
            TenurePhase,
            TenureSignal,
            next_tenure_phase,
            TenurePhase.CLAIMING,
            TenurePhase.GONE,
        ),
        id="tenure",
    ),
]


def _reachable(table: Table, start: Enum) -> set[Enum]:
    seen, fresh = {start}, {start}
    while fresh:
        fresh = {after for (before, _), after in table.items() if before in fresh} - seen
        seen |= fresh
    return seen


@pytest.mark.parametrize("life", _LIVES)
def test_every_phase_can_be_reached(life: Life) -> None:
    table, phases, _, _, start, _ = life
    assert _reachable(table, start) == set(phases)


@pytest.mark.parametrize("life", _LIVES)
def test_every_phase_leads_to_the_end(life: Life) -> None:
    table, phases, _, _, _, end = life
    assert [phase for phase in phases if end not in _reachable(table, phase)] == []


@pytest.mark.parametrize("life", _LIVES)
def test_nothing_leads_out_of_the_end(life: Life) -> None:
    table, _, _, _, _, end = life
    assert [edge for edge in table if edge[0] is end] == []


@pytest.mark.parametrize("life", _LIVES)
def test_every_signal_moves_something(life: Life) -> None:
    table, _, signals, _, _, _ = life
    assert {signal for _, signal in table} == set(signals)


@pytest.mark.parametrize("life", _LIVES)
def test_a_step_that_is_not_in_the_table_is_a_bug_and_says_which(life: Life) -> None:
    table, phases, signals, following, _, _ = life
    for phase in phases:
        for signal in signals:
            if (phase, signal) in table:
                assert following(phase, signal) is table[phase, signal]
                continue
            with pytest.raises(InternalError, match=f"from {phase.name} on {signal.name}"):
                following(phase, signal)


def test_a_session_that_is_given_up_is_never_renewed_again() -> None:
    """FADING leads to LIVE only through CLOSING and OPENING, that is as another session."""
    assert {
        after for (before, _), after in SESSION_TABLE.items() if before is SessionPhase.FADING
    } == {SessionPhase.CLOSING}
    assert {
        after for (before, _), after in SESSION_TABLE.items() if before is SessionPhase.CLOSING
    } == {
        SessionPhase.OPENING,
        SessionPhase.STOPPED,
    }


def test_a_claim_that_was_let_go_of_never_leads_again() -> None:
    """LEADING is entered by winning a claim and in no other way."""
    assert [edge for edge, after in TENURE_TABLE.items() if after is TenurePhase.LEADING] == [
        (TenurePhase.CLAIMING, TenureSignal.WON)
    ]


def test_the_page_shows_the_tables_as_they_are() -> None:
    assert PAGE.read_text(encoding="utf-8") == page()


def test_the_page_draws_every_edge_and_explains_every_phase_and_signal() -> None:
    drawn = page()
    for table in (SESSION_TABLE, TENURE_TABLE):
        for (before, signal), after in table.items():
            assert f"    {before.name} --> {after.name}: {signal.name}" in drawn
    for one in (*SessionPhase, *SessionSignal, *TenurePhase, *TenureSignal):
        assert re.search(rf"^\| {one.name} \| \w", drawn, re.MULTILINE), one
