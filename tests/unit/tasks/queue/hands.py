"""Messages in hand, made by hand."""

from __future__ import annotations

from collections.abc import Mapping

from coord.tasks.queue.hand import InHand, Patience
from coord.tasks.queue.spi import Message
from coord.testing.clock import ManualClock

PATIENCE = Patience(30.0, 12 * 3600.0)


def message(
    number: int = 1,
    *,
    body: str = "{}",
    received: int = 1,
    group: str = "",
    attributes: Mapping[str, str] | None = None,
) -> Message:
    return Message(
        id=f"m{number}",
        receipt=f"r{number}.{received}",
        body=body,
        received=received,
        attributes=attributes or {},
        group=group,
    )


def hand(
    clock: ManualClock, number: int = 1, *, group: str = "", patience: Patience = PATIENCE
) -> InHand:
    """A message that was asked for just now."""
    return InHand(message(number, group=group), clock.now(), patience, clock)
