"""Fleets of users' daemons under test: what is found out about them, and what is refused.

All on the memory store, served over a socket to real processes.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from coord.errors import ConfigError, UsageError
from coord.lab.chaos.stage import Unsteady
from coord.lab.fixture import Lab
from coord.lab.tested_fleet import TestedFleet

pytestmark = [pytest.mark.timeout(180), pytest.mark.xdist_group("tested-fleet")]

_DAEMON = [sys.executable, "-m", "tests.lab.naive_daemon"]
_TTL_S = 2.0


def _missing(name: str) -> None:
    pytest.fail(f"{name} was asked for")


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Lab]:
    with Lab(tmp_path, title="test", seed=7, needs=_missing) as lab:
        yield lab


def _fleet(lab: Lab, manner: str, *, members: int = 2, store: str = "memory") -> TestedFleet:
    return lab.fleet(
        _DAEMON, members=members, store=store, ttl_s=_TTL_S, environ={"MANNER": manner}
    )


def test_a_resource_that_takes_what_is_stale_is_found_out(lab: Lab) -> None:
    """The instrument works: this daemon says that its table compares tokens, and it does not."""
    fleet = _fleet(lab, "unfenced")
    first = fleet.await_leader("reaper")
    with fleet.struck("pause", first) as struck:
        assert struck == (first,)
        assert fleet.until(lambda: fleet.leaders("reaper") not in ([], [first]), within_s=30)
        fleet.wait(1.0)
    outcome = fleet.settle()
    assert outcome.stale_acts.accepted == 1
    assert [one.rule for one in outcome.violations] == ["stale-accepted"]
    assert outcome.recovered
    assert not outcome.kept
    assert len(outcome.failovers) == 1
    assert outcome.gap_s > 0
    assert str(fleet.directory) in repr(outcome)
    assert "stale-accepted" in str(outcome)

    fleet.kill("follower", for_s=0.5)
    again = fleet.settle()
    assert again.kept, "what a stretch broke is not laid to the next"
    assert (again.number, again.stale_acts.accepted) == (2, 0)
    assert again.acts > 0


def test_a_fleet_can_be_cut_off_wedged_and_left_without_its_store(lab: Lab) -> None:
    fleet = _fleet(lab, "wedges")
    leader = fleet.await_leader("reaper")
    with fleet.struck("partition", leader):
        assert fleet.until(lambda: fleet.leaders("reaper") not in ([], [leader]), within_s=30)
    assert fleet.settle().recovered
    with fleet.struck("wedge", "leader") as [wedged]:
        before = fleet.leaders("reaper")
        fleet.wait(1.0)
    assert before == [wedged]
    assert fleet.settle().recovered
    with fleet.struck("store-pause", "store-one"):
        fleet.wait(2 * _TTL_S)
        assert fleet.leaders("reaper") == [], "nobody may lead on what nobody has renewed"
    assert fleet.settle().recovered


def test_what_cannot_be_is_refused_with_the_cure_before_it_strikes(lab: Lab) -> None:
    fleet = _fleet(lab, "unfenced", members=1, store="sqlite")
    fleet.await_leader()
    refused: list[tuple[tuple[str, ...], dict[str, Any], str]] = [
        (("earthquake",), {}, "there is no fault 'earthquake'. There are kill, "),
        (("kill", "nobody"), {}, "kill cannot strike 'nobody'. Choose one of leader, "),
        (("partition",), {}, "partition: a file has no network"),
        (("store-kill",), {}, "store-kill: a file has no server"),
        (("slow",), {"minutes": 1.0}, "slow has no option 'minutes'. It has seconds"),
        (("disk-full",), {}, "own_disks=True"),
    ]
    for words, options, said in refused:
        with pytest.raises(UsageError) as caught, fleet.struck(*words, **options):
            pytest.fail("it was struck")
        assert said in str(caught.value)
    with (
        fleet.struck("pause", "one"),
        pytest.raises(UsageError, match="a fault still stands"),
    ):
        fleet.settle()


def test_a_daemon_that_does_not_take_part_is_refused_and_not_skipped(lab: Lab) -> None:
    """It is the daemon's to mend, not the machine's: skipped, it would be skipped for ever."""
    fleet = _fleet(lab, "stranger", members=1)
    fleet.await_leader("reaper")
    for kind in ("wedge", "slow", "gil"):
        with pytest.raises(UsageError, match=r"cannot be struck from inside.*take_part"):
            fleet.strike(kind, for_s=0.1)
    for kind in ("clock-jump", "clock-drift"):
        with pytest.raises(UsageError, match="only the lab's own work, without a command, has a"):
            fleet.strike(kind, for_s=0.1)
    outcome = fleet.settle()
    assert outcome.kept, "what was refused has struck nobody"
    assert json.loads((fleet.directory / "run.json").read_text())["fault"] == "none"


def test_a_fleet_without_a_leader_is_told_with_everybodys_last_words(lab: Lab) -> None:
    fleet = _fleet(lab, "quiet", members=1)
    assert fleet.until(lambda: "elected" in fleet.last_words("m1"), within_s=60)
    with pytest.raises(Unsteady) as caught:
        fleet.await_leader("reaper", within_s=0.2)
    assert "nobody leads reaper after 0.2 s\nm1 said last: waits to be elected" in str(caught.value)


def test_a_memory_store_by_name_and_a_program_that_is_not_there_are_refused(lab: Lab) -> None:
    with pytest.raises(ConfigError, match="lives in one process"):
        _fleet(lab, "quiet", store="memory://here/group")
    with pytest.raises(ConfigError, match="no program 'no-such-daemon'"):
        lab.fleet(["no-such-daemon"])
