"""Detect bursts of bad news: more negative articles on a topic than its past explains. Causal and pure.

The expected count of a window and its spread come from the windows before it, and the past fades with a
half-life. Three things keep it honest:

- Counts of news are over-dispersed (bursty), so the tail is that of a negative binomial with the observed
  variance; without excess variance it tends to the Poisson tail.
- More of everything is not worse news: the expectation rises with the volume of all other articles, on the
  topic and elsewhere, which also takes care of office hours, weekends and newly added sources.
- Silence teaches nothing: when no article at all came for a day, the fetcher was down or the history has a
  hole, and those hours count neither as calm nor as history.
"""

import math
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

HOUR = timedelta(hours=1)
_SILENCE_HOURS = 24
_PRIOR_COUNT = 0.5  # Jeffreys prior of a Poisson rate: half an event in no time
_PRIOR_DISPERSION, _PRIOR_EVENTS = 1.5, 20.0  # bursty, until more expected events than these say otherwise
_PRIOR_VOLUME = 3.0  # articles added to either side of a volume ratio, so that small numbers say little


@dataclass(frozen=True)
class SpikeRule:
    """When a count is worth an alert. Lengths in hours.

    `max_p_value` bounds the chance that a calm topic shows such a window; it is divided by the number of
    window lengths tried (Bonferroni).
    """

    windows: tuple[int, ...] = (3, 12)
    min_negatives: int = 5
    min_ratio: float = 2.0
    max_p_value: float = 1e-4
    half_life_hours: float = 168.0
    min_history_hours: int = 72
    cooldown_hours: float = 24.0


@dataclass(frozen=True)
class Mention:
    """One classified article, as the detector sees it."""

    published_at: datetime
    topic: str
    negative: bool
    article_id: int = 0


@dataclass(frozen=True)
class Spike:
    """A topic whose negatives in the last `window_hours` are improbable given its past.

    `started_at` and `detected_at` are the publication times of the window's first negative article and of
    the one that tipped the scale. `expected` is the usual count at the present volume of news.
    """

    topic: str
    started_at: datetime
    detected_at: datetime
    window_hours: int
    negatives: int
    expected: float
    p_value: float
    article_ids: tuple[int, ...] = ()

    @property
    def severity(self) -> str:
        """low, medium or high, by surprise (-log10 p) and volume."""
        surprise = -math.log10(max(self.p_value, 1e-300))
        if surprise >= 10 and self.negatives >= 10:
            return "high"
        return "medium" if surprise >= 6 else "low"


def tail_probability(count: float, mean: float, variance: float) -> float:
    """P(X >= count) for a negative binomial of that mean and variance (Poisson when variance <= mean).

    Summed term by term away from the mean, so that tiny tails keep their precision; the number of terms
    grows with variance / mean.
    """
    count = math.ceil(count)
    if count <= 0:
        return 1.0
    if mean < 1e-300:
        return 0.0
    if count <= mean:
        return max(0.0, 1.0 - math.fsum(_terms(count - 1, mean, variance, step=-1)))
    return min(1.0, math.fsum(_terms(count, mean, variance, step=1)))


def _terms(start: int, mean: float, variance: float, step: int) -> Iterator[float]:
    """Probabilities of `start`, `start + step`, ... until they no longer matter, away from the mean."""
    size = mean / (variance / mean - 1) if variance > mean * (1 + 1e-6) else math.inf
    if math.isinf(size):
        log_term = start * math.log(mean) - mean - math.lgamma(start + 1)
    else:
        log_term = (
            math.lgamma(start + size)
            - math.lgamma(size)
            - math.lgamma(start + 1)
            - size * math.log1p(mean / size)
            - start * math.log1p(size / mean)
        )
    term, total, k = math.exp(log_term), 0.0, start
    while term > max(total * 1e-13, 1e-305):  # where floats lose their precision, sums cease to converge
        yield term
        total += term
        if k + step < 0:
            return
        if step > 0:
            term *= mean / (k + 1) if math.isinf(size) else (k + size) / (k + 1) * mean / (size + mean)
        else:
            term *= k / mean if math.isinf(size) else k / (k - 1 + size) * (size + mean) / mean
        k += step


