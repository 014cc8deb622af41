"""The server's HTTP: bytes in whatever pieces, and what is no request."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator

import pytest

from coord.errors import ConfigError, UsageError
from coord.testing.clock import ManualClock
from coord.testing.sqs import Fault, Settings, SqsFake

HEAD = "POST / HTTP/1.1\r\nHost: sqs.test\r\nX-Amz-Target: AmazonSQS.{}\r\nContent-Length: {}\r\n"


@pytest.fixture
def fake() -> Iterator[SqsFake]:
    with SqsFake(Settings(queues=("q", "q.fifo")), clock=ManualClock()) as found:
        yield found


def connect(fake: SqsFake) -> socket.socket:
    host, port = fake.endpoint.removeprefix("http://").split(":")
    return socket.create_connection((host, int(port)), timeout=20)


def request(operation: str, *lines: str, **params: object) -> bytes:
    body = json.dumps(params).encode()
    head = HEAD.format(operation, len(body)) + "".join(f"{line}\r\n" for line in lines)
    return head.encode() + b"\r\n" + body


def reply(peer: socket.socket) -> tuple[int, str, bytes]:
    """Status, head and body of one reply."""
    data = b""
    while b"\r\n\r\n" not in data:
        data += _more(peer)
    head, _, body = data.partition(b"\r\n\r\n")
    text = head.decode()
    length = int(text.lower().partition("content-length: ")[2].split("\r\n")[0])
    while len(body) < length:
        body += _more(peer)
    assert len(body) == length
    return int(text.split()[1]), text, body


def _more(peer: socket.socket) -> bytes:
    data = peer.recv(65_536)
    assert data, "the connection has ended"
    return data


def test_a_connection_serves_one_request_after_the_other(fake: SqsFake) -> None:
    with connect(fake) as peer:
        for number in range(3):
            peer.sendall(request("SendMessage", QueueUrl="q", MessageBody=str(number)))
            assert reply(peer)[0] == 200
    assert fake.stats().queues["q"].ready == 3


def test_a_request_may_come_byte_by_byte(fake: SqsFake) -> None:
    with connect(fake) as peer:
        peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for byte in request("SendMessage", QueueUrl="q", MessageBody="é"):
            peer.sendall(bytes([byte]))
        assert reply(peer)[0] == 200


def test_requests_that_come_together_are_answered_in_turn(fake: SqsFake) -> None:
    with connect(fake) as peer:
        both = request("ReceiveMessage", QueueUrl="q", WaitTimeSeconds=5)
        peer.sendall(both + request("Nonsense"))
        fake.wait_for_polls(1)
        fake.advance(5)
        assert reply(peer)[2] == b"{}"
        status, head, _ = reply(peer)
        assert status == 400
        assert "x-amzn-query-error: InvalidAction;Sender" in head


def test_a_client_that_asks_whether_to_go_on_is_told_to(fake: SqsFake) -> None:
    with connect(fake) as peer:
        whole = request("SendMessage", "Expect: 100-continue", QueueUrl="q", MessageBody="a")
        head, _, body = whole.partition(b"\r\n\r\n")
        peer.sendall(head + b"\r\n\r\n")
        assert _more(peer) == b"HTTP/1.1 100 Continue\r\n\r\n"
        peer.sendall(body)
        assert reply(peer)[0] == 200


def test_the_connection_ends_if_the_client_says_so(fake: SqsFake) -> None:
    with connect(fake) as peer:
        peer.sendall(request("ListQueues", "Connection: close"))
        status, head, _ = reply(peer)
        assert status == 200
        assert "Connection: close" in head
        assert peer.recv(1) == b""


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
    with connect(fake) as peer:
        peer.sendall(data)
        assert reply(peer)[0] == status
        assert peer.recv(1) == b""
    with connect(fake) as peer:  # and the server goes on
        peer.sendall(request("ListQueues"))
        assert reply(peer)[0] == 200


def test_a_body_that_is_no_json_is_refused(fake: SqsFake) -> None:
    with connect(fake) as peer:
        peer.sendall(HEAD.format("ListQueues", 5).encode() + b"\r\n{nope")
        status, _, body = reply(peer)
        assert (status, json.loads(body)["__type"]) == (
            400,
            "com.amazon.coral.service#SerializationException",
        )


def test_the_query_protocol_is_refused_in_words(fake: SqsFake) -> None:
    with connect(fake) as peer:
        peer.sendall(b"POST / HTTP/1.1\r\nContent-Length: 17\r\n\r\nAction=ListQueues")
        status, _, body = reply(peer)
        assert (status, b"JSON protocol" in body) == (400, True)


def test_a_request_that_breaks_the_fake_gets_an_answer(
    fake: SqsFake, capsys: pytest.CaptureFixture[str]
) -> None:
    with connect(fake) as peer:
        peer.sendall(request("SendMessage", QueueUrl="q", MessageBody="a", MessageAttributes=[1]))
        assert reply(peer)[0] == 500
        peer.sendall(request("ListQueues"))
        assert reply(peer)[0] == 200
    assert "Traceback" in capsys.readouterr().err


def test_a_lost_reply_is_a_cut_connection(fake: SqsFake) -> None:
    fake.inject(Fault.drop_reply("SendMessage", times=1))
    with connect(fake) as peer:
        peer.sendall(request("SendMessage", QueueUrl="q", MessageBody="a"))
        assert peer.recv(1) == b""
    stats = fake.stats()
    assert (stats.queues["q"].ready, stats.faults, stats.calls) == (1, 1, {"SendMessage": 1})


def test_a_client_that_hangs_up_while_it_waits_gets_no_message(fake: SqsFake) -> None:
    with connect(fake) as peer:
        peer.sendall(request("ReceiveMessage", QueueUrl="q", WaitTimeSeconds=20))
        fake.wait_for_polls(1)
    with connect(fake) as other:
        while fake.stats().polls:
            pass
        other.sendall(request("SendMessage", QueueUrl="q", MessageBody="a"))
        reply(other)
    assert fake.stats().queues["q"].ready == 1


def test_a_fake_serves_until_it_is_stopped() -> None:
    fake = SqsFake(clock=ManualClock())
    with pytest.raises(UsageError, match="not started"):
        fake.stats()
    with fake, connect(fake) as peer:
        peer.sendall(request("ListQueues"))
        assert reply(peer)[0] == 200
        fake.stop()
        assert peer.recv(1) == b""
    with pytest.raises(UsageError, match="not started"):
        fake.stats()


def test_a_fake_on_real_time_cannot_be_advanced() -> None:
    with SqsFake() as fake, pytest.raises(ConfigError, match="real time"):
        fake.advance(1)


def test_a_port_that_is_taken_is_an_error(fake: SqsFake) -> None:
    port = int(fake.endpoint.rpartition(":")[2])
    with pytest.raises(OSError, match="in use"):
        SqsFake(port=port).start()
