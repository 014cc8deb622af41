"""Requests of a virtual host on their way, and the lanes that send them.

Owns what a request carries and how its answer is stamped. Decides no fate: the link does.
"""

from __future__ import annotations

from collections.abc import Callable

from coord.core import commands as c
from coord.errors import Certainty, StoreUnavailable
from coord.spi import Proof
from coord.testing.faults import Fate
from coord.testing.world_clock import NEVER_NS

__all__ = ["Call", "Lane", "refused", "stamped", "unheard"]

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


def stamped(value: object, sent_at_s: float) -> object:
    """The answer as a synchronous client would give it: proven from when the request was sent."""
    if type(value) is Proof:
        return Proof(sent_at_s=sent_at_s, ttl_s=value.ttl_s, lag_s=value.lag_s)
    if type(value) is c.Opened:
        proof = Proof(sent_at_s=sent_at_s, ttl_s=value.proof.ttl_s, lag_s=value.proof.lag_s)
        return value._replace(proof=proof)
    return value


def unheard(command: c.StoreCommand) -> StoreUnavailable:
    return StoreUnavailable(f"{type(command).__name__} had no reply in time")


def refused(command: c.StoreCommand) -> StoreUnavailable:
    return StoreUnavailable(
        f"{type(command).__name__} was refused", certainty=Certainty.NOT_APPLIED
    )
