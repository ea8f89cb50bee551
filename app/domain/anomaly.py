"""Anomaly scores of a series of numbers, of whatever kind and rate. Causal; the parameters suit most series.

Five kinds of surprise are measured for each value: an extreme level, a jump, a shift of the mean, a departure
from the time of day, and one that lasts for half a day. Each is turned into its rarity among the series' own
past, in decades: "one in a thousand" is 3, for a load in per cent and a temperature alike. Beyond the highest 2 %
the tail is continued exponentially by its mean excess (peaks over threshold, as in SPOT: Siffer et al. 2017,
doi 10.1145/3097983.3098144). Independent rarities multiply, so decades add up.

A score speaks of the onset: while an excursion lasts, it is 0 unless the surprise still grows.
"""

import math
from bisect import bisect_left, insort
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from itertools import pairwise

_HISTORY = 6000  # values that a rarity refers to: three weeks of 5-minute values
_TAIL = 0.02  # share of the past beyond which the tail is continued
_LEARN = 50  # values before which nothing is rare
_MAX_EXCESS = 10.0  # decades beyond the tail
_FLAT = 6.0  # decades of leaving a tail that has no spread
_ONSET, _ONSET_MARGIN = 100, 0.5  # values for which, and decades by which, a surprise must stand out
_ALARM, _STEEPNESS = 10.0, 4  # decades in sum at which the score is 0.5, and how fast it rises there
_SHORT, _LONG = 24, 288  # values in the means whose difference is a shift
_SLOTS, _SLOT_DAYS = 288, 14  # times of day that are told apart; days remembered of each
_SLOT_VALUES = 6  # values at a time of day before which nothing is usual then
_DAY = 86400.0  # seconds
_RESOLUTION = 1e-3  # of the scale: differences below it are none


class _Rarity:
    """-log10 of the share of the past that was so high."""

    def __init__(self, resolution: float) -> None:
        self._resolution = resolution  # mean excess below which a tail counts as flat as this
        self._sorted: list[float] = []
        self._order: deque[float] = deque()

    def of(self, value: float) -> float:
        """The rarity of a value, in decades, which then becomes a part of the past."""
        rarity = self._measure(value)
        insort(self._sorted, value)
        self._order.append(value)
        if len(self._order) > _HISTORY:
            del self._sorted[bisect_left(self._sorted, self._order.popleft())]
        return rarity

    def _measure(self, value: float) -> float:
        past = self._sorted
        n = len(past)
        if n < _LEARN:
            return 0.0
        higher = n - bisect_left(past, value)
        tail = max(10, int(n * _TAIL))
        if higher >= tail:
            return -math.log10((higher + 1) / (n + 1))
        start = past[n - tail]
        excess = max(math.fsum(past[n - tail :]) / tail - start, self._resolution)
        beyond = (value - start) / excess / math.log(10) if excess > 0 else _FLAT
        return -math.log10(tail / (n + 1)) + min(_MAX_EXCESS, beyond)


