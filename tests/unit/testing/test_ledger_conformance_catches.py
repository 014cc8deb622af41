"""The ledger suite can fail: each bug of a store is caught by the check that is meant for it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import pytest

from coord.errors import CoordError, StoreConflict, StoreUnavailable
from coord.tasks.spi import Entry, LedgerStore
from coord.testing.checks import MissingHook
from coord.testing.clock import ManualClock
from coord.testing.ledger_conformance import (
    LEDGER_CHECKS,
    LedgerHarness,
    check_ledger,
    ledger_gate_over,
)
from coord.testing.memory_ledger import MemoryLedger, MemoryRecords

_BY_NAME = {check.name: check for check in LEDGER_CHECKS}


class Blind(MemoryLedger):
    """Writes whatever stands there."""

    def write(self, key: str, body: bytes, *, expect: str | None, keep_s: float) -> str:
        found = self.read([key]).get(key)
        tag = found.tag if found else None
        return super().write(key, body, expect=tag, keep_s=keep_s)


class Sloppy(MemoryLedger):
    """Compares only where a tag was named: two first writers both win."""

    def write(self, key: str, body: bytes, *, expect: str | None, keep_s: float) -> str:
        if expect is None:
            found = self.read([key]).get(key)
            expect = found.tag if found else None
        return super().write(key, body, expect=expect, keep_s=keep_s)


class Counting(MemoryLedger):
    """Numbers the writings of a key, and begins anew with each new record."""

    def read(self, keys: Sequence[str]) -> Mapping[str, Entry]:
        found = super().read(keys)
        return {key: Entry(str(self._number(key, e.tag)), e.body) for key, e in found.items()}

    def write(self, key: str, body: bytes, *, expect: str | None, keep_s: float) -> str:
        stored = super().read([key]).get(key)
        shown = str(self._number(key, stored.tag)) if stored else None
        if shown != expect:
            raise StoreConflict("another number")
        tag = stored.tag if stored else None
        if stored is None:
            self._first[self._place(key)] = ""
        written = super().write(key, body, expect=tag, keep_s=keep_s)
        return str(self._number(key, written))

    _first: dict[tuple[int, str], str] = {}  # noqa: RUF012  as long as the records, for one test
    _count: dict[tuple[int, str], dict[str, int]] = {}  # noqa: RUF012

    def _place(self, key: str) -> tuple[int, str]:
        return id(self.records), key

    def _number(self, key: str, tag: str) -> int:
        place = self._place(key)
        if not self._first.get(place):
            self._first[place] = tag
            self._count[place] = {}
        numbers = self._count[place]
        return numbers.setdefault(tag, len(numbers))


class Deaf(MemoryLedger):
    """Repeats a request whose reply was lost, and takes its own writing for another's."""

    def write(self, key: str, body: bytes, *, expect: str | None, keep_s: float) -> str:
        super().write(key, body, expect=expect, keep_s=keep_s)
        return super().write(key, body, expect=expect, keep_s=keep_s)


class Forgetful(MemoryLedger):
    """Shows each handle what it wrote itself, and little else."""

    def __init__(self, records: MemoryRecords) -> None:
        super().__init__(records)
        self._wrote: set[str] = set()

    def read(self, keys: Sequence[str]) -> Mapping[str, Entry]:
        return {key: e for key, e in super().read(keys).items() if key in self._wrote}

    def write(self, key: str, body: bytes, *, expect: str | None, keep_s: float) -> str:
        self._wrote.add(key)
        return super().write(key, body, expect=expect, keep_s=keep_s)


class Folding(MemoryLedger):
    """Takes keys for equal that differ by case."""

    def read(self, keys: Sequence[str]) -> Mapping[str, Entry]:
        found = super().read([key.lower() for key in keys])
        return {key: found[key.lower()] for key in keys if key.lower() in found}

    def write(self, key: str, body: bytes, *, expect: str | None, keep_s: float) -> str:
        return super().write(key.lower(), body, expect=expect, keep_s=keep_s)


