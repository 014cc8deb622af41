"""What the errors of botocore and of Amazon's services mean, as far as all services agree.

Owns the wording and the certainty of these. Repeats nothing and opens nothing. What a server says
about credentials is never repeated: such answers carry signed headers, among them session tokens.

`NOT_APPLIED` is said only of what the service itself refused, by a code that we know, or what no
connection was made for. Whatever else comes back, perhaps from something in between, may come after
the request was applied: broken TLS, pages of a proxy.
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
    "SHOWN",
    "THROTTLED",
    "Answer",
    "Party",
    "Verdict",
    "answer_of",
    "refused",
    "stranger",
    "told_by_all",
    "unanswered",
    "unavailable",
    "without_secrets",
]

_NO, _UNKNOWN = Certainty.NOT_APPLIED, Certainty.UNKNOWN
_MOST_WRAPPED = 10

THROTTLED = frozenset(
    {
        "ProvisionedThroughputExceeded",
        "ProvisionedThroughputExceededException",
        "RequestLimitExceeded",
        "RequestThrottled",
        "Throttling",
        "ThrottlingError",
        "ThrottlingException",
    }
)
_CREDENTIALS = {
    "AuthFailure",
    "ExpiredToken",
    "ExpiredTokenException",
    "IncompleteSignature",
    "IncompleteSignatureException",
    "InvalidAccessKeyId",
    "InvalidClientTokenId",
    "InvalidSecurity",
    "InvalidSignatureException",
    "MissingAuthenticationToken",
    "MissingAuthenticationTokenException",
    "OptInRequired",
    "SignatureDoesNotMatch",
    "UnrecognizedClientException",
}
_SERVER_TROUBLE = {
    "InternalError",
    "InternalFailure",
    "InternalServerError",
    "ServiceUnavailable",
    "ServiceUnavailableException",
}
_DENIED = {"AccessDenied", "AccessDeniedException"}
_USERINFO = re.compile(r"(?<=//)[^/@\s]*@")
_ACTION = re.compile(r"perform: (\w+:\w+)")
_SERVER_ERROR = 500
SHOWN = 200
"""How many characters of what a server says are shown."""


class Party(NamedTuple):
    """Whom an error speaks of: "DynamoDB", "table leases", the endpoint, and who uses it."""

    service: str
    subject: str
    where: str
    user: str
    page: str


class Verdict(NamedTuple):
    """`certainty`: of the one try that failed. `again`: another try may succeed at once.

    `link`: the connection is in doubt, so another try may have to make one first.
    """

    error: CoordError
    certainty: Certainty
    again: bool = False
    link: bool = False


class Answer(NamedTuple):
    """An error as a server answered it."""

    code: str
    message: str
    status: int


def without_secrets(url: str) -> str:
    """A URL as it may be shown: some write user and password into that of their endpoint."""
    return _USERINFO.sub("", url)


def answer_of(failure: Exception) -> Answer | None:
    """What the server answered, if it was the server that refused."""
    response: dict[str, Any] | None = getattr(failure, "response", None)
    if not isinstance(response, dict) or "Error" not in response:
        return None
    return Answer(
        str(response["Error"].get("Code", "")),
        str(response["Error"].get("Message", "")),
        int(response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)),
    )


def unanswered(failure: Exception, party: Party) -> Verdict:
    """What to make of a request that got no answer of the service.

    botocore's classes are told by name and not imported, so that importing us stays cheap.
    """
    where = party.where
    names = {base.__name__ for base in type(failure).__mro__}
    if names & {"NoCredentialsError", "PartialCredentialsError", "CredentialRetrievalError"}:
        return _no_credentials(failure)
    if "SSLError" in names:
        return refused(
            f"TLS with {where} failed: {_short(failure)}",
            "Compare http:// and https:// in the endpoint; for a certificate of your own set "
            "AWS_CA_BUNDLE.",
            _UNKNOWN,
        )
    if names & {"EndpointConnectionError", "ConnectTimeoutError", "ProxyConnectionError"}:
        return _unreached(failure, party)
    if "ReadTimeoutError" in names:
        return unavailable(f"{where} did not answer in time", party, again=True, link=True)
    if names & {"ConnectionClosedError", "HTTPClientError", "ResponseStreamingError"}:
        return unavailable(
            f"{where} broke the connection",
            party,
            again=True,
            link=True,
            cure="See that it still runs. If it never answers, check that it is "
            f"{party.service}, and whether its port wants https://; {party.user} tries again by "
            "itself.",
        )
    if names & {"ResponseParserError", "UnicodeDecodeError", "JSONDecodeError"}:
        return stranger(party)
    error = InternalError(f"{type(failure).__name__} from botocore: {_short(failure)}")
    return Verdict(error, _UNKNOWN)


def _unreached(failure: Exception, party: Party) -> Verdict:
    cause, cure = f"{party.where} cannot be reached", ""
    if _is_connection_refused(failure):
        cause += ": nobody listens there"
        cure = f"Compare host and port, and see that it runs; {party.user} tries again by itself."
    return unavailable(cause, party, _NO, again=True, link=True, cure=cure)


def _is_connection_refused(failure: BaseException | None) -> bool:
    """The system's own word stands inside: botocore and urllib3 wrap it, each in its way."""
    for _ in range(_MOST_WRAPPED):
        if failure is None or isinstance(failure, ConnectionRefusedError):
            break
        inner = getattr(failure, "kwargs", {}).get("error")
        failure = (
            inner if isinstance(inner, BaseException) else failure.__cause__ or failure.__context__
        )
    return isinstance(failure, ConnectionRefusedError)


