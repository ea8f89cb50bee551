"""Detect bursts of bad news: more negative articles on a topic than its past explains. Causal and pure.

What is expected of a window knows the hour of the day, the day of the week and the recent level (baselines.py);
windows of several lengths are tested at once (burst.py). Seven things keep it honest:

- Counts of news are over-dispersed (bursty), so the tail is that of a negative binomial with the observed
  variance; without excess variance it tends to the Poisson tail.
- More of everything is not worse news: the expectation rises with the volume of all other articles, on the
  topic and elsewhere, which also takes care of newly added sources.
- Doubt is no news: an article whose sentiment is unsure weighs as much as its sentiment is probable.
- Silence teaches nothing: when no article at all came for a day, the fetcher was down or the history has a
  hole, and those hours count neither as calm nor as history.
- Many series mean many chances: the bound on the p-value is a budget of false alerts (SpikeRule).
- One story is one event: its copies add little to its weight (Mention).
- Late news is no news: what is seen long after its publication fires nothing. It goes into the baseline, though
  not more of it than would be ordinary for its day, so that an archive loaded at once leaves the level alone.

A series is a topic, or a company ("entity:" and its name). The article of a company's mention is counted by its
topics already, so that companies add nothing to the volume of all news.

Cold start: for the first `min_history_hours` of the stream nothing is tested. A topic that has not been seen
since counts as watched and silent: half an article is expected in all that time. What the first visits find was
published before the watch began: it is taken as the past that it is, and only its last hours (`lag_hours`) can
fire. The rhythm of the week begins flat and is that of all articles until a topic has 30 of its own; the spread
begins at 1.5 times the mean.
"""

import math
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from app.domain.anomaly import score_series
from app.domain.burst import Finding, Limits
from app.domain.news import UNSURE_BELOW
from app.domain.tails import tail_probability
from app.domain.watch import Watch

