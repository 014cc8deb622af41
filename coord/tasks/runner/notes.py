"""What is written down of a task's units, and how far they are settled.

Owns the keys: one record a unit whatever the mode that runs it, which is what lets a fleet change
its mode without running a tick twice; and one cursor a task, which says too into how many parts
the ticks beyond it are cut that somebody has begun. Decides nothing.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Collection, Iterable, Mapping
from contextlib import suppress
from datetime import datetime
from typing import Protocol

from coord.errors import Fenced, InProgress, PayloadMismatch, StoreConflict, StoreRefused
from coord.tasks.job import Unit
from coord.tasks.ledger import Attempt, Finished, Known, Ledger, State
from coord.tasks.mark import TaskSpec
from coord.tasks.schedule import (
    Cut,
    Pin,
    Schedule,
    Seen,
    Tick,
    TickPart,
    UnitState,
    first_cursor,
)

__all__ = ["SKIPPED", "LedgerNotes", "Notes", "OwnNotes", "enqueued_key", "kept_s", "unit_of"]

_DAY_S = 86_400.0
_CURSOR_KEEP_S = 400 * _DAY_S
_UNIT_KEEP_S = 7 * _DAY_S
SKIPPED = {"coord.skipped": True}
"""The result of a unit that was given up."""


def unit_of(task: str, unit: TickPart, parts: int = 1) -> Unit:
    """The name of a unit, the same for ever and in every mode."""
    return Unit(task, str(unit.tick), unit.part, parts=parts)


def enqueued_key(task: str, unit: TickPart) -> str:
    """Where it is written that a unit was put on a queue."""
    return f"enqueue/{unit_of(task, unit)}"


def kept_s(spec: TaskSpec) -> float:
    """How long the records of its units are kept: for as long as a tick may still be wanted.

    Records that went earlier would have units run again while another part of their tick holds the
    cursor back (`test_records_of_units_outlast_the_window`).
    """
    return _UNIT_KEEP_S + spec.window_s + spec.jitter_s


class Notes(Protocol):
    """Where a runner looks up and writes down. Raises the store's errors."""

    def cursor(self, now_s: float) -> Tick:
        """Up to where all units are settled; a task that is new begins now."""
        ...

    def cut(self, parts: int) -> Cut:
        """Into how many parts each tick is cut, as of the last reading of the cursor: `parts`,
        where nobody has begun it.
        """
        ...

    def pin(self, cut: Cut) -> bool:
        """From now on whoever reads the cursor cuts these ticks so. False: it may be otherwise by
        now, and what was planned is not to be acted on.
        """
        ...

    def states(self, units: Iterable[TickPart]) -> dict[TickPart, Seen]:
        """What is known of those units that have a record."""
        ...

    def skip(self, units: Iterable[TickPart]) -> None:
        """Write down that these are given up."""
        ...

    def move(self, cursor: Tick) -> bool:
        """Everything up to there is settled. Never moves back. False: another cursor stands there
        by now, and what was planned from the old one is not to be acted on.
        """
        ...

    def begin(self, unit: TickPart, *, lost: Callable[[], None]) -> Attempt | Finished | None:
        """The right to run a unit; None where nothing is written down."""
        ...


class OwnNotes:
    """A runner's own memory: for tasks that every seat runs for itself (`once=False`).

    It ends with the runner: a change of leaders may lose or repeat the tick of that moment. `mine`:
    the parts that fall to this runner (None: all); others are no business of its.
    `done` from any thread, the rest from one.
    """

    def __init__(self, schedule: Schedule, mine: Collection[int] | None = None) -> None:
        self._schedule = schedule
        self._mine = mine
        self._cursor: Tick | None = None
        self._lock = threading.Lock()
        self._done: dict[TickPart, Seen] = {}

    def cursor(self, now_s: float) -> Tick:
        """It begins when the runner does."""
        if self._cursor is None:
            self._cursor = first_cursor(self._schedule, now_s)
        return self._cursor

    def cut(self, parts: int) -> Cut:
        """As this runner has it."""
        return Cut(parts)

    def pin(self, cut: Cut) -> bool:
        """It changes with the runner only."""
        return True

    def states(self, units: Iterable[TickPart]) -> dict[TickPart, Seen]:
        """What this runner has done. Parts that it does not run hold nothing up."""
        wanted = list(units)
        with self._lock:
            found = {unit: self._done[unit] for unit in wanted if unit in self._done}
        if self._mine is not None:
            others = {unit for unit in wanted if unit.part not in self._mine}
            found |= dict.fromkeys(others, Seen(UnitState.DONE))
        return found

    def skip(self, units: Iterable[TickPart]) -> None:
        """Remembered until the cursor has passed them."""
        with self._lock:
            self._done |= {unit: Seen(UnitState.SKIPPED) for unit in units}

    def done(self, unit: TickPart) -> None:
        """The runner has run it."""
        with self._lock:
            self._done[unit] = Seen(UnitState.DONE)

    def move(self, cursor: Tick) -> bool:
        """What lies behind it is forgotten."""
        self._cursor = cursor
        with self._lock:
            for unit in [unit for unit in self._done if unit.tick <= cursor]:
                del self._done[unit]
        return True

    def begin(self, unit: TickPart, *, lost: Callable[[], None]) -> Attempt | Finished | None:
        """Nothing is written down."""
        return None


