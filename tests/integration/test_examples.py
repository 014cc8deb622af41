"""The examples, and the first program of the README, as real processes: two side by side, one dies.

Timings are the runtime's tests' business; here everything may take as long as a busy machine needs.
"""

from __future__ import annotations

import json
import re
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.documents import ROOT, code_blocks

_PATIENCE_S = 40.0
_POLL_S = 0.05

Start = Callable[[str], "Program"]


class Program:
    """A running program and what it has printed so far, its complaints included."""

    def __init__(self, source: Path, output: Path, *arguments: str) -> None:
        self._output = output
        with output.open("wb") as stream:
            self.process = subprocess.Popen(
                [sys.executable, str(source), *arguments],
                cwd=output.parent,
                stdout=stream,
                stderr=stream,
            )

    @property
    def text(self) -> str:
        return self._output.read_text()

    def says(self, pattern: str, *, after: int = 0) -> re.Match[str]:
        """Wait for a line that matches; fail with everything it said if none comes.

        `after` leaves out so many characters of what it has said already.
        """
        end = time.monotonic() + _PATIENCE_S
        while time.monotonic() < end:
            found = re.compile(pattern, re.MULTILINE).search(self.text, after)
            if found is not None:
                return found
            if self.process.poll() is not None:
                break
            time.sleep(_POLL_S)
        pytest.fail(
            f"{self.process.args!r} (exit code {self.process.poll()}) did not say "
            f"{pattern!r}:\n{self.text}"
        )

    def kill(self) -> None:
        self.process.kill()
        self.process.wait(_PATIENCE_S)

    def ends_on(self, number: signal.Signals) -> int:
        """Send a signal; return the exit code."""
        self.process.send_signal(number)
        return self.process.wait(_PATIENCE_S)


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Start an example in a fresh folder; whatever still runs afterwards is killed."""
    programs: list[Program] = []

    def _start(name: str) -> Program:
        name, *arguments = name.split(" ")
        source = ROOT / "examples" / name if "/" not in name else Path(name)
        programs.append(Program(source, tmp_path / f"{len(programs)}.log", *arguments))
        return programs[-1]

    yield _start
    for program in programs:
        program.kill()


def _query(folder: Path, sql: str) -> list[tuple[object, ...]]:
    connection = sqlite3.connect(folder / "app.db", timeout=10)
    try:
        return connection.execute(sql).fetchall()
    finally:
        connection.close()


def test_a_killed_single_leader_is_followed_under_a_larger_token(
    start: Start, tmp_path: Path
) -> None:
    first = start("single_leader.py")
    older = int(first.says(r"leads with token (\d+)")[1])
    first.says(r"deleted [1-9]\d* expired rows")
    second = start("single_leader.py")
    second.says("a candidate")
    first.says(r"(deleted \d+ expired rows\n.*){4}")
    assert "leads" not in second.text
    first.kill()
    newer = int(second.says(r"leads with token (\d+)")[1])
    assert newer > older
    second.says(rf"token {newer}: deleted [1-9]\d* expired rows")
    assert second.ends_on(signal.SIGTERM) == 0
    assert "why it ended: the member stops" in second.text
    assert second.text.endswith("stopped\n")
    assert _query(tmp_path, "SELECT token FROM coord_fence WHERE shard = 0") == [(newer,)]


def test_a_single_leader_that_was_paused_gives_way_and_stands_again(start: Start) -> None:
    first = start("single_leader.py")
    first.says("leads with token")
    second = start("single_leader.py")
    second.says("a candidate")
    first.says("deleted", after=len(first.text))  # so it rests now, and is not inside an act
    first.process.send_signal(signal.SIGSTOP)
    try:
        newer = int(second.says(r"leads with token (\d+)")[1])
        second.says(rf"token {newer}: deleted")
        printed = len(first.text)
    finally:
        first.process.send_signal(signal.SIGCONT)
    first.says(r"why it ended: \w+")
    assert "deleted" not in first.text[printed:]
    assert second.ends_on(signal.SIGINT) == 0
    assert int(first.says(r"leads with token (\d+)", after=printed)[1]) > newer
    assert first.ends_on(signal.SIGTERM) == 0


def test_localized_leaders_share_the_shards_and_inherit_those_of_the_dead(start: Start) -> None:
    first = start("localized_asyncio.py")
    first.says("leads 12 of 12 shards")
    second = start("localized_asyncio.py")
    half = r"leads 6 of 12 shards: \[(.*)\]$"
    mine, yours = (set(p.says(half)[1].split(", ")) for p in (first, second))
    assert len(mine | yours) == 12
    assert "leads 0 of 12" not in first.text.partition("leads 12 of 12")[2]
    first.kill()
    second.says("leads 12 of 12 shards")
    assert second.ends_on(signal.SIGTERM) == 0
    assert second.text.endswith("stopped\n")


def test_a_co_leader_goes_on_in_its_own_seat_when_the_other_is_killed(
    start: Start, tmp_path: Path
) -> None:
    first = start("co_leaders.py")
    seat = first.says(r"took seat (\d)")[1]
    second = start("co_leaders.py")
    other = second.says(r"took seat (\d)")[1]
    assert {seat, other} == {"0", "1"}
    first.says(f"seat {seat}: refreshed")
    first.kill()
    second.says(rf"(seat {other}: refreshed.*\n.*){{2}}")
    assert second.text.count("took seat") == 1
    third = start("co_leaders.py")
    assert third.says(r"took seat (\d)")[1] == seat
    assert third.ends_on(signal.SIGINT) == 0
    assert second.ends_on(signal.SIGTERM) == 0
    assert f"left seat {other}: the member stops" in second.text
    seats = _query(tmp_path, "SELECT DISTINCT seat FROM refresh")
    assert (int(seat),) in seats
    assert (int(other),) in seats


_SWEPT = re.compile(r"swept (\S+) \(attempt")


def test_each_tick_of_a_schedule_is_swept_once_whatever_mode_the_processes_run_in(
    start: Start,
) -> None:
    """The first is killed, the others are a co-leader and a queue's worker."""
    first = start("schedule.py")
    first.says(r"(swept \S+ .*\n.*){2}")
    second, third = start("schedule.py co"), start("schedule.py queue")
    first.kill()
    for _ in range(3):
        seen = len(_SWEPT.findall(second.text + third.text))
        end = time.monotonic() + _PATIENCE_S
        while len(_SWEPT.findall(second.text + third.text)) <= seen:
            assert time.monotonic() < end, second.text + third.text
            time.sleep(_POLL_S)
    assert second.ends_on(signal.SIGTERM) == 0
    assert third.ends_on(signal.SIGINT) == 0
    ticks = _SWEPT.findall(first.text + second.text + third.text)
    assert len(ticks) == len(set(ticks))


