"""The dashboard's figures."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from app.domain.alerts import Alert
from app.domain.news import TOPICS, TrendPoint
from app.ui.charts import empty_chart, negative_share, topic_chart, trend_chart

START = datetime(2025, 11, 20, 16, 0, tzinfo=UTC)
SHANGHAI = ZoneInfo("Asia/Shanghai")
POINTS = [
    TrendPoint(START, 1, 2, 1),
    TrendPoint(START + timedelta(hours=6)),
    TrendPoint(START + timedelta(hours=12), 6, 1, 1),
]


def alert_at(moment: datetime, topic: str = "cyber") -> Alert:
    return Alert(topic, moment, moment, "high", 6, 0.5, 1e-9, 3)


def test_negative_share_of_empty_span_is_a_gap() -> None:
    assert [negative_share(point) for point in POINTS] == [0.25, None, 0.75]


def test_trend_chart_stacks_sentiments_above_the_share() -> None:
    figure = trend_chart(POINTS, [], 6, SHANGHAI, TOPICS)
    bars = {trace.name: list(trace.y) for trace in figure.data if trace.type == "bar"}
    assert bars == {"negative": [1, 0, 6], "neutral": [2, 0, 1], "positive": [1, 0, 1]}
    assert figure.layout.barmode == "stack"
    share = next(trace for trace in figure.data if trace.name == "negative share")
    assert list(share.y) == [0.25, None, 0.75]


def test_trend_chart_shows_wall_clock_time_of_the_zone() -> None:
    figure = trend_chart(POINTS, [], 6, SHANGHAI, TOPICS)
    middle = figure.data[0].x[0]  # of 00:00 to 06:00 in Shanghai; without a zone, or browsers would convert it
    assert middle.isoformat() == "2025-11-21T03:00:00"
    assert figure.data[0].customdata[0] == "Fri 21 Nov, 00:00 to 06:00"


def test_trend_chart_marks_the_alerts_of_the_period() -> None:
    inside, outside = alert_at(START + timedelta(hours=13)), alert_at(START - timedelta(hours=1))
    figure = trend_chart(POINTS, [inside, outside], 6, SHANGHAI, TOPICS)
    marks = next(trace for trace in figure.data if trace.name == "alert")
    assert list(marks.customdata) == ["Alert on Cyber and outage: 6 negative, 0.5 expected"]
    assert len(figure.layout.shapes) == 2  # one line in each row


def test_trend_chart_without_alerts_has_no_marks() -> None:
    figure = trend_chart(POINTS, [], 6, SHANGHAI, TOPICS)
    assert not figure.layout.shapes
    assert all(trace.name != "alert" for trace in figure.data)


def test_charts_without_articles_say_what_to_do() -> None:
    calm = [TrendPoint(START), TrendPoint(START + timedelta(hours=6))]
    for figure in (
        trend_chart([], [], 6, SHANGHAI, TOPICS),
        trend_chart(calm, [alert_at(START)], 6, SHANGHAI, TOPICS),
        topic_chart({"cyber": calm}, [], 6, SHANGHAI, TOPICS),
        topic_chart({}, [], 6, SHANGHAI, TOPICS),
    ):
        assert not figure.data
        assert "add sources" in figure.layout.annotations[0].text


def test_topic_chart_leaves_out_topics_without_articles() -> None:
    calm = [TrendPoint(point.start) for point in POINTS]
    alerts = [alert_at(START + timedelta(hours=13)), alert_at(START + timedelta(hours=13), "labour")]
    figure = topic_chart({"cyber": POINTS, "labour": calm}, alerts, 6, SHANGHAI, TOPICS)
    heat, marks = figure.data
    assert list(heat.y) == ["Cyber and<br>outage"]
    assert [list(row) for row in heat.z] == [[0.25, None, 0.75]]
    assert list(marks.y) == ["Cyber and<br>outage"]


def test_charts_name_no_foreign_host_and_no_page_background() -> None:
    for figure in (trend_chart(POINTS, [], 6, SHANGHAI, TOPICS), empty_chart("Nothing yet.")):
        assert "http" not in figure.to_json()
        assert figure.layout.paper_bgcolor == "rgba(0,0,0,0)"


def test_charts_call_topics_by_the_titles_in_force() -> None:
    alert = alert_at(START + timedelta(hours=13))
    by_topic = topic_chart({"cyber": POINTS}, [alert], 6, SHANGHAI, {"cyber": "Outages"})
    assert list(by_topic.data[0].y) == ["Outages"]
    figure = trend_chart(POINTS, [alert], 6, SHANGHAI, {"fraud": "Fraud"})
    marks = next(trace for trace in figure.data if trace.name == "alert")
    assert list(marks.customdata) == ["Alert on Cyber: 6 negative, 0.5 expected"], "a topic that was removed since"
