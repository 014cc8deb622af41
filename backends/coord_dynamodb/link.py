"""One client of boto3, and how a request is made with it: in time, repeated, and judged.

Owns boto3's settings, the deadline of a call, the repeating, and the counting of what was charged.
Knows no item. Rules and their reasons:

- boto3's own patience (60 s a try, several tries) is longer than a lease. So its timeouts are cut
  from ours, it makes one try (`coord.aws.clients`), and the repeating is done here, where it knows
  the deadline: a try, the first one included, is begun only if it can end in time. boto3 has one
  timeout a client, so there are two clients: one for calls that have all their time left, one for
  what follows.
- A try that gets no answer has used the time up, and is not repeated here. To ask a server again
  that is slow because it is busy makes it slower, for everybody: 20 members that did so on a busy
  DynamoDB Local never came to rest. What fails at once is repeated: throttling, collisions,
  connections that are refused or break. Heartbeats have a budget of tries in the core.
- What is repeated is the same request, byte for byte. Writes are conditional on what they change,
  and transactions carry a request token, which makes them idempotent at the server for ten minutes.
- Once a try may have been applied, the whole call may have been: a later, certain refusal of
  another try does not make it `NOT_APPLIED` (`doubtful`).
- An answer is believed if it shows what was asked for: each request on items asks what it cost.
  Else a proxy's page with status 200 would pass for a heartbeat
  (`test_an_answer_that_is_not_dynamodbs_proves_nothing`).
- Waits between tries are random from 0 up, and grow: members that collide shall not collide again.
"""

from __future__ import annotations

import os
import random
import threading
from typing import Any, NamedTuple, Protocol

from coord.aws.clients import Clients
from coord.aws.wire import Wires
from coord.clock import Clock
from coord.errors import (
    Certainty,
    CoordError,
    ForkedProcess,
    StoreRefused,
    StoreUnavailable,
)
from coord_dynamodb.failures import Place, judged, stranger, without_secrets
from coord_dynamodb.url import Target

__all__ = ["Charged", "Client", "Deadline", "Link", "clients_of"]

_CONNECT, _PATIENT, _BRISK = 0.2, 0.8, 0.3  # parts of the timeout
_FIRST_WAIT_S, _LONGEST_WAIT_S = 0.1, 0.4
_CONNECTIONS = 8
_SHOWS = {
    "create_table": "TableDescription",
    "describe_continuous_backups": "ContinuousBackupsDescription",
    "describe_table": "Table",
    "describe_time_to_live": "TimeToLiveDescription",
    "update_time_to_live": "TimeToLiveSpecification",
}
"""What each answer has, by operation; that of all others: what it cost."""
_READS = {"batch_get_item", "get_item", "query"}


class Client(Protocol):
    """What we use of a boto3 client, besides its operations."""

    def close(self) -> None:
        """Close its connections."""
        ...


class Charged(NamedTuple):
    """What was asked of the server and charged so far, where it says so."""

    requests: int = 0
    read_units: float = 0.0
    write_units: float = 0.0


class Deadline:
    """Until when one call of ours must have ended."""

    def __init__(self, clock: Clock, timeout_s: float) -> None:
        self._clock = clock
        self._end_s = clock.now() + timeout_s

    @property
    def left_s(self) -> float:
        """Seconds to go; never below 0."""
        return max(0.0, self._end_s - self._clock.now())


def clients_of(target: Target, *, timeout_s: float) -> Clients:
    """What makes the clients of one store."""
    return Clients(
        "dynamodb",
        called="DynamoDB",
        region=target.region,
        endpoint=target.endpoint,
        timeout_s=timeout_s,
        connections=_CONNECTIONS,
    )


