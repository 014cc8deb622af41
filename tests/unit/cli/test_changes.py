"""What `coord watch` calls a change."""

from __future__ import annotations

from dataclasses import replace

import pytest

from coord.cli.changes import changes_between
from coord.model import Shape, View
from tests.unit.cli.views import barred, free, held, key, member, role, view

A, B = member("a", (4, 1)), member("b", (4, 1))


def _texts(before: View, after: View) -> list[str]:
    return [change.text for change in changes_between(before, after)]


def test_heartbeats_are_no_change() -> None:
    later = replace(A, seq=9, expires_at_s=50.0)
    assert changes_between(view(role(4), A, held("a")), view(role(4), later, held("a"))) == []


def test_members_come_and_go() -> None:
    changes = changes_between(view(A), view(replace(B, record=replace(B.record, zone="z"))))
    assert [(c.kind, c.text) for c in changes] == [
        ("member-left", "a left, or its session is over"),
        ("member-joined", "b joined in z"),
    ]
    assert changes[1].facts["member"] == "b"


def test_a_member_that_drains_says_so_once() -> None:
    drains = replace(A, record=replace(A.record, draining=True))
    assert _texts(view(A), view(drains)) == ["a drains: it hands over what it holds"]
    assert _texts(view(drains), view(drains)) == []


def test_a_takeover_names_both_and_joins_the_shards_into_one_line() -> None:
    before = view(role(4), A, B, *(held("a", 1 + n, at=key(n)) for n in range(4)))
    after = view(
        role(4, token_base=100),
        *(A, B, held("a", 1, at=key(0))),
        *(held("b", 11 + n, at=key(n)) for n in range(1, 4)),
    )
    led = [change for change in changes_between(before, after) if change.kind == "led"]
    assert [change.text for change in led] == ["r 1–3: a → b (3 seats)"]
    assert led[0].facts["from"] == "a"
    assert led[0].facts["to"] == "b"
    assert led[0].facts["seats"][0] == {"shard": 1, "seat": 0, "token": 112}


def test_a_new_tenure_of_the_same_member_is_a_change() -> None:
    before, after = view(role(), A, held("a", 1)), view(role(), A, held("a", 2))
    assert _texts(before, after) == ["r: a leads (token 2)"]


@pytest.mark.parametrize(
    ("left", "says"),
    [
        (free("a", clean=True), "let go in order"),
        (free("a", clean=False), "lost by its holder"),
        (free("a", endings=(barred("a"),)), "barred: a for 30s"),
        (free("a", poison_s=60.0), "poisoned for 1m"),
    ],
    ids=["clean", "lost", "barred", "poisoned"],
)
def test_a_claim_that_becomes_free_says_why(left: object, says: str) -> None:
    after = view(role(), A, left)  # type: ignore[arg-type]
    assert _texts(view(role(), A, held("a")), after) == [f"r: a → nobody ({says})"]


def test_a_holder_that_died_is_named_though_it_is_gone_from_the_view() -> None:
    before = view(role(), A, B, held("a"))
    after = view(role(), B, held("b", 2))
    assert _texts(before, after) == ["a left, or its session is over", "r: a → b (token 2)"]


@pytest.mark.parametrize(
    ("fields", "kind"),
    [
        ({"paused": True}, "role-paused"),
        ({"pending": Shape(8, 1)}, "role-reshaping"),
        ({"generation": 2}, "role-reshaped"),
        ({"preferred": ("a",)}, "role-preference"),
        ({"token_base": 7}, "role-tokens"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_each_change_of_a_role_has_its_kind(fields: dict[str, object], kind: str) -> None:
    before, after = view(role(4)), view(replace(role(4), **fields))  # type: ignore[arg-type]
    assert [change.kind for change in changes_between(before, after)] == [kind]


def test_a_role_is_resumed_and_new_ones_are_told() -> None:
    assert _texts(view(role(paused=True)), view(role())) == ["r is resumed"]
    assert _texts(view(), view(role(4))) == ["r is new: 4 shards"]
