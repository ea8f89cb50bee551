"""Whole bursts: what the detector finds improbable, from the first article to the hour in which it is over.

A spike is a moment; an alarm lasts from its onset until its window has become ordinary again (hysteresis), and
every negative article of its series in that time belongs to it.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime

from app.domain.burst import Finding
from app.domain.spikes import (
    HOUR,
    Detector,
    Mention,
    SpikeRule,
    arrivals,
    hour_number,
    severity_of,
)


@dataclass(frozen=True)
class Alarm:
    """One burst on a series, as far as it is known.

    `detected_at` is the publication of the article that tipped the scale, `spiked_at` that of the last one that
    did. `p_value` is that of its most improbable window of `window_hours`; `expected` is the usual count in the
    time of the whole burst, which lasts for `hours`. `ended_at` is None while it is on. `watched` is the number
    of series at the onset.
    """

    topic: str
    detected_at: datetime
    spiked_at: datetime
    window_hours: int
    p_value: float
    expected: float
    mentions: tuple[Mention, ...]
    ended_at: datetime | None = None
    watched: int = 1

    @property
    def started_at(self) -> datetime:
        return self.mentions[0].published_at

    @property
    def article_ids(self) -> tuple[int, ...]:
        """The first article of each story, in the order of publication."""
        return tuple(m.article_id for m in self.mentions)

    @property
    def articles(self) -> int:
        """Number of articles, copies included."""
        return sum(m.copies for m in self.mentions)

    @property
    def hours(self) -> int:
        """From the first article to the last, but not less than the window that gave it away."""
        return max(self.window_hours, math.ceil((self.mentions[-1].published_at - self.started_at) / HOUR))

    @property
    def severity(self) -> str:
        return severity_of(self.p_value, len(self.mentions))


def find_alarms(mentions: Iterable[Mention], rule: SpikeRule, until: datetime | None = None) -> list[Alarm]:
    """All alarms up to `until`, in the order of detection, without regard to a cooldown."""
    return AlarmLog(mentions, rule, until).alarms


class AlarmLog:
    """A replay of mentions, with the alarms that it found. It can be asked what would not have fired one."""

    def __init__(self, mentions: Iterable[Mention], rule: SpikeRule, until: datetime | None = None) -> None:
        self.rule, self.until = rule, until
        self.stream = arrivals(mentions, rule, until)
        self.detector = Detector(rule, self.stream[0].at) if self.stream else None
        self._growing: dict[str, _Growing] = {}
        self._alarms: list[Alarm] = []
        if self.detector is not None:
            self._run(self.detector)
        self._alarms += [growing.alarm() for growing in self._growing.values()]
        self.alarms: list[Alarm] = sorted(self._alarms, key=lambda alarm: (alarm.detected_at, alarm.topic))

    def _run(self, detector: Detector) -> None:
        for arrival in self.stream:
            findings = dict(detector.take(arrival))
            self._end(detector)
            if arrival.late or not arrival.mention.negative:
                continue
            for topic in arrival.mention.topics:
                if topic in findings:
                    self._grow(detector, topic, findings[topic], arrival.mention)
                elif topic in self._growing:
                    self._growing[topic].join(detector, arrival.mention)
        if self.until is not None:
            detector.advance(hour_number(self.until), quiet=True)
            self._end(detector)

    def _grow(self, detector: Detector, topic: str, finding: Finding, mention: Mention) -> None:
        if topic in self._growing:
            self._growing[topic].spike(detector, finding, mention)
        else:
            self._growing[topic] = _Growing(detector, topic, finding, mention)

    def _end(self, detector: Detector) -> None:
        for topic, hour in detector.ended:
            self._alarms.append(self._growing.pop(topic).alarm(datetime.fromtimestamp(hour * 3600, UTC)))
        detector.ended.clear()


class _Growing:
    """An alarm that is on."""

    def __init__(self, detector: Detector, topic: str, finding: Finding, mention: Mention) -> None:
        self._topic, self._first_hour, self._peak = topic, finding.first_hour, finding
        self._detected_at = self._spiked_at = mention.published_at
        self._mentions = detector.recent(topic, finding.first_hour)
        self._expected, self._watched = finding.expected, detector.watch.watched

    def spike(self, detector: Detector, finding: Finding, mention: Mention) -> None:
        """Take in an article with which a window is improbable, and what lies before it in that window."""
        if finding.first_hour < self._first_hour:
            reached = detector.recent(self._topic, finding.first_hour)
            earlier = [m for m in reached if hour_number(m.published_at) < self._first_hour]
            self._mentions, self._first_hour = earlier + self._mentions, finding.first_hour
        if finding.p_value < self._peak.p_value:
            self._peak = finding
        self._spiked_at, self._expected = mention.published_at, max(self._expected, finding.expected)
        self.join(detector, mention)

    def join(self, detector: Detector, mention: Mention) -> None:
        """Take in an article of the time of the alarm."""
        self._mentions.append(mention)
        usual = detector.watch.series[self._topic].usual(detector.watch, self._first_hour)
        self._expected = max(self._expected, usual)

    def alarm(self, ended_at: datetime | None = None) -> Alarm:
        return Alarm(
            self._topic,
            self._detected_at,
            self._spiked_at,
            self._peak.window_hours,
            self._peak.p_value,
            self._expected,
            tuple(self._mentions),
            ended_at,
            self._watched,
        )
