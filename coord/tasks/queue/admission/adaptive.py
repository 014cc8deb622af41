"""A limit that is found: as many handlers at once as go without slowing each other down.

Owns that search. Pure: durations and times come in, a number comes out.

It compares how long handlers take at the limit with how long they take at half of it, its *base*.
If they take more than `_TOLERANCE` times as long, what they share is used up, and the limit goes
down in proportion (a gradient, no step lower than half); else it goes up by the square root of
itself, and doubles until it meets the first resistance. The rules around that:

- The base is measured, not remembered: every `_APART` windows, and soon after handlers became
  slower, one window is run at half the limit. If they are as slow there, the limit was not the
  cause (a slow dependency, bigger messages): the base is now that, and the limit stays. So a slow
  period shrinks nothing for long, and nothing that was true once holds it down for ever. At a limit
  of 1 nothing is in its own way: what is measured there is the base.
- Each task has a base of its own: a change of the mix is no change of speed.
- A window whose handlers never used half of the limit teaches nothing, and moves nothing.
- What failed fast is not counted: a broken dependency must not look like a fast one. What failed
  slowly is: time ran out.
"""

from __future__ import annotations

from math import sqrt

from coord.errors import ConfigError

__all__ = ["AdaptiveLimit"]

_TOLERANCE = 1.3
_SEVERE = 1.6
_RESISTANCE = 1.1
_REACHED = 0.8
_LOWEST_GRADIENT = 0.5
_SMOOTHING = 0.5
_LEAST_SAMPLES = 20
_DOUBT = 1.5
_LEAST_WINDOW_S = 0.5
_APART = 30
_APART_IF_SLOW = 5
_APART_IF_SEVERE = 2
_PROBE_PATIENCE = 2.0  # times what a probe should take
_JUST_S = 1e-6
_GRAIN_S = 0.005  # below that, differences are the scheduler's
_MOST_KINDS = 1000


class _Samples:
    """Durations by task."""

    __slots__ = ("count", "kinds", "seconds", "squares")

    def __init__(self) -> None:
        self.kinds: dict[str, tuple[int, float]] = {}
        self.count = 0
        self.seconds = 0.0
        self.squares = 0.0

    def add(self, kind: str, seconds: float) -> None:
        n, total = self.kinds.get(kind, (0, 0.0))
        self.kinds[kind] = (n + 1, total + seconds)
        self.count += 1
        self.seconds += seconds
        self.squares += seconds * seconds

    def slowness(self, base: dict[str, float]) -> float:
        """How many times as long as the base they took at the least; 1 where there is no base.

        At the least: `_DOUBT` standard errors of a comparison of two samples of this size are
        taken off, so that handlers of very unlike durations are not held to be slow by chance.
        """
        known = [(n, total, base[kind]) for kind, (n, total) in self.kinds.items() if kind in base]
        expected = sum(n * each for n, _, each in known)
        if not expected:
            return 1.0
        variation = max(0.0, self.squares * self.count / self.seconds**2 - 1.0)
        error = sqrt(2 * variation / self.count)
        return sum(total for _, total, _ in known) / expected / (1 + _DOUBT * error)


