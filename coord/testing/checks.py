"""What a check of a conformance suite is, whatever contract it proves.

Owns the claim, its promise, and which hooks it needs. Knows no contract: each suite has a harness,
which tells it about the thing under test, and a setting, which checks are written with. Imports no
test framework, so that any can run the checks.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from coord.errors import UsageError

__all__ = ["Check", "Checks", "Lacking", "MissingHook", "run_all"]


class MissingHook(UsageError):
    """A check needs a hook that the harness does not have; nothing was proven."""


class Lacking(Protocol):
    """What we need of a harness."""

    def lacks(self, hooks: frozenset[str]) -> list[str]:
        """Which of these hooks are not there."""
        ...


HarnessT = TypeVar("HarnessT", bound=Lacking)
KitT = TypeVar("KitT")


@dataclass(frozen=True, slots=True)
class Check(Generic[HarnessT, KitT]):
    """One promise, provable. `name` is the claim, `promise` says where it comes from."""

    name: str
    promise: str
    needs: frozenset[str]
    body: Callable[[KitT], None]
    setting: Callable[[HarnessT], AbstractContextManager[KitT]]

    def missing(self, harness: HarnessT) -> str:
        """Why this check cannot run here, or "" if it can: for a test runner's skip."""
        hooks = harness.lacks(self.needs)
        return f"the harness has no hook {', '.join(hooks)}" if hooks else ""

    def run(self, harness: HarnessT) -> None:
        """Prove it on a fresh group: AssertionError if the store breaks the promise.

        Raises MissingHook where `missing` says why, and the store's own errors where the contract
        does not expect them.
        """
        if not __debug__:
            raise UsageError("python -O removes assertions", cure="Run the suite without -O.")
        if reason := self.missing(harness):
            raise MissingHook(f"{self.name}: {reason}", cure="Provide it, or leave the check out.")
        with self.setting(harness) as kit:
            self.body(kit)


class Checks(Generic[HarnessT, KitT]):
    """The checks of one module, in the order in which they are written."""

    def __init__(self, setting: Callable[[HarnessT], AbstractContextManager[KitT]]) -> None:
        self._setting = setting
        self._found: list[Check[HarnessT, KitT]] = []

    def __iter__(self) -> Iterator[Check[HarnessT, KitT]]:
        return iter(self._found)

    def add(self, *needs: str) -> Callable[[Callable[[KitT], None]], Callable[[KitT], None]]:
        """Make a function a check: its name is the claim, its docstring the promise."""

        def register(body: Callable[[KitT], None]) -> Callable[[KitT], None]:
            promise = " ".join((body.__doc__ or "").split())
            found = Check(body.__name__, promise, frozenset(needs), body, self._setting)
            self._found.append(found)
            return body

        return register


def run_all(
    harness: HarnessT, checks: Sequence[Check[HarnessT, KitT]]
) -> list[Check[HarnessT, KitT]]:
    """Run all checks that the harness has hooks for; return those that it has none for.

    Raises ExceptionGroup of all failures, each with a note that names its check.
    """
    left_out = [check for check in checks if check.missing(harness)]
    failures: list[Exception] = []
    for check in checks:
        if check in left_out:
            continue
        try:
            check.run(harness)
        except Exception as error:  # noqa: BLE001  collected, and raised together below
            error.add_note(f"check: {check.name}")
            failures.append(error)
    if failures:
        raise ExceptionGroup(f"{len(failures)} of {len(checks)} checks failed", failures)
    return left_out
