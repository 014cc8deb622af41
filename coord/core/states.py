"""The two transition tables: the life of a session, and the life of one tenure of one claim.

Owns which step may follow which. Knows no timing and no reasons: those live where the signals
are raised. Whoever adds an edge changes one line here; the diagram in the docs is drawn from
these tables.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum, auto

from coord.errors import InternalError

__all__ = [
    "SESSION_TABLE",
    "TENURE_TABLE",
    "SessionPhase",
    "SessionSignal",
    "TenurePhase",
    "TenureSignal",
    "next_session_phase",
    "next_tenure_phase",
]


class SessionPhase(Enum):
    """Where a member stands with its session."""

    IDLE = auto()  # not started
    OPENING = auto()  # asking the store for a session
    LIVE = auto()  # renewing; may claim
    LEAVING = auto()  # renewing; claims nothing, lets go of everything
    FADING = auto()  # given up for good: no renewal, work is stopping
    CLOSING = auto()  # nothing runs under it any more: one best-effort close
    STOPPED = auto()  # the end


class SessionSignal(Enum):
    """What moves a session."""

    START = auto()  # the user wants in
    OPENED = auto()  # the store gave us a session
    DOUBT = auto()  # no proof by `stop_at`, or the store says it is lost
    STOP = auto()  # the user wants out
    QUIET = auto()  # no work runs under this session any more, or its deadline has passed
    REOPEN = auto()  # closed as well as could be: a new session
    FINISH = auto()  # closed as well as could be, or never opened: the end


SESSION_TABLE: Mapping[tuple[SessionPhase, SessionSignal], SessionPhase] = {
    (SessionPhase.IDLE, SessionSignal.START): SessionPhase.OPENING,
    (SessionPhase.IDLE, SessionSignal.FINISH): SessionPhase.STOPPED,
    (SessionPhase.OPENING, SessionSignal.OPENED): SessionPhase.LIVE,
    (SessionPhase.OPENING, SessionSignal.STOP): SessionPhase.CLOSING,
    (SessionPhase.OPENING, SessionSignal.FINISH): SessionPhase.STOPPED,
    (SessionPhase.LIVE, SessionSignal.STOP): SessionPhase.LEAVING,
    (SessionPhase.LIVE, SessionSignal.DOUBT): SessionPhase.FADING,
    (SessionPhase.LEAVING, SessionSignal.DOUBT): SessionPhase.FADING,
    (SessionPhase.LEAVING, SessionSignal.QUIET): SessionPhase.CLOSING,
    (SessionPhase.FADING, SessionSignal.QUIET): SessionPhase.CLOSING,
    (SessionPhase.CLOSING, SessionSignal.REOPEN): SessionPhase.OPENING,
    (SessionPhase.CLOSING, SessionSignal.FINISH): SessionPhase.STOPPED,
}


class _Quick(Enum):
    """Members that are looked up for each of 10,000 claims: Enum hashes their names, in Python."""

    __hash__ = object.__hash__


class TenurePhase(_Quick):
    """Where one tenure stands, from the request for the claim to the end of its code."""

    CLAIMING = auto()  # the request is on its way, or its fate is unknown
    LEADING = auto()  # the claim is ours and user code may act
    STOPPING = auto()  # user code was asked to stop; the claim is still ours
    RELEASING = auto()  # the claim is being given back
    LINGERING = auto()  # the claim is not ours any more, yet its code still runs here
    GONE = auto()  # the end


class TenureSignal(_Quick):
    """What moves a tenure."""

    WON = auto()  # the store gave us the claim
    REFUSED = auto()  # it did not, or nobody knows: a view will tell
    ASK = auto()  # drain, pause, shutdown, doubt: stop in order
    ENDED = auto()  # user code has stopped
    FORCE = auto()  # late progress: give the claim back although the code still runs
    RELEASED = auto()  # the store confirmed the release
    TAKEN = auto()  # the claim or its session is no longer ours


_P, _S = TenurePhase, TenureSignal
TENURE_TABLE: Mapping[tuple[TenurePhase, TenureSignal], TenurePhase] = {
    (_P.CLAIMING, _S.WON): _P.LEADING,
    (_P.CLAIMING, _S.REFUSED): _P.GONE,
    (_P.CLAIMING, _S.TAKEN): _P.GONE,
    (_P.LEADING, _S.ASK): _P.STOPPING,
    (_P.LEADING, _S.ENDED): _P.RELEASING,
    (_P.LEADING, _S.FORCE): _P.RELEASING,
    (_P.LEADING, _S.TAKEN): _P.LINGERING,
    (_P.STOPPING, _S.ENDED): _P.RELEASING,
    (_P.STOPPING, _S.FORCE): _P.RELEASING,
    (_P.STOPPING, _S.TAKEN): _P.LINGERING,
    (_P.RELEASING, _S.ENDED): _P.RELEASING,
    (_P.RELEASING, _S.RELEASED): _P.LINGERING,
    (_P.RELEASING, _S.TAKEN): _P.LINGERING,
    (_P.LINGERING, _S.ENDED): _P.GONE,
}


def next_session_phase(phase: SessionPhase, signal: SessionSignal) -> SessionPhase:
    """Return where `signal` leads from `phase`; InternalError if the table has no such edge."""
    try:
        return SESSION_TABLE[phase, signal]
    except KeyError:
        raise InternalError(f"session: no edge from {phase.name} on {signal.name}") from None


def next_tenure_phase(phase: TenurePhase, signal: TenureSignal) -> TenurePhase:
    """Return where `signal` leads from `phase`; InternalError if the table has no such edge."""
    try:
        return TENURE_TABLE[phase, signal]
    except KeyError:
        raise InternalError(f"tenure: no edge from {phase.name} on {signal.name}") from None
