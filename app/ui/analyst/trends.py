"""Trends: volume and negative share over time, of one topic or all."""

from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import gradio as gr
import plotly.graph_objects as go

from app.ui.analyst.desk import Desk, Refresh, fragment
from app.ui.charts import topic_chart, trend_chart
from app.ui.listeners import shows_errors

# Length of the period and of its buckets, in hours.
PERIODS = {"24 hours": (24, 1), "7 days": (7 * 24, 6), "28 days": (28 * 24, 24)}
ALL_TOPICS = ""
_COMPARISON = """<div class="bw"><h2>Negative share by topic</h2>
<p class="bw-small bw-soft">The fuller the colour, the larger the share; an empty cell had no articles. Point at a
cell for its numbers. A diamond marks an alert.</p></div>"""


def build_trends(desk: Desk) -> Refresh:
    """The tab's content; a choice takes effect at once."""
    with gr.Row():
        topic = gr.Dropdown(
            [("All topics", ALL_TOPICS), *((name, key) for key, name in desk.views.topics.items())],
            value=ALL_TOPICS,
            label="Topic",
            min_width=200,
        )
        period = gr.Radio(list(PERIODS), value="7 days", label="Period", min_width=260)
    chart = gr.Plot(show_label=False, container=False)
    with gr.Column() as comparison:
        fragment(_COMPARISON)
        topics = gr.Plot(show_label=False, container=False)

    @shows_errors
    def refresh(topic: str, period: str) -> tuple[Any, ...]:
        trend, by_topic = draw_trends(desk, topic, period)
        return trend, by_topic or gr.skip(), gr.Column(visible=by_topic is not None)

    plan = Refresh(refresh, [topic, period], [chart, topics, comparison])
    gr.on([topic.input, period.input], *plan, show_progress="hidden", api_visibility="private")
    return plan


def draw_trends(desk: Desk, topic: str, period: str) -> tuple[go.Figure, go.Figure | None]:
    """The chart of a topic, and for all topics the comparison between them as well."""
    hours, bucket_hours = PERIODS[period]
    zone, articles, now = desk.views.zone, desk.services.articles, desk.clock()
    since = bucket_start(now - timedelta(hours=hours - bucket_hours), bucket_hours, zone)
    alerts = [
        alert
        for alert in desk.services.alerts.list(limit=200)
        if alert.detected_at >= since and topic in (ALL_TOPICS, alert.topic)
    ]
    points = articles.trend(since, now, bucket_hours, topic or None)
    chart = trend_chart(points, alerts, bucket_hours, zone, desk.views.topics)
    if topic or not any(point.total for point in points):
        return chart, None
    trends = {key: articles.trend(since, now, bucket_hours, key) for key in desk.views.topics}
    return chart, topic_chart(trends, alerts, bucket_hours, zone, desk.views.topics)


def bucket_start(moment: datetime, bucket_hours: int, zone: ZoneInfo) -> datetime:
    """The beginning of the bucket that holds `moment`, counted from local midnight."""
    local = moment.astimezone(zone)
    hour = local.hour // bucket_hours * bucket_hours
    return local.replace(hour=hour, minute=0, second=0, microsecond=0)
