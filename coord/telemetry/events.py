"""The writer of `coord.events/1`: what a member believed and did, one JSON object a line.

Owns the file and the moment of writing. Judges nothing: `coord.lab.measure` reads these logs. Knows
only the clock and the names of claims; the environment is read by `from_environment`, which the
runtime calls, and never on import.

Every line is one `write` on a descriptor opened for appending, so that lines of several threads
and processes do not mix and that what was written before a SIGKILL stays. Times are the boot
clock's, which all processes of one machine share; wall clocks appear nowhere.
"""

from __future__ import annotations

import json
import logging
import math
import os
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

from coord.clock import SYSTEM_CLOCK, Clock
from coord.errors import ConfigError, LeadershipLost
from coord.model import ClaimKey, Shape
from coord.telemetry.schema import SCHEMA

__all__ = ["EVENTS_VARIABLE", "Acting", "EventLog"]

EVENTS_VARIABLE = "COORD_EVENTS"
"""The environment variable that names the file, or the directory with a file per process."""

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
_DECIMALS = 6  # of a second
_ENCODE = json.JSONEncoder(separators=(",", ":"), check_circular=False).encode


class Acting(Protocol):
    """What an act record says of a term."""

    @property
    def key(self) -> ClaimKey:
        """The claim that the act was done under."""
        ...

    @property
    def token(self) -> int:
        """Its fencing token."""
        ...


def _complain(text: str) -> None:
    logging.getLogger("coord.telemetry").warning(text)


