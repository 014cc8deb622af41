"""How long a run has got nothing done, where its task says how long it may.

Owns the progress clock of one run on a queue. Tells nobody: the clerk looks at it while it looks
after what runs. The clock begins with the run, and anew with each `job.progress()`; it stands still
while the run rests in `job.wait()` and begins anew after it, as under a term. Law: a run that was
silent for too long stays so, whatever it says later: only so it does not matter when somebody
looks (`test_progress_that_comes_too_late_is_none`).
"""

from __future__ import annotations

__all__ = ["Silence"]

_INF = float("inf")


class Silence:
    """Of one run. Times on the boot clock; any thread, no lock: each change is one assignment."""

    __slots__ = ("_since_s", "is_told", "rest_s", "timeout_s")

    def __init__(self, timeout_s: float, rest_s: float, now: float) -> None:
        self.timeout_s = timeout_s
        self.rest_s = rest_s
        """For how long its message is to rest once it is given up."""
        self.is_told = False
        self._since_s = now

    @property
    def why(self) -> str:
        """What a run that was silent for too long is told."""
        return f"no progress for {self.timeout_s:g} s"

    @property
    def late_s(self) -> float:
        """When it is too long; infinite while the run rests."""
        return self._since_s + self.timeout_s

    def began(self, now: float) -> None:
        """The clock begins anew."""
        if now < self.late_s:
            self._since_s = now

    def rests(self, now: float) -> None:
        """The clock stands still."""
        if now < self.late_s:
            self._since_s = _INF

    def works(self, now: float) -> None:
        """The run rests no more."""
        if self._since_s == _INF:
            self._since_s = now

    def excuse(self, seconds: float, now: float) -> None:
        """Nobody looked for so long: this process stood still, as it seems, and the run with it."""
        if self._since_s < now:
            self._since_s = min(now, self._since_s + seconds)
