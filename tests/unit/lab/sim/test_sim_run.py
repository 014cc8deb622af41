"""The simulator as a whole: repeats itself, agrees with closed forms, catches what is planted."""

from __future__ import annotations

import pytest

from coord.errors import ConfigError, UsageError
from coord.lab.measure.effects import Register
from coord.lab.sim.blows import SIMULATED
from coord.lab.sim.fleet import SimHost, SimWorld
from coord.lab.sim.manners import MANNERS
from coord.lab.sim.pauses import Stalls
from coord.lab.sim.run import Setting, Simulation, simulate
from coord.lab.sim.store import StoreState
from coord.model import ClaimKey
from coord.testing.group_state import Manner
from coord.testing.memory import MemoryServer
from coord.testing.world_work import Work

_TTL_S, _HEARTBEAT_S = 10.0, 3.0


def test_the_same_seed_gives_the_same_trace_and_another_seed_another() -> None:
    setting = Setting(fault="kill", hours=0.1, seed=7)
    first, second = simulate(setting), simulate(setting)
    other = simulate(Setting(fault="kill", hours=0.1, seed=8))
    assert first.trace_hash == second.trace_hash
    assert first.report == second.report
    assert other.trace_hash != first.trace_hash


def test_a_crash_is_detected_after_the_ttl_less_half_a_heartbeat_in_the_mean() -> None:
    setting = Setting(
        store="memory", ttl_s=_TTL_S, heartbeat_s=_HEARTBEAT_S, fault="kill", hours=3.0, seed=7
    )
    [run] = simulate(setting).report["runs"]
    detect = run["failover_s"]["detect"]
    assert detect["n"] > 200
    assert detect["mean"] == pytest.approx(_TTL_S - _HEARTBEAT_S / 2, rel=0.02)


@pytest.mark.parametrize(
    ("store", "fault"),
    [
        (store, fault)
        for store in MANNERS
        for fault in (*SIMULATED, "none")
        if not (store == "sqlite" and fault.startswith(("store-", "clock-")))
    ],
)
def test_no_fault_breaks_a_rule_on_any_store(store: str, fault: str) -> None:
    outcome = simulate(Setting(store=store, fault=fault, hours=0.03, seed=3))
    assert [str(violation) for violation in outcome.violations] == []


@pytest.mark.parametrize("mode", ["localized", "co-leaders"])
def test_other_modes_keep_the_rules(mode: str) -> None:
    outcome = simulate(Setting(mode=mode, fault="partition", hours=0.03, seed=3))
    assert [str(violation) for violation in outcome.violations] == []


def test_a_quiet_fleet_has_neither_gap_nor_false_failover() -> None:
    [run] = simulate(Setting(fault="none", hours=0.2)).report["runs"]
    assert run["gap_s"]["worst"] == 0
    assert run["false_failovers"] == 0
    assert run["missed"] == 0


# --- planted ---------------------------------------------------------------------------------


class _TakesAll(Register):
    def refuses(self, key: ClaimKey, token: int) -> bool:
        del key, token
        return False


class _Unfenced(SimWorld):
    """Its fenced resource compares nothing."""

    def acted(self, host: SimHost, work: Work) -> None:
        self._fenced = _TakesAll()
        super().acted(host, work)


class _Hasty(SimWorld):
    """Its store ends sessions long before it has promised to."""

    def make_server(self, manner: Manner, lag_s: float) -> MemoryServer:
        server = super().make_server(manner, lag_s)
        usual = server.state_type
        assert issubclass(usual, StoreState)

        class _State(usual):  # type: ignore[misc, valid-type]
            def _renew(self, now_s: float, session: str, seq: int) -> None:
                super()._renew(now_s, session, seq)
                self._rows[session].deadline_s -= _TTL_S / 2
                self._due_s = 0.0

        server.state_type = _State
        return server


def _rules(world: type[SimWorld], fault: str) -> set[str]:
    class _Planted(Simulation):
        world_type = world

    outcome = _Planted(Setting(store="memory", fault=fault, hours=0.05, seed=7)).run()
    assert not outcome.kept
    return {violation.rule for violation in outcome.violations}


def test_a_resource_that_compares_no_tokens_is_caught() -> None:
    assert "stale-accepted" in _rules(_Unfenced, "wedge")


def test_a_store_that_ends_sessions_too_early_is_caught() -> None:
    assert {"split", "act-against-store"} <= _rules(_Hasty, "partition")


# --- refused ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        (Setting(mode="queue"), "single, localized, co-leaders"),
        (Setting(store="redis"), "etcd34"),
        (Setting(fault="disk-full"), "partition-replies"),
        (Setting(store="sqlite", fault="store-pause"), "sqlite has none"),
        (Setting(store="sqlite", fault="clock-jump"), "all read the same"),
        (Setting(fault="earthquake"), "there is no fault"),
    ],
)
def test_what_cannot_be_simulated_is_refused_with_what_can(wrong: Setting, told: str) -> None:
    with pytest.raises(UsageError) as caught:
        simulate(wrong)
    assert told in str(caught.value)


def test_timings_that_do_not_add_up_are_refused() -> None:
    with pytest.raises(ConfigError):
        simulate(Setting(ttl_s=10.0, heartbeat_s=9.0, hours=0.01))


@pytest.mark.parametrize("members", [1, 2])
def test_long_pauses_in_a_row_break_no_rule_of_co_leaders(members: int) -> None:
    """An act is kept beyond the judging of its round: so is the tenure that it was done under.

    And what fell due while the only member stood still is waited for.
    """
    setting = Setting(
        mode="co-leaders",
        store="memory",
        members=members,
        seats=members,
        fault="none",
        hours=10.0,
        every_s=300.0,
        seed=2,
        pauses=Stalls(rate=1 / 40, lengths_s=(16.0, 24.0)),
    )
    assert [str(violation) for violation in simulate(setting).violations] == []
