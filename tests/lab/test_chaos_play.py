"""How a play ends: what was left to be done is waited for, as long as somebody does it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest

from coord.lab.chaos import stage as staging
from coord.lab.chaos.contestant import Place
from coord.lab.chaos.daemon_scene import DaemonScene
from coord.lab.chaos.ground import Ground
from coord.lab.chaos.scene import Scene
from coord.lab.chaos.stage import Stage
from coord.telemetry import EventLog

_WAIT_S = 0.3


class _Slow:
    """Work that is done bit by bit, each bit seen only after a while; or not at all."""

    name = "slow"
    tau_s = 1.0

    def __init__(self, left: int, looks: int) -> None:
        self.left = left
        self._looks = looks
        self._seen = 0

    def scene(self, members: Iterable[str]) -> Scene:
        return DaemonScene((), members)

    def enter(self, work: Path, events: EventLog) -> AbstractContextManager[_Slow]:
        @contextmanager
        def entered() -> Iterator[_Slow]:
            yield self

        return entered()

    def command(self, place: Place) -> Sequence[str]:
        raise NotImplementedError

    def environ(self, place: Place) -> Mapping[str, str]:
        raise NotImplementedError

    def turn(self) -> None:
        """Nothing more falls due."""

    def waiting(self) -> int:
        self._seen += 1
        if self._looks and self._seen % self._looks == 0:
            self.left = max(0, self.left - 1)
        return self.left


class _Nobody:
    def show(self, scene: Scene) -> None:
        """Nobody looks."""

    def say(self, text: str, *, style: str = "") -> None:
        """Nobody listens."""


@contextmanager
def _stage(folder: Path, contestant: _Slow) -> Iterator[Stage]:
    (work := folder / "work").mkdir()
    (events := folder / "events").mkdir()
    ground = Ground(url="sqlite:///x", kind="sqlite", group="lab", ttl_s=0.1, own=True)
    with Stage(
        contestant,
        members=(),
        ground=ground,
        work=work,
        events=events,
        screen=_Nobody(),
        interrupted=lambda: None,
    ) as stage:
        yield stage


def test_what_is_left_is_waited_for_as_long_as_it_gets_less(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(staging, "_DRAIN_S", _WAIT_S)
    slow = _Slow(left=5, looks=3)  # in all more than the wait, each less
    with _stage(tmp_path, slow) as stage:
        assert stage.drain()
    assert slow.left == 0


def test_what_nobody_does_is_not_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(staging, "_DRAIN_S", _WAIT_S)
    with _stage(tmp_path, _Slow(left=5, looks=0)) as stage:
        assert not stage.drain()