class _Baseline:
    """What windows of one length usually hold, fading with a half-life.

    Windows begin every hour and overlap, so `length` of them weigh as one independent observation.
    """

    def __init__(self, length: int, half_life: float) -> None:
        self._length, self._decay = length, 0.5 ** (1.0 / half_life)
        self._weight = self._negatives = self._rest = self._elsewhere = 0.0
        self._deviations = self._expected = 0.0

    def add(self, negatives: int, rest: int, elsewhere: int) -> None:
        """Learn from one window."""
        if self._weight >= self._length:
            expected = self._mean() * self._volume(rest, elsewhere)
            self._deviations = self._deviations * self._decay + (negatives - expected) ** 2
            self._expected = self._expected * self._decay + expected
        self._weight = self._weight * self._decay + 1.0
        self._negatives = self._negatives * self._decay + negatives
        self._rest = self._rest * self._decay + rest
        self._elsewhere = self._elsewhere * self._decay + elsewhere

    def predict(self, rest: int, elsewhere: int) -> tuple[float, float]:
        """Mean and variance of the negatives in a window that holds so many other articles.

        The mean is the posterior of a Poisson rate. The variance is as many times the mean as the squared
        deviations of earlier windows were (quasi-Poisson dispersion), and adds the mean's own uncertainty.
        """
        volume = max(1.0, self._volume(rest, elsewhere))
        mean = self._mean() * volume
        prior = _PRIOR_EVENTS * self._length
        dispersion = (self._deviations + _PRIOR_DISPERSION * prior) / (self._expected + prior)
        return mean, mean * (max(1.0, dispersion) + volume / self._windows())

    def _windows(self) -> float:
        return max(1.0, self._weight / self._length)

    def _mean(self) -> float:
        return (self._negatives / self._length + _PRIOR_COUNT) / self._windows()

    def _volume(self, rest: int, elsewhere: int) -> float:
        """How many times the usual number of other articles there are, on the topic or elsewhere."""
        weight = max(self._weight, 1.0)
        return max(
            (rest + _PRIOR_VOLUME) / (self._rest / weight + _PRIOR_VOLUME),
            (elsewhere + _PRIOR_VOLUME) / (self._elsewhere / weight + _PRIOR_VOLUME),
        )


@dataclass
class _Hour:
    """What one hour brought: the topic's negatives, its other articles, and those on other topics."""

    negatives: list[Mention] = field(default_factory=list)
    rest: int = 0
    elsewhere: int = 0


class TopicDetector:
    """Watches one topic. Memory is bounded by twice the longest window.

    Show it every mention, on whatever topic, in the order of time, and every hour as it begins.
    """

    def __init__(self, topic: str, rule: SpikeRule) -> None:
        self.topic, self.rule = topic, rule
        self._hours: deque[_Hour] = deque([_Hour()], maxlen=2 * max(rule.windows))
        self._baselines = {length: _Baseline(length, rule.half_life_hours) for length in rule.windows}
        self._history = 0

    def begin_hour(self, after_silence: bool = False) -> None:
        """Begin an hour, and learn from windows older than any under test: a burst cannot hide itself."""
        if after_silence:  # the recent hours do not lead up to this one; what was learned stays
            self._hours.clear()
        self._hours.append(_Hour())
        self._history += 1
        hours = list(self._hours)
        for length, baseline in self._baselines.items():
            if len(hours) >= 2 * length:
                baseline.add(*_totals(hours[-2 * length : -length]))

    def observe(self, mention: Mention) -> Spike | None:
        """Count a mention; return a spike if it is the negative article that tips the scale."""
        hour = self._hours[-1]
        if mention.topic != self.topic:
            hour.elsewhere += 1
        elif not mention.negative:
            hour.rest += 1
        else:
            hour.negatives.append(mention)
            if self._history >= self.rule.min_history_hours:
                spikes = (self._test(length, mention.published_at) for length in self.rule.windows)
                return min((s for s in spikes if s), key=lambda s: s.p_value, default=None)
        return None

    def _test(self, length: int, now: datetime) -> Spike | None:
        rule, window = self.rule, list(self._hours)[-length:]
        count, rest, elsewhere = _totals(window)
        if count < rule.min_negatives:
            return None
        expected, variance = self._baselines[length].predict(rest, elsewhere)
        p_value = tail_probability(count, expected, variance)
        if p_value * len(rule.windows) > rule.max_p_value or count < rule.min_ratio * expected:
            return None
        found = [mention for hour in window for mention in hour.negatives]
        ids = tuple(mention.article_id for mention in found)
        return Spike(self.topic, found[0].published_at, now, length, count, expected, p_value, ids)


