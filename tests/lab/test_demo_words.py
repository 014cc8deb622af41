"""What the demo says: from the figures alone, and within the terminal."""

from __future__ import annotations

import io
from typing import Any

import pytest
from rich.console import Console
from rich.text import Text

from coord.lab.chaos.led_scene import LedScene
from coord.lab.chaos.queue_scene import QueueScene
from coord.lab.chaos.scene import State
from coord.lab.demo.cast import MEMBERS
from coord.lab.demo.summary import legend, notes, outcome, table, trades
from coord.lab.demo.view import Display
from coord.lab.measure import Round, RoundResult
from coord.lab.measure.effects import StaleActs
from coord.lab.measure.events import (
    Act,
    Backlog,
    End,
    FaultMark,
    Lead,
    MemberMark,
    Record,
    Trust,
    Who,
)
from coord.lab.measure.failover import Failover
from coord.lab.measure.faults import Fault
from coord.lab.measure.form import checked_report
from coord.lab.measure.intervals import Span
from coord.lab.measure.report import Report
from coord.lab.work.modes import mode_named
from coord.model import ClaimKey

FIGURES = {"n": 1, "mean": 0.2, "p50": 0.2, "p99": None, "max": 0.2}


def _run(mode: str, fault: str, **changes: Any) -> dict[str, Any]:  # noqa: ANN401
    run = {
        "mode": mode,
        "fault": fault,
        "gap_s": {"worst": 1.5, "mean": 1.5},
        "split_s": {"worst": 0, "mean": 0},
        "faux_s": {"worst": 0, "mean": 0},
        "failover_s": dict.fromkeys(("detect", "claim", "warm_up", "total"), FIGURES),
        "stale_acts": {"attempted": 4, "accepted": 0, "accepted_unfenced": 2},
        "false_failovers": 0,
        "blast_radius": 1.0,
        "duplicates": 0,
        "missed": 0,
        "store_requests_per_member_s": 4.0,
    }
    return run | changes


def _report(*runs: dict[str, Any], ttl_s: float = 2.0, store: str = "sqlite") -> Report:
    report = {"schema": "coord.report/1", "store": store, "ttl_s": ttl_s, "seed": 1}
    counts = {"members": 4, "shards": 12, "seats": 3, "rounds": 1}
    return checked_report({**report, **counts, "runs": list(runs)})


def _trade(*runs: dict[str, Any]) -> str:
    return trades(_report(*runs))[-1][1]


@pytest.mark.parametrize(
    ("warm_up_s", "said"),
    [
        (0.1, "single, kill: a successor acted after 9.00 s;"),
        (None, "no successor acted for 9.00 s"),
    ],
)
def test_a_round_that_nobody_took_over_in_names_no_successor(
    warm_up_s: float | None, said: str
) -> None:
    fault = Fault("kill", "kill", Who("worker-1", 0), begin_s=0.0, effect_s=0.0, end_s=9.0)
    quick = Failover(ClaimKey("r", 1, 0, 0), fault, 0.1, 0.1, 0.1, 0.3)
    slow = Failover(ClaimKey("r", 1, 1, 0), fault, None, None, warm_up_s, 9.0)
    result = RoundResult(
        round=Round(1, "single", "kill", Span(0.0, 9.0)),
        gap_s=(9.0,),
        split_s=(0.0,),
        faux_s=(0.0,),
        failovers=(quick, slow),
        stale_acts=StaleActs(),
        false_failovers=0,
        blast_radius=1.0,
        duplicates=0,
        missed=0,
        requests=0,
        member_s=36.0,
    )
    assert said in outcome(result)


NO_GAP = {"worst": 0.0, "mean": 0.0}


