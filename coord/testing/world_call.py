"""Requests of a virtual host on their way, and the lanes that send them.

Owns what a request carries and what its proof is stamped with. Decides no fate: the link does.
"""

from __future__ import annotations

from collections.abc import Callable

from coord.core import commands as c
from coord.errors import Certainty, StoreUnavailable
from coord.testing.faults import Fate
from coord.testing.world_clock import NEVER_NS

__all__ = ["Call", "Lane", "SentClock", "refused", "unheard"]

_INF = float("inf")


class Call:
    """One request on its way."""

    __slots__ = ("answered", "command", "fate", "lane", "outcome", "reply_ns", "sent_at_s")

    def __init__(
        self, lane: Lane, command: c.StoreCommand, fate: Fate, reply_ns: int, sent_at_s: float
    ) -> None:
        self.lane = lane
        self.command = command
        self.fate = fate
        self.reply_ns = reply_ns
        self.sent_at_s = sent_at_s
        self.answered = False
        self.outcome: object = None
        """What the store answered, or the error that stands for it."""


class Lane:
    """One thread that makes store calls, and when it means to wake: on two clocks."""

    __slots__ = ("busy", "due_ns", "due_s", "round")

    def __init__(self, round_: Callable[[], None]) -> None:
        self.busy = False
        self.due_ns = NEVER_NS
        self.due_s = _INF
        self.round = round_


class SentClock:
    """What a host's store stamps proofs with: a client does so before it sends, not at the landing.

    Stands at the moment, on the host's clock, at which the request was sent that lands now.
    """

    __slots__ = ("sent_at_s",)

    def __init__(self) -> None:
        self.sent_at_s = 0.0

    def now(self) -> float:
        """Seconds on the host's clock."""
        return self.sent_at_s


def unheard(command: c.StoreCommand) -> StoreUnavailable:
    return StoreUnavailable(f"{type(command).__name__} had no reply in time")


def refused(command: c.StoreCommand) -> StoreUnavailable:
    return StoreUnavailable(
        f"{type(command).__name__} was refused", certainty=Certainty.NOT_APPLIED
    )
