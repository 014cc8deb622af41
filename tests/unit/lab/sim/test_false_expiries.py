"""How often members that only stand still are taken for dead: the simulator against closed forms.

A member runs for 1/λ s in the mean, at random, and then stands still for X. The store's last word
of it is a heartbeat that landed u before, and counts the ttl L from there: it ends the session if
X > L − u. Heartbeats follow one another every r, and a pause begins at any moment between two of
them, so u is uniform over [0, r). Pauses that end a session are a share E_u[P(X > L − u)] of all,
and come, per second that the member runs, at the rate

    λ_false = λ · E_u[P(X > L − u)],   where for a given X = x the share is clip((x − L + r) / r).

The member gives its session up sooner, D = L(1 − ρ) − stop_grace after it sent the heartbeat, so
what it tells of itself comes at λ · E_u[P(X > D − u)]. Of these, those of leaders are the report's
`false_failovers`: they come while a leader runs. A second of that is followed by
λ · E_u[min(X, T − u)] s in which it stands still and would be let act, T = L(1 − ρ), so of C
covered seconds it runs for C / (1 + λ · E_u[min(X, T − u)]).

That a pause begins anew with the heartbeat after the last one makes u smaller by λr²/12 in the
mean: 0.013 s here, and left out.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import fmean

import pytest

from coord.lab.sim.fleet import SimHost, SimWorld
from coord.lab.sim.pauses import Stalls
from coord.lab.sim.run import Outcome, Setting, Simulation
from coord.lab.sim.store import StoreState
from coord.testing.group_state import Manner
from coord.testing.memory import MemoryServer

_L, _R, _MEMBERS = 10.0, 3.0, 3
_STALLS = Stalls(rate=1 / 60, lengths_s=(4.0, 6.0, 7.5, 8.4, 9.2, 11.0))
_SETTING = Setting(
    store="memory",
    ttl_s=_L,
    heartbeat_s=_R,
    members=_MEMBERS,
    fault="none",
    hours=14.0,
    every_s=300.0,
    seed=7,
    pauses=_STALLS,
)
_DEVIATIONS = 2.576  # 99 %, two-sided
_STEPS = 1000


class _Timed(SimHost):
    """It knows for how long it has stood still."""

    stood_s = since_s = 0.0

    def freeze(self) -> None:
        self.since_s = self.sim.now_s
        super().freeze()

    def thaw(self) -> None:
        self.stood_s += self.sim.now_s - self.since_s
        super().thaw()


class _Counting(SimWorld):
    """Its store counts the sessions that it ends by itself."""

    host_type = _Timed
    expired = 0

    def make_server(self, manner: Manner, lag_s: float) -> MemoryServer:
        server, ours = super().make_server(manner, lag_s), self
        usual = server.state_type
        assert issubclass(usual, StoreState)

        class _State(usual):  # type: ignore[misc, valid-type]
            def sweep(self, now_s: float) -> None:
                before = len(self._rows)
                super().sweep(now_s)
                ours.expired += before - len(self._rows)

        server.state_type = _State
        return server


class _Paused(Simulation):
    world_type = _Counting


@dataclass(frozen=True)
class _Seen:
    """What a simulation of pauses counted."""

    outcome: Outcome
    expired: int
    given_up: int
    running_s: float
    covered_s: float


@pytest.fixture(scope="module")
def seen() -> _Seen:
    """One simulation for all."""
    simulation = _Paused(_SETTING)
    world = simulation.world
    assert isinstance(world, _Counting)
    outcome = simulation.run()
    stood_s = sum(host.stood_s for host in world.hosts.values() if isinstance(host, _Timed))
    tally = outcome.tally
    return _Seen(
        outcome=outcome,
        expired=world.expired,
        given_up=sum(host.reports["session-given-up"] for host in world.hosts.values()),
        running_s=outcome.simulated_s * _MEMBERS - stood_s,
        covered_s=tally.total("member_s") / _MEMBERS - tally.total("gap_s"),
    )


def _share(after_s: float) -> float:
    """E_u[P(X > after − u)], u uniform over a heartbeat."""
    return fmean(min(1.0, max(0.0, (x - after_s + _R) / _R)) for x in _STALLS.lengths_s)


def _outright(after_s: float) -> float:
    """P(X > after): no phase."""
    return fmean(x > after_s for x in _STALLS.lengths_s)


def _holds(rate: float, count: int, of_s: float) -> bool:
    """Whether a rate lies in the 99 % interval of what was counted, which is Poisson's."""
    return abs(rate * of_s - count) <= _DEVIATIONS * math.sqrt(count)


def test_the_store_ends_sessions_of_paused_members_as_often_as_the_closed_form_says(
    seen: _Seen,
) -> None:
    assert seen.expired > 500
    assert _holds(_STALLS.rate * _share(_L), seen.expired, seen.running_s)


@pytest.mark.parametrize("after_s", [_L, _L - _R, _L - _R / 2])
def test_without_the_phase_the_closed_form_is_found_wrong(seen: _Seen, after_s: float) -> None:
    assert not _holds(_STALLS.rate * _outright(after_s), seen.expired, seen.running_s)


def test_members_give_their_sessions_up_sooner_by_what_their_budget_leaves(seen: _Seen) -> None:
    deadline_s = _L * (1 - _SETTING.timing.drift) - _SETTING.timing.stop_grace_s
    assert _holds(_STALLS.rate * _share(deadline_s), seen.given_up, seen.running_s)
    assert not _holds(_STALLS.rate * _share(_L), seen.given_up, seen.running_s)
    assert not _holds(_STALLS.rate * _outright(deadline_s), seen.given_up, seen.running_s)


def test_false_failovers_of_the_report_are_those_of_the_member_that_leads(seen: _Seen) -> None:
    timing = _SETTING.timing
    trusted_s = _L * (1 - timing.drift)
    phases = [(place + 0.5) * _R / _STEPS for place in range(_STEPS)]
    idle_s = fmean(fmean(min(x, trusted_s - u) for u in phases) for x in _STALLS.lengths_s)
    running_s = seen.covered_s / (1 + _STALLS.rate * idle_s)
    count = seen.outcome.report["runs"][0]["false_failovers"]
    rate = _STALLS.rate * _share(trusted_s - timing.stop_grace_s)
    assert count > 300
    assert _holds(rate, count, running_s)
    assert not _holds(_STALLS.rate * _share(_L), count, running_s)


def test_such_pauses_break_no_rule(seen: _Seen) -> None:
    assert [str(violation) for violation in seen.outcome.violations] == []
