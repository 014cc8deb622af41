"""`coord chaos list`: what it says of faults, targets and this machine, and that it is so."""

from __future__ import annotations

import json

import pytest

from coord.cli import main
from coord.cli.chaos_words import faults_json
from coord.lab.chaos.capabilities import CAPABILITIES
from coord.lab.chaos.faults import CATALOGUE, MEMBERS, SERVERS
from coord.lab.chaos.preflight import refusals
from coord.lab.chaos.reading import OWN_KINDS, parse


def _listed(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    with pytest.raises(SystemExit) as ended:
        main(["chaos", "list", *words])
    assert ended.value.code == 0
    return capsys.readouterr().out


def test_the_list_names_every_fault_target_option_and_capability(
    capsys: pytest.CaptureFixture[str],
) -> None:
    told = json.loads(_listed(capsys, "--json"))
    assert told["schema"] == "coord.faults/1"
    assert [fault["name"] for fault in told["faults"]] == list(CATALOGUE)
    assert list(told["targets"]) == [*MEMBERS, *SERVERS]
    assert [one["name"] for one in told["capabilities"]] == list(CAPABILITIES)
    text = _listed(capsys)
    for kind in CATALOGUE.values():
        assert f"  {kind.name}: {kind.says}" in text
        for option in kind.options:
            assert f"{option.name} = " in text


def test_the_list_says_where_a_fault_cannot_strike_and_what_a_daemon_has_to_do(
    capsys: pytest.CaptureFixture[str],
) -> None:
    told = {one["name"]: one for one in json.loads(_listed(capsys, "--json"))["faults"]}
    for name in ("clock-jump", "clock-drift"):
        fault = told[name]
        assert list(fault["unfit"]) == ["sqlite"]
        assert "SQLite counts on it" in fault["unfit"]["sqlite"]
        assert "the lab's queue is a SQLite file" in fault["unfit_queue"]
        assert "only the lab's own work" in fault["unfit_daemon"]
    assert told["kill"]["unfit_queue"] is told["kill"]["unfit_daemon"] is None
    assert {one["unfit_queue"] for one in told.values() if one["linked"]} == {
        "no store is used, so none of it can be struck"
    }
    assert [name for name, one in told.items() if one["takes_part"]] == ["wedge", "slow", "gil"]
    text = _listed(capsys)
    assert "not in mode queue: the lab's queue is a SQLite file" in text
    assert "not for a daemon of yours: only the lab's own work" in text
    assert "a daemon of yours has to take part: coord.lab.chaos.agent.take_part" in text


def test_what_the_list_says_of_mode_queue_is_what_the_preflight_says() -> None:
    told = {one["name"]: one["unfit_queue"] for one in faults_json()["faults"]}
    for name, unfit in told.items():
        for store in OWN_KINDS:
            text = f'title = "x"\n[[fault]]\nkind = "{name}"\n[store]\nkind = "{store}"\n'
            plan = parse(text + '[fleet]\nmode = "queue"\n', "x.toml")
            refused = refusals(plan, lacks=lambda _: "")
            assert bool(refused) is bool(unfit), (name, store, refused)


def test_the_list_says_what_is_missing_here(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("coord.cli.chaos_words.missing", lambda name: f"there is no {name}")
    told = json.loads(_listed(capsys, "--json"))
    assert all(one["missing"] for one in told["capabilities"])
    assert all(not fault["possible"] for fault in told["faults"] if fault["needs"])
    assert "  root (act as root): no: there is no root" in _listed(capsys)
