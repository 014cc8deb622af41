"""A role gets another shape while its members are replaced one by one. Real processes.

With 4 shards, row 5 of the resource is shard 1's; with 6 shards it is shard 5's. Two generations
that act side by side would both act on it, each sure that nobody else does.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from coord.model import Shape
from tests.integration.fleet import GROUP, Act, Fleet, now, until
from tests.integration.workers.worker import IN_DATABASE, IN_WINDOW

TIMING = {"ttl_s": 2.0, "settle_s": 0.2}
ROWS = 24
OLD, NEW = Shape(4, 1), Shape(6, 1)


def role(shape: Shape, *, window_s: float = 0.0) -> dict[str, object]:
    work = {"every_s": 0.05, "rows": ROWS, "window_s": window_s}
    return {"name": "sweeper", "shards": shape.shards, "work": work}


def reshape(fleet: Fleet) -> None:
    """What `coord reshape` does."""
    record = fleet.view().roles["sweeper"]
    fleet.store.put_role(GROUP, replace(record, pending=NEW))


def rows_of(acts: Iterable[Act], generation: int) -> set[int]:
    return {act.row for act in acts if act.generation == generation}


def side_by_side(acts: Iterable[Act]) -> list[Act]:
    """Acts of an older generation on a row on which a newer one had acted before."""
    newest: dict[int, int] = {}
    found = []
    for act in acts:
        if act.generation < newest.setdefault(act.row, act.generation):
            found.append(act)
        newest[act.row] = max(act.generation, newest[act.row])
    return found


def test_a_rolling_change_of_shards_never_has_two_generations_act_on_one_row(
    fleet: Fleet,
) -> None:
    """In order, nothing overlaps even where nobody compares tokens."""
    olds = {name: fleet.start(name, role(OLD), timing=TIMING) for name in ("a", "b", "c")}
    until(lambda: rows_of(fleet.acts(), 1) == set(range(ROWS)))

    assert olds["a"].terminate()
    assert olds["a"].wait() == 0
    fleet.start("a", role(NEW), timing=TIMING)
    until(lambda: fleet.logged("shape-conflict"))
    assert fleet.view().roles["sweeper"].shape == OLD, "who declares another shape changes nothing"
    at = now()
    until(lambda: rows_of(fleet.acts("fenced", "at > ?", at), 1) == set(range(ROWS)))

    reshape(fleet)
    until(lambda: rows_of(fleet.acts(), 2) == set(range(ROWS)))
    for name in ("b", "c"):
        olds[name].terminate()
        assert olds[name].wait() == 0
        fleet.start(name, role(NEW), timing=TIMING)
    until(
        lambda: fleet.is_settled("sweeper", 3) and len(set(fleet.holders("sweeper").values())) == 3
    )

    record = fleet.view().roles["sweeper"]
    assert (record.shape, record.generation, record.pending) == (NEW, 2, None)
    for table in ("plain", "late", "fenced"):
        acts = fleet.acts(table)
        assert side_by_side(acts) == []
        last = max(act.at for act in acts if act.generation == 1)
        assert last < min(act.at for act in acts if act.generation == 2)


def test_a_leader_that_was_paused_through_the_change_acts_on_no_row_that_compares_generations(
    fleet: Fleet,
) -> None:
    old = fleet.start("old", role(OLD, window_s=0.1), timing=TIMING, show_states=True)
    until(lambda: rows_of(fleet.acts(), 1) == set(range(ROWS)))
    fleet.start("new", role(NEW), timing=TIMING)
    until(lambda: fleet.logged("shape-conflict"))

    def caught() -> bool:
        old.pause()
        states = (fleet.folder / "states-old").read_bytes()
        if IN_WINDOW in states and IN_DATABASE not in states and fleet.writable():
            return True
        old.resume()
        return False

    until(caught)
    try:
        reshape(fleet)
        until(lambda: rows_of(fleet.acts(), 2) == set(range(ROWS)))
    finally:
        resumed = old.resume()
    until(lambda: fleet.marks("lost", "member = 'old' AND at > ?", resumed))
    until(lambda: len(fleet.marks("ended", "member = 'old'")) == OLD.shards)

    assert side_by_side(fleet.acts("plain")), "the contrast must show that the fault bites"
    assert side_by_side(fleet.acts("late")) == []
    assert side_by_side(fleet.acts("fenced")) == []
    assert any("generation 2" in mark.detail for mark in fleet.marks("refused"))
