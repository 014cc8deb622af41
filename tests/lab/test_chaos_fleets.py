"""Fleets that grow, shrink and are restarted one by one: all are led, and all come back."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest

from coord.lab.measure.events import MemberMark
from coord.lab.measure.faults import EVERYBODY
from tests.lab.store_rounds import MEMBERS, Played, play_rounds, strike

pytestmark = pytest.mark.xdist_group("lab-fleets")


def _came(played: Played, begin_s: float, end_s: float) -> list[str]:
    starts = [mark for mark in played.log.all(MemberMark) if mark.state == "start"]
    return [mark.who.member for mark in starts if begin_s < mark.t < end_s]


def _led(played: Played, begin_s: float, end_s: float) -> set[str]:
    return {one.who.member for one in played.line.tenures if begin_s < one.lead_s < end_s}


def test_newcomers_get_their_share_and_give_it_back_in_order(tmp_path: Path) -> None:
    played = play_rounds(
        tmp_path, "sqlite", strike("grow", "all", lasts="7s", count=2), mode="localized"
    )
    played.check()
    [fault] = played.faults("grow")
    assert fault.target == (EVERYBODY, 0)
    new = {"more-1", "more-2"}
    assert set(_came(played, fault.begin_s, fault.end_s)) == new
    assert new <= _led(played, fault.begin_s, fault.end_s)
    asked = {fault.target.member: fault for fault in played.faults("sigterm")}
    assert set(asked) == new
    assert all(one.end_s > one.effect_s > fault.end_s for one in asked.values())
    assert played.split_s == 0


@pytest.mark.soak
def test_a_fleet_that_has_shrunk_is_led_by_the_rest_until_the_others_come_back(
    tmp_path: Path,
) -> None:
    played = play_rounds(
        tmp_path, "sqlite", strike("shrink", "all", lasts="3s", count=5), mode="localized"
    )
    played.check()
    [fault] = played.faults("shrink")
    left = {one.target.member for one in played.faults("sigterm")}
    assert len(left) == len(MEMBERS) - 1, "one at least stays"
    assert _led(played, fault.begin_s, fault.end_s) == set(MEMBERS) - left
    assert set(_came(played, fault.end_s, played.log.end_s)) == left
    assert played.split_s == 0


def test_in_a_rolling_restart_one_at_a_time_is_away(tmp_path: Path) -> None:
    played = play_rounds(
        tmp_path, "sqlite", strike("rolling", "all", lasts="10s"), mode="localized"
    )
    played.check()
    [fault] = played.faults("rolling")
    asked = sorted(played.faults("sigterm"), key=lambda one: one.begin_s)
    asked = [one for one in asked if fault.begin_s < one.begin_s < fault.end_s]
    assert [one.target.member for one in asked] == sorted(MEMBERS)
    came = _came(played, fault.begin_s, played.log.end_s)
    assert came == sorted(MEMBERS)
    for former, latter in pairwise(asked):
        assert former.end_s < latter.begin_s
        is_back = former.target.member in _came(played, former.end_s, latter.begin_s)
        assert is_back or latter.begin_s - former.begin_s > 10.0 / len(MEMBERS) - 1.0
    assert played.split_s == 0