__all__ = [
    "ENTITY",
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
ENTITY = "entity:"  # begins the series of a company, which goes on with its name
_COPIES_PER_HALF, _MOST = 4.0, 2.0  # copies that make a story weigh half as much again, and its highest weight
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
    """One story, as the detector sees it: a classified article and its copies. `also` are topics beside the first.

    `probability` is that of its sentiment, in [0, 1]; `copies` is the number of articles that tell the story.
    """

    published_at: datetime
    topic: str
    negative: bool
    article_id: int = 0
    also: tuple[str, ...] = ()
    probability: float = 1.0
    seen_at: datetime | None = None  # when we came to know it; None: at once
    copies: int = 1

    @property
    def topics(self) -> tuple[str, ...]:
        return (self.topic, *self.also)

    def weight(self, rule: SpikeRule) -> float:
        """How many articles this one counts for, in [0, 2]: a doubling of its copies adds a quarter, up to 16."""
        certain = self.probability if self.probability < rule.unsure_below else 1.0
        if self.copies <= 1:
            return certain
        return certain * min(_MOST, 1.0 + 0.5 * math.log(self.copies, _COPIES_PER_HALF))


@dataclass(frozen=True)
class Spike:
    """A topic whose negatives in the last `window_hours` are improbable given its past.

    `started_at` and `detected_at` are the publication times of the window's first negative article and of
    the one that tipped the scale. `negatives` is the number of stories; `expected` is the usual count at the
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
        return severity_of(self.p_value, self.negatives)


SEVERITIES = ("low", "medium", "high")


def severity_of(p_value: float, stories: int) -> str:
    """low, medium or high, by surprise (-log10 p) and volume."""
    surprise = -math.log10(max(p_value, 1e-300))
    if surprise >= 10 and stories >= 10:
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
    stream = arrivals(mentions, rule, until)
    if not stream:
        return
    detector = Detector(rule, stream[0].at)
    quiet_until: dict[str, datetime] = {}
    for arrival in stream:
        for topic, finding in detector.take(arrival):
            at = arrival.at
            if rule.cooldown_hours and not finding.onset:
                continue
            if at >= quiet_until.get(topic, at):
                quiet_until[topic] = at + timedelta(hours=rule.cooldown_hours)
                yield detector.spike(topic, finding, at)


class Arrival(NamedTuple):
    """A mention, and when the detector takes note of it.

    A `late` one was seen too long after its publication, and is learned as the past. One that is `quiet` is late,
    too, but was found as the watch began: it counts in its own time, though it fires nothing.
    """

    at: datetime
    mention: Mention
    late: bool
    quiet: bool = False


def arrivals(mentions: Iterable[Mention], rule: SpikeRule, until: datetime | None = None) -> list[Arrival]:
    """Mentions in the order in which they are noted; those dated or seen after `until` are left out."""
    lag, stream = timedelta(hours=rule.lag_hours), []
    known = [m for m in mentions if until is None or max(m.published_at, m.seen_at or m.published_at) <= until]
    watched_from = min((m.seen_at or m.published_at for m in known), default=None)
    for mention in known:
        published, seen = mention.published_at, mention.seen_at
        if seen is None or watched_from is None or seen - published <= lag:
            stream.append(Arrival(published, mention, late=False))
        elif published < watched_from and seen - watched_from <= lag:
            stream.append(Arrival(published, mention, late=False, quiet=True))
        else:
            stream.append(Arrival(seen, mention, late=True))
    return sorted(stream, key=lambda a: (a.at, a.mention.article_id))


class Detector:
    """Turns mentions, in the order of time, into findings. `watch` holds what is known of every series."""

    def __init__(self, rule: SpikeRule, start: datetime, elsewhere: int = 0) -> None:
        self.rule = rule
        self.watch = Watch(rule.limits(), hour_number(start), elsewhere)
        self._last = hour_number(start)
        self._recent: dict[str, deque[Mention]] = {}  # negatives that a window may reach
        self._onset: dict[str, datetime] = {}
        self.ended: list[tuple[str, int]] = []  # series whose alarm has ended, with the hour; to be emptied
        self.learned: list[float] = []  # how much each late mention added to the past of all news

    def take(self, arrival: Arrival) -> list[tuple[str, Finding]]:
        """Count a mention; return what is improbable, a topic each, since this article tipped the scale."""
        if arrival.late:
            self._learn(arrival.mention, hour_number(arrival.at))
            return []
        mention = arrival.mention
        self.advance(hour_number(mention.published_at))
        weight, findings = mention.weight(self.rule), []
        if not mention.topic.startswith(ENTITY):
            self.watch.add_total(weight)
        for topic in mention.topics:
            if not mention.negative:
                self.watch.add(topic, 0.0, weight)
                continue
            self._remember(topic, mention)
            finding = self.watch.add(topic, weight, 0.0, arrival.quiet)
            if finding:
                if finding.onset:
                    self._onset[topic] = mention.published_at
                findings.append((topic, finding))
        return findings

    def recent(self, topic: str, first_hour: int) -> list[Mention]:
        """Negatives of a series from an hour on, as far back as the longest window reaches."""
        return [m for m in self._recent.get(topic, ()) if hour_number(m.published_at) >= first_hour]

    def spike(self, topic: str, finding: Finding, at: datetime) -> Spike:
        """A finding with its articles."""
        found = self.recent(topic, finding.first_hour)
        return Spike(
            topic=topic,
            started_at=found[0].published_at,
            detected_at=at,
            window_hours=finding.window_hours,
            negatives=len(found),
            expected=finding.expected,
            p_value=finding.p_value,
            article_ids=tuple(m.article_id for m in found),
            onset_at=self._onset[topic],
        )

    def advance(self, hour: int, quiet: bool = False) -> None:
        """Begin an hour if it is a new one. What is `quiet`, as late news, does not end a silence."""
        if hour > self.watch.hour:
            self.ended += self.watch.begin_hour(hour, after_silence=hour - self._last > _SILENCE_HOURS)
        if not quiet:
            self._last = hour

    def _learn(self, mention: Mention, hour: int) -> None:
        """Take a mention that was seen late, in that hour, into the past of its topics."""
        self.advance(hour, quiet=True)
        weight, published = mention.weight(self.rule), hour_number(mention.published_at)
        negatives, rest = (weight, 0.0) if mention.negative else (0.0, weight)
        learned = max(self.watch.add_late(topic, published, negatives, rest) for topic in mention.topics)
        self.learned.append(0.0 if mention.topic.startswith(ENTITY) else learned)
        self.watch.add_late_total(published, self.learned[-1])

    def _remember(self, topic: str, mention: Mention) -> None:
        recent = self._recent.setdefault(topic, deque())
        recent.append(mention)
        oldest = hour_number(mention.published_at) - max(self.rule.windows) + 1
        while hour_number(recent[0].published_at) < oldest:
            recent.popleft()


def hour_number(moment: datetime) -> int:
    """Hours since 1970-01-01 UTC."""
    return int(moment.timestamp() // 3600)
