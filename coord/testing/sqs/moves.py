"""Message move tasks: dead letters go back to where they came from, at a rate.

Owns the tasks and their states. Pure: a task moves what is due by the moment it is told.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass, field

from coord.testing.sqs.errors import SqsError, invalid_value
from coord.testing.sqs.message import State
from coord.testing.sqs.queue import Queue

__all__ = ["MoveTask", "Moves"]

_RATE_MAX = 500
_KEPT = 10

Find = Callable[[str], Queue | None]
Sources = Callable[[Queue], list[Queue]]


@dataclass(slots=True, kw_only=True)
class MoveTask:
    """One task. Without a rate it moves the 500 messages a second that a task may be given."""

    source_arn: str
    destination_arn: str | None
    rate: int | None
    to_move: int
    started_s: float
    moved: int = 0
    status: str = "RUNNING"
    failure: str | None = None
    handle: str = field(default_factory=lambda: secrets.token_urlsafe(24))

    def due(self, now_s: float) -> int:
        """How many messages it ought to have moved by now, beyond those that it has."""
        elapsed_s = now_s - self.started_s
        return min(int(elapsed_s * (self.rate or _RATE_MAX)), self.to_move) - self.moved


class Moves:
    """The tasks of all queues; one runs for a queue at a time."""

    def __init__(self, find: Find, sources_of: Sources) -> None:
        self._find = find
        self._sources_of = sources_of
        self._tasks: dict[str, list[MoveTask]] = {}

    @property
    def running(self) -> list[MoveTask]:
        """The tasks that have messages to move."""
        return [
            task for tasks in self._tasks.values() for task in tasks if task.status == "RUNNING"
        ]

    def start(
        self, source_arn: str, destination_arn: str | None, rate: int | None, now_s: float
    ) -> MoveTask:
        """Begin to move the visible messages of a dead-letter queue. Raises SqsError."""
        source = self._existing(source_arn, "SourceArn")
        if not self._sources_of(source):
            raise SqsError(
                "InvalidParameterValue", "Source queue must be configured as a Dead Letter Queue."
            )
        if destination_arn is not None:
            self._existing(destination_arn, "DestinationArn")
        if rate is not None and not 1 <= rate <= _RATE_MAX:
            reason = f"Must be between 1 and {_RATE_MAX}."
            raise invalid_value(rate, "MaxNumberOfMessagesPerSecond", reason)
        tasks = self._tasks.setdefault(source_arn, [])
        if any(task.status == "RUNNING" for task in tasks):
            raise SqsError(
                "InvalidParameterValue",
                "There is already a task running. Only one active task is allowed for a source "
                "queue arn at a given time.",
            )
        source.settle(now_s)
        task = MoveTask(
            source_arn=source_arn,
            destination_arn=destination_arn,
            rate=rate,
            to_move=source.count(State.READY),
            started_s=now_s,
        )
        tasks.insert(0, task)
        del tasks[_KEPT:]
        self._move(task, now_s)
        return task

    def of(self, source_arn: str, number: int) -> list[MoveTask]:
        """The latest tasks of a queue, newest first."""
        self._existing(source_arn, "SourceArn")
        return self._tasks.get(source_arn, [])[:number]

    def cancel(self, handle: str) -> MoveTask:
        """Stop a task that runs."""
        for task in self.running:
            if task.handle == handle:
                task.status = "CANCELLED"
                return task
        raise SqsError("ResourceNotFoundException", "Task does not exist.")

    def settle(self, now_s: float) -> set[Queue]:
        """Move what is due; the queues that have got messages."""
        return {queue for task in self.running for queue in self._move(task, now_s)}

    def _move(self, task: MoveTask, now_s: float) -> set[Queue]:
        filled: set[Queue] = set()
        source = self._find(task.source_arn)
        if source is None:
            self._fail(task, "AWS.SimpleQueueService.NonExistentQueue")
            return filled
        source.settle(now_s)
        for _ in range(task.due(now_s)):
            message = source.take_away()
            if message is None:
                task.to_move = task.moved
                break
            arn = task.destination_arn or message.source_arn
            target = self._find(arn) if arn else None
            if target is None:
                source.accept(message, now_s, source_arn=message.source_arn)
                self._fail(
                    task,
                    "AWS.SimpleQueueService.NonExistentQueue"
                    if arn
                    else "CouldNotDetermineMessageSource",
                )
                return filled
            target.settle(now_s)
            target.accept(message, now_s, source_arn=None)
            task.moved += 1
            filled.add(target)
        if task.moved >= task.to_move:
            task.status = "COMPLETED"
        return filled

    def _existing(self, arn: str, parameter: str) -> Queue:
        queue = self._find(arn)
        if queue is None:
            raise SqsError(
                "ResourceNotFoundException",
                f"The resource that you specified for the {parameter} parameter doesn't exist.",
            )
        return queue

    def _fail(self, task: MoveTask, reason: str) -> None:
        task.status = "FAILED"
        task.failure = reason
