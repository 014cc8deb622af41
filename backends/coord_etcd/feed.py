"""What etcd's watch brings: one stream a group, followed from revision to revision.

Owns the thread that reads the stream, and what has arrived and was not taken yet. Decides nothing
and decodes nothing: whoever reads a view takes what has arrived. Rules and their reasons:

- After a break it goes on at the revision after the last one that arrived, at whichever endpoint
  answers: nothing is missed (`test_a_watch_goes_on_where_its_connection_broke`).
- If history was compacted away meanwhile, or the store went back in time, it starts from now,
  forgets what it had, and wakes: the next view reads everything
  (`test_a_watch_whose_history_was_compacted_misses_nothing`).
- So it does where it would go on at a member that lags behind: that stream brings nothing between
  the member's revision and the one it was opened at, and what arrived before may not have been
  taken yet. A picture that took the rest for complete stayed wrong for good
  (`test_a_watch_that_goes_on_at_a_member_behind_misses_nothing`).
- What arrived says up to where it is complete (`complete_from`, `complete_to`). Revisions of etcd
  are whole: one message bears all changes of a revision.
- We do not ask etcd how far the stream has come (progress requests): before 3.4.25 and 3.5.8 the
  answer can overtake changes that were not sent yet. `views` knows how far it should have come.
"""

from __future__ import annotations

import random
import sys
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress

import etcd3.etcdrpc as rpc
import grpc

from coord.errors import CoordError
from coord_etcd.connection import Connection, Stream
from coord_etcd.deadline import Deadline
from coord_etcd.failures import judged
from coord_etcd.keys import Keys
from coord_etcd.lane import Lane
from coord_etcd.picture import Event
from coord_etcd.wire import Message

__all__ = ["EtcdWatch", "Feed"]

_RETRY_MIN_S = 0.05
_RETRY_MAX_S = 1.0
_MOST_EVENTS = 200_000


class EtcdWatch:
    """A subscription. `wake` runs in the feed's thread."""

    def __init__(self, wake: Callable[[], None], feed: Feed) -> None:
        self._wake = wake
        self._feed = feed
        self._lock = threading.RLock()
        self._open = True

    def wake(self) -> None:
        """Called by the feed's thread; what `wake` raises ends nothing."""
        with self._lock:
            if not self._open:
                return
            try:
                self._wake()
            except Exception:  # noqa: BLE001
                _report()

    def close(self) -> None:
        """Stop waking; waits for a wake under way, at most the store's timeout. Idempotent.

        Does nothing in a forked child.
        """
        if not self._feed.is_ours:
            return
        deadline = Deadline(self._feed.timeout_s)
        self._open = False
        if self._lock.acquire(timeout=deadline.left_s):
            self._lock.release()
        self._feed.remove(self, deadline)


class _Run:
    """One thread's following, from its start to its end, and the stream that it reads now.

    All that a thread may touch is here: one that outlives its feed's patience, in a subscriber's
    `wake`, finds that it is not the feed's run any more and changes nothing of its successor's
    (`test_a_subscriber_that_hangs_is_in_no_later_ones_way`).
    """

    def __init__(self) -> None:
        self.stopping = threading.Event()
        self.stream: Stream | None = None
        self.connection: Connection | None = None
        self.start = 0
        """The revision that the stream was opened at; 0: now."""

    def stop(self) -> None:
        """Under the feed's lock."""
        self.stopping.set()
        if self.stream is not None:
            self.stream.cancel()


