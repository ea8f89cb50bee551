"""Watching many series of counts at once, each for bursts of several lengths.

A test costs what an alarm is worth only where one is possible: after each test, a series knows how many more
negatives it takes before any window could be improbable, and does nothing until they have come.
"""

import math
from bisect import bisect_left
from dataclasses import dataclass
from itertools import chain
from statistics import NormalDist

from app.domain.baselines import DAY, WEEK, Baseline, Calendar, hour_of_week
from app.domain.tails import tail_probability

_PRIOR_VOLUME = 2.0  # articles added to either side of a volume ratio, so that small numbers say little
_ORDINARY = 1.3, 2.0  # volume ratios up to which they are taken for chance, and from which for a surge
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

    def p_values(self, watched: int) -> list[float]:
        """For each window length, the largest p-value that is an alarm when so many series are watched.

        Windows begin every hour and overlap: of those of several hours, two in the time of one count as a test
        of their own. That the lengths lie within one another, and counts are whole, leaves the sum of all false
        alerts well under the bound (pipelines.simulate_news).
        """
        bound = self.max_p_value * min(1.0, self.series_in_full / max(1, watched))
        return [bound * max(0.5, length**1.3 / 10) for length in self.windows]


@dataclass(frozen=True)
class Finding:
    """A window that is improbable. `first_hour` is where it begins, `onset` whether the alarm is a new one."""

    first_hour: int
    window_hours: int
    count: float
    expected: float
    p_value: float
    onset: bool


