"""What a test says to the server, which no client of SQS could: faults, time, questions.

Owns the verbs of the control path and their values, on both sides. Every verb takes and returns a
JSON object, so that it reaches a server in another process as it reaches one in a thread.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from coord.errors import ConfigError
from coord.testing.clock import ManualClock
from coord.testing.servers.errors import ServerFailed
from coord.testing.servers.member import wait_until
from coord.testing.sqs.engine import Engine
from coord.testing.sqs.faults import Fault
from coord.testing.sqs.message import State
from coord.testing.sqs.mischief import Mischief
from coord.testing.sqs.queue import Queue
from coord.testing.sqs.tally import Tally

__all__ = ["Control", "Controls", "QueueStats", "Stats"]

Values = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueStats:
    """A queue as the server sees it, exactly. `oldest_s` is the age of its oldest message."""

    ready: int
    in_flight: int
    delayed: int
    oldest_s: float | None
    tally: Tally


@dataclass(frozen=True, slots=True, kw_only=True)
class Stats:
    """The server's own account: calls by operation (refused ones too), and its queues.

    `faults_left`: how often each fault that was injected may still hit, in the order in which they
    came since the last `heal`; None: until healed.
    """

    calls: Mapping[str, int]
    faults: int  # how many times a fault hit a request
    faults_left: tuple[int | None, ...]
    polls: int  # receive calls that wait now
    queues: Mapping[str, QueueStats]


class Controls(ABC):
    """What a test can do to a server, wherever that runs."""

    @abstractmethod
    def _control(self, verb: str, values: Values) -> dict[str, Any]:
        """Have the server do something. Raises ConfigError with its refusal."""

    def inject(self, *faults: Fault) -> None:
        """Put faults in force, beside those that are."""
        self._control("inject", {"faults": [fault.as_json() for fault in faults]})

    def heal(self) -> None:
        """End all faults, let queues deliver in order and once, let everybody in."""
        self._control("heal", {})

    def misbehave(self, *, duplicate_rate: float = 0.0, reorder: int = 1) -> None:
        """Let standard queues deliver a share of the messages twice, and out of order among the
        `reorder` messages at the head.
        """
        self._control("misbehave", {"duplicate_rate": duplicate_rate, "reorder": reorder})

    def admit(
        self, *, access_keys: Collection[str] | None = None, region: str | None = None
    ) -> None:
        """From now on let in only these access keys, and only signatures for this region."""
        keys = None if access_keys is None else sorted(access_keys)
        self._control("admit", {"access_keys": keys, "region": region})

    def advance(self, by_s: float) -> None:
        """Let `by_s` seconds of virtual time pass; waiting calls are answered on their way.

        Raises ConfigError if the server has no virtual clock.
        """
        self._control("advance", {"by_s": by_s})

    def stats(self) -> Stats:
        """The server's account of now."""
        found = self._control("stats", {})
        queues = {
            name: QueueStats(**{**values, "tally": Tally(**values["tally"])})
            for name, values in found.pop("queues").items()
        }
        left = tuple(found.pop("faults_left"))
        return Stats(queues=queues, faults_left=left, **found)

    def wait_for_polls(self, number: int = 1, *, timeout_s: float = 20.0) -> None:
        """Return once at least `number` receive calls wait. Raises ServerFailed if none come."""
        if not wait_until(lambda: self.stats().polls >= number, timeout_s=timeout_s):
            raise ServerFailed(f"{number} waiting receive calls did not come in {timeout_s:g} s")


class Control:
    """The server's side of `Controls`."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._verbs: dict[str, Callable[[Values], dict[str, Any] | None]] = {
            "admit": self._admit,
            "advance": self._advance,
            "heal": self._heal,
            "inject": self._inject,
            "misbehave": self._misbehave,
            "ping": lambda _values: None,
            "stats": self._stats,
        }

    def perform(self, verb: str, values: Values) -> dict[str, Any]:
        """Do it. Raises ConfigError, TypeError or KeyError for what makes no sense."""
        if verb not in self._verbs:
            raise ConfigError(f"no such verb: {verb}", cure=f"There are {sorted(self._verbs)}.")
        return self._verbs[verb](values) or {}

    def _inject(self, values: Values) -> None:
        for fault in [Fault.from_json(each) for each in values["faults"]]:
            self._engine.faults.add(fault)

    def _heal(self, _values: Values) -> None:
        self._engine.faults.heal()
        self._engine.service.misbehave(Mischief())
        self._engine.gate.access_keys = None
        self._engine.gate.region = None

    def _misbehave(self, values: Values) -> None:
        self._engine.service.misbehave(Mischief(**values))

    def _admit(self, values: Values) -> None:
        keys = values.get("access_keys")
        self._engine.gate.access_keys = None if keys is None else frozenset(keys)
        self._engine.gate.region = values.get("region")

    def _advance(self, values: Values) -> None:
        """From moment to moment, so that nothing is late."""
        clock, engine = self._engine.clock, self._engine
        if not isinstance(clock, ManualClock):
            raise ConfigError(
                "this server runs on real time", cure="Start it with a virtual clock to move it."
            )
        target_s = clock.now() + float(values["by_s"])
        while (next_s := engine.next_s()) is not None and next_s <= target_s:
            clock.set(max(next_s, clock.now()))
            engine.run_due()
        clock.set(target_s)

    def _stats(self, _values: Values) -> dict[str, Any]:
        engine, now_s = self._engine, self._engine.clock.now()
        queues = {}
        for queue in engine.service.queues.values():
            queue.settle(now_s)
            queues[queue.name] = _seen(queue, now_s)
        return {
            "calls": dict(engine.calls),
            "faults": engine.faults.hits,
            "faults_left": engine.faults.left,
            "polls": engine.polls.count(),
            "queues": queues,
        }


def _seen(queue: Queue, now_s: float) -> dict[str, Any]:
    oldest_s = queue.oldest_s()
    return {
        "ready": queue.count(State.READY),
        "in_flight": queue.count(State.IN_FLIGHT),
        "delayed": queue.count(State.DELAYED),
        "oldest_s": None if oldest_s is None else now_s - oldest_s,
        "tally": asdict(queue.tally),
    }
