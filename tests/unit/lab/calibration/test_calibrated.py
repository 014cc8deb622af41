"""A calibration as its user has it: kept runs replayed, a file gone on with, refusals."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

import pytest

from coord.errors import ConfigError, UsageError
from coord.lab.calibration.plan import Pair, Rounds, planned
from coord.lab.calibration.run import calibrated
from coord.lab.calibration.saved import read_calibration
from coord.lab.chaos.reading import parse
from coord.lab.chaos.saved import note
from coord.lab.chaos.scenario import Scenario
from coord.lab.chaos.stage import Unsteady
from coord.lab.chaos.verdict import Verdict
from tests.lab.chaos_runs import FACTS, healthy, saved
from tests.unit.cli.commands import run

KILL = 'title = "k"\nttl = "2s"\n[[fault]]\nkind = "kill"\ntarget = "leader"\n'
PARTITION = KILL.replace("kill", "partition")
_ROUNDS = Rounds(real=1, simulated=20)


def _nothing(_: object, __: object = None) -> None:
    return


def _never(_: Scenario) -> NoReturn:
    pytest.fail("a real run was begun")


@pytest.fixture
def kept(tmp_path: Path) -> Path:
    """A run that was kept: a gap of 2 s after a kill, in a log written by hand."""
    directory = tmp_path / "kept"
    directory.mkdir()
    note(directory, parse(KILL, "kill.toml"))
    saved(directory, healthy(), FACTS)
    return directory


def _pairs(*sources: Path, stores: tuple[str, ...] = ("sqlite",)) -> tuple[Pair, ...]:
    return planned(sources, stores, _ROUNDS, check=_nothing)


def test_a_kept_run_is_replayed_in_the_simulator_and_compared(kept: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.json"
    found = calibrated(_pairs(kept), out, perform=_never, look=_nothing)
    [row] = found["pairs"]
    assert (row["fault"], row["store"], row["state"]) == ("kill", "sqlite", "measured")
    assert (row["real"]["rounds"], row["simulated"]["rounds"]) == (1, 20)
    for side in ("real", "simulated"):
        assert row[side]["figures"]["fault"] == ("kill+pause" if side == "real" else "kill")
    gap = row["cells"][0]
    assert gap["real"]["p50"] > 2.0  # the script's peers see no death: they wait
    assert gap["simulated"]["p50"] < 0.1
    assert gap["within"] is False
    assert read_calibration(out) == json.loads(json.dumps(found))


def test_the_command_tells_what_lies_beyond_and_ends_with_1(kept: Path, tmp_path: Path) -> None:
    words = ("sim", "calibrate", str(kept), "--simulated", "20", "--out", str(tmp_path / "o.json"))
    result = run(*words, "--json")
    assert result.exit_code == 1, result.stderr
    told = json.loads(result.stdout)
    assert told["schema"] == "coord.calibrated/1"
    assert "gap_s" in [one["metric"] for one in told["beyond"]]
    text = run(*words)
    assert text.exit_code == 1
    assert "no reason known" in text.stdout


def test_what_is_done_is_not_done_again_and_a_reason_in_the_file_stays(
    kept: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out.json"
    first = calibrated(_pairs(kept), out, perform=_never, look=_nothing)
    first["pairs"][0]["cells"][0]["why"] = "the log was written by hand"
    out.write_text(json.dumps(first))
    before, begun = out.read_bytes(), list[str]()
    again = calibrated(_pairs(kept), out, perform=_never, look=begun.append)
    assert again["pairs"][0]["cells"][0]["why"] == "the log was written by hand"
    assert (out.read_bytes(), begun) == (before, [])


def test_without_a_verdict_the_pair_says_why_and_is_tried_again(tmp_path: Path) -> None:
    file, out, tried = tmp_path / "k.toml", tmp_path / "out.json", list[str]()
    file.write_text(KILL)

    def perform(scenario: Scenario) -> Verdict:
        tried.append(scenario.store.place)
        raise Unsteady("the fleet did not come to rest", cure="Wait.")

    for _ in range(2):
        found = calibrated(_pairs(file), out, perform=perform, look=_nothing)
        [row] = found["pairs"]
        assert (row["state"], row["cells"]) == ("no verdict", [])
        assert "did not come to rest" in row["cause"]
    assert tried == ["sqlite", "sqlite"]


def test_an_interrupted_calibration_keeps_what_was_ready(kept: Path, tmp_path: Path) -> None:
    file, out = tmp_path / "k.toml", tmp_path / "out.json"
    file.write_text(PARTITION)

    def stop(_: Scenario) -> NoReturn:
        raise KeyboardInterrupt

    pairs = _pairs(kept, file, stores=("etcd",))
    with pytest.raises(KeyboardInterrupt):
        calibrated(pairs, out, perform=stop, look=_nothing)
    assert [row["fault"] for row in read_calibration(out)["pairs"]] == ["kill"]


def test_what_does_not_apply_to_a_store_is_told_and_not_played(tmp_path: Path) -> None:
    file = tmp_path / "p.toml"
    file.write_text(PARTITION)
    there, missing = _pairs(file, stores=("etcd", "sqlite"))
    assert (there.cause, missing.setting) == ("", None)
    out = tmp_path / "out.json"
    [row] = calibrated([missing], out, perform=_never, look=_nothing)["pairs"]
    assert row["state"] == "does not apply"
    assert "a file has no network" in row["cause"]


@pytest.mark.parametrize(
    ("text", "stores", "cause"),
    [
        (KILL, ("redis",), "redis"),
        (KILL, ("etcd://h:1/g",), "etcd://h:1/g"),
        (PARTITION, ("sqlite",), "nothing to compare"),
        (KILL + '[fleet]\ncommand = ["true"]\n', ("sqlite",), "daemon"),
        (KILL.replace('"kill"', '"gil"'), ("sqlite",), "gil"),
        (KILL.replace("ttl", "til"), ("sqlite",), "til"),
    ],
)
def test_what_cannot_be_compared_is_refused_before_anything_starts(
    tmp_path: Path, text: str, stores: tuple[str, ...], cause: str
) -> None:
    file = tmp_path / "s.toml"
    file.write_text(text)
    with pytest.raises(UsageError) as refused:
        _pairs(file, stores=stores)
    assert cause in str(refused.value)
    assert refused.value.cure


def test_a_kind_of_fault_given_twice_is_refused(tmp_path: Path) -> None:
    for name in ("a.toml", "b.toml"):
        (tmp_path / name).write_text(KILL)
    with pytest.raises(ConfigError, match="kill on sqlite is asked for twice"):
        _pairs(tmp_path / "a.toml", tmp_path / "b.toml")


_BROKEN: dict[str, tuple[Callable[[str], str], str]] = {
    "schema": (lambda text: text.replace("calibration/1", "calibration/9"), "line 2: its schema"),
    "release": (lambda text: text.replace('"coord": "', '"coord": "x', 1), "line 3: it was made"),
    "scenario": (lambda text: text.replace('"digest": "', '"digest": "x'), "another scenario"),
    "pair": (lambda text: text.replace('"state"', '"stat"'), "state of pair 1 is missing"),
    "cell": (lambda text: text.replace('"p25"', '"p24"', 1), "line 11: cell 1 lacks a figure"),
    "text": (lambda text: text.replace('"within": true', '"within": "yes"', 1), "another kind"),
    "cut": (lambda text: text[: len(text) // 2], "it is no JSON"),
}


@pytest.mark.parametrize("what", _BROKEN)
def test_a_file_of_anything_else_is_refused_with_its_line_and_left(
    kept: Path, tmp_path: Path, what: str
) -> None:
    spoil, cause = _BROKEN[what]
    out = tmp_path / "out.json"
    calibrated(_pairs(kept), out, perform=_never, look=_nothing)
    spoilt = spoil(out.read_text())
    out.write_text(spoilt)
    with pytest.raises(ConfigError) as refused:
        calibrated(_pairs(kept), out, perform=_never, look=_nothing)
    assert cause in str(refused.value)
    assert str(out) in str(refused.value)
    assert refused.value.cure
    assert out.read_text() == spoilt