class _Clock:
    """The usual value at each time of day, from the same and the neighbouring times of the last two weeks."""

    def __init__(self, step: float) -> None:
        self._slots = min(_SLOTS, round(_DAY / step)) if step > 0 else 0
        self._past: dict[int, deque[float]] = {}
        self.half_day = max(1, round(_DAY / step) // 2) if step > 0 else 1

    def departure(self, value: float, time: datetime) -> float | None:
        """Value less the usual one; None where that is not known yet, or for series of one value a day."""
        if self._slots < 2:
            return None
        slot = int((time.hour * 3600 + time.minute * 60 + time.second) * self._slots / _DAY)
        near = [v for i in (slot - 1, slot, slot + 1) for v in self._past.get(i % self._slots, ())]
        self._past.setdefault(slot, deque(maxlen=_SLOT_DAYS)).append(value)
        return value - sorted(near)[len(near) // 2] if len(near) >= _SLOT_VALUES else None


class _Surprise:
    """The five rarities of each value, summed."""

    def __init__(self, values: Sequence[float], times: Sequence[datetime]) -> None:
        """Set the scale and the rate by the first values, which are then to be passed in, too."""
        mean = math.fsum(values) / len(values)
        spread = math.sqrt(math.fsum((v - mean) ** 2 for v in values) / len(values))
        sizes = sorted(map(abs, values))
        self._unit = 0.1 * (sizes[len(sizes) // 2] or sizes[-1] or 1.0)  # of the logarithmic scale
        steps = sorted((b - a).total_seconds() for a, b in pairwise(times))
        self._clock = _Clock(steps[len(steps) // 2] if steps else 0.0)
        fine = _RESOLUTION * spread
        self._high, self._low, self._shift = _Rarity(fine), _Rarity(fine), _Rarity(fine)
        self._jump, self._departure, self._half_day = _Rarity(_RESOLUTION), _Rarity(fine), _Rarity(fine)
        self._last: float | None = None
        self._sums: deque[float] = deque([0.0], maxlen=_SHORT + _LONG + 1)
        self._departures: deque[float] = deque([0.0], maxlen=self._clock.half_day + 1)

    def of(self, value: float, time: datetime | None) -> float:
        """Decades of rarity of the next value."""
        size = math.copysign(math.log1p(abs(value) / self._unit), value)
        jump = 0.0 if self._last is None else abs(size - self._last)
        self._last = size
        total = max(0.0, self._high.of(value), self._low.of(-value)) + max(0.0, self._jump.of(jump))
        total += max(0.0, self._shift.of(self._mean_shift(value)))
        departure = None if time is None else self._clock.departure(value, time)
        self._departures.append(self._departures[-1] + (departure or 0.0))
        if departure is not None:
            total += max(0.0, self._departure.of(abs(departure)))
            total += max(0.0, self._half_day.of(abs(self._departures[-1] - self._departures[0])))
        return total

    def _mean_shift(self, value: float) -> float:
        """Distance between the mean of the last values and that of those before them."""
        sums = self._sums
        sums.append(sums[-1] + value)
        n = len(sums) - 1
        short = min(_SHORT, n)
        if n <= short:
            return 0.0
        recent, before = sums[-1] - sums[-1 - short], sums[-1 - short] - sums[0]
        return abs(recent / short - before / (n - short))


class SeriesScorer:
    """Scores the values of one series one by one, each by those before it."""

    def __init__(self) -> None:
        self._warm_up: list[tuple[float, datetime | None]] = []
        self._surprise: _Surprise | None = None
        self._count = 0
        self._falling: deque[tuple[int, float]] = deque()  # surprises not topped since, of the last _ONSET values

    def score(self, value: float, time: datetime | None = None) -> float:
        """Anomaly score in [0, 1]; 0.5 is a good alarm. Without times there is no time of day."""
        if self._surprise is None:
            self._warm_up.append((value, time))
            if len(self._warm_up) == _LEARN:
                values, times = zip(*self._warm_up, strict=True)
                self._surprise = _Surprise(values, [t for t in times if t is not None])
                for warm, at in self._warm_up:
                    self._surprise.of(warm, at)
            return 0.0
        surprise = self._onset(self._surprise.of(value, time)) ** _STEEPNESS
        return surprise / (surprise + _ALARM**_STEEPNESS)

    def _onset(self, surprise: float) -> float:
        """The surprise if it stands out from those before it, else 0."""
        falling = self._falling
        self._count += 1
        if falling and falling[0][0] < self._count - _ONSET:
            falling.popleft()
        stands_out = not falling or surprise > falling[0][1] + _ONSET_MARGIN
        while falling and falling[-1][1] <= surprise:
            falling.pop()
        falling.append((self._count, surprise))
        return surprise if stands_out else 0.0


def score_series(values: Iterable[float], times: Iterable[datetime] | None = None) -> Iterator[float]:
    """Anomaly score in [0, 1] of each value given only those before it."""
    scorer = SeriesScorer()
    if times is None:
        return (scorer.score(value) for value in values)
    return (scorer.score(value, time) for value, time in zip(values, times, strict=True))