def told_by_all(answer: Answer, party: Party) -> Verdict | None:
    """What to make of an answer that all services give alike; None for others."""
    code, message, status = answer
    if code in _CREDENTIALS:
        return _bad_credentials(code, message, party)
    if code in _DENIED:
        return _denied(message, party)
    if code in _SERVER_TROUBLE or status >= _SERVER_ERROR:
        return unavailable(f"{party.where} is in trouble ({code})", party, again=True)
    if not code or code.isdigit():
        return stranger(party)
    return None


def stranger(party: Party) -> Verdict:
    """Something else answered, perhaps a proxy that had passed the request on."""
    return refused(
        f"{party.where} does not answer as {party.service} does",
        "Check the endpoint's host, port and http:// or https://.",
        _UNKNOWN,
    )


def refused(cause: str, cure: str, certainty: Certainty = _NO) -> Verdict:
    """A refusal that lasts."""
    return Verdict(StoreRefused(cause, cure=cure, certainty=certainty), certainty)


def unavailable(
    cause: str,
    party: Party,
    certainty: Certainty = _UNKNOWN,
    *,
    again: bool = False,
    link: bool = False,
    cure: str = "",
) -> Verdict:
    """A failure that may pass."""
    usual = f"Check that it runs and can be reached from here; {party.user} tries again by itself."
    error = StoreUnavailable(cause, cure=cure or usual, certainty=certainty)
    return Verdict(error, certainty, again, link)


def _denied(message: str, party: Party) -> Verdict:
    found = _ACTION.search(message)
    action = found[1] if found else "this request"
    return refused(
        f"{party.where} does not allow {action} on {party.subject}",
        f"Allow {action} in the policy of the role or user that {party.user} runs as: "
        f"{party.page} has the whole policy.",
    )


def _bad_credentials(code: str, message: str, party: Party) -> Verdict:
    if "expired" in message.lower() and "signature" in message.lower():
        return refused(
            f"{party.where} refused the time of our signature ({code})",
            "This machine's wall clock is wrong by minutes: synchronise it.",
        )
    if "region" in message.lower():
        return refused(
            f"{party.where} refused the region of our signature ({code})",
            "Compare region and endpoint in the URL.",
        )
    return refused(
        f"{party.where} refused the credentials ({code})",
        "Renew them, or check which ones boto3 finds: `aws sts get-caller-identity` tells.",
    )


def _no_credentials(failure: Exception) -> Verdict:
    if "Retrieval" in type(failure).__name__:
        error = StoreUnavailable(
            "credentials could not be fetched from their provider",
            cure="Check that it can be reached from here; the next request tries again.",
            certainty=_NO,
        )
        return Verdict(error, _NO)
    return Verdict(
        ConfigError(
            "boto3 finds no credentials, or not all of them",
            cure="Give the process a role, or set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or "
            "AWS_PROFILE. A server of this machine needs none.",
        ),
        _NO,
    )


def _short(failure: Exception) -> str:
    said = without_secrets(str(failure))
    return said.splitlines()[0][:SHOWN] if said else type(failure).__name__
