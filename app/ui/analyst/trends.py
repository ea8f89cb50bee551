"""Trends: volume and negative share over time, of all news, a topic or a company, beside another if wanted."""

from datetime import datetime, timedelta
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

import gradio as gr
import plotly.graph_objects as go

from app.domain.alerts import series_of
from app.domain.expected import ExpectedPoint, expected_points
from app.domain.news import TrendPoint, topic_title
from app.domain.spikes import ENTITY, SpikeRule
from app.services.alerting import HISTORY
from app.ui.analyst.desk import Desk, Refresh, fragment
from app.ui.analyst.exports import export_links
from app.ui.analyst.links import Remembered, remember
from app.ui.charts import Other, topic_chart, trend_chart
from app.ui.listeners import shows_errors

# Length of the period and of its buckets, in hours.
PERIODS = {"24 hours": (24, 1), "7 days": (7 * 24, 6), "28 days": (28 * 24, 24), "90 days": (90 * 24, 24)}
ALL_TOPICS = ""
LEARNING = timedelta(days=3)  # of news without which nothing is known
KEPT = timedelta(minutes=5)  # the expectation of a series changes slowly, and takes a while to compute
MAX_KEPT = 64
_QUIET: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private"}
_COMPARISON = """<div class="bw"><h2>Negative share by topic</h2>
<p class="bw-small bw-soft">The fuller the colour, the larger the share; an empty cell had no articles. Point at a
cell for its numbers. A diamond marks an alert.</p></div>"""


class TrendsTab(NamedTuple):
    """The tab's refresh, and what a link to it remembers."""

    refresh: Refresh
    remembered: Remembered


def build_trends(desk: Desk) -> TrendsTab:
    """The tab's content; a choice takes effect at once."""
    bands = Bands(desk)
    with gr.Row():
        series = gr.Dropdown(
            series_choices(desk), value="", label="Topic or company", min_width=200, allow_custom_value=True
        )
        other = gr.Dropdown(
            [("Nothing", ""), *series_choices(desk)[1:]],
            value="",
            label="Compare with",
            min_width=200,
            allow_custom_value=True,
        )
        period = gr.Radio(list(PERIODS), value="7 days", label="Period", min_width=300)
    chart = gr.Plot(show_label=False, container=False)
    fragment(_note(desk))
    with gr.Column() as comparison:
        fragment(_COMPARISON)
        topics = gr.Plot(show_label=False, container=False)
    fragment(export_links("trends"))

    @shows_errors
    def refresh(series: str, other: str, period: str) -> tuple[Any, ...]:
        trend, by_topic = draw_trends(desk, series or "", period, other or "", bands)
        choices = series_choices(desk)
        return (
            trend,
            by_topic or gr.skip(),
            gr.Column(visible=by_topic is not None),
            gr.Dropdown(choices=choices),
            gr.Dropdown(choices=[("Nothing", ""), *choices[1:]]),
        )

    inputs = [series, other, period]
    plan = Refresh(refresh, inputs, [chart, topics, comparison, series, other])
    fields = dict(zip(("series", "with", "period"), inputs, strict=True))
    gr.on([series.input, other.input, period.input], *plan, **_QUIET).then(
        None, inputs, None, js=remember([*fields]), **_QUIET
    )
    return TrendsTab(plan, Remembered(fields, {"period": list(PERIODS)}))


def series_choices(desk: Desk) -> list[tuple[str, str]]:
    """All news, the topics, then the companies on watch."""
    companies = desk.services.watchlist.list(enabled_only=True)
    return [
        ("All news", ALL_TOPICS),
        *((title, key) for key, title in desk.views.topics.items()),
        *((f"{company.name} (company)", ENTITY + company.name) for company in companies),
    ]


def draw_trends(
    desk: Desk, series: str, period: str, other: str = "", bands: "Bands | None" = None
) -> tuple[go.Figure, go.Figure | None]:
    """The chart of a series, and for all news the comparison between the topics as well."""
    hours, bucket_hours = PERIODS.get(period, PERIODS["7 days"])
    zone, now = desk.views.zone, desk.clock()
    since = bucket_start(now - timedelta(hours=hours - bucket_hours), bucket_hours, zone)
    alerts = [a for a in desk.services.alerts.list(limit=200) if a.detected_at >= since]
    own = [alert for alert in alerts if series in (ALL_TOPICS, series_of(alert))]
    points = trend_of(desk, series, since, bucket_hours)
    beside = Other(title_of(desk, other), trend_of(desk, other, since, bucket_hours)) if other else None
    band = (bands or Bands(desk)).of(series, since, bucket_hours) if series else []
    chart = trend_chart(points, own, bucket_hours, zone, desk.views.topics, band, title_of(desk, series), beside)
    if series or not any(point.total for point in points):
        return chart, None
    trends = {key: trend_of(desk, key, since, bucket_hours) for key in desk.views.topics}
    return chart, topic_chart(trends, alerts, bucket_hours, zone, desk.views.topics)


def trend_of(desk: Desk, series: str, since: datetime, bucket_hours: int) -> list[TrendPoint]:
    """Counts of a series up to now."""
    entity = series.removeprefix(ENTITY) if series.startswith(ENTITY) else None
    topic = None if entity else series or None
    return desk.services.articles.trend(since, desk.clock(), bucket_hours, topic, entity)


def title_of(desk: Desk, series: str) -> str:
    """A series as a reader knows it."""
    if series.startswith(ENTITY):
        return series.removeprefix(ENTITY)
    return topic_title(series, desk.views.topics) if series else "All news"


class Bands:
    """What was to be expected of series, each kept for some minutes."""

    def __init__(self, desk: Desk) -> None:
        settings = desk.services.settings
        self._desk = desk
        self._rule = SpikeRule(lag_hours=settings.spike_lag_hours, unsure_below=settings.unsure_below)
        self._kept: dict[tuple[str, datetime, int], tuple[datetime, list[ExpectedPoint]]] = {}

    def of(self, series: str, since: datetime, hours: int) -> list[ExpectedPoint]:
        """Spans of `hours` from `since` on with their usual negatives; empty where nothing is known yet."""
        now, key = self._desk.clock(), (series, since, hours)
        made, points = self._kept.get(key, (now - 2 * KEPT, []))
        if not now - KEPT < made <= now:
            points = self._computed(series, since, now, hours)
            if len(self._kept) >= MAX_KEPT:
                self._kept.clear()
            self._kept[key] = now, points
        return points

    def _computed(self, series: str, since: datetime, now: datetime, hours: int) -> list[ExpectedPoint]:
        articles = self._desk.services.articles
        mentions = list(articles.mentions(since - HISTORY, now))
        if series.startswith(ENTITY):
            mentions += articles.entity_mentions(since - HISTORY, now)
        known = min((m.published_at for m in mentions), default=now) + LEARNING
        return expected_points(mentions, series, max(since, known), now, hours, self._rule)


def bucket_start(moment: datetime, bucket_hours: int, zone: ZoneInfo) -> datetime:
    """The beginning of the bucket that holds `moment`, counted from local midnight."""
    local = moment.astimezone(zone)
    hour = local.hour // bucket_hours * bucket_hours
    return local.replace(hour=hour, minute=0, second=0, microsecond=0)


def _note(desk: Desk) -> str:
    return (
        '<div class="bw"><p class="bw-small bw-soft">Stories, each counted once. Times are in '
        f"{desk.views.zone.key}. Of a topic or a company, the grey band reaches from the usual number of negatives "
        "to the most that is not unusual; a diamond marks an alert. Drag the ends of the strip below the chart to "
        "zoom.</p></div>"
    )
