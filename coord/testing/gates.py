"""Handles whose requests can be held on their way, for checks of what lands late.

Owns what such a handle can do, and one for handles of this process. Knows no contract: each suite
says which handles its gates have.
"""

from __future__ import annotations

from typing import Generic, Protocol, TypeVar

from coord.testing.faults import Fate, FaultPlan

__all__ = ["Gate", "PlannedGate"]

HandleT = TypeVar("HandleT")
HandleT_co = TypeVar("HandleT_co", covariant=True)


class Gate(Protocol[HandleT_co]):
    """A handle whose requests can be held on their way to the backing store.

    While the gate is shut, each request times out for its caller and waits. `open` lets them all
    take effect, in order, and returns when they have. Over a network this is a proxy that stops
    forwarding what the client sends; `PlannedGate` does it for a handle in the same process.
    """

    @property
    def store(self) -> HandleT_co:
        """The handle behind the gate."""
        ...

    def shut(self) -> None:
        """Hold every request from now on."""
        ...

    def open(self) -> None:
        """Let what was held land, and what comes pass."""
        ...


class PlannedGate(Generic[HandleT]):
    """A gate for a handle whose requests ask `plan`: they are held in this process."""

    def __init__(self, store: HandleT, plan: FaultPlan) -> None:
        self.store = store
        self._plan = plan

    def shut(self) -> None:
        """Hold every request from now on."""
        self._plan.add(Fate.HOLD, times=None)

    def open(self) -> None:
        """Let what was held land, and what comes pass."""
        self._plan.mend()
        self._plan.land_held()
