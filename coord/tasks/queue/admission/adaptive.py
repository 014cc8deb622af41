"""A limit that is found: as many handlers at once as go without slowing each other down.

Owns that search. Pure: what begins and ends, and when, comes in, and a number comes out.

It compares how long handlers take at the limit with how long they take at half of it, its *base*.
If they take more than `_TOLERANCE` times as long, what they share is used up, and the limit goes
down in proportion (a gradient, no step lower than half); else it goes up by a part of its square
root, and doubles until it meets the first resistance. The rules around that:

- How long they take is how much handlers' time went by for each that ended (Little's law), not the
  mean of those that ended: where a resource serves its line out of order, the quick ones end and
  those that wait do not, and the mean of what ended looks well while the line grows.
- The base is measured, not remembered: every `_APART` windows, and soon after handlers became
  slower, one window is run at half the limit. If they are as slow there, the limit was not the
  cause (a slow dependency, bigger messages): the base is now that, and the limit stays. So a slow
  period shrinks nothing for long, and nothing that was true once holds it down for ever. At a limit
  of 1 nothing is in its own way: what is measured there is the base.
- An end counts by what its task usually takes: a change of the mix is no change of speed.
- A window whose handlers never used half of the limit teaches nothing, and moves nothing; it grows
  only if it was nearly reached.
- What failed fast is not counted: a broken dependency must not look like a fast one. What failed
  slowly is: time ran out.
"""

from __future__ import annotations

from math import sqrt

from coord.errors import ConfigError

__all__ = ["AdaptiveLimit"]

_TOLERANCE = 1.3
_SEVERE = 1.6  # then half of it gets nearly as much done
_RESISTANCE = 1.1
_LOWEST_GRADIENT = 0.5
_SMOOTHING = 0.5
_REACHED = 0.8
_LEAST_ENDS = 20
_LEAST_WINDOW_S = 0.5
_DOUBT = 1.0
_APART = 30
_APART_IF_SLOW = 5
_APART_IF_SEVERE = 2
_PROBE_PATIENCE = 2.0  # times what a probe should take
_GRAIN_S = 0.005  # below that, differences are the scheduler's
_LATEST = 0.1
_MOST_KINDS = 1000


class _Window:
    """What went on since a moment: handlers' time, and ends by what they usually take."""

    __slots__ = ("area_s", "count", "expected_s", "peak", "seconds", "since_s", "skips", "squares")

    def __init__(self, now: float, skips: int) -> None:
        self.skips = skips  # so many ends more belong to what was before
        self.restart(now)

    def restart(self, now: float) -> None:
        """Its time begins now."""
        self.since_s = now
        self.area_s = self.expected_s = self.seconds = self.squares = 0.0
        self.count = self.peak = 0

    def add(self, seconds: float, usual_s: float) -> None:
        """One has ended."""
        self.count += 1
        self.expected_s += usual_s
        self.seconds += seconds
        self.squares += seconds * seconds

    @property
    def slowness(self) -> float:
        """How many times as long as usual they took."""
        return self.area_s / self.expected_s

    @property
    def doubt(self) -> float:
        """By how much two windows of this size differ by chance, relatively: one deviation."""
        variation = self.squares * self.count / self.seconds**2 - 1.0
        return sqrt(2 * min(1.0, max(0.0, variation)) / self.count)


