"""Scripts of blows: kept, read, refused, and made smaller while they still break a rule."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from pathlib import Path

import pytest

from coord.lab.sim.finding import smallest
from coord.lab.sim.script import Script, read_script, script_from_json
from coord.lab.sim.shrink import shrunk
from coord.lab.sim.storm import Played, Storm
from coord.lab.sim.swarm import swarm
from tests.unit.cli.commands import run
from tests.unit.lab.sim.plants import PLANTS

_PLANT = "deadline stamped at the response"


def _found() -> Played:
    """The first storm that shows the mistake that is planted, and has blows to spare."""
    for seed in range(1, 61):
        script = swarm(seed, mode="single", store="memory", faults=("partition", "slow"))
        played = Storm(script).run()
        if not played.kept and len(script.strikes) > 1:
            return played
    raise AssertionError("not found")


@pytest.mark.parametrize("needed", [set(), {3}, {0, 7}, {2, 3, 9}])
def test_what_is_not_needed_is_left_out(needed: set[int]) -> None:
    def fails(items: Sequence[int]) -> bool:
        return needed <= set(items)

    assert shrunk(list(range(10)), fails) == sorted(needed)


def test_a_search_ends_when_its_tries_have_run_out() -> None:
    asked = []

    def fails(items: Sequence[int]) -> bool:
        asked.append(items)
        return False

    assert shrunk(list(range(100)), fails, tries=7) == list(range(100))
    assert len(asked) == 7


def test_a_planted_mistake_is_told_with_few_blows_that_show_it_again(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    PLANTS[_PLANT](monkeypatch)
    played = _found()
    least = smallest(played)
    assert 0 < len(least.strikes) <= len(played.script.strikes)
    for one in range(len(least.strikes)):
        fewer = least.with_strikes(least.strikes[:one] + least.strikes[one + 1 :])
        assert not Storm(fewer).run().rules & played.rules
    file = tmp_path / "blows.json"
    file.write_text(json.dumps(least.to_json()))
    again = run("sim", "--script", file, "--json")
    assert again.exit_code == 1
    told = json.loads(again.stdout)
    assert {one["rule"] for one in told["violations"]} & played.rules
    monkeypatch.undo()
    assert run("sim", "--script", file, "--json").exit_code == 0


def test_a_script_is_the_same_when_it_has_been_kept() -> None:
    script = swarm(3)
    assert any(math.isinf(one.for_s) for n in range(20) for one in swarm(n).strikes)
    for seed in range(20):
        script = swarm(seed)
        assert script_from_json(json.dumps(script.to_json())) == script


def test_a_violation_of_the_swarm_prints_its_seed_and_a_script(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    PLANTS["release before stop"](monkeypatch)
    result = run("sim", "--swarm", "20", "--seed", "1")
    assert result.exit_code == 1
    assert "seed " in result.stdout
    told = script_from_json(result.stdout.strip().splitlines()[-1])
    assert isinstance(told, Script)
    assert not Storm(told).run().kept


def test_storms_that_break_nothing_say_so() -> None:
    result = run("sim", "--swarm", "2", "--seed", "2", "--json")
    assert result.exit_code == 0, result.stderr
    assert json.loads(result.stdout)["kept"] is True


@pytest.mark.parametrize(
    "content",
    [
        "",
        "[]",
        '{"schema": "coord.blows/2"}',
        '{"schema": "coord.blows/1"}',
    ],
)
def test_a_file_that_is_no_script_is_refused(tmp_path: Path, content: str) -> None:
    file = tmp_path / "blows.json"
    file.write_text(content)
    result = run("sim", "--script", file, "--json")
    assert result.exit_code not in {0, 1}
    told = json.loads(result.stderr)
    assert str(file) in told["cause"]
    assert told["cure"]


def test_what_a_script_says_cannot_be_said_beside_it(tmp_path: Path) -> None:
    result = run("sim", "--script", tmp_path / "any.json", "--store", "etcd", "--json")
    assert result.exit_code not in {0, 1}
    assert "--store" in json.loads(result.stderr)["cause"]


def test_reading_names_the_line(tmp_path: Path) -> None:
    file = tmp_path / "blows.json"
    file.write_text('{\n"schema": }')
    with pytest.raises(Exception, match="line 2"):
        read_script(file)