@pytest.mark.parametrize(
    ("changes", "said", "unsaid"),
    [
        ({}, "Every fault stopped all of the work", "the rest went on"),
        ({}, "stood still for 1.50 s (pause)", "No fault"),
        ({"blast_radius": 0.25}, "A fault stopped 25% of the work, and the rest", "all of"),
        ({"gap_s": NO_GAP, "blast_radius": 0.0}, "No fault left any work", "stood still"),
        ({"faux_s": {"worst": 2.5, "mean": 1}}, "stood still for 2.50 s", "1.50"),
        ({}, "No row was handled twice.", "price"),
        ({"duplicates": 1}, "The price: 1 time a row", "No row"),
        ({"duplicates": 2345}, "The price: 2,345 times a row", "No row"),
        ({"missed": 3}, "3 rows stayed undone", "handled that"),
    ],
)
def test_a_trade_says_what_the_figures_show(
    changes: dict[str, Any], said: str, unsaid: str
) -> None:
    text = _trade(_run("any", "pause", **changes))
    assert said in text
    assert unsaid not in text


def test_costs_are_told_beside_those_of_the_first_mode() -> None:
    text = _trade(
        _run("single", "kill"), _run("localized", "kill", store_requests_per_member_s=6.0)
    )
    assert "6.0 store requests a second and worker, 1.5 × those of single." in text


def test_different_reaches_are_told_as_they_are() -> None:
    runs = [_run("m", "kill", blast_radius=0.25), _run("m", "pause", blast_radius=0.5)]
    assert "A fault stopped 25% to 50% of the work" in _trade(*runs)
    runs = [_run("m", "kill", blast_radius=1.0), _run("m", "pause", blast_radius=0.5)]
    assert "All of the work stopped with kill" in _trade(*runs)


def test_a_death_that_was_proven_and_one_that_was_waited_for_are_told_apart() -> None:
    at_once, waited = (
        notes(_report(_run("m", "kill"))),
        notes(_report(_run("m", "kill"), ttl_s=0.3)),
    )
    assert "the death of a process can be proven" in at_once[0]
    assert "a silent session is waited for, up to its ttl of 0.3 s" in waited[0]


@pytest.mark.parametrize("fault", ["kill", "pause"])
@pytest.mark.parametrize(
    ("store", "words"),
    [
        ("etcd", "its lease of 2 s has to run out"),
        ("zookeeper", "its session of 2 s has to run out"),
        ("dynamodb", "have watched stand still for the ttl of 2 s"),
        ("another", "a silent session is waited for, up to its ttl of 2 s"),
    ],
)
def test_only_where_it_can_be_a_death_is_said_to_be_proven(
    store: str, words: str, fault: str
) -> None:
    note = notes(_report(_run("m", fault), store=store))[0]  # found out after a tenth of the ttl
    assert note.startswith(f"{fault}: found out after 0.20 s on average")
    assert words in note
    assert "proven" not in note


def test_stale_acts_are_told_even_if_the_fence_had_failed() -> None:
    stale = {"attempted": 4, "accepted": 1, "accepted_unfenced": 2}
    text = notes(_report(_run("m", "pause", stale_acts=stale)))[-1]
    assert "the fenced table took 1, the unfenced table 2" in text
    none = dict.fromkeys(stale, 0)
    assert "none was attempted" in notes(_report(_run("m", "pause", stale_acts=none)))[-1]


def test_the_table_and_its_legend_fit_80_columns() -> None:
    large = {"duplicates": 99999, "missed": 0, "store_requests_per_member_s": 123.4}
    stale = {"attempted": 180, "accepted": 0, "accepted_unfenced": 90}
    modes = ("single", "co-leaders", "queue")
    runs = [_run(m, f, stale_acts=stale, **large) for m in modes for f in "kp"]
    out = io.StringIO()
    console = Console(file=out, width=80)
    console.print(table(_report(*runs)))
    console.print(legend())
    lines = out.getvalue().splitlines()
    assert max(map(len, lines)) <= 80
    assert "99999" in lines[2]
    assert "180/0/90" in lines[2]
    assert "…" not in out.getvalue()


# --- the queue -------------------------------------------------------------------------------


def test_of_a_queue_it_is_said_what_lay_and_that_requests_go_to_the_queue() -> None:
    text = _trade(
        _run("single", "kill"),
        _run("queue", "kill", blast_radius=0.25, store_requests_per_member_s=6.0),
        _run("queue", "wedge", blast_radius=0.5, store_requests_per_member_s=10.0),
    )
    assert "A fault left messages of 25% to 50% of the partitions lying" in text
    assert "stood still for 1.50 s (kill)" in text
    assert "8.0 requests to the queue a second and worker, 2.0 × those of single" in text


