"""Where a session lives: machine, boot, clock, process namespace. Whose clock compares with whose.

Owns those identities and what follows from comparing them. Touches no database. The rules:

- Moments are compared only within one boot and one time namespace, and only between readers of
  the system's own clock: processes with the same boot id have shown boot clocks 1,000 s apart.
- Another boot id proves no death. A container may have one of its own on the same kernel, and a
  service may see none; taking it for a restart once ended live sessions. Their fate is unknown
  (`test_a_session_of_another_boot_id_is_watched_like_one_of_another_clock`).
- What is not known equals nothing and differs from nothing
  (`test_what_is_not_known_proves_nothing`).
- Another machine cannot share a SQLite file; the store refuses it.
- A process is provably gone only when the kernel says so: its pidfd is readable (the whole thread
  group has exited), or the pid is unused, or in use by a process with another start time. Only
  asked within one pid namespace. A zombie whose threads still run is not gone.
"""

from __future__ import annotations

import os
import select
from contextlib import suppress
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from coord.clock import Clock, SystemClock

__all__ = ["Fate", "Place", "Process", "exited", "open_process", "place_of", "this_process"]


class Fate(Enum):
    """What can be proven of a session or a process right now."""

    ALIVE = "alive"
    DEAD = "dead"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Process:
    """A process for as long as it runs: the pid alone may be used again."""

    namespace: str  # pid namespace; empty: nothing can be proven
    pid: int
    started: int  # clock ticks since boot


@dataclass(frozen=True, slots=True)
class Place:
    """Machine, boot and clock. Texts without meaning but equality; empty: not known."""

    machine: str
    boot: str
    clock: str

    def same_machine(self, other: Place) -> bool:
        """Whether both can be one machine. An unknown machine gets the benefit of the doubt:
        containers often have no machine id, and the filesystem is a local one. Nothing follows
        from yes: copied images share their machine ids.
        """
        if self.boot and self.boot == other.boot:
            return True
        return not self.machine or not other.machine or self.machine == other.machine

    def comparable(self, other: Place) -> bool:
        """Whether moments stamped there can be compared with ours."""
        if not self.boot or not self.clock:
            return False
        return self.boot == other.boot and self.clock == other.clock


def place_of(clock: Clock, *, machine: str = "") -> Place:
    """Where this process lives, as a reader of `clock`.

    `machine` overrides the machine id. A clock of the caller's own compares only with itself.
    """
    boot = _text("/proc/sys/kernel/random/boot_id")
    own = type(clock) is not SystemClock
    domain = f"clock {os.getpid()}.{id(clock)}" if own else _time_namespace()
    return Place(machine or _text("/etc/machine-id"), boot, domain if boot else "")


def this_process() -> Process:
    """The calling process, with what proves its end to others."""
    pid = os.getpid()
    namespace = _link("/proc/self/ns/pid")
    boot = _text("/proc/sys/kernel/random/boot_id")
    # Start times shift with the time namespace, so they compare only within one.
    clock = _time_namespace()
    if not boot or not namespace or not clock or _link("/proc/self") != str(pid):
        return Process("", pid, 0)  # no /proc, or a part of it, or one of another namespace
    return Process(f"{boot} {namespace} {clock}", pid, _started(pid) or 0)


def open_process(process: Process, seen_from: Process) -> tuple[Fate, int]:
    """What can be proven of `process` now; for ALIVE also a pidfd that the caller must close."""
    if not process.started or not process.namespace or process.namespace != seen_from.namespace:
        return Fate.UNKNOWN, -1
    if not hasattr(os, "pidfd_open"):
        return Fate.UNKNOWN, -1
    try:
        descriptor = os.pidfd_open(process.pid)
    except ProcessLookupError:
        return Fate.DEAD, -1
    except OSError:
        return Fate.UNKNOWN, -1
    # Read after opening: if the pid was used again in between, one of the two looks tells.
    started = _started(process.pid)
    if exited(descriptor) or (started is not None and started != process.started):
        os.close(descriptor)
        return Fate.DEAD, -1
    return Fate.ALIVE, descriptor


def exited(descriptor: int) -> bool:
    """Whether the process behind a pidfd has exited with all its threads."""
    poller = select.poll()
    poller.register(descriptor, select.POLLIN)
    return bool(poller.poll(0))


def _time_namespace() -> str:
    """Equal texts mean equal boot clocks; two namespaces of equal offsets count as one. Empty: not
    known.
    """
    own = _link("/proc/self/ns/time")
    if not own:  # a kernel without time namespaces shows the others; else nothing can be said
        return "one clock" if _link("/proc/self/ns/pid") else ""
    if own != _link("/proc/self/ns/time_for_children"):
        return own  # the offsets shown are those of future children
    return " ".join(_text("/proc/self/timens_offsets").split()) or own


def _started(pid: int) -> int | None:
    with suppress(OSError, ValueError, IndexError):
        text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
        return int(text.rpartition(")")[2].split()[19])
    return None


def _text(path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8").strip()
    except OSError:
        return ""


def _link(path: str) -> str:
    try:
        return os.readlink(path)  # noqa: PTH115
    except OSError:
        return ""