def test_two_who_ask_for_the_same_invoices_send_each_once(start: Start) -> None:
    programs = [start("ledger.py"), start("ledger.py")]
    for program in programs:
        program.says("all invoices are sent")
        assert program.process.wait(_PATIENCE_S) == 0
    sent = re.findall(r"sent invoice (\d+)", programs[0].text + programs[1].text)
    assert sorted(map(int, sent)) == list(range(20))
    told = [re.findall(r"invoice \d+: (\S+)", program.text) for program in programs]
    assert told[0] == told[1]


def test_a_successor_of_a_leader_that_spent_the_budget_gets_none(start: Start) -> None:
    first = start("budget.py")
    first.says("3 of 3 an hour are spent")
    assert first.text.count("replaced host-") == 3
    first.kill()
    second = start("budget.py")
    second.says("3 of 3 an hour are spent")
    assert "replaced host-" not in second.text
    assert second.ends_on(signal.SIGTERM) == 0


def test_workers_share_a_queue_and_finish_what_a_killed_one_had(
    start: Start, tmp_path: Path
) -> None:
    arguments = json.dumps({"bucket": "b", "key": "cat"})
    command = ["queue", "send", f"sqlite:///{tmp_path}/queue.db", "resize", "--count", "30"]
    subprocess.run(
        [sys.executable, "-m", "coord", *command, "--payload", arguments], check=True, timeout=60
    )
    first = start("queue_worker.py")
    first.says("resized")
    first.kill()
    second = start("queue_worker.py")
    end = time.monotonic() + 60.0
    while (first.text + second.text).count("resized b/cat") < 30:
        assert time.monotonic() < end, second.text
        time.sleep(_POLL_S)
    assert second.ends_on(signal.SIGTERM) == 0


def test_a_lambda_function_names_the_broken_message_alone(start: Start) -> None:
    played = start("lambda_function.py")
    answer = json.loads(played.says(r"^\{.*batchItemFailures.*$")[0])
    failed = [one["itemIdentifier"][-1] for one in answer["batchItemFailures"]]
    assert failed == ["2"]
    assert played.text.count("resized b/") == 2
    assert played.process.wait(_PATIENCE_S) == 0


def test_the_first_program_of_the_readme_elects_one_and_hands_over(
    start: Start, tmp_path: Path
) -> None:
    source = tmp_path / "first.py"
    source.write_text(code_blocks(ROOT / "README.md", "python")[0].text)
    first = start(str(source))
    older = int(first.says(r"leading with token (\d+)")[1])
    second = start(str(source))
    third = start(str(source))
    assert first.ends_on(signal.SIGINT) == 0
    end = time.monotonic() + _PATIENCE_S
    while "leading" not in second.text + third.text and time.monotonic() < end:
        time.sleep(_POLL_S)
    leader, other = (second, third) if "leading" in second.text else (third, second)
    assert int(leader.says(r"leading with token (\d+)")[1]) > older
    assert "leading" not in other.text
    assert leader.ends_on(signal.SIGTERM) == 0
    other.says("leading with token")
    assert other.ends_on(signal.SIGTERM) == 0
