"""Watching many series of counts at once: the hours, and what all series share."""

from statistics import NormalDist

from app.domain.baselines import DAY, WEEK, Calendar, hour_of_week
from app.domain.burst import Finding, Limits, Series


class Watch:
    """All series of one stream. Show it hours in order, and in each hour the articles as they come.

    Hours are counted from 1970-01-01 UTC; counts may be fractions. Memory is that of at most 240 hours
    a series, and of one number an hour of the stream. `elsewhere` is the number of series that are watched
    beside those shown here, which matters to the correction for many.
    """

    def __init__(self, limits: Limits, first_hour: int, elsewhere: int = 0) -> None:
        self.limits, self.hour, self._elsewhere = limits, first_hour, elsewhere
        self.calendar = Calendar(first_hour // DAY, limits.half_life_hours)
        self.history = 0  # hours watched
        self.series: dict[str, Series] = {}
        self._first_hour = first_hour
        self._totals = [0.0, 0.0]  # articles before each hour since the first
        self._cells = [0.0] * WEEK  # articles by hour of the week
        self._faded, self._past_totals = 0.0, dict[int, float]()  # weighted articles, at the ends of days
        self._hours_today = 1
        self._bounds_for, self._bounds, self._surely_calm = -1, list[float](), 0.0
        self._in_alarm: dict[str, Series] = {}

    @property
    def watched(self) -> int:
        """Number of series, those elsewhere included."""
        return len(self.series) + self._elsewhere

    def begin_hour(self, hour: int, after_silence: bool = False) -> list[tuple[str, int]]:
        """Begin an hour. After a silence, the hours between were not watched: neither calm nor history.

        Gives the series whose alarm has ended, each with the hour by whose beginning its window was ordinary.
        """
        ended: list[tuple[str, int]] = []
        while self.hour < hour:
            self.hour += 1
            self._totals.append(self._totals[-1])
            if self.hour % DAY == 0:
                self._close_day()
            watched = not after_silence or self.hour == hour
            self._hours_today += watched
            self.history += watched
            if self._in_alarm:
                over = [name for name, series in self._in_alarm.items() if series.release(self)]
                ended += [(name, self.hour) for name in over]
                for name in over:
                    del self._in_alarm[name]
        return ended

    def add(self, name: str, negatives: float, rest: float, quiet: bool = False) -> Finding | None:
        """Count articles of this hour on one series; return what is improbable, if these make it so.

        Those that are `quiet` make nothing so, though they count for what comes after them.
        """
        series = self.series.get(name)
        if series is None:
            series = self.series[name] = Series(self)
        finding = series.add(self, negatives, rest, quiet)
        if finding:
            self._in_alarm[name] = series
        return finding

    def add_total(self, articles: float) -> None:
        """Count articles of this hour, each once, on however many series it is."""
        self._totals[-1] += articles

    def add_late(self, name: str, hour: int, negatives: float, rest: float) -> float:
        """Count an article that came too late to be tested: it belongs to the past alone.

        Gives how much of it was learned, which add_late_total is to be told.
        """
        series = self.series.get(name)
        if series is None:
            series = self.series[name] = Series(self)
        return series.baseline.learn_late(self.calendar, hour, negatives, rest)

    def add_late_total(self, hour: int, articles: float) -> None:
        """Count late articles of an earlier hour, each once; their past is that of all series, too."""
        self._faded += self.calendar.weight(hour // DAY) * articles

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
            self._bounds = self.limits.p_values(self.watched)
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
