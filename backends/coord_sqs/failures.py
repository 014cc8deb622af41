"""What the errors of SQS mean: cause, cure, certainty, for whole requests and for entries of one.

Owns that translation for what is SQS's own; what all of Amazon's services say is
`coord.aws.failures`'. Repeats nothing and opens nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from coord.aws.failures import (
    SHOWN,
    THROTTLED,
    Party,
    Verdict,
    answer_of,
    refused,
    told_by_all,
    unanswered,
    unavailable,
)
from coord.errors import Certainty, StoreError, StoreRefused, StoreUnavailable

__all__ = ["judged", "of_entry", "party_of", "unanswered_entry"]

_NO, _UNKNOWN = Certainty.NOT_APPLIED, Certainty.UNKNOWN
_PREFIX = "AWS.SimpleQueueService."
_NO_QUEUE = {"NonExistentQueue", "QueueDoesNotExist"}
_RECEIPT = {"InvalidParameterValue", "MessageNotInflight", "ReceiptHandleIsInvalid"}
_PURGED = "PurgeQueueInProgress"
_BUSY = THROTTLED | {"KmsThrottled", "OverLimit"}


def party_of(queue: str, where: str) -> Party:
    """Whom errors speak of."""
    return Party("SQS", f"queue {queue}", where, "a worker", "docs/stores/sqs.md")


def judged(failure: Exception, party: Party) -> Verdict:
    """What to make of a failed request."""
    answer = answer_of(failure)
    if answer is None:
        return unanswered(failure, party)
    code = answer.code.removeprefix(_PREFIX)
    if code in _NO_QUEUE:
        return refused(
            f"there is no {party.subject} at {party.where}",
            "Compare name, account, region and endpoint in the URL, or make it: coord makes no "
            "queues. A queue that may not be seen looks the same.",
        )
    if code in _BUSY:
        return _busy(code, party)
    if code == _PURGED:
        cause = f"{party.subject} was purged less than a minute ago"
        cure = "Amazon allows one purge a minute: wait for it."
        return unavailable(cause, party, _NO, cure=cure)
    if code.startswith("Kms"):
        return refused(
            f"{party.where} may not use the key of {party.subject} ({code})",
            "Allow kms:GenerateDataKey and kms:Decrypt on it to whoever sends and receives.",
        )
    common = told_by_all(answer._replace(code=code), party)
    return common or refused(
        f"{party.where} refused: {code}: {answer.message[:SHOWN]}", "Look this error up at Amazon."
    )


def _busy(code: str, party: Party) -> Verdict:
    if code == "OverLimit":
        return unavailable(
            f"as many messages of {party.subject} are in flight as Amazon allows",
            party,
            _NO,
            cure="Delete what is done, or receive less at a time: a worker that holds back "
            "receives no more than it can run.",
        )
    cure = "Ask for a higher rate, or send and receive in larger batches."
    return unavailable(f"{party.subject} is throttled ({code})", party, _NO, again=True, cure=cure)


def of_entry(failed: Mapping[str, Any], party: Party, *, receipt: bool) -> StoreError:
    """What to make of one entry in `Failed`. `receipt`: it was named by one."""
    code = str(failed.get("Code", "")).removeprefix(_PREFIX)
    said = str(failed.get("Message", ""))[:SHOWN]
    if receipt and code in _RECEIPT:
        return StoreRefused(f"the receipt is superseded, or the message is gone ({code}: {said})")
    if code in _BUSY:
        return StoreUnavailable(
            f"{party.subject} is throttled ({code})",
            cure=f"{party.user.capitalize()} tries again by itself.",
            certainty=_NO,
        )
    if failed.get("SenderFault"):
        return StoreRefused(f"{party.where} refused a message: {code}: {said}")
    return StoreUnavailable(
        f"{party.where} is in trouble ({code})",
        cure=f"{party.user.capitalize()} tries again by itself.",
        certainty=_UNKNOWN,
    )


def unanswered_entry(party: Party) -> StoreError:
    """Of an entry that the answer does not mention."""
    return StoreUnavailable(
        f"{party.where} said nothing of one message of a batch",
        cure="Check that it is SQS, with nothing in between that changes answers.",
        certainty=_UNKNOWN,
    )
