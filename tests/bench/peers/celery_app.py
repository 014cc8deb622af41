"""celery on SQS: `celery -A tests.bench.peers.celery_app worker`, or `python -m` to write messages.

Its pause between polls, a second, also follows each time it holds as many messages as it may: it is
turned off, as kombu's documentation has it for long polling.
"""

from __future__ import annotations

from celery import Celery  # type: ignore[import-not-found]
from kombu.transport.SQS import Channel  # type: ignore[import-not-found]

from tests.bench.peers.setting import ENDPOINT, QUEUE, Captured, began, write

app = Celery("bench", broker=ENDPOINT.replace("http://", "sqs://local:local@"))
app.conf.task_default_queue = QUEUE
app.conf.task_ignore_result = True
app.conf.worker_enable_remote_control = False
app.conf.broker_transport_options = {"region": "us-east-1", "polling_interval": 0}


@app.task(name="noop")  # type: ignore[untyped-decorator]
def noop(number: int) -> None:
    """Nothing but the note."""
    began(number)


class _Captured(Captured):
    def get_queue_attributes(self, **_asked: object) -> dict[str, object]:
        return {"Attributes": {"ApproximateNumberOfMessages": "0"}}

    def list_queues(self, **_asked: object) -> dict[str, object]:
        return {"QueueUrls": [f"{ENDPOINT}/{QUEUE}"]}


if __name__ == "__main__":
    captured = _Captured()
    Channel.sqs = lambda _channel, **_queue: captured
    write(noop.delay, captured)
