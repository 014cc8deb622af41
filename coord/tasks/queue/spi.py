"""The contract between coord and a queue. People who plug in a queue read this file.

Owns the protocol and the values that cross it. Knows no client library, no task and no worker. What
any queue must keep, proven by `coord.testing.queue_conformance`:

1. A message that was sent is there until a delete with its *present* receipt, or until it was
   received too often and stands in the dead-letter queue. Nothing else removes it, but `purge`.
2. A received message is hidden from all receivers for `visibility_s`, counted by the queue from
   when it answered, so never from earlier than the request was sent. A change of visibility counts
   anew, from that request. Whoever trusts its message until `sent_at + visibility × (1 - drift)`,
   with `sent_at` read *before* the request, stops before anybody else can have it.
3. A receipt is superseded by the next delivery of its message: from then on it neither deletes nor
   hides. (Amazon's promises less of deletes: see `docs/stores/sqs.md`.)
4. `received` grows with each delivery. It may skip, and on SQS is an approximation.
5. Of one group of a FIFO queue, the next message is delivered when the one before is gone.
6. Errors carry a certainty, each entry of a batch by itself; one bad entry does not fail the rest.

Threads: all methods may be called from any threads at once. None blocks longer than the timeout
that the queue was opened with, `receive` longer by its `wait_s`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol, TypeAlias, runtime_checkable

from coord.clock import Clock
from coord.errors import ConfigError, StoreError
from coord.spi import Probe

__all__ = [
    "Asked",
    "Depth",
    "Hide",
    "Ignored",
    "MadeByUse",
    "Message",
    "Outgoing",
    "Queue",
    "QueueFactory",
    "QueueLimits",
    "Reader",
    "checked_outgoing",
    "checked_receive",
    "size_of",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueLimits:
    """What a queue declares about itself; the worker and the documentation read it.

    `ordered`: it is FIFO, and every message needs a group. `max_receives`: after how many
    deliveries a message goes to the dead-letter queue; None: never, there is none.
    `max_hidden_s`: for how long after its delivery a message can be kept hidden at the most;
    `min_hidden_s`: for how long at least, unless it is given back. `max_delay_s` is 0 on FIFO
    queues, where what is delayed would be overtaken. `max_body_bytes`: with its attributes.
    """

    kind: str
    batch_size: int
    max_wait_s: float
    max_hidden_s: float
    max_delay_s: float
    max_body_bytes: int
    ordered: bool
    max_receives: int | None
    min_hidden_s: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Outgoing:
    """A message to send. `group`: its FIFO group, or its tenant on a fair queue.

    `dedup`, on FIFO queues: what is sent again under this name within five minutes is the message
    that is there already. Empty: a message of its own, whatever it says.
    """

    body: str
    attributes: Mapping[str, str] = field(default_factory=dict)
    group: str = ""
    dedup: str = ""
    delay_s: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One delivery of one message.

    `id` is the message's own for ever, `receipt` this delivery's. `sent_at_s` is wall time at the
    queue, seconds since the epoch; it tells the age for people and signals, and decides nothing.
    """

    id: str
    receipt: str
    body: str
    received: int
    attributes: Mapping[str, str] = field(default_factory=dict)
    group: str = ""
    sent_at_s: float = 0.0


class Asked(NamedTuple):
    """What a message of somebody else's asks for: a task, once for each of `offers`.

    Empty `task`: the only one that the worker has. Of what is offered each call is given the
    fields that the task's function names.
    """

    task: str
    offers: Sequence[Mapping[str, Any]]


class Ignored(NamedTuple):
    """There is nothing to do for a message, and why; it is deleted, and told of."""

    why: str


Reader: TypeAlias = Callable[[Message], Asked | Ignored | None]
"""Reads messages that no coord has sent, such as S3's. None: this is none of mine. Whatever it
raises means that the message is one of its own and cannot be read."""


class Hide(NamedTuple):
    """Keep a delivered message hidden for `seconds` from now; 0 gives it back at once."""

    receipt: str
    seconds: float


class Depth(NamedTuple):
    """How many messages there are: what `coord queue stats` shows. Approximate on SQS."""

    ready: int
    in_flight: int
    delayed: int
    dead: int

    @property
    def undone(self) -> int:
        """What is still to be done; the dead are not."""
        return self.ready + self.in_flight + self.delayed


