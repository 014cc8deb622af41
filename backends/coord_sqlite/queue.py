"""An embedded queue: messages in a SQLite file, for the workers of one machine.

Owns the calls of `coord.tasks.queue.spi.Queue`; what they mean is in `queue_rows`, how the file is
reached, what is refused and how locks are waited for is as for the store (`access`, `link`).
"""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Callable, Sequence
from typing import TypeVar

from coord.clock import SYSTEM_CLOCK, Clock
from coord.errors import ConfigError, StoreError, StoreRefused
from coord.model import checked_name
from coord.spi import Probe
from coord.tasks.queue.spi import (
    Depth,
    Hide,
    Message,
    Outgoing,
    QueueLimits,
    checked_outgoing,
    checked_receive,
)
from coord_sqlite import queue_rows as rows
from coord_sqlite.access import Access
from coord_sqlite.life import Observer
from coord_sqlite.place import Place, place_of, this_process
from coord_sqlite.probe import findings, findings_before
from coord_sqlite.url import parsed

__all__ = ["SqliteQueue"]

T = TypeVar("T")

_BATCH = 10
_MAX_WAIT_S = 20.0
_MAX_DELAY_S = 900.0
_MAX_BODY_BYTES = 1024 * 1024
_LOOK_S = 0.02
_MAX_RECEIVES = 10
_OPTIONS = ("fifo", "max_receives")


