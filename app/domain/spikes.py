"""Detect bursts of bad news: more negative articles on a topic than its past explains. Causal and pure.

What is expected of a window knows the hour of the day, the day of the week and the recent level (baselines.py);
windows of several lengths are tested at once (burst.py). Six things keep it honest:

- Counts of news are over-dispersed (bursty), so the tail is that of a negative binomial with the observed
  variance; without excess variance it tends to the Poisson tail.
- More of everything is not worse news: the expectation rises with the volume of all other articles, on the
  topic and elsewhere, which also takes care of newly added sources.
- Doubt is no news: an article whose sentiment is unsure weighs as much as its sentiment is probable.
- Silence teaches nothing: when no article at all came for a day, the fetcher was down or the history has a
  hole, and those hours count neither as calm nor as history.
- Many series mean many chances: the bound on the p-value is a budget of false alerts (SpikeRule).
- Late news is no news: what is seen long after its publication goes into the baseline and fires nothing.

Cold start: for the first `min_history_hours` of the stream nothing is tested. A topic that has not been seen
since counts as watched and silent: half an article is expected in all that time. The rhythm of the week begins
flat and is that of all articles until a topic has 30 of its own; the spread begins at 1.5 times the mean.
"""

import math
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from app.domain.anomaly import score_series
from app.domain.burst import Finding, Limits
from app.domain.news import UNSURE_BELOW
from app.domain.tails import tail_probability
from app.domain.watch import Watch

__all__ = [
    "HOUR",
    "Detector",
    "Mention",
    "Spike",
    "SpikeRule",
    "detect",
    "floor_hour",
    "score_series",
    "tail_probability",
]

HOUR = timedelta(hours=1)
_SILENCE_HOURS = 24


@dataclass(frozen=True)
class SpikeRule:
    """When a count is worth an alert. Lengths in hours.

    An article whose sentiment is less probable than `unsure_below` weighs that probability instead of 1.

    `max_p_value` bounds the chance that a calm topic shows an improbable window of 1 or 3 hours in a given hour;
    longer windows, which overlap, are allowed more (Limits.p_values). 1e-4 is a budget of about one false alert
    a topic and year; whole counts and nested windows leave it at a fraction (pipelines.simulate_news).
    From `series_in_full` topics on, counted as they appear, it shrinks in proportion to their number, so that
    false alerts in all do not grow with the watchlist (Bonferroni over topics).

    An alarm ends, and its articles count no more, when the window that raised it has become ordinary
    (`release_p_value`). Articles seen more than `lag_hours` after their publication fire nothing.
    """

    windows: tuple[int, ...] = (1, 3, 12, 24, 72)
    min_negatives: int = 5
    min_ratio: float = 2.0
    max_p_value: float = 1e-4
    series_in_full: int = 200
    release_p_value: float = 0.05
    half_life_hours: float = 168.0
    min_history_hours: int = 72
    cooldown_hours: float = 24.0
    lag_hours: float = 6.0
    unsure_below: float = UNSURE_BELOW

    def limits(self) -> Limits:
        return Limits(
            self.windows,
            self.min_negatives,
            self.min_ratio,
            self.max_p_value,
            self.series_in_full,
            self.release_p_value,
            self.half_life_hours,
            self.min_history_hours,
        )


@dataclass(frozen=True)
class Mention:
    """One classified article, as the detector sees it. `also` are topics that hold beside the first.

    `probability` is that of its sentiment, in [0, 1].
    """

    published_at: datetime
    topic: str
    negative: bool
    article_id: int = 0
    also: tuple[str, ...] = ()
    probability: float = 1.0
    seen_at: datetime | None = None  # when we came to know it; None: at once

    @property
    def topics(self) -> tuple[str, ...]:
        return (self.topic, *self.also)

    def weight(self, rule: SpikeRule) -> float:
        """How many articles this one counts for, in [0, 1]."""
        return self.probability if self.probability < rule.unsure_below else 1.0


@dataclass(frozen=True)
class Spike:
    """A topic whose negatives in the last `window_hours` are improbable given its past.

    `started_at` and `detected_at` are the publication times of the window's first negative article and of
    the one that tipped the scale. `negatives` is the number of articles; `expected` is the usual count at the
    present volume of news.
    """

    topic: str
    started_at: datetime
    detected_at: datetime
    window_hours: int
    negatives: int
    expected: float
    p_value: float
    article_ids: tuple[int, ...] = ()
    onset_at: datetime | None = None  # detection of the first spike of the alarm that this one belongs to

    @property
    def severity(self) -> str:
        """low, medium or high, by surprise (-log10 p) and volume."""
        surprise = -math.log10(max(self.p_value, 1e-300))
        if surprise >= 10 and self.negatives >= 10:
            return "high"
        return "medium" if surprise >= 6 else "low"


