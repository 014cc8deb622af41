"""What the pytest fixture `coord_lab` gives a test: fleets of its daemon, and queues for them.

Owns what is started for one test, and that all of it is healed and stopped with it, whatever
happened. Knows no pytest: what a missing capability means, whoever makes the lab says.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Self

from coord.clock import SYSTEM_CLOCK
from coord.lab.chaos.capabilities import CAPABILITIES, client_of, server_of
from coord.lab.chaos.daemon import Daemon
from coord.lab.chaos.fleet import WorkerFailed
from coord.lab.chaos.ground import environment, ground
from coord.lab.chaos.run import waits_of
from coord.lab.chaos.scenario import FleetPlan, Scenario, StorePlan
from coord.lab.chaos.scene import Scene
from coord.lab.chaos.stage import Stage
from coord.lab.sqs_queue import SqsQueue
from coord.lab.tested_fleet import Needs, Place, TestedFleet

__all__ = ["Lab"]

_MOST_SAID = 40


class Lab:
    """What one test has started. One thread; a context manager that leaves nothing running."""

    def __init__(self, folder: Path, *, title: str, seed: int, needs: Needs) -> None:
        """`folder`: where all files go. `seed`: of what is left to chance; the same for all."""
        self._folder = folder
        self._title = title
        self._seed = seed
        self._needs = needs
        self._open = ExitStack()
        self._begun = 0
        self._queues: list[SqsQueue] = []
        self._stories: list[tuple[TestedFleet, _Story]] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def fleet(
        self,
        command: Sequence[str],
        *,
        members: int = 3,
        store: str = "memory",
        servers: int = 1,
        ttl_s: float | None = None,
        roles: Sequence[str] = (),
        environ: Mapping[str, str] | None = None,
        tau_s: float = 1.0,
        own_disks: bool = False,
    ) -> TestedFleet:
        """Start a store and so many processes of a daemon on it; returns at once.

        `command`: what to start for each member, from the present directory; `{store}`, `{member}`,
        `{ttl}` and `{queue}` in it are replaced, and its environment says the same: COORD_STORE,
        COORD_MEMBER, COORD_TTL, COORD_QUEUE, COORD_EVENTS, and what `environ` adds.

        `store`: "memory" and "sqlite" need nothing installed; "etcd", "zookeeper" and "dynamodb"
        start servers of their own, `servers` of them (1 or 3); a URL names a fresh group in a
        store of yours, of which neither servers nor network can be struck. `ttl_s` None: what is
        usual. `roles`: what must be led for the fleet to be at rest; empty: whatever it serves.
        `tau_s`: how long due work may rest, more than the daemon's own interval. `own_disks`: put
        the store's data on small disks that can be filled.

        Raises ConfigError for what cannot be, and what the store raises.
        """
        kind, is_url, _ = store.partition("://")
        self._need_store(kind, own=not is_url)
        if own_disks:
            self._needs("tmpfs")
        plan = Scenario(
            title=self._title,
            store=StorePlan(place=store, servers=servers),
            fleet=FleetPlan(members=members, command=tuple(command), roles=tuple(roles)),
            faults=(),
            ttl_s=ttl_s,
            seed=self._seed,
        )
        daemon = self._daemon(plan, {} if environ is None else environ, tau_s)
        return self._entered(plan, daemon, own_disks=own_disks)

    def sqs(self, name: str = "queue") -> SqsQueue:
        """Start a fake of SQS with that one queue. Fleets that come later find it.

        Its URL is their COORD_QUEUE and `{queue}`, and their environment has credentials for it.
        What befalls it from then on stands in the event logs of all fleets of this test.
        """
        self._needs(client_of("sqs"))
        queue = self._open.enter_context(SqsQueue(name))
        self._open.enter_context(environment(queue.environment))
        self._queues.append(queue)
        for fleet, _ in self._stories:
            fleet.hear(queue.faults)
        return queue

    def story(self) -> str:
        """What befell the fleets so far, and where their files are: for the report of a failure."""
        return "\n".join(story.told(fleet) for fleet, story in self._stories)

    def close(self) -> None:
        """Heal, stop and leave nothing. Idempotent.

        Raises WorkerFailed in the end if a daemon had ended by itself and no call had said so.
        """
        failed: list[WorkerFailed] = []
        try:
            for fleet, _ in self._stories:
                try:
                    fleet.check()
                except WorkerFailed as error:
                    fleet.blamed = True
                    failed.append(error)
        finally:
            self._open.close()
        if failed:
            raise failed[0]

    def _need_store(self, kind: str, *, own: bool) -> None:
        names = [client_of(kind), *([server_of(kind)] if own else [])]
        for name in names:
            if name in CAPABILITIES:
                self._needs(name)

    def _daemon(self, plan: Scenario, environ: Mapping[str, str], tau_s: float) -> Daemon:
        queue = self._queues[-1].url if self._queues else ""
        return Daemon(
            command=plan.fleet.command,
            roles=plan.fleet.roles,
            environ=environ,
            queue=queue,
            tau_s=tau_s,
        )

    def _entered(self, plan: Scenario, daemon: Daemon, *, own_disks: bool) -> TestedFleet:
        story = _Story(plan)
        self._begun += 1
        base = self._folder / f"chaos-{self._begun}"
        store, processes, events = (base / name for name in ("store", "daemons", "run"))
        for folder in (base, store, processes, events):
            folder.mkdir()
        with ExitStack() as opened:
            here = opened.enter_context(
                ground(
                    plan.store.place,
                    plan.ttl_s,
                    work=store,
                    say=story.say,
                    roles={},
                    servers=plan.store.servers,
                    linked=True,
                    own_disks=own_disks,
                )
            )
            stage = Stage(
                daemon,
                members=[f"m{number}" for number in range(1, plan.fleet.members + 1)],
                ground=here,
                work=processes,
                events=events,
                screen=story,
                interrupted=_uninterrupted,
            )
            opened.enter_context(stage)
            place = Place(
                scenario=plan,
                waits=waits_of(plan, here),
                directory=events,
                dice=random.Random(f"{self._seed} {self._title} {self._begun}"),
                needs=self._needs,
            )
            self._open.push(opened.pop_all())
        fleet = TestedFleet(stage, place)
        for queue in self._queues:
            fleet.hear(queue.faults)
        self._stories.append((fleet, story))
        return fleet


class _Story:
    """What was said while a fleet was played. Implements `Screen`."""

    def __init__(self, plan: Scenario) -> None:
        self._began_s = SYSTEM_CLOCK.now()
        self._head = f"{plan.fleet.members} × {' '.join(plan.fleet.command)} on {plan.store.place}"
        self._lines: list[str] = []

    def show(self, scene: Scene) -> None:
        """Nobody looks."""

    def say(self, text: str, *, style: str = "") -> None:
        """Keep it, with its moment."""
        self._lines.append(f"{SYSTEM_CLOCK.now() - self._began_s:7.2f} s  {text}")

    def told(self, fleet: TestedFleet) -> str:
        """All of it, and where to look further."""
        left_out = len(self._lines) - _MOST_SAID
        lines = [self._head, *self._lines[-_MOST_SAID:]]
        if left_out > 0:
            lines.insert(1, f"… {left_out} lines")
        if fleet.outcome is not None:
            lines += [f"    {line}" for line in str(fleet.outcome).splitlines()]
        lines.append(f"run: {fleet.directory} (coord chaos check judges it again)")
        lines.append(f"what the daemons printed: {fleet.directory.parent / 'daemons'}")
        return "\n".join(lines)


def _uninterrupted() -> None:
    """Ctrl-C raises KeyboardInterrupt in the test's own thread; contexts heal and stop."""
