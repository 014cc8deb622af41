"""Serving a task and closing its coordinator at the same moment: whatever was opened is closed."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from typing import Any

import pytest

from coord import Coordinator, Job, Role, Timing, UsageError, task
from coord.tasks import Ledger

_BOUND_S = 20.0
_NUMBERS = count()


@task(every="1h")
def sweep(job: Job) -> None:
    """Not within this test."""


@task(every="1h")
def other(job: Job) -> None:
    """Neither."""


class Ledgers:
    """Every ledger that is opened; each opening takes until `go`."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.opening = threading.Event()
        self.go = threading.Event()
        self.opened = 0
        self.closed = 0
        really, closing = Ledger.open, Ledger.close

        def slowly(*args: Any, **settings: Any) -> Ledger:  # noqa: ANN401
            self.opening.set()
            assert self.go.wait(_BOUND_S)
            self.opened += 1
            return really(*args, **settings)

        def close(ledger: Ledger) -> None:
            self.closed += 1
            closing(ledger)

        monkeypatch.setattr(Ledger, "open", slowly)
        monkeypatch.setattr(Ledger, "close", close)


@pytest.fixture
def ledgers(monkeypatch: pytest.MonkeyPatch) -> Ledgers:
    return Ledgers(monkeypatch)


@pytest.fixture
def fleet() -> Iterator[Coordinator]:
    url = f"memory://serving-ends-{next(_NUMBERS)}/g"
    with Coordinator(url, timing=Timing.of(5.0, settle_s=0.0)) as made:
        yield made


def test_serving_a_task_while_the_coordinator_closes_leaves_no_ledger_open(
    fleet: Coordinator, ledgers: Ledgers
) -> None:
    with ThreadPoolExecutor(2) as pool:
        serving = pool.submit(fleet.serve, Role("sweep"), sweep)
        assert ledgers.opening.wait(_BOUND_S)
        closing = pool.submit(fleet.close)
        threading.Event().wait(0.2)
        assert not closing.done(), "it waits for what is being opened"
        ledgers.go.set()
        serving.result(_BOUND_S)
        closing.result(_BOUND_S)
    assert (ledgers.opened, ledgers.closed) == (1, 1)


def test_tasks_that_are_served_at_the_same_moment_share_one_ledger(
    fleet: Coordinator, ledgers: Ledgers
) -> None:
    with ThreadPoolExecutor(2) as pool:
        serving = [pool.submit(fleet.serve, w.__name__, w) for w in (sweep, other)]
        assert ledgers.opening.wait(_BOUND_S)
        ledgers.go.set()
        for one in serving:
            one.result(_BOUND_S)
    fleet.close()
    assert (ledgers.opened, ledgers.closed) == (1, 1)


def test_a_coordinator_that_is_closed_serves_no_task_and_opens_nothing(
    fleet: Coordinator, ledgers: Ledgers
) -> None:
    ledgers.go.set()
    fleet.close()
    with pytest.raises(UsageError, match="is closed"):
        fleet.serve(Role("sweep"), sweep)
    assert ledgers.opened == 0
