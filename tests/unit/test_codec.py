"""What stores keep as text is read back, and what cannot be read says nothing."""

from __future__ import annotations

import pytest

from coord.codec import key_of, member_of, note_of, note_text, role_of
from coord.model import ClaimKey, MemberRecord, Note, RoleRecord, Shape

GARBAGE = ["", "{", "[]", '"x"', "null", '{"m": 1, "e": [1]}', "\x00"]


@pytest.mark.parametrize("separator", ["/", ","])
def test_keys_are_read_back_whatever_the_role_is_called(separator: str) -> None:
    for role in ("reaper", "a.b:c@d-e_f", "7"):
        key = ClaimKey(role, 3, 41, 2)
        assert key_of(str(key).replace("/", separator), separator) == key


@pytest.mark.parametrize("text", ["", "a", "a/1/2", "a/1/2/x", "a/1/-2/3", "a/1/²/3", "a/1//3"])
def test_what_is_no_key_is_none(text: str) -> None:
    assert key_of(text) is None


@pytest.mark.parametrize("text", GARBAGE)
def test_one_text_that_cannot_be_read_keeps_nobody_from_the_view(text: str) -> None:
    assert note_of(text).endings == ()
    assert member_of(text, "worker", "1f").name == "worker"
    assert role_of(text, 1) is None


def test_equal_texts_are_one_object() -> None:
    text = note_text(Note(member="worker", clean=False))
    assert note_of(text) is note_of(text)
    record = MemberRecord(name="worker", incarnation="1f").to_json()
    assert member_of(record, "worker", "1f") is member_of(record, "worker", "1f")
    role = RoleRecord(name="reaper", shape=Shape(1, 1)).to_json()
    assert role_of(role, 4) is role_of(role, 4)
