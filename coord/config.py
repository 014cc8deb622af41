"""What users set, frozen and checked: timings, roles, and the relations between them.

Owns settings and their arithmetic. Never reads the environment, files or arguments; knows no
store and no thread. Unsafe timings die here, at construction, with the sum that refused them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from coord.errors import ConfigError
from coord.model import Shape, checked_name

__all__ = ["Role", "Timing", "parse_duration_s"]

_UNITS_S = {"plain": 1.0, "d": 86400.0, "h": 3600.0, "m": 60.0, "s": 1.0, "ms": 0.001}
_NUMBER = r"(?P<{}>[0-9]+[.]?[0-9]*|[.][0-9]+)"
_DURATION = re.compile(
    _NUMBER.format("plain")
    + "|"
    + "".join(f"(?:{_NUMBER.format(unit)}{unit})?" for unit in _UNITS_S if unit != "plain")
)
_MAX_CLAIMS = 1_000_000
_MAX_DRIFT = 0.5


def parse_duration_s(text: str | float) -> float:
    """Seconds from `"15s"`, `"250ms"`, `"5m"`, `"1h30m"`, `"1d"` or a plain number of seconds.

    Several units stand from the largest to the smallest, each once.
    """
    if isinstance(text, int | float):
        return float(text)
    match = _DURATION.fullmatch(text.strip())
    if match is None or not any(match.groups()):
        raise ConfigError(
            f"{text!r} is not a duration",
            cure='Write it like "250ms", "15s", "5m", "1h30m" or "1d".',
        )
    found = match.groupdict()
    return sum(float(found[unit]) * factor for unit, factor in _UNITS_S.items() if found[unit])


def _positive(owner: str, **values: float | None) -> None:
    for name, value in values.items():
        if value is not None and not 0 < value < float("inf"):
            raise ConfigError(f"{owner}: {name} is {value}", cure="It must be a number above 0.")


def _not_negative(owner: str, **values: float | None) -> None:
    for name, value in values.items():
        if value is not None and not 0 <= value < float("inf"):
            raise ConfigError(f"{owner}: {name} is {value}", cure="It must be 0 or more.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """The timing budget of a member. All fields in seconds of the boot clock.

    Build it with `Timing.of(ttl_s, …)`, which derives what is not given from the ttl. The
    relation that must hold, checked here with lag 0 and again when the store has granted a ttl:

        heartbeat + attempts × rpc_timeout + slack ≤ ttl × (1 − drift) − lag − stop_grace

    In words: a heartbeat may be due, fail `attempts` times by timeout, and there is still time
    to stop the work before peers may believe that we are gone.
    """

    ttl_s: float
    """How long the store honours a silent session. Long: slow failover. Short: false failovers."""
    heartbeat_s: float
    """From the sending of one heartbeat to the next being due."""
    rpc_timeout_s: float
    """Bound on each request to the store."""
    attempts: int
    """How many timed-out heartbeats in a row the budget must survive."""
    slack_s: float
    """Scheduling delays of this process that the budget must survive."""
    stop_grace_s: float
    """How long before the deadline work is asked to stop; it must have stopped by then."""
    drift: float
    """Bound on the relative rate of two clocks: 0.002 is twice the fastest NTP slew and more."""
    control_timeout_s: float
    """How long the control thread may be silent before heartbeats stop."""
    settle_s: float
    """How long a view must be unchanged before a newcomer claims, or is handed anything."""
    claim_timeout_s: float
    """How long a free claim waits for the member it is assigned to, before anybody may take it."""
    depose_timeout_s: float
    """How long a peer watches an overdue claim before it deposes the holder."""
    depose_beacons: int
    """How many newer beacons with unmoved progress it must have seen, besides."""

    @classmethod
    def of(
        cls,
        ttl_s: float,
        *,
        heartbeat_s: float | None = None,
        rpc_timeout_s: float | None = None,
        attempts: int = 2,
        slack_s: float | None = None,
        stop_grace_s: float | None = None,
        drift: float = 0.002,
        control_timeout_s: float | None = None,
        settle_s: float | None = None,
        claim_timeout_s: float | None = None,
        depose_timeout_s: float | None = None,
        depose_beacons: int = 3,
    ) -> Timing:
        """Derive a whole budget from the ttl; each part can be set by itself."""
        _positive("Timing", ttl_s=ttl_s)
        heartbeat = ttl_s / 4 if heartbeat_s is None else heartbeat_s
        rpc = ttl_s / 10 if rpc_timeout_s is None else rpc_timeout_s
        settle = min(1.0, ttl_s / 4) if settle_s is None else settle_s
        return cls(
            ttl_s=ttl_s,
            heartbeat_s=heartbeat,
            rpc_timeout_s=rpc,
            attempts=attempts,
            slack_s=ttl_s / 20 if slack_s is None else slack_s,
            stop_grace_s=ttl_s / 5 if stop_grace_s is None else stop_grace_s,
            drift=drift,
            control_timeout_s=ttl_s if control_timeout_s is None else control_timeout_s,
            settle_s=settle,
            claim_timeout_s=max(0.2, settle) if claim_timeout_s is None else claim_timeout_s,
            depose_timeout_s=2 * ttl_s if depose_timeout_s is None else depose_timeout_s,
            depose_beacons=depose_beacons,
        )

    def __post_init__(self) -> None:
        _positive(
            "Timing",
            ttl_s=self.ttl_s,
            heartbeat_s=self.heartbeat_s,
            rpc_timeout_s=self.rpc_timeout_s,
            attempts=self.attempts,
            control_timeout_s=self.control_timeout_s,
            claim_timeout_s=self.claim_timeout_s,
            depose_timeout_s=self.depose_timeout_s,
            depose_beacons=self.depose_beacons,
        )
        _not_negative(
            "Timing", slack_s=self.slack_s, stop_grace_s=self.stop_grace_s, settle_s=self.settle_s
        )
        if not 0 <= self.drift < _MAX_DRIFT:
            raise ConfigError(
                f"Timing: drift is {self.drift}", cure=f"It must be in [0, {_MAX_DRIFT})."
            )
        if self.control_timeout_s < 2 * self.heartbeat_s:
            raise ConfigError(
                f"Timing: control_timeout_s {self.control_timeout_s:g} is below two heartbeats of "
                f"{self.heartbeat_s:g} s",
                cure="Raise control_timeout_s or shorten heartbeat_s.",
            )
        self.check_budget(ttl_s=self.ttl_s, lag_s=0.0)

    def check_budget(self, *, ttl_s: float, lag_s: float) -> None:
        """Raise ConfigError, showing the sum, unless the budget fits a granted ttl and lag."""
        need = self.heartbeat_s + self.attempts * self.rpc_timeout_s + self.slack_s
        have = ttl_s * (1 - self.drift) - lag_s - self.stop_grace_s
        if need <= have + 1e-9:
            return
        raise ConfigError(
            "these timings leave no time to stop safely: "
            f"heartbeat {self.heartbeat_s:g} + attempts {self.attempts} × rpc_timeout "
            f"{self.rpc_timeout_s:g} + slack {self.slack_s:g} = {need:g} s, which is more than "
            f"ttl {ttl_s:g} × (1 − drift {self.drift:g}) − lag {lag_s:g} − stop_grace "
            f"{self.stop_grace_s:g} = {have:g} s",
            cure="Raise ttl_s, or lower heartbeat_s, rpc_timeout_s or stop_grace_s.",
        )


@dataclass(frozen=True, slots=True, init=False)
class Role:
    """A named job, its shape, and the rules its holders live by. Durations in seconds.

    `Role("reaper")` is one leader; `shards=N` gives localized leaders; `seats=K` co-leaders.
    Shape and `preferred` go into the group's record when the role is first declared there and
    must agree in all members afterwards (`coord reshape` changes the shape of a running role).
    The other fields bind the member that sets them; what its successors must know of them
    (bars, lock delay) travels with the claim.
    """

    name: str
    shards: int
    seats: int
    preferred: tuple[str, ...]
    """Members that get the role while they are healthy, before all others."""
    progress_timeout_s: float | None
    """How long user code may run outside `term.wait()` without progress; None: unchecked."""
    max_tenure_s: float | None
    """After how long a holder hands over, if anybody else could take over; None: never."""
    prefer_after_s: float
    """How long a preferred member must have been present before it takes back."""
    lock_delay_s: float
    """How long a claim lost uncleanly stays free; for resources that cannot compare tokens."""
    rest_s: float
    """How long a member rests after its function returned."""
    bar_s: float
    """How long a member is barred after it wedged or raised; doubles with each repetition."""
    bar_max_s: float
    poison_s: float
    """How long nobody takes a claim that has defeated min(3, members) members; doubles."""
    poison_max_s: float

    def __init__(
        self,
        name: str,
        *,
        shards: int = 1,
        seats: int = 1,
        preferred: Iterable[str] = (),
        progress_timeout_s: float | None = 60.0,
        max_tenure_s: float | None = None,
        prefer_after_s: float = 30.0,
        lock_delay_s: float = 0.0,
        rest_s: float = 1.0,
        bar_s: float = 30.0,
        bar_max_s: float = 600.0,
        poison_s: float = 30.0,
        poison_max_s: float = 600.0,
    ) -> None:
        values = {
            "name": checked_name("role", name),
            "shards": shards,
            "seats": seats,
            "preferred": tuple(checked_name("member", member) for member in preferred),
            "progress_timeout_s": progress_timeout_s,
            "max_tenure_s": max_tenure_s,
            "prefer_after_s": prefer_after_s,
            "lock_delay_s": lock_delay_s,
            "rest_s": rest_s,
            "bar_s": bar_s,
            "bar_max_s": bar_max_s,
            "poison_s": poison_s,
            "poison_max_s": poison_max_s,
        }
        for field_name, value in values.items():
            object.__setattr__(self, field_name, value)
        self._check()

    def _check(self) -> None:
        owner = f"role {self.name!r}"
        for label, count in (("shards", self.shards), ("seats", self.seats)):
            if not isinstance(count, int) or count < 1:
                raise ConfigError(f"{owner}: {label} is {count!r}", cure="It must be 1 or more.")
        if self.shards * self.seats > _MAX_CLAIMS:
            raise ConfigError(
                f"{owner}: {self.shards} shards × {self.seats} seats is more than {_MAX_CLAIMS}",
                cure="Use fewer shards, or several groups.",
            )
        _positive(owner, progress_timeout_s=self.progress_timeout_s, max_tenure_s=self.max_tenure_s)
        _positive(
            owner,
            bar_s=self.bar_s,
            bar_max_s=self.bar_max_s,
            poison_s=self.poison_s,
            poison_max_s=self.poison_max_s,
        )
        _not_negative(
            owner,
            prefer_after_s=self.prefer_after_s,
            lock_delay_s=self.lock_delay_s,
            rest_s=self.rest_s,
        )

    @property
    def shape(self) -> Shape:
        """The shape this role declares."""
        return Shape(self.shards, self.seats)