class EventLog:
    """Writes the events of one member. All methods may be called from any thread.

    Guarantees: a record is in the operating system's hands when the method returns, and survives
    the death of the process. Nothing is raised by the methods after construction: what could not
    be written is counted in `lost`, and complained about once.

    Does not guarantee: that a record survives the machine, or that a method returns soon when
    the disk hangs. Point it at a file system in memory when the disk is what is being tested.
    """

    def __init__(
        self,
        path: Path | None,
        *,
        member: str,
        clock: Clock = SYSTEM_CLOCK,
        complain: Callable[[str], None] = _complain,
    ) -> None:
        """Open `path` for appending; None: write nothing. Raises ConfigError if it cannot."""
        self.lost = 0
        self._member = member
        self._clock = clock
        self._complain = complain
        self._lock = threading.Lock()
        self._torn = False
        self._fd = -1 if path is None else _opened(path)
        self._path = path
        if self.enabled:
            self._write("log", schema=SCHEMA, boot=_boot_id())

    @classmethod
    def from_environment(
        cls,
        member: str,
        *,
        environ: Mapping[str, str] | None = None,
        clock: Clock = SYSTEM_CLOCK,
        complain: Callable[[str], None] = _complain,
    ) -> EventLog:
        """The log that `COORD_EVENTS` names; one that writes nothing if it is not set.

        A directory, or a path that ends in "/", gets a file `events-<member>-<pid>.jsonl`; any
        other path is the file itself. Raises ConfigError if it cannot be opened.
        """
        value = (os.environ if environ is None else environ).get(EVENTS_VARIABLE, "")
        path = Path(value) if value else None
        if path is not None and (value.endswith("/") or path.is_dir()):
            path /= f"events-{member}-{os.getpid()}.jsonl"
        return cls(path, member=member, clock=clock, complain=complain)

    @property
    def enabled(self) -> bool:
        """Whether anything is written at all."""
        return self._fd >= 0

    # --- what the runtime tells --------------------------------------------------------------

    def member(self, state: str) -> None:
        """The member "start"s or "stop"s."""
        self._write("member", state=state)

    def trusted(self, until_s: float) -> None:
        """All terms of this member may act until `until_s` on the boot clock."""
        self._write("trust", until=_time(until_s))

    def term_began(
        self, key: ClaimKey, token: int, until_s: float, *, asked_s: float | None = None
    ) -> None:
        """User code may act from now on. `asked_s`: when the claim that won was requested."""
        asked = {} if asked_s is None else {"asked": _time(asked_s)}
        self._write("belief", state="lead", **_scope(key, token), until=_time(until_s), **asked)

    def term_extended(self, key: ClaimKey, token: int, until_s: float) -> None:
        """One term alone may act until `until_s`: a message that stays hidden for longer."""
        self._write("belief", state="extend", **_scope(key, token), until=_time(until_s))

    def term_ended(self, key: ClaimKey, token: int, why: str) -> None:
        """User code of this term does not act any more. `why`: see `docs/events.md`."""
        self._write("belief", state="end", **_scope(key, token), why=why)

    def progressed(self, key: ClaimKey, token: int) -> None:
        """User code says that it got something done."""
        self._write("progress", **_scope(key, token))

    def called(
        self,
        operation: str,
        start_s: float,
        end_s: float,
        *,
        certainty: str | None,
        requests: int = 1,
    ) -> None:
        """A store call came back; `certainty` is None when it succeeded."""
        self._write(
            "rpc",
            op=operation,
            start=_time(start_s),
            end=_time(end_s),
            ok=certainty is None,
            certainty=certainty,
            requests=requests,
        )

    def report(self, kind: str, detail: str) -> None:
        """A remark that no quantity is computed from."""
        self._write("note", what=kind, detail=detail)

    # --- what the work tells -----------------------------------------------------------------

    def act(
        self,
        term: Acting,
        resource: str,
        *,
        fenced: bool,
        accepted: bool,
        start_s: float | None = None,
        seq: int | None = None,
        units: Iterable[str] = (),
        error: str | None = None,
    ) -> None:
        """An act reached `resource`, which took it or not. Call it when the outcome is known.

        `fenced`: the resource compares tokens. `seq`: the resource's own number of this act, if it
        gives any. `units`: the due units that the act has done. `error`: the class of what it
        raised.
        """
        optional = {
            "start": None if start_s is None else _time(start_s),
            "seq": seq,
            "units": list(units) or None,
            "error": error,
        }
        self._write(
            "act",
            **_scope(term.key, term.token),
            resource=resource,
            fenced=fenced,
            accepted=accepted,
            **{name: value for name, value in optional.items() if value is not None},
        )

    @contextmanager
    def acting(self, term: Acting, resource: str, *, fenced: bool) -> Iterator[list[str]]:
        """Record the block as one act: accepted if it ends well, refused if it raises.

        Yields a list to put the ids of the done units in. A block that ends with `LeadershipLost`
        is no act: its own check held it back, and the resource was not asked. A commit whose
        answer was lost counts as refused, though it may have been applied.
        """
        units: list[str] = []
        start = self._clock.now()
        try:
            yield units
        except LeadershipLost:
            raise
        except BaseException as error:
            name = type(error).__name__
            self.act(term, resource, fenced=fenced, accepted=False, start_s=start, error=name)
            raise
        self.act(term, resource, fenced=fenced, accepted=True, start_s=start, units=units)

    def backlog(
        self, role: str, shard: int, units: Iterable[str], *, seat: int | None = None
    ) -> None:
        """These units are due from now on, and are this shard's to do.

        `seat`, on a queue: the item that they are.
        """
        item = {} if seat is None else {"seat": seat}
        self._write("backlog", role=role, shard=shard, units=list(units), **item)

    # --- what the lab tells ------------------------------------------------------------------

    def role(self, name: str, generation: int, shape: Shape, *, queue: bool = False) -> None:
        """The role has this shape from now on; what nobody ever leads must be known as well.

        `queue`: it is not led; its shards are partitions of a queue, their seats items of it.
        """
        kind = {"queue": True} if queue else {}
        self._write(
            "role", role=name, generation=generation, shards=shape.shards, seats=shape.seats, **kind
        )

    def round(self, number: int, mode: str, fault: str, state: str) -> None:
        """A measured stretch "start"s or "end"s: one mode under one kind of fault."""
        self._write("round", number=number, mode=mode, fault=fault, state=state)

    def fault(self, kind: str, mark: str, phase: str, *, member: str, pid: int) -> None:
        """An injected fault: about to "begin", in "effect", about to "end". `mark` pairs them.

        `member` and `pid` are the target's; pid 0 is all processes of that member, member "*"
        everybody (a fault of the store or the network).
        """
        self._write("fault", fault=kind, id=mark, phase=phase, member=member, pid=pid)

    def close(self) -> None:
        """Close the file; what is told afterwards is dropped. Idempotent."""
        with self._lock:
            fd, self._fd = self._fd, -1
            if fd >= 0:
                os.close(fd)

    def _write(self, kind: str, **fields: Any) -> None:  # noqa: ANN401 - JSON values
        if self._fd < 0:
            return
        record = {
            "t": _time(self._clock.now()),
            "kind": kind,
            "member": self._member,
            "pid": os.getpid(),
        }
        try:
            line = _ENCODE(record | fields).encode() + b"\n"
            with self._lock:
                if self._fd >= 0:
                    self._append(line)
        except (OSError, TypeError, ValueError) as error:
            self._failed(error)

    def _append(self, line: bytes) -> None:
        if self._torn:  # half a line is in the file: close it, so that this one stands alone
            line = b"\n" + line
        written = os.write(self._fd, line)
        self._torn = written < len(line)
        if self._torn:
            raise OSError(f"only {written} of {len(line)} bytes were written (disk full?)")

    def _failed(self, error: Exception) -> None:
        self.lost += 1
        if self.lost == 1:
            self._complain(f"events are being lost: {self._path} could not be written: {error}")


def _scope(key: ClaimKey, token: int) -> dict[str, Any]:
    return {**key._asdict(), "token": token}


def _time(at_s: float) -> float | None:
    return round(at_s, _DECIMALS) if math.isfinite(at_s) else None


def _opened(path: Path) -> int:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644)
    except OSError as error:
        raise ConfigError(
            f"events cannot be written to {path}: {error.strerror}",
            cure=f"Set {EVENTS_VARIABLE} to a directory or file that can be written, or unset it.",
        ) from error


def _boot_id() -> str:
    try:
        return _BOOT_ID.read_text().strip()
    except OSError:
        return ""
