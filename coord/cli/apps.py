"""`--app MODULE[:ATTR]`: where a program's tasks are.

Owns finding them. Runs nothing but the import of the module.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from traceback import extract_tb
from typing import Any

import rich_click as click

import coord
from coord.errors import ConfigError, CoordError
from coord.tasks import spec_of, tasks_of
from coord.tasks.queue.payload import check_takes_job

__all__ = ["app_option", "tasks_in"]

_Task = Callable[..., object]
_NOT_THEIRS = ("<", *(str(Path(str(one.__file__)).parent) for one in (coord, importlib)))


def app_option(function: Callable[..., Any]) -> Callable[..., Any]:
    """The option, required."""
    return click.option(
        "--app",
        "app",
        metavar="MODULE[:ATTR]",
        required=True,
        help="A module (looked for in the current directory first), and in it a task, a list of "
        "tasks, or nothing: all that it marks.",
    )(function)


def tasks_in(app: str) -> list[_Task]:
    """The tasks of `MODULE[:ATTR]`. Raises `ConfigError` with what is wrong and what to write."""
    module_name, _, attribute = app.partition(":")
    module = _imported(module_name)
    found = _named(module, app, attribute) if attribute else tasks_of(module)
    if not found:
        raise ConfigError(
            f"{app!r} has no tasks", cure="Mark functions with @task: `from coord import task`."
        )
    for function in found:
        check_takes_job(spec_of(function).name, function)
    return found


def _imported(name: str) -> object:
    if not all(part.isidentifier() for part in name.split(".")):
        raise ConfigError(
            f"{name!r} is no name of a module",
            cure="Write it as `import` would, without folder and .py: --app housekeeping.",
        )
    if str(Path.cwd()) not in sys.path:
        sys.path.insert(0, str(Path.cwd()))
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name is None or not (name == error.name or name.startswith(error.name + ".")):
            raise ConfigError(
                f"module {name!r} needs {error.name}, which is not installed",
                cure="Install it beside coord.",
            ) from error
        raise ConfigError(
            f"there is no module {name!r} here or on the path",
            cure="Run coord where the module is, or name it as `import` would, without .py.",
        ) from error
    except CoordError as error:
        raise ConfigError(
            f"module {name!r}{_place(error)}: {error.cause}", cure=error.cure
        ) from error
    except SystemExit as error:
        raise ConfigError(
            f"module {name!r}{_place(error)} ends the program when it is imported",
            cure='Put what it runs as a program below `if __name__ == "__main__":`.',
        ) from error
    except Exception as error:
        raise ConfigError(
            f"module {name!r}{_place(error)} cannot be imported: {type(error).__name__}: {error}",
            cure=f"`{sys.executable} -c 'import {name}'` shows the whole trace.",
        ) from error


def _place(error: BaseException) -> str:
    """Where in the user's code an import came to its end, as far as that can be told."""
    frames = [
        frame
        for frame in extract_tb(error.__traceback__)
        if not frame.filename.startswith(_NOT_THEIRS)
    ]
    return f" ({Path(frames[-1].filename).name}, line {frames[-1].lineno})" if frames else ""


def _named(module: object, app: str, attribute: str) -> list[_Task]:
    value: object = module
    for part in attribute.split("."):
        value = getattr(value, part, None)
        if value is None:
            raise ConfigError(f"{app!r}: there is no {part!r}", cure="Check the name.")
    if callable(value):
        spec_of(value)
        return [value]
    if isinstance(value, Iterable) and not isinstance(value, str | bytes):
        tasks = list(value)
        for one in tasks:
            spec_of(one)
        return tasks
    raise ConfigError(
        f"{app!r} is of the type {type(value).__name__}", cure="Name a task, or a list of tasks."
    )
