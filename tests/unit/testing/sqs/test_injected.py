"""Faults that a test orders, and who is let in."""

from __future__ import annotations

import pytest

from coord.errors import ConfigError
from coord.testing.sqs import Fault
from tests.unit.testing.sqs.desk import Desk, Refused, Slip


def hurt(*faults: Fault) -> Desk:
    desk = Desk()
    desk.control.perform("inject", {"faults": [fault.as_json() for fault in faults]})
    return desk


def signed(key: str = "local", region: str = "us-east-1") -> dict[str, str]:
    scope = f"{key}/20260101/{region}/sqs/aws4_request"
    return {"authorization": f"AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=host"}


def test_throttling_hits_as_often_as_it_was_ordered_and_applies_nothing() -> None:
    desk = hurt(Fault.throttle("SendMessage", times=2))
    for _ in range(2):
        with pytest.raises(Refused) as caught:
            desk.send("a")
        assert (caught.value.code, caught.value.status) == ("RequestThrottled", 400)
    desk.send("a")
    assert desk.counts() == (1, 0, 0)
    assert desk.engine.calls["SendMessage"] == 3


@pytest.mark.parametrize(
    ("fault", "code", "status"),
    [
        (Fault.unavailable(), "ServiceUnavailable", 503),
        (Fault.refuse_credentials(), "InvalidClientTokenId", 403),
        (Fault(code="OverLimit", message="enough"), "OverLimit", 400),
    ],
)
def test_a_refusal_has_the_names_of_the_real_one(fault: Fault, code: str, status: int) -> None:
    desk = hurt(fault)
    with pytest.raises(Refused) as caught:
        desk.bodies()
    assert (caught.value.code, caught.value.status) == (code, status)


def test_a_fault_hits_the_queue_and_the_operation_that_it_names() -> None:
    desk = hurt(Fault.throttle("SendMessage", queue="other"))
    desk.make("other")
    desk.send("a")
    with pytest.raises(Refused):
        desk.call("SendMessage", QueueUrl="http://x/123456789012/other", MessageBody="a")
    assert desk.bodies() == ["a"]


def test_a_lost_reply_leaves_what_the_request_did() -> None:
    desk = hurt(Fault.drop_reply("SendMessage", times=1))
    slip = desk.ask("SendMessage", QueueUrl="q", MessageBody="a")
    assert slip.cut
    assert desk.counts() == (1, 0, 0)


def test_the_reply_of_a_poll_that_waited_can_be_lost() -> None:
    desk = hurt(Fault.drop_reply("ReceiveMessage", times=1))
    poll = desk.poll(WaitTimeSeconds=20)
    desk.send("a")
    assert poll.cut
    assert desk.counts() == (0, 1, 0)


def test_a_lost_request_does_nothing() -> None:
    desk = hurt(Fault.drop_request("SendMessage", times=1))
    assert desk.ask("SendMessage", QueueUrl="q", MessageBody="a").cut
    assert desk.counts() == (0, 0, 0)


def test_a_late_request_takes_effect_late() -> None:
    desk = hurt(Fault.slow("SendMessage", wait_s=3))
    slip = desk.ask("SendMessage", QueueUrl="q", MessageBody="a")
    desk.advance(2.9)
    assert slip.open
    assert desk.counts() == (0, 0, 0)
    desk.advance(0.1)
    assert "MessageId" in slip.result
    assert desk.counts() == (1, 0, 0)


def test_a_late_reply_does_not_hold_up_the_effect() -> None:
    desk = hurt(Fault.slow_reply("ReceiveMessage", wait_s=10))
    desk.send("a")
    poll = desk.poll()
    assert desk.counts() == (0, 1, 0)
    desk.advance(9.9)
    assert poll.open
    desk.advance(0.1)
    assert poll.bodies == ["a"]


def test_entries_of_a_batch_can_fail_while_the_others_are_applied() -> None:
    desk = hurt(Fault.fail_entries("SendMessageBatch", share=0.5))
    sent: list[str] = []
    for _ in range(20):
        entries = [{"Id": str(number), "MessageBody": str(number)} for number in range(10)]
        found = desk.call("SendMessageBatch", QueueUrl="q", Entries=entries)
        failed = [(each["Code"], each["SenderFault"]) for each in found.get("Failed", [])]
        assert failed == [("InternalError", False)] * (10 - len(found["Successful"]))
        sent += [each["Id"] for each in found["Successful"]]
    assert 50 < len(sent) < 150
    assert desk.counts() == (len(sent), 0, 0)


def test_a_rate_hits_a_share() -> None:
    desk = hurt(Fault.throttle("SendMessage", rate=0.5))
    refused = 0
    for _ in range(200):
        slip = desk.ask("SendMessage", QueueUrl="q", MessageBody="a")
        refused += slip.answers[0] is not None and slip.answers[0].status == 400
    assert 50 < refused < 150
    assert desk.counts() == (200 - refused, 0, 0)


def test_healing_ends_all_of_it() -> None:
    desk = hurt(Fault.throttle(), Fault.drop_reply())
    desk.control.perform("misbehave", {"duplicate_rate": 1.0})
    desk.control.perform("admit", {"access_keys": ["nobody"], "region": "mars-1"})
    desk.control.perform("heal", {})
    desk.send("a")
    assert desk.bodies() == ["a"]
    assert desk.bodies() == []


def test_keys_and_regions_are_checked_if_the_test_says_so() -> None:
    desk = Desk()
    desk.control.perform("admit", {"access_keys": ["local"], "region": "us-east-1"})

    def code(headers: dict[str, str]) -> str:
        slip: Slip = desk.ask_as(headers, "ListQueues")
        with pytest.raises(Refused) as caught:
            slip.result  # noqa: B018 (it raises what the client is told)
        assert caught.value.status == 403
        return caught.value.code

    assert code({}) == "MissingAuthenticationToken"
    assert code(signed(key="stranger")) == "InvalidClientTokenId"
    assert code(signed(region="eu-west-1")) == "SignatureDoesNotMatch"
    assert "QueueUrls" in desk.ask_as(signed(), "ListQueues").result


def test_a_misspelt_fault_is_refused() -> None:
    with pytest.raises(ConfigError, match="a fault has no speed"):
        Fault.from_json({"speed": 3})
    with pytest.raises(ConfigError, match="no such verb"):
        Desk().control.perform("hurt", {})
