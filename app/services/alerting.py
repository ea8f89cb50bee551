"""From classified articles to alerts, and from alerts to mails that arrive."""

import logging
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from email.message import EmailMessage
from email.utils import format_datetime, parseaddr

from app.domain.alerts import Alert, Delivery, group_spikes, retry_delay
from app.domain.errors import AppError, DeliveryRefused
from app.domain.spikes import HOUR, Spike, SpikeRule, detect
from app.integrations.mailer import Mailer
from app.services.alert_mail import render_alert
from app.storage.alerts import Alerts, Outbox
from app.storage.articles import Articles

log = logging.getLogger(__name__)

HISTORY = timedelta(days=35)  # what the detector learns from
RECENT = timedelta(hours=24)  # older findings are history and alarm nobody
NO_SERVER = "not sent: no mail server configured"


class Alerting:
    """Raises alerts and delivers them. An alert and its deliveries are stored before any mail goes out."""

    def __init__(
        self,
        articles: Articles,
        alerts: Alerts,
        outbox: Outbox,
        mailer: Mailer | None,
        rule: SpikeRule,
        recipients: Sequence[str],
        mail_from: str,
        public_url: str,
        clock: Callable[[], datetime],
        render: Callable[..., EmailMessage] = render_alert,
    ) -> None:
        self._articles, self._alerts, self._outbox, self._mailer = articles, alerts, outbox, mailer
        self._rule, self._recipients, self._mail_from = rule, tuple(recipients), mail_from
        self._public_url, self._clock, self._render = public_url, clock, render

    def detect(self, since: datetime | None = None, sample: bool = False) -> list[Alert]:
        """Look for spikes, and store an alert for each that is outside the cooldown of its topic's last one.

        Spikes detected before `since` (default: a day ago) are past alarm. The sample's own alerts
        (`sample`) are mailed to nobody.
        """
        now = self._clock()
        spikes = self._spikes(now, since or now - RECENT, sample)
        previous = {topic: self._alerts.last_detected(topic, sample) for topic in {s.topic for s in spikes}}
        recipients = () if sample else self._recipients
        domain = parseaddr(self._mail_from)[1].rpartition("@")[2] or "bellwether.invalid"
        created = []
        for alert in group_spikes(spikes, previous, timedelta(hours=self._rule.cooldown_hours)):
            stored = self._alerts.create(alert, recipients, now, domain, sample)
            if stored is not None:
                log.info("Alert %s on %s: %s negatives", stored.id, stored.topic, stored.negatives)
                created.append(stored)
        return created

    def deliver(self) -> dict[str, int]:
        """Send what is due in the outbox; return how many were sent, deferred, refused, or wait for a server.

        A mail is marked as sent after the server took it. If the program dies between the two it goes out
        again under the same Message-ID, which mail programs show once.
        """
        counts: Counter[str] = Counter(sent=0, deferred=0, refused=0, waiting=0)
        for delivery in self._outbox.due(self._clock()):
            counts[self._deliver_one(delivery)] += 1
        return dict(counts)

    def _spikes(self, now: datetime, since: datetime, sample: bool) -> list[Spike]:
        """Spikes from `since` on, every one of them: the stored alerts alone decide about the cooldown.

        While a sample is loaded, its articles serve as the past of the real ones but never raise an alert.
        """
        mentions = self._articles.mentions(min(since, now - HISTORY), sample=True if sample else None)
        found = detect(mentions, replace(self._rule, cooldown_hours=0), until=now)
        spikes = [spike for spike in found if spike.detected_at >= since]
        if sample or not spikes:
            return spikes
        begin = since - max(self._rule.windows) * HOUR
        real = {m.article_id: m.weight(self._rule) for m in self._articles.mentions(begin, sample=False)}
        least, ratio = self._rule.min_negatives, self._rule.min_ratio
        own = (replace(s, article_ids=tuple(i for i in s.article_ids if i in real)) for s in spikes)
        return [
            replace(s, negatives=len(s.article_ids))
            for s in own
            if sum(real[i] for i in s.article_ids) >= max(least, ratio * s.expected)
        ]

    def _deliver_one(self, delivery: Delivery) -> str:
        """Try one delivery, record how it went, and name the outcome."""
        assert delivery.id is not None
        now = self._clock()
        if self._mailer is None:
            if delivery.last_error != NO_SERVER:
                self._outbox.record_failure(delivery.id, NO_SERVER, now)
            return "waiting"
        try:
            self._mailer.send(self._message(delivery, now), delivery.recipient)
        except DeliveryRefused as error:
            log.error("Mail to %s refused: %s", delivery.recipient, error)
            self._outbox.record_failure(delivery.id, str(error), None)
            return "refused"
        except Exception as error:
            reason = str(error) if isinstance(error, AppError) else f"Unexpected {type(error).__name__}: {error}"
            log.warning("Mail to %s deferred: %s", delivery.recipient, reason)
            self._outbox.record_failure(delivery.id, reason, now + retry_delay(delivery.attempts + 1))
            return "deferred"
        self._outbox.record_sent(delivery.id, self._clock())
        return "sent"

    def _message(self, delivery: Delivery, now: datetime) -> EmailMessage:
        alert = self._alerts.get(delivery.alert_id)
        message = self._render(
            alert,
            self._articles.by_ids(alert.article_ids),
            delivery.message_id,
            self._mail_from,
            delivery.recipient,
            self._public_url,
        )
        message["Date"] = format_datetime(now)
        return message
