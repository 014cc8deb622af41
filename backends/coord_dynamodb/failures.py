"""What the errors of DynamoDB mean: cause, cure, certainty, and whether to repeat.

Owns that translation for what is DynamoDB's own; what all of Amazon's services say is
`coord.aws.failures`'. Repeats nothing and opens nothing. No secret is in any error
(`test_no_secret_is_in_any_error`), and only what DynamoDB itself refused is certain not to have
been applied (`test_only_what_dynamodb_itself_refused_is_certain_not_to_have_been_applied`).
"""

from __future__ import annotations

import re
from typing import Any, NamedTuple

from coord.aws import failures as aws
from coord.aws.failures import SHOWN, THROTTLED, Answer, Party, Verdict, without_secrets
from coord.errors import Certainty, InternalError

__all__ = [
    "Cancelled",
    "ConditionFailed",
    "Place",
    "TooMany",
    "Verdict",
    "judged",
    "stranger",
    "without_secrets",
]

_NO, _UNKNOWN = Certainty.NOT_APPLIED, Certainty.UNKNOWN

_CONFLICT = {"TransactionConflictException", "TransactionConflict"}
_IN_PROGRESS = "TransactionInProgressException"
_LIMIT = re.compile(r"length less than or equal to (\d+)")


class Place(NamedTuple):
    """Whom an error speaks of."""

    table: str
    where: str

    @property
    def party(self) -> Party:
        """The same for what all services say alike."""
        subject = f"table {self.table}"
        return Party("DynamoDB", subject, self.where, "a member", "docs/stores/dynamodb.md")


class ConditionFailed(Exception):
    """A conditional write was refused for what is stored. `doubtful`: or by our own first try."""

    def __init__(self, *, doubtful: bool) -> None:
        super().__init__(doubtful)
        self.doubtful = doubtful


class Cancelled(Exception):
    """A transaction was refused: one reason for each action, in order, with the item there.

    `doubtful` as in `ConditionFailed`.
    """

    def __init__(self, reasons: list[dict[str, Any]], *, doubtful: bool) -> None:
        super().__init__(doubtful)
        self.doubtful = doubtful
        self._reasons = reasons

    def failed(self, index: int) -> bool:
        """Whether the condition of this action was not met."""
        return bool(self._reasons[index].get("Code") == "ConditionalCheckFailed")

    def item(self, index: int) -> dict[str, Any]:
        """The item that did not meet it; empty if there is none."""
        found: dict[str, Any] = self._reasons[index].get("Item") or {}
        return found


class TooMany(Exception):
    """The server takes at most `limit` items a transaction."""

    def __init__(self, limit: int) -> None:
        super().__init__(limit)
        self.limit = limit


def judged(failure: Exception, place: Place, *, doubtful: bool) -> Verdict:
    """What to make of a failed request. Raises ConditionFailed, Cancelled and TooMany.

    `doubtful`: an earlier try of the same request may have been applied.
    """
    answer = aws.answer_of(failure)
    if answer is None:
        return aws.unanswered(failure, place.party)
    if answer.code == "ConditionalCheckFailedException":
        raise ConditionFailed(doubtful=doubtful)
    if answer.code == "TransactionCanceledException":
        told: Any = failure
        return _cancelled(told.response, place, doubtful=doubtful)
    return _answered(answer, place)


def _answered(answer: Answer, place: Place) -> Verdict:
    code, message, _ = answer
    if code in _CONFLICT:
        return _collided(place)
    if code in THROTTLED:
        return _throttled(place)
    if code == "ResourceNotFoundException":
        return aws.refused(
            f"there is no table {place.table} at {place.where}",
            "Make it with `coord init URL`, or compare table, region and endpoint with the URL.",
        )
    if code == "ValidationException":
        return _invalid(message, place)
    if code == _IN_PROGRESS:
        return aws.unavailable(f"{place.where} is in trouble ({code})", place.party, again=True)
    return aws.told_by_all(answer, place.party) or aws.refused(
        f"{place.where} refused: {code}: {message[:SHOWN]}",
        "Look this error up at Amazon.",
        _UNKNOWN,
    )


def _collided(place: Place) -> Verdict:
    cause = "another transaction was under way on the same items"
    return aws.unavailable(cause, place.party, _NO, again=True)


def _cancelled(response: dict[str, Any], place: Place, *, doubtful: bool) -> Verdict:
    reasons: list[dict[str, Any]] = response.get("CancellationReasons") or []
    codes = {reason.get("Code") for reason in reasons}
    if "ConditionalCheckFailed" in codes:
        raise Cancelled(reasons, doubtful=doubtful)
    if codes & THROTTLED:
        return _throttled(place)
    if codes & _CONFLICT:
        return _collided(place)
    said = next((reason["Message"] for reason in reasons if reason.get("Message")), "no reason")
    return Verdict(InternalError(f"a transaction was refused: {said[:SHOWN]}"), _NO)


def _invalid(message: str, place: Place) -> Verdict:
    limit = _LIMIT.search(message)
    if limit is not None:
        raise TooMany(int(limit[1]))
    if "key" in message.lower() and ("schema" in message or "key element" in message.lower()):
        return aws.refused(
            f"table {place.table} at {place.where} has another key than pk and sk, both strings",
            "It belongs to something else: name another table, and make it with `coord init URL`.",
        )
    error = InternalError(f"{place.where} calls our request invalid: {message[:SHOWN]}")
    return Verdict(error, _NO)


def _throttled(place: Place) -> Verdict:
    return aws.unavailable(
        f"table {place.table} is throttled",
        place.party,
        _NO,
        again=True,
        cure="Raise its capacity, or make it on demand; `coord doctor` shows what it has.",
    )


def stranger(place: Place) -> Verdict:
    """Something else answered, perhaps a proxy that had passed the request on."""
    return aws.stranger(place.party)
