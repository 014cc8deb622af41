"""The thread that notices changes goes on whatever happens to it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import pytest

from coord.errors import ConfigError
from coord.spi import Observed
from coord_dynamodb import watch
from coord_dynamodb.group import Group
from coord_dynamodb.link import Deadline
from coord_dynamodb.listing import Glance, glance
from tests.integration.dynamodb.conftest import Desk

pytestmark = pytest.mark.xdist_group("dynamodb")

SOON_S = 20.0


def comes_true(found: Callable[[], object]) -> bool:
    end = time.monotonic() + SOON_S
    while not found() and time.monotonic() < end:
        time.sleep(0.02)
    return bool(found())


def test_no_error_ends_the_watching(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    store = desk.store()
    woken: list[int] = []
    failed = threading.Event()

    def fails(*_: object) -> Glance:
        failed.set()
        raise ConfigError("no credentials")

    store.watch(desk.group, lambda: woken.append(1))
    assert comes_true(lambda: woken)
    with monkeypatch.context() as patch:
        patch.setattr(watch, "glance", fails)
        assert failed.wait(SOON_S)
    count = len(woken)
    desk.member(desk.store())
    assert comes_true(lambda: len(woken) > count)


def test_tidying_for_a_session_that_is_over_does_not_end_the_watching(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was evicted, and does not know it yet: any pause longer than its ttl."""
    store, other = desk.store(), desk.store()
    woken: list[int] = []
    looks: list[int] = []

    def counted(group: Group, deadline: Deadline) -> Glance:
        looks.append(1)
        return glance(group, deadline)

    [key] = desk.role(other)
    session = desk.member(store)
    desk.take(store, session, key)
    assert other.evict(desk.group, Observed(session.id, 0))
    monkeypatch.setattr(watch, "glance", counted)
    store.watch(desk.group, lambda: woken.append(1))
    assert comes_true(lambda: session._wrote_at_s is None), "it was tidied for"
    before = len(looks)
    assert comes_true(lambda: len(looks) > before + 1)
    count = len(woken)
    desk.member(other, "b")
    assert comes_true(lambda: len(woken) > count)


def test_each_new_watch_is_woken_once_at_first(desk: Desk) -> None:
    """Also one that Python gives the place of another, which is gone."""
    store = desk.store()
    for _ in range(6):
        woken = threading.Event()
        found = store.watch(desk.group, woken.set)
        assert woken.wait(SOON_S)
        found.close()
        del found