def _totals(hours: list[_Hour]) -> tuple[int, int, int]:
    """Negatives, other articles on the topic, articles elsewhere."""
    return sum(len(h.negatives) for h in hours), sum(h.rest for h in hours), sum(h.elsewhere for h in hours)


def floor_hour(moment: datetime) -> datetime:
    """The beginning of the hour that holds `moment`, in UTC."""
    return moment.astimezone(UTC).replace(minute=0, second=0, microsecond=0)


def detect(mentions: Iterable[Mention], rule: SpikeRule, until: datetime | None = None) -> Iterator[Spike]:
    """Replay mentions in the order of time and yield every spike, cooldown applied per topic.

    What is found up to a moment depends on nothing published after it. `until` is the present: mentions
    dated later are left out.
    """
    ordered = sorted(
        (m for m in mentions if until is None or m.published_at <= until),
        key=lambda m: (m.published_at, m.article_id),
    )
    detectors = {topic: TopicDetector(topic, rule) for topic in sorted({m.topic for m in ordered})}
    silence = HOUR * max(_SILENCE_HOURS, 2 * max(rule.windows))
    quiet_until: dict[str, datetime] = {}
    hour = last = floor_hour(ordered[0].published_at) if ordered else datetime.max.replace(tzinfo=UTC)
    for mention in ordered:
        while mention.published_at >= hour + HOUR:
            silent = hour - last >= silence
            hour = floor_hour(mention.published_at) if silent else hour + HOUR
            for detector in detectors.values():
                detector.begin_hour(after_silence=silent)
        last = hour
        spikes = [detector.observe(mention) for detector in detectors.values()]
        for spike in filter(None, spikes):
            if spike.detected_at >= quiet_until.get(spike.topic, spike.detected_at):
                quiet_until[spike.topic] = spike.detected_at + timedelta(hours=rule.cooldown_hours)
                yield spike


def score_series(values: Iterable[float], window: int = 300, short: int = 4) -> Iterator[float]:
    """Anomaly score in [0, 1] of each value given only those before it.

    The surprise of a value is its distance from the trailing mean in standard deviations; the score is
    the probability that the recent mean surprise stands out from its own past (the anomaly likelihood of
    Lavin and Ahmad 2015, arXiv:1510.03336), rescaled so that ordinary noise lies near 0.
    """
    history: deque[float] = deque(maxlen=window)
    surprises: deque[float] = deque(maxlen=window)
    recent: deque[float] = deque(maxlen=short)
    for value in values:
        surprise = 0.0
        if len(history) >= 10:
            mean, spread = _mean_and_spread(history)
            surprise = abs(value - mean) / max(spread, 1e-6 * max(1.0, abs(mean)))
        recent.append(min(surprise, 20.0))
        score = 0.0
        if len(surprises) >= 30:
            mean, spread = _mean_and_spread(surprises)
            z = (math.fsum(recent) / len(recent) - mean) / max(spread, 0.2)
            tail = 0.5 * math.erfc(z / math.sqrt(2))
            score = min(1.0, -math.log10(max(tail, 1e-10)) / 10)
        yield score
        history.append(value)
        surprises.append(min(surprise, 20.0))


def _mean_and_spread(values: deque[float]) -> tuple[float, float]:
    """Mean and standard deviation; `math.dist` sums the squares at the speed of C and without cancellation."""
    mean = math.fsum(values) / len(values)
    return mean, math.dist(tuple(values), (mean,) * len(values)) / math.sqrt(len(values))
