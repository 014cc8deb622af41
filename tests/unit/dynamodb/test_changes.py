"""The log of a member's latest transactions: complete or not believed, and right in any order."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from coord.model import ClaimKey
from coord_dynamodb.changes import LOG_BYTES, Change, Log, changes_in, log_of, newer
from coord_dynamodb.items import Stored
from coord_dynamodb.own import OwnChanges

KEYS = [ClaimKey("r", 1, shard, seat) for shard in range(3) for seat in range(2)]


def _change(shard: int, token: int, owner: str | None = "me", note: str = "{}") -> Change:
    return Change(ClaimKey("r", 1, shard, 0), Stored(token, owner, note))


def _log(*entries: tuple[int, list[Change]], since: int = 0) -> str:
    log = Log(since)
    for number, found in entries:
        log = log.with_entry(number, found)
    return log.text()


def test_a_log_tells_what_came_after_what_is_known() -> None:
    one, two = [_change(0, 5), _change(1, 7)], [_change(0, 5, None, '{"m":"a"}')]
    text = _log((1, one), (2, two))
    assert changes_in(text, known=0, upto=2) == [*one, *two]
    assert changes_in(text, known=1, upto=2) == two
    assert changes_in(text, known=2, upto=2) == []
    assert changes_in("", known=2, upto=2) == []


def test_a_log_that_is_not_complete_is_not_believed() -> None:
    text = _log((4, [_change(0, 5)]), since=3)
    assert changes_in(text, known=3, upto=4) is not None
    assert changes_in(text, known=2, upto=4) is None, "transaction 3 is not in it"
    assert changes_in(text, known=3, upto=5) is None, "it does not reach so far"
    assert changes_in(_log(since=3), known=2, upto=3) is None


def test_what_cannot_be_read_is_not_believed() -> None:
    for text in ("", "{", "[]", '{"s":0}', '{"s":"x","e":[[1,[]]]}', '{"s":0,"e":[[1,[[1]]]]}'):
        assert changes_in(text, known=0, upto=1) is None, text


def test_a_log_stays_small_by_forgetting_its_beginning() -> None:
    log = Log(0)
    for number in range(1, 400):
        log = log.with_entry(number, [_change(number, 10**12 + number)])
        assert len(log.text()) <= LOG_BYTES + 64
    assert log.since > 0
    assert changes_in(log.text(), known=log.since, upto=399) is not None
    assert changes_in(log.text(), known=log.since - 1, upto=399) is None


def test_the_latest_transaction_is_in_the_log_however_long_it_is() -> None:
    long = [_change(0, 5, note="x" * LOG_BYTES)]
    log = Log(0).with_entry(1, [_change(1, 4)]).with_entry(2, long)
    assert log.since == 1
    assert changes_in(log.text(), known=1, upto=2) == long
    assert log.with_entry(3, [_change(1, 6)]).since == 2, "until another comes"


def test_a_stored_log_is_gone_on_with() -> None:
    log = Log(3).with_entry(4, [_change(0, 5)]).with_entry(5, [_change(1, 6, None)])
    assert log_of(log.text(), upto=5) == log
    for stored in ("", "{", log.text()):
        assert log_of(stored, upto=6) == Log(6), "it does not tell what 6 did"


def test_a_transaction_of_98_claims_fits() -> None:
    found = [_change(shard, (1 << 40) + 200_000_000_000 + shard) for shard in range(98)]
    log = Log(0).with_entry(1, found)
    assert len(log.entries) == 1
    assert changes_in(log.text(), known=0, upto=1) == found
    assert json.loads(log.text())["s"] == 0


@st.composite
def _histories(draw: st.DrawFn) -> list[Change]:
    """What the rules of claims allow: tokens grow; under each, it is held, then let go of."""
    out = []
    for key in KEYS:
        for token in range(1, draw(st.integers(1, 4))):
            owner = draw(st.sampled_from(["a", "b"]))
            notes = draw(st.lists(st.sampled_from(["{}", '{"c":0}']), min_size=1, max_size=3))
            out += [Change(key, Stored(token, owner, note)) for note in notes[:1]]
            if draw(st.booleans()):
                out.append(Change(key, Stored(token, None, notes[-1])))
    return out


@given(_histories(), st.randoms(use_true_random=False))
def test_changes_come_to_the_same_in_any_order(history: list[Change], rng: object) -> None:
    """And some of them twice."""

    def end(order: list[Change]) -> dict[ClaimKey, Stored]:
        known: dict[ClaimKey, Stored] = {}
        for key, stored in order:
            if newer(stored, known.get(key)):
                known[key] = stored
        return known

    shuffled = [*history, *history[::2]]
    rng.shuffle(shuffled)  # type: ignore[attr-defined]
    assert end(shuffled) == end(history)


def test_our_own_memory_answers_only_for_what_it_knows_whole() -> None:
    own = OwnChanges()
    for number in (5, 6, 7):
        own.note("g", "a", number, [_change(number, number)])
    assert own.since("g", "a", known=3, upto=7) is None
    assert own.since("g", "a", known=4, upto=8) is None
    assert own.since("g", "b", known=4, upto=7) is None
    assert own.since("g", "a", known=5, upto=7) == [_change(6, 6), _change(7, 7)]
    own.note("g", "a", 8, [_change(8, 8)])
    assert own.since("g", "a", known=7, upto=8) == [_change(8, 8)]
    own.note("g", "a", 10, [_change(10, 10)])
    assert own.since("g", "a", known=8, upto=10) is None, "9 is not known"
    assert own.since("g", "a", known=9, upto=10) == [_change(10, 10)]
