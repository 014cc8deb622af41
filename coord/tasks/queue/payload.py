"""From a message to a call of a task, and back.

Owns what stands on the wire: the task's name and its unit in attributes, its arguments in the
body. Law: whatever arrives, the answer is a call or a reason why there is none; nothing raises,
nothing is dropped.
"""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

from coord.errors import ConfigError
from coord.tasks.job import Unit
from coord.tasks.queue.spi import Asked, Ignored, Message, Outgoing, Reader

__all__ = [
    "PART",
    "PARTS",
    "TASK",
    "TICK",
    "Call",
    "Codec",
    "Handler",
    "JsonCodec",
    "Unreadable",
    "check_takes_job",
    "outgoing",
    "read",
]

TASK = "coord.task"
TICK = "coord.tick"
PART = "coord.part"
PARTS = "coord.parts"
_MOST_DIGITS = 9


class Codec(Protocol):
    """How arguments become a body and come back. Called on the thread that takes the message: that
    of their loop where all tasks are coroutine functions, so what waits for others blocks it.
    """

    def dumps(self, arguments: Mapping[str, Any]) -> str:
        """The text of the arguments; any exception means that they cannot be sent."""
        ...

    def loads(self, body: str) -> Mapping[str, Any]:
        """The arguments; any exception means that the body cannot be read."""
        ...


class JsonCodec:
    """A JSON object; an empty body is an empty one."""

    def dumps(self, arguments: Mapping[str, Any]) -> str:
        """Compact, in the given order."""
        return json.dumps(arguments, separators=(",", ":"), ensure_ascii=False)

    def loads(self, body: str) -> Mapping[str, Any]:
        """Raises ValueError unless it is an object."""
        found = json.loads(body) if body else {}
        if not isinstance(found, dict):
            raise ValueError(f"it holds {type(found).__name__}, not an object")  # noqa: TRY004  as json's own
        return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Handler:
    """A task as a worker runs it. `timeout_s` None: for as long as the queue lets it;
    `progress_timeout_s` None: without a word for as long.
    """

    name: str
    function: Callable[..., Any]
    is_async: bool
    timeout_s: float | None
    once: bool
    required: frozenset[str]
    allowed: frozenset[str] | None
    progress_timeout_s: float | None = None
    first: str = "job"
    """The parameter that is given the job, whatever it is called."""

    def misfit(self, given: Iterable[Any]) -> str:
        """Why arguments of these names cannot be passed; empty if they can. `TypeError` if they are
        no names.
        """
        names = set(given)
        if not all(isinstance(name, str) for name in names):
            raise TypeError("the names of its arguments are no texts")
        if missing := self.required - names:
            return f"task {self.name!r} needs {_listed(missing)}, which it does not carry"
        if self.allowed is not None and (extra := names - self.allowed):
            why = f"task {self.name!r} does not take {_listed(extra)}"
            if self.first in extra:
                why += f": its first parameter, {self.first!r}, is given the job; write (job, …)"
            return why
        return ""

    @classmethod
    def of(
        cls,
        name: str,
        function: Callable[..., Any],
        *,
        timeout_s: float | None = None,
        progress_timeout_s: float | None = None,
        once: bool = True,
    ) -> Handler:
        """Raises `ConfigError` for a function that cannot take a job as its first argument."""
        first, *others = check_takes_job(name, function)
        named = [p for p in others if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)]
        takes_any = any(p.kind is p.VAR_KEYWORD for p in others)
        return cls(
            name=name,
            function=function,
            is_async=inspect.iscoroutinefunction(function),
            timeout_s=timeout_s,
            progress_timeout_s=progress_timeout_s,
            once=once,
            required=frozenset(p.name for p in named if p.default is p.empty),
            allowed=None if takes_any else frozenset(p.name for p in named),
            first=first.name,
        )


def check_takes_job(name: str, function: Callable[..., Any]) -> list[inspect.Parameter]:
    """The parameters of a task. `ConfigError` unless the first can be given the job."""
    parameters = list(inspect.signature(function).parameters.values())
    positional = (
        inspect.Parameter.POSITIONAL_ONLY,
        inspect.Parameter.POSITIONAL_OR_KEYWORD,
        inspect.Parameter.VAR_POSITIONAL,
    )
    if not parameters or parameters[0].kind not in positional:
        raise ConfigError(
            f"task {name!r}: {getattr(function, '__qualname__', function)} takes no job",
            cure="Give it a first argument: def task(job, ...).",
        )
    return parameters


