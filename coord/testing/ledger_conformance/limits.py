"""Checks of keys, sizes, and of what is left behind."""

from __future__ import annotations

from functools import partial

from coord.errors import ConfigError, CoordError, StoreRefused, UsageError
from coord.tasks.ledger import Attempt
from coord.tasks.spi import KEY_MAX
from coord.testing.ledger_conformance.harness import LedgerChecks
from coord.testing.ledger_conformance.kit import KEEP_S, LedgerKit
from coord.testing.setting import expect

checks = LedgerChecks()

_KEYS = (
    "k",
    "K",
    "a/b",
    "a",
    "a/",
    "/a",
    "//",
    ".",
    "..",
    "a/../b",
    "%2F",
    "a%2Fb",
    "zookeeper",
    "tick/refresh/2026-11-23T15:30:00Z/0",
    "with space",
    "quo'te\"d",
    "h#sh ? & = ; , \\ * :",
    "é",
    "e\u0301",
    "鍵",
    "🔑",
    "k" * KEY_MAX,
    "🔑" * (KEY_MAX // 4),
    "/" * KEY_MAX,
)
_NO_KEYS = ("", "a\nb", "a\0b", "\x7f", "k" * (KEY_MAX + 1), "é" * KEY_MAX, "\ud800")


@checks.add()
def every_printable_key_names_a_record_of_its_own(kit: LedgerKit) -> None:
    """`checked_key`: one alphabet for all stores."""
    tags = {key: kit.put(key, key.encode()) for key in _KEYS}
    found = kit.other.read(_KEYS)
    for key in _KEYS:
        assert found[key] == (tags[key], key.encode()), f"{key[:40]!r}"


@checks.add()
def what_is_no_key_is_refused(kit: LedgerKit) -> None:
    """`checked_key`."""
    for key in _NO_KEYS:
        expect(ConfigError, partial(kit.put, key, b"{}"))
        expect(ConfigError, partial(kit.store.read, [key]))


@checks.add()
def the_largest_record_is_written_and_a_larger_one_is_not(kit: LedgerKit) -> None:
    """LedgerStore.write: UsageError, and nothing was sent."""
    most = kit.store.guarantees.body_max
    tag = kit.put("k", bytes(range(256)) * (most // 256))
    assert len(kit.shown("k").body) == most // 256 * 256
    expect(UsageError, lambda: kit.put("k", b"x" * (most + 1), tag))
    expect(UsageError, lambda: kit.put("new", b"x" * (most + 1)))
    assert kit.shown("k").tag == tag
    assert kit.seen("new") is None


@checks.add()
def an_oversized_result_is_refused_and_changes_nothing(kit: LedgerKit) -> None:
    """`Attempt.done`: UsageError, and the attempt can still be ended in another way."""
    attempt = kit.ledger().begin("k")
    assert isinstance(attempt, Attempt)
    before = kit.shown("k")
    expect(UsageError, lambda: attempt.done("x" * kit.store.guarantees.body_max))
    assert kit.shown("k") == before
    assert attempt.done("short") == "short"


@checks.add()
def a_handle_that_was_closed_refuses(kit: LedgerKit) -> None:
    """LedgerStore.close: idempotent; records stay."""
    kit.put("k", b"{}")
    store = kit.handle()
    store.read(["k"])
    store.close()
    store.close()
    expect(StoreRefused, lambda: store.read(["k"]))
    expect(StoreRefused, lambda: store.write("k", b"", expect=None, keep_s=KEEP_S))
    kit.shown("k")


@checks.add()
def probing_tells_something_and_raises_nothing(kit: LedgerKit) -> None:
    """LedgerStore.probe."""
    for _ in range(2):
        findings = kit.store.probe()
        assert findings
        assert all(one.ok for one in findings), findings
        kit.put(f"k{len(findings)}{_}", b"{}")


@checks.add("leftovers")
def closing_leaves_nothing_behind(kit: LedgerKit) -> None:
    """LedgerStore.close: threads, sockets and files are gone; what libraries keep does not grow."""
    assert kit.harness.leftovers is not None

    def visit(number: int) -> None:
        store = kit.handle()
        ledger = kit.ledger(store)
        ledger.once(f"visit/{number}", lambda: number)
        ledger.keeper.close(timeout_s=5.0)
        store.close()

    for number in range(3):
        visit(number)
    before = dict(kit.harness.leftovers())
    for number in range(3, 8):
        visit(number)
    if not _settled(kit, before):
        after = dict(kit.harness.leftovers())
        grown = {name: (before.get(name, 0), n) for name, n in after.items()}
        raise AssertionError(f"five visits left something behind (before, after): {grown}")


def _settled(kit: LedgerKit, before: dict[str, int]) -> bool:
    """Whether what is there comes back to what it was, with room for one that is on its way."""
    assert kit.harness.leftovers is not None
    for _ in range(50):
        after = kit.harness.leftovers()
        if all(after.get(name, 0) <= count + 1 for name, count in before.items()):
            return True
        try:
            kit.harness.sleep(0.1)
        except CoordError:
            return False
    return False
