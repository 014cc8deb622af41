"""A queue at Amazon: the calls of `coord.tasks.queue.spi.Queue`.

Owns which request each call is, and what its answer means. How requests are made, repeated and
judged is `link`'s, how messages are spelt `entries`'. Rules and their reasons:

- SQS counts in whole seconds. What is asked for is rounded up: a message is hidden for no less than
  its worker counts on, and shows up to a second later.
- The requests for a batch of ten cost one. Entries that the answer does not mention are in doubt.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Iterator, Sequence
from typing import Any

from coord.clock import SYSTEM_CLOCK, Clock
from coord.errors import Certainty, ConfigError, StoreError, StoreRefused
from coord.spi import Probe
from coord.tasks.queue.spi import Depth, Hide, Message, Outgoing, QueueLimits, checked_receive
from coord_sqs import probe
from coord_sqs.attempts import Attempts
from coord_sqs.entries import ATTRIBUTES, BATCH, batches, checked, entry, message, settings
from coord_sqs.failures import of_entry, unanswered_entry
from coord_sqs.link import Link
from coord_sqs.url import Target, parsed

__all__ = ["SqsQueue"]

_COUNTS = [
    "ApproximateNumberOfMessages",
    "ApproximateNumberOfMessagesDelayed",
    "ApproximateNumberOfMessagesNotVisible",
]


class SqsQueue:
    """One queue. Any thread of the process that opened it. Implements `Queue`.

    Opening asks for the queue and its attributes, and raises `StoreRefused` if there is none,
    `ConfigError` without region or credentials. `timeout_s` bounds each later call, receiving
    beyond its waiting time, rounded up to seconds.
    """

    def __init__(
        self, target: Target, *, clock: Clock = SYSTEM_CLOCK, timeout_s: float = 1.0
    ) -> None:
        self._link = Link(target, clock=clock, timeout_s=timeout_s)
        self._clock = clock
        self._attempts = Attempts(timeout_s)
        self._dead_lock = threading.Lock()
        self._dead_url: str | None = None
        try:
            self._found = settings(*self._described(self._located(target.name, target.account)))
        except BaseException:
            self._link.close()
            raise

    @classmethod
    def from_url(cls, url: str, *, clock: Clock = SYSTEM_CLOCK, timeout_s: float) -> SqsQueue:
        """Open `sqs://name?region=…&endpoint=…`; a FIFO queue's name ends in .fifo."""
        return cls(parsed(url), clock=clock, timeout_s=timeout_s)

    def _located(self, name: str, account: str | None) -> str:
        asked = {"QueueName": name}
        if account is not None:
            asked["QueueOwnerAWSAccountId"] = account
        url: str = self._link.call("get_queue_url", asked, shows="QueueUrl")["QueueUrl"]
        return url

    def _described(self, url: str) -> tuple[str, dict[str, str]]:
        asked = {"QueueUrl": url, "AttributeNames": ["All"]}
        answer = self._link.call("get_queue_attributes", asked, shows="Attributes")
        return url, answer["Attributes"]

    @property
    def limits(self) -> QueueLimits:
        """What this queue declares about itself, as read when it was opened."""
        return self._found.limits

    @property
    def name(self) -> str:
        """Its ARN."""
        return self._found.arn

    # ------------------------------------------------------------------------------- messages

    def send(self, messages: Sequence[Outgoing]) -> list[str | StoreError]:
        """Send them: one request for ten, more if they are large."""
        for outgoing in messages:
            checked(outgoing, self.limits)
        answers: dict[int, str | StoreError] = {}
        for places in batches(messages, self.limits):
            try:
                answers |= self._sent([(place, messages[place]) for place in places])
            except StoreError as error:
                if not answers:
                    raise
                answers |= dict.fromkeys(places, error)
        return [answers[place] for place in range(len(messages))]

    def _sent(self, batch: list[tuple[int, Outgoing]]) -> dict[int, str | StoreError]:
        ordered = self.limits.ordered
        answer = self._link.call(
            "send_message_batch",
            {
                "QueueUrl": self._found.url,
                "Entries": [entry(place, one, ordered=ordered) for place, one in batch],
            },
            twice_is_once=ordered,
        )
        sent = {int(one["Id"]): str(one["MessageId"]) for one in answer.get("Successful") or ()}
        failed = self._failed(answer, receipt=False)
        return {
            place: sent.get(place) or failed.get(place) or unanswered_entry(self._link.party)
            for place, _ in batch
        }

    def receive(self, count: int, *, wait_s: float, visibility_s: float) -> list[Message]:
        """Up to `count` messages, at most ten: one request.

        On a FIFO queue what an earlier call may have been given and lost comes first (`attempts`).
        """
        checked_receive(count, visibility_s, self.limits)
        count, hidden_s = min(count, BATCH), math.ceil(visibility_s)
        waits_s = math.ceil(min(max(wait_s, 0.0), self.limits.max_wait_s))
        if not self.limits.ordered:
            return self._received(count, hidden_s, waits_s)
        now = self._clock.now()
        lost = self._attempts.again(count, hidden_s, now)
        attempt = lost or self._attempts.new(count, hidden_s, wait_s=waits_s, now=now)
        try:
            found = self._received(attempt.count, hidden_s, 0 if lost else waits_s, attempt.id)
        except StoreError as error:
            if lost or error.certainty is not Certainty.NOT_APPLIED:
                self._attempts.lost(attempt)
            raise
        if lost and not found:
            self._attempts.was_empty(lost)
        return found

    def _received(
        self, count: int, hidden_s: int, waits_s: int, attempt: str = ""
    ) -> list[Message]:
        asked: dict[str, Any] = {
            "QueueUrl": self._found.url,
            "MaxNumberOfMessages": count,
            "WaitTimeSeconds": waits_s,
            "VisibilityTimeout": hidden_s,
            "AttributeNames": ATTRIBUTES,
            "MessageAttributeNames": ["All"],
        }
        if attempt:
            asked["ReceiveRequestAttemptId"] = attempt
        answer = self._link.call(
            "receive_message", asked, wait_s=waits_s, twice_is_once=bool(attempt)
        )
        return [message(one) for one in answer.get("Messages") or ()]

    def hide(self, changes: Sequence[Hide]) -> list[StoreError | None]:
        """Change how long each stays hidden: one request for ten."""
        answers: dict[int, StoreError | None] = {}
        possible: list[tuple[int, dict[str, Any]]] = []
        for place, (receipt, seconds) in enumerate(changes):
            if not 0 <= seconds <= self.limits.max_hidden_s:
                why = f"hiding for {seconds:g} s, where SQS takes 0 to {self.limits.max_hidden_s:g}"
                answers[place] = StoreRefused(why)
                continue
            hidden = {"ReceiptHandle": receipt, "VisibilityTimeout": math.ceil(seconds)}
            possible.append((place, hidden))
        answers |= self._each("change_message_visibility_batch", possible)
        return [answers[place] for place in range(len(changes))]

    def delete(self, receipts: Sequence[str]) -> list[StoreError | None]:
        """Remove them: one request for ten."""
        entries = [(place, {"ReceiptHandle": one}) for place, one in enumerate(receipts)]
        answers = self._each("delete_message_batch", entries)
        return [answers[place] for place in range(len(receipts))]

    def _each(
        self, operation: str, entries: Sequence[tuple[int, dict[str, Any]]]
    ) -> dict[int, StoreError | None]:
        """Make requests of ten entries each; the answer to each entry."""
        answers: dict[int, StoreError | None] = {}
        for batch in _tens(entries):
            named = [{"Id": str(place), **one} for place, one in batch]
            try:
                answer = self._link.call(operation, {"QueueUrl": self._found.url, "Entries": named})
            except StoreError as error:
                if not answers:
                    raise
                answers |= dict.fromkeys((place for place, _ in batch), error)
                continue
            failed = self._failed(answer, receipt=True)
            done = {int(one["Id"]) for one in answer.get("Successful") or ()}
            for place, _ in batch:
                if place in done:
                    answers[place] = None
                else:
                    answers[place] = failed.get(place) or unanswered_entry(self._link.party)
        return answers

    def _failed(self, answer: dict[str, Any], *, receipt: bool) -> dict[int, StoreError]:
        party = self._link.party
        return {
            int(one["Id"]): of_entry(one, party, receipt=receipt)
            for one in answer.get("Failed") or ()
        }

    # ---------------------------------------------------------------------------- housekeeping

    def depth(self) -> Depth:
        """How many messages there are, approximately; with dead letters two requests."""
        ready, delayed, in_flight = self._counts(self._found.url)
        dead = sum(self._counts(self._dead())) if self._found.dead else 0
        return Depth(ready, in_flight, delayed, dead)

    def _counts(self, url: str) -> list[int]:
        asked = {"QueueUrl": url, "AttributeNames": _COUNTS}
        answer = self._link.call("get_queue_attributes", asked, shows="Attributes")
        found: dict[str, str] = answer["Attributes"]
        return [int(found.get(name, 0)) for name in _COUNTS]

    def _dead(self) -> str:
        """The URL of the dead-letter queue, asked for once."""
        with self._dead_lock:
            if self._dead_url is None:
                *_, account, name = (self._found.dead or "").split(":")
                self._dead_url = self._located(name, account)
            return self._dead_url

    def redrive(self, count: int) -> int:
        """Have Amazon move the dead back to where they came from: all of them, in the background.

        Raises `ConfigError` if there are more than `count`, `StoreRefused` without a dead-letter
        queue, or while such a move is under way.
        """
        if self._found.dead is None:
            raise StoreRefused(
                f"{self._link.party.subject} has no dead-letter queue",
                cure="Give it one: docs/stores/sqs.md says how.",
            )
        dead = sum(self._counts(self._dead()))
        if dead > count:
            raise ConfigError(
                f"{dead} messages are dead, and {count} are to be moved",
                cure="Amazon moves all or none: ask for no number.",
            )
        if dead:
            asked = {"SourceArn": self._found.dead}
            self._link.call("start_message_move_task", asked, twice_is_once=False)
        return dead

    def purge(self) -> None:
        """Remove all messages but the dead. Amazon takes up to a minute, and allows one a minute.

        Raises `StoreUnavailable` if the queue was purged less than a minute ago.
        """
        self._link.call("purge_queue", {"QueueUrl": self._found.url}, twice_is_once=False)

    def probe(self) -> list[Probe]:
        """Access, the queue and its settings, dead letters, messages, the round trip."""
        return probe.findings(self._link, self._found, self.depth)

    def close(self) -> None:
        """Close connections. Idempotent."""
        self._link.close()


def _tens(
    entries: Sequence[tuple[int, dict[str, Any]]],
) -> Iterator[Sequence[tuple[int, dict[str, Any]]]]:
    return (entries[start : start + BATCH] for start in range(0, len(entries), BATCH))
