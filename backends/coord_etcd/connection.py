"""One connection to one endpoint: a gRPC channel and etcd's calls over it.

Owns the channel's settings and its end. Decides nothing about failures. Rules and their reasons:

- Each connection has sockets of its own (`use_local_subchannel_pool`): gRPC would else share them
  between channels, and a heartbeat would queue behind a large answer.
- A connection that is to be replaced is *retired*: its streams end at once, calls under way may
  finish, then it closes. Closing under them would turn their answers into doubts.
- gRPC's waits between attempts to connect grow to minutes; ours stay within a request's timeout.
- Pings find a connection whose other end is gone without a word while a watch waits on it. etcd
  takes more than one in five seconds for an attack.
- A KeepAlive is a stream of etcd's, of which we use one at a time, for one KeepAlive: as a call
  with a deadline of its own. An answer that comes too late ends with its stream and cannot be
  taken for the answer to a later KeepAlive (docs/decisions/etcd-heartbeats.md).
- Channels are made on first use, never on import, and not in a forked child.
- A channel that the store's closing has closed says so by `ValueError`; here it is a failed request
  like any other (`test_closing_a_store_lets_no_error_of_the_library_through`).
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple, Protocol

import etcd3.etcdrpc as rpc
import grpc

from coord_etcd.wire import Message

__all__ = ["Connection", "Pending", "Stream", "Target"]

_PING_S = 6.0
_PING_TIMEOUT_S = 1.0
_RECONNECT_MIN_S = 0.1  # gRPC takes no less
_RECONNECT_MAX_S = 1.0


class Target(NamedTuple):
    """Where to connect, and how: `credentials` None is without TLS."""

    endpoint: str
    credentials: Any
    timeout_s: float


class Pending(Protocol):
    """A request under way."""

    def result(self, timeout: float | None = None) -> Message:
        """The answer; raises grpc.RpcError."""
        ...

    def cancel(self) -> bool:
        """Wait no longer."""
        ...

    def add_done_callback(self, callback: Callable[[Pending], None]) -> None:
        """Call when there is an answer, or none will come. In a thread of gRPC's."""
        ...


class Stream(Protocol):
    """Answers that keep coming."""

    def __iter__(self) -> Iterator[Message]:
        """The next; raises grpc.RpcError."""
        ...

    def cancel(self) -> bool:
        """End it. Any thread."""
        ...


class _ChannelClosed(grpc.RpcError):  # type: ignore[misc]  # gRPC has no types
    """A request, and its failure: the store was closed before it was sent."""

    def code(self) -> grpc.StatusCode:
        """As of requests that closing has ended."""
        return grpc.StatusCode.CANCELLED

    def details(self) -> str:
        """What happened."""
        return "the channel is closed"

    def result(self, timeout: float | None = None) -> Message:
        """As of any request that failed."""
        raise self

    def cancel(self) -> bool:
        """It is over already."""
        return False

    def add_done_callback(self, callback: Callable[[Pending], None]) -> None:
        """It is over already."""
        callback(self)


