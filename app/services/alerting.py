"""From classified articles to alerts, and when somebody is told of them."""

import logging
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import accumulate

from app.domain.alarms import Alarm, AlarmLog
from app.domain.alerts import Alert, AlertPolicy, Kind, Notice, due_notices, series_of
from app.domain.decisive import Retrial
from app.domain.grouping import Group, group_alarms
from app.domain.silences import silencing
from app.domain.spikes import HOUR, Mention, SpikeRule
from app.storage.alerts import Alerts
from app.storage.articles import Articles
from app.storage.silences import Silences

log = logging.getLogger(__name__)

HISTORY = timedelta(days=35)  # what the detector learns from
RECENT = timedelta(hours=24)  # older findings are history and alarm nobody

RecipientsOf = Callable[[Alert, str], Sequence[str]]


class Alerting:
    """Raises alerts, lets them grow while their burst lasts, and writes the messages that tell of them.

    An alert and its messages are stored in one transaction; sending them is another's affair.
    `recipients_of` says who gets a message of a kind (domain.alerts.Kind) about an alert.
    """

    def __init__(
        self,
        articles: Articles,
        alerts: Alerts,
        rule: SpikeRule,
        recipients_of: RecipientsOf,
        sender_domain: str,
        clock: Callable[[], datetime],
        silences: Silences,
        policy: AlertPolicy = AlertPolicy(),  # noqa: B008 - frozen
    ) -> None:
        self._articles, self._alerts, self._silences = articles, alerts, silences
        self._rule, self._policy, self._recipients_of = rule, policy, recipients_of
        self._sender_domain, self._clock = sender_domain, clock

    def detect(self, since: datetime | None = None, sample: bool = False) -> list[Alert]:
        """Look for bursts; return the alerts that are new. Those that are there grow, or end.

        Bursts that were ordinary again before `since` (default: a day ago) alarm nobody any more. The sample's own
        alerts (`sample`) are told to nobody.
        """
        now = self._clock()
        since = since or now - RECENT
        begin = min(since, now - HISTORY)
        found = AlarmLog(self._mentions(begin, True if sample else None), self._rule, now)
        own = None if sample else self._real_ids(found.alarms)
        alarms = [_over(a) for a in found.alarms] if own is None else self._real(found.alarms, own)
        latest = self._alerts.latest(now - HISTORY, sample)
        cooldown = timedelta(hours=self._rule.cooldown_hours)
        retrial = Retrial(found)
        created = []
        for group in group_alarms(alarms, latest, cooldown, since, now):
            alert = _with_decisive(group, retrial, own)
            if alert.id is not None:
                self._alerts.grow(alert, now)
            elif (stored := self._create(alert, now, sample)) is not None:
                log.info("Alert %s on %s: %s negatives", stored.id, series_of(stored), stored.negatives)
                created.append(stored)
        return created

    def follow_up(self) -> dict[str, int]:
        """Write what is due about alerts that are there; return how many were told, updated and escalated.

        An alert that a silence held back is told when the silence is over and its burst is not.
        """
        now = self._clock()
        names = {Kind.ALERT: "alerts", Kind.UPDATE: "updates", Kind.ESCALATION: "escalations"}
        counts = Counter(dict.fromkeys(names.values(), 0))
        silences = self._silences.active(now)
        for alert in self._alerts.unsettled():
            if silencing(silences, alert, now):
                continue
            for kind in due_notices(alert, self._policy, now):
                if self._alerts.notify(alert, self._notice(alert, kind, now), now, self._sender_domain):
                    counts[names[kind]] += 1
                    alert = self._alerts.get(alert.id or 0)
        return dict(counts)

    def _create(self, alert: Alert, now: datetime, sample: bool) -> Alert | None:
        silence = None if sample else silencing(self._silences.active(now), alert, now)
        notices = [] if sample or silence else [self._notice(alert, Kind.ALERT, now)]
        silence_id = silence.id if silence else None
        return self._alerts.create(alert, notices, now, self._sender_domain, sample, silence_id)

    def _notice(self, alert: Alert, kind: Kind, now: datetime) -> Notice:
        """The message of one occasion, which is known by the one before it: written once, whoever is faster."""
        recipients = self._recipients_of(alert, kind)
        if kind == Kind.ALERT:
            reopened = alert.opened_at if alert.id is not None else None
            return Notice(kind, recipients, _stamp(reopened), now + self._policy.wait)
        return Notice(kind, recipients, _stamp(alert.opened_at if kind == Kind.ESCALATION else alert.notified_at))

    def _mentions(self, since: datetime, sample: bool | None) -> list[Mention]:
        """Of topics and of companies: series of one family."""
        mentions = self._articles.mentions(since, sample=sample)
        return mentions + self._articles.entity_mentions(since, sample=sample)

    def _real_ids(self, alarms: Sequence[Alarm]) -> set[int]:
        """Articles since the first alarm that do not belong to the sample."""
        if not alarms:
            return set()
        return {m.article_id for m in self._mentions(min(a.started_at for a in alarms), sample=False)}

    def _real(self, alarms: Sequence[Alarm], real: set[int]) -> list[Alarm]:
        """Alarms without the sample's articles. These serve as the past of the real ones but raise no alert."""
        found = []
        for alarm in alarms:
            own = tuple(m for m in alarm.mentions if m.article_id in real)
            if len(own) == len(alarm.mentions):
                found.append(alarm)
                continue
            least = max(self._rule.min_negatives, self._rule.min_ratio * alarm.expected)
            weights = accumulate(m.weight(self._rule) for m in own)
            enough = next((m for m, weight in zip(own, weights, strict=True) if weight >= least), None)
            if enough is not None:
                at = max(alarm.detected_at, enough.published_at)
                found.append(replace(alarm, mentions=own, detected_at=at))
        return found


def _with_decisive(group: Group, retrial: Retrial, own: set[int] | None) -> Alert:
    """The group's alert with what would not have fired it. Where nothing new is known, it stays as it was."""
    if not group.alarms:
        return group.alert
    decisive = [i for alarm in group.alarms for i in retrial.decisive(alarm, own)]
    return replace(group.alert, decisive=tuple(dict.fromkeys(decisive)))


def _over(alarm: Alarm) -> Alarm:
    """An alarm of the sample, to which nothing will ever be added: it ends when its window lets go of it."""
    last = alarm.mentions[-1].published_at
    return replace(alarm, ended_at=alarm.ended_at or last + alarm.window_hours * HOUR)


def _stamp(moment: datetime | None) -> str:
    """A moment as a part of a key."""
    return f"{moment:%Y%m%dT%H%M%S%f}" if moment else ""
