"""The server's HTTP: bytes in whatever pieces, and what is no request."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from typing import Self

import pytest

from coord.errors import ConfigError, UsageError
from coord.testing.clock import ManualClock
from coord.testing.sqs import Fault, Settings, SqsFake

HEAD = "POST / HTTP/1.1\r\nHost: sqs.test\r\nX-Amz-Target: AmazonSQS.{}\r\nContent-Length: {}\r\n"


@pytest.fixture
def fake() -> Iterator[SqsFake]:
    with SqsFake(Settings(queues=("q", "q.fifo")), clock=ManualClock()) as found:
        yield found


class Peer:
    """A client's end of a connection."""

    def __init__(self, fake: SqsFake) -> None:
        host, port = fake.endpoint.removeprefix("http://").split(":")
        self._socket = socket.create_connection((host, int(port)), timeout=20)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._data = b""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def send(self, data: bytes) -> None:
        self._socket.sendall(data)

    def more(self) -> bool:
        """Whether more came before the end of the connection."""
        data = self._socket.recv(65_536)
        self._data += data
        return bool(data)

    def take(self, number: int) -> bytes:
        while len(self._data) < number:
            assert self.more(), "the connection has ended"
        taken, self._data = self._data[:number], self._data[number:]
        return taken

    def reply(self) -> tuple[int, str, bytes]:
        """Status, head and body of one reply."""
        while b"\r\n\r\n" not in self._data:
            assert self.more(), "the connection has ended"
        head = self.take(self._data.index(b"\r\n\r\n") + 4).decode()
        length = int(head.lower().partition("content-length: ")[2].split("\r\n")[0])
        return int(head.split()[1]), head, self.take(length)


def request(operation: str, *lines: str, **params: object) -> bytes:
    body = json.dumps(params).encode()
    head = HEAD.format(operation, len(body)) + "".join(f"{line}\r\n" for line in lines)
    return head.encode() + b"\r\n" + body


def test_a_connection_serves_one_request_after_the_other(fake: SqsFake) -> None:
    with Peer(fake) as peer:
        for number in range(3):
            peer.send(request("SendMessage", QueueUrl="q", MessageBody=str(number)))
            assert peer.reply()[0] == 200
    assert fake.stats().queues["q"].ready == 3


def test_a_request_may_come_byte_by_byte(fake: SqsFake) -> None:
    with Peer(fake) as peer:
        for byte in request("SendMessage", QueueUrl="q", MessageBody="é"):
            peer.send(bytes([byte]))
        assert peer.reply()[0] == 200


def test_requests_that_come_together_are_answered_in_turn(fake: SqsFake) -> None:
    with Peer(fake) as peer:
        both = request("ReceiveMessage", QueueUrl="q", WaitTimeSeconds=5)
        peer.send(both + request("Nonsense"))
        fake.wait_for_polls(1)
        fake.advance(5)
        assert peer.reply()[2] == b"{}"
        status, head, _ = peer.reply()
        assert status == 400
        assert "x-amzn-query-error: InvalidAction;Sender" in head


def test_a_client_that_asks_whether_to_go_on_is_told_to(fake: SqsFake) -> None:
    with Peer(fake) as peer:
        whole = request("SendMessage", "Expect: 100-continue", QueueUrl="q", MessageBody="a")
        head, _, body = whole.partition(b"\r\n\r\n")
        peer.send(head + b"\r\n\r\n")
        assert peer.take(25) == b"HTTP/1.1 100 Continue\r\n\r\n"
        peer.send(body)
        assert peer.reply()[0] == 200


def test_the_connection_ends_if_the_client_says_so(fake: SqsFake) -> None:
    with Peer(fake) as peer:
        peer.send(request("ListQueues", "Connection: close"))
        status, head, _ = peer.reply()
        assert status == 200
        assert "Connection: close" in head
        assert not peer.more()


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"nonsense\r\n\r\n", 400),
        (b"POST / SPDY/9\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nno colon\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nContent-Length: many\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n", 411),
        (b"POST / HTTP/1.1\r\nContent-Length: 99999999999\r\n\r\n", 413),
        (b"x" * 70_000, 431),
    ],
)
def test_what_is_no_request_is_refused_and_the_connection_ends(
    fake: SqsFake, data: bytes, status: int
) -> None:
    with Peer(fake) as peer:
        peer.send(data)
        assert peer.reply()[0] == status
        assert not peer.more()
    with Peer(fake) as peer:  # and the server goes on
        peer.send(request("ListQueues"))
        assert peer.reply()[0] == 200


def test_a_body_that_is_no_json_is_refused(fake: SqsFake) -> None:
    with Peer(fake) as peer:
        peer.send(HEAD.format("ListQueues", 5).encode() + b"\r\n{nope")
        status, _, body = peer.reply()
        assert (status, json.loads(body)["__type"]) == (
            400,
            "com.amazon.coral.service#SerializationException",
        )


def test_the_query_protocol_is_refused_in_words(fake: SqsFake) -> None:
    with Peer(fake) as peer:
        peer.send(b"POST / HTTP/1.1\r\nContent-Length: 17\r\n\r\nAction=ListQueues")
        status, _, body = peer.reply()
        assert (status, b"JSON protocol" in body) == (400, True)


def test_a_request_that_breaks_the_fake_gets_an_answer(
    fake: SqsFake, capsys: pytest.CaptureFixture[str]
) -> None:
    with Peer(fake) as peer:
        peer.send(request("SendMessage", QueueUrl="q", MessageBody="a", MessageAttributes=[1]))
        assert peer.reply()[0] == 500
        peer.send(request("ListQueues"))
        assert peer.reply()[0] == 200
    assert "Traceback" in capsys.readouterr().err


def test_a_lost_reply_is_a_cut_connection(fake: SqsFake) -> None:
    fake.inject(Fault.drop_reply("SendMessage", times=1))
    with Peer(fake) as peer:
        peer.send(request("SendMessage", QueueUrl="q", MessageBody="a"))
        assert not peer.more()
    stats = fake.stats()
    assert (stats.queues["q"].ready, stats.faults, stats.calls) == (1, 1, {"SendMessage": 1})


def test_a_client_that_hangs_up_while_it_waits_gets_no_message(fake: SqsFake) -> None:
    with Peer(fake) as peer:
        peer.send(request("ReceiveMessage", QueueUrl="q", WaitTimeSeconds=20))
        fake.wait_for_polls(1)
    with Peer(fake) as other:
        while fake.stats().polls:
            pass
        other.send(request("SendMessage", QueueUrl="q", MessageBody="a"))
        other.reply()
    assert fake.stats().queues["q"].ready == 1


def test_a_fake_serves_until_it_is_stopped() -> None:
    fake = SqsFake(clock=ManualClock())
    with pytest.raises(UsageError, match="not started"):
        fake.stats()
    with fake, Peer(fake) as peer:
        peer.send(request("ListQueues"))
        assert peer.reply()[0] == 200
        fake.stop()
        assert not peer.more()
    with pytest.raises(UsageError, match="not started"):
        fake.stats()


def test_a_fake_on_real_time_cannot_be_advanced() -> None:
    with SqsFake() as fake, pytest.raises(ConfigError, match="real time"):
        fake.advance(1)


def test_a_port_that_is_taken_is_an_error(fake: SqsFake) -> None:
    port = int(fake.endpoint.rpartition(":")[2])
    with pytest.raises(OSError, match="in use"):
        SqsFake(port=port).start()
