"""Threads that begin in time, or are refused."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest

from coord import threads
from coord.threads import DaemonThread

_IN_TIME_S = 10.0


def test_a_thread_does_its_work_with_what_it_was_given() -> None:
    done = threading.Event()
    found: list[tuple[str, bool, int]] = []

    def work(number: int) -> None:
        current = threading.current_thread()
        found.append((current.name, current.daemon, number))
        done.set()

    DaemonThread(work, "worker", (7,)).start()
    assert done.wait(_IN_TIME_S)
    assert found == [("worker", True, 7)]


def test_a_thread_that_dies_before_it_begins_is_refused_and_not_waited_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As one does that finds no memory: nobody is told."""
    monkeypatch.setattr(threads, "_BEGIN_S", 0.05)
    thread = DaemonThread(lambda: None, "unborn")
    monkeypatch.setattr(thread, "_bootstrap", lambda: None)
    with pytest.raises(RuntimeError, match="unborn did not begin"):
        thread.start()
    assert not thread.is_alive()


def test_a_thread_that_begins_after_it_was_refused_does_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(threads, "_BEGIN_S", 0.05)
    worked, go_on, over = threading.Event(), threading.Event(), threading.Event()
    thread = DaemonThread(worked.set, "late")
    begin: Callable[[], None] = getattr(thread, "_bootstrap")  # noqa: B009  no stub knows it

    def late() -> None:
        go_on.wait(_IN_TIME_S)
        begin()
        over.set()

    monkeypatch.setattr(thread, "_bootstrap", late)
    with pytest.raises(RuntimeError):
        thread.start()
    go_on.set()
    assert over.wait(_IN_TIME_S)
    assert not worked.is_set()


def test_a_thread_that_the_system_does_not_give_is_refused_as_ever(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def none(*_: object, **__: object) -> None:
        raise RuntimeError("can't start new thread")

    for name in ("_start_new_thread", "_start_joinable_thread"):
        monkeypatch.setattr(threading, name, none, raising=False)
    with pytest.raises(RuntimeError, match="can't start"):
        DaemonThread(lambda: None, "none").start()
