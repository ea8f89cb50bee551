"""What a series of counts usually holds: its rhythm over the week, its present level, its spread.

Hours and days are counted from 1970-01-01 UTC. A day is learned when it is over, and each estimate can be asked
for as it stood at the end of an earlier day, so that what is under test never speaks in its own favour.
"""

import math
from collections import deque
from collections.abc import Sequence
from itertools import accumulate, pairwise
from operator import mul, sub

DAY, WEEK = 24, 168
_FIRST_WEEKDAY = 3  # 1970-01-01 was a Thursday; Monday is 0
BLOCKS = (1, 3, 12, 24)  # lengths in hours over which the spread is measured; they divide a day
_PRIOR_COUNT = 0.5  # Jeffreys prior of a Poisson rate: half an event in no time
_PRIOR_DISPERSION, _PRIOR_EVENTS = 1.4, 15.0  # bursty, until more expected events than these say otherwise
_LEAST_EXCESS = 0.2  # of variance over mean, whatever was measured: one story, several articles
_SHRINK_HOUR, _SHRINK_WEEKDAY, _SHRINK_CELL = 10.0, 20.0, 15.0  # articles that speak for the prior, a group
_LEAST_HOUR = 0.65  # of the mean hour: a few articles at night are not as odd as the stillness of nights makes them
_OWN_RHYTHM = 30.0  # a series with fewer articles follows the rhythm of all of them
_LEARNED_DAYS = 3.0  # before these, nothing is known well enough to call a day an outlier
_OUTLIER = 4.0  # standard deviations above which a day's excess is not learned
_ALARMED = 1.0  # the same on a day with an alarm
KNOWN_DAYS = 6  # ends of days at which the level is remembered
_WILD = 6.0  # times the expected square above which a day's deviations are not learned


def hour_of_week(hour: int) -> int:
    """0 is Monday 00:00 UTC."""
    return (hour + DAY * _FIRST_WEEKDAY) % WEEK


def weekday(day: int) -> int:
    """0 is Monday."""
    return (day + _FIRST_WEEKDAY) % 7


