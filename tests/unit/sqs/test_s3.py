"""Notifications of S3 become calls; what is none is left alone, what is broken is kept."""

from __future__ import annotations

import json
import logging
from typing import Any

import pytest

from coord import Job, task
from coord.tasks.queue.spi import Asked, Ignored, Message
from coord_sqs import lambda_handler, s3_event
from tests.unit.sqs.invocations import Context, event, failed, record

READ = s3_event("resize")


def _record(key: str, **more: object) -> dict[str, Any]:
    return {
        "eventVersion": "2.1",
        "eventSource": "aws:s3",
        "eventName": "ObjectCreated:Put",
        "s3": {
            "bucket": {"name": "photos", "arn": "arn:aws:s3:::photos"},
            "object": {"key": key, "size": 12, "eTag": "e", "sequencer": "0A", **more},
        },
    }


def _message(body: object, **attributes: str) -> Message:
    text = body if isinstance(body, str) else json.dumps(body)
    return Message(id="m", receipt="r", body=text, received=1, attributes=attributes)


def _sns(body: object) -> dict[str, str]:
    return {
        "Type": "Notification",
        "MessageId": "x",
        "TopicArn": "arn:aws:sns:us-east-1:123456789012:photos",
        "Subject": "Amazon S3 Notification",
        "Message": json.dumps(body),
    }


TOLD = {"Records": [_record("a+b/%C3%A9+%2B.jpg", versionId="v1")]}
TEST = {
    "Service": "Amazon S3",
    "Event": "s3:TestEvent",
    "Time": "2026-11-23T15:30:00.000Z",
    "Bucket": "photos",
}


@pytest.mark.parametrize("body", [TOLD, _sns(TOLD)], ids=["by itself", "by SNS"])
def test_an_object_is_a_call_with_its_key_decoded(body: object) -> None:
    assert READ(_message(body)) == Asked(
        "resize",
        [
            {
                "bucket": "photos",
                "key": "a b/é +.jpg",
                "version": "v1",
                "event": "ObjectCreated:Put",
                "size": 12,
                "etag": "e",
                "sequencer": "0A",
            }
        ],
    )


def test_a_removal_has_neither_size_nor_etag() -> None:
    gone = _record("k")
    gone["eventName"] = "ObjectRemoved:DeleteMarkerCreated"
    del gone["s3"]["object"]["size"], gone["s3"]["object"]["eTag"]
    found = READ(_message({"Records": [gone]}))
    assert isinstance(found, Asked)
    (offer,) = found.offers
    assert (offer["event"], offer["size"], offer["etag"], offer["version"]) == (
        "ObjectRemoved:DeleteMarkerCreated",
        0,
        "",
        "",
    )


@pytest.mark.parametrize("body", [TEST, _sns(TEST)], ids=["by itself", "by SNS"])
def test_the_test_event_is_ignored_and_says_so(body: object) -> None:
    found = READ(_message(body))
    assert isinstance(found, Ignored)
    assert "s3:TestEvent of bucket photos" in found.why


_OTHERS: list[object] = [
    "",
    "no json",
    "[1]",
    {},
    {"n": 1},
    {"Records": []},
    {"Records": [{"eventSource": "aws:ses"}]},
    {"Records": [_record("k"), {"eventSource": "aws:ses"}]},
    {"Type": "Notification", "Message": json.dumps(TOLD)},
    _sns("just text"),
]


@pytest.mark.parametrize("body", _OTHERS, ids=range(len(_OTHERS)))
def test_what_is_no_notification_is_left_to_others(body: object) -> None:
    assert READ(_message(body)) is None


@task("resize")
def resize(job: Job, bucket: str, key: str) -> None:
    SEEN.append((bucket, key))
    if key == "bad":
        raise ValueError(key)


@task("note")
def note(job: Job, text: str = "") -> None:
    SEEN.append(("note", text))


SEEN: list[tuple[str, str]] = []


@pytest.fixture(autouse=True)
def _fresh() -> None:
    SEEN.clear()


HANDLER = lambda_handler(tasks=[resize, note], readers=[READ])


def test_a_task_takes_of_what_is_offered_what_it_names() -> None:
    assert failed(HANDLER(event(record("m", TOLD)), Context())) == []
    assert SEEN == [("photos", "a b/é +.jpg")]


def test_a_message_of_several_objects_is_done_when_all_are() -> None:
    body = {"Records": [_record("a"), _record("b")]}
    assert failed(HANDLER(event(record("m", body)), Context())) == []
    broken = {"Records": [_record("c"), _record("bad"), _record("d")]}
    assert failed(HANDLER(event(record("m", broken)), Context())) == ["m"]
    assert [key for _, key in SEEN] == ["a", "b", "c", "bad"]


def test_the_test_event_is_deleted_and_logged(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        assert failed(HANDLER(event(record("m", TEST)), Context())) == []
    assert "s3:TestEvent" in caplog.text
    assert SEEN == []


def test_messages_of_our_own_go_by_beside_them() -> None:
    records = [record("a", TOLD), record("b", {"text": "hi"}, task="note")]
    assert failed(HANDLER(event(*records), Context())) == []
    assert SEEN[1] == ("note", "hi")


def _without(*path: str) -> dict[str, Any]:
    broken = _record("k")
    here = broken
    for name in path[:-1]:
        here = here[name]
    del here[path[-1]]
    return {"Records": [broken]}


@pytest.mark.parametrize(
    "body",
    [
        _without("s3"),
        _without("s3", "bucket"),
        _without("s3", "object", "key"),
        _without("eventName"),
        {"Records": [_record("%FF%FE")]},
        {"Records": [_record("k", size="large")]},
    ],
    ids=["s3", "bucket", "key", "name", "no text", "size"],
)
def test_a_broken_notification_is_kept(body: object) -> None:
    assert failed(HANDLER(event(record("m", body)), Context())) == ["m"]
    assert SEEN == []


def test_a_task_that_wants_more_than_is_offered_keeps_it() -> None:
    @task("more")
    def more(job: Job, bucket: str, colour: str) -> None:
        raise AssertionError

    handler = lambda_handler(tasks=[more], readers=[s3_event()])
    assert failed(handler(event(record("m", TOLD)), Context())) == ["m"]
