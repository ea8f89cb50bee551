"""From alarms to alerts: what is a new alert, what joins one that is there, and what has ended."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from app.domain.alarms import Alarm
from app.domain.alerts import Alert, series_of, topic_and_entity
from app.domain.spikes import SEVERITIES, severity_of


@dataclass(frozen=True)
class Group:
    """An alert as it should be now, with the alarms that make it. One that is not stored yet has no id."""

    alert: Alert
    alarms: tuple[Alarm, ...]


def group_alarms(
    alarms: Iterable[Alarm],
    latest: Mapping[str, Alert],
    cooldown: timedelta,
    since: datetime,
    now: datetime,
) -> list[Group]:
    """What there is to create and to change, in the order of detection.

    An alarm joins the last alert of its series if it is the same burst (seen again with more or fewer articles),
    or if it began within the `cooldown` of that alert's detection. It becomes a new alert if it was improbable
    at some time from `since` on; older ones alarm nobody. `latest` holds the last stored alert of each series.
    A stored alert whose burst is not found again, since its articles were removed or corrected, has ended.
    """
    groups: dict[str, list[_Draft]] = {s: [_Draft(alert)] for s, alert in latest.items()}
    for alarm in sorted(alarms, key=lambda a: (a.detected_at, a.topic)):
        drafts = groups.setdefault(alarm.topic, [])
        if drafts and drafts[-1].takes(alarm, cooldown):
            drafts[-1].alarms.append(alarm)
        elif drafts and alarm.detected_at < drafts[-1].detected_at:
            continue  # it had an alert before the last one
        elif alarm.spiked_at >= since:
            drafts.append(_Draft(None, [alarm]))
    found = [draft.group(now) for drafts in groups.values() for draft in drafts]
    return sorted((g for g in found if g), key=lambda g: (g.alert.detected_at, series_of(g.alert)))


class _Draft:
    """An alert in the making: what is stored, if anything, and its alarms."""

    def __init__(self, alert: Alert | None, alarms: Sequence[Alarm] = ()) -> None:
        self.alert, self.alarms = alert, list(alarms)

    @property
    def detected_at(self) -> datetime:
        return self.alert.detected_at if self.alert else self.alarms[0].detected_at

    def takes(self, alarm: Alarm, cooldown: timedelta) -> bool:
        """Whether an alarm belongs here."""
        at = self.detected_at
        if alarm.started_at <= at and (alarm.ended_at is None or at < alarm.ended_at):
            return True
        if at <= alarm.detected_at < at + cooldown:
            return True
        return self.alert is not None and not set(self.alert.article_ids).isdisjoint(alarm.article_ids)

    def group(self, now: datetime) -> Group | None:
        """The alert with its alarms; None where nothing has changed."""
        stored = self.alert
        if not self.alarms:
            assert stored is not None
            return None if stored.ended_at else Group(replace(stored, ended_at=now), ())
        fresh = _alert(self.alarms)
        if stored is None:
            return Group(fresh, tuple(self.alarms))
        grown = _grown(stored, fresh)
        return Group(grown, tuple(self.alarms)) if _told(grown) != _told(stored) else None


def _told(alert: Alert) -> tuple[object, ...]:
    """What matters to people. Probabilities drift a little with the history, and are no news by themselves."""
    return alert.article_ids, alert.negatives, alert.severity, alert.ended_at


def _alert(alarms: Sequence[Alarm]) -> Alert:
    first, peak = alarms[0], min(alarms, key=lambda alarm: alarm.p_value)
    topic, entity = topic_and_entity(first.topic)
    article_ids = tuple(dict.fromkeys(i for alarm in alarms for i in alarm.article_ids))
    return Alert(
        topic=topic,
        entity=entity,
        started_at=first.started_at,
        detected_at=first.detected_at,
        severity=max((severity_of(a.p_value, len(a.mentions)) for a in alarms), key=SEVERITIES.index),
        negatives=sum(alarm.articles for alarm in alarms),
        stories=len(article_ids),
        expected=sum(alarm.expected for alarm in alarms),
        p_value=peak.p_value,
        window_hours=sum(alarm.hours for alarm in alarms),
        article_ids=article_ids,
        ended_at=alarms[-1].ended_at,
    )


def _grown(stored: Alert, fresh: Alert) -> Alert:
    """A stored alert with what is new. Nothing leaves it, and its severity never falls."""
    article_ids = tuple(dict.fromkeys(stored.article_ids + fresh.article_ids))
    return replace(
        stored,
        started_at=min(stored.started_at, fresh.started_at),
        severity=max(stored.severity, fresh.severity, key=SEVERITIES.index),
        negatives=max(stored.negatives, fresh.negatives, len(article_ids)),
        stories=max(stored.stories, len(article_ids)),
        expected=max(stored.expected, fresh.expected),
        p_value=min(stored.p_value, fresh.p_value),
        window_hours=max(stored.window_hours, fresh.window_hours),
        article_ids=article_ids,
        ended_at=fresh.ended_at,
    )
