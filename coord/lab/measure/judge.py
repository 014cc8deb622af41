"""Invariants over a log: what must never happen, whatever was measured.

Owns the rules and their verdicts. Injects nothing and repairs nothing. Rules, by name:

- `stale-accepted`: a fenced resource took an act older than one that it had taken before.
- `token-reused`: two tenures of a claim began under the same token.
- `token-fell`: a claim was asked for after a tenure of it had begun, and won a smaller token.
- `generation-token-fell`: a token of a newer generation is not above all tokens of the older ones.
- `act-without-tenure`: an act under a claim and token that its process was never given.
- `acted-when-dead`: a process wrote a record after it was seen dead.
- `fault-left-standing`: a fault that can be healed began and was never healed.
- `not-recovered`: a shard had a gap or faux later than the bound after the last fault of a round
  (see `recovered`).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from coord.lab.measure.effects import stale_acts
from coord.lab.measure.events import Act, FaultMark, Lead, Log, MemberMark, RoundMark
from coord.lab.measure.faults import DIED
from coord.lab.measure.intervals import Span
from coord.lab.measure.metrics import shard_times
from coord.lab.measure.tenures import Timeline
from coord.model import ClaimKey

__all__ = ["Violation", "judge_log", "recovered"]

_OVER_AT_ONCE = frozenset({"kill", "sigterm", DIED})
"""Nothing of them stands that could be healed; what they ended is started again."""


@dataclass(frozen=True, slots=True)
class Violation:
    """One broken rule: which, when on the boot clock, and what exactly."""

    rule: str
    at_s: float
    detail: str

    def __str__(self) -> str:
        return f"{self.at_s:.6f} {self.rule}: {self.detail}"


def judge_log(line: Timeline) -> list[Violation]:
    """All violations of the rules above but the last, by time."""
    log = line.log
    found = [
        *_stale(log),
        *_tokens(log),
        *_generations(log),
        *_strangers(log),
        *_ghosts(line),
        *_unhealed(log),
    ]
    return sorted(found, key=lambda violation: violation.at_s)


def recovered(line: Timeline, *, within_s: float, tau_s: float) -> list[Violation]:
    """Shards of the last generations that still had gap or faux `within_s` after the last fault.

    A wait of up to `tau_s` is none, as everywhere: workers of a queue that take a backlog in turns
    leave every shard for moments until it is gone, and a shard that moves to a newcomer has a gap.
    Of each round by itself, until its end: what comes after the last one is the orderly end of all,
    which no fleet recovers from. Of a log without rounds: until its end. A fault without an end
    counts as healed when it took effect; who was killed is healed when it has come back, if that is
    later.
    """
    shards = shard_times(line, tau_s=tau_s)
    found = []
    for window in _rounds(line.log):
        since = _healed_s(line.log, window) + within_s
        late = Span(since, max(since, window.end_s))
        for shard, times in shards.items():
            for whole in times.gap | times.faux:
                left = Span(max(whole.start_s, late.start_s), min(whole.end_s, late.end_s))
                if not left.length_s or whole.length_s <= tau_s:
                    continue
                detail = f"{shard.role}/{shard.generation}/{shard.number} for {left.length_s:.3f} s"
                found.append(Violation("not-recovered", left.start_s, detail))
    return sorted(found, key=lambda violation: violation.at_s)


def _rounds(log: Log) -> list[Span]:
    """Each round, one that was cut short to the end of the log; without any, the whole log."""
    starts = [mark.t for mark in log.all(RoundMark) if mark.state == "start"]
    ends = [mark.t for mark in log.all(RoundMark) if mark.state == "end"]
    if not starts:
        return [Span(log.start_s, log.end_s)]
    return [
        Span(start, min((end for end in ends if end > start), default=log.end_s))
        for start in starts
    ]


def _healed_s(log: Log, window: Span) -> float:
    """When the last fault of a round was over, and whoever it had ended was back."""
    struck = [mark.t for mark in log.all(FaultMark) if window.start_s <= mark.t <= window.end_s]
    if not struck:
        return window.start_s
    back = [
        mark.t
        for mark in log.all(MemberMark)
        if mark.state == "start" and min(struck) <= mark.t <= window.end_s
    ]
    return max(*struck, *back, window.start_s)


def _stale(log: Log) -> Iterable[Violation]:
    for act in stale_acts(log, Span(float("-inf"), float("inf"))).found:
        if act.accepted and act.fenced:
            detail = f"{act.resource} took {act.key} token {act.token} of {act.who.member}"
            yield Violation("stale-accepted", act.t, detail)


def _tokens(log: Log) -> Iterable[Violation]:
    last: dict[ClaimKey, Lead] = {}
    for lead in log.all(Lead):
        before = last.get(lead.key)
        detail = f"{lead.key} token {lead.token} of {lead.who.member}"
        if before is not None and lead.token == before.token:
            yield Violation("token-reused", lead.t, f"{detail}, as of {before.who.member}")
        elif before is not None and lead.token < before.token and lead.asked_s > before.t:
            yield Violation("token-fell", lead.t, f"{detail} after {before.token}")
        if before is None or lead.token > before.token:
            last[lead.key] = lead


def _generations(log: Log) -> Iterable[Violation]:
    largest: dict[tuple[str, int], int] = {}
    for lead in log.all(Lead):
        scope = lead.key.role, lead.key.generation
        largest[scope] = max(lead.token, largest.get(scope, 0))
    for lead in log.all(Lead):
        older = max(
            (
                token
                for (role, generation), token in largest.items()
                if role == lead.key.role and generation < lead.key.generation
            ),
            default=0,
        )
        if lead.token <= older:
            detail = f"{lead.key} token {lead.token}, an older generation had {older}"
            yield Violation("generation-token-fell", lead.t, detail)


def _strangers(log: Log) -> Iterable[Violation]:
    given = {(lead.who, lead.key, lead.token): lead.t for lead in reversed(log.all(Lead))}
    known: Act | None = None
    for act in log.all(Act):
        if (
            known is not None
            and known.token == act.token
            and known.who is act.who
            and known.key is act.key
        ):
            continue  # as the act before it, and later
        since = given.get((act.who, act.key, act.token))
        if since is None or act.t < since:
            detail = f"{act.who.member} acted under {act.key} token {act.token}"
            yield Violation("act-without-tenure", act.t, detail)
        else:
            known = act


def _ghosts(line: Timeline) -> Iterable[Violation]:
    for record in line.log.records if line.killed else ():
        gone = line.killed.get(record.who)
        if gone is not None and record.t > gone and not isinstance(record, FaultMark):
            kind = type(record).__name__.lower()
            detail = f"{kind} record of {record.who.member} ({record.who.pid}), gone at {gone:.6f}"
            yield Violation("acted-when-dead", record.t, detail)


def _unhealed(log: Log) -> Iterable[Violation]:
    healed = {mark.mark for mark in log.all(FaultMark) if mark.phase == "end"}
    for mark in log.all(FaultMark):
        stands = mark.fault not in _OVER_AT_ONCE and mark.mark not in healed
        if stands and mark.phase == "begin":
            yield Violation("fault-left-standing", mark.t, f"{mark.fault} of {mark.who.member}")
