"""A trap for a request that contains given bytes.

Owns the recognition. What follows is up to whoever asks; a trigger knows no sockets.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, get_args

from coord.errors import UsageError
from coord.testing.proxy.counters import Tally

__all__ = ["LONGEST_NEEDLE", "Then", "Trigger"]

Then = Literal["lose_reply", "hold", "reset", "pass"]
LONGEST_NEEDLE = 1024


class Trigger:
    """Made by `FaultProxy.on_request`. `fired` counts how often it has; any thread may ask."""

    def __init__(
        self,
        match: bytes | Callable[[bytes], bool],
        then: Then,
        *,
        times: int | None,
        tally: Tally,
    ) -> None:
        if then not in get_args(Then):
            raise UsageError(f"then is {then!r}", cure=f"Give one of {', '.join(get_args(Then))}.")
        if times is not None and times < 1:
            raise UsageError(f"times is {times!r}", cure="Give a count from 1, or None for ever.")
        if isinstance(match, bytes) and not 1 <= len(match) <= LONGEST_NEEDLE:
            raise UsageError(
                f"match has {len(match)} bytes",
                cure=f"Give 1 to {LONGEST_NEEDLE} bytes that only this request contains.",
            )
        self.then = then
        self.fired = 0
        self._match = match
        self._times = times
        self._tally = tally
        self._error: BaseException | None = None

    def __repr__(self) -> str:
        return f"<trigger: {self.then} at {self._match!r}, fired {self.fired} times>"

    @property
    def armed(self) -> bool:
        """Whether it may still fire."""
        return self._error is None and (self._times is None or self.fired < self._times)

    def disarm(self) -> None:
        """Never fire again."""
        self._times = 0
        self._tally.notify()

    def wait(self, timeout_s: float) -> bool:
        """Wait until it has fired at least once; False after `timeout_s`.

        Raises UsageError if the matching function raised.
        """
        done = self._tally.wait_for(lambda: bool(self.fired or self._error), timeout_s)
        self.raise_error()
        return done

    def raise_error(self) -> None:
        """Raise UsageError if the matching function raised."""
        if self._error is not None:
            raise UsageError(
                f"the matching function of {self!r} raised {self._error!r}",
                cure="It gets any chunk of bytes and returns a bool.",
            ) from self._error

    def sees(self, tail: bytes, data: bytes) -> bool:
        """Does it fire at `data`, which follows `tail`? The proxy's thread.

        A function that raises disarms the trigger; `wait` and the proxy's `close` tell of it.
        """
        if not self.armed:
            return False
        try:
            count = self._count(tail, data)
        except Exception as error:  # noqa: BLE001  kept, and raised where the test waits
            self._error = error
            self._tally.notify()
            return False
        self.fired += count
        if count:
            self._tally.notify()
        return count > 0

    def _count(self, tail: bytes, data: bytes) -> int:
        if isinstance(self._match, bytes):
            begun = len(self._match) - 1  # a match may have begun in what has passed already
            return (tail[-begun:] + data if begun else data).count(self._match)
        return int(bool(self._match(data)))
