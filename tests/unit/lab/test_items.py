"""Gap, split, faux and failover of queues, on logs written by hand; the arithmetic stands beside.

Every item is announced before anybody has it. Its first waiting, up to τ = 1, counts as nothing.
"""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coord.lab.measure import Shard, ShardTimes, judge_log, shard_times
from coord.lab.measure.effects import stale_acts
from coord.lab.measure.failover import Failover, failovers, false_failovers
from coord.lab.measure.intervals import Span
from coord.lab.measure.metrics import affected_share, within
from tests.unit.lab.script import ROLE, Script

TAU_S = 1.0
ALL = Span(0, 100)


def times(script: Script, partition: int = 0) -> ShardTimes:
    return shard_times(script.timeline, tau_s=TAU_S)[Shard(ROLE, 1, partition)]


def figures(of: ShardTimes) -> tuple[float, float, float]:
    """Gap, split, faux in seconds."""
    return tuple(pytest.approx(part.total_s) for part in (of.gap, of.split, of.faux))  # type: ignore[return-value]


def queue(*, partitions: int = 1) -> Script:
    s = Script()
    s.role(0, shards=partitions, queue=True)
    for member in ("a", "b"):
        s.member(0, member, "start")
    return s


def item(s: Script, seat: int, *, at: float, partition: int = 0) -> None:
    s.backlog(at, f"unit-{partition}-{seat}", shard=partition, seat=seat)


def take(
    s: Script, t: float, member: str, seat: int, token: int, *, until: float, partition: int = 0
) -> None:
    s.lead(t, member, token, until=until, seat=seat, shard=partition)


def do(s: Script, t: float, member: str, seat: int, token: int, *, partition: int = 0) -> None:
    s.act(t, member, token, seat=seat, shard=partition, units=[f"unit-{partition}-{seat}"])
    s.end(t + 0.1, member, token, seat=seat, shard=partition)


def handled(s: Script, *, until: float) -> None:
    """Another handler, b, does an item of the same partition every half second, and at once."""
    for number in range(int(2 * until)):
        t = number / 2
        item(s, 1000 + number, at=t)
        take(s, t + 0.1, "b", 1000 + number, 1, until=t + 3)
        do(s, t + 0.2, "b", 1000 + number, 1)


# --- gap -------------------------------------------------------------------------------------


def test_items_that_are_handled_in_turn_leave_nothing() -> None:
    s = queue()
    handled(s, until=10)
    s.last(10)
    found = times(s)
    assert figures(found) == (0, 0, 0)
    assert found.covered.total_s == pytest.approx(10)


def killed() -> Script:
    """Visibility 3: a takes an item at 1 and is killed at 1.6; b gets it at 4.1."""
    s = queue()
    item(s, 7, at=0.9)
    take(s, 1, "a", 7, 1, until=4)
    s.fault("kill", "a", 1.5, effect=1.6)
    take(s, 4.1, "b", 7, 2, until=7)
    do(s, 4.4, "b", 7, 2)
    s.last(10)
    return s


def test_an_item_of_the_dead_is_a_gap_until_another_handler_has_it() -> None:
    # a could act 1–1.6, b from 4.1: gap 2.5. Before 1 it had waited 0.1, and b was there
    assert figures(times(killed())) == (2.5, 0, 0)


def test_what_is_done_to_other_items_of_the_partition_hides_no_gap() -> None:
    s = killed()
    handled(s, until=8)
    assert figures(times(s)) == (2.5, 0, 0)


def test_a_stopped_handler_leaves_a_gap_however_long_it_believes_to_have_the_item() -> None:
    s = queue()
    item(s, 7, at=1)
    take(s, 1, "a", 7, 1, until=9)
    s.fault("pause", "a", 1.9, effect=2, end=8)
    take(s, 4.5, "b", 7, 2, until=9)
    do(s, 4.8, "b", 7, 2)
    s.last(10)
    # a could act 1–2 and from 8 on, when the item is done: gap 2–4.5
    assert figures(times(s)) == (2.5, 0, 0)


def test_a_lost_lease_leaves_a_gap_until_another_handler_has_the_item() -> None:
    s = queue()
    item(s, 7, at=1)
    take(s, 1, "a", 7, 1, until=1.5)
    take(s, 2.25, "b", 7, 2, until=9)
    do(s, 2.5, "b", 7, 2)
    s.last(10)
    assert figures(times(s)) == (0.75, 0, 0)


def test_an_extension_moves_the_deadline_of_its_own_item_and_of_no_other() -> None:
    s = queue(partitions=2)
    for partition in (0, 1):
        item(s, 7, at=1, partition=partition)
        take(s, 1, "a", 7, 1, until=1.5, partition=partition)
        take(s, 2.25, "b", 7, 2, until=9, partition=partition)
        do(s, 2.5, "b", 7, 2, partition=partition)
    s.extend(1.4, "a", 1, seat=7, until=2.0)
    s.last(10)
    # partition 0: a until 2.0; partition 1: until 1.5; b from 2.25 in both
    assert figures(times(s, 0)) == (0.25, 0, 0)
    assert figures(times(s, 1)) == (0.75, 0, 0)