@runtime_checkable
class Queue(Protocol):
    """One queue, opened once per process."""

    @property
    def limits(self) -> QueueLimits:
        """What this queue declares about itself, as read when it was opened."""
        ...

    @property
    def name(self) -> str:
        """What this queue is called, the same in all processes: it scopes receive counts."""
        ...

    def send(self, messages: Sequence[Outgoing]) -> list[str | StoreError]:
        """Send up to `batch_size` messages; the id or the error of each, in order.

        Raises `ConfigError`, before anything is sent, for what can never be sent: see
        `checked_outgoing`.
        """
        ...

    def receive(self, count: int, *, wait_s: float, visibility_s: float) -> list[Message]:
        """Up to `count` messages (at most `batch_size`), hidden for `visibility_s` each.

        Waits up to `wait_s` for the first. Raises `StoreUnavailable`: messages that were on their
        way then stay hidden for `visibility_s` and come again. `ConfigError`: `checked_receive`.
        """
        ...

    def hide(self, changes: Sequence[Hide]) -> list[StoreError | None]:
        """Change how long each delivered message stays hidden, counted from now; one answer each.

        An error with certainty `NOT_APPLIED` that is `StoreRefused` means that the receipt is
        superseded or the message gone, for good; others may be tried again.
        """
        ...

    def delete(self, receipts: Sequence[str]) -> list[StoreError | None]:
        """Remove delivered messages for good; one answer each. A receipt may be repeated."""
        ...

    def depth(self) -> Depth:
        """How many messages there are."""
        ...

    def redrive(self, count: int) -> int:
        """Move up to `count` dead messages back; how many were, or will be, moved."""
        ...

    def purge(self) -> None:
        """Remove all messages but the dead, delivered ones too."""
        ...

    def probe(self) -> list[Probe]:
        """Say what `coord doctor` should show."""
        ...

    def close(self) -> None:
        """Close connections. Messages in hand stay hidden until their time is over. Idempotent."""
        ...


class QueueFactory(Protocol):
    """What an entry point in `coord.queues` names."""

    def from_url(self, url: str, *, clock: Clock, timeout_s: float) -> Queue:
        """Open the queue that `url` names. `ConfigError`, or `StoreRefused` if it is absent."""
        ...


@runtime_checkable
class MadeByUse(Protocol):
    """A `QueueFactory` whose queues are made when they are opened, and can be asked for before."""

    def check_is_there(self, url: str, *, clock: Clock, timeout_s: float) -> None:
        """Raise `StoreRefused` unless the queue has been made; makes nothing."""
        ...


def size_of(message: Outgoing) -> int:
    """Bytes that count towards `max_body_bytes`: as Amazon counts, for all queues.

    Raises `ConfigError` for text that is none (half of a surrogate pair).
    """
    kind = len("String")
    try:
        named = sum(len(n.encode()) + kind + len(v.encode()) for n, v in message.attributes.items())
        return len(message.body.encode()) + named
    except UnicodeEncodeError as error:
        raise ConfigError(
            "a message with half of a surrogate pair, which is no text",
            cure="Encode binary data, for instance with base64.",
        ) from error


def checked_outgoing(message: Outgoing, limits: QueueLimits) -> None:
    """Raise `ConfigError` for what no queue of these limits can ever take."""
    if (size := size_of(message)) > limits.max_body_bytes:
        raise ConfigError(
            f"a message of {size} bytes with its attributes; {limits.max_body_bytes} are allowed",
            cure="Put the data elsewhere and send where it is.",
        )
    if not 0 <= message.delay_s <= limits.max_delay_s:
        raise ConfigError(
            f"a delay of {message.delay_s:g} s",
            cure="On a FIFO queue no message has a delay of its own: leave it out."
            if limits.ordered
            else f"It must be between 0 and {limits.max_delay_s:g} s.",
        )
    if limits.ordered and not message.group:
        raise ConfigError(
            "a message without a group for a FIFO queue",
            cure="Name its group: group='…' (`coord queue send --group …`); messages of one group "
            "are run one after the other.",
        )
    if message.dedup and not limits.ordered:
        raise ConfigError(
            f"dedup={message.dedup!r} for a queue that is not FIFO",
            cure="Leave it out, and use a ledger: `job.once` with a key of the message's own.",
        )


def checked_receive(count: int, visibility_s: float, limits: QueueLimits) -> None:
    """Raise `ConfigError` for what no queue of these limits can be asked for."""
    if count < 1:
        raise ConfigError(f"{count} messages are to be received", cure="Ask for one or more.")
    least_s, most_s = limits.min_hidden_s, limits.max_hidden_s
    if not least_s <= visibility_s <= most_s:
        raise ConfigError(
            f"a visibility of {visibility_s:g} s",
            cure=f"On this queue it is between {least_s:g} and {most_s:g} s.",
        )
