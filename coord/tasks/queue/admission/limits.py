"""How many handlers may run at once: a limit that is given, or one that is found.

Owns the protocol of a limit and the given one. Pure: what ended, how long it took and when come in.
"""

from __future__ import annotations

from typing import Protocol

from coord.errors import ConfigError

__all__ = ["FixedLimit", "Limit"]


class Limit(Protocol):
    """A whole number of 1 or more that moves, or does not, with what ends. Its caller locks."""

    @property
    def value(self) -> int:
        """How many may run at once now."""
        ...

    @property
    def most(self) -> int:
        """It is never more than that."""
        ...

    @property
    def why(self) -> str:
        """Why it is what it is, in a few words, for logs."""
        ...

    def began(self, running: int, now: float) -> None:
        """A handler begins; `running`: how many ran until now."""
        ...

    def ended(self, kind: str, seconds: float, *, was_done: bool, running: int, now: float) -> None:
        """A handler of this kind (its task's name) came to its end after so many seconds.

        `was_done`: it did its work. `running`: how many ran until now, this one too.
        """
        ...

    def look(self, now: float) -> None:
        """Time has passed; called a few times a second at least while anything waits."""
        ...


class FixedLimit:
    """The limit is the number that is given."""

    def __init__(self, value: int) -> None:
        if value < 1:
            raise ConfigError(f"a concurrency of {value}", cure="It is 1 or more.")
        self._value = value

    @property
    def value(self) -> int:
        """The number."""
        return self._value

    @property
    def most(self) -> int:
        """The number."""
        return self._value

    @property
    def why(self) -> str:
        """Somebody said so."""
        return "given"

    def began(self, running: int, now: float) -> None:
        """Changes nothing."""

    def ended(self, kind: str, seconds: float, *, was_done: bool, running: int, now: float) -> None:
        """Changes nothing."""

    def look(self, now: float) -> None:
        """Changes nothing."""