def floor_hour(moment: datetime) -> datetime:
    """The beginning of the hour that holds `moment`, in UTC."""
    return moment.astimezone(UTC).replace(minute=0, second=0, microsecond=0)


def detect(mentions: Iterable[Mention], rule: SpikeRule, until: datetime | None = None) -> Iterator[Spike]:
    """Replay mentions in the order of time and yield every spike, cooldown and hysteresis applied per topic.

    What is found up to a moment depends on nothing published after it. `until` is the present: mentions
    dated later are left out. A mention that was late (see SpikeRule) is learned when it was seen.
    With a cooldown of 0, the later spikes of an alarm that is still on are yielded, too.
    """
    arrivals = sorted(
        (a for m in mentions if until is None or m.published_at <= until for a in [_arrival(m, rule)]),
        key=lambda a: (a[0], a[1].article_id),
    )
    if not arrivals:
        return
    detector = Detector(rule, arrivals[0][0])
    quiet_until: dict[str, datetime] = {}
    for at, mention, late in arrivals:
        if until is not None and at > until:
            return
        if late:
            detector.learn(mention, at)
            continue
        for spike in detector.observe(mention):
            if rule.cooldown_hours and spike.detected_at != spike.onset_at:
                continue
            if spike.detected_at >= quiet_until.get(spike.topic, spike.detected_at):
                quiet_until[spike.topic] = spike.detected_at + timedelta(hours=rule.cooldown_hours)
                yield spike


def _arrival(mention: Mention, rule: SpikeRule) -> tuple[datetime, Mention, bool]:
    """When the detector takes note of a mention, and whether that is too late for an alarm."""
    seen = mention.seen_at
    if seen is not None and seen - mention.published_at > timedelta(hours=rule.lag_hours):
        return seen, mention, True
    return mention.published_at, mention, False


class Detector:
    """Turns mentions, in the order of time, into spikes."""

    def __init__(self, rule: SpikeRule, start: datetime) -> None:
        self.rule = rule
        self._watch = Watch(rule.limits(), _hour(start))
        self._last = _hour(start)
        self._recent: dict[str, deque[Mention]] = {}  # negatives that a window may reach
        self._onset: dict[str, datetime] = {}

    def observe(self, mention: Mention) -> list[Spike]:
        """Count a mention; return the spikes, a topic each, of which it is the article that tips the scale."""
        self._begin(_hour(mention.published_at))
        weight, spikes = mention.weight(self.rule), []
        self._watch.add_total(weight)
        for topic in mention.topics:
            if not mention.negative:
                self._watch.add(topic, 0.0, weight)
                continue
            recent = self._remember(topic, mention)
            finding = self._watch.add(topic, weight, 0.0)
            if finding:
                spikes.append(self._spike(topic, finding, mention, recent))
        return spikes

    def learn(self, mention: Mention, at: datetime) -> None:
        """Take a mention that was seen late, `at` that time, into the past of its topics."""
        self._begin(_hour(at), quiet=True)
        weight = mention.weight(self.rule)
        for topic in mention.topics:
            negatives, rest = (weight, 0.0) if mention.negative else (0.0, weight)
            self._watch.add_late(topic, _hour(mention.published_at), negatives, rest)

    def _begin(self, hour: int, quiet: bool = False) -> None:
        """Begin an hour if it is a new one. What came late does not end a silence."""
        if hour > self._watch.hour:
            self._watch.begin_hour(hour, after_silence=hour - self._last > _SILENCE_HOURS)
        if not quiet:
            self._last = hour

    def _remember(self, topic: str, mention: Mention) -> deque[Mention]:
        recent = self._recent.setdefault(topic, deque())
        recent.append(mention)
        oldest = _hour(mention.published_at) - max(self.rule.windows) + 1
        while _hour(recent[0].published_at) < oldest:
            recent.popleft()
        return recent

    def _spike(self, topic: str, finding: Finding, mention: Mention, recent: Iterable[Mention]) -> Spike:
        now = mention.published_at
        if finding.onset:
            self._onset[topic] = now
        found = [m for m in recent if _hour(m.published_at) >= finding.first_hour]
        return Spike(
            topic=topic,
            started_at=found[0].published_at,
            detected_at=now,
            window_hours=finding.window_hours,
            negatives=len(found),
            expected=finding.expected,
            p_value=finding.p_value,
            article_ids=tuple(m.article_id for m in found),
            onset_at=self._onset[topic],
        )


def _hour(moment: datetime) -> int:
    """Hours since 1970-01-01 UTC."""
    return int(moment.timestamp() // 3600)
