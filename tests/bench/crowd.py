"""Many members in a few processes on one store, and what they cost while nothing happens.

Owns the processes. Members are the library's own, several in a process, so that two hundred of
them fit a small machine.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass

from coord.errors import StoreUnavailable
from coord.model import ClaimKey
from coord.registry import open_store
from coord.spi import Store
from coord.testing.servers import Servers
from tests.architecture.project import ROOT
from tests.bench.cases.wire import requests_so_far

__all__ = ["Cost", "Crowd", "crowd"]

_SETTLE_S = 300.0
_STILL_S = 3.0
_TICKS_PER_S = 100


@dataclass(frozen=True)
class Cost:
    """What a quiet time cost. `of_members` and `of_servers`: % of one core, all together."""

    took_s: float
    of_members: float
    of_servers: float
    requests: float


Holdings = dict[ClaimKey, tuple[str, int]]


def _held(store: Store, group: str) -> Holdings:
    """Each held claim's session and token; nothing while the store is too busy to tell."""
    try:
        claims = store.view(group).claims
    except StoreUnavailable:
        return {}
    return {key: (one.session, one.token) for key, one in claims.items() if one.session}


class Crowd:
    """Members that run."""

    def __init__(self, url: str, processes: list[subprocess.Popen[str]]) -> None:
        self._url = url
        self._processes = processes

    def await_shared(self, members: int, shards: int) -> None:
        """Wait until so many members live, all shards are held, evenly, and stay where they are."""
        end_s = time.monotonic() + _SETTLE_S
        store, group = open_store(self._url, timeout_s=10.0)
        with closing(store):
            before: Holdings = {}
            while True:
                held = _held(store, group)
                shares = Counter(session for session, _ in held.values())
                even = len(shares) == min(members, shards) and (
                    max(shares.values()) - min(shares.values()) <= 1
                )
                if even and len(held) == shards and held == before:
                    return
                assert time.monotonic() < end_s, f"{len(held)} held, by {shares}"
                before = held
                time.sleep(_STILL_S)

    def quiet(self, seconds: float, servers: Servers) -> Cost:
        """What so many seconds cost, in which nothing happens."""
        before, began = _cpu_s(servers), time.monotonic()
        asked = requests_so_far(self._url)
        for process in self._processes:
            assert process.stdin is not None
            process.stdin.write(f"{seconds}\n")
            process.stdin.flush()
        answers = [json.loads(_line(process)) for process in self._processes]
        took_s = time.monotonic() - began
        of_servers = (_cpu_s(servers) - before) / took_s * 100
        of_members = sum(answer["cpu_percent"] for answer in answers)
        return Cost(took_s, of_members, of_servers, requests_so_far(self._url) - asked)


@contextmanager
def crowd(
    url: str, *, members: int, processes: int, shards: int, ttl_s: float, heartbeat_s: float
) -> Iterator[Crowd]:
    """So many members, spread over so many processes, as long as the block runs."""
    each = members // processes
    started = [
        subprocess.Popen(
            [
                *(sys.executable, "-m", "tests.bench.cases.crowd"),
                *(url, f"p{number}", str(each), str(shards), str(ttl_s), str(heartbeat_s)),
            ],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for number in range(processes)
    ]
    try:
        for process in started:
            assert _line(process) == "started\n"
        yield Crowd(url, started)
        _ask_all(started, lambda process: process.stdin and process.stdin.close())
        _ask_all(started, lambda process: process.wait(60))
    finally:
        for process in started:
            process.kill()
            process.wait(30)
            for pipe in (process.stdin, process.stdout):
                if pipe is not None:
                    pipe.close()


def _ask_all(
    processes: list[subprocess.Popen[str]], ask: Callable[[subprocess.Popen[str]], object]
) -> None:
    for process in processes:
        ask(process)


def _line(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline()


def _cpu_s(servers: Servers) -> float:
    """The CPU that all servers have taken so far."""
    total = 0.0
    for member in servers.members:
        with open(f"/proc/{member.pid}/stat", encoding="ascii") as file:  # noqa: PTH123
            fields = file.read().rpartition(")")[2].split()
        total += (int(fields[11]) + int(fields[12])) / _TICKS_PER_S
    return total
