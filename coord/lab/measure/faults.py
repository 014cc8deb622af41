"""What was done to whom, and when: the injector's marks paired into faults.

Owns which faults freeze a process and which end it. Knows nothing of leadership.
"""

from __future__ import annotations

from dataclasses import dataclass

from coord.lab.measure.events import FaultMark, Log, MemberMark, Who
from coord.lab.measure.intervals import Span, Spans

__all__ = ["DIED", "EVERYBODY", "Fault", "faults", "frozen", "killed", "stopped"]

EVERYBODY = "*"
"""The member of a fault that strikes the store or the network, and so everybody."""

DIED = "died"
"""A process ended by a fault that was not meant to kill it; "effect" is when it was found dead."""

_FREEZES = frozenset({"pause"})
_KILLS = frozenset({"kill", DIED})
_ASK = "sigterm"


@dataclass(frozen=True, slots=True)
class Fault:
    """One injected fault. Moments on the boot clock.

    `begin_s`: just before it was injected; `effect_s`: when the injector saw it in force (the
    process stopped, killed, or asked to go); `end_s`: just before it was healed, or when a process
    that was asked to go was gone. A fault without a mark for its end lasts to the end of the log.
    """

    kind: str
    mark: str
    target: Who
    begin_s: float
    effect_s: float
    end_s: float

    def strikes(self, who: Who) -> bool:
        """Whether this process is among the targets."""
        if self.target.member == EVERYBODY:
            return True
        return self.target.member == who.member and self.target.pid in {0, who.pid}

    def explains(self, who: Who, moment_s: float, *, aftermath_s: float) -> bool:
        """Whether what happened to this process then can be laid to this fault."""
        return self.strikes(who) and self.begin_s <= moment_s <= self.end_s + aftermath_s


def faults(log: Log) -> tuple[Fault, ...]:
    """All faults, by the moment they began. Marks are paired by their id."""
    phases: dict[str, dict[str, FaultMark]] = {}
    for mark in log.all(FaultMark):
        phases.setdefault(mark.mark, {}).setdefault(mark.phase, mark)
    found = []
    for name, marks in phases.items():
        first = min(marks.values(), key=lambda mark: mark.t)
        begin = marks.get("begin", first).t
        effect = marks["effect"].t if "effect" in marks else begin
        end = marks["end"].t if "end" in marks else log.end_s
        found.append(Fault(first.fault, name, first.who, begin, effect, end))
    return tuple(sorted(found, key=lambda fault: fault.begin_s))


def frozen(who: Who, struck: tuple[Fault, ...]) -> Spans:
    """When this process was stopped: it may believe what it likes, it cannot act.

    From the stop being confirmed to just before the continuing: never longer than the truth, so
    that freezing hides no split.
    """
    return Spans.of(
        Span(fault.effect_s, fault.end_s)
        for fault in struck
        if fault.kind in _FREEZES and fault.strikes(who)
    )


def killed(log: Log, struck: tuple[Fault, ...]) -> dict[Who, float]:
    """When each struck process was seen dead: the dead cannot close their beliefs themselves."""
    ends = [(fault, fault.effect_s) for fault in struck if fault.kind in _KILLS]
    ends += [(fault, fault.end_s) for fault in struck if fault.kind == _ASK]
    if not ends:
        return {}
    first_seen: dict[Who, float] = {}
    for record in log.records:
        if record.who not in first_seen and not isinstance(record, FaultMark):
            first_seen[record.who] = record.t
    gone: dict[Who, float] = {}
    for who, seen_s in first_seen.items():
        moments = [moment for fault, moment in ends if fault.strikes(who)]
        later = [moment for moment in moments if moment >= seen_s]  # not those of a former process
        if later:
            gone[who] = min(later)
    return gone


def stopped(log: Log) -> dict[Who, float]:
    """When each process that said so stopped being a member."""
    return {mark.who: mark.t for mark in log.all(MemberMark) if mark.state == "stop"}
