"""Wrong clocks: what they show, what the log says of their times, what a fleet makes of them."""

from __future__ import annotations

from pathlib import Path

import pytest

from coord.errors import UsageError
from coord.lab.chaos.faults import CATALOGUE
from coord.lab.measure.events import Note, Trust
from coord.lab.work.clock import Steering, WrongClock, clock_of
from coord.lab.work.failpoint import FAILPOINTS_VARIABLE
from coord.runtime.hooks import Hooks
from coord.testing import ManualClock
from tests.lab.store_rounds import play_rounds, setting, strike
from tests.servers import require


class Ticking(ManualClock):
    """Real time for a test: every look takes a millisecond."""

    def now(self) -> float:
        self.advance(0.001)
        return super().now()


@pytest.fixture
def real() -> ManualClock:
    return Ticking(1000.0)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "failpoints" / "m1.clock"


def test_a_clock_that_nobody_has_set_is_right(real: ManualClock, path: Path) -> None:
    clock = WrongClock(path, base=real)
    assert clock.now() == pytest.approx(real.now(), abs=0.01)
    assert clock.real_s(1234.5) == 1234.5


def test_a_jump_is_seen_by_whoever_has_the_clock_and_by_those_who_come_later(
    real: ManualClock, path: Path
) -> None:
    clock = WrongClock(path, base=real)
    Steering(path, base=real).jump(60.0)
    assert clock.now() == pytest.approx(real.now() + 60.0, abs=0.01)
    assert WrongClock(path, base=real).now() == pytest.approx(real.now() + 60.0, abs=0.01)


def test_what_it_was_wrong_by_stays_when_its_rate_is_right_again(
    real: ManualClock, path: Path
) -> None:
    clock = WrongClock(path, base=real)
    steering = Steering(path, base=real)
    steering.run(0.5)
    real.advance(10.0)
    steering.run(1.0)
    behind_s = real.now() - clock.now()
    assert behind_s == pytest.approx(5.0, abs=0.05)
    real.advance(10.0)
    assert real.now() - clock.now() == pytest.approx(behind_s, abs=0.01)


def test_no_setting_ever_turns_a_clock_back(real: ManualClock, path: Path) -> None:
    clock = WrongClock(path, base=real)
    steering = Steering(path, base=real)
    seen = [clock.now()]
    for rate in (0.01, 3.0, 0.5, 1.0):
        steering.run(rate)
        seen += [clock.now() for _ in range(30)]
    assert seen == sorted(seen)


def test_a_deadline_is_told_in_real_time_and_what_was_jumped_over_at_the_jump(
    real: ManualClock, path: Path
) -> None:
    clock = WrongClock(path, base=real)
    before_s = real.now()
    steering = Steering(path, base=real)
    steering.jump(60.0)
    after_s = real.now()
    assert clock.real_s(before_s) == before_s
    assert before_s < clock.real_s(before_s + 30.0) <= after_s
    assert clock.real_s(clock.now() + 5.0) == pytest.approx(real.now() + 5.0, abs=0.01)
    steering.run(0.5)
    assert clock.real_s(clock.now() + 5.0) == pytest.approx(real.now() + 10.0, abs=0.05)
    assert clock.real_s(float("inf")) == float("inf")


def test_outside_of_the_lab_there_is_no_such_clock(tmp_path: Path) -> None:
    lab = {FAILPOINTS_VARIABLE: str(tmp_path)}
    assert clock_of("m1", store="etcd://h:1/g", environ={}) is None
    assert clock_of("m1", store="etcd://h:1/g", environ=lab) is not None


def test_on_a_file_members_of_the_lab_read_the_clock_that_all_read(tmp_path: Path) -> None:
    lab = {FAILPOINTS_VARIABLE: str(tmp_path)}
    assert clock_of("m1", store="sqlite:///fleet.db", environ=lab) is None


def test_a_clock_that_nobody_reads_is_not_set(path: Path) -> None:
    with pytest.raises(UsageError, match=r"no process takes its time from m1\.clock"):
        Steering(path)


def test_every_moment_that_the_runtime_tells_is_told_in_real_time() -> None:
    """Whatever hooks will be told of moments in future, this has to be thought of."""
    moments = {"until_s", "asked_s", "start_s", "end_s"}
    told = {
        name: moments & set(getattr(Hooks, name).__annotations__)
        for name in vars(Hooks)
        if not name.startswith("_")
    }
    assert {name for name, found in told.items() if found} == {"trusted", "term_began", "called"}


@pytest.mark.parametrize("name", ["clock-jump", "clock-drift"])
def test_where_clocks_cannot_differ_the_fault_says_so(name: str) -> None:
    unfit = CATALOGUE[name].unfit
    assert unfit(setting("etcd")) is None
    assert "read one clock" in (unfit(setting("sqlite", servers=0)) or "")
    assert "read one clock" in (unfit(setting("etcd", mode="queue")) or "")
    assert "only the lab's own work" in (unfit(setting("etcd", mode="")) or "")


# --- what a fleet makes of it ----------------------------------------------------------------


@pytest.mark.xdist_group("etcd")
def test_a_leader_whose_clock_jumped_steps_down_at_once(tmp_path: Path) -> None:
    require("etcd")
    played = play_rounds(tmp_path, "etcd", strike("clock-jump", "leader", lasts="2s"))
    played.check()
    [fault] = played.faults("clock-jump")
    told = [note for note in played.log.all(Note) if note.what == "session-given-up"]
    assert [note.who.member for note in told] == [fault.target.member]
    assert fault.begin_s < played.line.tenures[0].over_s < fault.begin_s + 1.5
    assert played.split_s == 0
    latest = max(trust.until_s - trust.t for trust in played.log.all(Trust))
    assert latest < played.ttl_s, "deadlines in the log are real ones"


def _cut_off_with_a_slow_clock(folder: Path, share: float) -> float:
    """How long two led: the leader's clock is slow, and then it does not reach the store."""
    played = play_rounds(
        folder,
        "etcd",
        strike("clock-drift", "leader", at="0.2s", lasts="6.5s", share=share),
        strike("partition", "leader", at="1s", lasts="5s"),
        rounds=2,
    )
    assert sum(one.stale_acts.accepted for one in played.results) == 0, "the fence holds"
    return played.split_s


@pytest.mark.soak
@pytest.mark.xdist_group("etcd")
def test_a_drift_within_the_declared_one_splits_nobody(tmp_path: Path) -> None:
    require("etcd")
    assert _cut_off_with_a_slow_clock(tmp_path, 0.002) == 0


@pytest.mark.soak
@pytest.mark.xdist_group("etcd")
def test_a_drift_far_beyond_the_declared_one_splits_and_the_fence_holds(tmp_path: Path) -> None:
    require("etcd")
    assert _cut_off_with_a_slow_clock(tmp_path, 0.6) > 0
