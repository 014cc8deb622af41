"""What errors of botocore and DynamoDB are to us: whom they blame, and what is certain."""

from __future__ import annotations

from typing import Any

import pytest
from botocore import exceptions
from botocore.parsers import ResponseParserError

from coord.errors import (
    Certainty,
    ConfigError,
    CoordError,
    InternalError,
    StoreRefused,
    StoreUnavailable,
)
from coord_dynamodb.failures import Cancelled, ConditionFailed, Place, TooMany, Verdict, judged

PLACE = Place("leases", "http://db:8000")
URL = "http://db:8000/"


def _answer(code: str, message: str = "", status: int = 400, **more: object) -> Exception:
    response: Any = {
        "Error": {"Code": code, "Message": message},
        "ResponseMetadata": {"HTTPStatusCode": status},
        **more,
    }
    found: Exception = exceptions.ClientError(response, "Any")
    return found


def _judged(failure: Exception) -> Verdict:
    return judged(failure, PLACE, doubtful=False)


@pytest.mark.parametrize(
    ("failure", "certainty", "again"),
    [
        (exceptions.EndpointConnectionError(endpoint_url=URL), Certainty.NOT_APPLIED, True),
        (exceptions.ConnectTimeoutError(endpoint_url=URL), Certainty.NOT_APPLIED, True),
        (exceptions.ReadTimeoutError(endpoint_url=URL), Certainty.UNKNOWN, True),
        (exceptions.ConnectionClosedError(endpoint_url=URL), Certainty.UNKNOWN, True),
        (exceptions.HTTPClientError(error="x"), Certainty.UNKNOWN, True),
        (_answer("InternalServerError", status=500), Certainty.UNKNOWN, True),
        (_answer("Anything", status=503), Certainty.UNKNOWN, True),
        (_answer("TransactionInProgressException"), Certainty.UNKNOWN, True),
        (_answer("ProvisionedThroughputExceededException"), Certainty.NOT_APPLIED, True),
        (_answer("ThrottlingException"), Certainty.NOT_APPLIED, True),
        (_answer("RequestLimitExceeded"), Certainty.NOT_APPLIED, True),
        (_answer("TransactionConflictException"), Certainty.NOT_APPLIED, True),
        (
            exceptions.CredentialRetrievalError(provider="iam-role", error_msg="x"),
            Certainty.NOT_APPLIED,
            False,
        ),
    ],
)
def test_what_may_pass_says_what_is_certain(
    failure: Exception, certainty: Certainty, *, again: bool
) -> None:
    verdict = _judged(failure)
    assert isinstance(verdict.error, StoreUnavailable)
    assert verdict.error.certainty is verdict.certainty is certainty
    assert verdict.again is again
    assert verdict.error.cure


@pytest.mark.parametrize(
    ("failure", "kind", "told"),
    [
        (_answer("ResourceNotFoundException"), StoreRefused, "coord init"),
        (_answer("UnrecognizedClientException"), StoreRefused, "credentials"),
        (_answer("InvalidSignatureException", "Signature expired: x"), StoreRefused, "clock"),
        (_answer("AccessDeniedException", "to perform: dynamodb:Query on"), StoreRefused, "Query"),
        (_answer("404"), StoreRefused, "does not answer as DynamoDB"),
        (
            _answer("ValidationException", "The provided key element does not match the schema"),
            StoreRefused,
            "pk and sk",
        ),
        (_answer("ValidationException", "something else"), InternalError, "something else"),
        (_answer("NeverHeardOf", "in detail"), StoreRefused, "NeverHeardOf"),
        (exceptions.SSLError(endpoint_url=URL, error="WRONG_VERSION_NUMBER"), StoreRefused, "TLS"),
        (exceptions.NoCredentialsError(), ConfigError, "AWS_ACCESS_KEY_ID"),
        (ResponseParserError("no JSON"), StoreRefused, "does not answer as DynamoDB"),
        (KeyError("x"), InternalError, "KeyError"),
    ],
)
def test_what_lasts_names_cause_and_cure(
    failure: Exception, kind: type[CoordError], told: str
) -> None:
    verdict = _judged(failure)
    assert isinstance(verdict.error, kind)
    assert told in str(verdict.error)
    assert not verdict.again


@pytest.mark.parametrize(
    "failure",
    [
        exceptions.SSLError(endpoint_url=URL, error="WRONG_VERSION_NUMBER"),
        ResponseParserError("no JSON"),
        _answer("404"),
        _answer("NeverHeardOf", "in detail"),
        KeyError("x"),
    ],
)
def test_only_what_dynamodb_itself_refused_is_certain_not_to_have_been_applied(
    failure: Exception,
) -> None:
    """TLS can break, and a proxy give up, when the answer was under way."""
    verdict = _judged(failure)
    assert verdict.certainty is Certainty.UNKNOWN
    assert getattr(verdict.error, "certainty", Certainty.UNKNOWN) is Certainty.UNKNOWN


def _cancelled(*codes: str) -> Exception:
    reasons = [{"Code": code, "Item": {"n": {"N": str(n)}}} for n, code in enumerate(codes)]
    return _answer("TransactionCanceledException", CancellationReasons=reasons)


def test_a_failed_condition_is_an_answer_even_beside_a_collision() -> None:
    with pytest.raises(Cancelled) as caught:
        _judged(_cancelled("None", "ConditionalCheckFailed", "TransactionConflict"))
    assert [caught.value.failed(n) for n in range(3)] == [False, True, False]
    assert caught.value.item(1) == {"n": {"N": "1"}}
    with pytest.raises(ConditionFailed) as failed:
        judged(_answer("ConditionalCheckFailedException"), PLACE, doubtful=True)
    assert failed.value.doubtful


@pytest.mark.parametrize(
    "code", ["TransactionConflict", "ThrottlingError", "ProvisionedThroughputExceeded"]
)
def test_a_transaction_that_others_were_in_the_way_of_may_be_repeated(code: str) -> None:
    verdict = _judged(_cancelled("None", code))
    assert verdict.again
    assert verdict.certainty is Certainty.NOT_APPLIED


def test_a_transaction_that_is_wrong_is_our_bug() -> None:
    assert isinstance(_judged(_cancelled("ValidationError")).error, InternalError)


def test_a_limit_is_read_from_the_refusal() -> None:
    message = "Member must have length less than or equal to 25"
    with pytest.raises(TooMany) as caught:
        _judged(_answer("ValidationException", message))
    assert caught.value.limit == 25
