"""Opening the file: when it is made, what is checked first, and which connections there are.

Owns the connections of one store, all but those of its sessions. Knows no group. One connection
writes, one reads views, one belongs to the watching thread; they are opened when first needed.
Rule: nothing is made or written before every check has passed, and only writing makes a file.
"""

# ruff: noqa: S608  statements are put together from constants alone

from __future__ import annotations

import os
import threading

from coord.errors import ForkedProcess, StoreRefused
from coord_sqlite import schema
from coord_sqlite.handshake import check_neighbours, check_path, mount_table
from coord_sqlite.life import Observer
from coord_sqlite.link import FileId, Link
from coord_sqlite.records import SESSION_COLUMNS, SessionRow

__all__ = ["Access"]


class Access:
    """The way to one file. Any thread of the process that made it.

    Every method that gives a connection raises `StoreRefused` (not applied) with what is wrong
    with the file, `StoreUnavailable` when it stayed locked, and `ForkedProcess` in a child.
    """

    def __init__(self, path: str, observer: Observer, *, timeout_s: float) -> None:
        self.path = path
        self.timeout_s = timeout_s
        self._observer = observer
        self._pid = os.getpid()
        self._lock = threading.RLock()
        self._writer: Link | None = None
        self._reader: Link | None = None
        self._file: FileId | None = None  # once every check has passed
        self._closed = False

    def check(self) -> None:
        """Refuse what can be refused without opening anything."""
        check_path(self.path, mount_table())

    def writer(self, *, create: bool = False) -> Link:
        """The connection that writes; `create`: make the file if there is none."""
        with self._lock:
            self.check_usable()
            if self._writer is None:
                if create and not self.exists:
                    self.check()
                    schema.create(self.path, timeout_s=self.timeout_s)
                self._writer = self.connect(durable=True)
            return self._writer

    def reader(self) -> Link:
        """The connection that reads views."""
        with self._lock:
            self.check_usable()
            if self._reader is None:
                self._reader = self.connect(durable=False)
            return self._reader

    def connect(self, *, durable: bool) -> Link:
        """Another connection, which the caller closes."""
        with self._lock:
            self.check_usable()
            if self._file is not None:
                return self._link(durable=durable)
            if not self.exists:
                raise StoreRefused(
                    f"there is no file {self.path}",
                    cure="Check the URL; the first member that starts on it makes the file.",
                )
            self.check()
            link = self._link(durable=durable)
            try:
                check_neighbours(self.path, timeout_s=self.timeout_s)
                for row in link.read(f"SELECT {SESSION_COLUMNS} FROM sessions"):
                    self._observer.check_machine(SessionRow(*row))
            except BaseException:
                link.close()
                raise
            self._file = link.file
            return link

    def _link(self, *, durable: bool) -> Link:
        return Link(self.path, timeout_s=self.timeout_s, durable=durable, file=self._file)

    @property
    def exists(self) -> bool:
        """Whether the file has been made."""
        return not schema.is_missing(self.path)

    def check_usable(self) -> None:
        """Raise unless this store is open and this is the process that opened it."""
        if os.getpid() != self._pid:
            raise ForkedProcess(
                f"a store on {self.path} was opened by process {self._pid} and used in its "
                f"forked child {os.getpid()}",
                cure="Open another store in the child, after the fork.",
            )
        if self._closed:
            raise StoreRefused(
                f"this store on {self.path} is closed", cure="Open another; nothing was done."
            )

    def close(self) -> None:
        """Close the connections. Idempotent."""
        with self._lock:
            self._closed = True
            for link in (self._writer, self._reader):
                if link is not None:
                    link.close()
