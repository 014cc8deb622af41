"""Answers that prove nothing, and what is told apart by what a transaction showed."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from coord.clock import SYSTEM_CLOCK
from coord.errors import (
    Certainty,
    ConfigError,
    CoordError,
    SessionLost,
    StoreRefused,
    StoreUnavailable,
)
from coord.model import ClaimKey, MemberRecord, RoleRecord, Shape
from coord.spi import Claimed, Held, Observed
from coord.testing.proxy import FaultProxy
from coord_dynamodb import DynamoDBStore
from coord_dynamodb.link import Deadline
from coord_dynamodb.session import DynamoDBSession
from tests.integration.dynamodb.conftest import TABLE, Desk
from tests.integration.dynamodb.hook import Hook

pytestmark = pytest.mark.xdist_group("dynamodb")

TIMEOUT_S = 6.0  # nothing here waits for it

Step = Callable[[Desk, DynamoDBStore, DynamoDBSession], object]

STEPS: dict[str, tuple[str, Step]] = {
    "heartbeat": ("UpdateItem", lambda _d, _s, session: session.heartbeat(b"x")),
    "view": ("Query", lambda d, s, _: s.view(d.group)),
    "beacons": ("Query", lambda d, s, _: s.beacons(d.group)),
    "claim": (
        "TransactWriteItems",
        lambda d, s, session: session.claim(d.asks(s, *s.view(d.group).roles["r"].claim_keys())),
    ),
    "close": ("TransactWriteItems", lambda _d, _s, session: session.close()),
    "evict": ("TransactWriteItems", lambda d, s, m: s.evict(d.group, Observed(m.id, 0))),
    "put_role": (
        "PutItem",
        lambda d, s, _: s.put_role(d.group, RoleRecord(name="q", shape=Shape(1, 1))),
    ),
    "init": ("CreateTable", lambda d, s, _: s.init(d.group)),
    "describe": ("DescribeTable", lambda d, s, _: s.init(d.group)),
}


@pytest.mark.parametrize("step", STEPS)
def test_an_answer_that_is_not_dynamodbs_proves_nothing(desk: Desk, hook: Hook, step: str) -> None:
    """A hotel's page with status 200, say; perhaps from a proxy that had passed the request on."""
    store = desk.store(hook.endpoint, timeout_s=TIMEOUT_S)
    desk.role(store)
    session = desk.member(store)
    operation, run = STEPS[step]
    hook.refuse(operation, "Welcome", status=200, times=None)
    with pytest.raises(StoreRefused, match="does not answer as DynamoDB") as caught:
        run(desk, store, session)
    assert caught.value.certainty is Certainty.UNKNOWN


def test_a_claim_of_which_a_try_may_still_land_is_not_called_not_applied(
    desk: Desk, hook: Hook
) -> None:
    """The first try is lost to view, the second loses one key, and no third one is allowed."""
    store, other = desk.store(hook.endpoint, timeout_s=TIMEOUT_S), desk.store(timeout_s=TIMEOUT_S)
    taken, free = desk.role(other, shards=2)
    session = desk.member(store)
    asks = desk.asks(other, taken, free)
    desk.take(other, desk.member(other, "b"), taken)
    hook.forget()
    hook.refuse("TransactWriteItems", "InternalServerError", status=500)
    hook.refuse("TransactWriteItems", "AccessDeniedException", after=1)
    with pytest.raises(StoreRefused) as caught:
        session.claim(asks)
    assert caught.value.certainty is Certainty.UNKNOWN
    assert hook.count("TransactWriteItems") == 3
    assert session.claim(asks) == [Held(taken), Claimed(free, stored_token(desk, free))]


def stored_token(desk: Desk, key: ClaimKey) -> int:
    """Of a claim as it is stored."""
    return desk.store(timeout_s=TIMEOUT_S).view(desk.group).claims[key].token


def test_no_heartbeat_follows_a_close_that_failed(desk: Desk, hook: Hook) -> None:
    store = desk.store(hook.endpoint, timeout_s=TIMEOUT_S)
    session = desk.member(store)
    hook.refuse("TransactWriteItems", "AccessDeniedException")
    with pytest.raises(StoreRefused):
        session.close()
    with pytest.raises(SessionLost):
        session.heartbeat(b"")
    assert len(desk.items("s#")) == 1
    session.close()
    assert desk.items("s#") == {}


def test_a_call_that_has_no_time_left_sends_nothing(desk: Desk, hook: Hook) -> None:
    """The later requests of one call, too, are begun only if they can end in time."""
    store = desk.store(hook.endpoint, timeout_s=TIMEOUT_S)
    with pytest.raises(StoreUnavailable, match="no time") as caught:
        store._link.call("get_item", Deadline(SYSTEM_CLOCK, 0.0), TableName=TABLE)
    assert caught.value.certainty is Certainty.NOT_APPLIED
    assert hook.asked == []


def test_a_probe_keeps_to_one_timeout_however_much_it_asks(desk: Desk, proxy: FaultProxy) -> None:
    store = desk.store(f"http://{proxy.hostport}")
    proxy.replies.set(latency_s=0.4)
    begun_s = SYSTEM_CLOCK.now()
    names = [finding.name for finding in store.probe(desk.group)]
    assert SYSTEM_CLOCK.now() - begun_s < 4.0, "17 requests of 0.4 s are 6.8 s; its timeout is 2 s"
    assert {"table", "round trip", "heartbeat client"} <= set(names)


def test_a_generation_whose_tokens_would_be_too_long_is_refused(desk: Desk) -> None:
    store = desk.store(timeout_s=TIMEOUT_S)
    most = RoleRecord(name="r", shape=Shape(1, 1), generation=(1 << 23) - 1)
    [key] = store.put_role(desk.group, most).claim_keys()
    [won] = desk.take(store, desk.member(store), key)
    assert isinstance(won, Claimed)
    assert won.token < 1 << 63
    with pytest.raises(ConfigError, match="8388608"):
        store.put_role(desk.group, RoleRecord(name="s", shape=Shape(1, 1), generation=1 << 23))


def test_a_password_in_the_endpoint_is_not_shown(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_DYNAMODB", "http://user:hunter2@127.0.0.1:1")
    store = DynamoDBStore(desk.target()._replace(endpoint=None), timeout_s=1.0)
    try:
        with pytest.raises(CoordError) as caught:
            store.open_session(desk.group, MemberRecord(name="a", incarnation="i"), 5.0)
        shown = [str(caught.value), *map(str, store.probe(desk.group))]
        assert "127.0.0.1:1" in shown[0]
        assert "hunter2" not in " ".join(shown)
    finally:
        store.close()
