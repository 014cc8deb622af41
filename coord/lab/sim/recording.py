"""What happens in a simulated fleet as the records of `coord.events/1`, in memory.

Owns the records, and which of them a later log still needs when the earlier ones are dropped. Draws
no conclusions: `coord.lab.measure` does, as from logs of real processes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from coord.lab.measure.events import (
    Act,
    Backlog,
    End,
    FaultMark,
    Lead,
    Log,
    MemberMark,
    Note,
    Progress,
    Record,
    RoleMark,
    RoundMark,
    Rpc,
    Trust,
    Who,
)
from coord.model import ClaimKey
from coord.testing.world_clock import TrueClock

__all__ = ["DRIVER", "Recorder"]

_Name = tuple[Who, ClaimKey, int]
"""A tenure: of which process, of which claim, under which token."""

_AFTER_S = 1e-6
"""In a process what follows is a moment later; here it would be the same one."""

DRIVER = Who("sim", 0)
"""Who writes what no member does: roles, backlogs, rounds."""


class Recorder:
    """The records since the last `cut`. All moments are true time, in seconds."""

    def __init__(self, clock: TrueClock) -> None:
        self._clock = clock
        self._records: list[Record] = []
        self._roles: list[RoleMark] = []
        self._starts: dict[Who, MemberMark] = {}
        self._trusts: dict[Who, Trust] = {}
        self._leads: dict[_Name, Lead] = {}
        self._ended: dict[_Name, tuple[Lead, End]] = {}
        self._running: set[_Name] = set()
        """Tenures whose code has not stopped: an act may still come of them."""
        self._last: dict[ClaimKey, _Name] = {}
        self._taken: dict[tuple[str, ClaimKey], Act] = {}

    def log(self) -> Log:
        """All that was recorded since the last cut, and what of before it still matters."""
        return Log.of(self._records)

    def cut(self) -> None:
        """Forget all but what still holds: roles, members, open tenures, newest tokens.

        And the tenures that are over of which an act is kept, or may still come.
        """
        acts = self._taken.values()
        named = {*self._last.values(), *((act.who, act.key, act.token) for act in acts)}
        named |= self._running
        self._ended = {name: pair for name, pair in self._ended.items() if name in named}
        kept: list[Record] = [*self._roles, *self._starts.values(), *self._leads.values()]
        for pair in self._ended.values():
            kept += pair
        kept += [*self._trusts.values(), *acts]
        self._records = kept

    # --- what members tell -------------------------------------------------------------------

    def member(self, who: Who, state: str) -> None:
        """The member "start"s or "stop"s."""
        mark = MemberMark(self._clock.now(), who, state)
        self._records.append(mark)
        if state == "start":
            self._starts[who] = mark
        else:
            self.gone(who)

    def gone(self, who: Who) -> None:
        """Nothing more will come of this process, not even a moment later."""
        self._no_later(who)
        self._starts.pop(who, None)
        self._trusts.pop(who, None)
        for name in [name for name in self._leads if name[0] == who]:
            lead = self._leads.pop(name)
            self._ended[name] = lead, End(self._clock.now(), who, lead.key, lead.token, "")
        self._running = {name for name in self._running if name[0] != who}

    def _no_later(self, who: Who) -> None:
        now_s = self._clock.now()
        for place in range(len(self._records) - 1, -1, -1):
            record = self._records[place]
            if record.t < now_s:
                return
            if record.who == who and record.t > now_s:
                self._records[place] = replace(record, t=now_s)

    def trust(self, who: Who, until_s: float) -> None:
        """All tenures of this process may act until then."""
        record = Trust(self._clock.now(), who, until_s)
        self._trusts[who] = record
        self._records.append(record)

    def lead(self, who: Who, key: ClaimKey, token: int, until_s: float, asked_s: float) -> None:
        """A tenure began."""
        record = Lead(self._clock.now(), who, key, token, until_s, asked_s)
        name = who, key, token
        self._leads[name] = record
        self._running.add(name)
        if key not in self._last or self._last[key][2] < token:
            self._last[key] = name
        self._records.append(record)

    def end(self, who: Who, key: ClaimKey, token: int, why: str) -> None:
        """A tenure ended; the first time counts."""
        lead = self._leads.pop((who, key, token), None)
        if lead is None:
            return
        record = End(self._clock.now() + _AFTER_S, who, key, token, why)
        self._ended[who, key, token] = lead, record
        self._records.append(record)

    def stopped(self, who: Who, key: ClaimKey, token: int) -> None:
        """The code of a tenure has stopped: it is over now, if it was not before."""
        self.end(who, key, token, "ended")
        self._running.discard((who, key, token))

    def rpc(self, who: Who, op: str, start_s: float, *, ok: bool) -> None:
        """A call to the store came back."""
        now_s = self._clock.now()
        self._records.append(Rpc(now_s, who, op, start_s, now_s, ok, 1))

    def note(self, who: Who, what: str, detail: str) -> None:
        """A remark of the core."""
        self._records.append(Note(self._clock.now(), who, what, detail))

    # --- what the work tells -----------------------------------------------------------------

    def act(
        self,
        who: Who,
        key: ClaimKey,
        token: int,
        *,
        fenced: bool,
        accepted: bool,
        start_s: float,
        units: Sequence[str],
    ) -> None:
        """An act reached a resource."""
        resource = "fenced" if fenced else "unfenced"
        error = "" if accepted else "Fenced"
        record = Act(
            self._clock.now(),
            who,
            key,
            token,
            resource,
            fenced,
            accepted,
            start_s,
            None,
            tuple(units),
            error,
        )
        newest = self._taken.get((resource, key))
        if accepted and (newest is None or token >= newest.token):
            self._taken[resource, key] = record
        self._records.append(record)

    def progress(self, who: Who, key: ClaimKey, token: int) -> None:
        """User code got something done."""
        self._records.append(Progress(self._clock.now(), who, key, token))

    def backlog(self, role: str, shard: int, units: Sequence[str]) -> None:
        """These units are due from now on."""
        self._records.append(Backlog(self._clock.now(), DRIVER, role, shard, tuple(units)))

    # --- what the driver tells ---------------------------------------------------------------

    def role(self, mark: RoleMark) -> None:
        """The role has this shape from now on."""
        self._roles.append(mark)
        self._records.append(mark)

    def fault(self, kind: str, mark: str, phase: str, who: Who) -> None:
        """A phase of a fault: "begin", "effect", "end"."""
        self._records.append(FaultMark(self._clock.now(), who, kind, mark, phase))

    def round(self, number: int, mode: str, fault: str, state: str) -> None:
        """A measured stretch "start"s or "end"s."""
        self._records.append(RoundMark(self._clock.now(), DRIVER, number, mode, fault, state))
