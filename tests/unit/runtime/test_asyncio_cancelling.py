"""What only coroutines can be given: cancellation in time, and a loop that comes and goes."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from coord import (
    AsyncCoordinator,
    LeadershipLost,
    Role,
    Timing,
)
from coord.runtime import AsyncHeldTerms, AsyncTerm
from tests.unit.runtime.aio_support import idle, member, run, told_so
from tests.unit.runtime.conftest import QUICK, Behind, Put, Start
from tests.unit.runtime.support import BOUND_S, JumpingClock, Recorder, endings

Begin = Callable[..., Any]


@pytest.fixture
def clock() -> JumpingClock:
    return JumpingClock()


@pytest.fixture
def hidden(behind: Put, clock: JumpingClock) -> Behind:
    return behind(clock)


# --- cancellation -----------------------------------------------------------------------------

Stubborn = Callable[[AsyncTerm], Awaitable[None]]


def test_work_is_cancelled_at_stop_at(url: str, hidden: Behind, clock: JumpingClock) -> None:
    """And not before: up to then it may finish what it is in the middle of."""

    async def main() -> None:
        cancelled = asyncio.Event()

        async def work(term: AsyncTerm) -> None:
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                term.check()  # the grace: still ours
                cancelled.set()
                raise

        async with member(url, clock=clock) as (fleet, told):
            fleet.serve("one", work)
            await told_so(told, "began", "one")
            hidden.gates.break_with("heartbeat", lambda: TimeoutError("lost"))
            clock.ahead_s += QUICK.ttl_s * (1 - QUICK.drift) - QUICK.stop_grace_s
            await cancelled.wait()
            await told_so(told, "ended", "one")
            hidden.gates.mend("heartbeat")

    run(main())


def test_work_is_cancelled_though_the_control_thread_is_stuck(url: str, hidden: Behind) -> None:
    timing = Timing.of(1.0, settle_s=0.02)

    async def main() -> None:
        cancelled = asyncio.Event()

        async def work(_: AsyncTerm) -> None:
            try:
                await asyncio.Event().wait()
            finally:
                cancelled.set()

        async with member(url, timing=timing) as (fleet, told):
            fleet.serve("one", work)
            await told_so(told, "began", "one")
            entered = hidden.gates.shut("view")
            fleet._inner.engine().wake()
            await asyncio.to_thread(entered.wait, BOUND_S)
            hidden.gates.break_with("heartbeat", lambda: TimeoutError("lost"))
            await cancelled.wait()
            hidden.gates.open_all()

    run(main())


def test_work_that_rests_is_not_cancelled_when_it_leaves_by_itself(
    url: str, hidden: Behind, clock: JumpingClock
) -> None:
    async def main() -> None:
        left = asyncio.Event()

        async def work(term: AsyncTerm) -> None:
            assert not await term.wait(BOUND_S)
            await asyncio.sleep(0)
            left.set()

        async with member(url, clock=clock) as (fleet, told):
            fleet.serve("one", work)
            await told_so(told, "began", "one")
            clock.ahead_s += QUICK.ttl_s
            await left.wait()

    run(main())


def test_work_asked_to_stop_in_order_has_the_grace_and_is_then_cancelled(url: str) -> None:
    timing = Timing.of(10.0, stop_grace_s=0.1, settle_s=0.02)

    async def main() -> None:
        order: list[str] = []

        async def work(term: AsyncTerm) -> None:
            assert not await term.wait(BOUND_S)
            order.append("asked")
            try:
                await asyncio.Event().wait()
            finally:
                order.append("cancelled")
                term.check()  # the claim is still ours: heartbeats went on meanwhile

        async with member(url, timing=timing) as (fleet, told):
            fleet.serve("one", work)
            await told_so(told, "began", "one")
        assert order == ["asked", "cancelled"]
        assert told.count("report", "stop-forced") == 0

    run(main())


def test_the_body_of_lead_is_cancelled_and_raises_leadership_lost(
    url: str, hidden: Behind, clock: JumpingClock
) -> None:
    async def lead_for_ever(fleet: AsyncCoordinator) -> None:
        async with fleet.lead("one", timeout_s=BOUND_S):
            clock.ahead_s += QUICK.ttl_s
            await asyncio.Event().wait()

    async def main() -> None:
        async with member(url, clock=clock) as (fleet, _):
            with pytest.raises(LeadershipLost):
                await lead_for_ever(fleet)
            task = asyncio.current_task()
            assert task is not None
            assert task.cancelling() == 0

    run(main())
    assert endings(hidden.server) == []


def test_work_that_cancels_itself_ends_its_term_and_nothing_else(url: str) -> None:
    async def main() -> None:
        async def work(_: AsyncTerm) -> None:
            task = asyncio.current_task()
            assert task is not None
            task.cancel()
            await asyncio.Event().wait()

        async with member(url) as (fleet, told):
            fleet.serve(Role("one", rest_s=0.0), work)
            fleet.serve("two", idle)
            await told_so(told, "began", "one", times=2)
            await told_so(told, "began", "two")
            assert told.count("ended", "two") == 0

    run(main())


# --- the loop itself --------------------------------------------------------------------------


def test_work_that_blocks_the_loop_is_replaced_like_any_that_is_wedged(
    url: str, start: Start
) -> None:
    async def main() -> None:
        go_on = threading.Event()

        async def block(_: AsyncTerm) -> None:
            go_on.wait(BOUND_S)

        async with member(url) as (fleet, told):

            def replace() -> None:
                told.await_told("began", "one")
                second.serve(role, lambda term: term.wait(BOUND_S))
                other.await_told("began", "one")
                go_on.set()

            replacing = threading.Thread(target=replace)
            replacing.start()
            fleet.serve(role, block)
            await asyncio.to_thread(replacing.join, BOUND_S)
            assert go_on.is_set()
            assert told.count("report", "late") == 1

    role = Role("one", progress_timeout_s=0.05, bar_s=30.0)
    second, other = start("b")
    run(main())


def test_a_loop_that_ends_without_closing_lets_the_role_go(url: str) -> None:
    """Tasks are cancelled with their loop; claiming again for a loop that is gone helps nobody."""
    told = Recorder()
    fleet: list[AsyncCoordinator] = []

    async def main() -> None:
        fleet.append(AsyncCoordinator(url, member="a", timing=QUICK, hooks=told))
        await fleet[0].start()
        fleet[0].serve(Role("one", rest_s=0.0), idle)
        await told_so(told, "began", "one")

    run(main())
    told.await_told("ended", "one")
    told.await_told("called", "Heartbeat", times=told.count("called", "Heartbeat") + 2)
    assert told.count("began", "one") <= 2
    fleet[0]._inner.close()


def test_a_start_that_is_cancelled_leaves_nothing(url: str, hidden: Behind) -> None:
    async def main() -> None:
        entered = hidden.gates.shut("open_session")
        fleet = AsyncCoordinator(url, member="a", timing=QUICK)
        starting = asyncio.create_task(fleet.start())
        await asyncio.to_thread(entered.wait, BOUND_S)
        starting.cancel()
        await asyncio.sleep(0)
        hidden.gates.open("open_session")
        with pytest.raises(asyncio.CancelledError):
            await starting

    run(main())
    assert hidden.server.store().view("g").members == {}


def test_a_default_executor_full_of_work_keeps_nobody_from_stopping(url: str) -> None:
    async def main() -> None:
        go_on = threading.Event()
        async with member(url) as (fleet, told):
            fleet.serve("one", idle)
            await told_so(told, "began", "one")
            busy = [asyncio.create_task(asyncio.to_thread(go_on.wait, BOUND_S)) for _ in range(40)]
            await asyncio.sleep(0)
        go_on.set()
        await asyncio.gather(*busy)

    run(main())


def test_an_empty_set_of_a_coroutine_waits_too(url: str) -> None:
    async def main() -> None:
        async with (
            member(url, "a") as (first, _),
            member(url, "b") as (second, _),
            first.lead("one", timeout_s=BOUND_S),
        ):
            seen: list[AsyncHeldTerms] = []
            async for terms in second.held("one"):
                seen.append(terms)
                assert await terms.wait(0.05)
                second.stop()
                assert not await terms.wait(BOUND_S)
            assert [len(terms) for terms in seen] == [0]

    run(main())