class Call(NamedTuple):
    """What a message asks for."""

    handler: Handler
    unit: Unit
    arguments: Mapping[str, Any]
    others: tuple[Mapping[str, Any], ...] = ()
    """The arguments of further calls of the same function, which a message asks for at once."""


class Unreadable(NamedTuple):
    """Why a message cannot be run here."""

    why: str


def read(
    message: Message,
    handlers: Mapping[str, Handler],
    codec: Codec,
    readers: Sequence[Reader] = (),
) -> Call | Ignored | Unreadable:
    """What a message asks for, or why nobody here can tell. Raises nothing.

    `readers` are asked first, for messages that name no task.
    """
    named = message.attributes.get(TASK, "")
    if readers and not named:
        found = _found(message, readers)
        if isinstance(found, Ignored | Unreadable):
            return found
        if found is not None:
            return _offered(message, found, handlers)
    handler = _meant(named, handlers)
    if isinstance(handler, Unreadable):
        return handler
    try:
        arguments = codec.loads(message.body)
        given = arguments.keys()
        misfit = "" if given == handler.required else handler.misfit(given)
    except Exception as error:  # noqa: BLE001  a codec is the user's, and may return anything
        return Unreadable(f"its body cannot be read: {type(error).__name__}: {error}")
    if misfit:
        return Unreadable(misfit)
    tick = message.attributes.get(TICK, "")
    part, parts = message.attributes.get(PART, "0"), message.attributes.get(PARTS, "1")
    for number in (part, parts):
        if not (number.isascii() and number.isdigit() and len(number) <= _MOST_DIGITS):
            return Unreadable(f"its part is {number!r}, not a number")
    unit = Unit(handler.name, tick, int(part), "" if tick else message.id, int(parts))
    return Call(handler, unit, arguments)


def _found(message: Message, readers: Sequence[Reader]) -> Asked | Ignored | Unreadable | None:
    try:
        answers = (reader(message) for reader in readers)
        return next((answer for answer in answers if answer is not None), None)
    except Exception as error:  # noqa: BLE001  a reader is the user's
        return Unreadable(f"it cannot be read: {type(error).__name__}: {error}")


def _meant(name: str, handlers: Mapping[str, Handler]) -> Handler | Unreadable:
    if not name and len(handlers) == 1:
        (name,) = handlers
    if (handler := handlers.get(name)) is not None:
        return handler
    known = ", ".join(sorted(handlers)) or "none"
    return Unreadable(f"it asks for task {name!r}; this worker has: {known}")


def _offered(
    message: Message, asked: Asked, handlers: Mapping[str, Handler]
) -> Call | Ignored | Unreadable:
    """What a reader has found: each call takes what its function names."""
    handler = _meant(asked.task, handlers)
    if isinstance(handler, Unreadable):
        return handler
    calls: list[Mapping[str, Any]] = []
    for offer in asked.offers:
        if missing := handler.required - offer.keys():
            return Unreadable(
                f"task {handler.name!r} needs {_listed(missing)}, which is not offered"
            )
        allowed = offer.keys() if handler.allowed is None else handler.allowed
        calls.append({name: value for name, value in offer.items() if name in allowed})
    if not calls:
        return Ignored("it tells of nothing")
    return Call(handler, Unit(handler.name, "", 0, message.id), calls[0], tuple(calls[1:]))


def _listed(names: Iterable[str]) -> str:
    return ", ".join(repr(name) for name in sorted(names))


def outgoing(
    task: str,
    arguments: Mapping[str, Any],
    *,
    codec: Codec,
    group: str = "",
    dedup: str = "",
    delay_s: float = 0.0,
    tick: str = "",
    part: int = 0,
    parts: int = 1,
) -> Outgoing:
    """The message that asks for a task. `ConfigError` if the arguments cannot be written."""
    try:
        body = codec.dumps(arguments)
    except Exception as error:
        raise ConfigError(
            f"the arguments of task {task!r} cannot be sent: {type(error).__name__}: {error}",
            cure="Send what JSON can hold, or give the worker and the sender another codec.",
        ) from error
    attributes = {TASK: task}
    if tick:
        attributes |= {TICK: tick, PART: str(part), PARTS: str(parts)}
    return Outgoing(body=body, attributes=attributes, group=group, dedup=dedup, delay_s=delay_s)
