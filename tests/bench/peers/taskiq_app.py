"""taskiq on SQS: `taskiq worker tests.bench.peers.taskiq_app:broker`; `python -m` to write."""

from __future__ import annotations

import asyncio

from taskiq_aio_sqs import SQSBroker  # type: ignore[import-not-found]

from tests.bench.peers.setting import ENDPOINT, QUEUE, CapturedAsync, began, write

broker = SQSBroker(
    sqs_queue_name=QUEUE,
    endpoint_url=ENDPOINT,
    max_number_of_messages=10,
)


@broker.task(task_name="noop")  # type: ignore[untyped-decorator]
async def noop(number: int) -> None:
    """Nothing but the note."""
    began(number)


if __name__ == "__main__":
    captured = CapturedAsync()
    broker._sqs_client = captured
    broker._sqs_queue_url = QUEUE
    broker._queue_urls[QUEUE] = QUEUE
    with asyncio.Runner() as runner:
        write(lambda number: runner.run(noop.kiq(number)), captured)
