"""The calls about queues rather than messages: made, found, listed, configured, emptied, redriven.

Owns the translation between these requests and the service. Pure, like what it calls.
"""

from __future__ import annotations

from coord.testing.sqs.moves import MoveTask
from coord.testing.sqs.params import Params, Reply, mapping, names, text, whole
from coord.testing.sqs.queue import Queue
from coord.testing.sqs.service import ACCOUNT, Service

__all__ = ["Administration"]

_PAGE_MAX = 1000
_ANY_RATE = 1 << 31
_TASKS_MAX = 10


class Administration:
    """The calls of one service. `base` is the address under which a client knows the server."""

    def __init__(self, service: Service) -> None:
        self._service = service

    def create_queue(self, params: Params, now_s: float, base: str) -> Reply:
        """CreateQueue."""
        wanted, tags = mapping(params, "Attributes"), mapping(params, "tags")
        queue = self._service.create(params.get("QueueName"), wanted, tags, now_s)
        return {"QueueUrl": _url(queue, base)}

    def get_queue_url(self, params: Params, now_s: float, base: str) -> Reply:
        """GetQueueUrl."""
        owner = params.get("QueueOwnerAWSAccountId") or ACCOUNT
        queue = self._service.find(f"/{owner}/{text(params, 'QueueName')}", now_s)
        return {"QueueUrl": _url(queue, base)}

    def list_queues(self, params: Params, _now_s: float, base: str) -> Reply:
        """ListQueues, in the order of names."""
        prefix = params.get("QueueNamePrefix") or ""
        found = sorted(name for name in self._service.queues if name.startswith(prefix))
        page, token = _page(found, params)
        urls = [_url(self._service.queues[name], base) for name in page]
        return ({"QueueUrls": urls} if urls else {}) | token

    def list_sources(self, params: Params, now_s: float, base: str) -> Reply:
        """ListDeadLetterSourceQueues."""
        queue = self._service.find(params.get("QueueUrl"), now_s)
        found = sorted(source.name for source in self._service.sources_of(queue))
        page, token = _page(found, params)
        return {"queueUrls": [_url(self._service.queues[name], base) for name in page]} | token

    def delete_queue(self, params: Params, now_s: float, _base: str) -> Reply:
        """DeleteQueue."""
        self._service.delete(self._service.find(params.get("QueueUrl"), now_s), now_s)
        return {}

    def get_attributes(self, params: Params, now_s: float, _base: str) -> Reply:
        """GetQueueAttributes."""
        queue = self._service.find(params.get("QueueUrl"), now_s)
        found = self._service.read_attributes(queue, names(params, "AttributeNames"))
        return {"Attributes": found} if found else {}

    def set_attributes(self, params: Params, now_s: float, _base: str) -> Reply:
        """SetQueueAttributes."""
        queue = self._service.find(params.get("QueueUrl"), now_s)
        self._service.set_attributes(queue, mapping(params, "Attributes"), now_s)
        return {}

    def purge_queue(self, params: Params, now_s: float, _base: str) -> Reply:
        """PurgeQueue."""
        self._service.find(params.get("QueueUrl"), now_s).purge(now_s)
        return {}

    def tag_queue(self, params: Params, now_s: float, _base: str) -> Reply:
        """TagQueue."""
        queue = self._service.find(params.get("QueueUrl"), now_s)
        self._service.tag(queue, mapping(params, "Tags"))
        return {}

    def untag_queue(self, params: Params, now_s: float, _base: str) -> Reply:
        """UntagQueue."""
        queue = self._service.find(params.get("QueueUrl"), now_s)
        for key in names(params, "TagKeys"):
            queue.tags.pop(key, None)
        return {}

    def list_tags(self, params: Params, now_s: float, _base: str) -> Reply:
        """ListQueueTags."""
        return {"Tags": dict(self._service.find(params.get("QueueUrl"), now_s).tags)}

    def start_move(self, params: Params, now_s: float, _base: str) -> Reply:
        """StartMessageMoveTask."""
        name = "MaxNumberOfMessagesPerSecond"
        task = self._service.moves.start(
            text(params, "SourceArn"),
            params.get("DestinationArn"),
            whole(params, name, "Must be a number.", lowest=-_ANY_RATE, highest=_ANY_RATE),
            now_s,
        )
        return {"TaskHandle": task.handle}

    def list_moves(self, params: Params, _now_s: float, _base: str) -> Reply:
        """ListMessageMoveTasks."""
        reason = f"Must be between 1 and {_TASKS_MAX}."
        number = whole(params, "MaxResults", reason, lowest=1, highest=_TASKS_MAX)
        tasks = self._service.moves.of(text(params, "SourceArn"), number or 1)
        return {"Results": [self._move(task) for task in tasks]}

    def cancel_move(self, params: Params, _now_s: float, _base: str) -> Reply:
        """CancelMessageMoveTask."""
        task = self._service.moves.cancel(text(params, "TaskHandle"))
        return {"ApproximateNumberOfMessagesMoved": task.moved}

    def _move(self, task: MoveTask) -> Reply:
        shown: Reply = {
            "TaskHandle": task.handle if task.status == "RUNNING" else None,
            "Status": task.status,
            "SourceArn": task.source_arn,
            "DestinationArn": task.destination_arn,
            "MaxNumberOfMessagesPerSecond": task.rate,
            "ApproximateNumberOfMessagesMoved": task.moved,
            "ApproximateNumberOfMessagesToMove": task.to_move,
            "FailureReason": task.failure,
            "StartedTimestamp": int((self._service.epoch_s + task.started_s) * 1000),
        }
        return {name: value for name, value in shown.items() if value is not None}


def _url(queue: Queue, base: str) -> str:
    return f"{base}/{ACCOUNT}/{queue.name}"


def _page(found: list[str], params: Params) -> tuple[list[str], Reply]:
    """The names of one page, and where the next begins if pages were asked for."""
    after = params.get("NextToken")
    rest = [name for name in found if after is None or name > after]
    size = whole(
        params, "MaxResults", f"Must be between 1 and {_PAGE_MAX}.", lowest=1, highest=_PAGE_MAX
    )
    page = rest[: size or _PAGE_MAX]
    more = size is not None and len(rest) > len(page)
    return page, {"NextToken": page[-1]} if more else {}
