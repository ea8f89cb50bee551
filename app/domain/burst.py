"""One series of counts, watched for bursts of several lengths.

A test costs something only where an alarm is possible: after each test, a series knows how many more negatives it
takes before any window could be improbable, and does nothing until they have come.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from app.domain.baselines import DAY, KNOWN_DAYS, Baseline
from app.domain.tails import tail_probability

if TYPE_CHECKING:
    from app.domain.watch import Watch

_PRIOR_VOLUME = 2.0  # articles added to either side of a volume ratio, so that small numbers say little
_MAX_HOURS = 240  # hours with articles that a series keeps before it learns them
_ORDINARY = 1.3, 2.0  # volume ratios up to which they are taken for chance, and from which for a surge
_OVERLAP, _OVERLAP_SCALE = 1.25, 8.0
_COVERAGE = 0.5  # neutral articles that a negative one brings along, which are no sign of a busy topic
_ROUNDING = 1e-9  # what a sum of weights may lack of a whole number


@dataclass(frozen=True)
class Limits:
    """What is improbable enough. See SpikeRule for what each means."""

    windows: tuple[int, ...]
    min_negatives: float
    min_ratio: float
    max_p_value: float
    series_in_full: int
    release_p_value: float
    half_life_hours: float
    min_history_hours: float

    @cached_property
    def reach(self) -> list[int]:
        """How many days before the present one the last days end that lie before any window of today."""
        return sorted({back for length in self.windows for back in _days_back(length)})

    @cached_property
    def ends(self) -> list[tuple[int, int]]:
        """For each window length, the places in `reach` for the windows that end first and last today."""
        places = {back: place for place, back in enumerate(self.reach)}
        return [(places[first], places[last]) for first, last in map(_days_back, self.windows)]

    def p_values(self, watched: int) -> list[float]:
        """For each window length, the largest p-value that is an alarm when so many series are watched.

        Windows begin every hour and overlap, so that those of many hours make few tests of their own and may be
        judged less strictly; how much less was found by simulation (pipelines.simulate_news).
        """
        bound = self.max_p_value * min(1.0, self.series_in_full / max(1, watched))
        return [bound * max(1.0, length**_OVERLAP / _OVERLAP_SCALE) for length in self.windows]


def _days_back(length: int) -> tuple[int, int]:
    """Days between today and the last day before a window, for the windows that end first and last today."""
    return 1 - (1 - length) // DAY, 1 - (DAY - length) // DAY


@dataclass(frozen=True)
class Finding:
    """A window that is improbable. `first_hour` is where it begins, `onset` whether the alarm is a new one."""

    first_hour: int
    window_hours: int
    count: float
    expected: float
    p_value: float
    onset: bool


class Series:
    """One series of a watch: its last days hour by hour, its baseline, and its alarm."""

    __slots__ = (
        "_alarm",
        "_alarm_days",
        "_day",
        "_hours",
        "_least",
        "_negatives",
        "_pending",
        "_rest",
        "_since",
        "_slack",
        "_today",
        "baseline",
    )

    def __init__(self, watch: Watch) -> None:
        self.baseline = Baseline(watch.calendar)
        self._hours: list[int] = []  # those with articles
        self._negatives, self._rest = [0.0], [0.0]  # sums before each of them, and after the last
        self._today = self._day = -1  # the last day with articles; the day up to which all is learned
        self._least: list[float] = []  # counts below which no window is tested today
        self._pending, self._slack = 0.0, 0.0  # negatives since the last test; how many it takes
        self._alarm_days: set[int] = set()
        self._alarm = 0  # length of the window that is in alarm
        self._since = -1  # hour from which on articles have not had their alert

    def add(self, watch: Watch, negatives: float, rest: float, quiet: bool = False) -> Finding | None:
        """Count articles of the present hour, and test if they may matter and are not `quiet`."""
        hour = watch.hour
        if not self._hours or self._hours[-1] != hour:
            self._begin_hour(watch, hour)
        self._negatives[-1] += negatives
        self._rest[-1] += rest
        if not negatives:
            return None
        self._pending += negatives
        if quiet or self._pending + _ROUNDING < self._slack or watch.history < watch.limits.min_history_hours:
            return None
        return self._test(watch)

    def release(self, watch: Watch) -> bool:
        """End the alarm if by the present hour its window has become ordinary; its articles count no more."""
        hour = watch.hour
        self._begin_day(watch, hour // DAY)
        start = max(hour - self._alarm, self._since)
        count = self._count(self._negatives, start)
        if count > 0 and self._improbability(watch, hour - 1, start, count)[1] < watch.limits.release_p_value:
            return False
        self._alarm, self._since, self._slack = 0, hour, 0.0
        self._least = self._least_counts(watch, self._day)
        return True

    def usual(self, watch: Watch, start: int) -> float:
        """Negatives expected from hour `start` to the present one, by what was known before, at ordinary volume."""
        day = max(start // DAY - 1, watch.hour // DAY - KNOWN_DAYS)
        rate = self.baseline.rates(watch.calendar, day)[0]
        return rate * self.baseline.rhythm.window(watch.hour, watch.hour - start + 1)

    def _begin_hour(self, watch: Watch, hour: int) -> None:
        if hour // DAY != self._today:
            self._today = hour // DAY
            reach = self._count(self._negatives, hour - max(watch.limits.windows) + 1)
            self._pending, self._slack = 0.0, watch.limits.min_negatives - reach
        elif len(self._hours) >= _MAX_HOURS:
            self._begin_day(watch, self._today)
        self._hours.append(hour)
        self._negatives.append(self._negatives[-1])
        self._rest.append(self._rest[-1])

    def _test(self, watch: Watch) -> Finding | None:
        """The most improbable window that ends now."""
        self._begin_day(watch, self._today)
        limits, best = watch.limits, None
        bounds = watch.bounds()
        slack = math.inf
        for length, bound, least in zip(limits.windows, bounds, self._least, strict=True):
            start = max(watch.hour - length + 1, self._since)
            count = self._count(self._negatives, start)
            if count + _ROUNDING < least:
                slack = min(slack, least - count)
                continue
            slack = min(slack, 1.0 if not best else 0.0)
            expected, p_value = self._improbability(watch, watch.hour, start, count)
            if p_value <= bound and count >= limits.min_ratio * expected and (not best or p_value < best.p_value):
                best = Finding(start, length, count, expected, p_value, onset=not self._alarm)
        self._pending, self._slack = 0.0, 0.0 if best else slack
        if best:
            self._alarm = best.window_hours
            self._alarm_days.update(range(best.first_hour // DAY, watch.hour // DAY + 1))
        return best

    def _improbability(self, watch: Watch, hour: int, start: int, count: float) -> tuple[float, float]:
        """Expected count from `start` to `hour`, and the chance of so high a count.

        The expectation rises with the volume of other articles, on the series or elsewhere: more of everything
        is not worse news. The variance is the dispersion times the mean, more in a surge, whose share of bad news
        is less certain, and adds the mean's own uncertainty.
        """
        length, day = hour - start + 1, start // DAY - 1  # the last day that lies before the window
        base, calendar = self.baseline, watch.calendar
        negatives, rest, events = base.rates(calendar, day)
        usual = base.rhythm.window(hour, length)
        own_rest = self._count(self._rest, start)
        own_volume = max(0.0, own_rest - _COVERAGE * count)
        elsewhere = watch.total(hour, length) - count - own_rest
        usual_elsewhere = max(0.0, watch.usual_total(hour, length, day) - (negatives + rest) * usual)
        volume = _surge(
            max(
                (own_volume + _PRIOR_VOLUME) / (rest * usual + _PRIOR_VOLUME),
                (elsewhere + _PRIOR_VOLUME) / (usual_elsewhere + _PRIOR_VOLUME),
            )
        )
        mean = negatives * usual * volume
        dispersion = base.dispersion(length) * volume
        return mean, tail_probability(count, mean, mean * dispersion * (1.0 + mean / events))

    def _count(self, sums: list[float], start: int) -> float:
        """Articles from hour `start` on."""
        return sums[-1] - sums[bisect_left(self._hours, start)]

    def _begin_day(self, watch: Watch, day: int) -> None:
        """Learn the days before, forget what no window reaches, and see what it takes to alarm today.

        It is put off until the first test of the day, since most series have none for days.
        """
        if day == self._day:
            return
        calendar, base = watch.calendar, self.baseline
        base.follow(calendar)
        first = max(self._day, calendar.first_day)
        position = bisect_left(self._hours, first * DAY)
        for past in range(first, day):
            hours = []
            while position < len(self._hours) and self._hours[position] < (past + 1) * DAY:
                n = self._negatives[position + 1] - self._negatives[position]
                r = self._rest[position + 1] - self._rest[position]
                hours.append((self._hours[position] % DAY, n, r))
                position += 1
            base.learn(calendar, past, hours, past in self._alarm_days)
        old = bisect_left(self._hours, day * DAY - max(watch.limits.windows))
        del self._hours[:old], self._negatives[:old], self._rest[:old]
        self._alarm_days = {d for d in self._alarm_days if d >= day}
        self._day = day
        self._least = self._least_counts(watch, day)

    def _least_counts(self, watch: Watch, day: int) -> list[float]:
        """For each window length, the smallest count that could be an alarm at any hour of the day."""
        limits, base, calendar = watch.limits, self.baseline, watch.calendar
        deviations = watch.surely_calm()
        rates = [base.rates(calendar, day - back)[0] for back in limits.reach]
        least = []
        for length, usual, (first, last) in zip(
            limits.windows, base.rhythm.least(day, limits.windows), limits.ends, strict=True
        ):
            mean = min(rates[first], rates[last]) * usual
            if self._since > day * DAY - length:  # a window cut short expects less
                mean = 0.0
            unlikely = mean + deviations * math.sqrt(mean)
            least.append(max(limits.min_negatives, limits.min_ratio * mean, unlikely))
        return least


def _surge(ratio: float) -> float:
    """How many times the usual there is of everything: 1 while it may be chance, the ratio where it can't be."""
    low, high = _ORDINARY
    return 1.0 + (ratio - 1.0) * min(1.0, max(0.0, (ratio - low) / (high - low)))
