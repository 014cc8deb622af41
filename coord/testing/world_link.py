"""The way between one host of a virtual world and its store: delays, losses, late landings.

Owns what becomes of each request of one host. Draws only from the generator it is given, so that
a run is repeated by its seed. Knows no store, no machine and no time.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple

from coord.core.commands import StoreCommand
from coord.testing.faults import Fate

__all__ = ["Fare", "Link"]

_NS = 1_000_000_000
_DELIVER = Fate.DELIVER


class Fare(NamedTuple):
    """What becomes of one request; delays in nanoseconds of true time.

    A held request lands after `request_ns` although its sender has given up, or, where that is
    None, when the world is told to land what it holds.
    """

    fate: Fate
    request_ns: int | None
    reply_ns: int


@dataclass(slots=True)
class _Rule:
    fate: Fate
    commands: tuple[type[StoreCommand], ...]
    times: float


@dataclass(slots=True, kw_only=True)
class Link:
    """One host's link. All fields may be changed while the world runs.

    Delays are drawn evenly between two bounds, in seconds. The four chances are of each request;
    what is held lands between the bounds of `held_s` later. While `down`, no request and no wake
    gets through; what is on its way still lands, and its reply is lost.
    """

    request_s: tuple[float, float] = (0.001, 0.003)
    reply_s: tuple[float, float] = (0.001, 0.003)
    lose_request: float = 0.0
    lose_reply: float = 0.0
    hold: float = 0.0
    refuse: float = 0.0
    held_s: tuple[float, float] = (1.0, 30.0)
    down: bool = False
    _rules: list[_Rule] = field(default_factory=list)

    def script(self, fate: Fate, *commands: type[StoreCommand], times: int | None = 1) -> None:
        """Give the next `times` (None: all) requests of these kinds (none: any) this fate.

        What is held by a script lands only when the world lands what it holds.
        """
        self._rules.append(_Rule(fate, commands, float("inf") if times is None else times))

    def mend(self) -> None:
        """No losses, no scripts, up; the delays stay."""
        self.lose_request = self.lose_reply = self.hold = self.refuse = 0.0
        self.down = False
        self._rules.clear()

    def decide(self, command: StoreCommand, draw: Callable[[], float]) -> Fare:
        """What becomes of this request. `draw` gives numbers in [0, 1)."""
        request_ns = _between(self.request_s, draw)
        reply_ns = _between(self.reply_s, draw)
        scripted = self._scripted(command) if self._rules else None
        if scripted is not None:
            return Fare(scripted, None if scripted is Fate.HOLD else request_ns, reply_ns)
        if self.down:
            return Fare(Fate.LOSE_REQUEST, request_ns, reply_ns)
        if self.lose_request or self.lose_reply or self.hold or self.refuse:
            chance = draw()
            for fate, share in (
                (Fate.LOSE_REQUEST, self.lose_request),
                (Fate.LOSE_REPLY, self.lose_reply),
                (Fate.HOLD, self.hold),
                (Fate.REFUSE, self.refuse),
            ):
                if chance < share:
                    held = fate is Fate.HOLD
                    return Fare(fate, _between(self.held_s, draw) if held else request_ns, reply_ns)
                chance -= share
        return Fare(_DELIVER, request_ns, reply_ns)

    def _scripted(self, command: StoreCommand) -> Fate | None:
        for rule in self._rules:
            if rule.times > 0 and (not rule.commands or isinstance(command, rule.commands)):
                rule.times -= 1
                return rule.fate
        return None


def _between(bounds: tuple[float, float], draw: Callable[[], float]) -> int:
    low, high = bounds
    if high <= low:
        return int(low * _NS)
    return int((low + (high - low) * draw()) * _NS)
