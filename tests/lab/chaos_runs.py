"""Event logs of healthy runs, written by hand, and runs made of them."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

from coord.lab.chaos.saved import keep, logs_in
from coord.lab.chaos.verdict import Facts, Verdict, judge
from tests.unit.lab.script import Script

__all__ = ["FACTS", "QUEUE_FACTS", "healthy", "healthy_queue", "item", "saved"]

FACTS = Facts(
    title="a made-up run",
    store="sqlite",
    own=True,
    versions={"coord": "0"},
    ttl_s=2.0,
    expiry="proven",
    drift=0.002,
    poll_s=0.0,
    mode="single",
    fault="kill+pause",
    shards=1,
    seats=1,
    members=4,
    seed=1,
    rounds=1,
    tau_s=1.0,
    bound_s=4.0,
)
QUEUE_FACTS = replace(FACTS, mode="queue", fault="pause", expiry="visibility")


def healthy() -> Script:
    """A kill and a pause, each survived as it should be, and an orderly end. Round: 1 to 15."""
    s = Script()
    s.role(0)
    s.backlog(0, "u1")
    s.lead(0, "a", 10)
    s.act(0.5, "a", 10, units=["u1"])
    s.round(1, 15, mode="single", fault="kill+pause")
    s.fault("kill", "a", 2, effect=2.1)
    s.lead(4, "b", 20, until=6.5, asked=3.9)
    s.act(4.5, "b", 20)
    s.fault("pause", "b", 5, effect=5.1, end=9)
    s.lead(7, "c", 30, asked=6.9)
    s.act(7.5, "c", 30)
    s.act(7.5, "c", 30, resource="bare", fenced=False)
    s.act(9.1, "b", 20, accepted=False, error="Fenced")
    s.act(9.1, "b", 20, resource="bare", fenced=False)
    s.end(9.2, "b", 20)
    s.backlog(10, "u2")
    s.act(10.5, "c", 30, units=["u2"])
    s.end(16, "c", 30)
    s.last(20)
    return s


def item(s: Script, t: float, member: str, seat: int) -> None:
    """One item that falls due, is handed out and done."""
    s.backlog(t, f"i{seat}", seat=seat)
    s.lead(t + 0.1, member, 1, until=t + 2.1, seat=seat)
    s.act(t + 0.2, member, 1, units=[f"i{seat}"], seat=seat)
    s.end(t + 0.3, member, 1, seat=seat)


def healthy_queue() -> Script:
    """A handler is stopped with an item in hand; it is handed out again. Round: 1 to 15."""
    s = Script()
    s.role(0, queue=True)
    for member in ("a", "b"):
        s.member(0, member, "start")
    item(s, 0.5, "a", 0)
    s.round(1, 15, mode="queue", fault="pause")
    s.backlog(2, "i1", seat=1)
    s.lead(2.1, "a", 1, until=4.1, seat=1)
    s.fault("pause", "a", 2.2, effect=2.3, end=8)
    s.lead(4.2, "b", 2, until=6.2, seat=1)
    s.act(4.4, "b", 2, units=["i1"], seat=1)
    s.end(4.5, "b", 2, seat=1)
    s.act(8.1, "a", 1, accepted=False, error="Fenced", seat=1)
    s.end(8.2, "a", 1, seat=1)
    item(s, 10, "b", 2)
    for member in ("a", "b"):
        s.member(16, member, "stop")
    s.last(20)
    return s


def saved(directory: Path, script: Script, facts: Facts = FACTS) -> Verdict:
    """A run directory of this log, as a run leaves it."""
    lines = "".join(json.dumps(line) + "\n" for line in script.lines)
    (directory / "events-a-101.jsonl").write_text(lines)
    verdict = judge(script.log, replace(facts, logs=logs_in(directory)))
    keep(directory, verdict)
    return verdict
