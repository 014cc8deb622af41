"""Checks of `Store.watch`: woken soon by each kind of change, hardly ever by heartbeats."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace

from coord.model import ClaimKey, MemberRecord, Note
from coord.spi import Session, Store, Tenure
from coord.testing.conformance.harness import Checks
from coord.testing.conformance.kit import Kit, fresh_record

checks = Checks()

SPURIOUS_WAKES_MAX = 3


class _Bell:
    """Counts wakes, from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._count = 0

    def ring(self) -> None:
        with self._lock:
            self._count += 1

    def take(self) -> int:
        with self._lock:
            count, self._count = self._count, 0
        return count


def _quieten(kit: Kit, bell: _Bell) -> None:
    """Wait until no wake of an earlier change is on its way any more."""
    kit.wait_for(lambda: bell.take() == 0, within_s=kit.harness.wake_s)


def _assert_wakes(kit: Kit, bell: _Bell, what: str, change: Callable[[], object]) -> None:
    _quieten(kit, bell)
    change()
    assert kit.wait_for(lambda: bell.take() > 0, within_s=kit.harness.wake_s), (
        f"{what} woke nobody within {kit.harness.wake_s:g} s"
    )


def _changes(kit: Kit, store: Store) -> None:
    """Run every kind of change through `store` while the other handle's watch listens."""
    bell = _Bell()
    watch = kit.other.watch(kit.group, bell.ring)
    try:
        _assert_wakes(kit, bell, "a new role", kit.role)
        record = fresh_record("a")
        opened: list[Session] = []
        _assert_wakes(
            kit,
            bell,
            "a new member",
            lambda: opened.append(kit.member(store=store, record=record)),
        )
        [session] = opened
        _claim_changes(kit, bell, store, session, kit.record_of("r").claim_keys()[0])
        _record_changes(kit, bell, store, session, record)
        _assert_wakes(kit, bell, "a closed session", session.close)
    finally:
        watch.close()


def _claim_changes(kit: Kit, bell: _Bell, store: Store, session: Session, key: ClaimKey) -> None:
    _assert_wakes(kit, bell, "a claim", lambda: kit.take(session, key))
    token = kit.claim_of(key).token
    amended = Tenure(key, token, Note(member="a", poison_s=1.0))
    _assert_wakes(kit, bell, "an amendment", lambda: session.amend([amended]))
    _assert_wakes(kit, bell, "a release", lambda: kit.drop(session, key, token))
    [token] = kit.take(session, key)
    deposed = Tenure(key, token, Note(clean=False))
    _assert_wakes(kit, bell, "a deposal", lambda: store.depose(kit.group, deposed))


def _record_changes(
    kit: Kit, bell: _Bell, store: Store, session: Session, record: MemberRecord
) -> None:
    draining = replace(record, draining=True)
    _assert_wakes(kit, bell, "a member's new record", lambda: session.update(draining))
    paused = replace(kit.record_of("r"), paused=True)
    _assert_wakes(kit, bell, "a role's new record", lambda: store.put_role(kit.group, paused))


@checks.add()
def a_watch_wakes_for_every_kind_of_change_by_another_process(kit: Kit) -> None:
    """Store.watch: anything but a heartbeat wakes within the declared bound."""
    _changes(kit, kit.store)


@checks.add()
def a_watch_wakes_for_changes_through_its_own_handle(kit: Kit) -> None:
    """Store.watch: whoever made the change; runtime threads share a handle."""
    _changes(kit, kit.other)


@checks.add()
def a_watch_wakes_when_a_silent_session_has_ended(kit: Kit) -> None:
    """Store.watch: a death is a change like any other."""
    bell = _Bell()
    session = kit.member("a", ttl_s=kit.harness.ttl_s)
    watch = kit.store.watch(kit.group, bell.ring)
    try:
        _quieten(kit, bell)
        kit.let_die(session)
        assert kit.wait_for(lambda: bell.take() > 0, within_s=kit.harness.wake_s), (
            f"a session's end woke nobody within {kit.harness.wake_s:g} s"
        )
    finally:
        watch.close()


@checks.add()
def heartbeats_alone_hardly_wake_anybody(kit: Kit) -> None:
    """Store.watch: beacons stay out of what is watched, or a fleet wakes itself all day.

    A few spurious wakes are tolerated, not one per heartbeat.
    """
    bell = _Bell()
    session = kit.member()
    watch = kit.other.watch(kit.group, bell.ring)
    try:
        _quieten(kit, bell)
        for turn in range(20):
            session.heartbeat(b"%d" % turn)
            kit.harness.sleep(0.02)
        kit.harness.sleep(0.2)
        wakes = bell.take()
        assert wakes <= SPURIOUS_WAKES_MAX, f"20 heartbeats woke {wakes} times"
    finally:
        watch.close()


@checks.add()
def a_closed_watch_stays_silent(kit: Kit) -> None:
    """Watch.close: no wake follows after it returned; other watches of the handle go on."""
    silent, awake = _Bell(), _Bell()
    closed = kit.other.watch(kit.group, silent.ring)
    kept = kit.other.watch(kit.group, awake.ring)
    try:
        closed.close()
        silent.take()
        _assert_wakes(kit, awake, "a new role", kit.role)
        assert silent.take() == 0, "a closed watch woke its owner"
    finally:
        kept.close()
