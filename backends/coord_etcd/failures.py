"""What gRPC's and etcd's errors mean to coord: what to do next, cause, cure and certainty.

Owns the reading of status codes and texts. Retries nothing. `NOT_APPLIED` is said only where the
request cannot have reached the cluster's log: the connection was never made, or the server refused
before it proposed anything. Everything else may have landed, or may yet. Among that is what a full
database refuses: etcd looks at its quota again when it applies a request, *after* writing it, and
answers with the same words (`test_a_full_database_is_named`).
"""

from __future__ import annotations

from enum import Enum
from typing import NamedTuple

import grpc

from coord.errors import Certainty, SessionLost, StoreError, StoreRefused, StoreUnavailable

__all__ = [
    "Compacted",
    "Next",
    "NoSuchLease",
    "Trouble",
    "is_full",
    "judged",
    "late",
    "lost",
    "unproven",
]


class NoSuchLease(StoreRefused):
    """The lease is over."""


class Compacted(StoreRefused):
    """The history that was asked for is gone."""


class Next(Enum):
    """What whoever asked may do about it."""

    ELSEWHERE = "elsewhere"  # another endpoint may answer
    LATER = "later"  # the cluster elects a leader, or is overloaded
    LOG_IN = "log in"  # the token is not good any more
    GIVE_UP = "give up"  # any endpoint would say the same


class Trouble(NamedTuple):
    """One failed request."""

    next: Next
    unsent: bool  # certain for ever that it has no effect
    cause: str
    cure: str
    kind: type[StoreError]
    timed_out: bool = False
    broken: bool = False  # the connection: nothing more should be sent over it

    def error(self, *, doubtful: bool) -> StoreError:
        """The error to raise. `doubtful`: something of the call may have landed before."""
        certainty = Certainty.NOT_APPLIED if self.unsent and not doubtful else Certainty.UNKNOWN
        return self.kind(self.cause, cure=self.cure, certainty=certainty)


class _Rule(NamedTuple):
    """What a text in an error means."""

    text: str
    next: Next
    cause: str
    cure: str
    unsent: bool = True
    kind: type[StoreError] = StoreRefused


_QUORUM = "A majority of its members must run; an election takes a second or two."
_CREDENTIALS = "Give them as etcdctl takes them: ETCDCTL_USER=name:password, or ETCDCTL_PASSWORD."
_CERTIFICATES = (
    "Name the CA in ETCDCTL_CACERT, and the client's certificate and key in ETCDCTL_CERT and "
    "ETCDCTL_KEY."
)
_FULL = "database space exceeded"
_RULES = (
    _Rule("invalid auth token", Next.LOG_IN, "the login has expired", _CREDENTIALS),
    _Rule("auth store is old", Next.LOG_IN, "users or roles have just been changed", _CREDENTIALS),
    _Rule(
        "authentication failed",
        Next.GIVE_UP,
        "etcd refuses the user's name or password",
        _CREDENTIALS,
    ),
    _Rule("user name is empty", Next.LOG_IN, "etcd wants a user and got none", _CREDENTIALS),
    _Rule(
        "permission denied",
        Next.GIVE_UP,
        "etcd denies this user the group's keys",
        "Grant it: etcdctl role grant-permission ROLE readwrite --prefix=true /coord/",
    ),
    _Rule(
        _FULL,
        Next.GIVE_UP,
        "etcd's database is full and takes no writes",
        "Compact, defragment, then `etcdctl alarm disarm`; set --auto-compaction-retention.",
        unsent=False,
    ),
    _Rule(
        "too many operations",
        Next.GIVE_UP,
        "the server's --max-txn-ops is below 128",
        "Leave it at etcd's default, 128, or raise it.",
    ),
    _Rule(
        "requested lease not found",
        Next.GIVE_UP,
        "the lease is over",
        "Open a new session.",
        kind=NoSuchLease,
    ),
    _Rule(
        "has been compacted",
        Next.GIVE_UP,
        "the history that was asked for has been compacted away",
        "Read the present instead.",
        kind=Compacted,
    ),
    _Rule("request is too large", Next.GIVE_UP, "a request is too large for etcd", "Report it."),
    _Rule(
        "no leader",
        Next.LATER,
        "etcd has no leader",
        _QUORUM,
        kind=StoreUnavailable,
    ),
    _Rule(  # etcd's own words, of its own waiting: its leader has gone, and it does not know yet
        "context deadline exceeded",
        Next.ELSEWHERE,
        "the other members did not answer it in time",
        _QUORUM,
        unsent=False,
        kind=StoreUnavailable,
    ),
    _Rule(
        "too many requests",
        Next.LATER,
        "etcd is overloaded and refuses requests",
        "Give it a faster disk, or less to do.",
        kind=StoreUnavailable,
    ),
    _Rule(
        "WRONG_VERSION_NUMBER",
        Next.ELSEWHERE,
        "it does not speak TLS",
        "Leave tls=true out of the URL, or give the port that speaks TLS.",
    ),
    _Rule(
        "Handshake read failed",
        Next.ELSEWHERE,
        "it ended the TLS handshake, as servers do that speak none",
        "Leave tls=true and ETCDCTL_CACERT out, or give the port that speaks TLS.",
        kind=StoreUnavailable,
    ),
    _Rule(
        "CERTIFICATE_VERIFY_FAILED",
        Next.ELSEWHERE,
        "its certificate is not signed by the CA that we trust, or not for this name",
        _CERTIFICATES,
    ),
    _Rule(
        "Peer name",
        Next.ELSEWHERE,
        "its certificate is for another name",
        "Use a name that the certificate bears, in the URL.",
    ),
    _Rule(
        "Connection refused",
        Next.ELSEWHERE,
        "nobody listens there",
        "Is etcd running, and is this its client port (2379 by default)?",
        kind=StoreUnavailable,
    ),
    _Rule(
        "DNS",
        Next.ELSEWHERE,
        "its name cannot be resolved",
        "Correct the host's name in the URL.",
        kind=StoreUnavailable,
    ),
)
_REFUSALS = frozenset(
    {
        grpc.StatusCode.INVALID_ARGUMENT,
        grpc.StatusCode.NOT_FOUND,
        grpc.StatusCode.PERMISSION_DENIED,
        grpc.StatusCode.FAILED_PRECONDITION,
        grpc.StatusCode.OUT_OF_RANGE,
        grpc.StatusCode.UNAUTHENTICATED,
    }
)
_LOG = "The server's log says more."
_SAID_BY_ETCD = "etcdserver: "
_MAYBE_TLS = (
    "Is this etcd's client port? If it speaks TLS, add tls=true to the URL; if it wants client "
    "certificates, name them in ETCDCTL_CERT and ETCDCTL_KEY."
)
_NOT_ETCD = "This is not the client port of an etcd 3 server: correct the host and port."


