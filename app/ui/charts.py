"""Figures of the dashboard. Backgrounds are clear and text is coloured by the style sheet, for light and dark."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from html import escape
from typing import NamedTuple
from zoneinfo import ZoneInfo

import plotly.graph_objects as go
from plotly.subplots import make_subplots

from app.domain.alerts import Alert
from app.domain.expected import ExpectedPoint
from app.domain.news import Sentiment, TrendPoint, topic_title
from app.ui.theme import FONT_STACK, NEGATIVE, NEUTRAL, POSITIVE

# Negative stands on the base line, where its changes are easiest to compare; a pattern helps where hue does not.
_SERIES = (
    (Sentiment.NEGATIVE, NEGATIVE, "/"),
    (Sentiment.NEUTRAL, NEUTRAL, ""),
    (Sentiment.POSITIVE, POSITIVE, "."),
)
_OTHER = "#4a8fd0"  # 3:1 on light and on dark
_SOFT, _HATCH = "#7b8798", "rgba(255,255,255,0.45)"


class Other(NamedTuple):
    """A series to compare with, by its name."""

    name: str
    points: Sequence[TrendPoint]


def trend_chart(
    points: Sequence[TrendPoint],
    alerts: Sequence[Alert],
    bucket_hours: int,
    zone: ZoneInfo,
    topics: Mapping[str, str],
    band: Sequence[ExpectedPoint] = (),
    name: str = "negative share",
    other: Other | None = None,
) -> go.Figure:
    """Volume stacked by sentiment, above the negative share; a dashed line marks each alert.

    `topics` are the titles by topic, here and below. `band` is what was to be expected of the negatives, drawn over
    them; `other` is drawn dotted beside the share of the series `name`. A strip below zooms.
    """
    if not any(point.total for point in [*points, *(other.points if other else ())]):
        return empty_chart("No articles in this period. Choose a longer one, or add sources.")
    figure = make_subplots(rows=2, cols=1, shared_xaxes=True, row_heights=[0.66, 0.34], vertical_spacing=0.07)
    middles = [_local(point.start + timedelta(hours=bucket_hours / 2), zone) for point in points]
    spans = [_span(point.start, bucket_hours, zone) for point in points]
    for sentiment, colour, pattern in _SERIES:
        figure.add_bar(
            x=middles,
            y=[getattr(point, sentiment.value) for point in points],
            name=sentiment.value,
            marker={
                "color": colour,
                "pattern": {"shape": pattern, "fillmode": "overlay", "fgcolor": _HATCH, "size": 6},
            },
            customdata=spans,
            hovertemplate="%{customdata}: %{y} " + sentiment.value + "<extra></extra>",
            row=1,
            col=1,
        )
    _add_band(figure, band, bucket_hours, zone)
    _add_share(figure, points, middles, spans, name, other is not None, NEGATIVE)
    if other:
        _add_share(figure, other.points, middles, spans, other.name, True, _OTHER, "dot")
    _mark_alerts(figure, points, alerts, bucket_hours, zone, topics)
    top = max([4, *(point.total for point in points), *(point.high for point in band)]) * 1.15
    figure.update_yaxes(title_text="stories", range=[0, top], row=1, col=1)
    figure.update_yaxes(title_text="negative", tickformat=".0%", range=[-0.03, 1.05], dtick=0.5, row=2, col=1)
    figure.update_layout(barmode="stack", bargap=0.15)
    figure.update_xaxes(tickformat=_tick_format(bucket_hours))
    _styled(figure, 470)
    figure.update_xaxes(fixedrange=False)
    strip = {"visible": True, "thickness": 0.07, "bgcolor": "rgba(133,146,166,0.12)"}
    figure.update_xaxes(rangeslider=strip, row=2)
    return figure


def topic_chart(
    trends: Mapping[str, Sequence[TrendPoint]],
    alerts: Sequence[Alert],
    bucket_hours: int,
    zone: ZoneInfo,
    topics: Mapping[str, str],
) -> go.Figure:
    """Negative share of each topic over time as a heat map; a diamond marks each alert on its topic."""
    busy = {topic: points for topic, points in trends.items() if any(point.total for point in points)}
    if not busy:
        return empty_chart("No articles in this period. Choose a longer one, or add sources.")
    names = [_topic_label(topic, topics) for topic in busy]
    first = next(iter(busy.values()))
    middles = [_local(point.start + timedelta(hours=bucket_hours / 2), zone) for point in first]
    figure = go.Figure(
        go.Heatmap(
            x=middles,
            y=names,
            z=[[negative_share(point) for point in points] for points in busy.values()],
            customdata=[
                [
                    f"{_span(point.start, bucket_hours, zone)}: {point.negative} of {point.total} negative"
                    for point in points
                ]
                for points in busy.values()
            ],
            hovertemplate="%{y}, %{customdata}<extra></extra>",
            hoverongaps=False,
            colorscale=[[0, "rgba(133,146,166,0.16)"], [1, NEGATIVE]],
            zmin=0,
            zmax=1,
            xgap=1,
            ygap=2,
            showscale=False,
        )
    )
    marks = [alert for alert in alerts if alert.topic in busy and first[0].start <= alert.detected_at]
    figure.add_scatter(
        x=[_local(alert.detected_at, zone) for alert in marks],
        y=[_topic_label(alert.topic, topics) for alert in marks],
        mode="markers",
        marker={"symbol": "diamond", "size": 11, "color": "#ffffff", "line": {"color": "#10151d", "width": 2}},
        customdata=[_alert_words(alert, topics) for alert in marks],
        hovertemplate="%{customdata}<extra></extra>",
        showlegend=False,
    )
    figure.update_yaxes(autorange="reversed", showgrid=False)
    figure.update_xaxes(showgrid=False, tickformat=_tick_format(bucket_hours))
    return _styled(figure, 60 + 32 * len(busy), top=8)


def empty_chart(hint: str) -> go.Figure:
    """A figure without data that says what to do."""
    figure = go.Figure()
    figure.add_annotation(text=hint, showarrow=False, xref="paper", yref="paper", x=0.5, y=0.5)
    figure.update_xaxes(visible=False)
    figure.update_yaxes(visible=False)
    return _styled(figure, 200)


def negative_share(point: TrendPoint) -> float | None:
    """Share of negatives in [0, 1]; None when there is nothing to share, which leaves a gap in a line."""
    total = point.total
    return point.negative / total if total else None


def _local(moment: datetime, zone: ZoneInfo) -> datetime:
    """Wall-clock time: a browser would otherwise show its own zone or UTC."""
    return moment.astimezone(zone).replace(tzinfo=None)


def _span(start: datetime, hours: int, zone: ZoneInfo) -> str:
    begin, end = _local(start, zone), _local(start + timedelta(hours=hours), zone)
    return f"{begin:%a %d %b}" if hours == 24 else f"{begin:%a %d %b, %H:%M} to {end:%H:%M}"


def _tick_format(bucket_hours: int) -> str:
    return "%H:%M<br>%d %b" if bucket_hours < 6 else "%d %b"


def _topic_label(topic: str, topics: Mapping[str, str]) -> str:
    """A topic's name on two lines when it is long: on a phone the cells need the room."""
    return topic_title(topic, topics).replace(" and ", " and<br>")


