"""What a task sees of one run of itself.

Owns the right to go on, as user code asks for it: a run is over when what it stands on is (its
term, or the message that it holds), when its own time is up, or when whoever runs it says so. Knows
no schedule, no queue and no store; it never ends anything by itself.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any, NamedTuple, Protocol

from coord.clock import Clock
from coord.errors import JobCancelled

__all__ = ["Ground", "Job", "Memory", "Unit"]

_INF = float("inf")


class Ground(Protocol):
    """What a run stands on: a term, or a message in hand. Times on the boot clock."""

    @property
    def deadline_s(self) -> float:
        """Until when nobody else can have it, as far as is proven."""
        ...

    @property
    def stopping(self) -> bool:
        """Whether the work should stop: it was asked to, or the deadline is near."""
        ...

    def loss(self) -> Exception:
        """Why it is gone."""
        ...

    def progress(self) -> None:
        """Something got done."""
        ...

    def rest(self) -> None:
        """User code rests from now on."""
        ...

    def work(self) -> None:
        """User code works again."""
        ...


class Unit(NamedTuple):
    """What is to be done: a part of a tick of a task, or a message; `str()` names it for ever.

    `parts`: how many parts its tick has; no part of the name.
    """

    task: str
    tick: str = ""
    part: int = 0
    message: str = ""
    parts: int = 1

    def __str__(self) -> str:
        if self.message:
            return f"message/{self.message}"
        return f"tick/{self.task}/{self.tick}/{self.part}"


class Memory(Protocol):
    """What a run remembers beyond itself: the ledger and the budgets, as `Job` needs them."""

    def once(self, job: Job, key: str, call: Callable[..., Any], args: tuple[Any, ...]) -> Any:  # noqa: ANN401  (what the call returns)
        """See `Job.once`."""
        ...

    def spend(self, job: Job, name: str, per_hour: int, amount: int) -> None:
        """See `Job.budget`."""
        ...


class Job:
    """One run of a task. Given to the function as its first argument.

    Guarantees: while `check()` returns, the term or the message that this run stands on was proven
    recently enough that nobody else has it, and the run's own `timeout` is not over. Does not
    guarantee that an act begun after `check()` lands in time: give `token` to the resource, or put
    the act under `once`.

    `role`, `seat`, `token`: of the term; on a queue `role` is the queue's name, `seat` 0, and
    `token` counts the deliveries. `shard`: which part of the work this is, from 0, and `parts`: of
    how many; a tick that has begun keeps its number, whatever becomes of the role. `tick`: the due
    time in UTC as text, "2026-11-23T15:30:00Z"; empty for work that no schedule asked for.
    `attempt`: how often this unit has been begun, from 1.

    Threads: any, while the function runs.
    """

    __slots__ = (
        "_bell",
        "_clock",
        "_end_s",
        "_ground",
        "_memory",
        "attempt",
        "is_told",
        "is_under_term",
        "parts",
        "role",
        "scope",
        "seat",
        "shard",
        "task",
        "tick",
        "token",
        "unit",
        "why",
    )

    def __init__(
        self,
        ground: Ground,
        unit: Unit,
        *,
        clock: Clock,
        memory: Memory,
        scope: str,
        token: int,
        is_under_term: bool = False,
        role: str = "",
        seat: int = 0,
        attempt: int = 1,
        timeout_s: float | None = None,
    ) -> None:
        self.task = unit.task
        self.unit = unit
        self.role = role
        self.shard = unit.part
        self.parts = unit.parts
        self.seat = seat
        self.tick = unit.tick
        self.token = token
        self.scope = scope
        """What `token` counts in: later holders of the same have larger ones."""
        self.is_under_term = is_under_term
        """Whether `token` is a fencing token: of a term, and not of one message."""
        self.attempt = attempt
        self.is_told = False
        """Whether the function has been told to stop."""
        self.why = ""
        """Why the run is to stop; empty while it may go on (time may say no before this does)."""
        self._ground = ground
        self._memory = memory
        self._clock = clock
        self._end_s = _INF if timeout_s is None else clock.now() + timeout_s
        self._bell: threading.Event | None = None

    def __repr__(self) -> str:
        state = f"over: {self.why}" if self.why else "running"
        return f"<Job {self.unit} token={self.token} attempt={self.attempt} {state}>"

    @property
    def deadline_s(self) -> float:
        """The moment on the boot clock at which `check()` will raise if nothing renews."""
        return min(self._end_s, self._ground.deadline_s)

    @property
    def cancelled(self) -> bool:
        """Whether the function should stop now: come back soon, whatever is left undone.

        One that was told so, here, by `wait` or by `check`, and comes back counts as undone: it is
        run again. So look before a piece of work, not after the last.
        """
        self.is_told = self.is_told or self.is_over
        return self.is_told

    def check(self) -> None:
        """Raise `JobCancelled` if this run has no right to go on. Costs about two clock reads."""
        now = self._clock.now()
        if self.why:
            raise self._over(self.why)
        if now >= self._end_s:
            raise self._over("its timeout is over")
        if now >= self._ground.deadline_s:
            raise self._over(str(self._ground.loss())) from self._ground.loss()

    def _over(self, why: str) -> JobCancelled:
        self.is_told = True
        return JobCancelled(
            f"the run of {self.unit} is over: {why}",
            cure="Stop here. What is left undone is done by whoever runs it next.",
        )

    def progress(self) -> None:
        """Say that something got done: the progress timeout begins anew.

        Not for a run that should have stopped: whatever it does, it is in the way.
        """
        if not self.is_over:
            self._ground.progress()

    def wait(self, timeout_s: float) -> bool:
        """Rest for `timeout_s`, or until the run is to stop; return whether it may go on.

        Blocks its thread: coroutines use `asyncio.sleep`, and are cancelled when they are to stop.
        """
        if self.is_over:
            return not self.cancelled
        bell = self._bell
        if bell is None:
            bell = self._bell = threading.Event()
        self._ground.rest()
        end_s = self._clock.now() + timeout_s
        while not self.is_over and (left_s := end_s - self._clock.now()) > 0:
            # Halfway to the deadline at the latest: so the end of trust, which lies before it by a
            # grace, is seen half a grace before it even if nobody rings.
            half_s = (self.deadline_s - self._clock.now()) / 2
            bell.wait(max(_LEAST_NAP_S, min(left_s, half_s, _NAP_S)))
        self._ground.work()
        return not self.cancelled

    def once(self, key: str, call: Callable[..., Any], *args: Any) -> Any:  # noqa: ANN401  (what the call returns)
        """Call `call(*args)`, or return what it returned if that was done before under `key`.

        `key` counts for the whole ledger: begin it with a name of your own. If `call` is a
        coroutine function this is to be awaited; if it is not, this blocks its thread, in a
        coroutine the loop: there use coroutine functions. Raises `InProgress` while another run is
        at it (or this one: keys do not nest), and `PayloadMismatch` if `args` differ from those of
        the first time. `args` and results must fit JSON (`UsageError`).
        The effect happens at least once and is recorded once: see `docs/ledger.md`.
        """
        return self._memory.once(self, key, call, args)

    def budget(self, name: str, *, per_hour: int, amount: int = 1) -> None:
        """Take `amount` of what the whole fleet may spend in any hour, or raise `BudgetSpent`.

        Ask before the act. A run whose term was superseded gets nothing (`Fenced`). The name counts
        for the whole ledger; the limit is the one that is asked with. Blocks its thread for the
        ledger's answer: coroutines call it by `asyncio.to_thread`.
        """
        self._memory.spend(self, name, per_hour, amount)

    # --- for whoever runs it -----------------------------------------------------------------

    @property
    def is_over(self) -> bool:
        """What `cancelled` says, asked by somebody else than the function."""
        return bool(self.why) or self._ground.stopping or self._clock.now() >= self._end_s

    @property
    def end_s(self) -> float:
        """When its own timeout is over, on the boot clock; infinite without one."""
        return self._end_s

    @property
    def is_late(self) -> bool:
        """Whether its own timeout is over."""
        return self._clock.now() >= self._end_s

    def cancel(self, why: str) -> None:
        """The run is to stop. Any thread; idempotent."""
        self.why = self.why or why
        if self._bell is not None:
            self._bell.set()


_NAP_S = 0.25
_LEAST_NAP_S = 0.001
