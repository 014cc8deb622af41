"""`--app MODULE[:ATTR]`: where a program's tasks are.

Owns finding them. Runs nothing but the import of the module.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from importlib import import_module
from pathlib import Path
from typing import Any

import rich_click as click

from coord.errors import ConfigError
from coord.tasks import spec_of, tasks_of

__all__ = ["app_option", "tasks_in"]

_Task = Callable[..., object]


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
    if str(Path.cwd()) not in sys.path:
        sys.path.insert(0, str(Path.cwd()))
    try:
        module = import_module(module_name)
    except ModuleNotFoundError as error:
        if error.name is None or not (
            module_name == error.name or module_name.startswith(error.name + ".")
        ):
            raise ConfigError(
                f"module {module_name!r} needs {error.name}, which is not installed",
                cure="Install it beside coord.",
            ) from error
        raise ConfigError(
            f"there is no module {module_name!r} here or on the path",
            cure="Run coord where the module is, or name it as `import` would.",
        ) from error
    except Exception as error:
        raise ConfigError(
            f"module {module_name!r} cannot be imported: {type(error).__name__}: {error}",
            cure=f"See that `{sys.executable} -c 'import {module_name}'` works.",
        ) from error
    found = _named(module, app, attribute) if attribute else tasks_of(module)
    if not found:
        raise ConfigError(
            f"{app!r} has no tasks", cure="Mark functions with @task from coord.tasks."
        )
    return found


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
        f"{app!r} is a {type(value).__name__}", cure="Name a task, or a list of tasks."
    )
