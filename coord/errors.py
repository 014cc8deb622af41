"""Every error that coord raises, and whom each one blames.

Owns the tree below. Knows nothing else: this module imports nothing of ours.

    CoordError
    ├── UsageError                the caller: fix the program or the command line
    │   ├── ConfigError           impossible timings, bad names, bad URLs
    │   ├── MissingExtra          the store's client library is not installed
    │   ├── ForkedProcess         a coordinator was used in a forked child
    │   └── ShapeConflict         a role is declared with another shape than the group's
    ├── StoreError                the store or the way to it; carries a `certainty`
    │   ├── StoreUnavailable      no answer in time, or a passing refusal
    │   ├── StoreRefused          a lasting refusal: rights, wrong file, wrong schema, full disk
    │   ├── StoreConflict         a conditional write found another version than it was told
    │   ├── SessionLost           the session is over, for good
    │   └── DuplicateMember       a live session already carries this member's name
    ├── LeadershipLost            the term is over: stop acting
    ├── NotElected                `lead(timeout_s=…)` ran out of time
    ├── JobCancelled              the run of a task is over: stop
    ├── BudgetSpent               the fleet may spend no more of a budget for now
    ├── InProgress                somebody else is at this key of the ledger
    ├── PayloadMismatch           a key of the ledger was used with another payload
    ├── Fenced                    a resource refused a token older than one it has seen
    └── InternalError             our bug: please report it
"""

from __future__ import annotations

from enum import Enum

__all__ = [
    "BudgetSpent",
    "Certainty",
    "ConfigError",
    "CoordError",
    "DuplicateMember",
    "Fenced",
    "ForkedProcess",
    "InProgress",
    "InternalError",
    "JobCancelled",
    "LeadershipLost",
    "MissingExtra",
    "NotElected",
    "PayloadMismatch",
    "SessionLost",
    "ShapeConflict",
    "StoreConflict",
    "StoreError",
    "StoreRefused",
    "StoreUnavailable",
    "UsageError",
]


class Certainty(Enum):
    """What a failed request tells about its effect on the store.

    `UNKNOWN` is the honest default. Reading back can turn it into `APPLIED` and never into
    `NOT_APPLIED`: a request held on the way may land after the read that did not see it.
    """

    APPLIED = "applied"
    NOT_APPLIED = "not applied"
    UNKNOWN = "unknown"


class CoordError(Exception):
    """The base of all errors of coord: a message that names the cause, and a cure.

    `str(error)` is "cause. cure" in one line; `cause` and `cure` give the parts.
    """

    def __init__(self, cause: str, *, cure: str = "") -> None:
        super().__init__(cause, cure)
        self.cause = cause
        self.cure = cure

    def __str__(self) -> str:
        if not self.cure:
            return self.cause
        end = "" if self.cause.endswith((".", "?", "!")) else "."
        return f"{self.cause}{end} {self.cure}"


class UsageError(CoordError):
    """The program or the command line asks for something that cannot be."""


class ConfigError(UsageError):
    """A setting is impossible by itself or beside the others; nothing was started."""


class MissingExtra(UsageError):
    """The URL names a store whose package or client library is not installed."""


class ForkedProcess(UsageError):
    """A coordinator was used in a forked child; sessions and threads do not survive a fork."""


class ShapeConflict(UsageError):
    """The role's record has another shape than this member declares; it claims nothing."""


class StoreError(CoordError):
    """The store, or the way to it, failed. `certainty` says what is known of the effect."""

    def __init__(
        self, cause: str, *, cure: str = "", certainty: Certainty = Certainty.UNKNOWN
    ) -> None:
        super().__init__(cause, cure=cure)
        self.certainty = certainty


class StoreUnavailable(StoreError):
    """No answer within the timeout, or a refusal that may pass (busy, throttled, moving)."""


class StoreRefused(StoreError):
    """A refusal that lasts until somebody changes something. Trying again does not help."""

    def __init__(
        self, cause: str, *, cure: str = "", certainty: Certainty = Certainty.NOT_APPLIED
    ) -> None:
        super().__init__(cause, cure=cure, certainty=certainty)


class StoreConflict(StoreError):
    """A conditional write was refused because the record has changed; read it and decide anew."""

    def __init__(self, cause: str, *, cure: str = "") -> None:
        super().__init__(cause, cure=cure, certainty=Certainty.NOT_APPLIED)


class SessionLost(StoreError):
    """The store says that this session is over. It never holds or renews anything again."""

    def __init__(self, cause: str, *, cure: str = "") -> None:
        super().__init__(cause, cure=cure, certainty=Certainty.NOT_APPLIED)


class DuplicateMember(StoreError):
    """A live session of another incarnation carries this member's name.

    `session` is the id of that session. The core waits for a dead incarnation's session to
    expire; this error reaches the user only when the other one still heartbeats.
    """

    def __init__(self, cause: str, *, session: str, cure: str = "") -> None:
        super().__init__(cause, cure=cure, certainty=Certainty.NOT_APPLIED)
        self.session = session


class LeadershipLost(CoordError):
    """The term is over, or its deadline has passed: whatever is not done yet must not be done."""


class NotElected(CoordError):
    """Nobody gave us the claim within the time that the caller allowed."""

    @classmethod
    def within(cls, role: str, timeout_s: float | None) -> NotElected:
        """The error of `lead`; `timeout_s` None: the coordinator stopped first."""
        cause = (
            f"role {role!r}: the coordinator stops"
            if timeout_s is None
            else f"role {role!r} was not ours within {timeout_s:g} s"
        )
        return cls(cause, cure="`coord why URL ROLE` tells who leads, or why nobody does.")


class JobCancelled(CoordError):
    """The run of a task has no right to go on; what it left undone is done by the next run.

    Its term is over, its message may be visible to others, its timeout has passed, or a newer run
    replaces it.
    """


class BudgetSpent(CoordError):
    """The fleet has spent what a budget allows; nothing was taken from it.

    `retry_after_s` is when some of it is back, as far as is known.
    """

    def __init__(self, cause: str, *, retry_after_s: float, cure: str = "") -> None:
        super().__init__(cause, cure=cure)
        self.retry_after_s = retry_after_s


class InProgress(CoordError):
    """Another attempt at this key of the ledger may still be under way; nothing was begun.

    `retry_after_s` is when it will have been watched for long enough to be taken over, if it does
    not move by then; it is reckoned from now, for whoever asks through the same `Ledger`.
    """

    def __init__(self, cause: str, *, retry_after_s: float, cure: str = "") -> None:
        super().__init__(cause, cure=cure)
        self.retry_after_s = retry_after_s


class PayloadMismatch(CoordError):
    """A key of the ledger was used before, for another payload; nothing was begun.

    Either the key does not name the work well enough, or the same request came in two wordings.
    """


class Fenced(CoordError):
    """A resource has seen a newer generation or token than the one offered.

    Nothing was written. Somebody else leads now; stop and let the term end.
    """


class InternalError(CoordError):
    """A state that coord's own rules exclude. Please report it with its text."""
