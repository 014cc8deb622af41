"""The setting of one check, whatever contract its suite proves.

Owns the handles: two to begin with, opened anew after a restart, and none left at the end. Knows no
contract: each suite's kit says how a handle is opened, and what else its checks are written with.
"""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from collections.abc import Callable
from types import TracebackType
from typing import Generic, Protocol, Self, TypeVar

from coord.clock import Clock
from coord.errors import CoordError
from coord.testing.faults import Closing

__all__ = ["RACE_TIMEOUT_S", "Setting", "expect", "race"]

T = TypeVar("T")
E = TypeVar("E", bound=CoordError)

RACE_TIMEOUT_S = 60.0


class Restartable(Protocol):
    """What is needed of a harness."""

    @property
    def clock(self) -> Clock:
        """What all handles were opened with."""
        ...

    @property
    def reopen(self) -> Callable[[], None] | None:
        """Stop and start what is behind the handles, if that can be done."""
        ...


HarnessT = TypeVar("HarnessT", bound=Restartable)
HandleT = TypeVar("HandleT", bound=Closing)


class Setting(ABC, Generic[HarnessT, HandleT]):
    """One check's setting. What a kit opens it puts into `_handles`."""

    def __init__(self, harness: HarnessT) -> None:
        self.harness = harness
        self._handles: list[HandleT] = []

    def __enter__(self) -> Self:
        self._begin()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            self._leave_nothing()
        except Exception as trouble:
            if error is None:
                raise
            error.add_note(f"and tidying up failed: {trouble!r}")

    @abstractmethod
    def _begin(self) -> None:
        """Open the handles that every check begins with."""

    def _leave_nothing(self) -> None:
        self.close_handles()

    def close_handles(self) -> None:
        """Close every handle."""
        while self._handles:
            self._handles.pop().close()

    def reopen(self) -> None:
        """Close every handle, restart what is behind them, and open anew."""
        assert self.harness.reopen is not None
        self.close_handles()
        self.harness.reopen()
        self._begin()

    def now(self) -> float:
        """Seconds on the clock that the handles were opened with."""
        return self.harness.clock.now()

    def race(self, *actions: Callable[[], T]) -> list[T | CoordError]:
        """Run all at once, a thread each; their results, or the errors of coord they raised."""
        return race(*actions)


def race(*actions: Callable[[], T]) -> list[T | CoordError]:
    """Run all at once, a thread each; their results, or the errors of coord they raised."""
    results: dict[int, T | CoordError] = {}
    broken: list[BaseException] = []
    start = threading.Barrier(len(actions))

    def run(index: int, action: Callable[[], T]) -> None:
        start.wait(RACE_TIMEOUT_S)
        try:
            results[index] = action()
        except CoordError as error:
            results[index] = error
        except BaseException as error:  # noqa: BLE001  raised again in the caller's thread
            broken.append(error)

    threads = [
        threading.Thread(target=run, args=(index, action), daemon=True)
        for index, action in enumerate(actions)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(RACE_TIMEOUT_S)
        assert not thread.is_alive(), f"a racing call took more than {RACE_TIMEOUT_S:g} s"
    if broken:
        raise broken[0]
    return [results[index] for index in range(len(actions))]


def expect(kind: type[E], action: Callable[[], object]) -> E:
    """Run `action`, which must raise `kind`; return the error."""
    try:
        result = action()
    except kind as error:
        return error
    raise AssertionError(f"{kind.__name__} was expected, and the answer was {result!r}")