def _alert_words(alert: Alert, topics: Mapping[str, str]) -> str:
    subject = escape(alert.entity) or topic_title(alert.topic, topics)
    return f"Alert on {subject}: {alert.negatives} negative, {alert.expected:.1f} expected"


def _add_share(
    figure: go.Figure,
    points: Sequence[TrendPoint],
    middles: Sequence[datetime],
    spans: Sequence[str],
    name: str,
    legend: bool,
    colour: str,
    dash: str = "solid",
) -> None:
    figure.add_scatter(
        x=middles,
        y=[negative_share(point) for point in points],
        mode="lines+markers",
        line={"color": colour, "width": 2, "dash": dash},
        marker={"size": 5, "symbol": "circle" if dash == "solid" else "square"},
        name=name,
        showlegend=legend,
        customdata=spans,
        hovertemplate="%{customdata}: %{y:.0%} negative<extra>" + (escape(name) if legend else "") + "</extra>",
        row=2,
        col=1,
    )


def _add_band(figure: go.Figure, band: Sequence[ExpectedPoint], bucket_hours: int, zone: ZoneInfo) -> None:
    """From what is usual to the most that is not unusual. Its days are UTC's, so its spans may lie between bars."""
    if not band:
        return
    middles = [_local(point.start + timedelta(hours=bucket_hours / 2), zone) for point in band]
    words = [
        f"{_span(p.start, bucket_hours, zone)}: {p.expected:.1f} negative are usual, more than {p.high} unusual"
        for p in band
    ]
    line = {"color": _SOFT, "shape": "hvh", "width": 1}
    figure.add_scatter(
        x=middles, y=[p.expected for p in band], mode="lines", line={**line, "dash": "dot"}, name="usual negatives",
        showlegend=False, hoverinfo="skip", row=1, col=1,
    )  # fmt: skip
    figure.add_scatter(
        x=middles, y=[p.high for p in band], mode="lines", line=line, fill="tonexty",
        fillcolor="rgba(133,146,166,0.28)", name="usual negatives", customdata=words,
        hovertemplate="%{customdata}<extra></extra>", row=1, col=1,
    )  # fmt: skip


