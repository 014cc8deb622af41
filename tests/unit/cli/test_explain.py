"""The reasons of `coord.core.explain`: each of them in a group where it is the truth."""

from __future__ import annotations

from typing import NamedTuple

import pytest

from coord.core.explain import Code, Explanation, explain
from coord.model import Beacon, EndingKind, Overdue, Shape, View
from tests.unit.cli.views import barred, free, held, key, member, role, view


class Case(NamedTuple):
    """A group, and a word of the reason that must be given in it."""

    view: View
    says: str
    shard: int | None = None
    beacons: dict[str, Beacon] | None = None
    now: float | None = None


_POISON = free("b", 7, poison_s=60.0, endings=(barred("a"), barred("b")))
_BARRED = free("a", endings=(barred("a"),))

CASES = {
    Code.ROLE_UNKNOWN: Case(View(group="g", revision=1), "group g has no record of role r"),
    Code.SHARD_UNKNOWN: Case(view(role(4), member("a", (4, 1))), "4 shards: 0 to 3", shard=9),
    Code.PAUSED: Case(view(role(paused=True), member("a"), held("a")), "still held: 1 by a"),
    Code.RESHAPING: Case(
        view(role(4, pending=Shape(8, 1)), member("a", (8, 1)), held("a")),
        "from 4 shards to 8 shards: nobody claims until generation 1 is free; still held: 1 by a",
    ),
    Code.NO_MEMBERS: Case(view(role()), "no member is live"),
    Code.NOT_SERVED: Case(view(role(), member("a", None)), "(live: a)"),
    Code.SHAPE_CONFLICT: Case(
        view(role(4), member("a", (4, 1)), member("b", (8, 2))),
        "b declares 8 shards × 2 seats, where the group has 4 shards",
    ),
    Code.DRAINING: Case(view(role(), member("a", draining=True)), "handing over: a"),
    Code.PREFERENCE: Case(
        view(role(preferred=("a", "z")), member("a")), "preferred for this role: a and z (not there"
    ),
    Code.HELD: Case(view(role(token_base=100), member("a"), held("a", 7)), "since token 107"),
    Code.HOLDER_GONE: Case(view(role(), member("a", gone=True), held("a")), "of a is gone"),
    Code.HOLDER_SILENT: Case(
        view(role(), member("a", expires_at_s=40.0), held("a")), "expired 2.5s ago", now=42.5
    ),
    Code.OVERDUE: Case(
        view(role(), member("a"), held("a")),
        "a owes progress",
        beacons={"A": Beacon(overdue=(Overdue(key(), 1, 5),))},
    ),
    Code.STOPPING: Case(view(role(paused=True), member("a"), held("a")), "asked to stop"),
    Code.MOVING: Case(
        view(role(preferred=("b",)), member("a"), member("b"), held("a")),
        "handed over to b: b is preferred",
    ),
    Code.STAYS: Case(view(role(), member("a"), held("a")), "stays with a"),
    Code.POISONED: Case(view(role(), member("a"), member("b"), _POISON), "takes it for 1m"),
    Code.BARRED: Case(view(role(), member("a"), member("b"), _BARRED), "a (wedged) for 30s"),
    Code.ENDINGS: Case(
        view(role(), member("b"), held("b", endings=(barred("a", 0.0, EndingKind.LOST),))),
        "a (its session was lost)",
    ),
    Code.LOCK_DELAY: Case(
        view(role(), member("b"), free("a", clean=False, lock_delay_s=10.0)), "lock delay of 10s"
    ),
    Code.LAST_HOLDER: Case(view(role(), member("b"), free("a", 7)), "by a under token 7"),
    Code.NEVER_HELD: Case(view(role(), member("a")), "nobody has held it yet"),
    Code.ASSIGNED: Case(view(role(), member("a")), "assigned to a"),
    Code.ALL_BARRED: Case(view(role(), member("a"), _BARRED), "first bar to end"),
    Code.NO_CAPACITY: Case(
        view(role(2), member("a", (2, 1), max_shards=1), held("a")), "a holds 1 of at most 1"
    ),
}


def _ask(case: Case) -> Explanation:
    return explain(case.view, "r", case.shard, beacons=case.beacons, now=case.now)


def test_every_reason_has_a_group_in_which_it_is_true() -> None:
    assert set(CASES) == set(Code)


@pytest.mark.parametrize("code", CASES)
def test_a_reason_is_given_where_it_is_true(code: Code) -> None:
    case = CASES[code]
    answer = _ask(case)
    told = [*answer.reasons, *(reason for seat in answer.seats for reason in seat.reasons)]
    texts = [reason.text for reason in told if reason.code is code]
    assert any(case.says in text for text in texts), told


def test_all_is_well_where_a_healthy_member_leads() -> None:
    answer = explain(view(role(), member("a", expires_at_s=9.0), held("a")), "r", now=1.0)
    assert answer.led
    assert answer.reasons == ()
    assert [reason.code for reason in answer.seats[0].reasons] == [Code.HELD, Code.STAYS]


def test_a_free_seat_among_led_ones_is_not_led() -> None:
    group = view(role(2), member("a", (2, 1)), held("a"))
    assert not explain(group, "r").led
    assert explain(group, "r", 0).led
    assert not explain(group, "r", 1).led


def test_a_role_that_nobody_made_is_not_led() -> None:
    assert not explain(view(), "r").led


def test_seats_come_in_the_order_of_shards() -> None:
    keys = [seat.key for seat in explain(view(role(2, 2)), "r").seats]
    assert keys == sorted(keys)
    assert len(keys) == 4


def test_a_paused_role_gives_no_reasons_about_who_should_claim() -> None:
    answer = explain(view(role(paused=True), member("a")), "r")
    codes = {reason.code for seat in answer.seats for reason in seat.reasons}
    assert codes == {Code.NEVER_HELD}


def test_a_bar_that_excludes_one_leaves_the_claim_to_the_other() -> None:
    answer = explain(view(role(), member("a"), member("b"), _BARRED), "r")
    assigned = [r.text for r in answer.seats[0].reasons if r.code is Code.ASSIGNED]
    assert assigned[0].startswith("assigned to b")


def test_a_holder_of_a_session_that_the_view_does_not_show_is_named_by_it() -> None:
    answer = explain(view(role(), member("b"), held("a")), "r")
    assert answer.seats[0].leader == "session A"
    assert Code.HOLDER_GONE in {reason.code for reason in answer.seats[0].reasons}
