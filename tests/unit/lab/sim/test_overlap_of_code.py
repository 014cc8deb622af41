"""How long code of a former leader may run beside its successor's: never beyond the budget.

A lease is proven at the moment its heartbeat was sent. The member asks its code to stop D later,
D = L(1 − ρ) − lag − stop_grace on its own clock, and the code takes s to stop: what is left of the
act that it is in, and of its rest. A clock that is as slow as the budget allows makes D/(1 − ρ) of
D. The store frees the claim L after the heartbeat landed, which is not before it was sent, and the
successor begins later still. So

    overlap ≤ max(0, D/(1 − ρ) + s − L).

No timing bounds a pause. A member that stands still finds at its end that it has to stop, so its
code *runs* beside its successor's for s at most; while it stands still it does nothing. In neither
case may it be let act: by its guard, which knows s as little, overlap is none at all.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import combinations

import pytest

from coord.core import commands as c
from coord.lab.measure.intervals import Span, Spans
from coord.lab.sim.fleet import Fitting, SimHost, SimWorld
from coord.lab.sim.manners import MANNERS
from coord.lab.sim.script import Script, Strike
from coord.lab.sim.storm import Storm
from coord.model import ClaimKey
from coord.testing.world_work import Work

_L, _DRIFT, _WORK_S = 10.0, 0.02, 0.1
_GRACE_S = _L / 5
_LATER_S = 0.02
"""A round trip: what a stopping host may wait for before it takes its next step."""


class _Running(SimHost):
    """It knows from when to when its code ran, and when it stood still."""

    def __init__(self, *args: object, **named: object) -> None:
        self.began: dict[int, float] = {}
        self.still: list[Span] = []
        self._since_s = math.inf
        super().__init__(*args, **named)  # type: ignore[arg-type]

    def told(self, command: c.Command) -> None:
        super().told(command)
        if isinstance(command, c.StartTerm):
            self.began[command.number] = self.sim.now_s

    def work_over(self, work: Work, kind: object) -> None:
        if work.given.number in self.works:
            self._ran(work.given)
        super().work_over(work, kind)

    def kill(self) -> None:
        for work in self.works.values():
            self._ran(work.given)
        super().kill()

    def _ran(self, given: c.StartTerm) -> None:
        assert isinstance(self.sim, _Watched)
        span = Span(self.began[given.number], self.sim.now_s)
        self.sim.ran.append((given.key, self.name, Spans.of([span]) - Spans.of(self.still)))

    def freeze(self) -> None:
        self._since_s = self.sim.now_s
        super().freeze()

    def thaw(self) -> None:
        if self.paused:
            self.still.append(Span(self._since_s, self.sim.now_s))
        super().thaw()


class _Watched(SimWorld):
    host_type = _Running

    def __init__(self, **named: object) -> None:
        self.ran: list[tuple[ClaimKey, str, Spans]] = []
        super().__init__(**named)  # type: ignore[arg-type]

    def overlaps(self) -> Iterator[float]:
        """For how long two members' code of one claim ran at once."""
        for one, other in combinations(self.ran, 2):
            if one[0] == other[0] and one[1] != other[1]:
                yield (one[2] & other[2]).total_s


class _Storm(Storm):
    world_type = _Watched


_APART_S = 4 * _L


def _leaders(fault: str, *lengths: float) -> tuple[Strike, ...]:
    """One leader after the other, for so many ttls each."""
    return tuple(
        Strike(at_s=5.3 + _APART_S * n, fault=fault, whom="leader", for_s=one * _L, lot=n)
        for n, one in enumerate(lengths)
    )


_CUTS = _leaders("partition", 2.0, 2.0, 2.0, 2.0)
_BLOWS = {
    "drift": _CUTS,
    "pauses": _leaders("pause", 0.75, 0.9, 0.98, 1.02, 1.1, 1.3),
    "late writes": tuple(
        one
        for cut in _CUTS
        for one in (Strike(at_s=cut.at_s - 5, fault="late-writes", whom="all", for_s=4.9), cut)
    ),
}


def _script(store: str, blows: str, stop_s: float) -> Script:
    manner, strikes = MANNERS[store], _BLOWS[blows]
    slow = Fitting(rate=1.0 if manner.one_clock else 1 - _DRIFT)
    return Script(
        seed=5,
        mode="single",
        store=store,
        ttl_s=_L,
        heartbeat_s=_L / 4,
        drift=_DRIFT,
        members=3,
        calm_s=(len(strikes) + 1) * _APART_S,
        stop_s=stop_s,
        work_s=_WORK_S,
        progress_s=_L,
        fittings={f"m{n}": slow for n in (1, 2, 3)},
        strikes=strikes,
    )


def _overlap_s(script: Script) -> float:
    """The longest overlap of two members' code, in a play that has broken no rule."""
    storm = _Storm(script)
    played = storm.run()
    assert [str(violation) for violation in played.violations] == []
    assert isinstance(storm.world, _Watched)
    assert len(storm.world.ran) >= len(_CUTS), "leaders have followed one another"
    return max(storm.world.overlaps(), default=0.0)


def _budget_s(script: Script, stop_s: float) -> float:
    """What the closed form allows where nothing stands still."""
    timing, manner = script.timing, script.manner
    asked_s = _L * (1 - _DRIFT) - manner.lag_s - timing.stop_grace_s
    rate = script.fittings["m1"].rate
    return max(0.0, asked_s / rate + (stop_s + _WORK_S) / rate - _L)


@pytest.mark.parametrize("stop_s", [0.0, _GRACE_S - 2 * _WORK_S, _GRACE_S + 1.0])
@pytest.mark.parametrize("blows", ["drift", "late writes"])
@pytest.mark.parametrize("store", MANNERS)
def test_code_runs_beside_its_successors_no_longer_than_the_budget(
    store: str, blows: str, stop_s: float
) -> None:
    script = _script(store, blows, stop_s)
    assert _overlap_s(script) <= _budget_s(script, stop_s) + _LATER_S


def test_the_budget_is_used_up_but_for_the_time_to_claim() -> None:
    stop_s = _GRACE_S + 1.0
    script = _script("memory", "drift", stop_s)
    assert _budget_s(script, stop_s - 0.2) < _overlap_s(script)


@pytest.mark.parametrize("store", MANNERS)
def test_code_that_stood_still_runs_beside_its_successors_for_as_long_as_it_takes_to_stop(
    store: str,
) -> None:
    stop_s = _GRACE_S + 1.0
    script = _script(store, "pauses", stop_s)
    rate = script.fittings["m1"].rate
    assert 0 < _overlap_s(script) <= (stop_s + _WORK_S) / rate + _LATER_S
