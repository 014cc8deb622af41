"""The adapter between the core and a store: one command, one store call, one event.

Owns the sessions that the core only knows by id, and the stamping of requests. No loop, no sleep,
no retry and no rule: whoever drives it (threads, virtual time, the simulator) drives the same
calls in the same way, so what one of them proves is what the others run.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from coord.clock import Clock
from coord.core import commands as c
from coord.core import events as e
from coord.errors import CoordError, InternalError, SessionLost
from coord.spi import Session, Store

__all__ = ["Effects"]


class Effects:
    """Carries out store commands against one store and group.

    `perform` may be called from several threads, one of them for heartbeats only.
    """

    def __init__(self, store: Store, group: str, clock: Clock) -> None:
        self._store = store
        self._group = group
        self._clock = clock
        self._sessions: dict[str, Session] = {}
        self._unclosed: dict[str, Session] = {}
        self._calls: dict[type[c.StoreCommand], Callable[[Any], object]] = {
            c.OpenSession: self._open,
            c.Heartbeat: lambda command: self._session(command).heartbeat(command.beacon),
            c.Claim: lambda command: self._session(command).claim(command.requests),
            c.Release: lambda command: self._session(command).release(command.tenures),
            c.Amend: lambda command: self._session(command).amend(command.tenures),
            c.UpdateRecord: lambda command: self._session(command).update(command.record),
            c.CloseSession: self._close,
            c.ReadView: lambda _: store.view(group),
            c.ReadBeacons: lambda _: store.beacons(group),
            c.Evict: lambda command: store.evict(group, command.observed),
            c.Depose: lambda command: store.depose(group, command.tenure),
            c.PutRole: lambda command: store.put_role(group, command.record),
        }

    def perform(self, command: c.StoreCommand) -> e.Done | e.Failed:
        """Make the call and return what came of it, as an event."""
        sent_at_s = self._clock.now()
        outcome = self.outcome(command)
        if isinstance(outcome, CoordError):
            return e.Failed(self._clock.now(), command, sent_at_s, outcome)
        return e.Done(self._clock.now(), command, sent_at_s, outcome)

    def outcome(self, command: c.StoreCommand) -> object:
        """Make the call and return its value, or its error: for drivers that stamp themselves."""
        try:
            return self._calls[type(command)](command)
        except CoordError as error:
            return error
        except Exception as error:  # noqa: BLE001 (a store must raise ours; else it is its bug)
            wrapped = InternalError(
                f"store {self._store.guarantees.kind!r} raised {type(error).__name__} "
                f"({error}) from {type(command).__name__}",
                cure="Please report it to the authors of that store.",
            )
            wrapped.__cause__ = error
            return wrapped

    def _session(self, command: Any) -> Session:  # noqa: ANN401  (any command that has a session)
        session = self._sessions.get(command.session)
        if session is None:
            raise SessionLost(f"session {command.session} is closed")
        return session

    def _open(self, command: c.OpenSession) -> c.Opened:
        session = self._store.open_session(self._group, command.record, command.ttl_s)
        self._sessions[session.id] = session
        return c.Opened(session.id, session.ttl_s, session.opened)

    def _close(self, command: c.CloseSession) -> None:
        """A close that failed may be asked for again, and nothing else: `_session` is done with it.

        One such session is kept, the last: a member has one at a time.
        """
        session = self._sessions.pop(command.session, None) or self._unclosed.pop(
            command.session, None
        )
        if session is None:
            return
        try:
            session.close()
        except CoordError:
            self._unclosed = {command.session: session}
            raise
