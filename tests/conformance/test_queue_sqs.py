"""SQS keeps every promise of a queue, on the fake: in virtual time, and in a process of its own."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from coord.clock import SYSTEM_CLOCK, Clock
from coord.testing.clock import ManualClock
from coord.testing.queue_conformance import QueueCheck, QueueHarness
from coord.testing.sqs import SqsFake, SqsServer
from coord_sqs import SqsQueue
from tests.conformance.queues import queue_checks
from tests.integration.sqs.client import client_of

pytestmark = pytest.mark.xdist_group("sqs")

MAX_RECEIVES = 3
TIMEOUT_S = 5.0


def _leftovers() -> Mapping[str, int]:
    return {
        "threads": threading.active_count(),
        "descriptors": sum(1 for _ in Path("/proc/self/fd").iterdir()),
    }


class _Queues:
    """Queues of one kind at one server, each with dead letters, made when first asked for."""

    def __init__(self, server: SqsFake | SqsServer, *, ordered: bool) -> None:
        self._server = server
        self._boto: Any = client_of(server.endpoint)
        self._ordered = ordered
        self._made: set[str] = set()

    def open(self, name: str) -> SqsQueue:
        full = f"{name}.fifo" if self._ordered else name
        if full not in self._made:
            self._make(full)
            self._made.add(full)
        return SqsQueue.from_url(self._server.url(full), clock=SYSTEM_CLOCK, timeout_s=TIMEOUT_S)

    def _make(self, name: str) -> None:
        kind = {"FifoQueue": "true"} if self._ordered else {}
        dead = self._boto.create_queue(QueueName=f"dead-{name}", Attributes=kind)["QueueUrl"]
        asked = {"QueueUrl": dead, "AttributeNames": ["QueueArn"]}
        arn = self._boto.get_queue_attributes(**asked)["Attributes"]["QueueArn"]
        policy = json.dumps({"deadLetterTargetArn": arn, "maxReceiveCount": MAX_RECEIVES})
        self._boto.create_queue(QueueName=name, Attributes={**kind, "RedrivePolicy": policy})

    def _waits(self) -> None:
        """The server tells of the first; a second on the same queue gets there soon after."""
        self._server.wait_for_polls(1)
        time.sleep(0.1)

    def close(self) -> None:
        self._boto.close()

    def harness(
        self, *, clock: Clock, sleep: Callable[[float], None], late_s: float
    ) -> QueueHarness:
        return QueueHarness(
            open=self.open,
            clock=clock,
            sleep=sleep,
            ordered=self._ordered,
            visibility_s=1.0,
            late_s=late_s,
            timeout_s=TIMEOUT_S,
            waits=self._waits,
            reopen=lambda: None,
            leftovers=_leftovers,
        )


@pytest.fixture
def own(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[_Queues], _Queues]]:
    """Made-up credentials, and an end for the queues of one test."""
    opened: list[_Queues] = []

    def kept(queues: _Queues) -> _Queues:
        opened.append(queues)
        return queues

    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "local")
    yield kept
    for queues in opened:
        queues.close()


@queue_checks
def test_sqs_keeps_the_promise(
    kind: str, check: QueueCheck, own: Callable[[_Queues], _Queues]
) -> None:
    clock = ManualClock()
    with SqsFake(clock=clock) as fake:
        queues = own(_Queues(fake, ordered=kind == "fifo"))
        harness = queues.harness(clock=clock, sleep=fake.advance, late_s=0.5)
        assert not check.missing(harness), "no check is left out"
        check.run(harness)


@queue_checks
def test_sqs_keeps_the_promise_in_real_time(
    kind: str, check: QueueCheck, own: Callable[[_Queues], _Queues], sqs_server: SqsServer
) -> None:
    queues = own(_Queues(sqs_server, ordered=kind == "fifo"))
    check.run(queues.harness(clock=SYSTEM_CLOCK, sleep=time.sleep, late_s=1.5))
