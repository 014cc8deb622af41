"""The service as a server runs it: requests in, replies out, at once or when there is something.

Owns the way of a request: who may ask, what goes wrong, which call is meant, who waits. Knows no
sockets and no real time; whoever drives it calls `run_due` when `next_s` has come. One thread.
"""

from __future__ import annotations

import itertools
import json
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from coord.clock import Clock
from coord.testing.sqs import messages
from coord.testing.sqs.administration import Administration
from coord.testing.sqs.errors import SqsError
from coord.testing.sqs.faults import Fault, Faults
from coord.testing.sqs.gate import Gate
from coord.testing.sqs.http import Exchange, Reply, Request
from coord.testing.sqs.message import Message
from coord.testing.sqs.params import Params
from coord.testing.sqs.polls import Polls, Wakeups
from coord.testing.sqs.queue import Queue
from coord.testing.sqs.receiving import receive_order
from coord.testing.sqs.service import Service

__all__ = ["Engine"]

_PREFIX = "AmazonSQS."
_MOVE_EVERY_S = 0.05
_TYPE = "Content-Type: application/x-amz-json-1.0\r\n"

MessageCall = Callable[[Queue, Params, float], dict[str, object]]
QueueCall = Callable[[Params, float, str], dict[str, object]]
Outcome = Callable[[bytes | SqsError], None]

_MESSAGE_CALLS: dict[str, MessageCall] = {
    "ChangeMessageVisibility": messages.change_visibility,
    "ChangeMessageVisibilityBatch": messages.change_batch,
    "DeleteMessage": messages.delete_message,
    "DeleteMessageBatch": messages.delete_batch,
    "SendMessage": messages.send_message,
    "SendMessageBatch": messages.send_batch,
}


@dataclass(slots=True)
class _Call:
    """One request on its way."""

    operation: str
    params: Params
    base: str
    exchange: Exchange
    faults: Sequence[Fault]