class Cutting(MemoryLedger):
    """Cuts what is too long instead of refusing it."""

    def write(self, key: str, body: bytes, *, expect: str | None, keep_s: float) -> str:
        cut = body[: self.guarantees.body_max]
        return super().write(key, cut, expect=expect, keep_s=keep_s)


class Undead(MemoryLedger):
    """Goes on after it was closed."""

    def close(self) -> None:
        return


BUGS: dict[type[MemoryLedger], str] = {
    Blind: "a_stale_run_changes_nothing_of_its_successors_record",
    Sloppy: "of_racing_first_writers_one_wins",
    Counting: "tags_are_never_used_again_after_a_removal",
    Deaf: "each_write_gives_another_tag",
    Forgetful: "what_was_written_is_read_by_every_process",
    Folding: "every_printable_key_names_a_record_of_its_own",
    Cutting: "the_largest_record_is_written_and_a_larger_one_is_not",
    Undead: "a_handle_that_was_closed_refuses",
}


def _harness(
    kind: Callable[[MemoryRecords], LedgerStore] = MemoryLedger,
) -> LedgerHarness:
    clock = ManualClock()
    groups: dict[str, MemoryRecords] = {}

    def records(group: str) -> MemoryRecords:
        return groups.setdefault(group, MemoryRecords(clock))

    return LedgerHarness(
        open=lambda group: kind(records(group)),
        clock=clock,
        sleep=clock.advance,
        lease_s=10.0,
        gate=lambda group: ledger_gate_over(kind(records(group)), clock=clock),
        remove=lambda group, key: MemoryLedger(records(group)).remove(key),
        reopen=lambda: None,
    )


@pytest.mark.parametrize("kind", BUGS, ids=lambda kind: kind.__name__)
def test_a_bug_is_caught_by_the_check_that_is_meant_for_it(kind: type[MemoryLedger]) -> None:
    check = _BY_NAME[BUGS[kind]]
    check.run(_harness())
    with pytest.raises((AssertionError, CoordError)):
        check.run(_harness(kind))


def test_a_lost_reply_that_is_called_a_conflict_is_caught() -> None:
    """The gate loses the reply; the store asks again and meets its own writing."""

    class Repeating(MemoryLedger):
        def write(self, key: str, body: bytes, *, expect: str | None, keep_s: float) -> str:
            try:
                return gate.store.write(key, body, expect=expect, keep_s=keep_s)
            except StoreUnavailable:
                return super().write(key, body, expect=expect, keep_s=keep_s)

    harness = _harness()
    assert harness.gate is not None
    gate = harness.gate("unused")

    class Gate:
        def __init__(self, group: str) -> None:
            nonlocal gate
            assert harness.gate is not None
            gate = harness.gate(group)
            inner = harness.open(group)
            assert isinstance(inner, MemoryLedger)
            self.store: LedgerStore = Repeating(inner.records)
            self.shut, self.open, self.lose_reply = gate.shut, gate.open, gate.lose_reply

    check = _BY_NAME["a_store_never_takes_its_own_write_for_anothers"]
    check.run(harness)
    with pytest.raises(AssertionError, match=r"not applied|NOT_APPLIED"):
        check.run(replace(harness, gate=Gate))


def test_a_check_without_its_hook_proves_nothing_and_says_so() -> None:
    harness = replace(_harness(), gate=None, remove=None)
    left_out = check_ledger(harness, checks=[_BY_NAME["tags_are_never_used_again_after_a_removal"]])
    assert [check.name for check in left_out] == ["tags_are_never_used_again_after_a_removal"]
    with pytest.raises(MissingHook, match="remove"):
        left_out[0].run(harness)


def test_every_check_says_what_promise_it_proves() -> None:
    assert len(_BY_NAME) == len(LEDGER_CHECKS) >= 30
    assert [check.name for check in LEDGER_CHECKS if not check.promise] == []
