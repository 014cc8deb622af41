"""Whether a role is paused, for those who hold no claim of it: workers of a queue.

Owns the look at the role's record, every `_LOOK_S`, on a thread of its own. Knows no message. Law:
a worker that cannot read the record goes on as it last knew: an unreachable store neither stops the
queue nor lets a paused one run. Whoever starts must know, so `start` raises.

The record is made if there is none, with one shard and one seat: `coord pause` names only what it
knows. It holds nobody's claim, and a worker needs no session.
"""

from __future__ import annotations

import random
import threading
from collections.abc import Callable
from contextlib import suppress

from coord.clock import Clock
from coord.errors import StoreConflict, StoreRefused
from coord.model import RoleRecord, Shape, checked_name
from coord.registry import open_store
from coord.spi import OpenedStore

__all__ = ["Pauses"]

_LOOK_S = 1.0
_MOST_PAUSE_S = 15.0


class Pauses:
    """Tells `paused(why)` and `resumed()`, each when it comes to be; on its thread, or in `start`.

    `failing` hears of what cannot be read, less and less often while it lasts.
    """

    def __init__(
        self,
        url: str,
        role: str,
        *,
        clock: Clock,
        timeout_s: float,
        paused: Callable[[str], None],
        resumed: Callable[[], None],
        failing: Callable[[str], None],
    ) -> None:
        self._url = url
        self._role = checked_name("role", role)
        self._clock = clock
        self._timeout_s = timeout_s
        self._paused = paused
        self._resumed = resumed
        self._failing = failing
        self._is_paused = False
        self._over = threading.Event()
        self._found: OpenedStore | None = None
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Look once, then go on looking. Raises what opening and reading the store does."""
        self._found = open_store(self._url, clock=self._clock, timeout_s=self._timeout_s)
        try:
            self._look(self._found)
        except StoreRefused:  # an embedded store that nobody has made yet
            self._declare(self._found)
            self._look(self._found)
        self._thread = threading.Thread(
            target=self._run, args=(self._found,), name="coord-queue-pauses", daemon=True
        )
        self._thread.start()

    def close(self, timeout_s: float) -> bool:
        """Look no more; whether that came in time. Idempotent."""
        self._over.set()
        thread, found, self._found = self._thread, self._found, None
        if thread is not None:
            thread.join(timeout_s)
        if found is not None:
            found.store.close()
        return thread is None or not thread.is_alive()

    def _run(self, found: OpenedStore) -> None:
        pause_s = _LOOK_S
        while not self._over.wait(random.uniform(pause_s / 2, pause_s)):
            try:
                self._look(found)
                pause_s = _LOOK_S
            except Exception as error:  # noqa: BLE001  without this thread no pause is noticed
                pause_s = min(_MOST_PAUSE_S, 2 * pause_s)
                if not self._over.is_set():
                    self._failing(
                        f"whether role {self._role!r} is paused cannot be read: "
                        f"{str(error) or type(error).__name__}"
                    )

    def _declare(self, found: OpenedStore) -> None:
        with suppress(StoreConflict):  # somebody else has just made it
            found.store.put_role(found.group, RoleRecord(name=self._role, shape=Shape(1, 1)))

    def _look(self, found: OpenedStore) -> None:
        record = found.store.view(found.group).roles.get(self._role)
        if record is None:
            self._declare(found)
            return
        if record.paused == self._is_paused:
            return
        self._is_paused = record.paused
        if record.paused:
            self._paused(f"role {self._role!r} is paused")
        else:
            self._resumed()
