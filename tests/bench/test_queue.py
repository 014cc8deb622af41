"""Our worker on SQS beside the calls alone, and beside other queue runners.

All of them work on the same server, the SQS fake in a process of its own, in one run and in turn,
each in a process of its own. `BENCH_ROUNDS` says how many rounds there are; five take some minutes.
"""

from __future__ import annotations

import json
import os
import statistics
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict

import pytest

from coord.testing.sqs import Settings, SqsServer
from tests.architecture.project import ROOT
from tests.bench.contestants import BARE, CONTESTANTS, OURS, PEERS, Contestant, peers_installed
from tests.bench.figures import Figures, Section
from tests.bench.peers.setting import THREADS
from tests.bench.race import OUTSTANDING, RATE, Drained, Round, drained, raced

pytestmark = [pytest.mark.bench, pytest.mark.timeout(1200)]

ROUNDS = int(os.environ.get("BENCH_ROUNDS", "5"))
NOISE = 1.5
OVERHEAD_US = 30
TIMES_ONE_BY_ONE = 3
TEXT = f"""\
All worked on the same SQS fake, one process that shares the machine's cores with them, in turn in
one run, with a handler that does nothing. Ours and taskiq at their defaults (taskiq asked for ten
messages at a time), dramatiq and celery with {THREADS} threads, celery without its pause between
polls. *Bare boto3* receives ten in one thread and deletes ten in another, with the calls that ours
makes and none of its promises. First a backlog was drained; then {RATE:g} messages a second were
sent one by one; then {OUTSTANDING} messages were kept outstanding, so that a latency there is about
{OUTSTANDING} over the rate. Latency is from before the request that sends to the first step of the
handler, in ms; the p99.9 at {RATE:g}/s is a round's slowest message. CPU is that of all of a
contestant's processes; calls are as the server counts them.

{{table}}

In the figures below, *Bare* is the contestant that a row names, and *Ratio* ours over it."""
HEAD = """\
| | Backlog: messages/s | CPU µs a message | calls a message \
| {rate:g}/s: p50 | p99 | p99.9 | CPU µs | calls | Full: p50 | p99 | p99.9 |
|---|---|---|---|---|---|---|---|---|---|---|---|"""

Rounds = Mapping[str, Sequence[Round]]
COLUMNS: Sequence[tuple[Callable[[Round], float], str]] = (
    (lambda one: one.backlog.per_s, ",.0f"),
    (lambda one: one.backlog.cpu_us, ",.0f"),
    (lambda one: one.backlog.calls, ".2f"),
    (lambda one: one.steady.p50, ".1f"),
    (lambda one: one.steady.p99, ".1f"),
    (lambda one: one.steady.p999, ".1f"),
    (lambda one: one.steady_cpu_us, ",.0f"),
    (lambda one: one.steady_calls, ".2f"),
    (lambda one: one.full.p50, ".1f"),
    (lambda one: one.full.p99, ".1f"),
    (lambda one: one.full.p999, ".1f"),
)


@pytest.fixture(scope="module")
def server() -> Iterator[SqsServer]:
    """One for all. A queue may be made again at once, for the next contestant."""
    with SqsServer(Settings(recreate_after_s=0)) as server:
        yield server


@pytest.fixture(scope="module")
def rounds(server: SqsServer) -> Rounds:
    """Every contestant in every round; who begins moves on with each."""
    peers_installed()
    found: dict[str, list[Round]] = {one.name: [] for one in CONTESTANTS}
    for number in range(ROUNDS):
        turn = number % len(CONTESTANTS)
        for contestant in (*CONTESTANTS[turn:], *CONTESTANTS[:turn]):
            found[contestant.name].append(raced(server, contestant))
    raw = {name: [asdict(one) for one in ran] for name, ran in found.items()}
    (ROOT / "build" / "bench-queue.json").write_text(json.dumps(raw, indent=1) + "\n")
    return found


