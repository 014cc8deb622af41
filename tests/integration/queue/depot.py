"""Worker processes on one queue, and what their journal tells afterwards.

Every process is stopped by its pid in the end, whatever happens.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

from coord.errors import StoreError
from coord.tasks import Ledger
from coord.tasks.ledger import Known, State
from coord.tasks.opening import open_queue
from coord.tasks.queue.payload import JsonCodec, outgoing
from coord.tasks.queue.spi import Outgoing, Queue
from tests.integration.fleet import ROOT, until

__all__ = ["Depot", "Hauler", "Line", "until"]

_MODULE = "tests.integration.workers.hauler"
_EXIT_S = 60.0


class Line(NamedTuple):
    """One event, as `workers.hauler` wrote it down."""

    at: float
    what: str
    message: str
    received: int
    name: str
    detail: str

    @property
    def delivery(self) -> tuple[str, int]:
        """Which delivery of which message it is about."""
        return self.message, self.received


class Hauler:
    """One worker process."""

    def __init__(
        self, name: str, command: list[str], log: Path, environment: Mapping[str, str]
    ) -> None:
        self.name = name
        self.log = log
        with log.open("wb") as stderr:
            self._popen = subprocess.Popen(
                command,
                cwd=ROOT,
                stdout=subprocess.PIPE,
                stderr=stderr,
                text=True,
                env={**os.environ, **environment},
            )

    def await_live(self) -> None:
        """It has opened the queue."""
        assert self._popen.stdout is not None
        line = self._popen.stdout.readline().strip()
        assert line.isdigit(), f"{self.name}: {line!r}\n{self.log.read_text()}"

    def signal(self, number: signal.Signals) -> None:
        """Send one."""
        self._popen.send_signal(number)

    def stop(self) -> None:
        """SIGSTOP; when this returns it stands still, or has ended."""
        self.signal(signal.SIGSTOP)
        os.waitid(os.P_PID, self._popen.pid, os.WSTOPPED | os.WEXITED | os.WNOWAIT)

    def end(self) -> None:
        """SIGTERM, and the orderly end that it asks for; at once if it has hardly begun."""
        self.signal(signal.SIGTERM)
        code = self._popen.wait(_EXIT_S)
        assert code in {0, -signal.SIGTERM}, f"{code}: {self.log.read_text()}"

    def kill(self) -> None:
        """SIGKILL; nothing is left of it."""
        if self._popen.poll() is None:
            self._popen.kill()
        self._popen.wait(_EXIT_S)
        if self._popen.stdout is not None and not self._popen.stdout.closed:
            self._popen.stdout.close()


class Depot:
    """A queue, its ledger, its workers and their journal."""

    def __init__(
        self, folder: Path, url: str = "", *, environment: Mapping[str, str] | None = None
    ) -> None:
        self.folder = folder
        self.url = url or f"sqlite:///{folder}/queue.db?max_receives=100"
        self.ledger_url = f"sqlite:///{folder}/ledger.db"
        self.haulers: list[Hauler] = []
        self._environment = environment or {}
        self._queue: Queue | None = None

    @property
    def queue(self) -> Queue:
        """A queue of the test's own."""
        if self._queue is None:
            self._queue = open_queue(self.url, timeout_s=10.0)
        return self._queue

    def send(self, task: str, count: int, *, groups: int = 0, **arguments: Any) -> None:  # noqa: ANN401
        """So many messages, with `n` from 0 on; in turn for each of the groups."""
        made = [
            outgoing(
                task,
                {"n": n, **arguments},
                codec=JsonCodec(),
                group=f"g{n % groups}" if groups else "",
                dedup=f"d{n}" if groups else "",
            )
            for n in range(count)
        ]
        self.put(made)

    def put(self, messages: Sequence[Outgoing]) -> None:
        """These, each of them."""
        size = self.queue.limits.batch_size
        for start in range(0, len(messages), size):
            answers = self.queue.send(messages[start : start + size])
            assert not any(isinstance(one, StoreError) for one in answers), answers

    def begin(self, *, visibility_s: float, url: str = "", **settings: Any) -> Hauler:  # noqa: ANN401
        """Start a worker."""
        name = f"w{len(self.haulers)}"
        given = {
            "url": url or self.url,
            "folder": str(self.folder),
            "name": name,
            "visibility_s": visibility_s,
            **settings,
        }
        command = [sys.executable, "-m", _MODULE, json.dumps(given)]
        hauler = Hauler(name, command, self.folder / f"{name}.log", self._environment)
        self.haulers.append(hauler)
        return hauler

    def start(self, **settings: Any) -> Hauler:  # noqa: ANN401
        """Start a worker, and wait until it has opened the queue."""
        hauler = self.begin(**settings)
        hauler.await_live()
        return hauler

    def close(self) -> None:
        for hauler in self.haulers:
            hauler.kill()
        if self._queue is not None:
            self._queue.close()

    def lines(self, *kinds: str) -> list[Line]:
        """What was written down so far, in the order of the moments."""
        return sorted(line for line in self._read() if not kinds or line.what in kinds)

    def _read(self) -> Iterator[Line]:
        path = self.folder / "journal"
        for text in path.read_text().splitlines() if path.exists() else ():
            at, what, message, received, name, detail = text.split(" ", 5)
            yield Line(float(at), what, message, int(received), name, detail)

    def is_empty(self) -> bool:
        """Whether nothing is left to do."""
        return not self.queue.depth().undone

    def logs(self) -> str:
        """What the processes said, the end of it."""
        return "\n".join(hauler.log.read_text()[-2000:] for hauler in self.haulers)

    def count(self, what: str, *names: str) -> int:
        """How many lines there are of one kind, by these workers or by all."""
        return sum(not names or line.name in names for line in self.lines(what))

    def those(self, what: str) -> set[str]:
        """Of which messages there are lines of one kind."""
        return {line.message for line in self.lines(what)}

    # ------------------------------------------------------------------ what must have happened

    def lost(self, count: int) -> list[int]:
        """Which of so many keys never completed, as the ledger says."""
        keys = [f"haul/{n}" for n in range(count)]
        with Ledger.open(self.ledger_url, timeout_s=10.0) as ledger:
            known: dict[str, Known] = {}
            for start in range(0, count, 500):
                known |= ledger.look(keys[start : start + 500])
        return [
            n
            for n, key in enumerate(keys)
            if key not in known or known[key].state is not State.DONE
        ]

    def doubled(self) -> dict[str, int]:
        """Which keys were completed by more than one run."""
        completed = Counter(line.detail for line in self.lines("completed"))
        return {n: count for n, count in completed.items() if count > 1}

    def overtaken(self, groups: int) -> list[tuple[int, int]]:
        """Who of a group was begun before the one ahead of it had come back: these pairs.

        First starts count. Each handler comes back at least once before its message is deleted.
        """
        began: dict[int, float] = {}
        ended: dict[int, float] = {}
        for line in self.lines("start", "completed", "known"):
            (began if line.what == "start" else ended).setdefault(int(line.detail), line.at)
        never = float("inf")
        pairs = ((n, n + groups) for n in began if n + groups in began)
        return [(n, after) for n, after in pairs if ended.get(n, never) > began[after]]

    def second_starts(self) -> Counter[str]:
        """Why messages were started again: how the start before each of these had ended.

        "expired": its worker's trust in it was over when the message was received again. Then
        whatever the worker did meanwhile, it had been told. "untold": nothing of that kind, which
        must not be.
        """
        trusted: dict[tuple[str, int], float] = defaultdict(float)
        ended: dict[tuple[str, int], str] = {}
        received: dict[tuple[str, int], float] = {}
        starts: dict[str, list[Line]] = defaultdict(list)
        for line in self.lines():
            if line.what == "trusted":
                trusted[line.delivery] = max(trusted[line.delivery], float(line.detail))
            elif line.what == "ended":
                ended[line.delivery] = line.detail
            elif line.what == "received":
                received[line.delivery] = line.at
            elif line.what == "start":
                starts[line.message].append(line)
        found: Counter[str] = Counter()
        for runs in starts.values():
            # By delivery: a process that was stopped between its look at the lease and the work
            # begins late, when others have had the message.
            for before, after in pairwise(sorted(runs, key=lambda run: run.delivery[1])):
                how = ended.get(before.delivery, "")
                if how in {"failed", "returned", "deferred"}:
                    found[how] += 1
                elif received[after.delivery] >= trusted[before.delivery]:
                    found["expired"] += 1
                else:
                    found["untold"] += 1
        return found
