"""One contestant, one round: a backlog to drain, a steady trickle, and a queue that is kept full.

Owns the process of the contestant, and what is read of it from outside: when each message was
begun (written by the handler into shared memory), CPU (of all its processes and threads, by the
kernel), and requests (as the server counts them). A contestant is killed when it has been measured.
"""

from __future__ import annotations

import mmap
import os
import signal
import subprocess
import tempfile
import time
from array import array
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from coord.testing.sqs import SqsServer
from tests.architecture.project import ROOT
from tests.bench.contestants import Contestant
from tests.bench.feed import Feed

__all__ = ["OUTSTANDING", "RATE", "Drained", "Latency", "Round", "drained", "raced"]

QUEUE = "bench"
RATE = 100.0
_STEADY = 400
OUTSTANDING = 100
_FULL_S = 2.0
_DRAIN_S = 2.5
_WARM = 100
_START_S = 30.0
_SETTLE_S = 10.0
_STILL_S = 0.5
_LOOK_S = 0.02
_THREADS = 256
"""More than any contestant calls from."""
_TICKS_PER_S = os.sysconf("SC_CLK_TCK")


class Latency(NamedTuple):
    """From sending to the handler's first step, in ms; by nearest rank."""

    p50: float
    p99: float
    p999: float

    @classmethod
    def of(cls, seconds: list[float]) -> Latency:
        ranked = sorted(seconds)
        return cls(*(1000 * ranked[-(-len(ranked) * n // 1000) - 1] for n in (500, 990, 999)))


class Drained(NamedTuple):
    """Messages a second, and what a message took, while there was a backlog."""

    per_s: float
    cpu_us: float
    calls: float
    in_calls_us: float
    """The part of the CPU that went into calls of boto3, by its own word; 0 if it says none."""


@dataclass(frozen=True)
class Round:
    """What one contestant did in one round."""

    backlog: Drained
    steady: Latency
    steady_calls: float
    steady_cpu_us: float
    full: Latency
    unbegun: int


class _Seen(NamedTuple):
    at_s: float
    begun: int
    cpu_s: float
    calls: int
    in_calls_s: float


class Starts:
    """When each message was begun: memory that the contestant writes."""

    def __init__(self, path: Path, count: int) -> None:
        path.write_bytes(bytes(8 * count))
        with path.open("r+b") as file:
            self._map = mmap.mmap(file.fileno(), 0)
        self._at = memoryview(self._map).cast("d")
        self._first = 0
        """All before it have begun."""

    def begun(self, end: int) -> int:
        """How many of the messages before `end` have."""
        while self._first < end and self._at[self._first]:
            self._first += 1
        return self._first + sum(map(bool, self._at[self._first : end]))

    def between(self, first: int, end: int) -> dict[int, float]:
        """When each of these was begun, of those that were."""
        return {number: self._at[number] for number in range(first, end) if self._at[number]}

    def forget(self, end: int) -> None:
        """Whatever was not begun of those before `end` counts as begun."""
        self._first = end

    def close(self) -> None:
        """Let go of the memory."""
        self._at.release()
        self._map.close()


def raced(server: SqsServer, contestant: Contestant) -> Round:
    """One round of one contestant."""
    with _racing(server, contestant) as race:
        backlog = race.drained(contestant.backlog)
        steady, before, after = race.trickled()
        full, unbegun = race.filled()
        handled = after.begun - before.begun
        return Round(
            backlog=backlog,
            steady=steady,
            steady_calls=(after.calls - before.calls) / handled,
            steady_cpu_us=1e6 * (after.cpu_s - before.cpu_s) / handled,
            full=full,
            unbegun=unbegun,
        )


def drained(server: SqsServer, contestant: Contestant) -> Drained:
    """The first part of a round."""
    with _racing(server, contestant) as race:
        return race.drained(contestant.backlog)


@contextmanager
def _racing(server: SqsServer, contestant: Contestant) -> Iterator[_Race]:
    messages = contestant.messages(2 * contestant.backlog + _STEADY)
    with (
        tempfile.TemporaryDirectory() as folder,
        closing(Starts(Path(folder) / "starts", len(messages))) as starts,
        closing(Feed(server.endpoint, QUEUE, messages)) as feed,
    ):
        (Path(folder) / "calls").write_bytes(bytes(8 * _THREADS))
        feed.all_at_once(contestant.backlog)
        with _running(server, contestant, Path(folder)) as process:
            yield _Race(server, process, starts, feed, Path(folder) / "calls")


@dataclass
class _Race:
    server: SqsServer
    process: subprocess.Popen[bytes]
    starts: Starts
    feed: Feed
    calls: Path

    def drained(self, backlog: int) -> Drained:
        """How fast a backlog shrinks, after the first few messages, for a while or to its end."""
        self._await_begun(1, backlog, _START_S)
        end_s = time.monotonic() + _DRAIN_S
        self._await_begun(_WARM, backlog, _DRAIN_S)
        before = self._seen(backlog)
        self._await_begun(backlog, backlog, end_s - time.monotonic(), must=False)
        after = self._seen(backlog)
        begun = after.begun - before.begun
        assert begun > 0, "nothing was begun while its time lasted"
        at = sorted(self.starts.between(0, backlog).values())
        at = [one for one in at if one >= before.at_s]
        cpu_us = 1e6 * (after.cpu_s - before.cpu_s) / begun
        per_s = len(at) / (at[-1] - before.at_s)
        in_calls_us = 1e6 * (after.in_calls_s - before.in_calls_s) / begun
        return Drained(per_s, cpu_us, (after.calls - before.calls) / begun, in_calls_us)

    def trickled(self) -> tuple[Latency, _Seen, _Seen]:
        """The latency at a rate that leaves everybody time, and what stood before and after."""
        self._empty()
        first = len(self.feed.sent_at)
        before = self._seen(first)
        self.feed.steadily(_STEADY, RATE)
        self._settle()
        end = len(self.feed.sent_at)
        return self._latency(first, end), before, self._seen(end)

    def filled(self) -> tuple[Latency, int]:
        """The latency while the queue is kept full, and how many were not begun in the end."""
        first = len(self.feed.sent_at)
        self.starts.forget(first)
        self.feed.kept_outstanding(
            OUTSTANDING, _FULL_S, lambda: self.starts.begun(len(self.feed.sent_at))
        )
        self._settle()
        end = len(self.feed.sent_at)
        return self._latency(first, end), end - self.starts.begun(end)

    def _empty(self) -> None:
        """What is left of the backlog is not waited for, but what the contestant holds of it."""
        end = len(self.feed.sent_at)
        if self.starts.begun(end) < end:
            self.feed.purge()
            begun, end_s = -1, time.monotonic() + _SETTLE_S
            while begun != (begun := self.starts.begun(end)) and time.monotonic() < end_s:
                time.sleep(_STILL_S)
            self.starts.forget(end)

    def _settle(self) -> None:
        end = len(self.feed.sent_at)
        self._await_begun(end, end, _SETTLE_S, must=False)
        time.sleep(_LOOK_S)

    def _latency(self, first: int, end: int) -> Latency:
        at = self.starts.between(first, end)
        assert len(at) >= 0.9 * (end - first), f"{len(at)} of {end - first} messages were begun"
        return Latency.of([began - self.feed.sent_at[number] for number, began in at.items()])

    def _await_begun(self, count: int, end: int, timeout_s: float, *, must: bool = True) -> None:
        end_s = time.monotonic() + timeout_s
        while self.starts.begun(end) < count and time.monotonic() < end_s:
            assert self.process.poll() is None, "it ended by itself"
            time.sleep(_LOOK_S)
        assert not must or self.starts.begun(end) >= count, "it began nothing in time"

    def _seen(self, end: int) -> _Seen:
        calls = self.server.stats().calls
        asked = sum(n for name, n in calls.items() if not name.startswith(("Send", "Purge")))
        begun, cpu_s, at_s = self.starts.begun(end), _cpu_s(self.process.pid), time.monotonic()
        return _Seen(at_s, begun, cpu_s, asked, self._in_calls_s())

    def _in_calls_s(self) -> float:
        """A number for each of its threads."""
        return sum(array("d", self.calls.read_bytes()))


@contextmanager
def _running(
    server: SqsServer, contestant: Contestant, folder: Path
) -> Iterator[subprocess.Popen[bytes]]:
    names = {"url": server.url(QUEUE), "endpoint": server.endpoint, "queue": QUEUE}
    log = folder / "log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            contestant.started(**names),
            cwd=ROOT,
            env=_environment(server, folder),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    try:
        yield process
    except AssertionError as error:
        error.add_note(f"{contestant.name} said: {log.read_text(errors='replace')[-3000:]}")
        raise
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait(10)


def _environment(server: SqsServer, folder: Path) -> Mapping[str, str]:
    told = {
        "BENCH_ENDPOINT": server.endpoint,
        "BENCH_QUEUE": QUEUE,
        "BENCH_STARTS": str(folder / "starts"),
        "BENCH_CALLS": str(folder / "calls"),
    }
    return {**os.environ, **server.environment, **told}


def _cpu_s(pid: int) -> float:
    """The CPU that a process and those that it started have taken."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    children = " ".join(
        path.read_text() for path in Path(f"/proc/{pid}/task").glob("*/children")
    ).split()
    return (int(fields[11]) + int(fields[12])) / _TICKS_PER_S + sum(
        _cpu_s(int(child)) for child in children
    )
