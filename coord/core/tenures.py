"""What this member holds, is getting, or is giving back: one tenure a claim key.

Owns the tenures and their phases. May not know who should hold what, nor deadlines: others ask,
and this file makes sure that each asking follows the table and leaves the right note.

Rules kept here:

* One tenure a key at a time, and a key whose old code still runs is never claimed again by this
  member. (A term and its successor in one process would else run side by side, under one host's
  token order but with nobody fenced from nobody.)
* A claim is given back only after its code has stopped, except when it is late with progress or
  forced: then the note says unclean, and the resource's guard has to refuse what comes late.
* What a view shows as ours and has no tenure is adopted if it is wanted, or released by its token:
  the answer to our claim was lost, or it landed late. Never adopted is a token whose tenure has
  ended here before, for then the view is merely old; nor one that was once asked to be released,
  for that request may land at any time. What is to be released is asked again until the store
  confirms it, whether or not it ever had a tenure.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from coord.config import Role
from coord.core.progress import Debt
from coord.core.states import TenurePhase, TenureSignal, next_tenure_phase
from coord.model import Claim, ClaimKey, EndingKind, Note
from coord.spi import Tenure

__all__ = ["Tenancy", "Tenures"]

_INF = float("inf")


@dataclass(slots=True, eq=False)
class Tenancy(Debt):
    """One tenure, from request to the end of its code, with what it owes."""

    key: ClaimKey
    role: Role
    note: Note
    session: str
    phase: TenurePhase = TenurePhase.CLAIMING
    token: int = 0
    since_s: float = 0.0
    renewed_s: float = 0.0
    running: bool = False
    active: bool = False
    """Whether the claim is ours and its code may still be acting: follows the phase."""
    progressed: bool = False
    wiping: bool = False
    """Whether the store was told of the first progress, or is being told."""
    kind: EndingKind | None = None
    why: str = ""

    def awaits(self, session: str) -> bool:
        """Whether the answer to the claim that `session` asked for is still expected."""
        return self.phase is TenurePhase.CLAIMING and self.session == session

    def as_tenure(self) -> Tenure:
        """The form that the store is told."""
        return Tenure(self.key, self.token, self.note)


class Tenures:
    """All tenures of one member."""

    def __init__(self) -> None:
        self._by_key: dict[ClaimKey, Tenancy] = {}
        self._by_number: dict[int, Tenancy] = {}
        self._ended: dict[ClaimKey, int] = {}
        self._releasing: dict[ClaimKey, Tenancy] = {}
        self._unsent: dict[ClaimKey, Tenancy] = {}
        self._strays: dict[ClaimKey, Tenure] = {}
        self._unsent_strays: dict[ClaimKey, Tenure] = {}
        self._stuck: dict[ClaimKey, Tenancy] = {}
        self._counts = dict.fromkeys(TenurePhase, 0)
        self._next_number = 1
        self.late: dict[ClaimKey, Tenancy] = {}
        self.changes = 0
        """Counts the changes of any tenure's phase."""
        self.stuck_changes = 0
        """Counts the changes of `stuck`."""

    def _move(self, tenancy: Tenancy, signal: TenureSignal) -> None:
        """Follow one edge of the table."""
        self.changes += 1
        self._counts[tenancy.phase] -= 1
        tenancy.phase = phase = next_tenure_phase(tenancy.phase, signal)
        tenancy.active = phase is TenurePhase.LEADING or phase is TenurePhase.STOPPING
        self._counts[phase] += 1

    def __len__(self) -> int:
        return len(self._by_key)

    def __iter__(self) -> Iterator[Tenancy]:
        return iter(list(self._by_key.values()))

    def __contains__(self, key: ClaimKey) -> bool:
        return key in self._by_key

    def at(self, key: ClaimKey) -> Tenancy | None:
        """The tenure of a key, if there is one."""
        return self._by_key.get(key)

    def numbered(self, number: int) -> Tenancy | None:
        """The tenure of a number, while it is not gone."""
        return self._by_number.get(number)

    def of_role(self, role: str) -> list[Tenancy]:
        """The tenures of one role."""
        return [t for t in self._by_key.values() if t.key.role == role]

    def request(self, key: ClaimKey, role: Role, note: Note, session: str) -> Tenancy:
        """A claim is about to be asked for."""
        timeout = role.progress_timeout_s if role.progress_timeout_s is not None else _INF
        number = self._next_number
        tenancy = Tenancy(number, timeout, key, role, note, session)
        self._next_number += 1
        self._by_key[key] = tenancy
        self._by_number[tenancy.number] = tenancy
        self._counts[tenancy.phase] += 1
        return tenancy

    def won(self, tenancy: Tenancy, *, token: int, now: float) -> None:
        """The store gave us the claim."""
        self._move(tenancy, TenureSignal.WON)
        tenancy.token = token
        tenancy.since_s = tenancy.renewed_s = now
        tenancy.running = True

    def refused(self, tenancy: Tenancy) -> None:
        """The store did not give it to us, or nobody knows: a view will tell."""
        self._move(tenancy, TenureSignal.REFUSED)
        self._drop(tenancy)

    def ask(self, tenancy: Tenancy, why: str) -> bool:
        """Ask its code to stop in order. False if it is not leading (any more)."""
        if tenancy.phase is not TenurePhase.LEADING:
            return False
        self._move(tenancy, TenureSignal.ASK)
        tenancy.why = why
        return True

    def force(self, tenancy: Tenancy, note: Note, why: str) -> None:
        """Give the claim back although its code still runs."""
        self._move(tenancy, TenureSignal.FORCE)
        tenancy.note, tenancy.why = note, why
        self._give_back(tenancy)

    def _give_back(self, tenancy: Tenancy) -> None:
        self._releasing[tenancy.key] = self._unsent[tenancy.key] = tenancy

    def work_ended(self, tenancy: Tenancy, note: Note | None) -> None:
        """Its code has stopped; with a `note`, the claim is now to be given back."""
        tenancy.running = False
        if tenancy.phase in (TenurePhase.LEADING, TenurePhase.STOPPING) and note is None:
            self._move(tenancy, TenureSignal.TAKEN)
        self._move(tenancy, TenureSignal.ENDED)
        if tenancy.phase is TenurePhase.GONE:
            self._note_end(tenancy)
            self._drop(tenancy)
        elif note is not None and tenancy.key not in self._releasing:
            tenancy.note = note
            self._give_back(tenancy)

    def taken(self, tenancy: Tenancy, why: str) -> None:
        """The claim is not ours any more."""
        self._move(tenancy, TenureSignal.TAKEN)
        tenancy.why = tenancy.why or why
        self._leave(tenancy)

    def _leave(self, tenancy: Tenancy) -> None:
        self._note_end(tenancy)
        self._releasing.pop(tenancy.key, None)
        self._unsent.pop(tenancy.key, None)
        self.late.pop(tenancy.key, None)
        if tenancy.phase is TenurePhase.GONE:
            self._drop(tenancy)
        elif not tenancy.running:
            self._move(tenancy, TenureSignal.ENDED)
            self._drop(tenancy)
        else:
            self._stuck[tenancy.key] = tenancy
            self.stuck_changes += 1

    def _note_end(self, item: Tenancy | Tenure) -> None:
        if item.token > self._ended.get(item.key, 0):
            self._ended[item.key] = item.token

    def _drop(self, tenancy: Tenancy) -> None:
        if self._by_key.get(tenancy.key) is tenancy:
            del self._by_key[tenancy.key]
        self._by_number.pop(tenancy.number, None)
        self.late.pop(tenancy.key, None)
        if self._stuck.pop(tenancy.key, None) is not None:
            self.stuck_changes += 1

    def disown(self, stray: Tenure) -> None:
        """A claim is ours by the view and no tenure wants it: give it back, and never adopt it."""
        self._note_end(stray)
        self._strays[stray.key] = self._unsent_strays[stray.key] = stray

    def to_release(self) -> list[Tenure]:
        """What must be given back and is not on its way; counts as on its way from now on."""
        found = [tenancy.as_tenure() for tenancy in self._unsent.values()]
        found.extend(self._unsent_strays.values())
        self._unsent.clear()
        self._unsent_strays.clear()
        return found

    @property
    def unsent(self) -> bool:
        """Whether `to_release` has anything."""
        return bool(self._unsent or self._unsent_strays)

    def release_done(self, items: Iterable[Tenure]) -> None:
        """The store confirmed that these are given back."""
        for item in items:
            tenancy = self._releasing.get(item.key)
            if tenancy is not None and tenancy.token == item.token:
                self._move(tenancy, TenureSignal.RELEASED)
                self._leave(tenancy)
            if self._strays.get(item.key) == item:
                del self._strays[item.key]

    def release_failed(self, items: Iterable[Tenure]) -> None:
        """A release is not certain: it will be sent again."""
        for item in items:
            tenancy = self._releasing.get(item.key)
            if tenancy is not None and tenancy.token == item.token:
                self._unsent[item.key] = tenancy
            if self._strays.get(item.key) == item:
                self._unsent_strays[item.key] = item

    def stuck(self, most: int) -> tuple[ClaimKey, ...]:
        """Keys, `most` at most, whose old code still runs here although the claim is not ours."""
        return tuple(sorted(self._stuck)[:most])

    def ended_before(self, claim: Claim) -> bool:
        """Whether this very tenure, or a later one of its key, has ended here already."""
        return claim.token <= self._ended.get(claim.key, 0)

    def forget_session(self) -> None:
        """A new session: what ended under the old one cannot appear as ours again."""
        self._ended.clear()
        self._strays.clear()
        self._unsent_strays.clear()

    @property
    def quiet(self) -> bool:
        """Whether nothing is held or on its way; code may linger."""
        return len(self._by_key) == self._counts[TenurePhase.LINGERING]

    @property
    def asked(self) -> int:
        """How many claims were asked for and are not answered yet."""
        return self._counts[TenurePhase.CLAIMING]

    @property
    def active(self) -> int:
        """How many claims are ours with code that may be acting."""
        return self._counts[TenurePhase.LEADING] + self._counts[TenurePhase.STOPPING]