class Connection:
    """A channel to one endpoint, usable by any number of threads until it is retired."""

    def __init__(self, target: Target) -> None:
        self.endpoint = target.endpoint
        self.heard = False
        self._lock = threading.Lock()
        self._users = 0
        self._retired = False
        self._streams: list[Stream] = []
        self._sent_off: set[Pending] = set()
        self._channel = _channel(target)
        lease, kv = rpc.LeaseStub(self._channel), rpc.KVStub(self._channel)
        upkeep, cluster = rpc.MaintenanceStub(self._channel), rpc.ClusterStub(self._channel)
        self._watch = rpc.WatchStub(self._channel).Watch
        self._calls = {
            "Range": kv.Range,
            "Txn": kv.Txn,
            "LeaseGrant": lease.LeaseGrant,
            "LeaseRevoke": lease.LeaseRevoke,
            "LeaseKeepAlive": _keep_alive(self._channel),
            "Authenticate": rpc.AuthStub(self._channel).Authenticate,
            "Status": upkeep.Status,
            "Alarm": upkeep.Alarm,
            "MemberList": cluster.MemberList,
        }

    def enter(self) -> None:
        """Keep it from closing until `leave`."""
        with self._lock:
            self._users += 1

    def leave(self) -> None:
        """A user less."""
        with self._lock:
            self._users -= 1
        self._close_if_done()

    def send(self, method: str, request: Message, *, timeout_s: float, token: str) -> Message:
        """Ask, and wait for the answer. Raises grpc.RpcError."""
        call = self._calls[method]
        try:
            answer = call(request, timeout=timeout_s, metadata=_metadata(token))
        except ValueError as error:
            raise _ChannelClosed from error
        self.heard = True
        return answer

    def begin(self, method: str, request: Message, *, timeout_s: float, token: str) -> Pending:
        """Ask, and look for the answer later."""
        call = self._calls[method]
        try:
            pending: Pending = call.future(request, timeout=timeout_s, metadata=_metadata(token))
        except ValueError:
            return _ChannelClosed()
        return pending

    def send_off(self, method: str, request: Message, *, timeout_s: float, token: str) -> None:
        """Ask, and never look for the answer. gRPC cancels calls that nobody refers to."""
        pending = self.begin(method, request, timeout_s=timeout_s, token=token)
        self._sent_off.add(pending)
        pending.add_done_callback(self._sent_off.discard)

    def watch(self, requests: Iterable[Message], *, token: str) -> Stream:
        """Open a watch stream; a member of etcd that has lost its leader ends it."""
        try:
            stream: Stream = self._watch(iter(requests), metadata=_metadata(token))
        except ValueError as error:
            raise _ChannelClosed from error
        with self._lock:
            self._streams.append(stream)
            retired = self._retired
        if retired:
            stream.cancel()
        return stream

    def forget(self, stream: Stream) -> None:
        """Say that a stream is over."""
        with self._lock:
            self._streams.remove(stream)

    def retire(self) -> None:
        """Let calls under way finish, then close. Idempotent."""
        with self._lock:
            self._retired = True
            streams = tuple(self._streams)
        for stream in streams:
            stream.cancel()
        self._close_if_done()

    def close(self) -> None:
        """Close at once. Idempotent."""
        self.retire()
        self._channel.close()

    def _close_if_done(self) -> None:
        with self._lock:
            done = self._retired and not self._users
        if done:
            self._channel.close()


def _channel(target: Target) -> Any:  # noqa: ANN401  gRPC has no types
    options = [
        ("grpc.use_local_subchannel_pool", 1),
        ("grpc.enable_retries", 0),
        ("grpc.enable_http_proxy", 0),
        ("grpc.max_receive_message_length", -1),
        ("grpc.max_send_message_length", -1),
        ("grpc.initial_reconnect_backoff_ms", int(_RECONNECT_MIN_S * 1000)),
        ("grpc.min_reconnect_backoff_ms", max(100, int(target.timeout_s * 1000))),
        ("grpc.max_reconnect_backoff_ms", int(min(_RECONNECT_MAX_S, target.timeout_s) * 1000)),
        ("grpc.keepalive_time_ms", int(_PING_S * 1000)),
        ("grpc.keepalive_timeout_ms", int(max(_PING_TIMEOUT_S, target.timeout_s) * 1000)),
        ("grpc.http2.max_pings_without_data", 0),
    ]
    if target.credentials is None:
        return grpc.insecure_channel(target.endpoint, options=options)
    return grpc.secure_channel(target.endpoint, target.credentials, options=options)


def _keep_alive(channel: Any) -> Any:  # noqa: ANN401
    return channel.unary_unary(
        "/etcdserverpb.Lease/LeaseKeepAlive",
        request_serializer=rpc.LeaseKeepAliveRequest.SerializeToString,
        response_deserializer=rpc.LeaseKeepAliveResponse.FromString,
    )


def _metadata(token: str) -> tuple[tuple[str, str], ...]:
    """`hasleader`: a member of etcd that is cut off from its leader is to say so, at once."""
    if token:
        return (("hasleader", "true"), ("token", token))
    return (("hasleader", "true"),)
