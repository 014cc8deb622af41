"""What kazoo's errors mean to coord: cause, cure and certainty.

Owns the translation. Sends nothing and retries nothing. No text holds credentials: kazoo's own
messages are not passed on, but for those of sockets.
"""

from __future__ import annotations

import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager

from kazoo import exceptions as k
from kazoo.handlers.threading import KazooTimeoutError

from coord.errors import Certainty, CoordError, InternalError, StoreRefused, StoreUnavailable
from coord_zookeeper.requests import INVALID_ACL, NO_AUTH
from coord_zookeeper.url import AUTH

__all__ = ["in_doubt", "is_passing", "refused", "translated", "unreachable"]

_LOST = (
    k.ConnectionLoss,
    k.ConnectionClosedError,
    k.ConnectionDropped,
    k.SessionExpiredError,
    k.SessionMovedError,
    k.NotReadOnlyCallError,
)
_CREDENTIALS = (k.AuthFailedError, k.SASLException, k.SessionClosedRequireSaslError)
_RIGHTS = (
    f"Give the credentials that the group was made with ({AUTH}), or let its owner change the "
    "ACLs; `coord doctor` shows them."
)


def is_passing(error: Exception) -> bool:
    """Whether the connection, not the request, was the trouble: a read may be sent again."""
    return isinstance(error, _LOST)


@contextmanager
def in_doubt() -> Iterator[None]:
    """Around all that follows a sending: what fails in here must not say `not applied`.

    A connection that is refused, or a lock that is not had, says so of itself; what was sent
    before may have been done (`test_what_was_sent_before_a_reading_failed_is_in_doubt`).
    """
    try:
        yield
    except (StoreUnavailable, StoreRefused) as error:
        error.certainty = Certainty.UNKNOWN
        raise


def translated(error: Exception, where: str, certainty: Certainty) -> CoordError:
    """The error of ours that says what happened at `where`."""
    if isinstance(error, CoordError):
        return error
    if isinstance(error, KazooTimeoutError):
        return StoreUnavailable(
            f"ZooKeeper at {where} did not answer in time",
            cure="`coord doctor` shows round trips; look for a server that is down, stopped or "
            "far away.",
            certainty=certainty,
        )
    if isinstance(error, _LOST):
        return StoreUnavailable(
            f"the connection to ZooKeeper at {where} was lost",
            cure="It is made again by itself; look at the servers if that lasts.",
            certainty=certainty,
        )
    if isinstance(error, _CREDENTIALS):
        return _credentials(where, "ZooKeeper refuses the credentials")
    if isinstance(error, k.NoAuthError | k.InvalidACLError):
        return refused(error.code, where)
    if isinstance(error, k.UnimplementedError):
        return StoreRefused(
            f"the ZooKeeper at {where} is too old for a read of several nodes",
            cure="coord needs ZooKeeper 3.6 or newer.",
        )
    return InternalError(f"ZooKeeper at {where}: {type(error).__name__}")


def refused(code: int, where: str) -> CoordError:
    """A code that no rule of ours expects: mostly rights."""
    if code == NO_AUTH:
        return StoreRefused(f"ZooKeeper's ACLs forbid it at {where}", cure=_RIGHTS)
    if code == INVALID_ACL:
        return StoreRefused(
            f"ZooKeeper at {where} takes no ACL of ours without credentials",
            cure=f"Set {AUTH}, or say acl=open in the URL.",
        )
    kind = k.EXCEPTIONS[code].__name__ if code in k.EXCEPTIONS else "unknown"
    return InternalError(f"ZooKeeper at {where} refused with code {code} ({kind})")


def _credentials(where: str, cause: str) -> StoreRefused:
    return StoreRefused(
        f"{cause} at {where}",
        cure=f"Check {AUTH} (digest:user:password or sasl:user:password) against what the servers "
        "know: for sasl, the JAAS section `Server`.",
    )


def unreachable(trouble: Exception | None, heard: str, where: str, *, tls: bool) -> CoordError:
    """Why no connection came about. `trouble` and `heard`: the last error and complaint of kazoo's.

    Not applied is said only where no server took a connection at all.
    """
    if isinstance(trouble, ssl.SSLCertVerificationError):
        return StoreRefused(
            f"ZooKeeper at {where} shows a certificate that is not trusted "
            f"({trouble.verify_message})",
            cure="Name the CA that signed it (ca= in the URL, or COORD_ZOOKEEPER_CA) and servers "
            "by the names in their certificates (check_hostname=false accepts others).",
        )
    if isinstance(trouble, ssl.SSLError) or (tls and isinstance(trouble, ConnectionResetError)):
        reason = getattr(trouble, "reason", None) or "the connection was cut"
        return StoreRefused(
            f"no TLS with ZooKeeper at {where} ({reason})",
            cure="Name its secureClientPort; where it asks for a client's certificate, name that "
            "(cert= and key=); or leave out tls=true.",
        )
    if isinstance(trouble, ConnectionRefusedError):
        return StoreUnavailable(
            f"nobody listens at {where}",
            cure="Start ZooKeeper there, or correct host and port in the URL (its clientPort).",
            certainty=Certainty.NOT_APPLIED,
        )
    if isinstance(trouble, socket.gaierror) or "Cannot resolve" in heard:
        return StoreUnavailable(
            f"no address is known for {where}",
            cure="Correct the host in the URL, or look at DNS.",
            certainty=Certainty.NOT_APPLIED,
        )
    if trouble is None and "dropped" in heard:
        return StoreUnavailable(
            f"{where} takes connections and closes them again",
            cure="Is it ZooKeeper, with a quorum? A port for TLS needs tls=true in the URL; a "
            "server with requireClientAuthScheme needs sasl credentials.",
        )
    return StoreUnavailable(
        f"ZooKeeper at {where} does not answer" + (f" ({trouble})" if trouble else ""),
        cure="Look for a server that is down, stopped, without a quorum, or behind a firewall; "
        "or is this another port than its clientPort?",
    )
