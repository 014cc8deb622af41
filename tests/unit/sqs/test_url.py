"""What URLs of SQS queues may say."""

from __future__ import annotations

import pytest

from coord.errors import ConfigError
from coord_sqs.url import Target, parsed


@pytest.mark.parametrize(
    ("url", "target"),
    [
        ("sqs://housekeeping", Target("housekeeping")),
        ("sqs://orders.fifo", Target("orders.fifo")),
        (
            "sqs://housekeeping?region=us-east-1&endpoint=http://127.0.0.1:9324",
            Target("housekeeping", None, "us-east-1", "http://127.0.0.1:9324"),
        ),
        ("sqs://111122223333/q?region=eu-west-1", Target("q", "111122223333", "eu-west-1")),
        (
            "sqs://sqs.eu-west-1.amazonaws.com/111122223333/q.fifo",
            Target("q.fifo", "111122223333", "eu-west-1"),
        ),
        (
            "sqs://sqs.eu-west-1.amazonaws.com/111122223333/q?region=us-east-1",
            Target("q", "111122223333", "us-east-1"),
        ),
        ("sqs://123456789012", Target("123456789012")),
    ],
)
def test_a_url_names_a_queue(url: str, target: Target) -> None:
    assert parsed(url) == target


@pytest.mark.parametrize(
    "url",
    [
        "sqs://",
        "sqs:///q",
        "sqs://a.b",
        "sqs://" + "q" * 81,
        "sqs://q.fif",
        "sqs://host/q",
        "sqs://sqs.eu-west-1.amazonaws.com/q",
        "sqs://sqs.eu-west-1.amazonaws.com/111122223333/a/q",
        "sqs://q?region=US",
        "sqs://q?endpoint=127.0.0.1:1",
        "sqs://q?endpoint=http://u:p@h:1",
        "sqs://q?queue=r",
        "sqs://q?region=a&region=b",
        "dynamodb://q",
    ],
)
def test_what_names_no_queue_is_refused_with_a_cure(url: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parsed(url)
    assert "sqs://" in caught.value.cure


def test_a_password_in_a_url_is_not_repeated() -> None:
    with pytest.raises(ConfigError) as caught:
        parsed("sqs://user:hunter2@q")
    assert "hunter2" not in str(caught.value)
