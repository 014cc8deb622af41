"""`@task`: what marks a function as housekeeping, and nothing more.

Owns the marker and what it records, checked when the function is defined. Runs nothing, keeps no
list of tasks and changes no global: a marked function is the function it was, with one attribute,
`__coord_task__`. Whoever serves functions reads that attribute and needs nothing from here.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass, replace
from math import isfinite
from types import FunctionType
from typing import TYPE_CHECKING, Protocol, TypeVar, overload

from coord.clock import Clock
from coord.config import Timing, parse_duration_s
from coord.errors import ConfigError
from coord.model import checked_name
from coord.tasks.schedule import Cron, Every, Missed, Overlap, Policies, jitter_offset_s

if TYPE_CHECKING:
    from asyncio import AbstractEventLoop

    from coord.tasks.runner.serving import FleetTasks

__all__ = ["MARK", "Marker", "TaskSpec", "spec_of", "task", "tasks_of"]

MARK = "__coord_task__"
"""The attribute of a marked function that holds its `TaskSpec`."""

_MAX_PARTS = 1_000_000
_Function = TypeVar("_Function", bound=Callable[..., object])
_Choice = TypeVar("_Choice", Missed, Overlap)


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskSpec:
    """What `@task` recorded of a function. Durations in seconds."""

    name: str
    schedule: Every | Cron | None
    """When it is due; None: it runs for messages of a queue."""
    timeout_s: float | None
    """How long one run may take; None: as long as what it stands on (term or message) lasts."""
    progress_timeout_s: float | None
    """How long a run may go without `job.progress()`; None: as its runner has it."""
    parts: int | None
    """Into how many parts each tick is cut; None: the shards of the role that runs it."""
    once: bool
    """Whether a part of a tick completes once in the group; else every seat runs every tick."""
    missed: Missed
    window_s: float
    overlap: Overlap
    jitter_s: float

    def policies(self, group: str) -> Policies:
        """How its ticks are treated in this group, with its own place in the jitter."""
        return Policies(
            missed=self.missed,
            overlap=self.overlap,
            window_s=self.window_s,
            offset_s=jitter_offset_s(self.name, group, self.jitter_s),
        )

    def companion(
        self,
        ledger_url: str,
        group: str,
        *,
        timing: Timing,
        clock: Clock,
        loop: AbstractEventLoop | None,
    ) -> FleetTasks:
        """What a coordinator serves its tasks with (see `coord.runtime.marked`)."""
        from coord.tasks.runner.serving import FleetTasks  # noqa: PLC0415  or marking loads it all

        return FleetTasks(ledger_url, group, timing=timing, clock=clock, loop=loop)


class Marker(Protocol):
    """What `@task(…)` returns: it marks a function and hands it back as it was."""

    def __call__(self, function: _Function, /) -> _Function:
        """Mark the function."""
        ...


@overload
def task(function: _Function, /) -> _Function: ...


@overload
def task(
    name: str | None = None,
    /,
    *,
    every: str | float | None = None,
    cron: str | None = None,
    zone: str = "UTC",
    timeout: str | float | None = None,
    progress_timeout: str | float | None = None,
    parts: int | None = None,
    once: bool = True,
    missed: str = "once",
    window: str | float = "1h",
    overlap: str = "skip",
    jitter: str | float | None = None,
) -> Marker: ...


def task(
    name: Callable[..., object] | str | None = None,
    /,
    *,
    every: str | float | None = None,
    cron: str | None = None,
    zone: str = "UTC",
    timeout: str | float | None = None,
    progress_timeout: str | float | None = None,
    parts: int | None = None,
    once: bool = True,
    missed: str = "once",
    window: str | float = "1h",
    overlap: str = "skip",
    jitter: str | float | None = None,
) -> object:
    """Mark a function, sync or async, as a task; it stays the function it was.

    `@task(every="30s")` or `@task(cron="*/5 * * * *", zone="Europe/Berlin")` is due by the clock;
    `@task("resize")` and bare `@task` run for messages of a queue. The name is the function's
    unless one is given; it names the task's records, so keep it when the function is renamed.
    Durations are texts such as "30s" and "1h30m", or seconds; ticks are moments in UTC.

    - `timeout`, `progress_timeout`: how long a run may take, and go without `job.progress()`.
    - `parts`: into how many parts a tick is cut; None: the shards of the role that runs it.
    - `once`: a part of a tick completes once in the group; False: every seat runs every tick.
    - `missed`: of ticks that nobody started in time run none ("skip"), the latest ("once") or
      those of the last `window` ("catch-up").
    - `overlap`: a tick that is due while the one before it runs is dropped ("skip"), waits
      ("queue"), or has the running one stopped ("replace").
    - `jitter`: the task starts up to so much after its tick, always by the same amount, drawn
      from its name: tasks of one period do not start together.

    Mark the plain function: in a class, serve the bound method (`janitor.sweep`), and put `@task`
    below `@staticmethod` and `@classmethod`. Raises ConfigError, at once, for what cannot work.
    """
    label = name if isinstance(name, str) else None
    owner = "@task" if label is None else f"task {label!r}"
    spec = TaskSpec(
        name=label or "",
        schedule=_schedule(owner, every, cron, zone),
        timeout_s=_positive_s(owner, "timeout", timeout),
        progress_timeout_s=_positive_s(owner, "progress_timeout", progress_timeout),
        parts=_checked_parts(owner, parts),
        once=_checked_once(owner, once),
        missed=_choice(owner, "missed", Missed, missed),
        window_s=_positive_s(owner, "window", window) or 0.0,
        overlap=_choice(owner, "overlap", Overlap, overlap),
        jitter_s=_jitter_s(owner, jitter),
    )
    _check_together(owner, spec)

    def mark(function: _Function, /) -> _Function:
        return _marked(function, label, spec)

    return mark if name is None or isinstance(name, str) else mark(name)


def spec_of(function: Callable[..., object]) -> TaskSpec:
    """What `@task` recorded of a function or bound method; ConfigError if it is not marked."""
    spec = getattr(function, MARK, None)
    if not isinstance(spec, TaskSpec):
        raise ConfigError(
            f"{_described(function)} is not marked as a task",
            cure='Put `@task(every="30s")` or `@task("name")` above it.',
        )
    return spec


def tasks_of(module: object) -> list[Callable[..., object]]:
    """The marked functions among a module's names (or any object's: methods come bound).

    In the order of those names, each function once. ConfigError if two of them bear one name: their
    records and messages could not be told apart.
    """
    found: dict[str, Callable[..., object]] = {}
    for attribute in vars(module) if inspect.ismodule(module) else dir(module):
        raw = inspect.getattr_static(module, attribute, None)
        if not isinstance(getattr(getattr(raw, "__func__", raw), MARK, None), TaskSpec):
            continue
        function = getattr(module, attribute)
        other = found.setdefault(spec_of(function).name, function)
        if other != function:
            raise ConfigError(
                f"{_described(other)} and {_described(function)} are both task "
                f"{spec_of(function).name!r}",
                cure='Give one of them another name: `@task("other-name", …)`.',
            )
    return list(found.values())


def _marked(function: _Function, label: str | None, spec: TaskSpec) -> _Function:
    if not isinstance(function, FunctionType):
        kind = type(function).__name__
        raise ConfigError(
            f"@task marks functions, and {_described(function)} is of type {kind}",
            cure="Put it right above `def`, below @staticmethod and @classmethod.",
        )
    if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
        raise ConfigError(
            f"task {_described(function)} is a generator: calling it would run none of its code",
            cure="Remove `yield`, or move it into a function that the task calls.",
        )
    if MARK in vars(function):
        raise ConfigError(
            f"{_described(function)} is marked as a task twice", cure="Leave one `@task`."
        )
    if label is None and function.__name__ == "<lambda>":
        raise ConfigError("a lambda has no name to call its task by", cure='Write `@task("name")`.')
    name = checked_name("task", function.__name__ if label is None else label)
    setattr(function, MARK, replace(spec, name=name))
    return function


def _described(function: object) -> str:
    name = getattr(function, "__qualname__", None)
    return f"{function.__module__}.{name}" if name else repr(function)


def _schedule(
    owner: str, every: str | float | None, cron: str | None, zone: str
) -> Every | Cron | None:
    if every is not None and cron is not None:
        raise ConfigError(
            f"{owner}: both every and cron are given", cure="Keep the one that is meant."
        )
    if cron is not None:
        return Cron(cron, zone)
    if zone != "UTC":
        raise ConfigError(
            f"{owner}: zone {zone!r} is given without cron",
            cure='`every` counts from the epoch, in UTC; write cron="0 3 * * *" for a local time.',
        )
    seconds = _positive_s(owner, "every", every)
    return None if seconds is None else Every(seconds)


def _seconds(owner: str, label: str, value: str | float | None) -> float | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise ConfigError(
            f"{owner}: {label} is {value!r}, which is not a duration",
            cure='Write it like "30s" or "1h30m", or as a number of seconds.',
        )
    try:
        seconds = parse_duration_s(value)
    except ConfigError as error:
        raise ConfigError(f"{owner}: {label}: {error.cause}", cure=error.cure) from None
    if not isfinite(seconds):
        raise ConfigError(f"{owner}: {label} is {value!r}", cure="It must be a finite time.")
    return seconds


def _positive_s(owner: str, label: str, value: str | float | None) -> float | None:
    seconds = _seconds(owner, label, value)
    if seconds is not None and seconds <= 0:
        raise ConfigError(f"{owner}: {label} is {value!r}", cure="It must be above 0.")
    return seconds


def _jitter_s(owner: str, jitter: str | float | None) -> float:
    seconds = _seconds(owner, "jitter", jitter) or 0.0
    if seconds < 0:
        raise ConfigError(f"{owner}: jitter is {jitter!r}", cure="It must be 0 or more.")
    return seconds


def _choice(owner: str, label: str, kind: type[_Choice], value: str) -> _Choice:
    try:
        return kind(value)
    except ValueError:
        raise ConfigError(
            f"{owner}: {label} cannot be {value!r}",
            cure="It is one of " + ", ".join(f'"{one.value}"' for one in kind) + ".",
        ) from None


def _checked_parts(owner: str, parts: int | None) -> int | None:
    whole = isinstance(parts, int) and not isinstance(parts, bool)
    if parts is not None and not (whole and 1 <= parts <= _MAX_PARTS):
        raise ConfigError(
            f"{owner}: parts is {parts!r}",
            cure=f"It must be a whole number from 1 to {_MAX_PARTS}.",
        )
    return parts


def _checked_once(owner: str, once: bool) -> bool:  # noqa: FBT001 - it checks the value of a setting
    if not isinstance(once, bool):
        raise ConfigError(f"{owner}: once is {once!r}", cure="It must be True or False.")
    return once


def _check_together(owner: str, spec: TaskSpec) -> None:
    """What is right by itself and makes no sense beside the rest."""
    if isinstance(spec.schedule, Every) and spec.jitter_s >= spec.schedule.period_s:
        raise ConfigError(
            f"{owner}: jitter {spec.jitter_s:g} s is not shorter than every "
            f"{spec.schedule.period_s:g} s",
            cure="Shorten the jitter, or lengthen the period.",
        )
    if spec.schedule is not None:
        return
    unused = {"parts": spec.parts is not None, "jitter": spec.jitter_s > 0}
    unused["missed"] = spec.missed is not Missed.ONCE
    unused["overlap"] = spec.overlap is not Overlap.SKIP
    named = [label for label, used in unused.items() if used]
    if named:
        raise ConfigError(
            f"{owner}: {' and '.join(named)} given, but neither every nor cron",
            cure='Only ticks can be missed, overlap or have parts: add every="…" or cron="…".',
        )
