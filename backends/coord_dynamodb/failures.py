"""What the errors of botocore and of DynamoDB mean: cause, cure, certainty, and whether to repeat.

Owns that translation. Repeats nothing and opens nothing. What a server says about credentials is
never repeated: such answers carry signed headers, among them session tokens
(`test_no_secret_is_in_any_error`).

`NOT_APPLIED` is said only of what DynamoDB itself refused, by a code that we know, or what no
connection was made for. Whatever else comes back, perhaps from something in between, may come after
the request was applied: broken TLS, pages of a proxy
(`test_only_what_dynamodb_itself_refused_is_certain_not_to_have_been_applied`).
"""

from __future__ import annotations

import re
from typing import Any, NamedTuple

from coord.errors import (
    Certainty,
    ConfigError,
    CoordError,
    InternalError,
    StoreRefused,
    StoreUnavailable,
)

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

_THROTTLED = {
    "ProvisionedThroughputExceededException",
    "RequestLimitExceeded",
    "Throttling",
    "ThrottlingException",
    "ThrottlingError",
    "ProvisionedThroughputExceeded",
}
_CONFLICT = {"TransactionConflictException", "TransactionConflict"}
_PASSING_REASONS = _THROTTLED | _CONFLICT
_CREDENTIALS = {
    "AuthFailure",
    "ExpiredToken",
    "ExpiredTokenException",
    "IncompleteSignature",
    "IncompleteSignatureException",
    "InvalidAccessKeyId",
    "InvalidClientTokenId",
    "InvalidSignatureException",
    "MissingAuthenticationToken",
    "MissingAuthenticationTokenException",
    "OptInRequired",
    "SignatureDoesNotMatch",
    "UnrecognizedClientException",
}
_SERVER_TROUBLE = {
    "InternalFailure",
    "InternalServerError",
    "ServiceUnavailable",
    "ServiceUnavailableException",
    "TransactionInProgressException",
}
_USERINFO = re.compile(r"(?<=//)[^/@\s]*@")
_ACTION = re.compile(r"perform: (\w+:\w+)")
_LIMIT = re.compile(r"length less than or equal to (\d+)")
_SERVER_ERROR = 500
_SHOWN = 200


class Place(NamedTuple):
    """Whom an error speaks of."""

    table: str
    where: str


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


class Verdict(NamedTuple):
    """`certainty`: of the one try that failed. `again`: another try may succeed at once.

    `link`: the connection is in doubt, so another try may have to make one first.
    """

    error: CoordError
    certainty: Certainty
    again: bool = False
    link: bool = False


def without_secrets(url: str) -> str:
    """A URL as it may be shown: some write user and password into that of their endpoint."""
    return _USERINFO.sub("", url)


def judged(failure: Exception, place: Place, *, doubtful: bool) -> Verdict:
    """What to make of a failed request. Raises ConditionFailed, Cancelled and TooMany.

    botocore's classes are told by name and not imported, so that importing us stays cheap.
    `doubtful`: an earlier try of the same request may have been applied.
    """
    response = getattr(failure, "response", None)
    if isinstance(response, dict) and "Error" in response:
        return _answered(response, place, doubtful=doubtful)
    names = {base.__name__ for base in type(failure).__mro__}
    if names & {"NoCredentialsError", "PartialCredentialsError", "CredentialRetrievalError"}:
        return _no_credentials(failure)
    if "SSLError" in names:
        return _refused(
            f"TLS with {place.where} failed: {_short(failure)}",
            "Compare http:// and https:// in the endpoint; for a certificate of your own set "
            "AWS_CA_BUNDLE.",
            _UNKNOWN,
        )
    if names & {"EndpointConnectionError", "ConnectTimeoutError", "ProxyConnectionError"}:
        return _unavailable(f"{place.where} cannot be reached", _NO, again=True, link=True)
    if "ReadTimeoutError" in names:
        return _unavailable(f"{place.where} did not answer in time", again=True, link=True)
    if names & {"ConnectionClosedError", "HTTPClientError", "ResponseStreamingError"}:
        return _unavailable(
            f"{place.where} broke the connection",
            again=True,
            link=True,
            cure="Check that it is DynamoDB, and whether its port wants https://; a member tries "
            "again by itself.",
        )
    if names & {"ResponseParserError", "UnicodeDecodeError", "JSONDecodeError"}:
        return stranger(place)
    error = InternalError(f"{type(failure).__name__} from botocore: {_short(failure)}")
    return Verdict(error, _UNKNOWN)


