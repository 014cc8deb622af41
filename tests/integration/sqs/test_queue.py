"""The queue of SQS where something is wrong: with the URL, the rights, the network, the timing."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from typing import Any

import pytest

from coord.errors import (
    Certainty,
    ConfigError,
    StoreError,
    StoreRefused,
    StoreUnavailable,
)
from coord.tasks.opening import open_queue
from coord.tasks.queue.spi import Depth, Hide, Outgoing
from coord.testing.proxy import FaultProxy
from coord.testing.sqs import Fault
from tests.integration.sqs.desk import Desk

pytestmark = pytest.mark.xdist_group("sqs")

LATE_S = 2.0  # what a busy machine may add


@pytest.fixture(autouse=True)
def _known(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    """These made-up credentials and no others."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    nowhere = str(tmp_path_factory.getbasetemp() / "none")
    monkeypatch.setenv("AWS_CONFIG_FILE", nowhere)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", nowhere)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAEXAMPLEEXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "hunter2hunter2")


def test_a_queue_that_is_not_there_is_refused_and_not_made(desk: Desk) -> None:
    url = f"sqs://{desk.client.name('nothere')}?region=us-east-1&endpoint={desk.server.endpoint}"
    for _ in range(2):
        with pytest.raises(StoreRefused, match="there is no queue") as caught:
            desk.open(url)
        assert "Compare name" in caught.value.cure


def test_refused_credentials_say_so_and_show_no_secret(desk: Desk) -> None:
    url = desk.url()
    queue = desk.open(url)
    desk.server.admit(access_keys=["somebody-else"])
    calls: list[Any] = [
        lambda: desk.open(url),
        lambda: queue.receive(1, wait_s=0, visibility_s=30),
        queue.depth,
    ]
    for call in calls:
        with pytest.raises(StoreRefused, match="refused the credentials") as caught:
            call()
        assert caught.value.certainty is Certainty.NOT_APPLIED
        assert "hunter2" not in str(caught.value)
        assert "AKIA" not in str(caught.value)


def test_a_wrong_region_says_so(desk: Desk) -> None:
    url = desk.url()
    desk.server.admit(region="eu-west-1")
    with pytest.raises(StoreRefused, match="region") as caught:
        desk.open(url)
    assert "region and endpoint" in caught.value.cure


