"""A grid of settings, from a TOML file: every combination of what its lists say.

Owns the keys of the file, and which combinations cannot be. What is unknown is refused with line,
cause and cure; what is known and does not go together (a heartbeat that leaves no time within a
ttl, a fault of servers on a store that has none) is left out, with its reason. Simulates nothing.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path
from typing import Any

from coord.config import parse_duration_s
from coord.errors import ConfigError, UsageError
from coord.lab.chaos.faults import MEMBERS
from coord.lab.chaos.tables import Source, Table, nearest
from coord.lab.pauses import read_pauses
from coord.lab.sim.blows import SIMULATED
from coord.lab.sim.manners import MANNERS
from coord.lab.sim.pauses import Stalls
from coord.lab.sim.run import NO_FAULT, Setting
from coord.lab.work.modes import MODES

__all__ = ["Grid", "Skipped", "grid_of", "read_grid", "setting_json"]

_AXES: Mapping[str, list[Any]] = {
    "modes": ["single"],
    "stores": ["etcd"],
    "ttls": ["10s"],
    "heartbeats": ["usual"],
    "members": [3],
    "faults": ["kill"],
    "targets": ["leader"],
    "seeds": [1],
}
"""What is a list in the file, and what it is if it is not there. The last varies fastest."""
_KNOWN: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "modes": ("mode", tuple(mode.name for mode in MODES if not mode.queue)),
    "stores": ("store", tuple(MANNERS)),
    "faults": ("fault", (*SIMULATED, NO_FAULT)),
    "targets": ("target", tuple(MEMBERS)),
}
_SINGLE = ("hours", "every", "shards", "seats", "pauses")
_MOST_POINTS = 20_000
_MOST_BYTES = 1 << 20
_MOST_MEMBERS, _MOST_SHARDS = 1000, 10_000
_MOST_HOURS = 100_000.0
_MOST_TTL_S = 86_400.0
_USUAL = "usual"
_Heartbeat = tuple[str, float]


@dataclass(frozen=True, slots=True)
class Skipped:
    """A combination that cannot be, and why."""

    setting: Mapping[str, object]
    reason: str


@dataclass(frozen=True, slots=True)
class Grid:
    """Settings to be simulated, in the order of the file, and what tells them from another grid."""

    name: str
    axes: Mapping[str, Any]
    settings: tuple[Setting, ...]
    skipped: tuple[Skipped, ...]

    @property
    def digest(self) -> str:
        """Equal for grids that ask for the same settings in the same order."""
        told = [setting_json(setting) for setting in self.settings]
        return hashlib.blake2b(json.dumps(told).encode(), digest_size=16).hexdigest()


def setting_json(setting: Setting) -> dict[str, object]:
    """A setting as `coord.sweep/1` has it: all numbers told, pauses by their digest."""
    role, pauses = setting.role, setting.pauses
    drawn = None if pauses is None else repr((pauses.rate, pauses.lengths_s)).encode()
    return {
        "mode": setting.mode,
        "store": setting.store,
        "ttl_s": setting.ttl_s,
        "heartbeat_s": setting.timing.heartbeat_s,
        "members": setting.members,
        "shards": role.shards,
        "seats": role.seats,
        "fault": setting.fault,
        "target": setting.target,
        "hours": setting.hours,
        "every_s": setting.every_s,
        "seed": setting.seed,
        "pauses": None if drawn is None else hashlib.blake2b(drawn, digest_size=8).hexdigest(),
    }


def read_grid(path: Path) -> Grid:
    """Raises ConfigError with the file, the line, the cause and the cure."""
    again = "Give a grid, a TOML file: docs/sweep.md describes it."
    try:
        data = path.read_bytes()
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}", cure=again) from error
    if len(data) > _MOST_BYTES:
        raise ConfigError(f"{path} is larger than 1 MiB", cure=again)
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = 1 + data.count(b"\n", 0, error.start)
        raise ConfigError(f"{path}:{line}: this is no text in UTF-8", cure=again) from error
    return grid_of(text, str(path), beside=path.parent)


def grid_of(text: str, name: str, *, beside: Path) -> Grid:
    """The grid in a text; errors call it by that name, other files lie beside it."""
    table = Source.parse(text, name).table((), (*_AXES, *_SINGLE))
    axes = {key: _axis(table, key) for key in _AXES}
    singles: dict[str, Any] = {
        "hours": _hours(table),
        "every_s": table.seconds("every", 0.0, most=_MOST_TTL_S),
        "shards": _count(table, "shards", _MOST_SHARDS),
        "seats": _count(table, "seats", _MOST_MEMBERS),
        "pauses": _pauses(table, beside),
    }
    count = math.prod(len(values) for values in axes.values())
    if count > _MOST_POINTS:
        table.refuse(
            max(axes, key=lambda key: len(axes[key])),
            f"these are {count} settings, and {_MOST_POINTS} is the most",
            "Sweep in several files, or with fewer values.",
        )
    settings, skipped = _combined(axes, singles)
    if not settings:
        table.refuse(
            "heartbeats" if "heartbeats" in table else "stores",
            f"none of the {count} settings can be: {skipped[0].reason}",
            "Take other timings, faults or stores.",
        )
    told: dict[str, Any] = {key: [_told(value) for value in values] for key, values in axes.items()}
    told |= {key: value for key, value in singles.items() if key != "pauses"}
    if singles["pauses"] is not None:
        told["pauses"] = table.text("pauses")
    return Grid(name, told, tuple(settings), tuple(skipped))


# --- values ----------------------------------------------------------------------------------


def _axis(table: Table, key: str) -> list[Any]:
    raw = table.source.content.get(key, _AXES[key])
    values = raw if isinstance(raw, list) else [raw]
    if not values:
        table.refuse(key, f"{key} is empty", f"Name one at least, or leave {key} out.")
    found = [_value(table, key, value) for value in values]
    seen: set[object] = set()
    for value in found:
        if value in seen:
            table.refuse(key, f"{_told(value)} stands twice in {key}", "Leave one out.")
        seen.add(value)
    return found


def _value(table: Table, key: str, value: object) -> Any:  # noqa: ANN401
    if key in _KNOWN:
        noun, known = _KNOWN[key]
        if not isinstance(value, str) or value not in known:
            table.refuse(key, f"there is no {noun} {value!r}", nearest(str(value), known))
        return value
    if key in {"members", "seeds"}:
        least, most = (1, _MOST_MEMBERS) if key == "members" else (-(1 << 62), 1 << 62)
        if type(value) is not int or not least <= value <= most:
            bounds = f" from {least} to {most}" if key == "members" else ""
            table.refuse(key, f"{value!r} in {key}", f"Write whole numbers{bounds}: {key} = [3].")
        return value
    if key == "heartbeats":
        return _heartbeat(table, value)
    return _seconds(table, key, value)


def _heartbeat(table: Table, value: object) -> _Heartbeat:
    """What is usual, a share of the ttl, or a duration."""
    if value == _USUAL:
        return _USUAL, 0.0
    if isinstance(value, str) and value.endswith("%"):
        try:
            share = float(value[:-1]) / 100
        except ValueError:
            share = 0.0
        if not 0 < share < 1:
            table.refuse("heartbeats", f"{value!r} is no share of a ttl", 'Write "25%".')
        return "share", share
    return "seconds", _seconds(table, "heartbeats", value)


def _seconds(table: Table, key: str, value: object) -> float:
    cure = f'Write texts with a unit: {key} = ["5s", "10s"].'
    if not isinstance(value, str) or value.strip().replace(".", "", 1).isdigit():
        table.refuse(key, f"{value!r} in {key} is no duration with a unit", cure)
    try:
        seconds = parse_duration_s(value)
    except ConfigError as error:
        table.refuse(key, f"{key}: {error.cause}", cure)
    if not 0 < seconds <= _MOST_TTL_S:
        table.refuse(key, f"{value!r} in {key} is not above 0 and at most a day", cure)
    return seconds


def _hours(table: Table) -> float:
    value = table.source.content.get("hours", 1.0)
    if type(value) not in {int, float} or not 0 < value <= _MOST_HOURS:
        table.refuse("hours", f"hours is {value!r}", "Write a number above 0: hours = 24.")
    return float(value)


def _count(table: Table, key: str, most: int) -> int | None:
    return table.whole(key, 1, least=1, most=most) if key in table else None


def _pauses(table: Table, beside: Path) -> Stalls | None:
    if "pauses" not in table:
        return None
    path = beside / table.text("pauses")
    try:
        return Stalls.of(read_pauses(path))
    except ConfigError as error:
        table.refuse("pauses", error.cause, error.cure)


def _told(value: object) -> object:
    """A value of an axis as the saved sweep has it."""
    match value:
        case (str(kind), float(number)):
            return {_USUAL: _USUAL, "share": f"{number * 100:g}%"}.get(kind, number)
        case _:
            return value


# --- combinations ----------------------------------------------------------------------------


def _combined(
    axes: Mapping[str, list[Any]], singles: Mapping[str, Any]
) -> tuple[list[Setting], list[Skipped]]:
    settings: dict[Setting, None] = {}
    skipped: list[Skipped] = []
    for setting in _all(axes, singles):
        try:
            blow = setting.blow
            setting_json(setting)  # derives all that can be refused
        except (ConfigError, UsageError) as error:
            told = {
                "mode": setting.mode,
                "store": setting.store,
                "ttl_s": setting.ttl_s,
                "heartbeat_s": setting.heartbeat_s,
                "members": setting.members,
                "fault": setting.fault,
                "target": setting.target,
                "seed": setting.seed,
            }
            skipped.append(Skipped(told, error.cause))
            continue
        whoever = blow is None or blow.store or bool(blow.whom)
        heartbeat_s = setting.timing.heartbeat_s
        target = "leader" if whoever else setting.target
        settings[replace(setting, heartbeat_s=heartbeat_s, target=target)] = None
    return list(settings), skipped


def _all(axes: Mapping[str, list[Any]], singles: Mapping[str, Any]) -> Iterator[Setting]:
    for mode, store, ttl_s, heartbeat, members, fault, target, seed in product(*axes.values()):
        kind, number = heartbeat
        usual = kind == _USUAL
        yield Setting(
            mode=mode,
            store=store,
            ttl_s=ttl_s,
            heartbeat_s=None if usual else number * ttl_s if kind == "share" else number,
            members=members,
            fault=fault,
            target=target,
            seed=seed,
            **singles,
        )
