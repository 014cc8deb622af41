"""From a message to a call."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coord.errors import ConfigError
from coord.tasks.job import Job, Unit
from coord.tasks.queue.payload import (
    PART,
    TASK,
    TICK,
    Call,
    Handler,
    JsonCodec,
    Unreadable,
    outgoing,
    read,
)
from coord.tasks.queue.spi import Ignored
from tests.unit.tasks.queue.hands import message

CODEC = JsonCodec()


def resize(job: Job, bucket: str, key: str, size: int = 10) -> None:
    """A task with two arguments and one more."""


def sweep(job: Job) -> None:
    """A task without."""


def anything(job: Job, **fields: object) -> None:
    """A task that takes whatever comes."""


HANDLERS = {
    "resize": Handler.of("resize", resize),
    "sweep": Handler.of("sweep", sweep),
    "anything": Handler.of("anything", anything),
}


def _read(task: str, body: str, **attributes: str) -> Call | Ignored | Unreadable:
    return read(message(body=body, attributes={TASK: task, **attributes}), HANDLERS, CODEC)


def test_what_is_sent_is_what_is_called() -> None:
    sent = outgoing("resize", {"bucket": "b", "key": "k"}, codec=CODEC, group="g", delay_s=3.0)
    assert (sent.group, sent.delay_s) == ("g", 3.0)
    found = read(message(body=sent.body, attributes=sent.attributes), HANDLERS, CODEC)
    assert isinstance(found, Call)
    assert found.handler.function is resize
    assert found.arguments == {"bucket": "b", "key": "k"}
    assert str(found.unit) == "message/m1"


def test_a_unit_of_a_schedule_has_the_same_name_in_every_mode() -> None:
    sent = outgoing("sweep", {}, codec=CODEC, tick="2026-11-23T15:30:00Z", part=3)
    found = read(message(body=sent.body, attributes=sent.attributes), HANDLERS, CODEC)
    assert isinstance(found, Call)
    assert found.unit == Unit("sweep", "2026-11-23T15:30:00Z", 3)
    assert str(found.unit) == "tick/sweep/2026-11-23T15:30:00Z/3"


@pytest.mark.parametrize(
    ("task", "body", "why"),
    [
        ("nope", "{}", "asks for task 'nope'; this worker has: anything, resize, sweep"),
        ("", "{}", "asks for task ''"),
        ("sweep", "{", "cannot be read"),
        ("sweep", "[1]", "cannot be read: ValueError: it holds list, not an object"),
        ("resize", '{"bucket": "b"}', "needs 'key'"),
        ("sweep", '{"size": 1}', "does not take 'size'"),
    ],
)
def test_what_cannot_be_run_says_why(task: str, body: str, why: str) -> None:
    found = _read(task, body)
    assert isinstance(found, Unreadable)
    assert why in found.why


def test_a_task_that_forgot_its_job_is_told_what_its_first_parameter_is_for() -> None:
    def hello(n: int) -> None:
        raise AssertionError

    found = read(
        message(body='{"n": 1}', attributes={TASK: "hello"}),
        {"hello": Handler.of("hello", hello)},
        CODEC,
    )
    assert isinstance(found, Unreadable)
    assert "does not take 'n': its first parameter, 'n', is given the job" in found.why


def test_a_task_that_takes_anything_does() -> None:
    assert isinstance(_read("anything", '{"a": 1, "b": 2}'), Call)


def test_an_optional_argument_may_be_left_out_or_given() -> None:
    assert isinstance(_read("resize", '{"bucket": "b", "key": "k"}'), Call)
    assert isinstance(_read("resize", '{"bucket": "b", "key": "k", "size": 2}'), Call)


def test_a_message_that_names_no_task_is_for_the_only_one_there_is() -> None:
    only = {"sweep": HANDLERS["sweep"]}
    assert isinstance(read(message(body=""), only, CODEC), Call)


def test_a_part_that_is_no_number_is_told() -> None:
    found = _read("sweep", "{}", **{TICK: "2026-11-23T15:30:00Z", PART: "x"})
    assert found == Unreadable("its part is 'x', not a number")


@given(st.text(), st.text(), st.dictionaries(st.text(), st.text()))
def test_whatever_arrives_is_a_call_or_a_reason(
    task: str, body: str, attributes: dict[str, str]
) -> None:
    given_ = {**attributes, TASK: task}
    assert isinstance(
        read(message(body=body, attributes=given_), HANDLERS, CODEC), Call | Unreadable
    )


def test_arguments_that_json_cannot_hold_are_refused_before_they_are_sent() -> None:
    with pytest.raises(ConfigError, match="cannot be sent"):
        outgoing("sweep", {"a": object()}, codec=CODEC)


def test_a_function_that_takes_no_job_is_no_handler() -> None:
    def nothing() -> None:
        """Takes nothing."""

    with pytest.raises(ConfigError, match="takes no job"):
        Handler.of("nothing", nothing)
