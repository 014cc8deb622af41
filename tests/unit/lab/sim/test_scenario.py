"""Scenarios of chaos, played by the simulator."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from coord.lab.chaos.reading import parse
from coord.lab.measure import report_from_json
from coord.lab.sim.run import Simulation, simulate
from coord.lab.sim.scenario import setting_of
from tests.unit.cli.commands import run

_EXAMPLES = sorted((Path(__file__).parents[4] / "examples" / "chaos").glob("*.toml"))

_HEAD = """\
title = "a test's"
ttl = "2s"
rounds = {rounds}

[store]
kind = "{store}"

[fleet]
members = 3
mode = "{mode}"
"""
_TWO = """
[[fault]]
kind = "pause"
target = "leader"
at = "1s"
for = "6s"

[[fault]]
kind = "kill"
target = "follower"
at = "3s"
for = "2s"
"""


def _written(faults: str, *, store: str = "etcd", mode: str = "single", rounds: int = 2) -> str:
    return _HEAD.format(store=store, mode=mode, rounds=rounds) + faults


@pytest.mark.parametrize("path", _EXAMPLES, ids=lambda path: path.stem)
def test_the_examples_are_simulated_and_keep_all_rules(path: Path) -> None:
    first, second = (run("chaos", str(path), "--simulate", "--json") for _ in range(2))
    assert first.exit_code == 0, first.stderr
    assert first.stdout == second.stdout
    told = json.loads(first.stdout)
    assert len(told["trace_hash"]) == 32
    assert told["kept"] is True
    report = report_from_json(first.stdout)
    assert report["runs"][0]["failover_s"]["total"]["n"] >= 1, "it struck a leader"


def test_each_fault_strikes_at_its_time_and_for_its_time() -> None:
    setting = setting_of(parse(_written(_TWO), "two.toml"), "two.toml")
    world = (simulation := Simulation(setting)).world
    told: list[tuple[float, str, str]] = []
    recorded = world.recorder.fault

    def noted(kind: str, mark: str, phase: str, who: object) -> None:
        told.append((world.now_s, mark.partition("-m")[0], phase))
        recorded(kind, mark, phase, who)  # type: ignore[arg-type]

    world.recorder.fault = noted  # type: ignore[method-assign]
    outcome = simulation.run()
    assert outcome.report["rounds"] == 2
    assert outcome.report["runs"][0]["fault"] == "pause+kill"
    assert outcome.kept
    for number in (1, 2):
        at = {(mark, phase): now_s for now_s, mark, phase in told if f"-{number}" in mark}
        began_s = at[f"pause-{number}", "begin"]
        assert at[f"pause-{number}", "end"] - began_s == pytest.approx(6.0)
        assert at[f"kill-{number}-2", "begin"] - began_s == pytest.approx(2.0)


def test_the_seed_of_a_scenario_draws_its_moments() -> None:
    text = _written(_TWO, rounds=1)
    first, second = (
        simulate(setting_of(parse(f"seed = {seed}\n{text}", "a.toml"), "a.toml")) for seed in (1, 2)
    )
    assert first.trace_hash != second.trace_hash


_KILL = '\n[[fault]]\nkind = "kill"\ntarget = "leader"\nfor = "5s"\n'


@pytest.mark.parametrize(
    ("text", "words", "told"),
    [
        (
            _written(_KILL.replace("kill", "gil")),
            (),
            ("s.toml:12: gil strikes real processes", "kill"),
        ),
        (
            _written(_KILL.replace("kill", "loss") + "share = 0.4\n"),
            (),
            ("s.toml:12: loss is simulated with share 0.2 only, not with 0.4", "Leave share out"),
        ),
        (
            _written(_KILL.replace("kill", "clock-drift")),
            (),
            ("s.toml:12: simulated clocks drift by what is declared", "clock-jump"),
        ),
        (
            _written(_KILL)
            .replace('kind = "etcd"', 'kind = "etcd"\nservers = 3', 1)
            .replace('"kill"\ntarget = "leader"', '"store-kill"\ntarget = "store-leader"'),
            (),
            ("s.toml:13: store-kill strikes one server of 3", "servers = 1"),
        ),
        (
            _written(_KILL),
            ("--store", "etcd://127.0.0.1:2379/blue"),
            ("--store: a simulation reaches no store of yours", "zookeeper"),
        ),
        (_written(_KILL), ("--mode", "queue"), ("queue has no leaders", "--mode")),
        (
            _written(_KILL),
            ("--events", "there"),
            ("--events keeps what real processes did", "help"),
        ),
    ],
)
def test_what_cannot_be_simulated_is_refused_with_line_cause_and_cure(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    text: str,
    words: tuple[str, ...],
    told: tuple[str, str],
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("s.toml").write_text(text)
    result = run("chaos", "s.toml", "--simulate", *words)
    assert result.exit_code != 0
    assert result.stdout == ""
    for part in told:
        assert part in " ".join(result.stderr.split())


def test_members_work_as_fast_as_the_labs_processes_so_a_wedge_is_found_after_its_timeout() -> None:
    """1 s after its last progress (`PROGRESS_TIMEOUT_S`); it counts as faux after `TAU_S`, 0.4 s.

    On real processes this was 0.6 s of faux in every round, and a failover of 1.05 to 1.1 s.
    """
    wedge = '\n[[fault]]\nkind = "wedge"\ntarget = "leader"\nfor = "4s"\n'
    text = _written(wedge, rounds=20)
    outcome = simulate(setting_of(parse(text, "wedge.toml"), "wedge.toml"))
    faux, failover = outcome.tally.cells["faux_s"], outcome.tally.parts["total"]
    assert outcome.kept
    assert (faux.n, failover.n) == (20, 20)
    assert 0.45 < (faux.quantile_s(0.0) or 0) <= faux.worst_s < 0.65
    assert outcome.tally.stale.accepted_unfenced == 20, (
        "each goes on with its act once it is mended"
    )
    assert 0.95 < (failover.quantile_s(0.0) or 0) <= failover.worst_s < 1.25


def test_members_of_a_single_server_are_on_no_follower_and_trust_their_proofs_in_full() -> None:
    """A leader that is cut off goes on for a tick longer, and the store, which forgets nothing,
    ends its session half a tick later in the mean: the gap is half a tick shorter.
    """
    cut = '\n[[fault]]\nkind = "partition"\ntarget = "leader"\nfor = "4s"\n'
    gaps = []
    for servers in (1, 3):
        text = _written(cut, store=f'zookeeper"\nservers = {servers}  # "', rounds=100)
        setting = setting_of(parse(text, "cut.toml"), "cut.toml")
        assert setting.manner.lag_s == (0.0 if servers == 1 else 0.2)
        gaps.append(simulate(setting).tally.cells["gap_s"].quantile_s(0.5) or 0.0)
    assert gaps[1] - gaps[0] == pytest.approx(0.1, abs=0.06)
