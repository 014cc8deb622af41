"""What `coord doctor` shows of a SQLite store.

Owns the findings. Changes nothing but the token counter, which it moves on by some: only a real
write shows what a write costs, and tokens need not be without gaps.
"""

from __future__ import annotations

import os
import sqlite3
import statistics
from pathlib import Path

from coord.clock import SYSTEM_CLOCK
from coord.errors import CoordError
from coord.spi import Probe
from coord_sqlite.handshake import mount_table
from coord_sqlite.life import Observer
from coord_sqlite.link import Link
from coord_sqlite.locks import write_lock_holder
from coord_sqlite.mounts import mount_of

__all__ = ["findings", "findings_before"]

_NUDGE = "UPDATE tokens SET last=last+1"
ROUNDS = 20
SLOW_MS = 50.0
LITTLE_SPACE_BYTES = 64 * 1024 * 1024


def findings_before(path: str, observer: Observer) -> list[Probe]:
    """What can be said before there is a file."""
    missing = Probe(name="file", ok=True, value=f"{path} is made by the first member that starts")
    return [missing, _filesystem(path), _space(path), _clock(observer)]


def findings(link: Link, observer: Observer, group: str) -> list[Probe]:
    """The state of the file, in the order in which an operator would look."""
    return [
        _file(link.path),
        _filesystem(link.path),
        _journal(link),
        _space(link.path),
        _lock(link),
        _round_trip(link),
        _clock(observer),
        _sessions(link, group),
    ]


def _file(path: str) -> Probe:
    found = Path(path).stat()
    rights = f"mode {found.st_mode & 0o777:o}, owner {found.st_uid}:{found.st_gid}"
    return Probe(name="file", ok=True, value=f"{path} ({rights})")


def _filesystem(path: str) -> Probe:
    mount = mount_of(path, mount_table())
    value = f"{mount.kind} mounted at {mount.point}" if mount else "not known on this system"
    return Probe(name="filesystem", ok=True, value=value)


def _journal(link: Link) -> Probe:
    ((mode,),) = link.read("PRAGMA journal_mode")
    ok = mode == "wal"
    value = f"journal {mode}, SQLite {sqlite3.sqlite_version}"
    cure = "" if ok else "Restart the members: each sets the write-ahead log when it opens."
    return Probe(name="journal", ok=ok, value=value, cure=cure)


def _space(path: str) -> Probe:
    found = os.statvfs(Path(path).parent)
    free = found.f_bavail * found.f_frsize
    ok = free >= LITTLE_SPACE_BYTES
    value = f"{free / 2**20:,.0f} MiB free"
    return Probe(
        name="free space",
        ok=ok,
        value=value,
        cure="" if ok else "Free some space: on a full disk no member can renew its session.",
    )


def _lock(link: Link) -> Probe:
    holder = write_lock_holder(link.path)
    if holder is None:
        return Probe(name="write lock", ok=True, value="free")
    return Probe(
        name="write lock", ok=not holder.stopped, value=f"held by {holder}", cure=holder.cure
    )


def _round_trip(link: Link) -> Probe:
    taken_ms: list[float] = []
    try:
        for _ in range(ROUNDS):
            begun_s = SYSTEM_CLOCK.now()
            link.write(lambda connection: connection.execute(_NUDGE))
            taken_ms.append((SYSTEM_CLOCK.now() - begun_s) * 1000)
    except CoordError as error:
        return Probe(name="round trip", ok=False, value=error.cause, cure=error.cure)
    median_ms = statistics.median(taken_ms)
    ok = median_ms <= SLOW_MS
    return Probe(
        name="round trip",
        ok=ok,
        value=f"{median_ms:.2f} ms (median of {ROUNDS} synced writes; slowest "
        f"{max(taken_ms):.2f} ms)",
        cure="" if ok else "The disk is slow to sync: use another, or a longer ttl.",
    )


def _clock(observer: Observer) -> Probe:
    place = observer.place
    proof = "a crash is noticed at once"
    if not observer.process.namespace:
        proof = "a crash takes the whole ttl to notice (/proc does not tell)"
    cure = (
        "Let members read their own /proc and /proc/sys (systemd's ProcSubset=pid hides that), so "
        "that they can compare their clocks."
    )
    return Probe(
        name="clock",
        ok=bool(place.clock),
        value=f"boot {place.boot or 'not known'}, clock {place.clock or 'not comparable'}; {proof}",
        cure="" if place.clock else cure,
    )


def _sessions(link: Link, group: str) -> Probe:
    ((count,),) = link.read(
        "SELECT count(*) FROM sessions s JOIN groups g ON s.gid = g.gid WHERE g.name=?", (group,)
    )
    return Probe(name="sessions", ok=True, value=f"{count} live in group {group}")
