"""Starts a process whose end is tied to ours, from whichever thread.

Owns the one thread that starts processes for threads that may end. Knows no server.
"""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from pathlib import Path
from queue import SimpleQueue

from coord.testing.servers import tether

__all__ = ["Launch"]

_TETHER = str(Path(tether.__file__).resolve())


@dataclass(frozen=True, slots=True, kw_only=True)
class Launch:
    """What to start, where, with what added to our environment, and where its output goes."""

    command: Sequence[str]
    folder: Path
    log: Path
    environment: Mapping[str, str] = field(default_factory=dict)

    def start(self) -> subprocess.Popen[bytes]:
        """Start it; it dies when we do. Any thread.

        It gets a session of its own, so Ctrl-C in a terminal reaches us and not it. The kernel
        ties it to the *thread* that starts it, so another than the main thread has it started
        by one that stays for good.
        """
        if threading.current_thread() is threading.main_thread():
            return self.start_here()
        return _keeper().start(self)

    def start_here(self) -> subprocess.Popen[bytes]:
        """Start it from this very thread, at whose end it will be killed."""
        with self.log.open("ab") as output:
            return subprocess.Popen(  # noqa: S603 (a command that we put together, no shell)
                [sys.executable, "-I", "-S", _TETHER, str(os.getpid()), *self.command],
                cwd=self.folder,
                env={**os.environ, **self.environment},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )


class _Keeper:
    """A thread that starts what it is given, and stays until the process ends."""

    def __init__(self) -> None:
        self.pid = os.getpid()
        self._jobs: SimpleQueue[tuple[Launch, Future[subprocess.Popen[bytes]]]] = SimpleQueue()
        threading.Thread(target=self._run, name="servers-starter", daemon=True).start()

    def start(self, launch: Launch) -> subprocess.Popen[bytes]:
        done: Future[subprocess.Popen[bytes]] = Future()
        self._jobs.put((launch, done))
        return done.result()

    def _run(self) -> None:
        while True:
            launch, done = self._jobs.get()
            try:
                done.set_result(launch.start_here())
            except BaseException as error:  # noqa: BLE001 (whoever waits for the result gets it)
                done.set_exception(error)


_keepers: list[_Keeper] = []
_one_at_a_time = threading.Lock()


def _keeper() -> _Keeper:
    with _one_at_a_time:
        if not _keepers or _keepers[-1].pid != os.getpid():  # threads do not survive a fork
            _keepers[:] = [_Keeper()]
        return _keepers[-1]
