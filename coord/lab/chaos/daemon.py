"""A user's own daemon as a contestant: any program that writes `coord.events/1`.

Owns how it is started. It learns where and as whom from its environment (`COORD_STORE`,
`COORD_MEMBER`, `COORD_TTL`) or from its command line, in which `{store}`, `{member}` and `{ttl}`
are replaced. A queue that it works off, if there is one, is `COORD_QUEUE` and `{queue}`.
`COORD_EVENTS` names where its events go, as always. Work is its own: the lab lets none fall due,
and knows of none but what the log tells.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from coord.lab.chaos.contestant import Place
from coord.lab.chaos.daemon_scene import DaemonScene
from coord.telemetry import EventLog

__all__ = ["MEMBER_VARIABLE", "QUEUE_VARIABLE", "STORE_VARIABLE", "TTL_VARIABLE", "Daemon"]

STORE_VARIABLE = "COORD_STORE"
"""The environment variable with the URL of the store and group."""
MEMBER_VARIABLE = "COORD_MEMBER"
"""The environment variable with the member's name."""
TTL_VARIABLE = "COORD_TTL"
"""The environment variable with the ttl, as "3s"."""
QUEUE_VARIABLE = "COORD_QUEUE"
"""The environment variable with the URL of the queue; not set where there is none."""

_TAU_S = 1.0


@dataclass(frozen=True, kw_only=True)
class Daemon:
    """A program of the user's. Implements `Contestant`.

    `roles`: what must be led for the fleet to be at rest; empty: whatever its log tells of.
    `tau_s`: more than its own working interval. `environ` is added to ours. `queue`: the URL of a
    queue; empty: there is none.
    """

    command: Sequence[str]
    roles: Sequence[str] = ()
    environ: Mapping[str, str] = field(default_factory=dict)
    queue: str = ""
    tau_s: float = _TAU_S
    name: str = "daemon"

    def scene(self, members: Iterable[str]) -> DaemonScene:
        """What its log tells of."""
        return DaemonScene(self.roles, members)

    @contextmanager
    def enter(self, work: Path, events: EventLog) -> Iterator[_Entered]:
        """Nothing is made: its files are its own."""
        yield _Entered(self)


class _Entered:
    def __init__(self, daemon: Daemon) -> None:
        self._daemon = daemon

    def command(self, place: Place) -> Sequence[str]:
        words = {
            "{store}": place.store,
            "{member}": place.member,
            "{ttl}": _ttl(place),
            "{queue}": self._daemon.queue,
        }
        return [_filled(word, words) for word in self._daemon.command]

    def environ(self, place: Place) -> Mapping[str, str]:
        queue = {QUEUE_VARIABLE: self._daemon.queue} if self._daemon.queue else {}
        return {
            **queue,
            STORE_VARIABLE: place.store,
            MEMBER_VARIABLE: place.member,
            TTL_VARIABLE: _ttl(place),
            **self._daemon.environ,
        }

    def turn(self) -> None:
        """It makes its own work."""

    def waiting(self) -> int:
        return 0


def _ttl(place: Place) -> str:
    return f"{place.ttl_s:g}s"


def _filled(word: str, words: Mapping[str, str]) -> str:
    for name, value in words.items():
        word = word.replace(name, value)
    return word