def _answered(response: dict[str, Any], place: Place, *, doubtful: bool) -> Verdict:
    code = str(response["Error"].get("Code", ""))
    message = str(response["Error"].get("Message", ""))
    status = int(response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
    if code == "ConditionalCheckFailedException":
        raise ConditionFailed(doubtful=doubtful)
    if code == "TransactionCanceledException":
        return _cancelled(response, place, doubtful=doubtful)
    if code in _CONFLICT:
        return _unavailable("another transaction was under way on the same items", _NO, again=True)
    if code in _THROTTLED:
        return _throttled(place)
    if code in _CREDENTIALS:
        return _bad_credentials(code, message, place)
    if code in {"AccessDeniedException", "AccessDenied"}:
        return _denied(message, place)
    if code == "ResourceNotFoundException":
        return _refused(
            f"there is no table {place.table} at {place.where}",
            "Make it with `coord init URL`, or compare table, region and endpoint with the URL.",
        )
    if code == "ValidationException":
        return _invalid(message, place)
    if code in _SERVER_TROUBLE or status >= _SERVER_ERROR:
        return _unavailable(f"{place.where} is in trouble ({code})", again=True)
    if not code or code.isdigit():
        return stranger(place)
    return _refused(
        f"{place.where} refused: {code}: {message[:_SHOWN]}",
        "Look this error up at Amazon.",
        _UNKNOWN,
    )


def _cancelled(response: dict[str, Any], place: Place, *, doubtful: bool) -> Verdict:
    reasons: list[dict[str, Any]] = response.get("CancellationReasons") or []
    codes = {reason.get("Code") for reason in reasons}
    if "ConditionalCheckFailed" in codes:
        raise Cancelled(reasons, doubtful=doubtful)
    if codes & _THROTTLED:
        return _throttled(place)
    if codes & _CONFLICT:
        return _unavailable("another transaction was under way on the same items", _NO, again=True)
    said = next((reason["Message"] for reason in reasons if reason.get("Message")), "no reason")
    return Verdict(InternalError(f"a transaction was refused: {said[:_SHOWN]}"), _NO)


def _invalid(message: str, place: Place) -> Verdict:
    limit = _LIMIT.search(message)
    if limit is not None:
        raise TooMany(int(limit[1]))
    if "key" in message.lower() and ("schema" in message or "key element" in message.lower()):
        return _refused(
            f"table {place.table} at {place.where} has another key than pk and sk, both strings",
            "It belongs to something else: name another table, and make it with `coord init URL`.",
        )
    error = InternalError(f"{place.where} calls our request invalid: {message[:_SHOWN]}")
    return Verdict(error, _NO)


def _denied(message: str, place: Place) -> Verdict:
    found = _ACTION.search(message)
    action = found[1] if found else "this request"
    return _refused(
        f"{place.where} does not allow {action} on table {place.table}",
        f"Allow {action} in the policy of the role or user that the members run as: "
        "docs/stores/dynamodb.md has the whole policy.",
    )


def _bad_credentials(code: str, message: str, place: Place) -> Verdict:
    if "expired" in message.lower() and "signature" in message.lower():
        return _refused(
            f"{place.where} refused the time of our signature ({code})",
            "This machine's wall clock is wrong by minutes: synchronise it.",
        )
    return _refused(
        f"{place.where} refused the credentials ({code})",
        "Renew them, or check which ones boto3 finds: `aws sts get-caller-identity` tells.",
    )


def _no_credentials(failure: Exception) -> Verdict:
    if "Retrieval" in type(failure).__name__:
        return _unavailable("credentials could not be fetched from their provider", _NO)
    return Verdict(
        ConfigError(
            "boto3 finds no credentials, or not all of them",
            cure="Give the process a role, or set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or "
            "AWS_PROFILE. A local server takes any.",
        ),
        _NO,
    )


def _throttled(place: Place) -> Verdict:
    return _unavailable(
        f"table {place.table} is throttled",
        _NO,
        again=True,
        cure="Raise its capacity, or make it on demand; `coord doctor` shows what it has.",
    )


def stranger(place: Place) -> Verdict:
    """Something else answered, perhaps a proxy that had passed the request on."""
    return _refused(
        f"{place.where} does not answer as DynamoDB does",
        "Check the endpoint's host, port and http:// or https://.",
        _UNKNOWN,
    )


def _refused(cause: str, cure: str, certainty: Certainty = _NO) -> Verdict:
    return Verdict(StoreRefused(cause, cure=cure, certainty=certainty), certainty)


def _unavailable(
    cause: str,
    certainty: Certainty = _UNKNOWN,
    *,
    again: bool = False,
    link: bool = False,
    cure: str = "Check that it runs and can be reached from here; a member tries again by itself.",
) -> Verdict:
    error = StoreUnavailable(cause, cure=cure, certainty=certainty)
    return Verdict(error, certainty, again, link)


def _short(failure: Exception) -> str:
    said = without_secrets(str(failure))
    return said.splitlines()[0][:_SHOWN] if said else type(failure).__name__
