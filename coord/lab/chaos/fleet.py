"""The worker processes: started, found dead, stopped.

Owns the processes, each by its id. Strikes nobody and knows no fault. Every wait is bounded, and
nothing outlives us, even if we are killed: see `coord.testing.servers.tether`.
"""

from __future__ import annotations

import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

from coord.errors import ConfigError
from coord.lab.errors import Unplayed
from coord.testing.servers.starter import Launch

__all__ = ["Fleet", "WorkerFailed"]

_STOP_S = 5.0
_KILL_S = 5.0
_POLL_S = 0.01
_TAIL_LINES = 20


class WorkerFailed(Unplayed):
    """A worker process ended though nobody had asked it to."""


class Fleet:
    """Processes by member name. Entering starts all, leaving stops all. One thread."""

    def __init__(
        self,
        members: Iterable[str],
        command: Callable[[str], Sequence[str]],
        environ: Callable[[str], Mapping[str, str]],
        *,
        output: Path,
    ) -> None:
        """`command` and `environ` are asked at every start; `output` gets what workers print."""
        self._members = list(members)
        self._command = command
        self._environ = environ
        self._output = output
        self._running: dict[str, subprocess.Popen[bytes]] = {}
        self._excused: dict[int, Callable[[int], None]] = {}

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

    @property
    def members(self) -> tuple[str, ...]:
        """Whoever belongs to the fleet, whether it runs or not."""
        return tuple(self._members)

    @property
    def running(self) -> tuple[str, ...]:
        """Whoever has a process."""
        return tuple(self._running)

    def start(self, member: str) -> None:
        """Start a member that does not run; a name that is new joins the fleet.

        In a session of its own: Ctrl-C is for us to handle. Raises ConfigError if there is no
        such program.
        """
        if member not in self._members:
            self._members.append(member)
        launch = Launch(
            command=_found(self._command(member)),
            folder=Path.cwd(),
            log=self._log_of(member),
            environment=self._environ(member),
        )
        self._running[member] = launch.start()

    def pid(self, member: str) -> int:
        """The process id of a member that was started."""
        return self._running[member].pid

    def reap(self, member: str, *, within_s: float = _KILL_S) -> None:
        """A member that was ended on purpose: take notice of its end."""
        self._running.pop(member).wait(within_s)

    def excuse(self, member: str, ended: Callable[[int], None]) -> None:
        """The present process of a member may end by itself from now on, whenever that is.

        When `check` finds that it has, it is reaped and `ended` called with its id.
        """
        self._excused[self.pid(member)] = ended

    def dismiss(self, member: str) -> None:
        """Somebody who has been reaped is not of the fleet any more."""
        self._members.remove(member)

    def missing(self) -> list[str]:
        """The members that have no process."""
        return [member for member in self._members if member not in self._running]

    def check(self) -> None:
        """Raise WorkerFailed if any member has ended by itself, with the last that it said.

        But not for one that is excused.
        """
        for member, process in list(self._running.items()):
            code = process.poll()
            if code is None:
                continue
            ended = self._excused.pop(process.pid, None)
            if ended is None:
                raise WorkerFailed(
                    f"{member} ended by itself, with exit code {code}: {self.last_words(member)}",
                    cure="See what it said. If it is not a daemon of yours, please report it.",
                )
            del self._running[member]
            ended(process.pid)

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

    def last_words(self, member: str) -> str:
        """The last line that it printed, or a traceback if there was one."""
        lines = self._log_of(member).read_text(errors="replace").splitlines()
        if any(line.startswith("Traceback") for line in lines):
            return "\n".join(lines[-_TAIL_LINES:])
        return lines[-1] if lines else "it said nothing"


def _found(command: Sequence[str]) -> list[str]:
    """The command with the whole path of its program."""
    program, *arguments = command
    path = shutil.which(program)
    if path is None:
        raise ConfigError(
            f"there is no program {program!r} to start",
            cure="Give its path, or one that the shell would find.",
        )
    return [path, *arguments]
