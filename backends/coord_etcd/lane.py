"""Calls that find an endpoint which answers: rotation, retries, logins, deadlines.

Owns which endpoint is used, one at a time for each lane; a store has one lane for heartbeats and
one for everything else, so that no large answer delays a heartbeat. Rules and their reasons:

- Every call ends at its deadline. Within it, a failure that came quickly is tried again elsewhere:
  at most `_ROUNDS` times around where nobody listens, as long as there is time where the cluster
  elects.
- A request that may have landed is sent again only if sending it twice is no harm (`repeatable`),
  and the call's error says `UNKNOWN` from then on, whatever the last attempt said, and even where
  the store is closed meanwhile (`deadline` says why).
- After a timeout the connection is replaced even where there is no other endpoint: the other end
  may have gone without a word, and would be waited for again and again
  (`test_a_connection_that_went_silent_is_replaced`). So it is after a break: what is sent next
  may else go into the broken socket (`test_an_opening_that_fails_leaves_no_lease`).
- Endpoints are begun with at random, so that a fleet spreads over the cluster.
"""

from __future__ import annotations

import os
import random
import threading
import time
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import islice

import grpc

from coord.errors import Certainty, ForkedProcess, StoreRefused
from coord_etcd.connection import Connection, Pending, Target
from coord_etcd.deadline import Deadline
from coord_etcd.failures import Next, Trouble, judged, unproven
from coord_etcd.login import Login
from coord_etcd.wire import Message

__all__ = ["Attempts", "Lane"]

_ROUNDS = 2
_PAUSE_S = 0.02
_WINDOW = 8  # how many transactions are under way at once
_WRITES = frozenset({"Txn", "LeaseGrant", "LeaseRevoke", "LeaseKeepAlive"})


class Lane:
    """A way to the cluster. Any thread of the process that made it."""

    def __init__(self, targets: Sequence[Target], login: Login) -> None:
        self.login = login
        self._targets = list(targets)
        random.shuffle(self._targets)
        self._lock = threading.Lock()
        self._turn = 0
        self._connections: dict[int, Connection] = {}
        self._pid = os.getpid()
        self._closed = False

    @property
    def width(self) -> int:
        """How many endpoints there are."""
        return len(self._targets)

    # ------------------------------------------------------------------------------ connections

    @contextmanager
    def borrowed(self, deadline: Deadline | None = None) -> Iterator[Connection]:
        """The connection in use; it does not close meanwhile. `deadline`: of the call, if any."""
        self.check_usable(deadline)
        with self._lock:
            place = self._turn % len(self._targets)
            connection = self._connections.get(place)
            if connection is None:
                connection = self._connections[place] = Connection(self._targets[place])
            connection.enter()
        try:
            yield connection
        finally:
            connection.leave()

    def failed(self, connection: Connection, *, broken: bool) -> None:
        """Use another endpoint from now on; `broken`: and this connection never again."""
        with self._lock:
            place = self._turn % len(self._targets)
            if self._connections.get(place) is not connection:
                return  # somebody else has seen it before
            self._turn += 1
            if broken:
                del self._connections[place]
        if broken:
            connection.retire()

    @property
    def is_ours(self) -> bool:
        """False in a forked child: gRPC's threads and locks are the parent's, and hang here."""
        return self._pid == os.getpid()

    def check_usable(self, deadline: Deadline | None = None) -> None:
        """Raise `StoreRefused` once closed, `ForkedProcess` in a child."""
        if not self.is_ours:
            raise ForkedProcess(
                "this etcd store belongs to the parent process",
                cure="Open the store after the fork, in the process that uses it.",
            )
        if self._closed:
            if deadline is not None and deadline.may_have_landed:
                raise StoreRefused(
                    "this etcd store was closed while it waited for an answer",
                    cure="Open another; what was under way may have been done.",
                    certainty=Certainty.UNKNOWN,
                )
            raise StoreRefused(
                "this etcd store is closed",
                cure="Open another; nothing was done.",
                certainty=Certainty.NOT_APPLIED,
            )

    def close(self) -> None:
        """Close all connections. Idempotent."""
        with self._lock:
            self._closed = True
            connections, self._connections = self._connections, {}
        for connection in connections.values():
            connection.close()

    # ------------------------------------------------------------------------------------ calls

    def call(
        self, method: str, request: Message, deadline: Deadline, *, repeatable: bool = True
    ) -> Message:
        """Ask, and wait for the answer. Raises coord's errors."""
        attempts = Attempts(self, deadline, repeatable=repeatable)
        while True:
            with self.borrowed(deadline) as connection:
                try:
                    return self.ask(connection, method, request, deadline)
                except grpc.RpcError as error:
                    attempts.failed(connection, error)

    def ask(
        self, connection: Connection, method: str, request: Message, deadline: Deadline
    ) -> Message:
        """One attempt over this connection, and a login if need be. Raises grpc.RpcError."""
        token = self.login.token(connection, deadline)
        try:
            answer = connection.send(method, request, timeout_s=deadline.left_s, token=token)
        except grpc.RpcError as error:
            trouble = judged(error, connection.endpoint, deadline.timeout_s, heard=True)
            if trouble.next is not Next.LOG_IN or not self.login.name:
                raise
            token = self.login.renew(connection, deadline, instead_of=token)
            answer = connection.send(method, request, timeout_s=deadline.left_s, token=token)
        deadline.may_have_landed |= method in _WRITES
        return answer

    def call_many(
        self, method: str, requests: Iterable[Message], deadline: Deadline
    ) -> list[Message]:
        """Ask many things, some at a time, each repeatable; the answers in order."""
        waiting = iter(requests)
        begun: deque[tuple[Message, Pending]] = deque()
        answers: list[Message] = []
        with self.borrowed(deadline) as connection:
            token = self._token(connection, deadline)
            try:
                while True:
                    for request in islice(waiting, _WINDOW - len(begun)):
                        pending = connection.begin(
                            method, request, timeout_s=deadline.left_s, token=token
                        )
                        begun.append((request, pending))
                    if not begun:
                        return answers
                    request, pending = begun.popleft()
                    try:
                        answers.append(pending.result())
                        deadline.may_have_landed |= method in _WRITES
                    except grpc.RpcError as error:
                        deadline.may_have_landed |= bool(begun)
                        self._note(connection, error, deadline)
                        answers.append(self.call(method, request, deadline))
                    connection.heard = True
            finally:
                for _, pending in begun:
                    pending.cancel()

    def _token(self, connection: Connection, deadline: Deadline) -> str:
        """The token; none if the login fails, which the first answer will say."""
        try:
            return self.login.token(connection, deadline)
        except grpc.RpcError:
            return ""

    def _note(self, connection: Connection, error: grpc.RpcError, deadline: Deadline) -> None:
        """Note whether what failed so may have landed; raise if there is no time to ask again."""
        trouble = judged(error, connection.endpoint, deadline.timeout_s, heard=connection.heard)
        deadline.may_have_landed |= not trouble.unsent
        if trouble.timed_out:
            self.failed(connection, broken=True)
            raise trouble.error(doubtful=True) from error


