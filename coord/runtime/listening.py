"""Who listens to the runtime unless the user says otherwise: the log, and the lab's event log.

Owns the wiring of hooks to `coord.telemetry`. The library never configures the host's logging: it
speaks through the standard logger "coord", with the particulars as bound fields.
"""

from __future__ import annotations

import logging

from coord.errors import CoordError
from coord.model import ClaimKey, View
from coord.runtime.hooks import Hooks, HooksChain
from coord.telemetry.events import EventLog
from coord.telemetry.log import bound_logger

__all__ = ["EventHooks", "LogHooks", "default_hooks"]

_INFO = frozenset({"evicted", "adopted", "waiting-for-name"})
_ERROR = frozenset(
    {"failed", "poisoned", "shape-conflict", "token-regression", "store-went-back", "overrun"}
)


class LogHooks(Hooks):
    """One log line for each thing an operator would want to read."""

    def __init__(self, member: str, group: str) -> None:
        self._log = bound_logger("coord", member=member, group=group)
        self._plain = logging.getLogger("coord")

    @property
    def _informs(self) -> bool:
        """Whether such lines are wanted at all: thousands of terms may come and go at once."""
        return self._plain.isEnabledFor(logging.INFO)

    def term_began(self, key: ClaimKey, token: int, until_s: float, *, asked_s: float) -> None:
        """An information."""
        if self._informs:
            self._log.info("leading", claim=str(key), token=token)

    def term_ended(self, key: ClaimKey, token: int, why: str) -> None:
        """An information."""
        if self._informs:
            self._log.info("led", claim=str(key), token=token, why=why)

    def failed_work(self, key: ClaimKey, text: str, error: BaseException) -> None:
        """An error with its traceback, unless the error is ours."""
        trace = None if isinstance(error, CoordError) else error
        self._log.error("work-raised", claim=str(key), detail=text, exc_info=trace)

    def report(self, kind: str, detail: str) -> None:
        """By kind: an information, a warning or an error."""
        level = logging.WARNING
        if kind in _INFO:
            level = logging.INFO
        elif kind in _ERROR:
            level = logging.ERROR
        self._log.log(level, kind, detail=detail)


class EventHooks(Hooks):
    """Writes what the lab measures from."""

    def __init__(self, events: EventLog) -> None:
        self._events = events
        self._generations: dict[str, int] = {}

    def member(self, state: str) -> None:
        """As `EventLog.member`."""
        self._events.member(state)

    def trusted(self, until_s: float) -> None:
        """As `EventLog.trusted`."""
        self._events.trusted(until_s)

    def term_began(self, key: ClaimKey, token: int, until_s: float, *, asked_s: float) -> None:
        """As `EventLog.term_began`."""
        self._events.term_began(key, token, until_s, asked_s=asked_s)

    def term_ended(self, key: ClaimKey, token: int, why: str) -> None:
        """As `EventLog.term_ended`."""
        self._events.term_ended(key, token, why)

    def progressed(self, key: ClaimKey, token: int) -> None:
        """As `EventLog.progressed`."""
        self._events.progressed(key, token)

    def called(
        self, operation: str, start_s: float, end_s: float, *, certainty: str | None
    ) -> None:
        """As `EventLog.called`."""
        self._events.called(operation, start_s, end_s, certainty=certainty)

    def viewed(self, view: View) -> None:
        """As `EventLog.role`, of every role that a live member serves and whose generation is new
        to this process.

        So a shard that nobody ever leads is missed in the log, whoever's daemon writes it. A record
        that is left of a role which nobody serves any more is no gap.
        """
        served = {name for member in view.members.values() for name in member.record.roles}
        for name, role in view.roles.items():
            if name in served and self._generations.get(name) != role.generation:
                self._generations[name] = role.generation
                self._events.role(name, role.generation, role.shape)

    def report(self, kind: str, detail: str) -> None:
        """As `EventLog.report`."""
        self._events.report(kind, detail)

    def close(self) -> None:
        """As `EventLog.close`."""
        self._events.close()


def default_hooks(member: str, group: str, events: EventLog) -> Hooks:
    """The log, and the event log of the lab where there is one."""
    log = LogHooks(member, group)
    return HooksChain([log, EventHooks(events)]) if events.enabled else log
