"""One client of boto3, and how a request to SQS is made with it: in time, repeated, and judged.

Owns the deadline of a call and the repeating. Knows no message. Rules and their reasons:

- A request has `timeout_s`, its answer four fifths of that, or more if it waits for messages. An
  answer that trickles has the same time as a whole (`coord.aws.wire`).
- What gets no answer has used the time up. What fails at once is tried once more if there is time:
  refused and broken connections (Amazon closes idle ones, also at the moment when one is used
  again) and throttling. But a request whose repetition could do it twice, sending to a standard
  queue or receiving, is repeated only after a failure that certainly did nothing.
- Once a try may have been applied, the whole call may have been.
"""

from __future__ import annotations

import os
import random
import threading
from typing import Any

from coord.aws.clients import Clients
from coord.aws.failures import Party, Verdict, stranger, without_secrets
from coord.aws.wire import Wires
from coord.clock import Clock
from coord.errors import (
    Certainty,
    CoordError,
    ForkedProcess,
    StoreRefused,
    StoreUnavailable,
)
from coord_sqs.failures import judged, party_of
from coord_sqs.url import Target

__all__ = ["Link"]

_PATIENT, _BRISK = 0.8, 0.3  # parts of the timeout: for a first answer, and what a second try needs
_WAIT = 0.1
_CONNECTIONS = 16
"""Kept open: a worker receives, deletes and hides at once, and some receive on several threads."""


class Link:
    """A client with connections of its own. Any thread of the process that made it."""

    def __init__(self, target: Target, *, clock: Clock, timeout_s: float) -> None:
        self._clients = Clients(
            "sqs",
            called="SQS",
            region=target.region,
            endpoint=target.endpoint,
            timeout_s=timeout_s,
            connections=_CONNECTIONS,
        )
        self._wires = Wires()
        self._client, endpoint = self._clients.client(self._wires, read_timeout_s=timeout_s)
        self.endpoint = without_secrets(endpoint)
        self.timeout_s = timeout_s
        self.party: Party = party_of(target.name, self.endpoint)
        self._clock = clock
        self._pid = os.getpid()
        self._closed = threading.Event()

    @property
    def region(self) -> str | None:
        """The region that requests are signed for."""
        return self._clients.region

    @property
    def identity_source(self) -> str:
        """Where boto3 found the credentials."""
        return self._clients.identity_source

    def call(
        self,
        operation: str,
        asked: dict[str, Any],
        *,
        wait_s: float = 0.0,
        twice_is_once: bool = True,
        shows: str = "",
    ) -> dict[str, Any]:
        """Make one request, again if need be, and return the answer.

        `wait_s`: for how long the server may wait. `twice_is_once`: repeating it does no more.
        `shows`: what an answer of SQS has, or it was somebody else's.
        Raises StoreUnavailable (with its certainty), StoreRefused, ConfigError, ForkedProcess.
        """
        self._check()
        patience_s = wait_s + self.timeout_s * _PATIENT
        end_s = self._clock.now() + wait_s + self.timeout_s
        doubtful = False
        while True:
            verdict = self._tried(operation, asked, patience_s)
            if not isinstance(verdict, Verdict):
                if not shows or shows in verdict:
                    return verdict
                verdict = stranger(self.party)
            doubtful = doubtful or verdict.certainty is Certainty.UNKNOWN
            left_s = end_s - self._clock.now()
            patience_s = min(patience_s, left_s - self.timeout_s * (1 - _PATIENT))
            may = verdict.again and (twice_is_once or not doubtful)
            if not may or patience_s < wait_s + self.timeout_s * _BRISK:
                raise self._final(verdict.error, doubtful=doubtful)
            if self._closed.wait(random.uniform(0, self.timeout_s * _WAIT)):
                raise self._is_closed(doubtful=doubtful)

    def _tried(
        self, operation: str, asked: dict[str, Any], patience_s: float
    ) -> dict[str, Any] | Verdict:
        with self._wires.in_use(patience_s):
            try:
                answer: dict[str, Any] = getattr(self._client, operation)(**asked)
            except Exception as failure:  # noqa: BLE001  botocore's, and urllib3's that it lets by
                return judged(failure, self.party)
            return answer

    def close(self) -> None:
        """Close the connections; calls under way fail, later ones are refused. Idempotent."""
        if not self._closed.is_set():
            self._closed.set()
            self._wires.shut()
            self._client.close()
            with self._wires.in_use():  # where nobody else is under way, this is the last one
                pass

    def _check(self) -> None:
        if os.getpid() != self._pid:
            raise ForkedProcess(
                f"{self.party.subject} was opened by process {self._pid} and used in its forked "
                f"child {os.getpid()}",
                cure="Open it anew in the child, after the fork.",
            )
        if self._closed.is_set():
            raise self._is_closed(doubtful=False)

    def _final(self, error: CoordError, *, doubtful: bool) -> CoordError:
        if self._closed.is_set():
            return self._is_closed(doubtful=doubtful)
        if doubtful and isinstance(error, StoreUnavailable | StoreRefused):
            return type(error)(error.cause, cure=error.cure, certainty=Certainty.UNKNOWN)
        return error

    def _is_closed(self, *, doubtful: bool) -> StoreRefused:
        return StoreRefused(
            f"{self.party.subject} was closed here",
            cure="Open it anew.",
            certainty=Certainty.UNKNOWN if doubtful else Certainty.NOT_APPLIED,
        )
