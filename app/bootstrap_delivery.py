"""The part of the composition root that takes what happened to the people who want to know."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from app.config import Settings
from app.domain.alerts import Alert
from app.domain.silences import Silence
from app.domain.spikes import SpikeRule
from app.integrations.channels import Channels
from app.integrations.chart_image import draw_negatives
from app.integrations.mailer import Mailer
from app.integrations.secret_key import load_or_create_key
from app.services.composing import Composing
from app.services.delivery import Delivering
from app.services.digests import Digests
from app.services.letters import sender_domain
from app.services.mail_links import MailLinks
from app.services.subscriptions import Subscriptions
from app.storage.alerts import Alerts
from app.storage.articles import Articles
from app.storage.database import Database
from app.storage.digests import DigestFigures
from app.storage.outbox import Outbox
from app.storage.silences import Silences
from app.storage.subscriptions import StoredSubscriptions, UsedTokens

KEY_FILE = "mail_links.key"


@dataclass(frozen=True)
class Delivery:
    """Who is told, how it is written, and how it gets there."""

    subscriptions: Subscriptions
    digests: Digests
    mail_links: MailLinks
    composing: Composing
    delivering: Delivering


def build_mailer(settings: Settings) -> Mailer | None:
    """The mail server's client, or None while no server is set."""
    if not settings.smtp_host:
        return None
    return Mailer(
        settings.smtp_host,
        settings.smtp_port,
        settings.smtp_security,
        settings.smtp_username,
        settings.smtp_password.get_secret_value(),
    )


def build_subscriptions(settings: Settings, database: Database, clock: Callable[[], datetime]) -> Subscriptions:
    """Subscriptions, whose channels are those that messages can be sent to."""
    channels = Channels(settings.allow_private_addresses)
    return Subscriptions(
        StoredSubscriptions(database), settings.alert_recipients, clock, settings.time_zone, channels.check
    )


def build_delivery(
    settings: Settings,
    database: Database,
    rule: SpikeRule,
    titles: Mapping[str, str],
    clock: Callable[[], datetime],
    claim: timedelta = timedelta(seconds=60),
) -> Delivery:
    """Compose the services. Raises ConfigurationError when the key of the links cannot be kept."""
    alerts, articles, domain = Alerts(database, clock), Articles(database), sender_domain(settings.mail_from)
    subscriptions = build_subscriptions(settings, database, clock)
    digests = Digests(StoredSubscriptions(database), articles, alerts, DigestFigures(database), domain, clock)

    def silence(alert: Alert, by: str, until: datetime) -> None:
        begin = clock()
        Silences(database).create(
            Silence(begin, until, by, topic=alert.topic, entity=alert.entity, comment="by a mail's link"), begin
        )

    links = MailLinks(
        load_or_create_key(settings.data_dir / KEY_FILE), settings.public_url, subscriptions, UsedTokens(database),
        clock, alerts.get, lambda alert_id, by: alerts.change(alert_id, "acknowledge", by), silence,
    )  # fmt: skip
    composing = Composing(alerts, articles, digests, subscriptions, links, rule, draw_negatives, titles, clock)
    delivering = Delivering(
        Outbox(database), composing.compose, composing.held_until, build_mailer(settings),
        Channels(settings.allow_private_addresses), settings.mail_from, domain, clock, claim=claim,
    )  # fmt: skip
    return Delivery(subscriptions, digests, links, composing, delivering)
