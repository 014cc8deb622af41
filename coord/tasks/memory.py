"""What runs remember beyond themselves, as jobs ask for it.

Owns the bridge from a job to the ledger and the budgets of its fleet. Knows no rule of either.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from coord.errors import ConfigError
from coord.tasks.job import Job

__all__ = ["NoMemory"]

_CURE = "Give the worker or the fleet one: ledger='sqlite:///ledger.db', for instance."


class NoMemory:
    """There is no ledger: what needs one says so."""

    def once(self, job: Job, key: str, call: Callable[..., Any], args: tuple[Any, ...]) -> Any:  # noqa: ANN401
        """Raises `ConfigError`."""
        raise ConfigError(f"{job.unit} asks for once({key!r}), and there is no ledger", cure=_CURE)

    def spend(self, job: Job, name: str, per_hour: float, amount: int) -> None:
        """Raises `ConfigError`."""
        raise ConfigError(
            f"{job.unit} asks for budget {name!r}, and there is no ledger", cure=_CURE
        )