class AdaptiveLimit:
    """From 1 to `most`, beginning with `start`. Its caller locks."""

    def __init__(self, *, most: int = 64, start: int = 8) -> None:
        if most < 1:
            raise ConfigError(f"AdaptiveLimit: most is {most}", cure="It is 1 or more.")
        self._most = most
        self._limit = float(max(1, min(start, most)))
        self._base: dict[str, float] = {}
        self._window = _Samples()
        self._window_s = float("-inf")
        self._peak = 0
        self._since_probe = _APART
        self._probe: _Probe | None = None
        self._is_doubling = True
        self._usual_s = 0.0
        self.why = "not known yet"

    @property
    def value(self) -> int:
        """How many may run at once now: half of the limit during a probe."""
        return self._probe.limit if self._probe is not None else int(self._limit)

    @property
    def most(self) -> int:
        """The bound that was given."""
        return self._most

    @property
    def usual_s(self) -> float:
        """How long handlers take at present, all tasks together; 0 if that is not known."""
        return self._usual_s

    def look(self, now: float) -> None:
        """Ends a probe that takes too long: its samples do not come."""
        if self._probe is not None and now >= self._probe.end_s:
            self._probe = None
            self._begin(now)

    def ended(self, kind: str, seconds: float, *, was_done: bool, running: int, now: float) -> None:
        """One sample, unless it failed fast."""
        seconds = max(seconds, _GRAIN_S)
        self.look(now)
        if not was_done and seconds <= self._base.get(kind, _GRAIN_S):
            return
        if self._probe is not None:
            self._probed(kind, seconds, running, now)
            return
        self._peak = max(self._peak, running)
        if now - seconds < self._window_s - _JUST_S:
            return
        self._window.add(kind, seconds)
        enough = max(_LEAST_SAMPLES, int(self._limit))
        if self._window.count >= enough and now - self._window_s >= _LEAST_WINDOW_S:
            self._close(now)

    def _begin(self, now: float) -> None:
        self._window, self._window_s, self._peak = _Samples(), now, 0

    def _close(self, now: float) -> None:
        """The window is full: move the limit, or probe first."""
        window, peak = self._window, self._peak
        self._begin(now)
        self._usual_s = window.seconds / window.count
        if self.value == 1:
            self._measured(window)
        slowness = window.slowness(self._base)
        for kind, (n, total) in window.kinds.items():
            self._base.setdefault(kind, total / n)
        self._since_probe += 1
        if 2 * peak < self._limit:
            self.why = "less than half of it is used"
        elif self._wants_probe(slowness):
            self._since_probe = 0
            self._probe = _Probe(int(self._limit), self._usual_s, now)
        else:
            self._move(slowness, was_reached=peak >= _REACHED * self._limit)

    def _wants_probe(self, slowness: float) -> bool:
        if self.value == 1:
            return False
        if slowness > _SEVERE:
            return self._since_probe >= _APART_IF_SEVERE
        return self._since_probe >= (_APART if slowness <= _TOLERANCE else _APART_IF_SLOW)

    def _move(self, slowness: float, *, was_reached: bool) -> None:
        limit = self._limit
        gradient = _LOWEST_GRADIENT if slowness > _SEVERE else min(1.0, _TOLERANCE / slowness)
        more = max(1.0, sqrt(limit) / 2)
        if slowness > _RESISTANCE:
            self._is_doubling = False
        if gradient == 1.0 and not was_reached:
            self.why = "it is not reached"
            return
        if self._is_doubling:
            limit *= 2
        elif slowness > _SEVERE:  # half of it gets as much done
            limit = limit * gradient + more
        else:
            limit += _SMOOTHING * (limit * gradient + more - limit)
        self._limit = max(1.0, min(float(self._most), limit))
        if gradient < 1.0:
            self.why = f"handlers take {slowness:.1f} times as long as at half of it"
        else:
            self.why = "handlers take no longer than at half of it"

    def _probed(self, kind: str, seconds: float, running: int, now: float) -> None:
        probe = self._probe
        assert probe is not None  # noqa: S101  its caller looked
        if probe.settled_s is None:
            if running - 1 <= probe.limit:
                probe.settled_s = now
        elif now - seconds >= probe.settled_s - _JUST_S:
            probe.samples.add(kind, seconds)
        if probe.samples.count >= probe.wanted:
            self._probe = None
            self._begin(now)
            self._measured(probe.samples)

    def _measured(self, samples: _Samples) -> None:
        """How long handlers take when they are not in each other's way."""
        for kind, (n, total) in samples.kinds.items():
            found, before = total / n, self._base.get(kind)
            is_near = before is not None and 1 / _SEVERE < found / before < _SEVERE
            self._base[kind] = (found + before) / 2 if is_near and before is not None else found
        while len(self._base) > _MOST_KINDS:
            del self._base[next(iter(self._base))]


class _Probe:
    """A window at half the limit; only what began when no more than that ran counts."""

    __slots__ = ("end_s", "limit", "samples", "settled_s", "wanted")

    def __init__(self, limit: int, usual_s: float, now: float) -> None:
        self.limit = max(1, limit // 2)
        self.wanted = max(_LEAST_SAMPLES, limit)
        rounds = self.wanted / self.limit + 2
        self.end_s = now + _PROBE_PATIENCE * rounds * usual_s + 1.0
        self.settled_s: float | None = None
        self.samples = _Samples()
