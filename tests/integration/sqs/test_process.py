"""The fake in a process of its own: the launcher and the command line."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
from typing import Any

import pytest

from coord.errors import ConfigError
from coord.testing.servers.ports import Ports
from coord.testing.sqs import Fault, Settings, SqsServer
from tests.integration.sqs.client import client_of
from tests.integration.sqs.raw import Raw

pytestmark = pytest.mark.xdist_group("sqs")

SERVE = [sys.executable, "-m", "coord.testing.sqs", "serve"]


def test_the_command_prints_one_line_and_serves_until_it_is_told_to_end() -> None:
    command = [*SERVE, "--region", "eu-west-1", "--queue", "a", "--queue", "b.fifo"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            told = json.loads(process.stdout.readline())
            assert told["pid"] == process.pid
            assert told["endpoint"] == f"http://127.0.0.1:{told['port']}"
            raw = Raw(told["endpoint"])
            found = raw.call("GetQueueAttributes", QueueUrl="b.fifo", AttributeNames=["All"])
            assert found["Attributes"]["QueueArn"] == "arn:aws:sqs:eu-west-1:123456789012:b.fifo"
            assert found["Attributes"]["ContentBasedDeduplication"] == "true"
            raw.close()
            process.send_signal(signal.SIGTERM)
            assert process.wait(30) == 0
            assert process.stdout.read() == ""
        finally:
            process.kill()


def test_the_command_says_what_is_wrong() -> None:
    ports = Ports()
    with SqsServer() as server:
        taken = server.endpoint.rpartition(":")[2]
        for arguments, status, words in (
            (["--port", taken], 1, "in use"),
            (["--queue", "a b"], 2, "alphanumeric"),
        ):
            done = subprocess.run(
                [*SERVE, *arguments], capture_output=True, text=True, timeout=60, check=False
            )
            assert (done.returncode, words in done.stderr) == (status, True), done.stderr
    ports.close()


def test_a_killed_server_comes_back_empty_on_its_port() -> None:
    with SqsServer(Settings(queues=("q",))) as server:
        client = client_of(server.endpoint)
        client.send_message(QueueUrl="q", MessageBody="a")
        endpoint = server.endpoint
        server.members[0].restart()
        assert server.endpoint == endpoint
        stats = server.stats()
        assert (list(stats.queues), stats.queues["q"].ready) == (["q"], 0)
        client.close()


def test_a_paused_server_answers_when_it_is_healed() -> None:
    with SqsServer(Settings(queues=("q",))) as server:
        server.inject(Fault.throttle())
        server.members[0].pause()
        server.heal()
        raw = Raw(server.endpoint)
        assert raw.call("ReceiveMessage", QueueUrl="q") == {}
        raw.close()


def test_urls_and_credentials_are_those_of_the_server(monkeypatch: pytest.MonkeyPatch) -> None:
    import boto3  # noqa: PLC0415 (after the environment)

    with SqsServer(Settings(region="eu-west-1", queues=("q",))) as server:
        assert server.url("q", wait="3") == (
            f"sqs://q?region=eu-west-1&endpoint={server.endpoint}&wait=3"
        )
        for name, value in server.environment.items():
            monkeypatch.setenv(name, value)
        client: Any = boto3.client("sqs", endpoint_url=server.endpoint)
        url = client.get_queue_url(QueueName="q")["QueueUrl"]
        assert url == f"{server.endpoint}/123456789012/q"
        client.close()


def test_limits_can_be_lowered() -> None:
    settings = Settings(in_flight_max=1, recreate_after_s=0, queues=("q",))
    with SqsServer(settings) as server:
        raw = Raw(server.endpoint)
        for body in "ab":
            raw.call("SendMessage", QueueUrl="q", MessageBody=body)
        found = raw.call("ReceiveMessage", QueueUrl="q", MaxNumberOfMessages=10)
        assert len(found["Messages"]) == 1
        raw.call("DeleteQueue", QueueUrl="q")
        raw.call("CreateQueue", QueueName="q")
        raw.close()


def test_virtual_time_reaches_a_server_in_another_process() -> None:
    with SqsServer(Settings(queues=("q",)), virtual=True) as server:
        client = client_of(server.endpoint)
        client.send_message(QueueUrl="q", MessageBody="a")
        client.receive_message(QueueUrl="q", VisibilityTimeout=43_200)
        got: list[dict[str, Any]] = []
        poll = threading.Thread(
            target=lambda: got.append(client.receive_message(QueueUrl="q", WaitTimeSeconds=20))
        )
        poll.start()
        server.wait_for_polls(1)
        server.advance(19)
        assert server.stats().polls == 1
        server.advance(1)
        poll.join(30)
        assert "Messages" not in got[0]
        server.advance(43_200)
        assert len(client.receive_message(QueueUrl="q")["Messages"]) == 1
        client.close()


def test_a_refusal_of_the_control_path_comes_back_in_words(sqs: SqsServer) -> None:
    with pytest.raises(ConfigError, match="real time"):
        sqs.advance(1)
    with pytest.raises(ConfigError, match="duplicates"):
        sqs._control("misbehave", {"duplicates": 1})
