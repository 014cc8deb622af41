"""What runs remember beyond themselves, as jobs ask for it.

Owns the bridge from a job to the ledger and the budgets of its fleet. Knows no rule of either.
"""

from __future__ import annotations

import asyncio
import inspect
import threading
from collections.abc import Callable
from typing import Any

from coord.errors import ConfigError, CoordError, JobCancelled, UsageError
from coord.tasks.budget import Budgets, Spender
from coord.tasks.job import Job
from coord.tasks.ledger import Attempt, Finished, Ledger

__all__ = ["LedgerMemory", "NoMemory"]

_CURE = "Give the worker or the fleet one: ledger='sqlite:///ledger.db', for instance."


class LedgerMemory:
    """Records in one ledger. Any thread. The arguments of a call are its payload, if it has any."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._budgets = Budgets(ledger.store)

    def once(self, job: Job, key: str, call: Callable[..., Any], args: tuple[Any, ...]) -> Any:  # noqa: ANN401
        """As `Job.once`."""
        if inspect.iscoroutinefunction(call):
            return self._awaited(job, key, call, args)
        return self._ledger.once(
            key,
            _plain,
            key,
            call,
            args,
            payload=list(args) or None,
            scope=job.scope,
            token=job.token,
        )

    async def _awaited(
        self, job: Job, key: str, call: Callable[..., Any], args: tuple[Any, ...]
    ) -> Any:  # noqa: ANN401
        """The same around a coroutine; the requests go through threads, not through the loop."""
        begin = asyncio.ensure_future(
            asyncio.to_thread(
                self._ledger.begin,
                key,
                payload=list(args) or None,
                scope=job.scope,
                token=job.token,
            )
        )
        try:
            found = await asyncio.shield(begin)
        except asyncio.CancelledError:
            begin.add_done_callback(_let_go)
            raise
        if isinstance(found, Finished):
            return found.result
        try:
            result = await call(*args)
        except BaseException as error:
            await asyncio.shield(asyncio.to_thread(_failed, found, error))
            raise
        return await asyncio.shield(asyncio.to_thread(_done, found, result))

    def spend(self, job: Job, name: str, per_hour: int, amount: int) -> None:
        """As `Job.budget`."""
        who = Spender(job.scope, job.token) if job.is_under_term else Spender()
        self._budgets.spend(name, who, per_hour=per_hour, amount=amount)


class NoMemory:
    """There is no ledger: what needs one says so."""

    def once(self, job: Job, key: str, call: Callable[..., Any], args: tuple[Any, ...]) -> Any:  # noqa: ANN401
        """Raises `ConfigError`."""
        raise ConfigError(f"{job.unit} asks for once({key!r}), and there is no ledger", cure=_CURE)

    def spend(self, job: Job, name: str, per_hour: int, amount: int) -> None:
        """Raises `ConfigError`."""
        raise ConfigError(
            f"{job.unit} asks for budget {name!r}, and there is no ledger", cure=_CURE
        )


def _plain(key: str, call: Callable[..., Any], args: tuple[Any, ...]) -> Any:  # noqa: ANN401
    result = call(*args)
    if inspect.iscoroutine(result):
        result.close()
        raise UsageError(
            f"once({key!r}) was given a plain function that makes a coroutine; nothing has run",
            cure="Hand in the coroutine function and its arguments: await job.once(key, f, x).",
        )
    return result


def _done(attempt: Attempt, result: object) -> object:
    """As `Ledger.once` does it: what cannot be recorded has failed."""
    try:
        return attempt.done(result)
    except UsageError as error:
        _failed(attempt, error)
        raise


def _failed(attempt: Attempt, error: BaseException) -> None:
    """So that the next begin need not wait. The error itself is what counts, recorded or not."""
    try:
        attempt.failed(f"{type(error).__name__}: {error}")
    except CoordError as failure:
        error.add_note(f"and this failure is not in the ledger: {failure}")


def _let_go(begin: asyncio.Future[Attempt | Finished]) -> None:
    """Whoever asked was cancelled meanwhile: what was begun for it would be renewed for an hour."""
    if begin.cancelled() or begin.exception() is not None:
        return
    found = begin.result()
    if isinstance(found, Attempt):
        error = JobCancelled("it was cancelled")
        threading.Thread(
            target=_failed, args=(found, error), name="coord-ledger-let-go", daemon=True
        ).start()
