"""Leaders that hold their claim, renew it, and do nothing. Real processes.

The wedge is a bug of the work: it stops coming back, and tells nobody. Nothing in coord knows.
"""

from __future__ import annotations

import pytest

from coord.model import Ending
from tests.integration.fleet import Fleet, now, until

TIMING = {"ttl_s": 3.0, "settle_s": 0.2}
PROGRESS_TIMEOUT_S = 0.6


def role(**settings: float) -> dict[str, object]:
    return {
        "name": "reaper",
        "progress_timeout_s": PROGRESS_TIMEOUT_S,
        "work": {"every_s": 0.02},
        **settings,
    }


def holder(fleet: Fleet) -> str | None:
    return fleet.holders("reaper").get((0, 0))


def endings(fleet: Fleet) -> tuple[Ending, ...]:
    (claim,) = fleet.view().claims.values()
    return claim.note.endings


def wedge(fleet: Fleet, *members: str) -> None:
    for member in members:
        (fleet.folder / f"wedge-{member}-reaper").touch()


def mend(fleet: Fleet, *members: str) -> None:
    for member in members:
        (fleet.folder / f"wedge-{member}-reaper").unlink(missing_ok=True)


@pytest.mark.serial
def test_a_wedged_leader_is_replaced_within_its_progress_timeout_and_half_a_second(
    fleet: Fleet,
) -> None:
    """Each of three in turn; a member that wedged is not elected while another stands by."""
    members = ("a", "b", "c")
    for member in members:
        fleet.start(member, role(bar_s=60.0, poison_s=60.0), timing=TIMING)
    gaps = []
    for _ in range(2):
        until(lambda: fleet.is_settled("reaper", 3))
        name = str(holder(fleet))
        fleet.first_act(now(), "member = ?", name)
        wedge(fleet, name)
        successor = fleet.first_act(now() + 0.1, "member <> ?", name)
        gaps.append(successor.at - fleet.last_act("member = ?", name).at)
    assert max(gaps) < PROGRESS_TIMEOUT_S + 0.5, gaps
    assert len({act.member for act in fleet.acts()}) == 3, "a barred member was elected"


def test_a_barred_member_does_not_win_its_seat_back_though_it_is_well_again(fleet: Fleet) -> None:
    members = {name: fleet.start(name, role(bar_s=60.0), timing=TIMING) for name in ("a", "b", "c")}
    until(lambda: fleet.is_settled("reaper", 3))
    first = str(holder(fleet))
    wedge(fleet, first)
    second = fleet.first_act(now() + 0.1, "member <> ?", first).member
    mend(fleet, first)
    until(lambda: fleet.marks("ended", "member = ?", first))
    at = members[second].terminate()
    third = fleet.first_act(at, "member <> ?", second)
    assert third.member not in (first, second)
    late = fleet.acts("fenced", "member = ? AND at > ?", first, at)
    assert late == []


def test_work_that_wedges_every_member_is_poisoned_and_comes_back_when_it_is_mended(
    fleet: Fleet,
) -> None:
    """It must not travel through the fleet for ever, taking one member after another with it."""
    names = ("a", "b", "c", "d")
    wedge(fleet, *names)
    settings = role(progress_timeout_s=1.5, bar_s=0.1, poison_s=2.0)
    for process in [fleet.begin(name, settings, timing=TIMING) for name in names]:
        process.await_live()
    until(lambda: fleet.logged("event='poisoned'"))
    assert len(fleet.marks("began")) == 3, "min(3, members) of them found out"
    assert fleet.acts() == []
    alarm = fleet.logged("event='poisoned'")[0]
    assert "ERROR" in alarm
    assert "reaper/1/0/0" in alarm
    until(lambda: holder(fleet) is None)

    mend(fleet, *names)
    until(lambda: len(fleet.acts()) > 20)
    assert len(fleet.marks("began")) == 4
    until(lambda: not any(ending.barren for ending in endings(fleet)))