class Watch:
    """All series of one stream. Show it hours in order, and in each hour the articles as they come.

    Hours are counted from 1970-01-01 UTC; counts may be fractions. Memory is that of the last four days a
    series, and of one number an hour of the stream.
    """

    def __init__(self, limits: Limits, first_hour: int) -> None:
        self.limits, self.hour = limits, first_hour
        self.calendar = Calendar(first_hour // DAY, limits.half_life_hours)
        self.history = 0  # hours watched
        self.series: dict[str, Series] = {}
        self._first_hour = first_hour
        self._totals = [0.0, 0.0]  # articles before each hour since the first
        self._cells = [0.0] * WEEK  # articles by hour of the week
        self._faded, self._past_totals = 0.0, dict[int, float]()  # weighted articles, at the ends of days
        self._hours_today = 1
        self._bounds_for, self._bounds, self._surely_calm = -1, list[float](), 0.0

    def begin_hour(self, hour: int, after_silence: bool = False) -> None:
        """Begin an hour. After a silence, the hours between were not watched: neither calm nor history."""
        while self.hour < hour:
            self.hour += 1
            self._totals.append(self._totals[-1])
            if self.hour % DAY == 0:
                self._close_day()
            watched = not after_silence or self.hour == hour
            self._hours_today += watched
            self.history += watched

    def add(self, name: str, negatives: float, rest: float) -> Finding | None:
        """Count articles of this hour on one series; return what is improbable, if these make it so."""
        series = self.series.get(name)
        if series is None:
            series = self.series[name] = Series(self)
        return series.add(self, negatives, rest)

    def add_total(self, articles: float) -> None:
        """Count articles of this hour, each once, on however many series it is."""
        self._totals[-1] += articles

    def add_late(self, name: str, hour: int, negatives: float, rest: float) -> None:
        """Count an article that came too late to be tested: it belongs to the past alone."""
        series = self.series.get(name)
        if series is None:
            series = self.series[name] = Series(self)
        series.baseline.learn_late(self.calendar, hour, negatives, rest)

    def total(self, hour: int, length: int) -> float:
        """Articles in the `length` hours that end with `hour`."""
        end = hour - self._first_hour + 1
        return self._totals[end] - self._totals[max(0, end - length)]

    def usual_total(self, hour: int, length: int, day: int) -> float:
        """Articles expected in them, by what was known at the end of `day`."""
        hours = self.calendar.hours_watched(day)
        if hours <= 0:
            return 0.0
        rate = self._past_totals.get(day, 0.0) / self.calendar.weight(day) / hours
        return rate * self.calendar.rhythm.window(hour, length)

    def bounds(self) -> list[float]:
        """Limits.p_values for the series seen so far."""
        if self._bounds_for != len(self.series):
            self._bounds_for = len(self.series)
            self._bounds = self.limits.p_values(self._bounds_for)
            self._surely_calm = NormalDist().inv_cdf(1.0 - min(0.4, max(self._bounds))) - 0.3
        return self._bounds

    def surely_calm(self) -> float:
        """Standard deviations above the mean under which no window can be improbable enough.

        A negative binomial has a longer upper tail than the normal distribution of its mean and variance.
        """
        self.bounds()
        return self._surely_calm

    def _close_day(self) -> None:
        """Learn the day before the present hour, as far as all series share it."""
        day = self.hour // DAY - 1
        first = max(0, day * DAY - self._first_hour)
        last = len(self._totals) - 2
        for i in range(first, last):
            articles = self._totals[i + 1] - self._totals[i]
            self._cells[hour_of_week(self._first_hour + i)] += articles
        self._faded += self.calendar.weight(day) * (self._totals[last] - self._totals[first])
        self._past_totals[day] = self._faded
        self._past_totals.pop(day - 8, None)
        self.calendar.close_day(day, self._hours_today, self._cells)
        self._hours_today = 0


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
        "baseline",
    )

    def __init__(self, watch: Watch) -> None:
        self.baseline = Baseline(watch.calendar)
        self._hours: list[int] = []  # those with articles
        self._negatives, self._rest = [0.0], [0.0]  # sums before each of them, and after the last
        self._day = -1
        self._least: list[float] = []  # counts below which no window is tested today
        self._pending, self._slack = 0.0, 0.0  # negatives since the last test; how many it takes
        self._alarm_days: set[int] = set()
        self._alarm = 0  # length of the window that is in alarm
        self._since = -1  # hour from which on articles have not had their alert

    def add(self, watch: Watch, negatives: float, rest: float) -> Finding | None:
        """Count articles of the present hour, and test if they may matter."""
        hour = watch.hour
        if not self._hours or self._hours[-1] != hour:
            if self._alarm:
                self._release(watch, hour - 1)
            if hour // DAY != self._day:
                self._begin_day(watch, hour // DAY)
            self._hours.append(hour)
            self._negatives.append(self._negatives[-1])
            self._rest.append(self._rest[-1])
        self._negatives[-1] += negatives
        self._rest[-1] += rest
        if not negatives:
            return None
        self._pending += negatives
        if self._pending + _ROUNDING < self._slack or watch.history < watch.limits.min_history_hours:
            return None
        return self._test(watch)

    def _test(self, watch: Watch) -> Finding | None:
        """The most improbable window that ends now."""
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
        is not worse news. The variance is the dispersion times the mean, and adds the mean's own uncertainty.
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
        dispersion = base.dispersion(length)
        return mean, tail_probability(count, mean, mean * dispersion * (1.0 + mean / events))

    def _release(self, watch: Watch, hour: int) -> None:
        """End the alarm if by the end of `hour` its window had become ordinary; its articles count no more."""
        start = max(hour - self._alarm + 1, self._since)
        count = self._count(self._negatives, start)
        if count > 0 and self._improbability(watch, hour, start, count)[1] < watch.limits.release_p_value:
            return
        self._alarm, self._since = 0, hour + 1

    def _count(self, sums: list[float], start: int) -> float:
        """Articles from hour `start` on."""
        return sums[-1] - sums[bisect_left(self._hours, start)]

    def _begin_day(self, watch: Watch, day: int) -> None:
        """Learn the days before, forget what no window reaches, and see what it takes to alarm today."""
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
        self._day, self._slack = day, 0.0
        self._least = self._least_counts(watch, day)

    def _least_counts(self, watch: Watch, day: int) -> list[float]:
        """For each window length, the smallest count that could be an alarm at any hour of the day."""
        limits, base, calendar = watch.limits, self.baseline, watch.calendar
        deviations = watch.surely_calm()
        ends = [((day * DAY - n + 1) // DAY - 1, (day * DAY + DAY - n) // DAY - 1) for n in limits.windows]
        rates = {end: base.rates(calendar, end)[0] for end in set(chain.from_iterable(ends))}
        least = []
        for length, usual, (first, last) in zip(
            limits.windows, base.rhythm.least(day, limits.windows), ends, strict=True
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