def test_no_credentials_and_no_region_are_refused_before_anything_is_asked(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with pytest.raises(ConfigError, match="no region"):
        open_queue("sqs://jobs")
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    with pytest.raises(ConfigError, match="no credentials"):
        open_queue("sqs://jobs?region=us-east-1&endpoint=http://192.0.2.1:1")


def test_a_server_of_this_machine_needs_no_credentials(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    assert desk.open(desk.url()).depth() == Depth(0, 0, 0, 0)


def test_a_message_too_large_for_this_queue_is_refused_before_it_is_sent(desk: Desk) -> None:
    queue = desk.open(desk.url(MaximumMessageSize="2048"))
    with pytest.raises(ConfigError, match="2049 bytes"):
        queue.send([Outgoing(body="a"), Outgoing(body="x" * 2049)])
    assert queue.depth().ready == 0


def test_a_fifo_message_without_a_group_is_refused_before_it_is_sent(desk: Desk) -> None:
    queue = desk.open(desk.url("orders.fifo"))
    with pytest.raises(ConfigError, match="without a group"):
        queue.send([Outgoing(body="a", group="g"), Outgoing(body="b")])
    assert queue.depth().ready == 0


def test_a_server_that_is_away_is_told_of_in_time(desk: Desk) -> None:
    with pytest.raises(StoreUnavailable, match="cannot be reached") as caught:
        desk.open("sqs://jobs?region=us-east-1&endpoint=http://127.0.0.1:9")
    assert caught.value.certainty is Certainty.NOT_APPLIED
    assert "nobody listens there" in caught.value.cause
    assert "https" not in caught.value.cure


@pytest.mark.parametrize("url", ["sqs://", "sqs://?region=us-east-1"], ids=["bare", "region"])
def test_a_url_without_a_name_names_no_queue(desk: Desk, url: str) -> None:
    with pytest.raises(ConfigError, match="names no sqs queue"):
        desk.open(url)


@pytest.mark.parametrize("wait_s", [0.0, 2.0])
def test_no_call_is_held_beyond_its_timeout(desk: Desk, proxy: FaultProxy, wait_s: float) -> None:
    """The server takes requests and never answers; receiving may wait for longer by its time."""
    queue = desk.open(desk.url(endpoint=f"http://{proxy.hostport}"), timeout_s=1.0)
    queue.depth()
    proxy.replies.hold()
    calls: list[tuple[Any, float]] = [
        (lambda: queue.receive(1, wait_s=wait_s, visibility_s=30), wait_s),
        (lambda: queue.hide([Hide("r", 1)]), 0.0),
        (lambda: queue.delete(["r"]), 0.0),
        (lambda: queue.send([Outgoing(body="a")]), 0.0),
        (queue.depth, 0.0),
    ]
    for call, more_s in calls:
        begun_s = time.monotonic()
        with pytest.raises(StoreUnavailable) as caught:
            call()
        assert time.monotonic() - begun_s < more_s + 1.0 + LATE_S
        assert caught.value.certainty is Certainty.UNKNOWN
    proxy.replies.mend()


def test_what_fails_at_once_is_tried_again(desk: Desk) -> None:
    """Throttling and broken connections, once: callers need not see them."""
    queue = desk.open(desk.url())
    for fault in (
        Fault.throttle("SendMessageBatch", times=1),
        Fault.drop_request("DeleteMessageBatch", times=1),
        Fault.drop_reply("DeleteMessageBatch", times=1),
        Fault.unavailable("ChangeMessageVisibilityBatch", times=1),
    ):
        desk.server.inject(fault)
        assert not isinstance(queue.send([Outgoing(body="a")])[0], StoreError)
        (found,) = queue.receive(1, wait_s=2, visibility_s=30)
        assert queue.hide([Hide(found.receipt, 30)]) == [None]
        assert queue.delete([found.receipt]) == [None]
    assert desk.server.stats().faults >= 4
    assert queue.depth() == Depth(0, 0, 0, 0)


def test_a_send_that_may_have_arrived_is_not_repeated_on_a_standard_queue(desk: Desk) -> None:
    """It would be there twice. On a FIFO queue its name sees to that."""
    queue = desk.open(desk.url())
    desk.server.inject(Fault.drop_reply("SendMessageBatch", times=1))
    with pytest.raises(StoreUnavailable) as caught:
        queue.send([Outgoing(body="a")])
    assert caught.value.certainty is Certainty.UNKNOWN
    assert queue.depth().ready == 1
    fifo = desk.open(desk.url("orders.fifo"))
    desk.server.inject(Fault.drop_reply("SendMessageBatch", times=1))
    assert not isinstance(fifo.send([Outgoing(body="a", group="g")])[0], StoreError)
    assert fifo.depth().ready == 1


def test_entries_that_the_server_fails_are_told_apart(desk: Desk) -> None:
    queue = desk.open(desk.url())
    desk.server.inject(Fault.fail_entries("SendMessageBatch", share=0.5, times=5))
    answers = [answer for _ in range(5) for answer in queue.send([Outgoing(body="a")] * 10)]
    failed = [one for one in answers if isinstance(one, StoreError)]
    assert 0 < len(failed) < len(answers)
    assert {(type(one), one.certainty) for one in failed} == {(StoreUnavailable, Certainty.UNKNOWN)}
    assert queue.depth().ready == len(answers) - len(failed)


def test_purging_twice_within_a_minute_says_why_not(desk: Desk) -> None:
    queue = desk.open(desk.url())
    queue.purge()
    with pytest.raises(StoreUnavailable, match="less than a minute ago") as caught:
        queue.purge()
    assert caught.value.certainty is Certainty.NOT_APPLIED


def test_redriving_a_part_is_refused_since_amazon_moves_all(desk: Desk) -> None:
    queue = desk.open(desk.url())
    queue.send([Outgoing(body="a"), Outgoing(body="b")])
    for _ in range(4):
        for one in queue.receive(10, wait_s=0, visibility_s=30):
            queue.hide([Hide(one.receipt, 0)])
    assert queue.depth() == Depth(0, 0, 0, 2)
    with pytest.raises(ConfigError, match="2 messages are dead"):
        queue.redrive(1)
    assert queue.redrive(2) == 2


def test_a_queue_without_dead_letters_is_told_of(desk: Desk) -> None:
    desk.client.make("bare")
    url = f"sqs://{desk.client.name('bare')}?region=us-east-1&endpoint={desk.server.endpoint}"
    queue = desk.open(url)
    assert queue.limits.max_receives is None
    assert [one.name for one in queue.probe() if not one.ok] == ["dead letters"]
    with pytest.raises(StoreRefused, match="no dead-letter queue"):
        queue.redrive(1)


def test_hiding_rounds_up_and_never_shows_a_message_early(desk: Desk) -> None:
    """1.2 s asked for are 2 s at SQS, which counts in whole seconds."""
    queue = desk.open(desk.url())
    queue.send([Outgoing(body="a")])
    (found,) = queue.receive(1, wait_s=0, visibility_s=30)
    sent_at_s = time.monotonic()
    assert queue.hide([Hide(found.receipt, 1.2)]) == [None]
    (again,) = queue.receive(1, wait_s=10, visibility_s=30)
    assert again.id == found.id
    assert time.monotonic() - sent_at_s >= 1.2


def test_a_visibility_below_a_second_is_refused(desk: Desk) -> None:
    queue = desk.open(desk.url())
    with pytest.raises(ConfigError, match="between 1 and 43200"):
        queue.receive(1, wait_s=0, visibility_s=0.5)


def test_what_is_no_sqs_is_told_of(desk: Desk, page_server: str) -> None:
    with pytest.raises(StoreError, match="does not answer as SQS does"):
        desk.open(f"sqs://jobs?region=us-east-1&endpoint={page_server}")


@pytest.fixture
def page_server() -> Iterator[str]:
    """A server that says the same to everybody, with status 200."""
    import threading  # noqa: PLC0415
    from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer  # noqa: PLC0415

    class Page(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["content-length"]))
            self.send_response(200)
            self.send_header("content-length", "2")
            self.end_headers()
            self.wfile.write(b"{}")

        def log_message(self, *_: object) -> None:
            """Nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Page) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()