def test_ready_items_are_a_gap_at_once_when_no_handler_is_there() -> None:
    s = queue()
    handled(s, until=2)
    s.fault("kill", "b", 3, effect=3)
    item(s, 7, at=4)
    s.member(4.5, "c", "start")
    take(s, 4.75, "c", 7, 1, until=9)
    do(s, 5, "c", 7, 1)
    s.last(10)
    # handlers are those that ever had an item: b to 3, c from 4.5
    assert figures(times(s)) == (0.5, 0, 0)


def test_ready_items_are_a_gap_at_once_when_all_handlers_are_stopped() -> None:
    s = queue()
    handled(s, until=2)
    s.fault("pause", "b", 3, effect=3, end=5)
    item(s, 7, at=4)
    take(s, 5.25, "b", 7, 1, until=9)
    do(s, 5.5, "b", 7, 1)
    s.last(10)
    assert figures(times(s)) == (1, 0, 0)


def test_a_ready_item_that_nobody_takes_is_a_gap_after_tau_although_handlers_are_there() -> None:
    s = queue()
    item(s, 7, at=2)
    handled(s, until=8)
    take(s, 5, "a", 7, 1, until=9)
    do(s, 5.25, "a", 7, 1)
    s.last(10)
    # untaken 2–5, of which the first 1 is its time to be taken
    assert figures(times(s)) == (2, 0, 0)


def test_an_item_that_nobody_ever_takes_is_a_gap_to_the_end() -> None:
    s = queue()
    item(s, 7, at=2)
    handled(s, until=2)
    s.last(10)
    assert figures(times(s)) == (7, 0, 0)


# --- split -----------------------------------------------------------------------------------


def test_one_item_in_two_hands_is_a_split() -> None:
    s = queue()
    item(s, 7, at=1)
    take(s, 1, "a", 7, 1, until=5)
    take(s, 3, "b", 7, 2, until=9)
    s.act(3.5, "b", 2, seat=7, units=["unit-0-7"])
    s.end(6, "b", 2, seat=7)
    s.last(10)
    # a 1–5, b 3–6; that the item is done at 3.5 does not end it. a and b together held it 1–3.5:
    # faux from 2, the first τ being over, to 3, where the split begins
    assert figures(times(s)) == (0, 2, 1)


def test_two_items_of_a_partition_in_two_hands_are_none() -> None:
    s = queue()
    for seat, member in ((7, "a"), (8, "b")):
        item(s, seat, at=1)
        take(s, 1.1, member, seat, 1, until=5)
        do(s, 1.5, member, seat, 1)
    s.last(10)
    assert figures(times(s)) == (0, 0, 0)


def test_an_item_that_its_own_handler_gets_again_is_no_split() -> None:
    s = queue()
    item(s, 7, at=1)
    take(s, 1, "a", 7, 1, until=5)
    take(s, 1.5, "a", 7, 2, until=5)
    do(s, 1.75, "a", 7, 2)
    s.last(10)
    assert figures(times(s)) == (0, 0, 0)


# --- faux ------------------------------------------------------------------------------------


def wedged() -> Script:
    """At 1 a takes an item and does nothing; its lease is extended to its timeout, at 4."""
    s = queue()
    item(s, 7, at=1)
    take(s, 1, "a", 7, 1, until=3)
    s.fault("wedge", "a", 0.9, effect=0.9, end=6)
    s.extend(2, "a", 1, seat=7, until=4)
    take(s, 4.25, "b", 7, 2, until=9)
    do(s, 4.5, "b", 7, 2)
    s.last(10)
    return s


def test_a_handler_that_has_an_item_and_does_nothing_is_faux_after_tau() -> None:
    # a could act 1–4, of which the first 1 may pass; then gap until b has it
    assert figures(times(wedged())) == (0.25, 0, 2)


def test_what_is_done_to_other_items_of_the_partition_hides_no_faux() -> None:
    s = wedged()
    handled(s, until=8)
    assert figures(times(s)) == (0.25, 0, 2)


def test_a_handler_that_lingers_over_what_is_done_is_not_faux() -> None:
    s = queue()
    item(s, 7, at=1)
    take(s, 1, "a", 7, 1, until=8)
    s.act(1.5, "a", 1, seat=7, units=["unit-0-7"])
    s.last(10)
    assert figures(times(s)) == (0, 0, 0)


