"""What the runtime tells whoever listens: logs, metrics, the event log of the lab.

Owns the list of things worth telling, and the wall between those who listen and those who lead:
hooks watch, they may not influence a decision. What a hook raises is logged and forgotten, or else
a broken log handler would end a leadership. They are called on the control or heartbeat thread, or
on the thread of user code, and must not block.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from contextlib import suppress

from coord.model import ClaimKey, View

__all__ = ["Hooks", "HooksChain"]


class Hooks:
    """Hears everything and does nothing; override what you want. Times on the boot clock."""

    def member(self, state: str) -> None:
        """The member "start"s or "stop"s."""

    def trusted(self, until_s: float) -> None:
        """A heartbeat (or the opening) was proven: the member trusts itself until then."""

    def term_began(self, key: ClaimKey, token: int, until_s: float, *, asked_s: float) -> None:
        """User code was given a term; the claim was asked for at `asked_s`."""

    def term_ended(self, key: ClaimKey, token: int, why: str) -> None:
        """No code of this term may act any more."""

    def progressed(self, key: ClaimKey, token: int) -> None:
        """User code says that it got something done."""

    def called(
        self, operation: str, start_s: float, end_s: float, *, certainty: str | None
    ) -> None:
        """A store call came back; `certainty` is None when it succeeded."""

    def viewed(self, view: View) -> None:
        """The group was read: this is how it stands."""

    def failed_work(self, key: ClaimKey, text: str, error: BaseException) -> None:
        """User code raised."""

    def report(self, kind: str, detail: str) -> None:
        """The core has something to say, such as "late" or "session-lost"."""

    def close(self) -> None:
        """Nothing more will be told."""


class HooksChain(Hooks):
    """Tells several hooks, one after another; what one of them raises stays with it."""

    def __init__(self, hooks: Iterable[Hooks]) -> None:
        self._hooks = tuple(hooks)

    def _tell(self, what: str, *args: object, **more: object) -> None:
        for hook in self._hooks:
            try:
                getattr(hook, what)(*args, **more)
            except Exception:
                with suppress(Exception):  # the host's logging may be what is broken
                    logging.getLogger("coord").exception("hook %r raised in %s", hook, what)

    def member(self, state: str) -> None:
        """Pass it on."""
        self._tell("member", state)

    def trusted(self, until_s: float) -> None:
        """Pass it on."""
        self._tell("trusted", until_s)

    def term_began(self, key: ClaimKey, token: int, until_s: float, *, asked_s: float) -> None:
        """Pass it on."""
        self._tell("term_began", key, token, until_s, asked_s=asked_s)

    def term_ended(self, key: ClaimKey, token: int, why: str) -> None:
        """Pass it on."""
        self._tell("term_ended", key, token, why)

    def progressed(self, key: ClaimKey, token: int) -> None:
        """Pass it on."""
        self._tell("progressed", key, token)

    def called(
        self, operation: str, start_s: float, end_s: float, *, certainty: str | None
    ) -> None:
        """Pass it on."""
        self._tell("called", operation, start_s, end_s, certainty=certainty)

    def viewed(self, view: View) -> None:
        """Pass it on."""
        self._tell("viewed", view)

    def failed_work(self, key: ClaimKey, text: str, error: BaseException) -> None:
        """Pass it on."""
        self._tell("failed_work", key, text, error)

    def report(self, kind: str, detail: str) -> None:
        """Pass it on."""
        self._tell("report", kind, detail)

    def close(self) -> None:
        """Pass it on."""
        self._tell("close")