class LedgerNotes:
    """The fleet's memory. `scope` and `token` are those of whoever would run the units."""

    def __init__(
        self,
        ledger: Ledger,
        spec: TaskSpec,
        schedule: Schedule,
        *,
        scope: str,
        token: int,
        is_queue: bool = False,
    ) -> None:
        self._ledger = ledger
        self._task = spec.name
        self._schedule = schedule
        self._scope = scope
        self._token = token
        self._is_queue = is_queue
        self._kept_s = kept_s(spec)
        self._key = f"cursor/{spec.name}"
        self._tag: str | None = None
        self._known: Tick | None = None
        self._pins: tuple[Pin, ...] = ()

    def cursor(self, now_s: float) -> Tick:
        """As the fleet has it; whoever comes first begins it."""
        while (known := self._read_cursor()) is None:
            first = first_cursor(self._schedule, now_s)
            with suppress(StoreConflict):  # another member was first
                self._write_cursor(first, ())
        return known

    def cut(self, parts: int) -> Cut:
        """As the fleet has it, where some part has begun."""
        return Cut(parts, self._pins)

    def pin(self, cut: Cut) -> bool:
        """Conditional on what was read. Of those who begin a tick at once one writes."""
        if cut.pins == self._pins:
            return True
        before = self._known
        assert before is not None  # noqa: S101  it was read
        try:
            self._write_cursor(before, cut.pins)
        except StoreConflict:
            return self._read_cursor() == before and self._pins == cut.pins
        return True

    def move(self, cursor: Tick) -> bool:
        """Conditional on what was read: a member that planned from older notes moves nothing."""
        if self._known is None or cursor <= self._known:
            return True
        try:
            self._write_cursor(cursor, Cut(0, self._pins).beyond(cursor).pins)
        except StoreConflict:
            return False
        return True

    def _read_cursor(self) -> Tick | None:
        entry = self._ledger.store.read([self._key]).get(self._key)
        if entry is None:
            self._tag, self._pins = None, ()
            return None
        try:
            fields = json.loads(entry.body)
            self._known = Tick.parse(fields["tick"])
            self._pins = tuple(
                Pin(Tick.parse(upto), int(parts)) for upto, parts in fields.get("parts", ())
            )
        except Exception as error:
            raise StoreRefused(
                f"the ledger's {self._key!r} cannot be read ({error})",
                cure="Run one release of coord everywhere; keys of the ledger are coord's own.",
            ) from error
        self._tag = entry.tag
        return self._known

    def _write_cursor(self, cursor: Tick, pins: tuple[Pin, ...]) -> None:
        parts = [(str(pin.upto), pin.parts) for pin in pins]
        body = json.dumps({"tick": str(cursor), "parts": parts}).encode()
        self._tag = self._ledger.store.write(
            self._key, body, expect=self._tag, keep_s=_CURSOR_KEEP_S
        )
        self._known, self._pins = cursor, pins

    def states(self, units: Iterable[TickPart]) -> dict[TickPart, Seen]:
        """From the units' records; on a queue also from those of what was put on it."""
        keys = {str(unit_of(self._task, unit)): unit for unit in units}
        sent = {enqueued_key(self._task, unit): unit for unit in keys.values()}
        wanted = [*keys, *sent] if self._is_queue else [*keys]
        known = self._ledger.look(wanted) if wanted else {}
        found = {
            unit: Seen(UnitState.ENQUEUED, _since_s(known[key]))
            for key, unit in sent.items()
            if key in known and known[key].state is State.DONE
        }
        for key, unit in keys.items():
            if key in known and (seen := self._seen(known[key])) is not None:
                found[unit] = seen
        return found

    def _seen(self, known: Known) -> Seen | None:
        if known.state is State.DONE:
            skipped = known.result == SKIPPED
            return Seen(UnitState.SKIPPED if skipped else UnitState.DONE)
        superseded = known.scope == self._scope and known.token < self._token
        if known.state is State.FAILED or superseded or not known.retry_after_s:
            return None  # its run is over: it may be begun again
        return Seen(UnitState.IN_PROGRESS, _begun_s(known))

    def skip(self, units: Iterable[TickPart]) -> None:
        """A unit that somebody has begun after all keeps its record."""
        for unit in units:
            with suppress(InProgress, PayloadMismatch, Fenced):
                found = self._ledger.begin(
                    str(unit_of(self._task, unit)),
                    scope=self._scope,
                    token=self._token,
                    keep_s=self._kept_s,
                )
                if isinstance(found, Attempt):
                    found.done(SKIPPED)

    def begin(self, unit: TickPart, *, lost: Callable[[], None]) -> Attempt | Finished | None:
        """Raises `InProgress` and `Fenced`, as the ledger does."""
        return self._ledger.begin(
            str(unit_of(self._task, unit)),
            scope=self._scope,
            token=self._token,
            renew_for_s=_CURSOR_KEEP_S,
            keep_s=self._kept_s,
            lost=lost,
        )


def _begun_s(known: Known) -> float | None:
    try:
        return datetime.fromisoformat(known.at).timestamp()
    except ValueError:
        return None


def _since_s(known: Known) -> float | None:
    result = known.result
    since_s = result.get("at_s") if isinstance(result, Mapping) else None
    return float(since_s) if isinstance(since_s, int | float) else None
