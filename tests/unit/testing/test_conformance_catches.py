"""The suite can fail: each check catches the bug that it is meant for, and none catches nothing."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from itertools import count
from pathlib import Path
from typing import TypeVar

import pytest

import coord
from coord.clock import SYSTEM_CLOCK
from coord.errors import Certainty, CoordError, StoreUnavailable
from coord.spi import Proof, Store
from coord.testing.conformance import CHECKS, Check, Harness, MissingHook, check_store
from coord.testing.faults import Delivery, Fate, FaultPlan, FaultyStore, Request
from coord.testing.group_state import GroupState
from coord.testing.memory import MemoryServer, MemorySession, MemoryStore
from tests.conformance.harnesses import memory_harness, virtual_harness
from tests.unit.testing import broken_claims, broken_records, broken_sessions
from tests.unit.testing.bugs import BUGS, Bug

T = TypeVar("T")

_SHELVES = (broken_claims, broken_records, broken_sessions)  # importing them fills BUGS
_BY_NAME = {check.name: check for check in CHECKS}


class _Lies(FaultyStore):
    """Says of every timeout that nothing was applied."""

    def _timed_out(self, request: Request[object], after_s: float) -> StoreUnavailable:
        error = super()._timed_out(request, after_s)
        return StoreUnavailable(error.cause, certainty=Certainty.NOT_APPLIED)


class _LyingGate:
    def __init__(self, harness: Harness) -> None:
        self._plan = FaultPlan()
        self.store: Store = _Lies(harness.open(), self._plan, clock=harness.clock)

    def shut(self) -> None:
        self._plan.add(Fate.HOLD, times=None)

    def open(self) -> None:
        self._plan.mend()
        self._plan.land_held()


def _timeouts_lie() -> Harness:
    harness = virtual_harness()
    return replace(harness, gate=lambda: _LyingGate(harness))


class _StampsOnArrival(MemorySession):
    def heartbeat(self, beacon: bytes) -> Proof:
        proof = super().heartbeat(beacon)
        return replace(proof, sent_at_s=self._store.clock.now())


class _BlockingGate:
    """Holds callers until it opens, as a network does whose packets are on the way."""

    def __init__(self, server: MemoryServer) -> None:
        may_pass = self._may_pass = threading.Event()
        may_pass.set()

        class Handle(MemoryStore):
            session_type = _StampsOnArrival

            def apply(self, group: str, request: Callable[[GroupState, float], T]) -> T:
                assert may_pass.wait(10)
                return super().apply(group, request)

        self.store: Store = Handle(server)

    def shut(self) -> None:
        self._may_pass.clear()

    def open(self) -> None:
        self._may_pass.set()


def _proofs_are_stamped_on_arrival() -> Harness:
    server = MemoryServer(SYSTEM_CLOCK)
    harness = memory_harness(server, SYSTEM_CLOCK, time.sleep, ttl_s=1.0)
    return replace(harness, gate=lambda: _BlockingGate(server))


def _tokens_live_in_memory() -> Harness:
    servers: list[MemoryServer] = []

    class Server(MemoryServer):
        def __init__(self, *args: object, **settings: object) -> None:
            super().__init__(*args, **settings)  # type: ignore[arg-type]
            servers.append(self)

    def restart() -> None:
        servers[0]._rules.serial = count(1)

    return replace(virtual_harness(server_type=Server), reopen=restart)


_MORE = [
    Bug(
        "ProofsAreStampedOnArrival",
        ("a_proof_counts_from_the_sending_not_from_the_answer",),
        _proofs_are_stamped_on_arrival,
    ),
    Bug("TimeoutsLie", ("a_claim_that_lands_late_is_ours_or_nobodys",), _timeouts_lie),
    Bug(
        "TokensLiveInMemory",
        ("tokens_grow_across_a_restart_of_the_store",),
        _tokens_live_in_memory,
    ),
]
_ALL = [*BUGS, *_MORE]
_PAIRS = [(bug, _BY_NAME[name]) for bug in _ALL for name in bug.caught_by]


@pytest.fixture(autouse=True)
def _leaks() -> Iterator[None]:
    yield
    for file in broken_records.WatchesLeaveFilesOpen.left_open:
        file.close()
    broken_records.WatchesLeaveFilesOpen.left_open.clear()


@pytest.mark.parametrize(
    ("bug", "check"), _PAIRS, ids=[f"{bug.name}-{check.name}" for bug, check in _PAIRS]
)
def test_a_check_catches_the_bug_it_is_meant_for(bug: Bug, check: Check) -> None:
    with pytest.raises((AssertionError, CoordError)) as caught:
        check.run(bug.harness())
    assert not isinstance(caught.value, MissingHook)


def test_every_check_catches_some_bug() -> None:
    """A check that no broken store fails would prove nothing on a sound one."""
    assert set(_BY_NAME) - {name for bug in _ALL for name in bug.caught_by} == set()


def test_check_store_reports_all_failures_with_their_names() -> None:
    harness = replace(virtual_harness(), open=_tokenless, gate=None)
    with pytest.raises(ExceptionGroup) as caught:
        check_store(harness, checks=CHECKS[:3])
    notes = [note for error in caught.value.exceptions for note in error.__notes__]
    assert notes == [f"check: {check.name}" for check in CHECKS[:3]]


def _tokenless() -> MemoryStore:
    store = MemoryStore()
    store.close()
    return store


def test_check_store_says_what_it_left_out_for_want_of_a_hook() -> None:
    harness = replace(virtual_harness(), forget=None)
    left_out = check_store(harness)
    assert [check.name for check in left_out] == ["tokens_grow_across_deletion"]
    assert "forget" in left_out[0].missing(harness)
    with pytest.raises(MissingHook):
        left_out[0].run(harness)


def test_every_check_says_which_promise_it_proves() -> None:
    assert len(_BY_NAME) == len(CHECKS)
    assert [check.name for check in CHECKS if len(check.promise) < 20] == []


def test_the_plan_of_a_gate_holds_and_lands_in_order() -> None:
    """What the ambiguity checks rest on, for stores without a network."""
    plan = FaultPlan()
    plan.add(Fate.HOLD, times=None)
    landed: list[int] = []
    for number in range(3):
        request = Request("claim", "a", 0.0, partial(landed.append, number))
        assert plan.decide(request) == Delivery(Fate.HOLD)
        plan.hold(request)
    assert landed == []
    plan.land_held()
    assert landed == [0, 1, 2]


def test_the_example_for_store_writers_runs_as_printed() -> None:
    text = Path(coord.__file__).parents[1].joinpath("docs/writing-a-store.md").read_text()
    example = text.split("```python\n")[1].split("```")[0]
    printed: dict[str, object] = {}
    exec(compile(example, "writing-a-store.md", "exec"), printed)  # noqa: S102  our own page
    harness = printed["HARNESS"]
    assert isinstance(harness, Harness)
    assert [c.name for c in CHECKS if c.missing(harness)] == ["nothing_is_left_behind_after_close"]
    _BY_NAME["a_held_key_is_refused_to_everyone_else"].run(harness)


def test_every_check_that_the_documents_name_exists() -> None:
    text = Path(coord.__file__).parents[1].joinpath("docs/writing-a-store.md").read_text()
    table = text.split("## Where stores go wrong")[1].split("## Making it available")[0]
    named = re.findall(r"\| `(\w+)` \|$", table, flags=re.MULTILINE)
    assert len(named) > 10
    assert set(named) <= set(_BY_NAME)
