"""Checks of promises 1, 2, 3 and 5: records, compare and swap, tags."""

from __future__ import annotations

from functools import partial

from coord.errors import Certainty, CoordError, StoreConflict
from coord.tasks.spi import LedgerStore
from coord.testing.ledger_conformance.harness import LedgerChecks
from coord.testing.ledger_conformance.kit import KEEP_S, LedgerKit
from coord.testing.setting import expect

checks = LedgerChecks()


def _conflicts(kit: LedgerKit, key: str, tag: str | None) -> None:
    error = expect(StoreConflict, lambda: kit.put(key, b"refused", tag))
    assert error.certainty is Certainty.NOT_APPLIED


@checks.add()
def a_key_that_was_never_written_has_no_record(kit: LedgerKit) -> None:
    """Promise 1."""
    assert kit.store.read(["k"]) == {}
    assert kit.store.read([]) == {}


@checks.add()
def what_was_written_is_read_by_every_process(kit: LedgerKit) -> None:
    """Promise 1; LedgerStore.read: strong."""
    for body in (b"{}", b'{"a":"\xc3\xa9"}', bytes(range(256)), b"x"):
        before = kit.seen("k")
        tag = kit.put("k", body, before.tag if before else None)
        assert kit.shown("k") == (tag, body)


@checks.add()
def a_write_on_another_tag_changes_nothing(kit: LedgerKit) -> None:
    """Promise 2."""
    _conflicts(kit, "k", "1")
    assert kit.seen("k") is None
    old = kit.put("k", b"1")
    new = kit.put("k", b"2", old)
    _conflicts(kit, "k", old)
    _conflicts(kit, "k", None)
    _conflicts(kit, "k", f"{new}0")
    assert kit.shown("k") == (new, b"2")


@checks.add()
def each_write_gives_another_tag(kit: LedgerKit) -> None:
    """Promise 3, also where nothing but the tag changes."""
    tags: list[str | None] = [None]
    for _ in range(5):
        tags.append(kit.put("k", b"same", tags[-1]))
    tags.append(kit.put("other", b"same"))
    assert len(set(tags)) == len(tags)


@checks.add()
def of_racing_first_writers_one_wins(kit: LedgerKit) -> None:
    """Promise 2."""
    stores = [kit.handle() for _ in range(kit.harness.threads)]
    for turn in range(5):
        key = f"k{turn}"

        def first(store: LedgerStore, number: int, key: str = key) -> tuple[str, bytes]:
            body = b"%d" % number
            return store.write(key, body, expect=None, keep_s=KEEP_S), body

        found = kit.race(*(partial(first, store, n) for n, store in enumerate(stores)))
        won = [one for one in found if not isinstance(one, CoordError)]
        assert len(won) == 1, f"{len(won)} of {len(stores)} won: {found}"
        assert kit.shown(key) == won[0]
        lost = [one for one in found if isinstance(one, CoordError)]
        assert all(isinstance(one, StoreConflict) for one in lost), lost


@checks.add()
def racing_writers_lose_no_update(kit: LedgerKit) -> None:
    """Promise 2: a counter that many raise, each on what it has read."""
    rounds = 8
    kit.put("n", b"0")

    def count(store: LedgerStore) -> None:
        left = rounds
        while left:
            entry = store.read(["n"])["n"]
            try:
                store.write("n", b"%d" % (int(entry.body) + 1), expect=entry.tag, keep_s=KEEP_S)
            except StoreConflict:
                continue
            left -= 1

    stores = [kit.handle() for _ in range(kit.harness.threads)]
    found = kit.race(*(partial(count, store) for store in stores))
    assert found == [None] * len(stores)
    assert int(kit.shown("n").body) == rounds * len(stores)


@checks.add("remove")
def tags_are_never_used_again_after_a_removal(kit: LedgerKit) -> None:
    """Promise 3: what slept since before the removal hits nothing that came after it."""
    old = [kit.put("k", b"0")]
    for n in range(1, 4):
        old.append(kit.put("k", b"%d" % n, old[-1]))
    kit.remove("k")
    assert kit.seen("k") is None
    _conflicts(kit, "k", old[-1])
    new: list[str] = []
    for _ in range(5):
        new.append(kit.put("k", b"new", new[-1] if new else None))
        for tag in old:
            _conflicts(kit, "k", tag)
    assert not set(old) & set(new)
    assert kit.shown("k") == (new[-1], b"new")


@checks.add("reopen")
def records_and_tags_outlive_a_restart(kit: LedgerKit) -> None:
    """Promises 1 and 3."""
    first = kit.put("k", b"1")
    second = kit.put("k", b"2", first)
    kit.reopen()
    assert kit.shown("k") == (second, b"2")
    _conflicts(kit, "k", first)
    third = kit.put("k", b"3", second)
    assert third not in {first, second}


@checks.add()
def groups_are_apart(kit: LedgerKit) -> None:
    """LedgerStore: a handle sees one group."""
    tag = kit.put("k", b"mine")
    neighbour = kit.handle(f"{kit.group}-2")
    assert neighbour.read(["k"]) == {}
    neighbour.write("k", b"theirs", expect=None, keep_s=KEEP_S)
    assert kit.shown("k") == (tag, b"mine")


@checks.add()
def many_keys_are_read_at_once(kit: LedgerKit) -> None:
    """LedgerStore.read: those that have a record, whatever their number."""
    keys = [f"many/{n:04d}" for n in range(kit.harness.many)]
    tags = {key: kit.put(key, key.encode()) for key in keys[::2]}
    found = kit.other.read([*keys, keys[0]])
    assert {key: entry.tag for key, entry in found.items()} == tags
    assert all(entry.body == key.encode() for key, entry in found.items())
