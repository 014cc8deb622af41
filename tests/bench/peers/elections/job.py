"""What each of these daemons does while its library says that it leads, and how it tells of it.

Owns the work (the lab's own: check, read, archive, write) and the records of belief. Leads nothing.

What a library lets a process believe is recorded as it is: `lead` when it says so, without a
deadline where it knows none, `end` when it notices. The token is a number of the tenure that orders
tenures as the store did: where the library gives the user none, it is read off what the library
leaves lying around, and serves the event log alone. Only where the library gives one to its user is
there a fenced table besides the unfenced one.
"""

from __future__ import annotations

import os
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from coord.clock import SYSTEM_CLOCK
from coord.errors import Fenced
from coord.lab.chaos.agent import take_part
from coord.lab.work import app
from coord.lab.work.deed import Deed
from coord.lab.work.modes import BATCH, REST_S, mode_named
from coord.model import ClaimKey
from coord.telemetry import EventLog

__all__ = ["DATABASE_VARIABLE", "NAME_VARIABLE", "Job", "Tenure"]

DATABASE_VARIABLE = "PEER_DATABASE"
"""The environment variable with the path of the application's database."""
NAME_VARIABLE = "PEER_ELECTION"
"""The environment variable with the name of what is led: another one for every fleet."""

_KEY = ClaimKey(mode_named("single").role.name, 1, 0, 0)
_FOREVER = float("inf")
_ANSWER_S = 0.25
"""A check that takes longer holds its process back, which then believes nothing."""


@dataclass(frozen=True, slots=True)
class Tenure:
    """What an act is done under. `check` is not the library's: it never holds anything back."""

    token: int
    key: ClaimKey = _KEY

    def check(self) -> None:
        """The library was asked before."""


class _Unfenced(Deed):
    """The same act where there is no token to compare: on the unfenced table alone."""

    def _delete(self, *_: object) -> None:
        return


class Job:
    """The work of one process, and its event log. One thread works."""

    def __init__(self, *, fenced: bool = False) -> None:
        """`fenced`: the library gives its user a token, so that there is a fenced table too."""
        self.member = os.environ["COORD_MEMBER"]
        self.ttl_s = float(os.environ["COORD_TTL"].removesuffix("s"))
        self.name = os.environ[NAME_VARIABLE]
        self.url = urlsplit(os.environ["COORD_STORE"])
        self._events = EventLog.from_environment(self.member)
        self._deed = (Deed if fenced else _Unfenced)(self.member, self._events)
        self._table = app.FENCED if fenced else app.UNFENCED
        self._lock = threading.Lock()
        self._believes = False
        take_part(self.member)

    @property
    def hosts(self) -> str:
        """The servers, as `host:port,host:port`."""
        return self.url.netloc

    def option(self, name: str) -> str:
        """What the store's URL says of this option."""
        return parse_qs(self.url.query)[name][0]

    def here(self) -> None:
        """The process takes part from now on."""
        self._events.member("start")

    def leaves(self) -> None:
        """The process ends now."""
        self._events.member("stop")

    def leads(self, tenure: Tenure) -> None:
        """The library says that it leads."""
        with self._lock:
            if not self._believes:
                self._events.term_began(tenure.key, tenure.token, _FOREVER)
            self._believes = True

    def lost(self, tenure: Tenure, why: str) -> None:
        """The library, or whoever uses it, has noticed that it does not, or cannot tell."""
        with self._lock:
            if self._believes:
                self._events.term_ended(tenure.key, tenure.token, why)
            self._believes = False

    @contextmanager
    def asking(self, tenure: Tenure) -> Iterator[None]:
        """Around a check that asks the store: while it waits for an answer, nobody acts on it."""
        timer = threading.Timer(_ANSWER_S, self.lost, (tenure, "its check has no answer"))
        timer.daemon = True
        timer.start()
        try:
            yield
        finally:
            timer.cancel()

    def work(self, tenure: Tenure, check: Callable[[], bool]) -> None:
        """Serve a tenure for as long as `check` says that it goes on."""
        path = Path(os.environ[DATABASE_VARIABLE])
        with closing(app.connect(path)) as connection:
            while check():
                self.leads(tenure)
                self._act(tenure, connection)
        self.lost(tenure, "its check says so")

    def _act(self, tenure: Tenure, connection: sqlite3.Connection) -> None:
        start_s = SYSTEM_CLOCK.now()
        try:
            units = self._due(connection, start_s)
            if units:
                self._deed.do(tenure, connection, units, start_s)
        except Fenced:
            pass  # recorded; a refusal of the resource tells the library nothing
        except sqlite3.OperationalError as error:
            if not app.locked(error):
                raise
        time.sleep(REST_S)

    def _due(self, connection: sqlite3.Connection, now_s: float) -> Sequence[str]:
        found = connection.execute(
            f"SELECT unit FROM {self._table} WHERE expires_s <= ?"  # noqa: S608 (one of two names)
            " ORDER BY expires_s LIMIT ?",
            (now_s, BATCH),
        )
        return [unit for (unit,) in found]
