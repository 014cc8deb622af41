"""The suite of queues can fail: bugs that real queues have had are caught by the check for them."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from coord.errors import StoreError, StoreUnavailable
from coord.tasks.queue.spi import Depth, Hide, Message, Outgoing, QueueLimits
from coord.testing.clock import ManualClock
from coord.testing.queue_conformance import QUEUE_CHECKS, MissingHook, QueueHarness
from coord_sqlite.place import Place
from coord_sqlite.queue import SqliteQueue

_BY_NAME = {check.name: check for check in QUEUE_CHECKS}


class _ShowsEarly(SqliteQueue):
    def receive(self, count: int, *, wait_s: float, visibility_s: float) -> list[Message]:
        return super().receive(count, wait_s=wait_s, visibility_s=visibility_s * 0.9)


class _NeverShows(SqliteQueue):
    def receive(self, count: int, *, wait_s: float, visibility_s: float) -> list[Message]:
        return super().receive(count, wait_s=wait_s, visibility_s=min(visibility_s * 9, 40_000))


class _HidesNothing(SqliteQueue):
    def hide(self, changes: Sequence[Hide]) -> list[StoreError | None]:
        return [None] * len(changes)


class _AddsUp(SqliteQueue):
    def hide(self, changes: Sequence[Hide]) -> list[StoreError | None]:
        return super().hide([Hide(one.receipt, one.seconds * 2) for one in changes])


class _AnyReceipt(SqliteQueue):
    """Whatever receipt a message ever had will do, as in a well-known fake of SQS."""

    _latest: dict[str, str] = {}  # noqa: RUF012  shared by the handles, as a server would

    def receive(self, count: int, *, wait_s: float, visibility_s: float) -> list[Message]:
        found = super().receive(count, wait_s=wait_s, visibility_s=visibility_s)
        self._latest.update({one.receipt.partition(".")[0]: one.receipt for one in found})
        return found

    def _present(self, receipt: str) -> str:
        return self._latest.get(receipt.partition(".")[0], receipt)

    def hide(self, changes: Sequence[Hide]) -> list[StoreError | None]:
        return super().hide([Hide(self._present(one.receipt), one.seconds) for one in changes])

    def delete(self, receipts: Sequence[str]) -> list[StoreError | None]:
        return super().delete([self._present(one) for one in receipts])


class _OneBadAllBad(SqliteQueue):
    def hide(self, changes: Sequence[Hide]) -> list[StoreError | None]:
        answers = super().hide(changes)
        first = next((answer for answer in answers if answer is not None), None)
        return [first] * len(answers)


class _LosesSends(SqliteQueue):
    _turn = itertools.count(1)

    def send(self, messages: Sequence[Outgoing]) -> list[str | StoreError]:
        sent = super().send(messages)
        if next(self._turn) % 2 and len(messages) > 1:
            found = super().receive(1, wait_s=0, visibility_s=30)
            self.delete([one.receipt for one in found])
        return sent


class _DropsThePoisoned(SqliteQueue):
    def depth(self) -> Depth:
        return super().depth()._replace(dead=0)


class _PurgesTheDead(SqliteQueue):
    def purge(self) -> None:
        super().redrive(1000)
        super().purge()


class _CountsStandStill(SqliteQueue):
    def receive(self, count: int, *, wait_s: float, visibility_s: float) -> list[Message]:
        found = super().receive(count, wait_s=wait_s, visibility_s=visibility_s)
        return [replace(one, received=1) for one in found]


class _Sleeps(SqliteQueue):
    def receive(self, count: int, *, wait_s: float, visibility_s: float) -> list[Message]:
        return super().receive(count, wait_s=0.0, visibility_s=visibility_s)


class _Unordered(SqliteQueue):
    """FIFO by name: its groups are looked at by nobody."""

    def receive(self, count: int, *, wait_s: float, visibility_s: float) -> list[Message]:
        own, self._settings = self._settings, self._settings._replace(ordered=False)
        try:
            return super().receive(count, wait_s=wait_s, visibility_s=visibility_s)
        finally:
            self._settings = own


class _NamedByBody(SqliteQueue):
    def send(self, messages: Sequence[Outgoing]) -> list[str | StoreError]:
        return super().send([replace(one, dedup=one.dedup or one.body) for one in messages])


class _LargerLimit(SqliteQueue):
    @property
    def limits(self) -> QueueLimits:
        return replace(super().limits, max_body_bytes=2 * super().limits.max_body_bytes)

    def send(self, messages: Sequence[Outgoing]) -> list[str | StoreError]:
        error = StoreUnavailable("too large")
        large = super().limits.max_body_bytes
        if any(len(one.body.encode()) > large for one in messages):
            return [error] * len(messages)
        return super().send(messages)


class _StaysOpen(SqliteQueue):
    def close(self) -> None:
        """Nothing."""


CAUGHT: list[tuple[type[SqliteQueue], str, str]] = [
    (_ShowsEarly, "standard", "a_message_is_hidden_until_its_time_is_over_and_not_before"),
    (_NeverShows, "standard", "a_message_is_hidden_until_its_time_is_over_and_not_before"),
    (_HidesNothing, "standard", "hiding_counts_anew_from_its_request"),
    (_HidesNothing, "standard", "what_is_given_back_is_there_at_once"),
    (_AddsUp, "standard", "hiding_for_less_shows_it_earlier"),
    (_AnyReceipt, "standard", "a_superseded_receipt_neither_hides_nor_gives_back"),
    (_AnyReceipt, "standard", "a_superseded_receipt_deletes_nothing"),
    (_OneBadAllBad, "standard", "entries_of_a_batch_are_hidden_each_by_itself"),
    (_LosesSends, "standard", "a_message_has_one_receiver"),
    (_DropsThePoisoned, "standard", "what_was_received_too_often_is_dead_and_kept"),
    (_PurgesTheDead, "standard", "purging_removes_all_but_the_dead"),
    (_CountsStandStill, "standard", "what_is_not_deleted_comes_again_under_another_receipt"),
    (_Sleeps, "standard", "receiving_waits_its_time_and_no_longer"),
    (_Sleeps, "standard", "a_waiting_receiver_is_woken_by_what_another_process_sends"),
    (_Unordered, "fifo", "a_group_waits_while_one_of_its_messages_is_in_flight"),
    (_Unordered, "fifo", "what_comes_again_comes_before_what_followed_it"),
    (_NamedByBody, "fifo", "messages_without_a_name_are_all_different"),
    (_LargerLimit, "standard", "the_largest_message_is_sent_and_a_larger_one_is_not"),
    (_StaysOpen, "standard", "a_handle_that_was_closed_refuses"),
]


def _harness(kind: type[SqliteQueue], path: Path, *, ordered: bool) -> QueueHarness:
    clock = ManualClock()

    def opened(name: str) -> SqliteQueue:
        return kind(
            path,
            name=name,
            ordered=ordered,
            max_receives=3,
            clock=clock,
            timeout_s=5.0,
            place=Place("machine", "boot", "clock"),
        )

    sleep: Callable[[float], None] = clock.advance
    return QueueHarness(open=opened, clock=clock, sleep=sleep, ordered=ordered, late_s=0.01)


@pytest.mark.parametrize(
    ("kind", "queue", "check"), CAUGHT, ids=[f"{kind.__name__}-{name}" for kind, _, name in CAUGHT]
)
@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_a_bug_is_caught(kind: type[SqliteQueue], queue: str, check: str, tmp_path: Path) -> None:
    harness = _harness(kind, tmp_path / "q.db", ordered=queue == "fifo")
    with pytest.raises((AssertionError, StoreError)):
        _BY_NAME[check].run(harness)


def test_a_check_of_the_other_kind_proves_nothing_and_says_so(tmp_path: Path) -> None:
    harness = _harness(SqliteQueue, tmp_path / "q.db", ordered=False)
    with pytest.raises(MissingHook, match="fifo"):
        _BY_NAME["a_group_is_delivered_in_its_order"].run(harness)