class Engine:
    """One service, its faults, its waiting calls and its count of calls."""

    def __init__(self, service: Service, clock: Clock) -> None:
        self.service = service
        self.clock = clock
        self.faults = Faults()
        self.gate = Gate()
        self.calls: dict[str, int] = {}
        self.wakeups = Wakeups()
        self.polls = Polls(self.wakeups, clock.now)
        self._filled: set[Queue] = set()
        self._ids = itertools.count(random.getrandbits(32))
        service.filled = self._filled.add
        self._queue_calls = self._table(Administration(service))

    def serve(self, request: Request, exchange: Exchange) -> None:
        """Take a request of the AWS JSON protocol; it is answered now or later."""
        faults: Sequence[Fault] = ()
        try:
            operation = self._operation_of(request)
            self.calls[operation] = self.calls.get(operation, 0) + 1
            self.gate.check(request)
            params = _params_of(request)
            faults = self.faults.hitting(operation, _queue_name(params))
        except SqsError as error:
            exchange.answer(self._refusal(error))
            return
        base = f"http://{request.headers.get('host', 'localhost')}"
        call = _Call(operation, params, base, exchange, faults)
        wait_s = sum(fault.wait_s for fault in faults)
        if wait_s > 0:
            self.wakeups.at(self.clock.now() + wait_s, partial(self._perform, call))
        else:
            self._perform(call)

    def next_s(self) -> float | None:
        """When something is to be done although nobody asks."""
        return self.wakeups.next_s()

    def run_due(self) -> None:
        """Do what is to be done by now."""
        now_s = self.clock.now()
        while (moment := self.wakeups.pop(now_s)) is not None:
            moment.act()

    def _perform(self, call: _Call) -> None:
        if any(fault.lose_request for fault in call.faults):
            call.exchange.answer(None)
            return
        finish = partial(self._finish, call)
        try:
            for fault in call.faults:
                if fault.code is not None:
                    raise SqsError(fault.code, fault.message)
            self._apply(call, finish)
        except SqsError as error:
            finish(error)
        self._serve_filled()

    def _apply(self, call: _Call, finish: Outcome) -> None:
        """Do what is asked for. Raises SqsError."""
        now_s = self.clock.now()
        queue_call = self._queue_calls.get(call.operation)
        if queue_call is not None:
            finish(_encoded(queue_call(call.params, now_s, call.base)))
            self._after(call)
            return
        queue = self.service.find(call.params.get("QueueUrl"), now_s)
        if call.operation == "ReceiveMessage":
            self._receive(queue, call, finish, now_s)
            return
        params, lost = _spoiled(call)
        if params is not None:
            reply = _MESSAGE_CALLS[call.operation](queue, params, now_s)
        else:
            reply = {"Successful": []}
        if lost:
            failed = reply.setdefault("Failed", [])
            assert isinstance(failed, list)
            failed.extend(lost)
        finish(_encoded(reply))
        self._filled.add(queue)

    def _receive(self, queue: Queue, call: _Call, finish: Outcome, now_s: float) -> None:
        order = receive_order(queue, call.params)
        taken = order.take(queue, now_s)

        def answer(found: Sequence[Message] | SqsError) -> None:
            if isinstance(found, SqsError):
                finish(found)
            elif not found:
                finish(b"{}")
            else:
                finish(_encoded(order.render(found, self.service.epoch_s)))

        if taken or order.wait_s == 0:
            answer(taken)
            return
        poll = self.polls.wait(queue, order, answer)
        call.exchange.when_lost(partial(self.polls.forget, poll))

    def _after(self, call: _Call) -> None:
        """What a call about queues sets going."""
        if call.operation == "StartMessageMoveTask":
            self._moving()
        if call.operation == "DeleteQueue":
            error = SqsError("NonExistentQueue", "The specified queue does not exist.")
            for queue in self.polls.queues():
                if self.service.queues.get(queue.name) is not queue:
                    self.polls.end(queue, error)

    def _moving(self) -> None:
        """Move what is due; again soon while there is more."""
        now_s = self.clock.now()
        self._filled |= self.service.moves.settle(now_s)
        if self.service.moves.running:
            self.wakeups.at(now_s + _MOVE_EVERY_S, self._moving)
        self._serve_filled()

    def _serve_filled(self) -> None:
        """Give what has come to a queue to those who wait there, dead letters among it."""
        while self._filled:
            self.polls.serve(self._filled.pop())

    def _finish(self, call: _Call, outcome: bytes | SqsError) -> None:
        reply: Reply | None
        if isinstance(outcome, SqsError):
            reply = self._refusal(outcome)
        else:
            reply = Reply(200, outcome, f"{_TYPE}{self._request_id()}")
        if call.faults:
            wait_s = sum(fault.reply_wait_s for fault in call.faults)
            if any(fault.lose_reply for fault in call.faults):
                reply = None
            if wait_s > 0:
                self.wakeups.at(self.clock.now() + wait_s, partial(call.exchange.answer, reply))
                return
        call.exchange.answer(reply)

    def _refusal(self, error: SqsError) -> Reply:
        body = {"__type": error.shape, "message": error.message}
        head = f"{_TYPE}{self._request_id()}x-amzn-query-error: {error.code};{error.fault}\r\n"
        return Reply(error.status, _encoded(body), head)

    def _request_id(self) -> str:
        return f"x-amzn-RequestId: {next(self._ids):036x}\r\n"

    def _operation_of(self, request: Request) -> str:
        target = request.headers.get("x-amz-target", "")
        operation = target.removeprefix(_PREFIX)
        if not target.startswith(_PREFIX):
            raise SqsError(
                "InvalidAction",
                "This server speaks the JSON protocol of SQS alone: X-Amz-Target is missing.",
            )
        if operation in {"AddPermission", "RemovePermission"}:
            raise SqsError("UnsupportedOperation", f"The fake does not model {operation}.")
        known = operation in self._queue_calls or operation in _MESSAGE_CALLS
        if not known and operation != "ReceiveMessage":
            raise SqsError("InvalidAction", f"SQS has no operation {operation}.")
        return operation

    @staticmethod
    def _table(calls: Administration) -> dict[str, QueueCall]:
        return {
            "CancelMessageMoveTask": calls.cancel_move,
            "CreateQueue": calls.create_queue,
            "DeleteQueue": calls.delete_queue,
            "GetQueueAttributes": calls.get_attributes,
            "GetQueueUrl": calls.get_queue_url,
            "ListDeadLetterSourceQueues": calls.list_sources,
            "ListMessageMoveTasks": calls.list_moves,
            "ListQueueTags": calls.list_tags,
            "ListQueues": calls.list_queues,
            "PurgeQueue": calls.purge_queue,
            "SetQueueAttributes": calls.set_attributes,
            "StartMessageMoveTask": calls.start_move,
            "TagQueue": calls.tag_queue,
            "UntagQueue": calls.untag_queue,
        }


def _params_of(request: Request) -> Params:
    try:
        params = json.loads(request.body or b"{}")
    except ValueError:
        params = None
    if not isinstance(params, dict):
        raise SqsError("SerializationException", "The request is not a JSON object.")
    return params


def _queue_name(params: Params) -> str:
    return str(params.get("QueueUrl") or params.get("QueueName") or "").rpartition("/")[2]


def _spoiled(call: _Call) -> tuple[Params | None, list[dict[str, object]]]:
    """The request without the entries that a fault makes fail, and their errors."""
    rate = max((fault.entries_rate for fault in call.faults), default=0.0)
    entries = call.params.get("Entries")
    if rate <= 0 or not isinstance(entries, list):
        return call.params, []
    doomed = [entry for entry in entries if random.random() < rate]
    failed: list[dict[str, object]] = [
        {
            "Id": entry.get("Id"),
            "SenderFault": False,
            "Code": "InternalError",
            "Message": "A fault of the test.",
        }
        for entry in doomed
    ]
    rest = [entry for entry in entries if not any(entry is other for other in doomed)]
    return ({**call.params, "Entries": rest} if rest else None), failed


def _encoded(reply: object) -> bytes:
    return json.dumps(reply, separators=(",", ":")).encode()
