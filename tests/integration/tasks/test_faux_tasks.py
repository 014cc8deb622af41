"""Leaders of tasks that do nothing, in real fleets on SQLite: found out, or left alone.

Each member is a coordinator of its own in this process; what they share is the file alone.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from coord import AsyncCoordinator, Coordinator, Job, Role, Timing, task
from tests.integration.fleet import until

pytestmark = pytest.mark.xdist_group("faux-tasks")

_TIMING = Timing.of(1.0, settle_s=0.1)


class Members:
    """Coordinators of one group, stopped in the end."""

    def __init__(self, url: str, stack: ExitStack) -> None:
        self.url = url
        self._stack = stack

    def serve(self, name: str, role: Role, work: Callable[[Job], object]) -> Coordinator:
        """Start one that serves the task, and stop it with the test."""
        fleet = Coordinator(self.url, member=name, timing=_TIMING, stop_timeout_s=2.0)
        self._stack.enter_context(fleet)
        fleet.serve(role, work)
        return fleet


@pytest.fixture
def members(tmp_path: Path) -> Iterator[Members]:
    with ExitStack() as stack:
        yield Members(f"sqlite:///{tmp_path}/fleet.db", stack)


def _sweeper(
    name: str, ran: list[tuple[str, float]], does: Callable[[Job], object]
) -> Callable[[Job], object]:
    @task("sweep", every="1s", progress_timeout="2s", overlap="skip")
    def sweep(job: Job) -> None:
        ran.append((name, time.monotonic()))
        does(job)

    return sweep


def test_a_job_that_hangs_loses_its_role_to_another_member(members: Members) -> None:
    """Its runner's loop is alive all the while, and says nothing for the job."""
    ran: list[tuple[str, float]] = []
    released = threading.Event()
    members.serve("wedged", Role("sweep"), _sweeper("wedged", ran, lambda _: released.wait(60.0)))
    until(lambda: ran)
    members.serve("sound", Role("sweep"), _sweeper("sound", ran, lambda _: None))
    try:
        until(lambda: ran[-1][0] == "sound", within_s=20.0)
        hung_s = ran[0][1]
        took_s = next(at_s for name, at_s in ran if name == "sound") - hung_s
        assert 2.0 <= took_s < 8.0, "the progress timeout, a heartbeat and a tick"
        assert [name for name, _ in ran].count("wedged") == 1
    finally:
        released.set()


def test_a_leader_whose_runs_only_fail_is_followed_by_one_who_can(members: Members) -> None:
    ran: list[tuple[str, float]] = []

    def fail(job: Job) -> None:
        raise OSError("the disk is full")

    members.serve("full", Role("sweep"), _sweeper("full", ran, fail))
    until(lambda: ran)
    members.serve("sound", Role("sweep"), _sweeper("sound", ran, lambda _: None))
    until(lambda: ran[-1][0] == "sound", within_s=30.0)


def test_a_runner_that_waits_for_its_next_tick_is_not_accused(members: Members) -> None:
    """A progress timeout of half a second, and a tick an hour away."""

    @task(every="1h", progress_timeout="500ms")
    def rarely(job: Job) -> None:
        """Not now."""

    fleet = members.serve("idle", Role("rarely"), rarely)
    leaders = until(lambda: next(fleet.observe("rarely")).leaders)
    time.sleep(3.0)
    assert fleet.status().held
    assert next(fleet.observe("rarely")).leaders == leaders, "the same tenure"


def test_a_task_of_the_loop_and_one_of_threads_are_served_side_by_side(tmp_path: Path) -> None:
    """Each on its own loop for two coordinators of one process; cancelled when they stop."""
    ran: dict[str, asyncio.AbstractEventLoop | None] = {}
    both = threading.Event()
    cancelled: list[str] = []

    @task("waits", every="500ms", overlap="skip")
    async def waits(job: Job) -> None:
        ran["waits"] = asyncio.get_running_loop()
        try:
            await asyncio.sleep(60.0)
        except asyncio.CancelledError:
            cancelled.append(job.tick)
            raise

    @task("blocks", every="500ms")
    def blocks(job: Job) -> None:
        ran["blocks"] = None
        job.once(f"blocks/{job.tick}", time.sleep, 0.01)
        if "waits" in ran:
            both.set()

    async def member() -> None:
        url = f"sqlite:///{tmp_path}/fleet.db"
        async with AsyncCoordinator(url, timing=_TIMING) as fleet:
            fleet.serve("waits", waits)
            fleet.serve("blocks", blocks)
            assert await asyncio.to_thread(both.wait, 20.0)
            assert ran["waits"] is asyncio.get_running_loop()

    asyncio.run(member())
    assert cancelled
