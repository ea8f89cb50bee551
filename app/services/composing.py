"""The words of each delivery, written when it is sent: what was learned since it was noted is in them."""

import logging
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta

from app.domain.alerts import Alert, Delivery, Kind
from app.domain.errors import DeliveryRefused, NotFound
from app.domain.expected import ExpectedPoint, expected_points
from app.domain.spikes import ENTITY, HOUR, SpikeRule, floor_hour
from app.domain.subscriptions import DIGESTS, Subscription
from app.services.alert_mail import AlertLinks, write_alert
from app.services.alerting import HISTORY
from app.services.digests import Digests, write_digest
from app.services.letters import Letter, writing_for
from app.services.mail_links import MailLinks
from app.services.mail_words import say
from app.services.subscriptions import Subscriptions
from app.storage.alerts import Alerts
from app.storage.articles import Articles

log = logging.getLogger(__name__)

AFTER = timedelta(hours=24)  # how much of what followed an alert its picture shows
_CACHED = 20
_NO_LINKS = AlertLinks("#", "#", "#")
Draw = Callable[[Sequence[ExpectedPoint], int, datetime, datetime, str, str], bytes]


class Composing:
    """Writes alerts, digests and test messages to their recipients, each in its language and time zone."""

    def __init__(
        self,
        alerts: Alerts,
        articles: Articles,
        digests: Digests,
        subscriptions: Subscriptions,
        links: MailLinks,
        rule: SpikeRule,
        draw: Draw,
        topics: Mapping[str, str],
        clock: Callable[[], datetime],
    ) -> None:
        self._alerts, self._articles, self._digests = alerts, articles, digests
        self._subscriptions, self._links, self._rule = subscriptions, links, rule
        self._draw, self._topics, self._clock = draw, topics, clock
        self._pictures: dict[tuple[object, ...], bytes] = {}

    def compose(self, delivery: Delivery) -> Letter:
        """The letter of a delivery.

        Raises DeliveryRefused when its recipient has unsubscribed since, NotFound when its alert is gone.
        """
        reader = self._subscriptions.of(delivery.recipient)
        if delivery.kind == "test":
            return self._test(reader)
        if not reader.enabled:
            raise DeliveryRefused("not sent: the recipient has unsubscribed")
        if delivery.kind in DIGESTS:
            return self._digest(delivery, reader)
        alert = self._alert_of(delivery)
        return self._about(alert, reader, self._links.for_alert(alert, delivery.recipient), delivery.kind)

    def preview(self, alert_id: int, recipient: str, kind: str = Kind.ALERT) -> Letter:
        """What a recipient would read about an alert now. Its links lead nowhere: they act in the recipient's name.

        Raises NotFound when the alert is gone.
        """
        return self._about(self._alerts.get(alert_id), self._subscriptions.of(recipient), _NO_LINKS, kind)

    def picture(self, alert: Alert, time_zone: str) -> tuple[bytes, int]:
        """A PNG of an alert against what is usual, and the hours of its bars; empty where nothing is known."""
        hours, since, until = chart_span(alert, self._clock())
        return self._picture(alert, Subscription("", time_zone=time_zone), hours, since, until), hours

    def held_until(self, delivery: Delivery) -> datetime | None:
        """When the quiet hours end that keep a delivery back; None if none do."""
        try:
            severity = self._alert_of(delivery).severity if delivery.alert_id is not None else ""
        except NotFound:  # it will be refused for that
            return None
        return self._subscriptions.held_until(delivery.recipient, severity)

    def _alert_of(self, delivery: Delivery) -> Alert:
        if delivery.alert_id is None:
            raise NotFound("The message belongs to no alert; it cannot be written.")
        return self._alerts.get(delivery.alert_id)

    def _about(self, alert: Alert, reader: Subscription, links: AlertLinks, kind: str) -> Letter:
        hours, since, until = chart_span(alert, self._clock())
        return write_alert(
            alert,
            self._articles.stories(alert.article_ids),
            reader,
            links,
            kind,
            self._picture(alert, reader, hours, since, until),
            hours,
            self._topics,
            self._rule.unsure_below,
        )

    def _digest(self, delivery: Delivery, reader: Subscription) -> Letter:
        end = _period_end(delivery)
        begin = end - DIGESTS[delivery.kind]
        links = AlertLinks(
            dashboard=self._links.dashboard(), settings=self._links.settings_link(delivery.recipient)
        )
        found = self._digests.gather(reader, begin, end)
        return write_digest(found, delivery.kind, reader, links, self._topics, self._rule.unsure_below)

    def _test(self, reader: Subscription) -> Letter:
        environment, title = writing_for(reader, self._topics), say(reader.language, "test_subject")
        links = AlertLinks(dashboard=self._links.dashboard())
        html, text = (
            environment.get_template(name).render(title=title, links=links)
            for name in ("test.html.j2", "test.txt.j2")
        )
        return Letter(f"[Bellwether] {title}", text, html, say(reader.language, "test_text"))

    def _picture(self, alert: Alert, reader: Subscription, hours: int, since: datetime, until: datetime) -> bytes:
        """The picture of an alert; empty where nothing is known, or drawing fails: the mail goes without."""
        dates = say(reader.language, "tick")
        key = (alert.id, alert.article_ids, since, until, reader.time_zone, dates)
        if key not in self._pictures:
            try:
                drawn = self._drawn(alert, reader, hours, since, until, dates)
            except Exception:
                log.exception("The picture of alert %s could not be drawn; it is mailed without.", alert.id)
                drawn = b""
            if len(self._pictures) >= _CACHED:
                self._pictures.clear()
            self._pictures[key] = drawn
        return self._pictures.get(key, b"")

    def _drawn(
        self, alert: Alert, reader: Subscription, hours: int, since: datetime, until: datetime, dates: str
    ) -> bytes:
        mentions = list(self._articles.mentions(since - HISTORY, until))
        series = alert.topic
        if alert.entity:
            series = ENTITY + alert.entity
            mentions += self._articles.entity_mentions(since - HISTORY, until)
        points = expected_points(mentions, series, since, until, hours, self._rule)
        if not points:
            return b""
        return self._draw(points, hours, alert.started_at, alert.detected_at, reader.time_zone or "UTC", dates)


def chart_span(alert: Alert, now: datetime) -> tuple[int, datetime, datetime]:
    """Hours of a bar, and from when to when an alert's picture reaches: bars finer for short bursts."""
    hours, length = 24, timedelta(days=28)
    if alert.window_hours <= 3:
        hours, length = 1, timedelta(hours=60)
    elif alert.window_hours <= 24:
        hours, length = 3, timedelta(days=6)
    until = floor_hour(max(min(now, alert.detected_at + AFTER), alert.detected_at)) + HOUR
    return hours, until - length, until


def _period_end(delivery: Delivery) -> datetime:
    """When the period of a digest ended, which its idempotency key tells."""
    stamp = delivery.key.removeprefix(f"{delivery.kind}-").partition("-")[0]
    return datetime.strptime(stamp, "%Y%m%dT%H%MZ").replace(tzinfo=UTC)
