"""`coord queue` and `coord tasks` as users run them, on the embedded queue and on the SQS fake."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from coord.tasks.opening import open_queue
from coord.testing.sqs import Settings, SqsServer
from tests.integration.fleet import until

COORD = str(Path(sys.executable).with_name("coord"))
PATIENCE_S = 90.0
_NUMBERS = count()
APP = """
import os

from coord import task

ACTS = os.open("acts", os.O_WRONLY | os.O_APPEND | os.O_CREAT)


@task
def hello(job, n):
    os.write(ACTS, b"%d\\n" % n)


@task("slow", timeout="1m")
def slow(job):
    os.write(ACTS, b"begun\\n")
    job.wait(60)


@task(every="5m", parts=4, timeout="30s", missed="catch-up")
def sweep(job):
    pass


@task(cron="30 2 * * *", zone="Europe/Berlin")
async def nightly(job):
    pass


queued = [hello, slow]
"""

MODULES = {
    "broken": "raise RuntimeError('no configuration')",
    "ends": "import sys\nsys.exit(3)",
    "never": "from coord import task\n@task(cron='0 0 31 2 *')\ndef sweep(job): ...",
}

pytestmark = [pytest.mark.timeout(240), pytest.mark.xdist_group("queue-cli")]


@dataclass
class Outcome:
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def told(self) -> dict[str, Any]:
        """The answer, or the error, that it printed with --json."""
        value: dict[str, Any] = json.loads(self.out or self.err)
        return value


class Desk:
    """A folder with an app in it, and a queue."""

    def __init__(self, folder: Path, url: str) -> None:
        self.folder = folder
        self.url = url

    def coord(self, *words: str) -> Outcome:
        """Run a command to its end; it prints no trace."""
        done = subprocess.run(
            [COORD, *words],
            cwd=self.folder,
            capture_output=True,
            text=True,
            timeout=PATIENCE_S,
            check=False,
        )
        assert "Traceback" not in done.stderr + done.stdout
        return Outcome(done.returncode, done.stdout, done.stderr)

    def queue(self, what: str, *words: str) -> Outcome:
        """`coord queue WHAT URL …`, to its end."""
        return self.coord("queue", what, self.url, *words)

    def run(self, *words: str, app: str = "housekeeping:queued") -> Sequence[str]:
        """The words of `coord queue run`."""
        return [COORD, "queue", "run", self.url, "--app", app, *words]

    def acts(self) -> list[str]:
        """What the tasks did."""
        path = self.folder / "acts"
        return path.read_text().split() if path.exists() else []


@pytest.fixture(scope="module")
def server() -> Iterator[SqsServer]:
    with SqsServer(Settings(queues=tuple(f"q-{number}" for number in range(60)))) as made:
        yield made


@pytest.fixture(params=["sqlite", "sqs"])
def desk(request: pytest.FixtureRequest, tmp_path: Path) -> Desk:
    (tmp_path / "housekeeping.py").write_text(APP)
    if request.param == "sqlite":
        return Desk(tmp_path, "sqlite:///q.db")
    found: SqsServer = request.getfixturevalue("server")
    return Desk(tmp_path, found.url(f"q-{next(_NUMBERS)}"))


def test_what_is_sent_is_counted_run_and_gone(desk: Desk) -> None:
    sent = desk.queue("send", "hello", "--payload", '{"n": 1}', "--count", "1000", "--json")
    assert (sent.code, sent.told["sent"]) == (0, 1000)
    stats = desk.queue("stats", "--json")
    assert stats.told == {"ready": 1000, "in_flight": 0, "delayed": 0, "dead": 0}
    ran = desk.queue("run", "--app", "housekeeping:queued", "--until-empty", "--json")
    assert (ran.code, ran.told["messages"]["done"]) == (0, 1000)
    assert desk.acts() == ["1"] * 1000
    assert desk.queue("stats", "--json").told["ready"] == 0


def test_a_delayed_message_counts_as_delayed_and_is_waited_for(desk: Desk) -> None:
    assert desk.queue("send", "hello", "--payload", '{"n": 7}', "--delay", "12s").code == 0
    assert desk.queue("stats", "--json").told["delayed"] == 1
    assert desk.queue("run", "--app", "housekeeping:hello", "--until-empty").code == 0
    assert desk.acts() == ["7"]


def test_a_message_that_nobody_knows_stays_and_is_told(desk: Desk) -> None:
    assert desk.queue("send", "unknown").code == 0
    process = subprocess.Popen(
        desk.run("--json"),
        cwd=desk.folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stderr is not None
        line = process.stderr.readline()
        assert "asks for task 'unknown'" in line
        assert "task='unknown'" in line
        process.send_signal(signal.SIGTERM)
        out, _ = process.communicate(timeout=PATIENCE_S)
    finally:
        process.kill()
        process.wait()
    assert process.returncode == 0
    assert json.loads(out)["messages"]["parked"] >= 1
    stats = desk.queue("stats", "--json").told
    assert stats["ready"] + stats["in_flight"] + stats["delayed"] == 1


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_worker_that_is_stopped_gives_back_what_it_had(
    desk: Desk, number: signal.Signals
) -> None:
    assert desk.queue("send", "slow", "--count", "12").code == 0
    process = subprocess.Popen(
        desk.run("--concurrency", "1", "--drain", "1s"),
        cwd=desk.folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        until(desk.acts, within_s=PATIENCE_S)
        process.send_signal(number)
        process.communicate(timeout=PATIENCE_S)
    finally:
        process.kill()
        process.wait()
    assert process.returncode == 0
    stats = desk.queue("stats", "--json").told
    assert stats["ready"] == 12, "those that had not begun, and the one that was told to stop"


def test_purge_asks_first_and_keeps_what_is_dead(desk: Desk) -> None:
    assert desk.queue("send", "hello", "--payload", '{"n": 1}', "--count", "3").code == 0
    refused = desk.queue("purge")
    assert refused.code == 5
    assert "--yes" in refused.err
    assert desk.queue("purge", "--yes").code == 0
    assert desk.queue("stats", "--json").told["ready"] == 0


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (["queue", "send", "{url}", "hello", "--payload", "{{"], 5, "not JSON"),
        (["queue", "send", "{url}", "hello", "--payload", "[1]"], 5, "not a JSON object"),
        (["queue", "send", "{url}", "hello", "--count", "0"], 2, "0"),
        (["queue", "send", "{url}", "hello", "--payload", '{{"n": NaN}}'], 5, "no NaN"),
        (["queue", "send", "{url}", "hello", "--delay", "1h"], 5, "900"),
        (["queue", "send", "{url}", "he llo"], 5, "cannot name a task"),
        (["queue", "send", "kafka://q", "hello"], 5, "no queue for kafka://"),
        (["queue", "run", "{url}", "--app", "nowhere"], 5, "no module 'nowhere'"),
        (["queue", "run", "{url}", "--app", "housekeeping:nobody"], 5, "no 'nobody'"),
        (["queue", "run", "{url}", "--app", "housekeeping"], 5, "--ledger"),
        (["queue", "run", "{url}", "--app", "./housekeeping.py"], 5, "no name of a module"),
        (["queue", "run", "{url}", "--app", ""], 5, "no name of a module"),
        (["queue", "run", "{url}", "--app", "ends"], 5, "(ends.py, line 2) ends the program"),
        (["tasks", "list", "--app", "broken"], 5, "(broken.py, line 1) cannot be imported: Runt"),
        (["tasks", "list", "--app", "never"], 5, "(never.py, line 2): cron '0 0 31 2 *' never"),
        (["queue", "run", "{url}"], 2, "--app"),
        (["tasks", "list", "--app", "json"], 5, "has no tasks"),
    ],
)
def test_what_cannot_be_is_refused_with_its_cure(
    desk: Desk, words: list[str], code: int, says: str
) -> None:
    for name, text in MODULES.items():
        (desk.folder / f"{name}.py").write_text(text)
    outcome = desk.coord(*(word.format(url=desk.url) for word in words))
    assert outcome.code == code, outcome.err
    assert says in outcome.err
    as_json = desk.coord(*(word.format(url=desk.url) for word in words), "--json")
    assert as_json.told["cure"]


@pytest.mark.parametrize("what", [["stats"], ["redrive"], ["purge", "--yes"]])
def test_an_embedded_queue_that_nobody_made_is_refused_and_not_made(
    what: list[str], tmp_path: Path
) -> None:
    """A wrong path must not read as an empty queue."""
    outcome = Desk(tmp_path, "sqlite:///typo.db").queue(*what)
    assert outcome.code == 4
    assert "there is no file" in outcome.err
    assert list(tmp_path.iterdir()) == []
    desk = Desk(tmp_path, "sqlite:///q.db")
    assert desk.queue("send", "hello").code == 0
    outcome = Desk(tmp_path, "sqlite:///q.db?group=typo").queue(*what)
    assert outcome.code == 4
    assert "there is no queue 'typo'" in outcome.err
    assert desk.queue("stats", "--json").told["ready"] == 1


def test_a_payload_may_come_from_a_pipe(tmp_path: Path) -> None:
    words = [COORD, "queue", "send", "sqlite:///q.db", "hello", "--payload", "-"]
    large = json.dumps({"n": 7, "text": "x" * 200_000})
    done = subprocess.run(
        words, cwd=tmp_path, input=large, text=True, timeout=PATIENCE_S, check=False
    )
    assert done.returncode == 0
    with closing(open_queue(f"sqlite:///{tmp_path / 'q.db'}")) as queue:
        (found,) = queue.receive(1, wait_s=1.0, visibility_s=30.0)
    assert json.loads(found.body)["n"] == 7


def test_sending_that_is_interrupted_says_how_much_was_sent(tmp_path: Path) -> None:
    process = subprocess.Popen(
        [COORD, "queue", "send", "sqlite:///q.db", "hello", "--count", "9000000", "--json"],
        cwd=tmp_path,
        stderr=subprocess.PIPE,
        text=True,
    )
    desk = Desk(tmp_path, "sqlite:///q.db")
    try:
        until(lambda: desk.queue("stats").code == 0, within_s=PATIENCE_S)
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=PATIENCE_S)
    finally:
        process.kill()
        process.wait()
    assert process.returncode == 130
    told = int(json.loads(err)["cause"].split()[2])
    assert told <= desk.queue("stats", "--json").told["ready"] <= told + 10


def test_a_worker_whose_output_nobody_reads_stops_and_keeps_the_messages(desk: Desk) -> None:
    """Else each task that prints would fail, until every message is dead."""
    (desk.folder / "loud.py").write_text(
        "from coord import task\n@task\ndef hello(job, n):\n    print('x' * 9000, flush=True)\n"
    )
    assert desk.queue("send", "hello", "--payload", '{"n": 1}', "--count", "100").code == 0
    process = subprocess.Popen(
        desk.run("--until-empty", "--concurrency", "1", app="loud"),
        cwd=desk.folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    try:
        assert process.stdout is not None
        assert process.stdout.read(1) == b"x"
        process.stdout.close()
        process.wait(timeout=PATIENCE_S)
    finally:
        process.kill()
        process.wait()
    assert process.returncode == 141
    stats = desk.queue("stats", "--json").told
    assert stats["dead"] == 0
    assert stats["ready"] + stats["in_flight"] + stats["delayed"] > 50


def test_a_queue_that_is_not_there_is_named(server: SqsServer, tmp_path: Path) -> None:
    desk = Desk(tmp_path, server.url("nobody-made-it"))
    outcome = desk.queue("stats")
    assert outcome.code == 4
    assert "nobody-made-it" in outcome.err


def test_dead_messages_are_counted_and_brought_back(tmp_path: Path) -> None:
    """One that nobody can read dies after so many deliveries, and is there still."""
    (tmp_path / "housekeeping.py").write_text(APP)
    desk = Desk(tmp_path, "sqlite:///q.db?max_receives=1")
    assert desk.queue("send", "unknown").code == 0
    ran = desk.queue("run", "--app", "housekeeping:hello", "--until-empty")
    assert ran.code == 0
    assert "1 dead message" in ran.out
    assert desk.queue("stats", "--json").told == {
        "ready": 0,
        "in_flight": 0,
        "delayed": 0,
        "dead": 1,
    }
    assert desk.queue("redrive", "--json").told["moved"] == 1
    assert desk.queue("stats", "--json").told["ready"] == 1


def test_tasks_are_listed_with_their_next_ticks(tmp_path: Path) -> None:
    (tmp_path / "housekeeping.py").write_text(APP)
    desk = Desk(tmp_path, "")
    told = desk.coord("tasks", "list", "--app", "housekeeping", "--json").told
    assert told["schema"] == "coord.tasks/1"
    rows = {row["task"]: row for row in told["tasks"]}
    assert sorted(rows) == ["hello", "nightly", "slow", "sweep"]
    assert rows["sweep"]["due"] == "every 5m"
    assert rows["sweep"]["parts"] == 4
    assert rows["nightly"]["due"] == "cron 30 2 * * * Europe/Berlin"
    assert rows["hello"]["next"] is None
    text = desk.coord("tasks", "list", "--app", "housekeeping").out
    assert "by message" in text
    assert "every 5m" in text
