"""The same promises for coroutines, and those that only coroutines can be given: cancellation."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import pytest

from coord import (
    ConfigError,
    LeadershipLost,
    NotElected,
    Role,
    UsageError,
)
from coord.model import EndingKind
from coord.runtime import AsyncTerm, Leadership
from tests.unit.runtime.aio_support import idle, member, run, told_so
from tests.unit.runtime.conftest import Behind, Put
from tests.unit.runtime.support import BOUND_S, ONE, JumpingClock, endings

Begin = Callable[..., Any]


@pytest.fixture
def clock() -> JumpingClock:
    return JumpingClock()


@pytest.fixture
def hidden(behind: Put, clock: JumpingClock) -> Behind:
    return behind(clock)


# --- leading ----------------------------------------------------------------------------------


def test_lead_terms_and_status_in_a_coroutine(url: str) -> None:
    async def main() -> None:
        async with member(url) as (fleet, told):
            async with fleet.lead("one", timeout_s=BOUND_S) as term:
                term.check()
                assert await term.wait(0.01)
                assert fleet.status().held == (ONE,)
            with pytest.raises(LeadershipLost):
                term.check()
            tokens = []
            async for again in fleet.terms(Role("one", rest_s=0.0)):
                tokens.append(again.token)
                if len(tokens) == 3:
                    break
            assert all(left < right for left, right in pairwise(tokens))
            await told_so(told, "ended", "one", times=4)

    run(main())


def test_the_body_of_lead_never_runs_unelected_in_a_coroutine(url: str) -> None:
    async def main() -> None:
        async with (
            member(url, "a") as (first, _),
            member(url, "b") as (second, _),
            first.lead("one", timeout_s=BOUND_S),
        ):
            with pytest.raises(NotElected, match="within"):
                async with second.lead("one", timeout_s=0.2):
                    pytest.fail("the body ran unelected")

    run(main())


def test_breaking_out_of_an_asynchronous_loop_lets_the_role_go(url: str) -> None:
    async def main() -> None:
        async with member(url, "a") as (first, told), member(url, "b") as (second, _):
            async for _ in first.terms(Role("one", rest_s=30.0)):
                break
            await told_so(told, "ended", "one")
            async with second.lead("one", timeout_s=BOUND_S):
                pass

    run(main())


def test_stop_ends_loops_and_run(url: str) -> None:
    async def main() -> None:
        async with member(url) as (fleet, _):
            rounds = 0
            async for term in fleet.terms("one"):
                rounds += 1
                fleet.stop()
                assert not await term.wait(BOUND_S)
                term.check()
            assert rounds == 1
            await fleet.run()
            assert fleet.status().phase == "stopped"
            async for _ in fleet.terms("late"):
                pytest.fail("a term after the end")

    run(main())


def test_serve_runs_a_task_a_shard(url: str) -> None:
    async def main() -> None:
        shards: set[int] = set()

        async def work(term: AsyncTerm) -> None:
            shards.add(term.shard)
            while await term.wait(BOUND_S):
                pass

        async with member(url) as (fleet, told):
            fleet.serve(Role("many", shards=50), work)
            await told_so(told, "began", "many", times=50)
        assert shards == set(range(50))

    run(main())


def test_held_yields_the_set_each_time_it_changes_to_a_coroutine(url: str) -> None:
    async def main() -> None:
        role = Role("many", shards=6)
        async with member(url, "a") as (first, told), member(url, "b") as (second, _):
            joined = False
            async for terms in first.held(role):
                if len(terms) == 6 and not joined:
                    joined = True
                    second.serve(role, idle)
                if joined and len(terms) == 3:
                    assert not any(term.stopping for term in terms)
                    break
                while await terms.wait(BOUND_S):
                    pass
            await told_so(told, "ended", "many", times=6)

    run(main())


def test_observe_shows_who_leads_to_many_coroutines(url: str) -> None:
    """More of them than the loop's default executor has threads."""

    async def main() -> None:
        async with member(url, "a") as (leader, _), member(url, "b") as (watcher, _):
            found: list[asyncio.Future[Leadership]] = []

            async def watch(future: asyncio.Future[Leadership]) -> None:
                async for change in watcher.observe("one"):
                    if change.leaders and not future.done():
                        future.set_result(change)

            found = [asyncio.get_running_loop().create_future() for _ in range(100)]
            watchers = [asyncio.create_task(watch(future)) for future in found]
            async with leader.lead("one", timeout_s=BOUND_S) as term:
                for change in await asyncio.gather(*found):
                    assert change.leaders[0, 0].token == term.token
            watcher.stop()
            await asyncio.gather(*watchers)

    run(main())


# --- endings ----------------------------------------------------------------------------------


def test_a_coroutine_that_returns_rests_and_one_that_raises_is_barred(
    url: str, hidden: Behind
) -> None:
    async def fail(_: AsyncTerm) -> None:
        raise RuntimeError("no such bucket")

    async def main() -> None:
        async with member(url) as (fleet, told):
            fleet.serve(Role("one", bar_s=30.0), fail)
            await told_so(told, "failed", "one")
            await told_so(told, "called", "Release")

    run(main())
    assert endings(hidden.server) == [("a", EndingKind.RAISED)]


def test_raising_in_the_body_of_lead_bars_the_member(url: str, hidden: Behind) -> None:
    async def main() -> None:
        async with member(url) as (fleet, _):
            with pytest.raises(TimeoutError, match="of the body itself"):
                async with fleet.lead("one", timeout_s=BOUND_S):
                    raise TimeoutError("of the body itself")

    run(main())
    assert endings(hidden.server) == [("a", EndingKind.RAISED)]


def test_a_plain_function_is_refused(url: str) -> None:
    async def main() -> None:
        async with member(url) as (fleet, _):
            with pytest.raises(ConfigError, match="not a coroutine function"):
                fleet.serve("one", lambda _: None)
            fleet.serve("one", idle)
            with pytest.raises(UsageError, match="already"):
                fleet.serve("one", idle)

    run(main())


def test_an_object_with_an_asynchronous_call_is_served(url: str) -> None:
    class Work:
        async def __call__(self, term: AsyncTerm) -> None:
            await idle(term)

    async def main() -> None:
        async with member(url) as (fleet, told):
            fleet.serve("one", Work())
            await told_so(told, "began", "one")

    run(main())