class Attempts:
    """The attempts at one request: whether there is to be another, and what to raise otherwise."""

    def __init__(self, lane: Lane, deadline: Deadline, *, repeatable: bool = True) -> None:
        self._lane = lane
        self._deadline = deadline
        self._repeatable = repeatable
        self._failures = 0
        self._unclear = False

    def failed(self, connection: Connection, error: grpc.RpcError) -> None:
        """Return if it is worth another attempt; raise coord's error if it is not."""
        deadline = self._deadline
        trouble = judged(error, connection.endpoint, deadline.timeout_s, heard=connection.heard)
        deadline.may_have_landed |= not trouble.unsent
        self._lane.check_usable(deadline)
        if trouble.next in {Next.ELSEWHERE, Next.LATER}:
            self._lane.failed(connection, broken=trouble.broken)
        self._failures += 1
        if trouble.timed_out and self._unclear:  # it did answer, and proved nothing till the end
            raise unproven(connection.endpoint, deadline.timeout_s) from error
        if not self._again(trouble):
            raise trouble.error(doubtful=deadline.may_have_landed) from error
        if self._failures % self._lane.width == 0:
            time.sleep(min(_PAUSE_S, deadline.left_s))

    def unclear(self, endpoint: str) -> None:
        """Answers came, and prove nothing. Return if there is time to ask again.

        At once the first time, since an election may just have ended; then with pauses, since it
        may last (`test_heartbeats_that_stay_unproven_spare_the_server`). Time is looked at after
        the pause: a request with a millisecond left would fail, and its connection with it.
        """
        if self._unclear:
            time.sleep(min(_PAUSE_S, self._deadline.left_s))
        if self._deadline.is_over:
            raise unproven(endpoint, self._deadline.timeout_s)
        self._unclear = True

    def _again(self, trouble: Trouble) -> bool:
        if self._deadline.is_over or not (trouble.unsent or self._repeatable):
            return False
        if trouble.next is Next.LATER:
            return True
        return trouble.next is Next.ELSEWHERE and self._failures < _ROUNDS * self._lane.width
