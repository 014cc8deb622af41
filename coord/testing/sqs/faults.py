"""What goes wrong between a client and the service, on purpose.

Owns the faults, how they are written as JSON, and which of them hit a request. Knows no network:
the engine does what a fault says.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, Self

from coord.errors import ConfigError

__all__ = ["Fault", "Faults"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One way to fail, for requests of `operation` ("*": all) on `queue` (None: all).

    It hits a share `rate` of these requests, `times` times in all (None: until it is healed).
    What it does, in this order: wait `wait_s`, lose the request, refuse it with the error `code`,
    let the share `entries_rate` of a batch's entries fail, and, once the request has been
    applied, wait `reply_wait_s` and lose the reply. Times are those of the server's clock.
    """

    operation: str = "*"
    queue: str | None = None
    rate: float = 1.0
    times: int | None = None
    wait_s: float = 0.0
    lose_request: bool = False
    code: str | None = None
    message: str = "A fault of the test."
    entries_rate: float = 0.0
    reply_wait_s: float = 0.0
    lose_reply: bool = False

    @classmethod
    def throttle(cls, operation: str = "*", **more: Any) -> Self:  # noqa: ANN401 (Fault's fields)
        """Refuse with RequestThrottled: too many requests. Nothing is applied."""
        message = "Request rate is too high."
        return cls(operation=operation, code="RequestThrottled", message=message, **more)

    @classmethod
    def unavailable(cls, operation: str = "*", **more: Any) -> Self:  # noqa: ANN401
        """Answer 503: the service is down. Nothing is applied."""
        message = "The service is unavailable. Try again later."
        return cls(operation=operation, code="ServiceUnavailable", message=message, **more)

    @classmethod
    def refuse_credentials(cls, operation: str = "*", **more: Any) -> Self:  # noqa: ANN401
        """Answer 403: nobody knows this access key."""
        message = "The security token included in the request is invalid."
        return cls(operation=operation, code="InvalidClientTokenId", message=message, **more)

    @classmethod
    def fail_entries(
        cls,
        operation: str = "*",
        *,
        share: float = 1.0,
        **more: Any,  # noqa: ANN401
    ) -> Self:
        """Let a share of each batch's entries fail with InternalError; the others are applied."""
        return cls(operation=operation, entries_rate=share, **more)

    @classmethod
    def drop_request(cls, operation: str = "*", **more: Any) -> Self:  # noqa: ANN401
        """Cut the connection before anything is applied."""
        return cls(operation=operation, lose_request=True, **more)

    @classmethod
    def drop_reply(cls, operation: str = "*", **more: Any) -> Self:  # noqa: ANN401
        """Apply the request and cut the connection instead of answering."""
        return cls(operation=operation, lose_reply=True, **more)

    @classmethod
    def slow(cls, operation: str = "*", *, wait_s: float, **more: Any) -> Self:  # noqa: ANN401
        """Let the request arrive late."""
        return cls(operation=operation, wait_s=wait_s, **more)

    @classmethod
    def slow_reply(
        cls,
        operation: str = "*",
        *,
        wait_s: float,
        **more: Any,  # noqa: ANN401
    ) -> Self:
        """Apply the request at once and let the reply arrive late."""
        return cls(operation=operation, reply_wait_s=wait_s, **more)

    def as_json(self) -> dict[str, object]:
        """What `from_json` reads."""
        return asdict(self)

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Self:
        """The fault of that JSON object. Raises ConfigError for names that it does not know."""
        known = {field.name for field in fields(cls)}
        unknown = set(values) - known
        if unknown:
            raise ConfigError(
                f"a fault has no {', '.join(sorted(unknown))}",
                cure=f"It has {', '.join(sorted(known))}.",
            )
        return cls(**values)


class Faults:
    """The faults in force. One thread."""

    def __init__(self) -> None:
        self.hits = 0
        self._faults: list[Fault] = []
        self._left: list[float] = []

    @property
    def left(self) -> list[int | None]:
        """How often each may still hit, in the order in which they came; None: until healed."""
        return [None if left == float("inf") else int(left) for left in self._left]

    def add(self, fault: Fault) -> None:
        """Put a fault in force."""
        self._faults.append(fault)
        self._left.append(float("inf") if fault.times is None else fault.times)

    def heal(self) -> None:
        """End all faults."""
        self._faults.clear()
        self._left.clear()

    def hitting(self, operation: str, queue: str) -> list[Fault]:
        """The faults that hit this request."""
        if not self._faults:
            return []
        found = []
        for place, fault in enumerate(self._faults):
            meant = fault.operation in {"*", operation} and fault.queue in {None, queue}
            if meant and self._left[place] > 0 and random.random() < fault.rate:
                self._left[place] -= 1
                self.hits += 1
                found.append(fault)
        return found
