"""Daily and weekly digests: what happened per topic and company, against the week before."""

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from app.domain.alerts import Alert
from app.domain.news import TOPICS, UNSURE_BELOW, Story
from app.domain.spikes import ENTITY, Mention
from app.domain.subscriptions import Subscription
from app.services.alert_mail import AlertLinks
from app.services.letters import MAX_CHAT_CHARS, Letter, shorten, web_link, writing_for
from app.services.mail_words import say
from app.storage.alerts import Alerts
from app.storage.articles import Articles
from app.storage.digests import DigestFigures
from app.storage.subscriptions import StoredSubscriptions

WEEK = timedelta(days=7)
TOP_STORIES, MAX_LINES, MAX_OUTLETS, CHAT_LINES = 8, 20, 6, 5


@dataclass(frozen=True)
class DigestLine:
    """Negative and all stories of one topic or company, in the period and in that of the week before."""

    name: str
    negative: int = 0
    total: int = 0
    before: int = 0
    before_total: int = 0

    @property
    def change(self) -> int:
        return self.negative - self.before


@dataclass(frozen=True)
class Digest:
    """What happened between `begin` and `end`. `whole` counts each story once, on however many topics it is."""

    begin: datetime
    end: datetime
    whole: DigestLine
    topics: tuple[DigestLine, ...]
    entities: tuple[DigestLine, ...]
    stories: tuple[Story, ...]
    alerts: tuple[Alert, ...]


class Digests:
    """Writes digests into the outbox when their time has come, and their words when they are sent."""

    def __init__(
        self,
        stored: StoredSubscriptions,
        articles: Articles,
        alerts: Alerts,
        figures: DigestFigures,
        sender_domain: str,
        clock: Callable[[], datetime],
    ) -> None:
        self._stored, self._articles, self._alerts, self._figures = stored, articles, alerts, figures
        self._sender_domain, self._clock = sender_domain, clock

    def write_due(self) -> dict[str, int]:
        """Note each digest whose period has ended, once for each recipient; of several missed, the last one."""
        now, written = self._clock(), 0
        for subscription in self._stored.list():
            period = subscription.digest_period(now) if subscription.enabled else None
            if period is None or (subscription.last_digest_at and subscription.last_digest_at >= period[1]):
                continue
            written += self._stored.write_digest(subscription, period[1], now, self._sender_domain)
        return {"written": written}

    def gather(self, reader: Subscription, begin: datetime, end: datetime) -> Digest:
        """What happened on the reader's topics and companies."""
        mentions = self._articles.mentions(begin - WEEK, end, sample=False)
        named = self._articles.entity_mentions(begin - WEEK, end, sample=False)
        topical = [m for m in mentions if any(reader.covers(topic) for topic in m.topics)]
        on_watch = [m for m in named if reader.covers("", m.topic.removeprefix(ENTITY))]
        everything = {m.article_id: m for m in [*on_watch, *topical]}
        alerts = [self._alerts.get(alert_id) for alert_id in self._figures.alert_ids(begin, end)]
        top = sorted(
            (m for m in everything.values() if m.negative and begin <= m.published_at),
            key=lambda m: (-m.copies, -m.probability, m.article_id),
        )
        return Digest(
            begin,
            end,
            _line("", everything.values(), begin, end),
            _lines(topical, lambda m: [t for t in m.topics if reader.covers(t)], begin, end),
            _lines(on_watch, lambda m: [m.topic.removeprefix(ENTITY)], begin, end),
            tuple(self._articles.stories([m.article_id for m in top[:TOP_STORIES]])),
            tuple(a for a in alerts if reader.covers(a.topic, a.entity)),
        )


def write_digest(
    digest: Digest,
    kind: str,
    reader: Subscription,
    links: AlertLinks,
    topics: Mapping[str, str] = TOPICS,
    unsure_below: float = UNSURE_BELOW,
) -> Letter:
    """A digest (`kind` daily or weekly) as a letter to one reader; `topics` are the titles in force."""
    language, zone = reader.language, ZoneInfo(reader.time_zone or "UTC")
    days = [moment.astimezone(zone).strftime(say(language, "day")) for moment in (digest.begin, digest.end)]
    period = days[0] if kind == "daily" else say(language, "period", begin=days[0], end=days[1])
    title = f"{say(language, kind)}{'：' if language == 'zh' else ', '}{period}"
    limits = {"max_outlets": MAX_OUTLETS, "chat_lines": CHAT_LINES, "unsure_below": unsure_below}
    values = {"digest": digest, "title": title, "links": links, **limits}
    environment = writing_for(reader, topics)
    environment.filters["change"] = lambda line: _change(line, language)
    alerts = len(digest.alerts)
    return Letter(
        subject="[Bellwether] "
        + say(
            language,
            "digest_subject",
            title=title,
            negative=digest.whole.negative,
            total=digest.whole.total,
            alerts=alerts,
            n=alerts,
        ),
        text=environment.get_template("digest.txt.j2").render(values),
        html=environment.get_template("digest.html.j2").render(values),
        short=shorten(environment.get_template("digest.chat.j2").render(values).strip(), MAX_CHAT_CHARS),
        settings=web_link(links.settings),
    )


def _lines(
    mentions: Sequence[Mention], names: Callable[[Mention], Iterable[str]], begin: datetime, end: datetime
) -> tuple[DigestLine, ...]:
    """A line for each name, those with the largest rise of negatives first; at most MAX_LINES."""
    by_name: dict[str, list[Mention]] = defaultdict(list)
    for mention in mentions:
        for name in names(mention):
            by_name[name].append(mention)
    lines = [_line(name, found, begin, end) for name, found in by_name.items()]
    lines.sort(key=lambda line: (-line.change, -line.negative, -line.total, line.name))
    return tuple(line for line in lines if line.total or line.before)[:MAX_LINES]


def _line(name: str, mentions: Collection[Mention], begin: datetime, end: datetime) -> DigestLine:
    now = [m for m in mentions if begin <= m.published_at < end]
    then = [m for m in mentions if begin - WEEK <= m.published_at < end - WEEK]
    return DigestLine(name, sum(m.negative for m in now), len(now), sum(m.negative for m in then), len(then))


def _change(line: DigestLine, language: str) -> str:
    """How many negatives more or fewer."""
    return f"{line.change:+d}".replace("-", "−") if line.change else say(language, "same")
