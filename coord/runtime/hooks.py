"""What the runtime tells whoever listens: logs, metrics, the event log of the lab.

Owns the list of things worth telling. Hooks watch; they may not influence a decision, and what
they raise is theirs to swallow. They are called on the control or heartbeat thread, or on the
thread of user code, and must not block.
"""

from __future__ import annotations

from collections.abc import Iterable

from coord.model import ClaimKey

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

    def failed_work(self, key: ClaimKey, text: str, error: BaseException) -> None:
        """User code raised."""

    def report(self, kind: str, detail: str) -> None:
        """The core has something to say, such as "late" or "session-lost"."""

    def close(self) -> None:
        """Nothing more will be told."""


class HooksChain(Hooks):
    """Tells several hooks, one after another."""

    def __init__(self, hooks: Iterable[Hooks]) -> None:
        self._hooks = tuple(hooks)

    def member(self, state: str) -> None:
        """Pass it on."""
        for hook in self._hooks:
            hook.member(state)

    def trusted(self, until_s: float) -> None:
        """Pass it on."""
        for hook in self._hooks:
            hook.trusted(until_s)

    def term_began(self, key: ClaimKey, token: int, until_s: float, *, asked_s: float) -> None:
        """Pass it on."""
        for hook in self._hooks:
            hook.term_began(key, token, until_s, asked_s=asked_s)

    def term_ended(self, key: ClaimKey, token: int, why: str) -> None:
        """Pass it on."""
        for hook in self._hooks:
            hook.term_ended(key, token, why)

    def progressed(self, key: ClaimKey, token: int) -> None:
        """Pass it on."""
        for hook in self._hooks:
            hook.progressed(key, token)

    def called(
        self, operation: str, start_s: float, end_s: float, *, certainty: str | None
    ) -> None:
        """Pass it on."""
        for hook in self._hooks:
            hook.called(operation, start_s, end_s, certainty=certainty)

    def failed_work(self, key: ClaimKey, text: str, error: BaseException) -> None:
        """Pass it on."""
        for hook in self._hooks:
            hook.failed_work(key, text, error)

    def report(self, kind: str, detail: str) -> None:
        """Pass it on."""
        for hook in self._hooks:
            hook.report(kind, detail)

    def close(self) -> None:
        """Pass it on."""
        for hook in self._hooks:
            hook.close()