def test_a_queue_that_left_nothing_lying_is_said_to() -> None:
    text = _trade(_run("queue", "kill", gap_s=NO_GAP, blast_radius=0.0))
    assert "No fault left any work without somebody to do it." in text
    assert "lying" not in text


def test_what_the_queue_took_to_hand_out_again_is_told_apart_from_what_was_found_out() -> None:
    slow = {"n": 1, "mean": 1.9, "p50": 1.9, "p99": None, "max": 1.9}
    parts = dict.fromkeys(("detect", "warm_up", "total"), slow)
    none = {"n": 0, "mean": None, "p50": None, "p99": None, "max": None}
    of_queue = _run("queue", "kill", failover_s={**parts, "claim": none})
    found = notes(_report(_run("single", "kill"), of_queue, ttl_s=0.5))
    assert found[0].startswith("kill: found out after 0.20 s on average"), "the queue is no part"
    assert found[1].startswith(
        "queue: messages in hand came to another handler after 1.90 s (kill)"
    )
    assert "hides them for 1 s at a time" in found[1], "the least that a worker takes"
    assert "leaders and handlers that had been replaced" in found[-1]
    assert [note for note in notes(_report(_run("single", "kill"))) if "queue" in note] == []


def test_a_round_of_the_queue_names_partitions() -> None:
    result = RoundResult(
        round=Round(1, "queue", "kill", Span(0.0, 9.0)),
        gap_s=(2.0, 0.0),
        split_s=(0.0, 0.0),
        faux_s=(0.0, 0.0),
        failovers=(),
        stale_acts=StaleActs(),
        false_failovers=0,
        blast_radius=0.5,
        duplicates=0,
        missed=0,
        requests=0,
        member_s=36.0,
    )
    assert outcome(result).startswith("queue, kill: gap 2.00 s, faux 0.00 s, 50% of the partitions")


# --- the live display ------------------------------------------------------------------------

MODE = mode_named("localized")
ONE, TWO = Who(MEMBERS[0], 11), Who(MEMBERS[1], 22)


def _key(shard: int) -> ClaimKey:
    return ClaimKey(MODE.role.name, 1, shard, 0)


def _act(t: float, who: Who, shard: int, token: int, *, fenced: bool, accepted: bool) -> Act:
    name = "fenced" if fenced else "unfenced"
    return Act(t, who, _key(shard), token, name, fenced, accepted, t, None, ("u",), "")


def _scene(*records: Record, until_s: float = 100.0) -> LedScene:
    scene = LedScene(MODE, MEMBERS)
    live = [MemberMark(90.0, who, "start") for who in (ONE, TWO)]
    trust = [Trust(90.0, who, 200.0) for who in (ONE, TWO)]
    scene.take([*live, *trust, *records], until_s)
    return scene


def test_a_stopped_leader_is_shown_as_stopped_until_another_leads() -> None:
    stop = FaultMark(95.0, ONE, "pause", "p", "effect")
    scene = _scene(Lead(91.0, ONE, _key(3), 5, 200.0, 91.0), stop)
    assert scene.workers[ONE.member].state is State.PAUSED
    assert 3 in scene.unled()
    assert scene.leaders() == []
    scene.take([Lead(97.0, TWO, _key(3), 6, 200.0, 97.0)], 97.0)
    assert scene.workers[ONE.member].leads == {}
    assert 3 not in scene.unled()
    assert not scene.taken_over({_key(3): 5})
    scene.take([_act(97.1, TWO, 3, 6, fenced=True, accepted=True)], 97.1)
    assert scene.taken_over({_key(3): 5})


def test_an_act_after_a_newer_one_is_stale_and_a_refused_one_is_refused() -> None:
    scene = _scene(
        _act(92.0, TWO, 3, 6, fenced=True, accepted=True),
        _act(92.0, TWO, 3, 6, fenced=False, accepted=True),
        _act(93.0, ONE, 3, 5, fenced=False, accepted=True),
        _act(93.0, ONE, 3, 5, fenced=True, accepted=False),
    )
    assert (scene.tally.stale_fenced, scene.tally.stale_unfenced) == (0, 1)
    assert (scene.tally.acts, scene.tally.refused) == (1, 1)


