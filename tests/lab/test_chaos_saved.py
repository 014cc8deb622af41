"""Runs that are kept: judged again from their files alone, and refused if evidence is missing."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from coord.cli import main
from coord.errors import UsageError
from coord.lab.chaos.saved import load_run
from coord.lab.chaos.verdict import judge
from coord.lab.measure import checked_report
from tests.lab.chaos_runs import FACTS, QUEUE_FACTS, healthy, healthy_queue, saved
from tests.lab.test_chaos_verdict import PLANTED, QUEUE_PLANTED

LOG = "events-a-101.jsonl"


def _check(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as ended:
        main(["chaos", "check", *words])
    printed = capsys.readouterr()
    assert isinstance(ended.value.code, int)
    return ended.value.code, printed.out, printed.err


def test_what_was_kept_is_judged_as_it_was(tmp_path: Path) -> None:
    verdict = saved(tmp_path, healthy())
    facts, log = load_run(tmp_path)
    assert facts == verdict.facts
    assert judge(log, facts) == verdict
    assert json.loads((tmp_path / "report.json").read_text()) == verdict.report


@pytest.mark.parametrize("queue", [False, True])
def test_check_of_a_healthy_run_ends_with_0(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], queue: bool
) -> None:
    saved(tmp_path, *((healthy_queue(), QUEUE_FACTS) if queue else (healthy(), FACTS)))
    code, out, err = _check(capsys, str(tmp_path))
    assert (code, err) == (0, "")
    assert "all rules kept" in out
    assert out.splitlines()[-1] == f"events: {tmp_path}"
    code, out, err = _check(capsys, str(tmp_path), "--json")
    told = json.loads(out)
    assert (code, err, told["schema"], told["kept"]) == (0, "", "coord.chaos/1", True)
    assert (told["violations"], told["excused"], told["events"]) == ([], [], str(tmp_path))
    assert checked_report(told["report"])["rounds"] == 1


@pytest.mark.parametrize(
    ("queue", "rule"),
    [(False, rule) for rule in PLANTED] + [(True, rule) for rule in QUEUE_PLANTED],
)
def test_check_of_a_broken_rule_ends_with_1_and_tells_rule_and_moment(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], queue: bool, rule: str
) -> None:
    script = healthy_queue() if queue else healthy()
    (QUEUE_PLANTED if queue else PLANTED)[rule](script)
    saved(tmp_path, script, QUEUE_FACTS if queue else FACTS)
    code, out, _ = _check(capsys, str(tmp_path))
    assert code == 1
    assert f": {rule}: " in out
    assert "all rules kept" not in out
    code, out, _ = _check(capsys, str(tmp_path), "--json")
    told = json.loads(out)
    assert (code, told["kept"]) == (1, False)
    [broken, *_] = [one for one in told["violations"] if one["rule"] == rule]
    if broken["round"] is not None:
        assert broken["at_s"] - broken["into_round_s"] == 1, "the round begins at 1"
    assert broken["detail"]


def test_violations_that_were_appended_are_found(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    saved(tmp_path, healthy())
    script = healthy()
    PLANTED["stale-accepted"](script)
    with (tmp_path / LOG).open("a") as log:
        log.write(json.dumps(script.lines[-1]) + "\n")
    code, out, _ = _check(capsys, str(tmp_path))
    assert code == 1
    assert "round 1, 8.150 s: stale-accepted: table took reaper/1/0/0 token 20 of b" in out


def test_a_line_that_was_cut_short_is_left_out_and_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    saved(tmp_path, healthy())
    with (tmp_path / LOG).open("a") as log:
        log.write('{"t": 3, "ki')
    code, out, _ = _check(capsys, str(tmp_path))
    assert code == 0
    assert f"damaged, and left out: {tmp_path / LOG}:" in out


def _rewritten(**changes: Any) -> Callable[[Path], None]:  # noqa: ANN401
    def damage(run: Path) -> None:
        facts = json.loads((run / "run.json").read_text())
        facts.update(changes)
        kept = {name: value for name, value in facts.items() if value is not ...}
        (run / "run.json").write_text(json.dumps(kept))

    return damage


def _shorter(run: Path) -> None:
    log = run / LOG
    log.write_text(log.read_text()[:-200])


def _without_logs(run: Path) -> None:
    _rewritten(logs={})(run)
    (run / LOG).unlink()


DAMAGE: dict[str, tuple[Callable[[Path], object], str]] = {
    "no run": (lambda run: (run / "run.json").unlink(), "has no run.json"),
    "no JSON": (lambda run: (run / "run.json").write_text("{"), "run.json is damaged: it is no"),
    "no object": (lambda run: (run / "run.json").write_text("[]"), "it has no schema"),
    "no text": (lambda run: (run / "run.json").write_bytes(b"\xff"), "run.json is damaged"),
    "no schema": (_rewritten(schema=...), "it has no schema"),
    "another schema": (_rewritten(schema="coord.chaos-run/9"), "this release reads"),
    "no bound": (_rewritten(bound_s=...), "bound_s is missing"),
    "bound a text": (_rewritten(bound_s="4"), "bound_s is '4'"),
    "bound without end": (_rewritten(bound_s=float("inf")), "bound_s is inf"),
    "rounds a flag": (_rewritten(rounds=True), "rounds is True"),
    "breaks a list": (_rewritten(breaks=[]), "breaks is []"),
    "logs of texts": (_rewritten(logs={LOG: "x"}), "logs is"),
    "no log": (lambda run: (run / LOG).unlink(), "is missing, one of the 1 event logs"),
    "a shorter log": (_shorter, "is damaged: it has"),
    "no logs at all": (_without_logs, "there is no event log"),
    "another log": (
        lambda run: (run / "x.jsonl").write_text('{"t": 1, "kind": "odd"}\n'),
        "is no record of coord.events/1",
    ),
    "fewer rounds": (_rewritten(rounds=2), "the log has 1 of 2 rounds"),
}


@pytest.mark.parametrize("what", DAMAGE)
def test_a_damaged_run_is_refused_with_cause_and_cure(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], what: str
) -> None:
    saved(tmp_path, healthy())
    damage, cause = DAMAGE[what]
    damage(tmp_path)
    code, out, err = _check(capsys, str(tmp_path), "--json")
    told = json.loads(err)
    assert (code, out) == (5, "")
    assert cause in told["cause"]
    assert told["cure"]


def test_what_is_no_directory_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot be found"):
        load_run(tmp_path / "none")
    (tmp_path / "file").touch()
    with pytest.raises(UsageError, match="is no directory"):
        load_run(tmp_path / "file")
