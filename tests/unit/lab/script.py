"""A log written by hand: each call is one record of coord.events/1, read by the real reader."""

from __future__ import annotations

import json
from typing import Any

from coord.lab.measure import Log, Timeline, timeline

__all__ = ["Script"]

ROLE = "reaper"
_PIDS = {"a": 101, "b": 102, "c": 103, "d": 104}


class Script:
    """Members "a" to "d" with their processes 101 to 104, and one role."""

    def __init__(self) -> None:
        self.lines: list[dict[str, Any]] = []

    def put(self, t: float, kind: str, member: str, *, pid: int | None = None, **more: Any) -> None:  # noqa: ANN401
        own = _PIDS.get(member, 0) if pid is None else pid
        record = {"t": t, "kind": kind, "member": member, "pid": own, **more}
        self.lines.append({name: value for name, value in record.items() if value is not ...})

    def role(
        self,
        t: float,
        *,
        generation: int = 1,
        shards: int = 1,
        seats: int = 1,
        queue: Any = ...,  # noqa: ANN401
    ) -> None:
        shape = {"generation": generation, "shards": shards, "seats": seats, "queue": queue}
        self.put(t, "role", "", role=ROLE, **shape)

    def lead(
        self,
        t: float,
        member: str,
        token: int,
        *,
        until: float | None = None,
        asked: Any = ...,  # noqa: ANN401
        pid: int | None = None,
        **scope: int,
    ) -> None:
        more = _scope(scope) | {"token": token, "until": until, "asked": asked}
        self.put(t, "belief", member, pid=pid, state="lead", **more)

    def extend(self, t: float, member: str, token: int, *, until: float, **scope: int) -> None:
        more = _scope(scope) | {"token": token, "until": until}
        self.put(t, "belief", member, state="extend", **more)

    def end(self, t: float, member: str, token: int, **scope: int) -> None:
        self.put(t, "belief", member, state="end", token=token, why="released", **_scope(scope))

    def trust(self, t: float, member: str, until: float) -> None:
        self.put(t, "trust", member, until=until)

    def act(
        self,
        t: float,
        member: str,
        token: int,
        *,
        resource: str = "table",
        fenced: bool = True,
        accepted: bool = True,
        seq: Any = ...,  # noqa: ANN401
        units: Any = ...,  # noqa: ANN401
        error: Any = ...,  # noqa: ANN401
        **scope: int,
    ) -> None:
        more = _scope(scope) | {"seq": seq, "units": units, "error": error}
        outcome: dict[str, Any] = {"resource": resource, "fenced": fenced, "accepted": accepted}
        self.put(t, "act", member, token=token, **outcome, **more)

    def backlog(
        self,
        t: float,
        *units: str,
        shard: int = 0,
        seat: Any = ...,  # noqa: ANN401
    ) -> None:
        self.put(t, "backlog", "", role=ROLE, shard=shard, units=list(units), seat=seat)

    def rpc(self, t: float, member: str, *, requests: int = 1) -> None:
        call: dict[str, Any] = {
            "op": "heartbeat",
            "start": t,
            "end": t + 0.01,
            "ok": True,
            "certainty": None,
        }
        self.put(t, "rpc", member, **call, requests=requests)

    def fault(
        self,
        kind: str,
        member: str,
        begin: float,
        *,
        effect: float | None = None,
        end: float | None = None,
        pid: int | None = None,
    ) -> None:
        mark = f"{kind}-{member}-{begin}"
        phases = {"begin": begin, "effect": effect, "end": end}
        for phase, t in phases.items():
            if t is not None:
                self.put(t, "fault", member, pid=pid, fault=kind, id=mark, phase=phase)

    def progress(self, t: float, member: str, token: int) -> None:
        self.put(t, "progress", member, token=token, **_scope({}))

    def note(self, t: float, member: str, what: str) -> None:
        self.put(t, "note", member, what=what, detail="")

    def member(self, t: float, member: str, state: str) -> None:
        self.put(t, "member", member, state=state)

    def round(self, start: float, end: float, *, number: int = 1, mode: str, fault: str) -> None:
        for t, state in ((start, "start"), (end, "end")):
            self.put(t, "round", "", number=number, mode=mode, fault=fault, state=state)

    def last(self, t: float) -> None:
        """The log goes on until then."""
        self.put(t, "note", "", what="end", detail="")

    @property
    def log(self) -> Log:
        return Log.parse((f"script:{n}", json.dumps(line)) for n, line in enumerate(self.lines, 1))

    @property
    def timeline(self) -> Timeline:
        return timeline(self.log)


def _scope(scope: dict[str, int]) -> dict[str, Any]:
    return {"role": ROLE, "generation": 1, "shard": 0, "seat": 0} | scope
