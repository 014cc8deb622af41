"""Names and contents of nodes: what is written is read back, and nothing else is taken for it."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coord.codec import note_text
from coord.model import Claim, ClaimKey, MemberRecord, Note
from coord_zookeeper.layout import BeaconName, Layout, beacon_of, claim_name, named_key
from coord_zookeeper.nodes import claim_node, claim_text, member_data, member_node, unheld
from coord_zookeeper.requests import Multi, MultiRead, Node, Refused, Stat, zxid_of

STAT = Stat(77, 78, 0, 0, 0, 0, 0, 0, 0, 0, 79)
NAMES = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._:@-]{0,40}", fullmatch=True)
NUMBERS = st.integers(0, 2**31 - 1)


@given(key=st.builds(ClaimKey, NAMES, NUMBERS, NUMBERS, NUMBERS), number=NUMBERS)
def test_a_claims_name_gives_back_its_key_and_number(key: ClaimKey, number: int) -> None:
    assert named_key(claim_name(key, number)) == (key, number)


@pytest.mark.parametrize("name", ["", "r,1,2,3", "r,1,2=3", "r,1,2,x=3", "r,1,2,3=", "r,1,2,3=-1"])
def test_another_name_is_no_claims(name: str) -> None:
    assert named_key(name) is None


@given(payload=st.binary(max_size=1024), seq=NUMBERS)
def test_a_beacons_name_gives_back_its_payload(payload: bytes, seq: int) -> None:
    found = beacon_of(str(BeaconName.made("1f-ab", seq, payload)))
    assert found is not None
    assert (found.sid, found.seq, found.payload) == ("1f-ab", seq, payload)


@pytest.mark.parametrize("name", ["", "a=b", "a=b=c", "a=1=b=c"])
def test_another_name_is_no_beacons(name: str) -> None:
    assert beacon_of(name) is None


def test_a_claim_is_read_as_it_was_written() -> None:
    key = ClaimKey("r", 1, 2, 3)
    note = Note(member="a", lock_delay_s=1.5)
    for session in ("1f-ab", None):
        claim = Claim(key, 42, session, note)
        found = claim_node(claim_name(key, 7), Node(claim_text(claim, note_text(note)), STAT))
        assert found is not None
        assert (found.number, found.claim) == (7, claim)


def test_a_fresh_claims_token_is_the_number_of_its_transaction() -> None:
    claim = Claim(ClaimKey("r", 1, 2, 3), 0, "1f-ab", Note())
    text = claim_text(claim, note_text(claim.note), fresh=True)
    found = claim_node(claim_name(claim.key, 1), Node(text, STAT))
    assert found is not None
    assert found.claim.token == STAT.czxid


def test_a_claim_whose_session_is_over_is_free_and_unclean() -> None:
    claim = Claim(ClaimKey("r", 1, 2, 3), 5, "1f-ab", Note(member="a", lock_delay_s=2.0))
    free = unheld(claim)
    assert (free.session, free.token) == (None, 5)
    assert free.note == Note(member="a", lock_delay_s=2.0, clean=False)


@pytest.mark.parametrize("data", [b"", b"only", b"1f-ab x\n{}", b"\xff"])
def test_contents_that_cannot_be_read_are_no_claim(data: bytes) -> None:
    assert claim_node("r,1,2,3=1", Node(data, STAT)) is None


def test_a_member_is_read_as_it_was_written() -> None:
    record = MemberRecord(name="a", incarnation="f00", zone="z")
    found = member_node("a", member_data("1f-ab", 2.5, record))
    assert found is not None
    assert (found.sid, found.incarnation) == ("1f-ab", "f00")
    assert (found.member.record, found.member.ttl_s) == (record, 2.5)
    assert member_node("a", b"\xff") is None


def test_a_record_of_a_later_release_makes_a_member_that_serves_nothing() -> None:
    found = member_node("a", b"1f-ab f00 2500 more\nnot json")
    assert found is not None
    assert dict(found.member.record.roles) == {}
    assert found.member.record.incarnation == "f00"


def test_paths_lie_below_the_chroot() -> None:
    assert Layout.of((), "g").parent == "/"
    found = Layout.of(("a", "b"), "g")
    assert (found.parent, found.root, found.members) == ("/a/b", "/a/b/g", "/a/b/g/members")


def _header(kind: int, code: int = -1, *, done: bool = False) -> bytes:
    return struct.pack("!iBi", kind, done, code)


def test_a_refused_transaction_says_which_operation_and_why() -> None:
    rolled_back = _header(-1, 0) + struct.pack("!i", 0)
    failed = _header(-1, -101) + struct.pack("!i", -101)
    after = _header(-1, -2) + struct.pack("!i", -2)
    end = _header(-1, done=True)
    found = Multi.deserialize(rolled_back + failed + after + end, 0)
    assert found == [Refused(1, -101)]


def test_a_transaction_tells_its_number_by_what_it_wrote() -> None:
    created = _header(1) + struct.pack("!i", 2) + b"/a"
    written = _header(5) + struct.pack("!qqqqiiiqiiq", *STAT)
    results = Multi.deserialize(created + written + _header(2) + _header(-1, done=True), 0)
    assert results == [None, STAT, None]
    assert zxid_of(results) == STAT.mzxid


def test_each_read_of_many_succeeds_or_fails_by_itself() -> None:
    node = _header(4) + struct.pack("!i", 3) + b"abc" + struct.pack("!qqqqiiiqiiq", *STAT)
    missing = _header(-1, -101) + struct.pack("!i", -101)
    names = _header(8) + struct.pack("!i", 2) + struct.pack("!i", 1) + b"x" + struct.pack("!i", 0)
    found = MultiRead.deserialize(node + missing + names + _header(-1, done=True), 0)
    assert found == [Node(b"abc", STAT), -101, ["x", ""]]
