"""What happened. Each event carries its `now`, on the member's clock; none has behaviour.

Owns the vocabulary that drivers speak to the machine. A driver makes one event of each timer,
each finished store call and each thing that user code did. May not know what follows from them:
that is the rules'.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from coord.config import Role
from coord.errors import CoordError
from coord.model import EndingKind

if TYPE_CHECKING:
    from coord.core.commands import StoreCommand

__all__ = [
    "Done",
    "Event",
    "Failed",
    "ManyBegan",
    "ManyRested",
    "Pulse",
    "RoleDropped",
    "RoleServed",
    "Start",
    "StopAsked",
    "Tick",
    "Wake",
    "WorkBegan",
    "WorkEnded",
    "WorkProgressed",
    "WorkRested",
]


@dataclass(frozen=True, slots=True)
class Event:
    """Something happened at `now`."""

    now: float


@dataclass(frozen=True, slots=True)
class Start(Event):
    """The user wants in."""


@dataclass(frozen=True, slots=True)
class Tick(Event):
    """The control thread is awake: on its timer, or for any reason of its own."""


@dataclass(frozen=True, slots=True)
class Pulse(Event):
    """The heartbeat thread is awake."""


@dataclass(frozen=True, slots=True)
class Wake(Event):
    """The store's watch says: look again. May be spurious."""


@dataclass(frozen=True, slots=True)
class Done(Event):
    """A store call returned. `sent_at_s` was stamped before it was made."""

    command: StoreCommand
    sent_at_s: float
    value: object


@dataclass(frozen=True, slots=True)
class Failed(Event):
    """A store call raised."""

    command: StoreCommand
    sent_at_s: float
    error: CoordError


@dataclass(frozen=True, slots=True)
class RoleServed(Event):
    """User code stands ready to work for this role."""

    role: Role


@dataclass(frozen=True, slots=True)
class RoleDropped(Event):
    """User code does not serve this role any more."""

    name: str


@dataclass(frozen=True, slots=True)
class StopAsked(Event):
    """The user wants out; `force` gives claims back although their code still runs."""

    force: bool = False


@dataclass(frozen=True, slots=True)
class WorkBegan(Event):
    """User code of a tenure runs outside `term.wait()`, for at most `max_s` without progress."""

    number: int
    max_s: float | None = None


@dataclass(frozen=True, slots=True)
class WorkRested(Event):
    """User code of a tenure entered `term.wait()`; `cycled` after having been outside of it."""

    number: int
    cycled: bool


@dataclass(frozen=True, slots=True)
class ManyBegan(Event):
    """As `WorkBegan`, of all tenures that one loop works for: one event, whatever they are."""

    numbers: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class ManyRested(Event):
    """As `WorkRested`, of all tenures that one loop works for."""

    numbers: tuple[int, ...]
    cycled: bool


@dataclass(frozen=True, slots=True)
class WorkProgressed(Event):
    """User code of a tenure says that it got something done."""

    number: int


@dataclass(frozen=True, slots=True)
class WorkEnded(Event):
    """User code of a tenure has stopped; `kind` None when it did so because it was asked."""

    number: int
    kind: EndingKind | None