@pytest.fixture(scope="module")
def section(figures: Figures, rounds: Rounds) -> Section:
    rows = [_row(one.name, rounds[one.name]) for one in CONTESTANTS]
    table = "\n".join([HEAD.format(rate=RATE), *rows])
    return figures.section(
        "Queue worker, on SQS",
        TEXT.format(table=table),
        **peers_installed(),
        rounds=str(ROUNDS),
        **{"load average at the end": f"{os.getloadavg()[1]:.0f}"},
    )


def _row(name: str, ran: Sequence[Round]) -> str:
    cells = [format(statistics.median(map(read, ran)), form) for read, form in COLUMNS]
    return "| " + " | ".join([name, *cells]) + " |"


def test_the_framework_costs_little_beyond_its_calls(
    section: Section, rounds: Rounds, server: SqsServer
) -> None:
    """The calls of each are taken out by its own word: they vary more than what is sought."""
    raced_before = zip(rounds[OURS.name], rounds[BARE.name], strict=True)
    pairs = [(ours.backlog, bare.backlog) for ours, bare in raced_before]
    pairs += [_pair(server, bare_first=number % 2 == 0) for number in range(ROUNDS)]
    figure = section.add(
        "CPU of the framework a message",
        "µs",
        [
            (ours.cpu_us - ours.in_calls_us) - (bare.cpu_us - bare.in_calls_us)
            for ours, bare in pairs
        ],
        limit=OVERHEAD_US,
        remark="draining a backlog: CPU of the process that did not go into calls of boto3, less "
        "the same of the bare loop, which calls the same handler; round by round, and in as many "
        "rounds more of these two alone. The whole of either stands in the table.",
    )
    assert figure.median <= OVERHEAD_US * NOISE


def _pair(server: SqsServer, *, bare_first: bool) -> tuple[Drained, Drained]:
    """Ours and bare, one right after the other."""
    if bare_first:
        bare, ours = drained(server, BARE), drained(server, OURS)
    else:
        ours, bare = drained(server, OURS), drained(server, BARE)
    return ours, bare


def test_ten_messages_cost_two_calls(section: Section, rounds: Rounds) -> None:
    figure = section.add(
        "calls a message, draining a backlog",
        "calls",
        [one.backlog.calls for one in rounds[OURS.name]],
        bare=[one.backlog.calls for one in rounds[BARE.name]],
        limit=0.25,
        remark="beside bare boto3; two calls for ten messages are 0.2.",
    )
    assert figure.median <= 0.25


@pytest.mark.parametrize("peer", [BARE, *PEERS], ids=lambda one: one.name)
def test_ours_is_ahead_of_each_peer(section: Section, rounds: Rounds, peer: Contestant) -> None:
    ours, theirs = rounds[OURS.name], rounds[peer.name]
    deletes_one_by_one = statistics.median(one.backlog.calls for one in theirs) > 1
    figure = section.add(
        f"messages/s of a backlog, beside {peer.name}",
        "1/s",
        [one.backlog.per_s for one in ours],
        bare=[one.backlog.per_s for one in theirs],
        remark=f"it deletes one by one: the target is {TIMES_ONE_BY_ONE} times as many."
        if deletes_one_by_one
        else "",
    )
    for what, read in (("p50", 0), ("p99", 1), ("p99.9", 2)):
        section.add(
            f"{what} at {RATE:g} messages/s, beside {peer.name}",
            "ms",
            [one.steady[read] for one in ours],
            bare=[one.steady[read] for one in theirs],
            limit_of_ratio=None if peer is BARE else 1.0,
        )
    if peer is not BARE:
        assert figure.ratio is not None
        assert figure.ratio >= (TIMES_ONE_BY_ONE / NOISE if deletes_one_by_one else 1)


def test_nothing_is_left_behind(rounds: Rounds) -> None:
    """A lost message would flatter the latencies."""
    assert {name: [one.unbegun for one in rounds[name]] for name in (OURS.name, BARE.name)} == {
        OURS.name: [0] * ROUNDS,
        BARE.name: [0] * ROUNDS,
    }
