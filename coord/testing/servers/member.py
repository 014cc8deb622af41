"""One server process: started, paused, killed and started again with its data.

Owns the process and its log. Knows no store: how to ask whether it serves comes from outside.
"""

from __future__ import annotations

import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

from coord.clock import SYSTEM_CLOCK
from coord.testing.servers.errors import ServerFailed
from coord.testing.servers.ports import HOST
from coord.testing.servers.starter import Launch

__all__ = ["ServerMember", "wait_until"]

_POLL_S = 0.02
_POLITE_S = 15.0  # etcd takes seven seconds to leave a cluster
_LOG_LINES = 12
_FIRST_LINES = 4


class ServerMember:
    """A member of a cluster, or the only server. Its ports and its data outlive its process.

    Signals go to the process that we started and have not reaped, so never to another one that
    got its id. One thread at a time.
    """

    def __init__(
        self, name: str, launch: Launch, *, port: int, serves: Callable[[], bool], start_s: float
    ) -> None:
        self.name = name
        self.port = port
        self.paused = False
        self._launch = launch
        self._serves = serves
        self._start_s = start_s
        self._process: subprocess.Popen[bytes] | None = None
        self._said_before = 0  # bytes of the log at the last start

    def __repr__(self) -> str:
        return f"<{self.name} {self.hostport} {self._state()}>"

    @property
    def host(self) -> str:
        """The address that it listens on: 127.0.0.1."""
        return HOST

    @property
    def hostport(self) -> str:
        """Where clients connect, as `127.0.0.1:port`."""
        return f"{HOST}:{self.port}"

    @property
    def pid(self) -> int:
        """The process id of the server itself. Raises `ServerFailed` if it does not run."""
        if self._process is None or not self.running:
            raise ServerFailed(f"{self.name} does not run", cure="Call `restart()` first.")
        return self._process.pid

    @property
    def running(self) -> bool:
        """Whether its process exists, paused or not."""
        return self._process is not None and self._process.poll() is None

    @property
    def log(self) -> Path:
        """The file with all its output, of earlier starts too."""
        return self._launch.log

    def last_lines(self, lines: int = _LOG_LINES) -> str:
        """The end of its output."""
        return "\n".join(self._lines(0)[-lines:])

    def serves(self) -> bool:
        """Whether it runs, is not paused, and answers as a server that can do its work."""
        return self.running and not self.paused and self._serves()

    def start(self) -> None:
        """Start the process and return at once. Does nothing while it runs."""
        if not self.running:
            self._said_before = self.log.stat().st_size if self.log.exists() else 0
            self._process = self._launch.start()
            self.paused = False

    def restart(self, *, timeout_s: float | None = None) -> None:
        """Kill it if it runs, start it with its data, and wait until it serves.

        Raises `ServerFailed`, with its words, if it ends or takes longer than `timeout_s`.
        """
        self.kill()
        self.start()
        self.wait_ready(timeout_s=timeout_s)

    def wait_ready(self, *, timeout_s: float | None = None) -> None:
        """Wait until it serves. Raises `ServerFailed`, with its words, as `restart` does."""
        limit_s = self._start_s if timeout_s is None else timeout_s
        if not wait_until(lambda: not self.running or self.serves(), timeout_s=limit_s):
            raise ServerFailed(
                f"{self.name} on {self.hostport} does not serve after {limit_s:g} s{self._story()}"
            )
        if self._process is None or not self.running:
            status = None if self._process is None else self._process.returncode
            raise ServerFailed(f"{self.name} ended with status {status}{self._story()}")

    def kill(self) -> None:
        """End it with SIGKILL and reap it: no good-bye to clients or peers. Keeps its data."""
        if self._process is not None and self._process.poll() is None:
            self._process.kill()
            self._process.wait(timeout=_POLITE_S)
        self.paused = False

    def ask_to_go(self) -> None:
        """Send SIGTERM and return at once; paused, it goes on in order to go."""
        if self._process is not None and self._process.poll() is None:
            self._process.terminate()
            self.resume()

    def stop(self, *, timeout_s: float = _POLITE_S) -> None:
        """End it with SIGTERM, as an operator does; with SIGKILL if that takes too long.

        An etcd of a cluster hands its leadership over first and takes seconds. Keeps its data.
        """
        self.ask_to_go()
        if self._process is not None and self._process.poll() is None:
            try:
                self._process.wait(timeout=timeout_s)
            except subprocess.TimeoutExpired:
                self.kill()

    def pause(self) -> None:
        """Stop it with SIGSTOP, and return once it stands still. Its connections stay open."""
        pid = self.pid
        if self._process is not None:
            self._process.send_signal(signal.SIGSTOP)
            self.paused = True
            if not wait_until(lambda: _stands_still(pid), timeout_s=_POLITE_S):
                raise ServerFailed(f"{self.name} does not stand still after SIGSTOP")

    def resume(self) -> None:
        """Let it go on after `pause()`; returns at once."""
        if self._process is not None:
            self._process.send_signal(signal.SIGCONT)
        self.paused = False

    def _state(self) -> str:
        if not self.running or self._process is None:
            return "down"
        return f"{'paused' if self.paused else 'up'} pid={self._process.pid}"

    def _lines(self, start: int) -> list[str]:
        try:
            return self.log.read_bytes()[start:].decode(errors="replace").splitlines()
        except OSError:
            return []

    def _story(self) -> str:
        """What it said since its last start: the end, and the beginning, where some name the
        cause before they print how they want to be called.
        """
        lines = self._lines(self._said_before)
        if len(lines) > _FIRST_LINES + _LOG_LINES:
            lines = [*lines[:_FIRST_LINES], "…", *lines[-_LOG_LINES:]]
        return "\n".join([". It said:", *lines]) if lines else ", and it said nothing"


def wait_until(holds: Callable[[], bool], *, timeout_s: float) -> bool:
    """Whether `holds()` became true in time; it is asked at least once."""
    deadline = SYSTEM_CLOCK.now() + timeout_s
    while not holds():
        if SYSTEM_CLOCK.now() >= deadline:
            return False
        time.sleep(_POLL_S)
    return True


def _stands_still(pid: int) -> bool:
    try:
        tasks = list(Path(f"/proc/{pid}/task").iterdir())
        states = [(task / "stat").read_text().rpartition(")")[2].split()[0] for task in tasks]
    except OSError:
        return True  # it, or one of its threads, is gone
    return all(state in "TtZX" for state in states)
