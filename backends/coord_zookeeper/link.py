"""One connection to ZooKeeper, kept up by kazoo: requests go in, answers or errors of ours come
out.

Owns a client's life and every wait for it. Knows no group. Each call is given a deadline and keeps
it. A request that was given up may still land, so its error says `unknown`; reads are sent again
after a lost connection, as long as there is time (`test_a_view_outlives_a_restarted_server`).
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any, TypeVar

from kazoo.exceptions import AuthFailedError, NoNodeError
from kazoo.handlers.threading import KazooTimeoutError
from kazoo.protocol.states import KazooState, KeeperState

from coord.clock import Clock
from coord.errors import Certainty, CoordError, ForkedProcess, StoreRefused, StoreUnavailable
from coord_zookeeper.deadline import Deadline
from coord_zookeeper.failures import is_passing, translated, unreachable
from coord_zookeeper.requests import Multi, MultiRead, Op, Reading, Refused, Stat, check
from coord_zookeeper.url import Target
from coord_zookeeper.wire import Greeting, ZooClient

__all__ = ["WINDOW", "Link", "dispose"]

T = TypeVar("T")
Results = list[Stat | Refused | None]

WINDOW = 100
"""How many transactions are under way at once: what others wait behind them is some 20 ms."""

_LOOK_S = 0.005
_GRACE_S = 0.2
_SILENT_SHARE = 0.9

# For connecting, TLS and the greeting each: one call has time for a second server. A server that is
# starting takes connections, and leaves them without an answer for good.
_PATIENCE_SHARE = 0.5
_PATIENCE_MOST_S = 2.0
_ENDED = (KeeperState.AUTH_FAILED, KeeperState.CLOSED)


class Link:
    """One client of kazoo's. Any thread; not in a forked child.

    `ttl_s` is asked for its session. `greeted` is told, in kazoo's thread, of every connection;
    `lost`, in some thread, that a session is over.
    """

    def __init__(
        self,
        target: Target,
        *,
        clock: Clock,
        ttl_s: float,
        timeout_s: float,
        pings: bool,
        greeted: Callable[[Greeting, float], None] = lambda _greeting, _stamp_s: None,
        lost: Callable[[], None] = lambda: None,
    ) -> None:
        self.where = target.where
        self._tls = target.tls is not None
        self._pid = os.getpid()
        self._timeout_s = timeout_s
        self._asked_s = 0.0  # since when an answer is owed: the first request after the last one
        self._closed = False
        self._started = False
        self._lost = lost
        self.client = ZooClient(
            target.hosts,
            ttl_s=ttl_s,
            patience_s=min(timeout_s * _PATIENCE_SHARE, _PATIENCE_MOST_S),
            tls=target.tls,
            auth=target.auth,
            sasl=dict(target.sasl) if target.sasl else None,
            pings=pings,
            stamp=clock.now,
            greeted=greeted,
        )
        self._lock = threading.Lock()

    # ------------------------------------------------------------------------------------- life

    def connect(self, deadline: Deadline) -> None:
        """Wait until there is a connection. Raises what kept it from coming about."""
        self.check()
        client = self.client
        with self._lock:
            if not self._started:
                self._started = True
                client.start_async()
                client.add_listener(self._hear)
        began_s = time.monotonic()
        while not client.connected:
            if client.client_state == KeeperState.AUTH_FAILED:
                raise translated(AuthFailedError(), self.where, Certainty.NOT_APPLIED)
            self.check()
            if client.wire.retired:
                if client.wire.trouble is not None:
                    raise translated(client.wire.trouble, self.where, Certainty.NOT_APPLIED)
                raise StoreUnavailable(
                    f"the session at {self.where} is over",
                    cure="Open a new one.",
                    certainty=Certainty.NOT_APPLIED,
                )
            cause = unreachable(client.wire.trouble, client.ear.last, self.where, tls=self._tls)
            settled = isinstance(cause, StoreRefused) and time.monotonic() - began_s > _LOOK_S
            if deadline.is_over or settled:
                raise cause
            time.sleep(min(_LOOK_S, deadline.left_s()))

    @property
    def ended(self) -> bool:
        """Whether kazoo has given up for good (refused credentials)."""
        given_up = self.client.wire.retired or self.client.client_state in _ENDED
        return self._started and given_up

    def close(self, deadline: Deadline, *, farewell: bool) -> None:
        """Stop its threads and close its sockets; `farewell` ends its session first. Idempotent.

        In a forked child nothing: connections are shared with the parent, who still uses them
        (`test_a_forked_child_that_closes_leaves_its_parents_connections_alone`).
        """
        if os.getpid() != self._pid:
            self._closed = True
            return
        with self._lock:
            if self._closed:
                return
            self._closed = True
            started = self._started
        if started:
            dispose(self.client, deadline, farewell=farewell)

    def _hear(self, state: str) -> None:
        if state == KazooState.LOST:
            self._lost()

    def check(self) -> None:
        """Raise in a forked child, and after `close`."""
        if os.getpid() != self._pid:
            raise ForkedProcess(
                "this store was opened in the parent process",
                cure="Open the store after the fork, in the process that uses it.",
            )
        if self._closed:
            raise StoreRefused(f"the store at {self.where} is closed", cure="Open another.")

    # --------------------------------------------------------------------------------- requests

    def ask(self, request: object, deadline: Deadline) -> Any:  # noqa: ANN401  what kazoo decodes
        """Send one request and wait for its answer. kazoo's errors come as they are."""
        self.connect(deadline)
        return self._answer(self._submit(request), deadline)

    def commit(self, ops: list[Op], deadline: Deadline) -> Results:
        """One transaction. Raises errors of ours, `unknown` where it may have been done."""
        with self._translating():
            results: Results = self.ask(Multi(ops), deadline)
            return results

    def commit_all(self, batches: Iterable[list[Op]], deadline: Deadline) -> Iterator[Results]:
        """Many transactions, in order, `WINDOW` of them under way at once; their results.

        On an error the rest is not sent, and what was under way may land.
        """
        with self._translating():
            self.connect(deadline)
            waiting: list[Any] = []
            done = 0
            for ops in batches:
                waiting.append(self._submit(Multi(ops)))
                if len(waiting) - done >= WINDOW:
                    yield self._answer(waiting[done], deadline)
                    done += 1
            for answer in waiting[done:]:
                yield self._answer(answer, deadline)

    def read(self, ops: list[Op], deadline: Deadline, *, sync: str = "") -> list[Reading]:
        """Read several nodes at one moment; with `sync`, not before all that was acknowledged.

        `sync` is a path to be checked, in a transaction that changes nothing: it goes through a
        majority, and this server answers the read behind it only once it has applied it, and so
        all that was acknowledged before. ZooKeeper's own `sync` is no proof: a leader that was
        paused while another was elected answers it from memory, and reads behind it show holders
        that were deposed (`test_a_view_through_a_revived_leader_shows_what_was_acknowledged`).
        """

        def once() -> list[Reading]:
            self.connect(deadline)
            synced = self._submit(Multi([check(sync)])) if sync else None
            answer = self._submit(MultiRead(ops))
            if synced is not None:
                self._answer(synced, deadline)
            found: list[Reading] = self._answer(answer, deadline)
            return found

        with self._translating():
            return self._persist(once, deadline)

    def arm(self, request: object, deadline: Deadline) -> object:
        """Send a read that leaves a watch; its answer, None if there is no such node."""
        with self._translating():
            try:
                found: object = self.ask(request, deadline)
            except NoNodeError:
                return None
            return found

    def send(self, ops: list[Op]) -> None:
        """Send a transaction whose answer nobody waits for."""
        self.client.submit(Multi(ops))

    def _persist(self, read: Callable[[], T], deadline: Deadline) -> T:
        """Do it again after a lost connection: reads change nothing."""
        while True:
            try:
                return read()
            except Exception as error:
                if not is_passing(error) or deadline.is_over:
                    raise
            time.sleep(min(_LOOK_S, deadline.left_s()))

    def _submit(self, request: object) -> Any:  # noqa: ANN401  kazoo's AsyncResult
        if self.client.wire.heard_s >= self._asked_s:
            self._asked_s = time.monotonic()
        return self.client.submit(request)

    def _answer(self, answer: Any, deadline: Deadline) -> Any:  # noqa: ANN401
        try:
            return answer.get(timeout=deadline.left_s())
        except KazooTimeoutError:
            self._doubt()
            raise

    def _doubt(self) -> None:
        """Cut a connection that has said nothing for a whole timeout after it was asked."""
        silent_s = time.monotonic() - self._asked_s
        is_silent = self.client.wire.heard_s < self._asked_s
        if is_silent and silent_s > self._timeout_s * _SILENT_SHARE:
            self.client.wire.sever()

    def _translating(self) -> _Translating:
        return _Translating(self.where)


class _Translating:
    """Lets only errors of ours out."""

    def __init__(self, where: str) -> None:
        self._where = where

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, Exception) and not isinstance(error, CoordError):
            raise translated(error, self._where, Certainty.UNKNOWN) from error


def dispose(client: ZooClient, deadline: Deadline, *, farewell: bool) -> None:
    """Stop a client's threads and close its sockets, within the deadline as far as can be.

    `farewell`: end its session at the server first. It is given a moment even when time is up, or
    a session that was made and not answered would stay for its whole ttl
    (`test_a_session_whose_opening_was_given_up_is_ended`). A server that does not answer is not
    waited for any longer; the last thread then ends by itself.
    """

    def work() -> None:
        if not farewell:
            client.wire.retire()
        client.stop()
        client.close()

    thread = threading.Thread(target=work, name="coord-zookeeper-close", daemon=True)
    thread.start()
    thread.join(max(deadline.left_s(), _GRACE_S))
    if thread.is_alive():
        client.wire.retire()
        thread.join(_GRACE_S)