def test_a_fleet_is_steady_only_when_all_is_led_acted_on_and_quiet() -> None:
    scene = LedScene(MODE, MEMBERS)
    names = [Who(name, 1) for name in MEMBERS]
    scene.take([MemberMark(90.0, who, "start") for who in names], 90.0)
    scene.take([Trust(90.0, who, 200.0) for who in names], 90.0)
    leads = [Lead(91.0, names[n % 4], _key(n), n + 1, 200.0, 91.0) for n in range(12)]
    scene.take(leads, 91.0)
    assert not scene.steady(100.0, quiet_s=1.0)  # nobody has acted
    acts = [_act(99.5, names[n % 4], n, n + 1, fenced=True, accepted=True) for n in range(12)]
    scene.take(acts, 99.5)
    assert scene.steady(100.0, quiet_s=1.0)
    assert not scene.steady(100.0, quiet_s=20.0)
    scene.take([End(100.0, names[0], _key(0), 1, "released")], 100.0)
    assert not scene.steady(110.0, quiet_s=1.0)


def _pictured(scene: LedScene, *, width: int, encoding: str = "utf-8") -> list[str]:
    out = io.TextIOWrapper(io.BytesIO(), encoding=encoding)
    console = Console(file=out, width=width, height=24, force_terminal=True, legacy_windows=False)
    with Display(console) as display:
        display.show(scene)
        out.seek(0)
        shown = out.read()
    return Text.from_ansi(shown).plain.splitlines()


@pytest.mark.parametrize("width", [60, 80, 100, 200])
def test_the_picture_fits_its_terminal(width: int) -> None:
    leads = [Lead(91.0, ONE, _key(n), n + 1, 200.0, 91.0) for n in range(12)]
    scene = _scene(*leads)
    for moment in range(400):
        scene.take([], 100.0 + moment)
    lines = _pictured(scene, width=width)
    assert max(map(len, lines)) <= width
    assert [line for line in lines if line.startswith("worker-1")]
    assert len(lines) <= 16  # and leaves room for what happens


def _queue_scene() -> QueueScene:
    mode = mode_named("queue")
    scene = QueueScene(mode, MEMBERS)
    scene.take([MemberMark(90.0, who, "start") for who in (ONE, TWO)], 90.0)
    for number, who in ((1, ONE), (2, ONE), (3, TWO)):
        key = ClaimKey(mode.role.name, 1, number, 7)
        backlog = Backlog(91.0, who, mode.role.name, number, ("u",), 7)
        scene.take([backlog, Lead(92.0, who, key, 1, 94.0, 92.0)], 92.0)
    return scene


@pytest.mark.parametrize("width", [60, 80, 200])
def test_the_picture_of_a_queue_says_who_has_how_many_messages(width: int) -> None:
    scene = _queue_scene()
    text = _pictured(scene, width=width)
    assert max(map(len, text)) <= width
    assert [line.split()[-4:] for line in text if line.startswith("worker-1")] == [
        ["2", "now,", "0", "done"]
    ]
    scene.take([FaultMark(93.0, ONE, "pause", "p", "effect")], 93.0)
    text = _pictured(scene, width=width)
    assert [line for line in text if "stopped: 2 in hand" in line]
    (stuck,) = [line for line in text if line.startswith("stuck")]
    assert " 2 for " in stuck, "of two partitions"


def test_a_terminal_without_utf_8_gets_letters() -> None:
    scene = _scene(Lead(91.0, ONE, _key(3), 5, 200.0, 91.0))
    scene.take([FaultMark(95.0, TWO, "kill", "k", "effect")], 101.0)
    text = "\n".join(_pictured(scene, width=80, encoding="ascii"))
    text.encode("ascii")
    assert "# leads" in text
    assert "x dead" in text


def test_without_a_terminal_there_are_only_lines() -> None:
    out = io.StringIO()
    with Display(Console(file=out, width=40)) as display:
        display.show(_scene())
        display.say("kill -9 worker-1, which leads shards 0 4 8 and a few others")
    (line,) = out.getvalue().splitlines()
    assert line.endswith("kill -9 worker-1, which leads shards 0 4 8 and a few others")
