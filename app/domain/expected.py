"""How many negatives a series brought in each hour or day, beside what was to be expected: for a picture."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from app.domain.baselines import DAY, WEEK, Baseline, Calendar, hour_of_week
from app.domain.spikes import ENTITY, Mention, SpikeRule
from app.domain.tails import tail_probability

UNUSUAL = 0.05  # chance of a count above the band, in one span


@dataclass(frozen=True)
class ExpectedPoint:
    """Negatives in the span that begins at `start`, their usual number, and the most that is not unusual."""

    start: datetime
    negatives: int
    expected: float
    high: int


def expected_points(
    mentions: Iterable[Mention], series: str, since: datetime, until: datetime, hours: int, rule: SpikeRule
) -> list[ExpectedPoint]:
    """Spans of `hours` (which divide a day, in UTC) from `since` to `until`; none where nothing is known.

    Purely causal: what is expected of a day rests on the days before it, as in the detector (baselines.py), at
    an ordinary volume of news. `mentions` should reach back further than `since` by some weeks.
    """
    stream = sorted((m for m in mentions if m.published_at < until), key=lambda m: m.published_at)
    if not stream:
        return []
    first_day, last_day = _hour(stream[0].published_at) // DAY, (_hour(until) - 1) // DAY
    by_hour: dict[int, list[float]] = {}
    everything: dict[int, float] = {}
    for mention in stream:
        hour, weight = _hour(mention.published_at), mention.weight(rule)
        if not mention.topic.startswith(ENTITY):  # its article is counted by its topics already
            everything[hour] = everything.get(hour, 0.0) + weight
        if series in mention.topics:
            counts = by_hour.setdefault(hour, [0.0, 0.0, 0.0])  # negatives, others, negative stories
            counts[0 if mention.negative else 1] += weight
            counts[2] += mention.negative
    points: list[ExpectedPoint] = []
    calendar = Calendar(first_day, rule.half_life_hours)
    baseline, cells = Baseline(calendar), [0.0] * WEEK
    for day in range(first_day, last_day + 1):
        points += _points_of(day, hours, baseline, calendar, by_hour)
        begin = day * DAY
        for hour in range(begin, begin + DAY):
            cells[hour_of_week(hour)] += everything.get(hour, 0.0)
        calendar.close_day(day, DAY, cells)
        baseline.follow(calendar)
        today = [h for h in range(begin, begin + DAY) if h in by_hour]
        found = [(h - begin, by_hour[h][0], by_hour[h][1]) for h in today]
        baseline.learn(calendar, day, found, alarmed=False)
    return [point for point in points if since <= point.start < until]


def _points_of(
    day: int, hours: int, baseline: Baseline, calendar: Calendar, by_hour: dict[int, list[float]]
) -> list[ExpectedPoint]:
    rate, _, events = baseline.rates(calendar, day - 1)
    points = []
    for start in range(day * DAY, day * DAY + DAY, hours):
        mean = rate * baseline.rhythm.window(start + hours - 1, hours)
        variance = mean * baseline.dispersion(hours) * (1 + mean / events)
        negatives = round(sum(by_hour[h][2] for h in range(start, start + hours) if h in by_hour))
        at = datetime.fromtimestamp(start * 3600, UTC)
        points.append(ExpectedPoint(at, negatives, mean, _highest_usual(mean, variance)))
    return points


def _highest_usual(mean: float, variance: float) -> int:
    """The largest count whose excess is UNUSUAL at most."""
    count = int(mean)
    while tail_probability(count + 1, mean, variance) > UNUSUAL:
        count += 1
    return count


def _hour(moment: datetime) -> int:
    return int(moment.timestamp() // timedelta(hours=1).total_seconds())
