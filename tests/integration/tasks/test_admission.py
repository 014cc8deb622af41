"""A real worker on a real queue beside a tenant that suddenly sends 20 times as much."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from coord.tasks import Job, Worker, task
from coord.tasks.opening import open_queue
from coord.tasks.queue.admission import Admission, Fair, Fixed, FixedLimit
from coord.tasks.queue.payload import JsonCodec, outgoing
from coord.tasks.queue.signals import Signals
from coord.tasks.queue.spi import Depth

pytestmark = pytest.mark.xdist_group("admission")

STEADY = [f"steady-{n}" for n in range(9)]
WORK_S, AT_ONCE = 0.05, 2  # so 40 messages a second; quiet is 20, the flood 58
PER_SECOND, TIMES = 2, 20
QUIET_S, FLOOD_S = 5.0, 10.0
STEP_S = 0.25


class Scene:
    """One worker, and somebody who sends; how long the messages of the steady tenants took."""

    def __init__(self, folder: Path, admission: Admission) -> None:
        self.url = f"sqlite:///{folder / 'queue.db'}"
        self.took: dict[str, list[float]] = {"quiet": [], "flood": []}
        self.signals: list[Signals] = []
        self.sent = 0
        self._queue = open_queue(self.url, timeout_s=5.0)
        took = self.took

        @task("work")
        def work(job: Job, tenant: str, phase: str, at: float) -> None:
            time.sleep(WORK_S)
            if tenant != "noisy":
                took[phase].append(time.monotonic() - at)

        self._worker = Worker(
            self.url,
            tasks=[work],
            admission=admission,
            wait_s=1.0,
            drain_s=5.0,
        )

    def _send(self, tenant: str, phase: str, count: int) -> None:
        arguments = {"tenant": tenant, "phase": phase, "at": time.monotonic()}
        one = outgoing("work", arguments, codec=JsonCodec(), group=tenant)
        self._queue.send([one] * count)
        self.sent += count

    def _phase(self, phase: str, for_s: float, times: int) -> None:
        """Everybody at the usual rate, spread evenly; the noisy one at so many times that."""
        end_s = time.monotonic() + for_s
        step = 0
        while (next_s := time.monotonic() + STEP_S) < end_s:
            for number, tenant in enumerate(STEADY):
                if (step + number) % (1 / STEP_S / PER_SECOND) == 0:
                    self._send(tenant, phase, 1)
            noisy = PER_SECOND * times * STEP_S
            self._send("noisy", phase, int(noisy) if noisy >= 1 else step % 2)
            step += 1
            self.signals.append(self._worker.signals())
            time.sleep(max(0.0, next_s - time.monotonic()))

    def play(self) -> Depth:
        """Quiet, flood, and until the steady tenants have their answers; what is left then."""
        try:
            with self._worker:
                self._phase("quiet", QUIET_S, 1)
                self._phase("flood", FLOOD_S, TIMES)
                self._until_answered(60.0)
            return self._queue.depth()
        finally:
            self._queue.close()

    def _until_answered(self, within_s: float) -> None:
        end_s = time.monotonic() + within_s
        seen = -1
        while time.monotonic() < end_s and seen != len(self.took["flood"]):
            seen = len(self.took["flood"])
            time.sleep(2.0)

    @property
    def done(self) -> int:
        return self._worker.counts.get("done", 0)

    def percentile_s(self, phase: str, of_hundred: int) -> float:
        found = sorted(self.took[phase])
        return found[len(found) * of_hundred // 100]


def _played(folder: Path, admission: Admission) -> tuple[Scene, Depth]:
    folder.mkdir()
    scene = Scene(folder, admission)
    return scene, scene.play()


def test_steady_tenants_do_not_wait_behind_the_flood_of_another(tmp_path: Path) -> None:
    """The bounds leave room for a busy machine; in virtual time they are tight."""
    fair, left = _played(tmp_path / "fair", Fair(FixedLimit(AT_ONCE)))
    plain, _ = _played(tmp_path / "plain", Fixed(AT_ONCE))
    quiet_s, flood_s = fair.percentile_s("quiet", 95), fair.percentile_s("flood", 95)
    assert flood_s <= 2 * quiet_s + 0.5
    assert plain.percentile_s("flood", 95) >= 3 * flood_s, "or there was no flood"
    assert left.dead == 0
    assert fair.done + left.undone == fair.sent
    assert max(signals.deferred for signals in fair.signals) > 0
    assert fair.signals[-1].deferrals["tenant"] > 0
    assert fair.signals[-1].limit == AT_ONCE
    assert fair.signals[-1].tenants[0].name == "noisy"


def _until(seen: Callable[[], bool], within_s: float) -> None:
    end_s = time.monotonic() + within_s
    while not seen():
        assert time.monotonic() < end_s, "it took too long"
        time.sleep(0.05)


def test_a_worker_finds_how_many_handlers_a_resource_takes(tmp_path: Path) -> None:
    """Four places for 50 ms each: 80 a second, whoever waits in line for them."""
    places = threading.Semaphore(4)

    @task("work")
    def work(job: Job) -> None:
        with places:
            time.sleep(WORK_S)

    url = f"sqlite:///{tmp_path / 'queue.db'}"
    queue = open_queue(url, timeout_s=5.0)
    one = outgoing("work", {}, codec=JsonCodec())
    for _ in range(160):
        queue.send([one] * 10)
    limits: list[int] = []
    with Worker(url, tasks=[work], wait_s=1.0, drain_s=5.0) as worker:
        _until(lambda: _done(worker, limits) >= 1600, 90.0)
        most = worker.signals().most
    assert queue.depth().undone == 0
    queue.close()
    settled = sorted(limits[len(limits) // 2 :])
    assert 2 <= settled[len(settled) // 2] <= 16 < most


def _done(worker: Worker, limits: list[int]) -> int:
    limits.append(worker.signals().limit)
    return worker.counts.get("done", 0)