class Feed:
    """The changes of one group as they arrive. Any thread."""

    def __init__(self, lane: Lane, keys: Keys, timeout_s: float) -> None:
        self.timeout_s = timeout_s
        self.complete_from = 0
        """What is here and what was taken is complete from this revision on; 0: nothing is."""
        self.complete_to = 0
        self._lane = lane
        self._keys = keys
        self._news = threading.Condition()
        self._events: list[Event] = []
        self._watches: list[EtcdWatch] = []
        self._run: _Run | None = None
        self._threads: list[threading.Thread] = []

    # ------------------------------------------------------------------------------ subscribers

    def add(self, wake: Callable[[], None]) -> EtcdWatch:
        """Subscribe; the first subscription starts a thread."""
        watch = EtcdWatch(wake, self)
        with self._news:
            self._watches.append(watch)
            if self._run is None:
                self._run = run = _Run()
                thread = threading.Thread(
                    target=self._follow, args=[run], name="coord-etcd-watch", daemon=True
                )
                self._threads = [one for one in self._threads if one.is_alive()] + [thread]
                thread.start()
        return watch

    def remove(self, watch: EtcdWatch, deadline: Deadline) -> None:
        """Unsubscribe; after the last one the thread ends."""
        with self._news, suppress(ValueError):
            self._watches.remove(watch)
            if self._watches:
                return
            self._end()
        self._join(deadline)

    def close(self, deadline: Deadline) -> None:
        """End all subscriptions. Idempotent."""
        with self._news:
            self._watches.clear()
            self._end()
        self._join(deadline)

    def _end(self) -> None:
        """Under the lock. Whoever subscribes from now on starts another run."""
        run, self._run = self._run, None
        if run is not None:
            run.stop()
        self._start_over()

    def _join(self, deadline: Deadline) -> None:
        with self._news:
            threads = [] if self._run is not None else list(self._threads)
        for thread in threads:
            if thread is not threading.current_thread():
                thread.join(deadline.left_s)

    # ---------------------------------------------------------------------------------- readers

    @property
    def runs(self) -> bool:
        """Whether anything will arrive."""
        return self._run is not None

    @property
    def is_ours(self) -> bool:
        """False in a forked child: the thread and the stream are the parent's."""
        return self._lane.is_ours

    def take(self, revision: int) -> tuple[list[Event], int] | None:
        """All changes after `revision` that have arrived, and up to where; None if not all have.

        They are given once: after this the next complete picture is the caller's.
        """
        with self._news:
            if not self.complete_from or self.complete_from > revision + 1:
                return None
            events, self._events = self._events, []
            return events, self.complete_to

    def wait(self, revision: int, timeout_s: float) -> bool:
        """Wait until changes later than `revision` have arrived; False if none have in time."""
        with self._news:
            return self._news.wait_for(lambda: self.complete_to > revision, timeout_s)

    def distrust(self) -> None:
        """It is behind, or the store went back: start from now, over another connection."""
        with self._news:
            self._start_over()
            run = self._run
            stream, connection = (None, None) if run is None else (run.stream, run.connection)
        if stream is not None and connection is not None:
            self._lane.failed(connection, broken=True)
            stream.cancel()

    def _start_over(self) -> None:
        """Under the lock."""
        self._events = []
        self.complete_from = self.complete_to = 0

    # ------------------------------------------------------------------------------- the thread

    def _follow(self, run: _Run) -> None:
        pause_s = _RETRY_MIN_S
        while not run.stopping.is_set():
            heard = False
            try:
                with self._lane.borrowed() as connection:
                    heard = self._read(connection, run)
            except CoordError:
                return  # the store was closed
            pause_s = _RETRY_MIN_S if heard else min(pause_s * 2, _RETRY_MAX_S)
            run.stopping.wait(pause_s * random.uniform(0.5, 1.0))

    def _read(self, connection: Connection, run: _Run) -> bool:
        """Read one stream to its end; whether anything came."""
        heard = False
        try:
            token = self._lane.login.token(connection, Deadline(self.timeout_s))
            stream = self._opened(connection, token, run)
        except grpc.RpcError as error:
            self._lane.failed(connection, broken=_broken(error))
            return False
        try:
            for answer in stream:
                heard = self._heard(answer, run, token)
                if not heard:
                    break
        except grpc.RpcError as error:
            if not run.stopping.is_set():
                self._lane.failed(connection, broken=_broken(error))
        finally:
            stream.cancel()
            connection.forget(stream)
            with self._news:
                run.stream = run.connection = None
        return heard

    def _opened(self, connection: Connection, token: str, run: _Run) -> Stream:
        with self._news:
            span = self._keys.watched
            run.start = self.complete_to + 1 if self.complete_from else 0
            request = rpc.WatchRequest(
                create_request=rpc.WatchCreateRequest(
                    key=span.start, range_end=span.end, start_revision=run.start
                )
            )
            stream = connection.watch([request], token=token)
            run.stream, run.connection = stream, connection
            if run.stopping.is_set():
                stream.cancel()
            return stream

    def _heard(self, answer: Message, run: _Run, token: str) -> bool:
        """Take in one message; False if the stream is of no use any more."""
        if answer.canceled:
            self._canceled(answer, run, token)
            return False
        if answer.created:
            return self._begun(answer.header.revision, run)
        if answer.events:
            self._arrived(list(answer.events), run)
        return True

    def _begun(self, revision: int, run: _Run) -> bool:
        """Whether what the stream will bring fits what is here; if not, the next begins at now."""
        with self._news:
            if run is not self._run:
                return False
            if run.start:
                fits = self.complete_from > 0 and revision + 1 >= run.start
                if not fits:
                    self._start_over()
                return fits
            self._start_over()
            self.complete_from, self.complete_to = revision + 1, revision
        self._wake(run)
        return True

    def _canceled(self, answer: Message, run: _Run, token: str) -> None:
        """History is gone, the login has expired, or we may not look: the next try will tell."""
        if answer.compact_revision:
            with self._news:
                if run is self._run:
                    self._start_over()
        elif "auth token" in answer.cancel_reason or "permission denied" in answer.cancel_reason:
            connection = run.connection
            if connection is not None:
                with suppress(grpc.RpcError):
                    self._lane.login.renew(connection, Deadline(self.timeout_s), instead_of=token)

    def _arrived(self, events: Sequence[Event], run: _Run) -> None:
        changes = self._keys.changes
        with self._news:
            if run is not self._run:
                return
            self._events.extend(events)
            self.complete_to = max(self.complete_to, events[-1].kv.mod_revision)
            if len(self._events) > _MOST_EVENTS:  # nobody reads: they will read everything
                self._events = []
                self.complete_from = self.complete_to + 1
            self._news.notify_all()
        if any(event.kv.key != changes for event in events):
            self._wake(run)

    def _wake(self, run: _Run) -> None:
        with self._news:
            watches = tuple(self._watches) if run is self._run else ()
        for watch in watches:
            watch.wake()


def _broken(error: grpc.RpcError) -> bool:
    return judged(error, "", 0.0, heard=True).broken


def _report() -> None:
    """Show an error of a caller's as any thread's would be."""
    kind, error, trace = sys.exc_info()
    if kind is not None:
        threading.excepthook(
            threading.ExceptHookArgs((kind, error, trace, threading.current_thread()))
        )
