"""What errors of SQS are to us: whom they blame, and what is certain."""

from __future__ import annotations

from typing import Any

import pytest
from botocore import exceptions

from coord.errors import Certainty, StoreRefused, StoreUnavailable
from coord_sqs.failures import judged, of_entry, party_of

PARTY = party_of("housekeeping", "http://sqs:9324")
NO, UNKNOWN = Certainty.NOT_APPLIED, Certainty.UNKNOWN
LEAKED = "FwoGZXIvYXdzEBYaDTOKEN"
URL = "http://sqs:9324/"


def _answer(code: str, message: str = "", status: int = 400) -> Exception:
    response: Any = {
        "Error": {"Code": code, "Message": message},
        "ResponseMetadata": {"HTTPStatusCode": status},
    }
    found: Exception = exceptions.ClientError(response, "Any")
    return found


@pytest.mark.parametrize(
    ("failure", "kind", "certainty", "again"),
    [
        (_answer("AWS.SimpleQueueService.NonExistentQueue"), StoreRefused, NO, False),
        (_answer("QueueDoesNotExist"), StoreRefused, NO, False),
        (_answer("RequestThrottled"), StoreUnavailable, NO, True),
        (_answer("ThrottlingException"), StoreUnavailable, NO, True),
        (_answer("KmsThrottled"), StoreUnavailable, NO, True),
        (_answer("OverLimit"), StoreUnavailable, NO, False),
        (_answer("AWS.SimpleQueueService.PurgeQueueInProgress"), StoreUnavailable, NO, False),
        (_answer("KmsAccessDenied"), StoreRefused, NO, False),
        (_answer("InvalidClientTokenId", status=403), StoreRefused, NO, False),
        (_answer("AccessDenied", "not authorized to perform: sqs:X"), StoreRefused, NO, False),
        (_answer("InternalError", status=500), StoreUnavailable, UNKNOWN, True),
        (_answer("ServiceUnavailable", status=503), StoreUnavailable, UNKNOWN, True),
        (_answer("Anything", status=502), StoreUnavailable, UNKNOWN, True),
        (_answer("404", status=404), StoreRefused, UNKNOWN, False),
        (exceptions.EndpointConnectionError(endpoint_url=URL), StoreUnavailable, NO, True),
        (exceptions.ReadTimeoutError(endpoint_url=URL), StoreUnavailable, UNKNOWN, True),
        (exceptions.ConnectionClosedError(endpoint_url=URL), StoreUnavailable, UNKNOWN, True),
    ],
)
def test_a_failed_request_says_what_is_certain(
    failure: Exception, kind: type[Exception], certainty: Certainty, *, again: bool
) -> None:
    verdict = judged(failure, PARTY)
    assert isinstance(verdict.error, kind), verdict
    assert (verdict.certainty, verdict.again) == (certainty, again)
    assert verdict.error.cure


def test_a_denied_action_is_named() -> None:
    failure = _answer("AccessDenied", "User x is not authorized to perform: sqs:SendMessage on y")
    assert "sqs:SendMessage" in str(judged(failure, PARTY).error)


def test_what_a_server_says_of_credentials_is_not_repeated() -> None:
    for code in ("InvalidClientTokenId", "SignatureDoesNotMatch", "ExpiredToken"):
        error = judged(_answer(code, f"token {LEAKED} is bad", 403), PARTY).error
        assert LEAKED not in str(error)


@pytest.mark.parametrize(
    "code", ["MessageNotInflight", "ReceiptHandleIsInvalid", "InvalidParameterValue"]
)
def test_a_receipt_that_is_over_is_refused_for_good(code: str) -> None:
    failed = {"Id": "0", "Code": code, "SenderFault": True, "Message": "…"}
    error = of_entry(failed, PARTY, receipt=True)
    assert isinstance(error, StoreRefused)
    assert error.certainty is NO


@pytest.mark.parametrize(
    ("code", "fault", "kind", "certainty"),
    [
        ("InternalError", False, StoreUnavailable, UNKNOWN),
        ("ServiceUnavailable", False, StoreUnavailable, UNKNOWN),
        ("RequestThrottled", True, StoreUnavailable, NO),
        ("InvalidMessageContents", True, StoreRefused, NO),
    ],
)
def test_an_entry_that_failed_by_itself_says_what_is_certain(
    code: str, kind: type[Exception], certainty: Certainty, *, fault: bool
) -> None:
    failed = {"Id": "0", "Code": code, "SenderFault": fault}
    error = of_entry(failed, PARTY, receipt=False)
    assert isinstance(error, kind)
    assert error.certainty is certainty