def test_the_blast_reaches_the_partitions_of_the_items_in_hand_and_no_other() -> None:
    s = queue(partitions=4)
    for partition in range(4):
        item(s, 1, at=1, partition=partition)
    take(s, 1, "a", 1, 1, until=9, partition=0)
    s.fault("kill", "a", 1.5, effect=1.5)
    take(s, 3, "b", 1, 2, until=9, partition=0)
    do(s, 3.25, "b", 1, 2, partition=0)
    for partition in range(1, 4):
        take(s, 1.1, "b", 1, 1, until=9, partition=partition)
        do(s, 1.5, "b", 1, 1, partition=partition)
    s.last(10)
    assert affected_share(within(shard_times(s.timeline, tau_s=TAU_S), ALL), floor_s=0) == 0.25


# --- failover and harm -----------------------------------------------------------------------


def test_an_item_in_hand_fails_over_without_a_step_of_asking() -> None:
    (found,) = failovers(killed().timeline, ALL)
    # struck at 1.5, given to b at 4.1, done at 4.4
    parts = (found.detect_s, found.warm_up_s, found.total_s)
    assert parts == pytest.approx((2.6, 0.3, 2.9))
    assert found.claim_s is None


def test_an_item_that_its_struck_handler_got_done_is_no_failover() -> None:
    s = queue()
    item(s, 7, at=1)
    take(s, 1, "a", 7, 1, until=9)
    s.fault("wedge", "a", 1.5, effect=1.5, end=4)
    do(s, 1.75, "a", 7, 1)  # it had passed the place at which others hang
    s.last(10)
    assert failovers(s.timeline, ALL) == []


def test_an_item_that_a_wedged_handler_takes_counts_from_then() -> None:
    s = queue()
    for seat in (6, 7):
        item(s, seat, at=1)
    s.fault("wedge", "a", 0.9, effect=0.9, end=9)
    take(s, 2, "a", 7, 1, until=3)
    take(s, 3.25, "a", 7, 2, until=4.25)  # it gets it once more, and hangs as before
    take(s, 5, "b", 7, 3, until=9)
    do(s, 5.5, "b", 7, 3)
    take(s, 9.1, "a", 6, 1, until=20)  # mended
    do(s, 9.2, "a", 6, 1)
    s.last(10)
    (found,) = failovers(s.timeline, ALL)
    assert (found.detect_s, found.warm_up_s, found.total_s) == pytest.approx((3, 0.5, 3.5))


def test_an_item_that_nobody_got_after_a_fault_counts_to_the_end_of_the_window() -> None:
    s = queue()
    item(s, 7, at=1)
    take(s, 1, "a", 7, 1, until=9)
    s.fault("kill", "a", 2, effect=2)
    s.last(10)
    (found,) = failovers(s.timeline, Span(0, 10))
    assert found == Failover(found.key, found.fault, None, None, None, 8)


def test_a_late_act_on_an_item_is_stale_by_its_count_of_deliveries() -> None:
    s = wedged()
    for fenced in (True, False):
        accepted, name = not fenced, "fenced" if fenced else "unfenced"
        s.act(4.5, "b", 2, seat=7, resource=name, fenced=fenced)
        s.act(6.1, "a", 1, seat=7, resource=name, fenced=fenced, accepted=accepted)
        s.act(6.2, "a", 1, seat=8, resource=name, fenced=fenced)  # another item, not in its way
    found = stale_acts(s.log, ALL)
    assert (found.attempted, found.accepted, found.accepted_unfenced) == (2, 0, 1)


def test_a_delivery_that_is_counted_twice_is_found() -> None:
    s = queue()
    item(s, 7, at=1)
    take(s, 1, "a", 7, 1, until=2)
    take(s, 3, "b", 7, 1, until=9)
    s.last(10)
    assert [one.rule for one in judge_log(s.timeline)] == ["token-reused"]


def test_a_message_that_lapses_without_a_fault_is_a_false_failover() -> None:
    s = queue()
    item(s, 7, at=1)
    take(s, 1, "a", 7, 1, until=2)
    s.note(2, "a", "lapsed")
    s.last(10)
    assert false_failovers(s.timeline, ALL, aftermath_s=1) == 1


@given(
    st.lists(
        st.tuples(
            st.sampled_from("ab"),
            st.integers(0, 3),
            st.integers(0, 40),
            st.integers(0, 30),
            st.booleans(),
        ),
        max_size=12,
    ),
    st.integers(1, 39),
)
def test_gap_and_cover_add_up_and_windows_do(
    hands: list[tuple[str, int, int, int, bool]], cut: int
) -> None:
    s = queue()
    for seat in range(4):
        item(s, seat, at=seat)
    for token, (member, seat, t, span, done) in enumerate(hands, 1):
        take(s, t, member, seat, token, until=t + span)
        if done:
            do(s, t, member, seat, token)
    s.last(50)
    found = times(s)
    assert found.gap.total_s + found.covered.total_s == pytest.approx(50)
    parts = [found.within(Span(0, cut)), found.within(Span(cut, 50))]
    for name in ("gap", "split", "faux"):
        whole = getattr(found, name).total_s
        assert sum(getattr(part, name).total_s for part in parts) == pytest.approx(whole)
