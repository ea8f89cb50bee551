"""What would have happened: alerts and messages of a past period under any thresholds, and how good they are."""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from statistics import median
from typing import Any

from app.domain.alarms import Alarm, find_alarms
from app.domain.alerts import Alert, AlertPolicy, Kind, series_of
from app.domain.grouping import group_alarms
from app.domain.silences import Silence, silencing
from app.domain.spikes import HOUR, Mention, SpikeRule

MARK_SLACK = timedelta(hours=24)  # by which an event may be marked before its first article


@dataclass(frozen=True)
class Message:
    """One message of a kind to some recipients."""

    at: datetime
    kind: Kind
    recipients: tuple[str, ...]


@dataclass(frozen=True)
class ReplayedAlert:
    """An alert that would have been, as it was in the end. `known_at` is when it could have been raised."""

    alert: Alert
    known_at: datetime
    messages: tuple[Message, ...]


@dataclass(frozen=True)
class Mark:
    """An event that deserved an alert: its series, and when it began."""

    series: str
    at: datetime


def replay(
    mentions: Iterable[Mention],
    rule: SpikeRule,
    policy: AlertPolicy,
    begin: datetime,
    end: datetime,
    recipients_of: Callable[[Alert, str], Sequence[str]],
    silences: Sequence[Silence] = (),
) -> list[ReplayedAlert]:
    """Alerts detected from `begin` to `end`; mentions before `begin` are the past from which it learns.

    Nobody acknowledges anything in a replay, so that messages are as many as there could be.
    """
    alarms = find_alarms(mentions, rule, until=end)
    first = min((alarm.spiked_at for alarm in alarms), default=begin)
    groups = group_alarms(alarms, {}, timedelta(hours=rule.cooldown_hours), first, end)
    found = []
    for group in groups:
        if group.alert.detected_at < begin:
            continue
        known_at, growths = _times(group.alarms)
        occasions = plan(group.alert, known_at, growths, policy, end, silences)
        told = ((at, kind, tuple(recipients_of(group.alert, kind))) for at, kind in occasions)
        messages = tuple(Message(*message) for message in told if message[2])
        found.append(ReplayedAlert(group.alert, known_at, messages))
    return found


def _times(alarms: Sequence[Alarm]) -> tuple[datetime, list[datetime]]:
    """When the alert could be raised, and when stories joined it after that."""
    known = [(m.published_at, m.seen_at or m.published_at) for alarm in alarms for m in alarm.mentions]
    known_at = max(seen for published, seen in known if published <= alarms[0].detected_at)
    return known_at, sorted({seen for _, seen in known if seen > known_at})


def plan(
    alert: Alert,
    known_at: datetime,
    growths: Sequence[datetime],
    policy: AlertPolicy,
    end: datetime,
    silences: Sequence[Silence] = (),
) -> list[tuple[datetime, Kind]]:
    """When messages about an open alert are written: what due_notices says, asked at every moment."""
    is_on = lambda at: alert.ended_at is None or at < alert.ended_at  # noqa: E731
    at = _unsilenced(silences, alert, known_at)
    if at > end or (at > known_at and not is_on(at)):
        return []
    notified, escalated, messages = at, False, [(at, Kind.ALERT)]
    while True:
        due: list[tuple[datetime, Kind]] = []
        if policy.escalate_after_hours > 0 and not escalated:
            due.append((max(known_at + policy.escalation, notified), Kind.ESCALATION))
        growth = next((g for g in growths if g > notified), None)
        if growth is not None:
            due.append((max(growth, notified + policy.interval), Kind.UPDATE))
        due = [(_unsilenced(silences, alert, moment), kind) for moment, kind in due]
        repeat = _unsilenced(silences, alert, notified + policy.repeat)
        if is_on(repeat):
            due.append((repeat, Kind.UPDATE))
        if not due or min(due)[0] > end:
            return messages
        at, kind = min(due)
        messages.append((at, kind))
        if kind == Kind.ESCALATION:
            escalated = True
        else:
            notified = at


def _unsilenced(silences: Sequence[Silence], alert: Alert, at: datetime) -> datetime:
    """The first moment from `at` on at which no silence holds the alert back."""
    while silence := silencing(silences, alert, at):
        at = silence.ends_at
    return at


def summary(replayed: Sequence[ReplayedAlert], marks: Sequence[Mark] = ()) -> dict[str, Any]:
    """Counts, delays in hours, and messages by recipient; with marks, how many were found and how many hit."""
    sent = [(m.kind, recipient) for r in replayed for m in r.messages for recipient in m.recipients]
    waits = [(r.known_at - r.alert.started_at) / HOUR for r in replayed]
    result: dict[str, Any] = {
        "alerts": len(replayed),
        "alerts_by_severity": dict(Counter(r.alert.severity for r in replayed)),
        "median_hours_from_first_article": round(median(waits), 2) if waits else None,
        "mails": len(sent),
        "mails_by_kind": {str(kind): n for kind, n in Counter(kind for kind, _ in sent).items()},
        "mails_by_recipient": dict(Counter(recipient for _, recipient in sent)),
    }
    return {**result, **_score(replayed, marks)} if marks else result


def _score(replayed: Sequence[ReplayedAlert], marks: Sequence[Mark]) -> dict[str, Any]:
    """Precision, recall and delay against marked events.

    An alert answers a mark on its series if the event began while its burst was on, or in the day before.
    """
    delays, hits = [], set[int]()
    for mark in marks:
        answers = [(r.known_at, i) for i, r in enumerate(replayed) if _answers(r.alert, mark)]
        hits.update(i for _, i in answers)
        if answers:
            delays.append((min(answers)[0] - mark.at) / HOUR)
    return {
        "marked": len(marks),
        "marked_found": len(delays),
        "recall": round(len(delays) / len(marks), 4),
        "precision": round(len(hits) / len(replayed), 4) if replayed else None,
        "median_delay_hours": round(median(delays), 2) if delays else None,
    }


def _answers(alert: Alert, mark: Mark) -> bool:
    if series_of(alert) != mark.series or mark.at < alert.started_at - MARK_SLACK:
        return False
    return alert.ended_at is None or mark.at < alert.ended_at