class _Probe:
    """A window at half the limit, once no more than that run."""

    __slots__ = ("end_s", "is_settled", "limit", "wanted", "window")

    def __init__(self, limit: int, usual_s: float, now: float) -> None:
        self.limit = max(1, limit // 2)
        self.wanted = max(_LEAST_ENDS, limit)
        rounds = self.wanted / self.limit + 3
        self.end_s = now + _PROBE_PATIENCE * rounds * usual_s + 1.0
        self.is_settled = False
        self.window = _Window(now, self.limit)


class AdaptiveLimit:
    """From 1 to `most`, beginning with `start`. Its caller locks. Raises `ConfigError`."""

    def __init__(self, *, most: int = 64, start: int = 8) -> None:
        if most < 1:
            raise ConfigError(f"AdaptiveLimit: most is {most}", cure="It is 1 or more.")
        self._most = most
        self._limit = float(max(1, min(start, most)))
        self._usual: dict[str, tuple[int, float]] = {}
        self._base = 0.0
        self._seconds = 0.0
        self._window = _Window(0.0, 1)
        self._last_s = 0.0
        self._since_probe = _APART
        self._probe: _Probe | None = None
        self._is_doubling = True
        self.why = "not known yet"

    @property
    def value(self) -> int:
        """How many may run at once now: half of the limit during a probe."""
        return self._probe.limit if self._probe is not None else int(self._limit)

    @property
    def most(self) -> int:
        """The bound that was given."""
        return self._most

    def look(self, now: float) -> None:
        """Ends a probe that takes too long: its ends do not come."""
        if self._probe is not None and now >= self._probe.end_s:
            self._probe = None
            self._window = _Window(now, self.value)

    def began(self, running: int, now: float) -> None:
        """One begins, beside so many."""
        self._passes(running, now)

    def _passes(self, running: int, now: float) -> _Window:
        """Time has passed with so many at work."""
        window = self._window if self._probe is None else self._probe.window
        window.area_s += running * (now - self._last_s)
        self._last_s = now
        return window

    def ended(self, kind: str, seconds: float, *, was_done: bool, running: int, now: float) -> None:
        """One has ended; it counts unless it failed fast: then its time does not count either."""
        self.look(now)
        window = self._passes(running, now)
        window.peak = max(window.peak, running)
        took_s, seconds = seconds, max(seconds, _GRAIN_S)
        usual_s = self._usual_s(kind, seconds if was_done else None)
        if not was_done and seconds <= usual_s:
            window.area_s = max(0.0, window.area_s - took_s)
            return
        self._seconds += _LATEST * (seconds - self._seconds)
        probe = self._probe
        if probe is not None and not probe.is_settled:
            probe.is_settled = running - 1 <= probe.limit
        elif window.skips > 0:
            window.skips -= 1
            if not window.skips:
                window.restart(now)
        else:
            window.add(seconds, usual_s)
            self._look_at(window, now)

    def _usual_s(self, kind: str, seconds: float | None) -> float:
        """What handlers of that kind took when they were new here: the measure of them all."""
        count, usual_s = self._usual.get(kind, (0, _GRAIN_S))
        if seconds is None or count >= _LEAST_ENDS:
            return usual_s
        usual_s = (usual_s * count + seconds) / (count + 1)
        self._usual[kind] = count + 1, usual_s
        if len(self._usual) > _MOST_KINDS:
            del self._usual[next(iter(self._usual))]
        return usual_s

    def _look_at(self, window: _Window, now: float) -> None:
        """One more end is in it; act on it if it is full."""
        if self._probe is not None:
            if window.count >= self._probe.wanted:
                self._base = window.slowness
                self._probe = None
                self._window = _Window(now, self.value)
        elif (
            window.count >= max(_LEAST_ENDS, int(self._limit))
            and now - window.since_s >= _LEAST_WINDOW_S
        ):
            self._close(window, now)

    def _close(self, window: _Window, now: float) -> None:
        """The window is full: move the limit, or probe first."""
        before = self.value
        found = window.slowness
        if before == 1 or not self._base:
            self._base = found
        slowness = max(_GRAIN_S * window.count, window.area_s) / window.expected_s
        slowness = slowness / self._base / (1 + _DOUBT * window.doubt)
        self._since_probe += 1
        if 2 * window.peak < self._limit:
            self.why = "less than half of it is used"
        elif self._wants_probe(slowness):
            self._since_probe = 0
            self._probe = _Probe(before, self._seconds, now)
        else:
            self._move(slowness, was_reached=window.peak >= _REACHED * before)
        self._window = _Window(now, before if self.value != before else 0)

    def _wants_probe(self, slowness: float) -> bool:
        if self.value == 1:
            return False
        if slowness > _SEVERE:
            return self._since_probe >= _APART_IF_SEVERE
        return self._since_probe >= (_APART if slowness <= _TOLERANCE else _APART_IF_SLOW)

    def _move(self, slowness: float, *, was_reached: bool) -> None:
        limit = self._limit
        if slowness > _RESISTANCE:
            self._is_doubling = False
        if slowness > _TOLERANCE:
            gradient = max(_LOWEST_GRADIENT, _TOLERANCE / slowness)
            limit *= 1 - _SMOOTHING * (1 - gradient) if slowness <= _SEVERE else gradient
            self.why = f"handlers take {slowness:.1f} times as long as at half of it"
        elif was_reached:
            limit += limit if self._is_doubling else _SMOOTHING * max(1.0, sqrt(limit) / 2)
            self.why = "handlers take no longer than at half of it"
        else:
            self.why = "it is not reached"
        self._limit = max(1.0, min(float(self._most), limit))
