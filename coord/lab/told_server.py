"""The SQS fake of a queue under test, which tells what it is asked to do to its clients.

Owns the words for it. The fake behaves as it does elsewhere.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import ExitStack
from typing import Any

from coord.lab.queue_faults import QueueFaults
from coord.testing.servers import ServerMember
from coord.testing.servers.starter import Launch
from coord.testing.sqs import Fault, Settings, SqsServer
from coord.testing.sqs.mischief import Mischief

__all__ = ["ToldServer"]

_ALL = "server."
_DOWN, _PAUSE = f"{_ALL}process.down", f"{_ALL}process.pause"
_ORDERED = f"{_ALL}ordered."
_INJECTED, _MISCHIEF, _GATE = f"{_ORDERED}fault.", f"{_ORDERED}mischief", f"{_ORDERED}gate"


class ToldServer(SqsServer):
    """One whose faults are told to `faults`, from whichever of its methods they come."""

    def __init__(self, settings: Settings, faults: QueueFaults) -> None:
        super().__init__(settings)
        self._told = faults

    def _member(
        self, name: str, launch: Launch, *, port: int, serves: Callable[[], bool], start_s: float
    ) -> ServerMember:
        return _ToldMember(
            name, launch, port=port, serves=serves, start_s=start_s, faults=self._told
        )

    def _control(self, verb: str, values: Mapping[str, Any]) -> dict[str, Any]:
        told = self._told
        with ExitStack() as blows:
            if verb == "inject":
                before = len(self.stats().faults_left)
                for place, each in enumerate(values["faults"], before):
                    self._inject(Fault.from_json(each), place, blows)
            elif verb == "misbehave" and Mischief(**values) != Mischief():
                blows.enter_context(told.striking(_MISCHIEF, "misbehave"))
            elif verb == "misbehave":
                told.heal(_MISCHIEF)
            elif verb == "admit" and any(value is not None for value in values.values()):
                blows.enter_context(told.striking(_GATE, "admit"))
            elif verb == "admit":
                told.heal(_GATE)
            elif verb == "heal":
                told.heal(_ORDERED)
            return super()._control(verb, values)

    def _inject(self, fault: Fault, place: int, blows: ExitStack) -> None:
        struck = blows.enter_context(self._told.striking(f"{_INJECTED}{place}.", _word(fault)))
        if fault.times is not None:
            struck.over = lambda: self._used_up(place)

    def _used_up(self, place: int) -> bool:
        [member] = self.members
        if not member.running or member.paused:
            return False
        left = self.stats().faults_left
        return place < len(left) and left[place] == 0


def _word(fault: Fault) -> str:
    """What its clients see of it, in a word: the worst of it if there is more."""
    if fault.lose_request or fault.lose_reply:
        return "lose-request" if fault.lose_request else "lose-reply"
    if fault.code is not None:
        return "error"
    return "entries" if fault.entries_rate else "slow"


class _ToldMember(ServerMember):
    """Its process. One that was down is well again once it serves."""

    def __init__(
        self,
        name: str,
        launch: Launch,
        *,
        port: int,
        serves: Callable[[], bool],
        start_s: float,
        faults: QueueFaults,
    ) -> None:
        super().__init__(name, launch, port=port, serves=serves, start_s=start_s)
        self._told = faults

    def pause(self) -> None:
        with self._told.striking(_PAUSE, "pause"):
            super().pause()

    def resume(self) -> None:
        self._told.heal(_PAUSE)
        super().resume()

    def kill(self) -> None:
        self._end(super().kill)

    def ask_to_go(self) -> None:
        self._end(super().ask_to_go)

    def wait_ready(self, *, timeout_s: float | None = None) -> None:
        super().wait_ready(timeout_s=timeout_s)
        self._told.heal(_DOWN)

    def _end(self, end: Callable[[], None]) -> None:
        if not self.running or self._told.stands(_DOWN):
            end()
            return
        with self._told.striking(_DOWN, "down") as struck:
            struck.over = self.serves
            end()
            self._told.heal(_PAUSE)
            self._told.heal(_ORDERED)  # they ended with it
