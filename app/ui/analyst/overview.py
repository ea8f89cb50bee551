"""Overview: what needs a look now, what changed, and whether the sources work."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

import gradio as gr

from app.domain.alerts import AlertState, DeliveryState
from app.domain.news import Sentiment, TrendPoint
from app.services.letters import percent
from app.ui.analyst.desk import Desk, Refresh, fragment
from app.ui.listeners import shows_errors
from app.ui.views import next_visit

DAY = timedelta(days=1)
USUAL_DAYS = 7
MAX_COMPANIES = 15  # those that changed most


@dataclass(frozen=True)
class Change:
    """A topic's or a company's last day against its usual one; `usual` is negatives a day."""

    topic: str
    negatives: int
    articles: int
    usual: float

    @property
    def unusual(self) -> bool:
        return self.negatives >= 3 and self.negatives >= 2 * self.usual


def build_overview(desk: Desk) -> tuple[gr.HTML, Refresh]:
    """The tab's content. A click on an alert carries its id."""
    page = fragment()

    @shows_errors
    def refresh() -> str:
        return render_overview(desk)

    return page, Refresh(refresh, [], [page])


def render_overview(desk: Desk) -> str:
    """The overview as HTML."""
    now, services = desk.clock(), desk.services
    begin = now - DAY * (1 + USUAL_DAYS)
    topics = changes_since(
        services.articles.topic_counts(now - DAY, now), services.articles.topic_counts(begin, now - DAY)
    )
    companies = changes_since(
        services.articles.entity_counts(now - DAY, now), services.articles.entity_counts(begin, now - DAY)
    )
    # An article of several topics is in several changes, but is one article.
    today = services.articles.trend(now - DAY, now, 24)
    alerts = services.alerts.list(state=AlertState.OPEN)
    all_sources = services.sources.list()
    sources = [source for source in all_sources if not source.sample]
    failing = [source for source in sources if source.enabled and source.last_error]
    paused = sum(not source.enabled for source in sources)
    deliveries = services.outbox.counts()
    return desk.views.render(
        "overview.html",
        sample=len(all_sources) > len(sources),
        open_alerts=alerts,
        failing=failing,
        refused=deliveries.get(DeliveryState.REFUSED, 0),
        mail_configured=desk.mail_configured,
        articles=services.articles.count(),
        figures=_figures(today, len(alerts), deliveries),
        topics=topics,
        companies=companies[:MAX_COMPANIES],
        watched=len(services.watchlist.list(enabled_only=True)),
        sources=len(sources),
        healthy=len(sources) - len(failing) - paused,
        paused=paused,
        due=min((at for source in sources if (at := next_visit(source))), default=None),
        last_fetch=_latest([source.last_fetched_at for source in sources]),
        zone=desk.views.zone.key,
    )


def changes_since(today: Mapping[str, Mapping[str, int]], before: Mapping[str, Mapping[str, int]]) -> list[Change]:
    """Topics or companies of the last day, those whose negatives rose most first."""
    changes = [
        Change(
            topic,
            counts.get(Sentiment.NEGATIVE, 0),
            sum(counts.values()),
            before.get(topic, {}).get(Sentiment.NEGATIVE, 0) / USUAL_DAYS,
        )
        for topic, counts in today.items()
    ]
    return sorted(changes, key=lambda change: (change.usual - change.negatives, -change.articles))


def _figures(today: list[TrendPoint], alerts: int, deliveries: Mapping[str, int]) -> list[tuple[str, str]]:
    articles = sum(point.total for point in today)
    negatives = sum(point.negative for point in today)
    return [
        (f"{articles:,}", "articles"),
        (percent(negatives / articles) if articles else "–", "of them negative"),
        (f"{alerts:,}", "open alerts"),
        (f"{deliveries.get(DeliveryState.SENT, 0):,}", "alert mails sent, ever"),
        (f"{deliveries.get(DeliveryState.PENDING, 0):,}", "alert mails waiting"),
    ]


def _latest(moments: list[datetime | None]) -> datetime | None:
    return max((moment for moment in moments if moment), default=None)
