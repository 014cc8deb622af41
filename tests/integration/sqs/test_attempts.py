"""Receives whose replies are lost: on FIFO queues what they were given comes with the next one."""

from __future__ import annotations

from typing import Any

import boto3
import pytest
from botocore.config import Config

from coord.errors import Certainty, StoreUnavailable
from coord.tasks.queue.spi import Hide, Message, Outgoing, Queue
from coord.testing.proxy import FaultProxy
from coord.testing.sqs import Fault, SqsServer
from tests.integration.sqs.client import Client
from tests.integration.sqs.desk import Desk

pytestmark = pytest.mark.xdist_group("sqs")

_LONG_S = 600.0  # longer than any test: nothing comes by itself


def _fill(queue: Queue, *names: str) -> None:
    queue.send([Outgoing(body=name, group=name[0]) for name in names])


def _bodies(messages: list[Message]) -> list[str]:
    return [one.body for one in messages]


def _received(queue: Queue, count: int = 10, *, wait_s: float = 0.0) -> list[Message]:
    return queue.receive(count, wait_s=wait_s, visibility_s=_LONG_S)


def _in_silence(queue: Queue, proxy: FaultProxy, count: int = 10, *, wait_s: float = 0.0) -> None:
    """Receive, and hear nothing of it."""
    proxy.replies.hold()
    with pytest.raises(StoreUnavailable) as caught:
        _received(queue, count, wait_s=wait_s)
    assert caught.value.certainty is Certainty.UNKNOWN
    proxy.reset()
    proxy.replies.mend()


def _opened(desk: Desk, proxy: FaultProxy, name: str = "orders.fifo") -> Queue:
    return desk.open(desk.url(name, endpoint=f"http://{proxy.hostport}"), timeout_s=1.0)


def test_a_reply_that_breaks_off_is_asked_for_again_at_once(desk: Desk) -> None:
    queue = desk.open(desk.url("orders.fifo"))
    _fill(queue, "a1", "a2", "b1")
    desk.server.inject(Fault.drop_reply("ReceiveMessage", times=1))
    found = _received(queue)
    assert _bodies(found) == ["a1", "a2", "b1"]
    assert {one.received for one in found} == {1}
    assert queue.delete([one.receipt for one in found]) == [None] * 3


def test_what_a_silent_reply_held_comes_with_the_next_receive(
    desk: Desk, proxy: FaultProxy
) -> None:
    """And not after a visibility, for which its groups would be blocked."""
    queue = _opened(desk, proxy)
    _fill(queue, "a1", "a2", "b1")
    _in_silence(queue, proxy, 2)
    other = desk.open(f"{desk.server.url(desk.client.name('orders.fifo'))}")
    assert _bodies(_received(other)) == ["b1"], "the group is blocked for all others"
    found = _received(queue, wait_s=20.0)
    assert _bodies(found) == ["a1", "a2"]
    assert queue.hide([Hide(one.receipt, _LONG_S) for one in found]) == [None] * 2
    assert queue.delete([one.receipt for one in found]) == [None] * 2


def test_what_is_lost_twice_comes_all_the_same(desk: Desk, proxy: FaultProxy) -> None:
    queue = _opened(desk, proxy)
    _fill(queue, "a1")
    for _ in range(2):
        _in_silence(queue, proxy)
    assert _bodies(_received(queue)) == ["a1"]


def test_what_was_lost_is_never_more_than_is_asked_for(desk: Desk, proxy: FaultProxy) -> None:
    """It waits for a call that asks for as many, and for as long."""
    queue = _opened(desk, proxy)
    _fill(queue, "a1", "a2", "b1")
    _in_silence(queue, proxy, 2)
    assert _bodies(_received(queue, 1)) == ["b1"]
    assert queue.receive(2, wait_s=0.0, visibility_s=30.0) == []
    assert _bodies(_received(queue, 2)) == ["a1", "a2"]


def test_an_answer_that_was_read_is_never_asked_for_again(desk: Desk, proxy: FaultProxy) -> None:
    queue = _opened(desk, proxy)
    _fill(queue, "a1", "a2")
    _in_silence(queue, proxy, 1)
    (found,) = _received(queue, 1)
    assert _received(queue, 1) == []
    assert queue.hide([Hide(found.receipt, 0)]) == [None]
    assert _bodies(_received(queue)) == ["a1", "a2"]


def test_where_nothing_was_lost_the_next_but_one_waits_as_it_is_told(
    desk: Desk, proxy: FaultProxy
) -> None:
    queue = _opened(desk, proxy)
    _in_silence(queue, proxy)
    assert _received(queue, wait_s=20.0) == [], "it asks for what was lost, without waiting"
    _fill(queue, "a1")
    assert _bodies(_received(queue, wait_s=20.0)) == ["a1"]


def test_a_standard_queue_loses_what_was_on_its_way_for_a_visibility(desk: Desk) -> None:
    """It knows no attempts; others of its messages come meanwhile."""
    queue = desk.open(desk.url())
    queue.send([Outgoing(body="a")])
    desk.server.inject(Fault.drop_reply("ReceiveMessage", times=1))
    with pytest.raises(StoreUnavailable) as caught:
        _received(queue)
    assert caught.value.certainty is Certainty.UNKNOWN
    assert queue.depth().in_flight == 1


def test_boto3_repeats_a_receive_with_the_id_that_it_was_given(
    sqs: SqsServer, client: Client
) -> None:
    """Its own retries, which coord switches off: without an id they find a blocked group."""
    boto: Any = boto3.client(
        "sqs",
        region_name="us-east-1",
        endpoint_url=sqs.endpoint,
        aws_access_key_id="local",
        aws_secret_access_key="local",  # noqa: S106 (made up)
        config=Config(retries={"total_max_attempts": 3, "mode": "standard"}),
    )
    attributes = {"FifoQueue": "true", "ContentBasedDeduplication": "true"}
    url = client.make("q.fifo", **attributes)
    for more, wanted in (({"ReceiveRequestAttemptId": "try"}, 1), ({}, 0)):
        boto.send_message(QueueUrl=url, MessageBody=str(more), MessageGroupId=str(len(more)))
        sqs.inject(Fault.drop_reply("ReceiveMessage", times=1))
        found = boto.receive_message(QueueUrl=url, **more)
        assert len(found.get("Messages", ())) == wanted
    boto.close()