class SqliteQueue:
    """One queue in a file. Any thread; not in a forked child. Implements `Queue`.

    `timeout_s` bounds every call, receiving beyond its waiting time. File and queue are made by
    the first call. `ordered` and `max_receives` hold from then on: who opens it with others is
    refused; None takes what there is.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        name: str = "default",
        ordered: bool | None = None,
        max_receives: int | None = None,
        clock: Clock = SYSTEM_CLOCK,
        timeout_s: float = 1.0,
        place: Place | None = None,
    ) -> None:
        self.path = os.path.realpath(path)
        self._queue = checked_name("queue", name)
        self._clock = clock
        found = place or place_of(clock)
        if not found.boot or not found.clock:
            raise StoreRefused(
                "this system does not say which boot and which clock it runs on",
                cure="An embedded queue needs /proc; use SQS.",
            )
        self._place = f"{found.boot} {found.clock}"
        self._observer = Observer(clock, found, this_process())
        self._access = Access(self.path, self._observer, timeout_s=timeout_s)
        self._access.check()
        self._qid, self._settings = self._made(ordered=ordered, max_receives=max_receives)

    @classmethod
    def from_url(cls, url: str, *, clock: Clock = SYSTEM_CLOCK, timeout_s: float) -> SqliteQueue:
        """Open `sqlite:///file.db?group=NAME&fifo=true&max_receives=5`, all options optional."""
        target = parsed(url, more=_OPTIONS, what="queue")
        return cls(
            target.path,
            name=target.group,
            ordered=_flag(target.more.get("fifo")),
            max_receives=_count(target.more.get("max_receives")),
            clock=clock,
            timeout_s=timeout_s,
            place=place_of(clock, machine=target.machine),
        )

    @classmethod
    def check_is_there(cls, url: str, *, clock: Clock, timeout_s: float) -> None:
        """Refuse a URL whose file, or whose queue in it, nobody has made."""
        target = parsed(url, more=_OPTIONS, what="queue")
        path = os.path.realpath(target.path)
        observer = Observer(clock, place_of(clock, machine=target.machine), this_process())
        access = Access(path, observer, timeout_s=timeout_s)
        try:
            access.check()
            if access.exists and access.reader().snapshot(lambda c: rows.is_made(c, target.group)):
                return
        finally:
            access.close()
        where = f"queue {target.group!r} in {path}" if access.exists else f"file {path}"
        raise StoreRefused(
            f"there is no {where}",
            cure="Check the URL; `coord queue send` makes the queue with its first message.",
        )

    def _made(self, *, ordered: bool | None, max_receives: int | None) -> tuple[int, rows.Settings]:
        wanted = rows.Settings(bool(ordered), max_receives or _MAX_RECEIVES)

        def work(connection: sqlite3.Connection) -> tuple[int, rows.Settings]:
            for table in rows.TABLES:
                connection.execute(table)
            return rows.make(
                connection, self._queue, wanted, place=self._place, now=self._clock.now()
            )

        qid, settings = self._access.writer(create=True).write(work)
        asked = (ordered, max_receives)
        if any(one is not None and one != was for one, was in zip(asked, settings, strict=True)):
            raise ConfigError(
                f"queue {self._queue!r} was made with fifo={str(settings.ordered).lower()} and "
                f"max_receives={settings.max_receives}",
                cure="Leave these options out, or use another queue.",
            )
        return qid, settings

    @property
    def limits(self) -> QueueLimits:
        """What this queue declares about itself."""
        return QueueLimits(
            kind="sqlite",
            batch_size=_BATCH,
            max_wait_s=_MAX_WAIT_S,
            max_hidden_s=rows.MAX_HIDDEN_S,
            max_delay_s=0.0 if self._settings.ordered else _MAX_DELAY_S,
            max_body_bytes=_MAX_BODY_BYTES,
            ordered=self._settings.ordered,
            max_receives=self._settings.max_receives,
        )

    @property
    def name(self) -> str:
        """The file and the queue in it."""
        return f"{self.path}#{self._queue}"

    def _write(self, work: Callable[[sqlite3.Connection, float], T]) -> T:
        """In one transaction, with the time read inside it: after the waiting, not before."""

        def checked(connection: sqlite3.Connection) -> T:
            rows.check_place(connection, self._qid, self._place)
            return work(connection, self._clock.now())

        return self._access.writer().write(checked)

    def send(self, messages: Sequence[Outgoing]) -> list[str | StoreError]:
        """Send all of them, or none: one transaction."""
        for message in messages:
            checked_outgoing(message, self.limits)
        return list(self._write(lambda c, now: rows.send(c, self._qid, list(messages), now)))

    def receive(self, count: int, *, wait_s: float, visibility_s: float) -> list[Message]:
        """Up to `count` messages, at most ten; waits by looking 50 times a second."""
        checked_receive(count, visibility_s, self.limits)
        end_s = time.monotonic() + min(wait_s, _MAX_WAIT_S)
        while True:
            seen = self._version()
            found, looked_s = self._write(
                lambda c, now: (
                    rows.receive(
                        c,
                        self._qid,
                        self._settings,
                        count=min(count, _BATCH),
                        hidden_s=visibility_s,
                        now=now,
                    ),
                    now,
                )
            )
            if found or not self._shows(seen, looked_s, end_s):
                return found

    def _version(self) -> int:
        ((version,),) = self._access.reader().read("PRAGMA data_version")
        return int(version)

    def _shows(self, seen: int, looked_s: float, end_s: float) -> bool:
        """Wait until there is something to be had; False when the time is up.

        The file was seen at version `seen` or later, and empty at `looked_s`. Whoever waits reads
        only: writing would hold up those who work.
        """
        next_s = self._access.reader().snapshot(
            lambda c: rows.next_visible_s(c, self._qid, looked_s)
        )
        while (left_s := end_s - time.monotonic()) > 0:
            time.sleep(min(_LOOK_S, left_s))
            now = self._clock.now()
            if next_s is not None and now >= next_s:
                return True
            if (version := self._version()) != seen:
                seen = version
                is_ready, next_s = self._access.reader().snapshot(
                    lambda c, now=now: (  # type: ignore[misc]
                        rows.is_ready(c, self._qid, self._settings, now),
                        rows.next_visible_s(c, self._qid, now),
                    )
                )
                if is_ready:
                    return True
        return False

    def hide(self, changes: Sequence[Hide]) -> list[StoreError | None]:
        """Change how long each stays hidden: one transaction."""
        return self._write(lambda c, now: [rows.hide(c, self._qid, one, now) for one in changes])

    def delete(self, receipts: Sequence[str]) -> list[StoreError | None]:
        """Remove them: one transaction."""
        return self._write(lambda c, _: [rows.delete(c, self._qid, one) for one in receipts])

    def depth(self) -> Depth:
        """How many messages there are, exactly."""
        return self._access.reader().snapshot(
            lambda connection: rows.depth(connection, self._qid, self._clock.now())
        )

    def redrive(self, count: int) -> int:
        """Bring dead messages back."""
        return self._write(lambda c, now: rows.redrive(c, self._qid, count, now))

    def purge(self) -> None:
        """Remove all messages but the dead."""
        self._write(lambda c, _: rows.purge(c, self._qid))

    def probe(self) -> list[Probe]:
        """File, filesystem, space, clock, journal, locks, round trips, and how many messages."""
        if not self._access.exists:
            return findings_before(self.path, self._observer)
        found = findings(self._access.writer(), self._observer, self._queue)
        depth = self.depth()
        value = ", ".join(f"{count} {what}" for what, count in depth._asdict().items())
        return [*found, Probe(name="messages", ok=not depth.dead, value=value)]

    def close(self) -> None:
        """Close connections. Idempotent."""
        self._access.close()


def _flag(text: str | None) -> bool | None:
    if text is None or text in {"true", "false"}:
        return None if text is None else text == "true"
    raise ConfigError(f"fifo={text!r}", cure="Write fifo=true or fifo=false.")


def _count(text: str | None) -> int | None:
    if text is None:
        return None
    if not (text.isascii() and text.isdigit() and 0 < int(text) <= 1000):  # noqa: PLR2004
        raise ConfigError(f"max_receives={text!r}", cure="Write a number from 1 to 1000.")
    return int(text)