def judged(error: grpc.RpcError, endpoint: str, timeout_s: float, *, heard: bool) -> Trouble:
    """What an error of gRPC means. `heard`: this connection has answered before."""
    code, text = error.code(), error.details() or ""
    for rule in _RULES:
        if rule.text in text:
            cause = f"etcd at {endpoint}: {rule.cause}"
            return Trouble(rule.next, rule.unsent, cause, rule.cure, rule.kind)
    if code is grpc.StatusCode.DEADLINE_EXCEEDED:
        return late(endpoint, timeout_s, heard=heard)
    if code is grpc.StatusCode.UNIMPLEMENTED:
        cause = f"{endpoint} is no etcd 3 server ({text})"
        return _doubtful(Next.ELSEWHERE, cause, _NOT_ETCD, StoreRefused)
    if code in _REFUSALS:
        cause = f"etcd at {endpoint} refuses: {code.name.lower()} ({_short(text)})"
        return _doubtful(Next.GIVE_UP, cause, _LOG, StoreRefused)
    cause = f"etcd at {endpoint} did not answer: {code.name.lower()} ({_short(text)})"
    cure = "Is a majority of its members up?" if heard else _MAYBE_TLS
    found = _doubtful(Next.ELSEWHERE, cause, cure, StoreUnavailable)
    return found._replace(broken=_SAID_BY_ETCD not in text)


def is_full(error: grpc.RpcError) -> bool:
    """Whether etcd refused because its database is full."""
    return _FULL in (error.details() or "")


def late(endpoint: str, timeout_s: float, *, heard: bool = True) -> Trouble:
    """There was no answer in time: what was asked may have landed, or may yet."""
    cause = f"etcd at {endpoint} did not answer within {timeout_s:.3g} s"
    cure = "`coord doctor` shows its health and round trips." if heard else _MAYBE_TLS
    found = _doubtful(Next.ELSEWHERE, cause, cure, StoreUnavailable)
    return found._replace(timed_out=True, broken=True)


def unproven(endpoint: str, timeout_s: float) -> StoreUnavailable:
    """Heartbeats were acknowledged, and no acknowledgement could be trusted."""
    return StoreUnavailable(
        f"for {timeout_s:g} s no heartbeat through {endpoint} was confirmed by the member that "
        "acknowledged it, within one term",
        cure="etcd is electing a leader, or something between us and it changes the member with "
        "every request: name the members themselves in the URL.",
    )


def lost(session: str) -> SessionLost:
    """The error that says so, for good."""
    return SessionLost(
        f"session {session} is over", cure="Open a new session; it starts with nothing."
    )


def _doubtful(then: Next, cause: str, cure: str, kind: type[StoreError]) -> Trouble:
    return Trouble(next=then, unsent=False, cause=cause, cure=cure, kind=kind)


def _short(text: str, length: int = 120) -> str:
    return text if len(text) <= length else text[: length - 1] + "…"