class Rhythm:
    """How much of a week's news each of its 168 hours brings, as multiples of the mean hour."""

    __slots__ = ("_least", "_squares", "hours", "sums", "trailing")

    def __init__(self, hours: Sequence[float], half_life_days: float) -> None:
        least = _LEAST_HOUR * math.fsum(hours) / WEEK
        lifted = [hour if hour > least else least for hour in hours]
        scale = WEEK / math.fsum(lifted)
        self.hours = [hour * scale for hour in lifted]
        self.sums = list(accumulate(self.hours * 2, initial=0.0))
        self._least: dict[int, list[float]] = {}
        self._squares: dict[int, list[float]] = {}
        ends = self.sums[: WEEK + 1 : DAY]
        days = [(end - begin) / DAY for begin, end in pairwise(ends)]
        fade = [0.5 ** (k / half_life_days) for k in range(1, 8)]
        total = sum(fade)
        # Mean of the seven days before each weekday, weighted as the past fades.
        back = days[::-1] * 2
        self.trailing = [sum(map(mul, fade, back[7 - d : 14 - d])) / total for d in range(7)]

    def span(self, start: int, length: int) -> float:
        """Sum over `length` hours from an hour of the week on."""
        return self.sums[start + length] - self.sums[start]

    def window(self, hour: int, length: int) -> float:
        """Sum over the `length` hours that end with this one."""
        weeks, length = divmod(length, WEEK)
        end = hour_of_week(hour) + WEEK + 1
        return self.sums[end] - self.sums[end - length] + WEEK * weeks

    def least(self, day: int, lengths: Sequence[int]) -> list[float]:
        """For each length, the smallest window that ends on that day."""
        key = weekday(day)
        if key not in self._least:
            first = WEEK + DAY * key + 1
            ends = self.sums[first : first + DAY]
            self._least[key] = [
                WEEK * (n // WEEK) + min(map(sub, ends, self.sums[first - n % WEEK : first - n % WEEK + DAY]))
                for n in lengths
            ]
        return self._least[key]

    def squares(self, kind: int) -> list[float]:
        """For each length of BLOCKS, the sum of the squared blocks of that weekday."""
        if kind not in self._squares:
            day = self.sums[DAY * kind : DAY * kind + DAY + 1]
            blocks = [list(map(sub, day[n::n], day[::n])) for n in BLOCKS]
            self._squares[kind] = [sum(map(mul, block, block)) for block in blocks]
        return self._squares[kind]


def learn_rhythm(
    counts: Sequence[float], days_seen: Sequence[float], prior: Rhythm, half_life_days: float
) -> Rhythm:
    """The rhythm of 168 counts, shrunk from hours of the week to hours of the day and days of the week to `prior`.

    Each step multiplies what the step before expects by (seen + k) / (expected + k): the posterior mean of a
    gamma-Poisson factor around 1. `days_seen` says how many Mondays, Tuesdays ... the counts come from.
    """
    usual = [rate * seen for day, seen in enumerate(days_seen) for rate in prior.hours[DAY * day : DAY * day + DAY]]
    scale = math.fsum(counts) / (math.fsum(usual) or 1.0)
    by_hour = [
        (sum(counts[hour::DAY]) + _SHRINK_HOUR) / (scale * sum(usual[hour::DAY]) + _SHRINK_HOUR)
        for hour in range(DAY)
    ]
    usual = list(map(mul, usual, [scale * factor for factor in by_hour] * 7))
    hours: list[float] = []
    for start in range(0, WEEK, DAY):
        seen, expected = counts[start : start + DAY], usual[start : start + DAY]
        day = (sum(seen) + _SHRINK_WEEKDAY) / (sum(expected) + _SHRINK_WEEKDAY)
        before = map(mul, prior.hours[start : start + DAY], by_hour)
        hours += [
            rate * day * (n + _SHRINK_CELL) / (e * day + _SHRINK_CELL)
            for rate, n, e in zip(before, seen, expected, strict=True)
        ]
    return Rhythm(hours, half_life_days)


class Calendar:
    """What all series share: the days that were watched, how weights fade, and the rhythm of all articles."""

    def __init__(self, first_day: int, half_life_hours: float) -> None:
        self.first_day, self.half_life_days = first_day, half_life_hours / DAY
        self.rhythm = Rhythm([1.0] * WEEK, self.half_life_days)
        self.days_seen = [0.0] * 7
        self._exposure = [0.0]  # weighted hours watched before each day, from the first one on
        self._known: dict[int, tuple[float, float]] = {}

    def weight(self, day: int) -> float:
        """Days grow in weight; dividing by the weight of the present makes the past fade."""
        return 2.0 ** ((day - self.first_day) / self.half_life_days)

    def close_day(self, day: int, hours: float, counts: Sequence[float]) -> None:
        """Note that a day is over, of which so many hours were watched; `counts` are all articles so far."""
        while len(self._exposure) <= day - self.first_day:
            self._exposure.append(self._exposure[-1])  # days of silence
        self._exposure.append(self._exposure[-1] + hours * self.weight(day))
        self._known.clear()
        self.days_seen[weekday(day)] += hours / DAY
        if sum(self.days_seen) >= 1:
            flat = Rhythm([1.0] * WEEK, self.half_life_days)
            self.rhythm = learn_rhythm(counts, self.days_seen, flat, self.half_life_days)

    def known(self, day: int) -> tuple[float, float]:
        """The weight of a day and the hours watched up to its end, which every series asks for again and again."""
        found = self._known.get(day)
        if found is None:
            found = self._known[day] = self.weight(day), self.hours_watched(day)
        return found

    def hours_watched(self, day: int) -> float:
        """Faded number of hours watched up to the end of `day`."""
        index = min(day - self.first_day + 1, len(self._exposure) - 1)
        return self._exposure[index] / self.weight(day) if index > 0 else 0.0

    @property
    def last_day(self) -> int:
        """The last day that is over."""
        return self.first_day + len(self._exposure) - 2

    def was_watched(self, day: int) -> bool:
        """Whether there is anything to learn of a day that is over."""
        index = day - self.first_day
        return 0 <= index < len(self._exposure) - 1 and self._exposure[index + 1] > self._exposure[index]


class Baseline:
    """What one series has taught. A series counts as watched, and silent, from the beginning of the stream."""

    __slots__ = (
        "_articles",
        "_cells",
        "_deviations",
        "_expected",
        "_late",
        "_past",
        "_refresh",
        "_refresh_day",
        "negatives",
        "rest",
        "rhythm",
    )

    def __init__(self, calendar: Calendar) -> None:
        self.negatives = self.rest = 0.0  # weighted sums up to the last day learned
        self.rhythm = calendar.rhythm
        self._cells: list[float] | None = None
        self._refresh = math.inf  # number of articles at which to learn its own rhythm anew
        self._refresh_day = -1  # the same as a day; none yet
        self._articles = 0.0
        self._past: deque[tuple[int, float, float]] = deque(maxlen=KNOWN_DAYS)  # sums at the ends of days
        self._late: dict[int, list[float]] | None = None  # late negatives and other articles learned, by day
        self._deviations, self._expected = [0.0] * len(BLOCKS), [0.0] * len(BLOCKS)

    def follow(self, calendar: Calendar) -> None:
        """Take up the rhythm of all series where there is too little for one of its own."""
        if self._refresh_day < 0:
            self.rhythm = calendar.rhythm

    def rates(self, calendar: Calendar, day: int) -> tuple[float, float, float]:
        """Negatives and other articles an hour, and how many negatives that rests on, at the end of a day."""
        negatives = rest = 0.0
        for end, n, r in reversed(self._past):
            if end <= day:
                negatives, rest = n, r
                break
        weight, hours = calendar.known(day)
        hours *= self.rhythm.trailing[(day + 1 + _FIRST_WEEKDAY) % 7]
        count = negatives / weight + _PRIOR_COUNT
        hours = max(hours, 1.0)
        return count / hours, rest / weight / hours, count

    def dispersion(self, length: int) -> float:
        """Variance over mean of counts in windows of that length, with the prior.

        Beyond a day the excess grows with the fourth root of the length: days are not quite independent.
        """
        block = max(i for i, n in enumerate(BLOCKS) if n <= length)
        own = (self._deviations[block] + _PRIOR_DISPERSION * _PRIOR_EVENTS) / (
            self._expected[block] + _PRIOR_EVENTS
        )
        return 1.0 + max(_LEAST_EXCESS, own - 1.0) * max(1.0, (length / DAY) ** 0.25)

    def learn(self, calendar: Calendar, day: int, hours: Sequence[tuple[int, float, float]], alarmed: bool) -> None:
        """Learn a day: for each hour of the day with articles, its number, negatives and other articles.

        Of a day far above what was expected only the expected part and some spread are learned, and of a day
        with an alarm less and no spread, so that a burst neither hides the next one nor makes the series look
        wild; a lasting change is learned within days.
        """
        if not calendar.was_watched(day):
            return
        kind, known = weekday(day), calendar.hours_watched(day - 1) >= _LEARNED_DAYS * DAY
        count, factor = sum(n for _, n, _ in hours), 1.0
        if known:
            rate, _, events = self.rates(calendar, day - 1)
            mean = rate * self.rhythm.span(DAY * kind, DAY)
            spread = math.sqrt(mean * self.dispersion(DAY) * (1 + mean / events))
            highest = mean + (_ALARMED if alarmed else _OUTLIER) * spread
            factor = min(1.0, highest / count) if count else 1.0
            if not alarmed:
                self._learn_spread(kind, rate, [(h, n * factor) for h, n, _ in hours if n])
        weight = calendar.weight(day)
        self.negatives += weight * count * factor
        self.rest += weight * sum(r for _, _, r in hours)
        self._past.append((day, self.negatives, self.rest))
        if hours:
            self._learn_rhythm(calendar, day, kind, hours, factor)

    def learn_late(self, calendar: Calendar, hour: int, negatives: float, rest: float) -> float:
        """Learn an article that came in after its time; it moves the level from the next day on.

        Of what comes late for one day, no more is learned than would not be odd on it: an archive that is loaded
        at once is no measure of what a day brings. Gives how much of the article was learned.
        """
        day = hour // DAY
        if not calendar.was_watched(day) and day <= calendar.last_day:
            return 0.0
        if self._late is None:
            self._late = {}
        rate, others, _ = self.rates(calendar, calendar.last_day)
        learned = self._late.setdefault(day, [0.0, 0.0])
        taken = []
        for i, (amount, mean) in enumerate(((negatives, rate * DAY), (rest, others * DAY))):
            highest = max(1.0, mean + _ALARMED * math.sqrt(mean * self.dispersion(DAY)))
            taken.append(max(0.0, min(amount, highest - learned[i])))
            learned[i] += taken[i]
        self.negatives += calendar.weight(day) * taken[0]
        self.rest += calendar.weight(day) * taken[1]
        return sum(taken)

    def _learn_spread(self, kind: int, rate: float, hours: Sequence[tuple[int, float]]) -> None:
        """Add the squared deviations of the day's blocks from what `rate` makes of them; empty ones in one go."""
        start, sums, squares = DAY * kind, self.rhythm.sums, self.rhythm.squares(kind)
        mean = rate * (sums[start + DAY] - sums[start])
        for i, length in enumerate(BLOCKS):
            counts: dict[int, float] = {}
            for hour, count in hours:
                block = start + hour // length * length
                counts[block] = counts.get(block, 0.0) + count
            deviations = rate * rate * squares[i]
            for block, count in counts.items():
                deviations += count * (count - 2.0 * rate * (sums[block + length] - sums[block]))
            usual = (self._deviations[i] + _PRIOR_DISPERSION * _PRIOR_EVENTS) / (self._expected[i] + _PRIOR_EVENTS)
            self._deviations[i] += min(deviations, _WILD * max(1.0, mean * usual))
            self._expected[i] += mean

    def _learn_rhythm(
        self, calendar: Calendar, day: int, kind: int, hours: Sequence[tuple[int, float, float]], factor: float
    ) -> None:
        if self._cells is None:
            self._cells = [0.0] * WEEK
        for hour, negatives, rest in hours:
            self._cells[DAY * kind + hour] += negatives * factor + rest
            self._articles += negatives * factor + rest
        due = day >= self._refresh_day if self._refresh_day >= 0 else self._articles >= _OWN_RHYTHM
        if due or self._articles >= self._refresh:
            self.rhythm = learn_rhythm(self._cells, calendar.days_seen, calendar.rhythm, calendar.half_life_days)
            self._refresh, self._refresh_day = 2.0 * self._articles, day + 7
