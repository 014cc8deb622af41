"""The clock of a worker that the lab can set wrong, and what the event log says of its times.

Owns the file that says how wrong the clock is, both ends of it, and the way back to the real time.
A member of the lab is given this clock as it would be given any other; it cannot tell.

The file is a list of settings: from a moment of the real boot clock on, the clock shows such a time
and goes at such a rate. It only grows, and each setting begins a moment after it was written, so
that no reader sees half of one and nobody's time ever goes backwards, as boot clocks' does not.
"""

from __future__ import annotations

import mmap
import os
import struct
import time
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

from coord.clock import SYSTEM_CLOCK, Clock
from coord.errors import UsageError
from coord.lab.work.failpoint import Failpoint, failpoints_folder
from coord.model import ClaimKey
from coord.runtime.hooks import Hooks, HooksChain

__all__ = ["CLOCK", "RealTimes", "Steering", "WrongClock", "clock_of"]

CLOCK = "clock"
"""The name of the file, as of a failpoint."""

_COUNT = struct.Struct("=q")
_SETTING = struct.Struct("=ddd")
_MOST = 1024
_BYTES = _COUNT.size + _MOST * _SETTING.size
_SOON_S = 0.01
_ONE_CLOCK = "sqlite"


class Setting(NamedTuple):
    """From `since_s` of the real clock on it shows `shown_s`, and `rate` seconds each second."""

    since_s: float
    shown_s: float
    rate: float

    def at(self, real_s: float) -> float:
        """What the clock shows then."""
        return self.shown_s + (real_s - self.since_s) * self.rate


_RIGHT = Setting(0.0, 0.0, 1.0)


class _File:
    """The settings, in memory that both ends share."""

    def __init__(self, path: Path, *, writable: bool) -> None:
        access = mmap.ACCESS_WRITE if writable else mmap.ACCESS_READ
        with path.open("r+b" if writable else "rb") as file:
            self._bytes = mmap.mmap(file.fileno(), _BYTES, access=access)

    def count(self) -> int:
        found: int = _COUNT.unpack_from(self._bytes, 0)[0]
        return found

    def setting(self, index: int) -> Setting:
        return Setting(*_SETTING.unpack_from(self._bytes, _COUNT.size + index * _SETTING.size))

    def add(self, setting: Setting) -> None:
        """First the setting, then that there is one more."""
        count = self.count()
        if count >= _MOST:
            raise UsageError("this clock was set too often", cure="Play fewer rounds.")
        _SETTING.pack_into(self._bytes, _COUNT.size + count * _SETTING.size, *setting)
        _COUNT.pack_into(self._bytes, 0, count + 1)


def _made(path: Path) -> Path:
    """The file, with a clock that is right if nobody has made it yet."""
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(f"{path.name}~{os.getpid()}")
    fresh.write_bytes((_COUNT.pack(1) + _SETTING.pack(*_RIGHT)).ljust(_BYTES, b"\0"))
    try:
        path.hardlink_to(fresh)
    except FileExistsError:  # a member that was started again goes on with its clock
        pass
    finally:
        fresh.unlink()
    return path


class WrongClock:
    """A clock that shows what its file says. Implements `Clock`; never backwards; any thread."""

    def __init__(self, path: Path, *, base: Clock = SYSTEM_CLOCK) -> None:
        """`base`: the real time. The file is made if there is none."""
        self._base = base
        self._file = _File(_made(path), writable=False)

    def now(self) -> float:
        """Seconds on this clock."""
        real_s = self._base.now()
        index = self._file.count() - 1
        setting = self._file.setting(index)
        while setting.since_s > real_s and index > 0:
            index -= 1
            setting = self._file.setting(index)
        return setting.at(real_s)

    def real_s(self, shown_s: float) -> float:
        """When, in real time, this clock showed or will show that, if it goes on as it does now.

        A time that it jumped over is that of the jump.
        """
        if shown_s in (float("inf"), float("-inf")):
            return shown_s
        until_s = float("inf")
        for index in reversed(range(self._file.count())):
            setting = self._file.setting(index)
            if shown_s >= setting.shown_s or index == 0:
                return min(setting.since_s + (shown_s - setting.shown_s) / setting.rate, until_s)
            until_s = setting.since_s
        return shown_s


class Steering:
    """The other end: it sets a clock wrong. Raises UsageError if no process has that clock."""

    def __init__(self, path: Path, *, base: Clock = SYSTEM_CLOCK) -> None:
        if not path.exists():
            raise UsageError(
                f"no process takes its time from {path.name}",
                cure="Only the lab's own work has a clock that can be set: leave the command out.",
            )
        self._base = base
        self._file = _File(path, writable=True)

    def jump(self, by_s: float) -> None:
        """So much later at once, as after a suspend. Returns when that is in force."""
        last = self._file.setting(self._file.count() - 1)
        self._begin(last.rate, by_s)

    def run(self, rate: float) -> None:
        """So many seconds each second from now on; what it was wrong by until now stays."""
        self._begin(rate, 0.0)

    def _begin(self, rate: float, by_s: float) -> None:
        last = self._file.setting(self._file.count() - 1)
        since_s = max(self._base.now(), last.since_s) + _SOON_S
        self._file.add(Setting(since_s, last.at(since_s) + by_s, rate))
        while (left_s := since_s - self._base.now()) > 0:
            time.sleep(left_s)


def clock_of(
    member: str, *, store: str, environ: Mapping[str, str] | None = None
) -> WrongClock | None:
    """The clock that the lab may set wrong for this member; None outside of it.

    None on a file too: all processes of a machine read one clock, and SQLite counts on it. With
    clocks of their own its members would watch each other instead, and notice silence later than
    they do anywhere outside of the lab.
    """
    folder = failpoints_folder(environ)
    if folder is None or urlsplit(store).scheme == _ONE_CLOCK:
        return None
    path = Failpoint.of(folder, member, CLOCK).path
    return None if path is None else WrongClock(path)


class RealTimes(HooksChain):
    """Passes on what the runtime tells, its moments in real time: logs are compared by that."""

    def __init__(self, told: Hooks, clock: WrongClock) -> None:
        super().__init__([told])
        self._real_s = clock.real_s

    def trusted(self, until_s: float) -> None:
        """In real time."""
        super().trusted(self._real_s(until_s))

    def term_began(self, key: ClaimKey, token: int, until_s: float, *, asked_s: float) -> None:
        """In real time."""
        until_s, asked_s = self._real_s(until_s), self._real_s(asked_s)
        super().term_began(key, token, until_s, asked_s=asked_s)

    def called(
        self, operation: str, start_s: float, end_s: float, *, certainty: str | None
    ) -> None:
        """In real time."""
        start_s, end_s = self._real_s(start_s), self._real_s(end_s)
        super().called(operation, start_s, end_s, certainty=certainty)
