"""A run that is kept: one directory with its scenario, its facts, its event logs and its report.

Owns the files and what is refused of them:

    scenario.toml   what was played, in full
    run.json        `coord.chaos-run/1`: what a verdict depends on besides the logs
    *.jsonl         `coord.events/1`, by process
    report.json     `coord.report/1`

Judges nothing: `coord.lab.chaos.verdict` does, from the second and the third alone.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

from coord.errors import ConfigError, UsageError
from coord.lab.chaos.scenario import Scenario
from coord.lab.chaos.verdict import Facts, Verdict
from coord.lab.chaos.writing import to_toml
from coord.lab.measure import Log, load, to_json

__all__ = [
    "REPORT",
    "RUN",
    "RUN_SCHEMA",
    "SCENARIO",
    "keep",
    "load_facts",
    "load_run",
    "logs_in",
    "note",
    "refuse_full",
]

_SPARE = ".spare"
_SPARE_BYTES = 1 << 16
RUN_SCHEMA = "coord.chaos-run/1"
SCENARIO, RUN, REPORT = "scenario.toml", "run.json", "report.json"
_AGAIN = "Run the scenario again; `coord chaos FILE.toml --events DIR` makes such a directory."


def note(directory: Path, scenario: Scenario) -> None:
    """What is going to be played; before it is, so that it stands there however it ends."""
    try:
        (directory / SCENARIO).write_text(to_toml(scenario))
    except OSError as error:
        raise _unwritable(directory, error) from error
    refuse_full(directory)


def refuse_full(directory: Path) -> None:
    """Raise ConfigError if a directory's disk is full: what a run left there is not whole."""
    spare = directory / _SPARE
    try:
        spare.write_bytes(bytes(_SPARE_BYTES))
    except OSError as error:
        raise _unwritable(directory, error) from error
    finally:
        with suppress(OSError):
            spare.unlink()


def _unwritable(directory: Path, error: OSError) -> ConfigError:
    return ConfigError(
        f"{directory} cannot be written: {error.strerror}; without whole logs there is no verdict",
        cure="Give --events, and TMPDIR in the environment, directories that can be written, with "
        "some 100 MiB to spare.",
    )


def logs_in(directory: Path) -> dict[str, int]:
    """The event logs of a run that is over, and how many bytes they have."""
    return {file.name: file.stat().st_size for file in sorted(directory.glob("*.jsonl"))}


def keep(directory: Path, verdict: Verdict) -> None:
    """What a run was and what it came to, beside its logs."""
    facts = {"schema": RUN_SCHEMA, **asdict(verdict.facts)}
    (directory / RUN).write_text(json.dumps(facts, indent=2) + "\n")
    (directory / REPORT).write_text(to_json(verdict.report))


def load_run(directory: Path) -> tuple[Facts, Log]:
    """What can be judged again. Raises UsageError if anything of it is missing or damaged."""
    return load_facts(directory), load(directory)


def load_facts(directory: Path) -> Facts:
    """The facts of a run whose logs are all there. Raises UsageError as `load_run` does."""
    if not os.path.isdir(directory):  # noqa: PTH112 (Path raises where this is no)
        what = "is no directory" if os.path.exists(directory) else "cannot be found"  # noqa: PTH110
        raise UsageError(f"{directory} {what}", cure="Give the directory of a run. " + _AGAIN)
    facts = _facts(directory / RUN)
    for name, size in facts.logs.items():
        file = directory / name
        if not os.path.isfile(file):  # noqa: PTH113
            raise UsageError(
                f"{file} is missing, one of the {len(facts.logs)} event logs of the run",
                cure="Bring it back: without it there is no verdict. " + _AGAIN,
            )
        if file.stat().st_size < size:
            raise UsageError(
                f"{file} is damaged: it has {file.stat().st_size} of {size} bytes",
                cure="Bring it back from where it was copied. " + _AGAIN,
            )
    return facts


def _facts(file: Path) -> Facts:
    try:
        raw = json.loads(file.read_text())
    except FileNotFoundError:
        raise UsageError(
            f"{file.parent} has no {RUN}: it holds no run, or one that did not come to its end",
            cure=_AGAIN,
        ) from None
    except OSError as error:
        raise UsageError(f"{file} cannot be read: {error.strerror}", cure=_AGAIN) from error
    except ValueError as error:
        raise UsageError(f"{file} is damaged: it is no JSON ({error})", cure=_AGAIN) from error
    if not isinstance(raw, dict) or "schema" not in raw:
        raise UsageError(f"{file} is damaged: it has no schema", cure=_AGAIN)
    if raw["schema"] != RUN_SCHEMA:
        raise UsageError(
            f"{file} is written as {raw['schema']!r}, and this release reads {RUN_SCHEMA}",
            cure="Judge it with the release that wrote it, or run the scenario again.",
        )
    values: dict[str, Any] = {}
    for one in fields(Facts):
        if one.name not in raw or not _FITS[str(one.type)](raw[one.name]):
            told = repr(raw[one.name]) if one.name in raw else "missing"
            raise UsageError(f"{file} is damaged: {one.name} is {told}", cure=_AGAIN)
        values[one.name] = raw[one.name]
    return Facts(**{**values, "unrecorded": tuple(values["unrecorded"])})


def _texts_by_text(value: object) -> bool:
    return isinstance(value, dict) and all(isinstance(one, str) for one in value.values())


def _seconds(value: object) -> bool:
    return isinstance(value, int | float) and type(value) is not bool and math.isfinite(value)


_FITS: Mapping[str, Callable[[object], bool]] = {
    "str": lambda value: isinstance(value, str),
    "bool": lambda value: isinstance(value, bool),
    "int": lambda value: type(value) is int,
    "float": _seconds,
    "Mapping[str, str]": _texts_by_text,
    "Mapping[str, int]": lambda value: (
        isinstance(value, dict) and all(type(one) is int for one in value.values())
    ),
    "tuple[str, ...]": lambda value: (
        isinstance(value, list) and all(isinstance(one, str) for one in value)
    ),
}
