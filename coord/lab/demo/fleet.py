"""The worker processes: started, found dead, stopped.

Owns the processes, each by its id. Strikes nobody and knows no fault. Every wait is bounded, and
nothing outlives the demo, even if it is killed: see `tether`.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

from coord.errors import CoordError

__all__ = ["Fleet", "WorkerFailed"]

_STOP_S = 5.0
_KILL_S = 5.0
_POLL_S = 0.01
_TAIL_LINES = 20


class WorkerFailed(CoordError):
    """A worker process ended though nobody had asked it to."""


class Fleet:
    """Processes by member name. Entering starts all, leaving stops all. One thread."""

    def __init__(
        self,
        members: Sequence[str],
        arguments: Sequence[str],
        *,
        environ: Mapping[str, str],
        output: Path,
    ) -> None:
        """`arguments` are those of the worker but its name; `output` gets what workers print."""
        self._members = tuple(members)
        self._arguments = tuple(arguments)
        self._environ = {**os.environ, **environ}
        self._output = output
        self._running: dict[str, subprocess.Popen[bytes]] = {}

    def __enter__(self) -> Self:
        try:
            for member in self._members:
                self.start(member)
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def start(self, member: str) -> None:
        """Start a member that does not run. In a session of its own: Ctrl-C is for us to handle."""
        command = [sys.executable, "-m", "coord.lab.demo.worker", "--member", member]
        command += ["--parent", str(os.getpid()), *self._arguments]
        with self._log_of(member).open("ab") as output:
            self._running[member] = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=self._environ,
                start_new_session=True,
            )

    def pid(self, member: str) -> int:
        """The process id of a member that was started."""
        return self._running[member].pid

    def reap(self, member: str) -> None:
        """A member that was killed on purpose: take notice of its end."""
        self._running.pop(member).wait(_KILL_S)

    def missing(self) -> list[str]:
        """The members that have no process."""
        return [member for member in self._members if member not in self._running]

    def check(self) -> None:
        """Raise WorkerFailed if any member has ended by itself, with the last that it said."""
        for member, process in self._running.items():
            code = process.poll()
            if code is not None:
                raise WorkerFailed(
                    f"{member} ended by itself, with exit code {code}: {self._last_words(member)}",
                    cure="If that does not name the cause, please report it.",
                )

    def close(self) -> None:
        """Stop everybody: in order if they can within a few seconds, by force otherwise."""
        for process in self._running.values():
            with suppress(ProcessLookupError):
                process.send_signal(signal.SIGTERM)
                process.send_signal(signal.SIGCONT)
        end = time.monotonic() + _STOP_S
        while time.monotonic() < end and any(p.poll() is None for p in self._running.values()):
            time.sleep(_POLL_S)
        for process in self._running.values():
            if process.poll() is None:
                process.kill()
                process.wait(_KILL_S)
        self._running.clear()

    def _log_of(self, member: str) -> Path:
        return self._output / f"{member}.log"

    def _last_words(self, member: str) -> str:
        lines = self._log_of(member).read_text(errors="replace").splitlines()
        if any(line.startswith("Traceback") for line in lines):
            return "\n".join(lines[-_TAIL_LINES:])
        return lines[-1] if lines else "it said nothing"
