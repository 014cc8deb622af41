"""What `fake_term` promises to people who test their work functions with it."""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import closing

import pytest

from coord import Fenced, LeadershipLost, Role, SqlFence, Term
from coord.model import ClaimKey
from coord.testing import FakeAsyncTerm, fake_term
from coord.testing.clock import ManualClock


def reap(term: Term, done: list[int]) -> None:
    """A work function as users write it."""
    while term.wait(30.0):
        term.check()
        done.append(term.shard)
        term.progress()


def test_a_work_function_runs_as_often_as_the_script_says() -> None:
    term, done = fake_term(Role("reaper", shards=8), shard=5, waits=3), list[int]()
    reap(term, done)
    assert done == [5, 5, 5]
    assert term.progressed == 3
    assert term.waits == [30.0] * 4


def test_the_script_may_give_the_answers_one_by_one() -> None:
    term, done = fake_term(waits=[True, False, True]), list[int]()
    reap(term, done)
    assert term.progressed == 1
    assert not term.wait(1.0), "a term that was asked to stop never goes on again"


def test_without_a_script_it_goes_on_until_it_is_asked_to_stop() -> None:
    term = fake_term()
    assert all(term.wait(30.0) for _ in range(100))
    term.ask_to_stop()
    assert term.stopping
    assert not term.wait(30.0)
    term.check()  # asked to stop in order: what is begun may still be finished


def test_an_expired_term_refuses_every_check() -> None:
    term = fake_term()
    term.check()
    term.expire()
    with pytest.raises(LeadershipLost, match="expire"):
        term.check()
    assert not term.wait(0.0)
    term.renew()
    with pytest.raises(LeadershipLost):
        term.check()


def test_the_deadline_is_that_of_a_real_term_on_a_clock_that_the_test_moves() -> None:
    clock = ManualClock(500.0)
    term = fake_term(ttl_s=10.0, clock=clock)
    assert term.deadline_s == pytest.approx(500.0 + 10.0 * 0.998)
    clock.advance(8.5)
    term.check()
    assert term.stopping, "the stop grace has begun"
    assert not term.wait(1.0)
    clock.advance(1.5)
    with pytest.raises(LeadershipLost, match="no heartbeat"):
        term.check()


def test_waiting_passes_the_time_and_renews_as_a_healthy_member_would() -> None:
    term = fake_term(ttl_s=10.0)
    begun_s = term.clock.now()
    assert term.wait(3600.0)
    assert term.clock.now() == begun_s + 3600.0
    term.check()


def test_declared_steps_are_recorded() -> None:
    term = fake_term()
    with term.step(max_s=300.0):
        term.progress()
    assert term.steps == [300.0]


def test_key_and_token_are_as_chosen() -> None:
    term = fake_term("resize", shard=3, seat=1, generation=7, token=99)
    assert term.key == ClaimKey("resize", 7, 3, 1)
    assert (term.token, term.generation, term.shard, term.seat) == (99, 7, 3, 1)
    assert isinstance(term, Term)


def test_it_passes_a_fence_and_is_refused_by_one() -> None:
    with closing(sqlite3.connect(":memory:")) as connection:
        connection.execute("CREATE TABLE done (token)")
        newer, older = fake_term(token=8), fake_term(token=7)
        with SqlFence(newer, connection) as cursor:
            cursor.execute("INSERT INTO done VALUES (?)", (newer.token,))
        with pytest.raises(Fenced), SqlFence(older, connection) as cursor:
            cursor.execute("INSERT INTO done VALUES (?)", (older.token,))
        newer.expire()
        with pytest.raises(LeadershipLost), SqlFence(newer, connection):
            pass
        assert connection.execute("SELECT token FROM done").fetchall() == [(8,)]


def test_coroutines_take_the_same_term() -> None:
    async def work(term: FakeAsyncTerm) -> int:
        rounds = 0
        while await term.wait(30.0):
            term.check()
            term.progress()
            rounds += 1
        return rounds

    fake = fake_term(waits=4)
    assert asyncio.run(work(fake.as_async())) == 4
    assert fake.progressed == 4
    fake.expire()
    with pytest.raises(LeadershipLost):
        fake.as_async().check()


def test_one_expired_term_does_not_end_another() -> None:
    first, second = fake_term(), fake_term()
    first.expire()
    second.check()
    assert second.wait(1.0)