def _mark_alerts(
    figure: go.Figure,
    points: Sequence[TrendPoint],
    alerts: Sequence[Alert],
    bucket_hours: int,
    zone: ZoneInfo,
    topics: Mapping[str, str],
) -> None:
    """A dashed line through both rows, and a diamond above the bars that tells what the alert was."""
    end = points[-1].start + timedelta(hours=bucket_hours)
    marks = [alert for alert in alerts if points[0].start <= alert.detected_at <= end]
    if not marks:
        return
    moments = [_local(alert.detected_at, zone) for alert in marks]
    for moment in moments:
        figure.add_vline(x=moment, line={"color": _SOFT, "width": 1, "dash": "dash"})
    figure.add_scatter(
        x=moments,
        y=[max(point.total for point in points) * 1.06] * len(marks),
        mode="markers",
        marker={"symbol": "diamond", "size": 11, "color": NEGATIVE, "line": {"color": "#ffffff", "width": 1}},
        name="alert",
        customdata=[_alert_words(alert, topics) for alert in marks],
        hovertemplate="%{customdata}<extra></extra>",
        row=1,
        col=1,
    )


def _styled(figure: go.Figure, height: int, top: int = 36) -> go.Figure:
    """Clear ground, system fonts, no dragging (a finger on a phone should scroll the page)."""
    figure.update_layout(
        template=None,
        height=height,
        margin={"l": 8, "r": 8, "t": top, "b": 8},
        paper_bgcolor="rgba(0,0,0,0)",
        plot_bgcolor="rgba(0,0,0,0)",
        font={"family": FONT_STACK, "size": 12, "color": _SOFT},
        legend={"orientation": "h", "traceorder": "normal", "x": 0, "y": 1.02, "yanchor": "bottom"},
        dragmode=False,
        uirevision="kept",
    )
    figure.update_xaxes(
        fixedrange=True, tickangle=0, nticks=6, automargin=True, zeroline=False, gridcolor="rgba(133,146,166,0.25)"
    )
    figure.update_yaxes(fixedrange=True, automargin=True, zeroline=False, gridcolor="rgba(133,146,166,0.25)")
    return figure