class Link:
    """One client with connections of its own. Any thread of the process that made it."""

    def __init__(self, maker: Clients, target: Target, *, clock: Clock, timeout_s: float) -> None:
        self._wires = Wires()
        self._patient, endpoint = maker.client(self._wires, read_timeout_s=timeout_s * _PATIENT)
        self._brisk, _ = maker.client(self._wires, read_timeout_s=timeout_s * _BRISK)
        self.endpoint = without_secrets(endpoint)
        self.table = target.table
        self.timeout_s = timeout_s
        self._clock = clock
        self._place = Place(target.table, self.endpoint)
        self._pid = os.getpid()
        self._lock = threading.Lock()
        self._charged = Charged()
        self._closed = threading.Event()

    def deadline(self) -> Deadline:
        """The deadline of a call that begins now."""
        return Deadline(self._clock, self.timeout_s)

    def call(self, operation: str, deadline: Deadline, **asked: Any) -> dict[str, Any]:  # noqa: ANN401
        """Make one request on items, again if need be, and return the answer.

        Raises ConditionFailed, Cancelled and TooMany for answers of that kind; StoreUnavailable
        (with its certainty) when there was no clear answer in time; StoreRefused, ConfigError.
        """
        return self._tried(operation, deadline, {**asked, "ReturnConsumedCapacity": "TOTAL"})

    def manage(self, operation: str, deadline: Deadline, **asked: Any) -> dict[str, Any]:  # noqa: ANN401
        """The same for operations on tables, which are not charged."""
        return self._tried(operation, deadline, asked)

    def _tried(self, operation: str, deadline: Deadline, asked: dict[str, Any]) -> dict[str, Any]:
        with self._wires.in_use():
            return self._repeated(operation, deadline, asked)

    def _repeated(
        self, operation: str, deadline: Deadline, asked: dict[str, Any]
    ) -> dict[str, Any]:
        self._check()
        self._check_left(deadline)
        doubtful, tries = False, 0
        while True:
            try:
                answer: dict[str, Any] = getattr(self._client(deadline), operation)(**asked)
            except Exception as failure:  # noqa: BLE001  botocore's, and urllib3's that it lets by
                self._count(operation, {})
                verdict = judged(failure, self._place, doubtful=doubtful)
            else:
                self._count(operation, answer)
                if _SHOWS.get(operation, "ConsumedCapacity") in answer:
                    return answer
                verdict = stranger(self._place)
            doubtful = doubtful or verdict.certainty is Certainty.UNKNOWN
            tries += 1
            needed_s = self.timeout_s * (_BRISK + _CONNECT if verdict.link else _BRISK)
            spare_s = deadline.left_s - needed_s
            longest_s = min(_LONGEST_WAIT_S, _FIRST_WAIT_S * 2**tries, spare_s)
            over = not verdict.again or spare_s <= 0
            if over or self._closed.wait(random.uniform(0, longest_s)):
                cut = self._closed.is_set() and isinstance(verdict.error, StoreUnavailable)
                error = self._over() if cut else verdict.error
                raise self._final(error, doubtful=doubtful) from None

    @property
    def charged(self) -> Charged:
        """What was asked and charged so far."""
        return self._charged

    def close(self) -> None:
        """Close the connections; calls under way fail, later ones are refused. Idempotent."""
        if not self._closed.is_set():
            self._closed.set()
            self._wires.shut()
            self._patient.close()
            self._brisk.close()
            with self._wires.in_use():  # where nobody else is under way, this is the last one
                pass

    def _client(self, deadline: Deadline) -> Any:  # noqa: ANN401  boto3 makes their classes
        """The client whose patience ends in time."""
        ample = deadline.left_s >= self.timeout_s * _PATIENT
        return self._patient if ample else self._brisk

    def _check_left(self, deadline: Deadline) -> None:
        """Raise StoreUnavailable (not applied) if there is no time for another request."""
        if deadline.left_s < self.timeout_s * _BRISK:
            raise StoreUnavailable(
                f"{self.endpoint} left no time for another request within {self.timeout_s:g} s",
                cure="Raise the ttl if this happens often: timeouts follow from it.",
                certainty=Certainty.NOT_APPLIED,
            )

    def _check(self) -> None:
        if os.getpid() != self._pid:
            raise ForkedProcess(
                f"a store on table {self.table} was opened by process {self._pid} and used in its "
                f"forked child {os.getpid()}",
                cure="Open another store in the child, after the fork.",
            )
        if self._closed.is_set():
            raise self._over()

    def _over(self) -> StoreRefused:
        return StoreRefused(f"this store on table {self.table} is closed", cure="Open another.")

    @staticmethod
    def _final(error: CoordError, *, doubtful: bool) -> CoordError:
        if doubtful and isinstance(error, StoreUnavailable | StoreRefused):
            return type(error)(error.cause, cure=error.cure, certainty=Certainty.UNKNOWN)
        return error

    def _count(self, operation: str, answer: dict[str, Any]) -> None:
        found = answer.get("ConsumedCapacity") or []
        read = write = 0.0
        for one in found if isinstance(found, list) else [found]:
            units = float(one.get("CapacityUnits", 0.0))
            reads = units if operation in _READS else float(one.get("ReadCapacityUnits", 0.0))
            read, write = read + reads, write + units - reads
        with self._lock:
            was = self._charged
            self._charged = Charged(
                was.requests + 1, was.read_units + read, was.write_units + write
            )
